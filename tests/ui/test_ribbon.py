"""What the reader sees in the frames of a morph."""

from __future__ import annotations

import torch

from vae.pipeline import Pipeline
from vae.request import MorphRequest
from vae.ui.player import payload
from vae.ui.ribbon import Seen, seen_by_reader


def shown(pipeline: Pipeline, *numbers: str, **options: object) -> list[list[Seen]]:
    """The ribbon of the page's morph: each frame once."""
    first, *via, last = numbers
    request = MorphRequest(first, last, via=tuple(via), formats=(), **options)  # type: ignore[arg-type]
    rows = payload(request, pipeline)["ribbon"]
    assert all(len(row) == request.frames for row in rows)
    return rows


def digits(rows: list[list[Seen]], frame: int) -> list[int | None]:
    return [None if found is None else int(found[0]) for found in (row[frame] for row in rows)]


def test_every_place_of_the_wider_number_is_told(pipeline: Pipeline) -> None:
    rows = shown(pipeline, "7", "128", steps=30)
    assert digits(rows, 0) == [None, None, 7] and digits(rows, -1) == [1, 2, 8]
    assert all(found is not None and found[1] > 0.9 for found in (row[-1] for row in rows))
    for row in rows[:2]:  # nothing, and from the first ink on always something
        came = next(i for i, found in enumerate(row) if found)
        assert came > 5 and all(row[came:])
    assert all(rows[2])


def test_a_place_that_goes_is_nothing_afterwards(pipeline: Pipeline) -> None:
    rows = shown(pipeline, "41", "7", steps=30, speed="eased")
    assert digits(rows, 0) == [4, 1] and digits(rows, -1) == [None, 7]


def test_a_sequence_shows_each_number_where_it_stands(pipeline: Pipeline) -> None:
    steps = 12
    rows = shown(pipeline, "10", "9", "123", "45", steps=steps)
    expected = [[None, 1, 0], [None, None, 9], [1, 2, 3], [None, 4, 5]]
    for k, number in enumerate(expected):
        assert digits(rows, k * (steps - 1)) == number


def test_a_speck_is_no_digit(pipeline: Pipeline) -> None:
    speck = torch.zeros(1, 1, 28, 28)
    speck[..., 14, 12:16] = 1
    assert seen_by_reader(pipeline, speck) == [[None]]
