"""Figures of frames on shapes whose figures are known."""

import math

import pytest
import torch
from torch import Tensor

from vae.evaluation import looks


def bar(left: int = 12, right: int = 16, top: int = 4, bottom: int = 24) -> Tensor:
    picture = torch.zeros(28, 28)
    picture[top:bottom, left:right] = 1
    return picture


def ring(outer: float = 10, inner: float = 6) -> Tensor:
    axis = torch.arange(28.0) - 13.5
    distance = torch.hypot(axis[:, None], axis)
    return ((distance < outer) & (distance > inner)).float()


def test_pieces_and_holes_are_counted() -> None:
    two_rings = torch.maximum(ring(5, 2).roll(-6, 0), ring(5, 2).roll(6, 0))
    crumbs = torch.maximum(bar(), bar(20, 22, 5, 7))
    corner = torch.maximum(bar(4, 8, 4, 8), bar(8, 12, 8, 12))
    frames = torch.stack([bar(), ring(), two_rings, crumbs, torch.zeros(28, 28), corner])
    assert looks.topology(frames).tolist() == [[1, 0], [1, 1], [2, 2], [2, 0], [0, 0], [1, 0]]


def test_a_grey_that_is_neither_ink_nor_paper_is_a_share_of_the_ink() -> None:
    half = bar() + 0.5 * bar(16, 18)  # 80 of ink, 20 of grey
    assert looks.grey_share(torch.stack([bar(), half, 0.5 * bar(), 0 * half])).tolist() == pytest.approx([0, 0.2, 1, 0])


def test_a_crossfade_is_grey_and_a_cut_is_not() -> None:
    one, other = bar(4, 8), bar(18, 22)
    alpha = torch.linspace(0, 1, 11)[:, None, None]
    faded = looks.compared((1 - alpha) * one + alpha * other)
    assert faded["greyest"] == pytest.approx(1)  # in the middle there is nothing else
    assert faded["grey"] == pytest.approx(5 / 11)  # 0.3 to 0.7
    cut = looks.compared(torch.stack([one, one, other, other]))
    assert cut["grey"] == cut["greyest"] == 0


def test_what_neither_end_has_is_alien() -> None:
    crumb = torch.maximum(bar(), bar(20, 22, 5, 7))
    frames = torch.stack([bar(), crumb, ring(), bar()])
    assert (looks.compared(frames)["crumbs"], looks.compared(frames)["holes"]) == (0.25, 0.25)
    frames = torch.stack([crumb, crumb, bar(), ring()])
    assert (looks.compared(frames)["crumbs"], looks.compared(frames)["holes"]) == (0, 0)


def test_styles_of_bars_are_their_sizes() -> None:
    frames = torch.stack([bar(12, 16), bar(11, 17), bar(12, 16, 8, 20)])
    thickness, slant, width, height = looks.measure_styles(frames).T
    assert thickness.tolist() == pytest.approx([4, 6, 4], abs=0.6)
    assert slant.tolist() == pytest.approx([0, 0, 0], abs=1e-4)
    assert width.tolist() == pytest.approx([3, 5, 3], abs=0.01)
    assert height.tolist() == pytest.approx([19, 19, 11], abs=0.01)


def test_slant_is_the_lean_to_the_right() -> None:
    leaning = torch.stack([bar().roll(0, 0), torch.zeros(28, 28)])
    for row in range(28):
        leaning[1, row] = bar()[row].roll(round((13.5 - row) * 0.5))
    upright, leans = looks.measure_styles(leaning)[:, 1].tolist()
    assert upright == pytest.approx(0, abs=1e-4)
    assert leans == pytest.approx(math.atan(0.5), abs=0.03)
    assert looks.measure_styles(leaning)[1, 2] < 6  # the width of a parallelogram is that of its strokes


def test_a_steady_change_of_style_is_no_drift() -> None:
    steady = torch.stack([bar(12, 14 + k) for k in range(5)])
    bulging = torch.stack([bar(12, 14 + k) for k in (0, 4, 8, 4, 0)])
    drift = [looks.compared(frames) for frames in (steady, bulging)]
    assert drift[0]["width"] == pytest.approx(0, abs=1e-3) and drift[0]["thickness"] < 0.3
    assert drift[1]["width"] == pytest.approx(16 / 5, abs=0.1) and drift[1]["thickness"] > 1.5


def test_nothing_drawn_has_no_style() -> None:
    assert torch.isfinite(looks.measure_styles(torch.zeros(1, 28, 28))).all()
    assert looks.stroke_thickness(torch.zeros(28, 28).numpy()) == 0
