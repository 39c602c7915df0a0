"""Numbers whose digits touch, overlap or come in pieces, as pictures and as strokes; with the shipped segmenter."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
import torch

from vae.drawing import Drawing, rasterise
from vae.ink import Piece
from vae.pipeline import Pipeline
from vae.reading import read_number
from vae.seams import find_parts, find_seams
from vae.segmentation import WORK, _best_path, frames, segment, united
from vae.sketch import read_digits
from vae.training.numbers import Drawn, compose, cropped
from vae.training.skeletons import SKELETONS, draw

Stroke = Sequence[tuple[float, float]]


def shares(gap: float, count: int, pipeline: Pipeline) -> tuple[float, float]:
    """Of numbers of two to four made-up digits: how many are split right, and how many read right."""
    random = np.random.default_rng(0)
    split = read = 0
    for _ in range(count):
        labels = random.integers(0, 10, random.integers(2, 5)).tolist()
        digits = [Drawn(label, cropped(draw(label, random))) for label in labels]
        ink = compose(digits, 110, [gap] * len(digits), random).ink
        found = read_number(np.rint(255 * (1 - ink)).astype(np.uint8), pipeline).number
        split += len(found) == len(labels)
        read += found == "".join(map(str, labels))
    return split / count, read / count


def strokes(number: str, gap: float, ways: Sequence[int], left: float = -0.4) -> list[np.ndarray]:
    """A number written stroke by stroke, `gap` of the pad's height between the boxes of its digits."""
    written, clock = [], 0.0
    for digit, way in zip(number, ways, strict=True):
        corners = [np.array(stroke) for stroke in SKELETONS[int(digit)][way]]
        low, high = (f(np.concatenate(corners)[:, 0]) for f in (np.min, np.max))
        for stroke in corners:
            t = np.linspace(0, len(stroke) - 1, 8 * len(stroke))
            x, y = (np.interp(t, np.arange(len(stroke)), stroke[:, axis]) for axis in (0, 1))
            points = np.column_stack([left + (x - low) * 0.35, 0.25 + y * 0.5, clock + 12 * np.arange(len(t))])
            written.append(points.astype(np.float32))
            clock += 12 * len(t) + 200
        left += (high - low) * 0.35 + gap
    return written


# --- pictures ---


@pytest.mark.parametrize(("gap", "split", "read"), [(0.1, 0.95, 0.95), (-0.02, 0.8, 0.7), (-0.06, 0.7, 0.5)])
def test_digits_that_touch_are_parted_and_read(gap: float, split: float, read: float, pipeline: Pipeline) -> None:
    was_split, was_read = shares(gap, 16, pipeline)
    assert was_split >= split and was_read >= read


def test_a_digit_is_never_parted(pipeline: Pipeline) -> None:
    random = np.random.default_rng(1)
    for label in [*range(10)] * 3:
        ink = np.pad(cropped(draw(label, random)), 20)
        assert len(read_number(np.rint(255 * (1 - ink)).astype(np.uint8), pipeline).digits) == 1, label


@pytest.mark.parametrize("end", [0.04, 0.1])
def test_a_wide_0_whose_end_is_open_stays_whole(end: float, pipeline: Pipeline) -> None:
    angle = np.linspace(-1.2, 2 * np.pi - 1.2 - 3 * end, 60)
    oval = np.column_stack([0.32 * np.cos(angle), 0.5 + 0.26 * np.sin(angle), 20 * np.arange(60)]).astype(np.float32)
    drawing = Drawing([oval], 0.05)
    assert read_number(drawing, pipeline).number == "0"
    assert read_number(rasterise(drawing), pipeline).number == "0"


def test_what_lies_in_pieces_is_put_together(pipeline: Pipeline) -> None:
    """A 4 and a 5 in two strokes that do not touch."""
    for number, way in (("4", 3), ("5", 3)):
        drawing = Drawing(strokes(number, 0, [way]), 0.03)
        assert read_number(drawing, pipeline).number == number
        assert read_number(rasterise(drawing), pipeline).number == number


# --- strokes ---


@pytest.mark.parametrize("number", ["47", "70", "38", "521"])
def test_strokes_are_told_apart_where_they_cross(number: str, pipeline: Pipeline) -> None:
    drawing = Drawing(strokes(number, -0.05, [0] * len(number)), 0.05)
    assert read_number(drawing, pipeline).number == number


def test_a_bar_that_is_drawn_last_finds_its_digit(pipeline: Pipeline) -> None:
    seven, one = strokes("71", 0.06, [1, 0])[:2], strokes("1", 0, [0], left=0.05)
    assert read_number(Drawing([seven[0], *one, seven[1]], 0.05), pipeline).number == "71"


def test_a_stroke_over_another_is_part_of_it(pipeline: Pipeline) -> None:
    (seven,) = strokes("7", 0, [0])
    again = seven[4:20] + np.array([0.004, 0.003, 900], np.float32)
    assert read_number(Drawing([seven, again], 0.06), pipeline).number == "7"


def test_many_strokes_are_looked_at_as_a_picture(pipeline: Pipeline) -> None:
    (seven,) = strokes("7", 0, [0])
    pieces = [seven[k : k + 2] for k in range(len(seven) - 1)] * 2
    assert len(pieces) > 24
    assert read_number(Drawing(pieces, 0.06), pipeline).number == "7"


def test_ink_above_and_below_the_pad_is_kept(pipeline: Pipeline) -> None:
    (one,) = strokes("1", 0, [0])
    tall = one * (1, 2.4, 1) - np.array([0, 0.7, 0])
    drawing = Drawing([tall.astype(np.float32)], 0.05)
    height, width = rasterise(drawing).shape
    ink = rasterise(drawing) < 128
    assert height > 1.15 * width and np.count_nonzero(ink.any(axis=1)) > 1.15 * 420
    assert read_number(drawing, pipeline).number == "1"


# --- the search ---


def test_the_best_path_is_the_best_of_all() -> None:
    random = np.random.default_rng(0)
    steps = [(i, j, float(random.normal())) for i in range(6) for j in range(i + 1, 7)]
    ways = [
        [steps.index(next(s for s in steps if s[:2] == pair)) for pair in zip((0, *inner), (*inner, 6), strict=True)]
        for k in range(6)
        for inner in combinations(range(1, 6), k)
    ]
    best = max(ways, key=lambda way: sum(steps[k][2] - 0.3 for k in way))
    assert _best_path(7, steps, 0.3) == best
    assert _best_path(7, [(0, 3, 1.0), (4, 6, 1.0)]) is None


def test_seams_go_between_strokes_that_lean() -> None:
    ink = np.zeros((WORK, 80), np.float32)
    for y in range(WORK):
        for x in (30, 42):
            ink[y, x - y // 3 : x - y // 3 + 5] = 1
    seams = find_seams(ink)
    crossed = np.take_along_axis(ink, np.minimum(seams.T, 79), axis=1).sum(axis=0)
    left = [(ink[:, :, None] * (np.arange(80)[None, :, None] < seams.T[:, None, :])).sum((0, 1))]
    assert np.any((crossed < 1) & (np.abs(left[0] / ink.sum() - 0.5) < 0.01))


def test_every_part_is_ink_and_few_are_tried() -> None:
    ink = cropped(draw(8, np.random.default_rng(0)))
    ink = np.pad(ink, ((0, 0), (0, 10)))[:WORK]
    parts, cuts = find_parts(ink)
    assert all(0 <= part.first < part.last < cuts and not (part.mask & (ink <= 0.3)).any() for part in parts)
    noise = np.random.default_rng(0).random((WORK, 6 * WORK)).astype(np.float32)
    began = time.monotonic()
    assert len(find_parts(noise)[0]) < 3000
    assert time.monotonic() - began < 20  # a guard against hanging, no promise


def test_frames_hold_a_part_as_mnist_would_and_the_ink_around_it() -> None:
    ink = np.zeros((WORK, 90), np.float32)
    ink[4:44, 10:15], ink[4:44, 30:35] = 1, 1
    part = ink.copy()
    part[:, 20:] = 0
    own, around = frames(part[None], ink)[0]
    rows, columns = (np.flatnonzero(own.max(axis=axis) > 0.3) for axis in (1, 0))
    assert 20 <= len(rows) <= 21 and 2 <= len(columns) <= 4
    assert own @ np.arange(28) @ np.ones(28) / own.sum() == pytest.approx(14, abs=0.1)
    assert own.sum() == pytest.approx(20 * 2.5, rel=0.02)
    assert around.sum(axis=0).argmax() > 20  # the other bar stands to the right


def test_cutting_loses_no_ink() -> None:
    ink = np.zeros((200, 300), np.float32)
    ink[20:180, 40:60] = ink[20:180, 200:220] = ink[90:110, 40:220] = 1

    def halves(x: torch.Tensor) -> torch.Tensor:
        """Takes what is no wider than high for a 1."""
        wide = (x[:, 0].amax(1) > 0.3).sum(1) > 14
        digit = torch.full((len(x), 11), -20.0)
        digit[:, 1], digit[:, 10] = torch.where(wide, 0.01, 0.98).log(), torch.where(wide, 0.98, 0.01).log()
        return digit

    digits = segment([Piece(5, 7, ink)], halves)
    assert len(digits) == 2 and all(digit.guesses.argmax() == 1 for digit in digits)
    again = united([digit.piece for digit in digits])
    assert again.ink.sum() == pytest.approx(ink.sum(), rel=0.01)
    assert (again.left, again.top) == (45, 27)


def test_a_hatched_page_is_refused_or_read_in_time_and_memory() -> None:
    page = np.full((1200, 1200), 255, np.uint8)
    for k in range(0, 1200, 37):
        page[k : k + 6] = 0
        page[:, k : k + 6] = 0
    began = time.monotonic()
    try:
        assert len(read_digits(page)) <= 4
    except ValueError as refusal:
        assert str(refusal).endswith(".")
    assert time.monotonic() - began < 30  # a guard against hanging, no promise
