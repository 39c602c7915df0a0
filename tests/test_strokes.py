import pytest
import torch
from torch import Tensor

from vae.strokes import reveal, stroke_order


def bar(top: int, bottom: int, left: int = 13, right: int = 16) -> Tensor:
    picture = torch.zeros(28, 28)
    picture[top:bottom, left:right] = 1
    return picture


def test_a_pen_comes_down_a_stroke() -> None:
    order = stroke_order(bar(4, 24))
    down = order[4:24, 14]
    assert (down.diff() > 0).all()
    assert down[0] < 0.1
    assert order.max() == 1


def test_a_pen_follows_the_ink_and_not_the_row() -> None:
    hook = torch.maximum(bar(4, 24, 4, 6), bar(22, 24, 4, 24))  # down, then to the right
    hook = torch.maximum(hook, bar(4, 24, 22, 24))  # and up again
    order = stroke_order(hook)
    ends = sorted([float(order[4, 4]), float(order[4, 23])])
    assert ends[0] < 0.05
    assert ends[1] > 0.95
    assert float(order[23, 14]) == pytest.approx(0.5, abs=0.1)


def test_strokes_follow_one_another_from_the_top() -> None:
    upper, lower = bar(2, 10), bar(16, 26)
    order = stroke_order(upper + lower)
    assert order[upper > 0].max() <= order[lower > 0].min()


@pytest.mark.parametrize("picture", [torch.zeros(28, 28), torch.eye(28)[:1].T @ torch.eye(28)[:1]])
def test_nothing_and_a_dot_can_be_written(picture: Tensor) -> None:
    frames = reveal(picture, torch.linspace(0, 1, 5))
    assert torch.isfinite(frames).all()
    assert frames[0].sum() == 0
    torch.testing.assert_close(frames[-1], picture)


def test_writing_adds_ink_from_none_to_all() -> None:
    picture = bar(4, 24) * torch.linspace(0.1, 1, 28)[:, None]  # faint at the top
    frames = reveal(picture, torch.linspace(0, 1, 30))
    assert frames.shape == (30, 28, 28)
    assert frames[0].sum() == 0
    torch.testing.assert_close(frames[-1], picture)
    assert (frames.diff(dim=0) >= -1e-6).all()
    assert frames.max() <= 1
    half = frames[15].sum() / picture.sum()
    assert 0.2 < half < 0.8
