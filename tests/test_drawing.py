"""Drawings as strokes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vae.drawing import HEIGHT, Drawing, rasterise
from vae.pipeline import Pipeline
from vae.reading import read_number


def stroke(*points: tuple[float, float]) -> np.ndarray:
    return np.array([(x, y, 10 * i) for i, (x, y) in enumerate(points)], np.float32)


SEVEN = stroke((-0.14, 0.2), (0.0, 0.2), (0.12, 0.2), (0.1, 0.3), (0.06, 0.4), (0.0, 0.6), (-0.06, 0.84))
ONE = stroke((0.5, 0.15), (0.49, 0.5), (0.5, 0.85))


def test_a_line_is_as_long_and_broad_as_it_was_drawn() -> None:
    ink = rasterise(Drawing([stroke((0.0, 0.2), (0.0, 0.5), (0.0, 0.8))], pen=0.1)) < 128
    assert ink.shape == (HEIGHT, HEIGHT)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    assert rows[0] == pytest.approx(0.15 * HEIGHT, abs=2) and rows[-1] == pytest.approx(0.85 * HEIGHT, abs=2)
    assert columns.mean() == pytest.approx(HEIGHT / 2, abs=1) and len(columns) == pytest.approx(0.1 * HEIGHT, abs=2)


def test_a_point_is_a_disc() -> None:
    ink = rasterise(Drawing([stroke((0.0, 0.5))], pen=0.2)) < 128
    assert ink.sum() == pytest.approx(np.pi * (0.1 * HEIGHT) ** 2, rel=0.05)


def test_what_reaches_beyond_the_pad_makes_it_wider() -> None:
    assert rasterise(Drawing([ONE])).shape[1] > HEIGHT
    assert rasterise(Drawing([stroke((-30.0, 0.5), (30.0, 0.5))])).shape[1] == 4 * HEIGHT


def test_strokes_are_read_as_the_number_that_they_show(pipeline: Pipeline) -> None:
    assert read_number(Drawing([SEVEN]), pipeline).number == "7"
    assert read_number(Drawing([SEVEN, ONE]), pipeline).number == "71"


def test_strokes_over_the_digits_of_a_link(pipeline: Pipeline) -> None:
    seven = read_number(Drawing([SEVEN]), pipeline).pictures
    assert read_number(Drawing([ONE], under=seven), pipeline).number == "71"
    alone = rasterise(Drawing([ONE], under=torch.zeros(1, 1, 28, 28)))
    assert (alone == 255).mean() > 0.9  # blank digits leave the paper blank
