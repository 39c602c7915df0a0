"""What the reader sees in the frames of a morph."""

from __future__ import annotations

import pytest
import torch

from vae.request import MorphRequest, MorphResult, produce
from vae.ui.player import without_holds
from vae.ui.ribbon import Seen, parted, ribbon, seen


def told(*numbers: str, **options: object) -> tuple[MorphResult, list[list[Seen]]]:
    first, *via, last = numbers
    request = MorphRequest(first, last, via=tuple(via), formats=(), **options)  # type: ignore[arg-type]
    result = produce(request)
    rows = ribbon(without_holds(result), result)
    assert all(len(row) == len(without_holds(result)) for row in rows)
    return result, rows


def digits(rows: list[list[Seen]], frame: int) -> list[int | None]:
    return [None if found is None else int(found[0]) for found in (row[frame] for row in rows)]


def test_every_place_of_the_wider_number_is_told() -> None:
    _, rows = told("7", "128", steps=30, hold=0.4)
    assert digits(rows, 0) == [None, None, 7] and digits(rows, -1) == [1, 2, 8]
    assert all(found is not None and found[1] > 0.9 for found in (row[-1] for row in rows))
    for row in rows[:2]:  # nothing, and from the first ink on always something
        came = next(i for i, found in enumerate(row) if found)
        assert came > 5 and all(row[came:])
    assert all(rows[2])


def test_a_place_that_goes_is_nothing_afterwards() -> None:
    _, rows = told("41", "7", steps=30, speed="eased")
    assert digits(rows, 0) == [4, 1] and digits(rows, -1) == [None, 7]


@pytest.mark.parametrize("hold", [0.0, 0.2])
def test_a_sequence_shows_each_number_where_it_stands(hold: float) -> None:
    steps = 12
    result, rows = told("10", "9", "123", "45", steps=steps, hold=hold)
    pause = round(hold * result.request.fps)
    expected = [[None, 1, 0], [None, None, 9], [1, 2, 3], [None, 4, 5]]
    for k, number in enumerate(expected):
        assert digits(rows, max(0, k * (steps - 1 + pause) - (pause if k == 3 else 0))) == number


def test_the_parts_hold_every_frame_once() -> None:
    result, _ = told("1", "23", "4", steps=10, hold=0.1)
    frames = without_holds(result)
    parts = parted(frames, result)
    assert [start for start, _ in parts] == [0, 9 + 3]
    assert sum(len(part) for _, part in parts) == len(frames)


def test_a_speck_is_no_digit() -> None:
    speck = torch.zeros(1, 1, 28, 28)
    speck[..., 14, 12:16] = 1
    assert seen(speck) == [[None]]
