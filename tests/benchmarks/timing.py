"""Times of calls that take turns, and their median and spread as the rows of a table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Times = dict[str, list[float]]


def turns(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    warm: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> Times:
    """Milliseconds of each call by the `clock`, the calls taking turns, so that a busy moment falls on all; the first
    `warm` rounds are not counted."""
    times: Times = {name: [] for name in calls}
    for i in range(rounds + warm):
        for name, call in calls.items():
            start = clock()
            call()
            if i >= warm:
                times[name].append(1e3 * (clock() - start))
    return times


def spread(samples: Sequence[float], places: int = 1) -> str:
    """The median, and the quartiles in brackets."""
    low, middle, high = statistics.quantiles(samples, n=4) if len(samples) > 1 else samples * 3
    return f"{middle:.{places}f} ({low:.{places}f} to {high:.{places}f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its first column text."""
    lines = [list(head), ["---"] + ["---:"] * (len(head) - 1), *map(list, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ms(times: Times) -> str:
    """The times of `turns` as a table."""
    return table(["", "ms, median (quartiles)"], [[name, spread(samples)] for name, samples in times.items()])
