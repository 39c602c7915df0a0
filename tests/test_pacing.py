import pytest
import torch
from torch import Tensor

from vae import pacing, paths


def uneven(alpha: Tensor) -> Tensor:
    """A blot whose motion is slow, quick and slow again: pictures (T, 20, 20)."""
    x = torch.arange(20.0)
    place = 4 + 12 * torch.sigmoid(10 * (alpha - 0.5))
    return torch.exp(-((x - place[:, None]) ** 2) / 8)[:, None, :].expand(-1, 20, -1)


@pytest.mark.parametrize("count", [2, 10, 60, 240])
def test_even_steps_change_the_picture_evenly(count: int) -> None:
    alpha, pictures = pacing.even_steps(uneven, torch.linspace(0, 1, count))
    change = paths.arc_length(pictures).diff()
    if count > 2:
        assert change.std() / change.mean() < 0.02
        raw = paths.arc_length(uneven(torch.linspace(0, 1, count))).diff()
        assert raw.std() / raw.mean() > 0.3
    assert (alpha[0], alpha[-1]) == (0, 1)
    assert (alpha.diff() > 0).all()


@pytest.mark.parametrize("count", [10, 60, 240])
def test_the_pictures_of_even_steps_are_those_at_alpha(count: int) -> None:
    alpha, pictures = pacing.even_steps(uneven, torch.linspace(0, 1, count))
    torch.testing.assert_close(pictures, uneven(alpha), atol=0.01, rtol=0)
    assert torch.equal(pictures[[0, -1]], uneven(torch.tensor([0.0, 1.0])))


def test_even_steps_follow_the_spacing_they_are_given() -> None:
    spacing = pacing.ease(torch.linspace(0, 1, 40))
    length = paths.arc_length(pacing.even_steps(uneven, spacing)[1])
    torch.testing.assert_close(length / length[-1], spacing, atol=0.01, rtol=0)


def test_even_steps_make_less_than_twice_the_pictures_that_are_wanted() -> None:
    made = 0

    def counted(alpha: Tensor) -> Tensor:
        nonlocal made
        made += len(alpha)
        return uneven(alpha)

    pacing.even_steps(counted, torch.linspace(0, 1, 60))
    assert made < 2 * 60


def test_a_still_picture_keeps_its_spacing() -> None:
    spacing, still = torch.linspace(0, 1, 5), torch.full((5, 2, 2), 0.5)
    alpha, pictures = pacing.even_steps(lambda alpha: torch.full((len(alpha), 2, 2), 0.5), spacing)
    assert torch.equal(alpha, spacing)
    assert torch.equal(pictures, still)


def test_between_goes_through_its_pictures_and_along_a_parabola() -> None:
    pictures = torch.arange(9.0)[:, None].square() / 64
    assert torch.equal(pacing.between(pictures, torch.arange(9.0)), pictures)
    place = torch.linspace(1, 7, 31)
    torch.testing.assert_close(pacing.between(pictures, place)[:, 0], place.square() / 64)


def test_ease_is_slow_at_both_ends() -> None:
    eased = pacing.ease(torch.linspace(0, 1, 101))
    assert eased[[0, 50, 100]].tolist() == pytest.approx([0, 0.5, 1])
    assert eased.diff()[[0, -1]].max() < 0.1 * eased.diff().max()
    assert (eased.diff() > 0).all()


def test_lingering_gives_a_stretch_its_time_and_is_even_within() -> None:
    time = torch.linspace(0, 1, 601)
    for first, last in ((0.4, 0.44), (0.0, 0.02), (0.9, 1.0), (0.5, 0.5)):
        share = pacing.linger(time, first, last, 0.25)
        assert (share[0], share[-1]) == (0, pytest.approx(1))
        assert (share.diff() > 0).all()
        within = (share >= first) & (share <= max(last, first + 1e-3))
        assert within.double().mean() == pytest.approx(0.25, abs=0.02)
        step = share.diff()[within[1:] & within[:-1]]
        assert step.std() / step.mean() < 0.1
        assert step.max() < 0.5 * share.diff().max()
        assert share.diff().diff().abs().max() < 0.05 * share.diff().max()  # eased in and out


def test_a_stretch_that_is_long_anyway_is_left_as_it_is() -> None:
    time = torch.linspace(0, 1, 11)
    assert torch.equal(pacing.linger(time, 0.3, 0.7, 0.25), time)


def test_the_turn_lies_between_the_last_sure_source_and_the_next_sure_target() -> None:
    source = torch.tensor([1.0, 1, 0.8, 0.97, 0.6, 0.2, 0, 0])
    certainty = torch.stack([source, torch.tensor([0.0, 0, 0, 0, 0.3, 0.7, 0.99, 1])], 1)
    assert pacing.turn_of(certainty) == (3, 6)
    assert pacing.turn_of(torch.full((5, 2), 0.5)) == (0, 4)
    assert pacing.turn_of(torch.tensor([[1.0, 0], [1, 0]])) == (1, 1)


@pytest.mark.parametrize("turn", [0.2, 0.5, 0.9])
def test_steps_with_a_turn_stay_long_in_it_and_are_even_there(turn: float) -> None:
    def certainty(pictures: Tensor) -> Tensor:
        place = (pictures[:, 0] @ torch.arange(20.0) / pictures[:, 0].sum(1) - 4) / 12
        second = torch.sigmoid((place - turn) * 200)
        return torch.stack([1 - second, second], 1)

    pictures = pacing.steps_with_turn(uneven, certainty, torch.linspace(0, 1, 60), 0.25)
    unsure = (certainty(pictures) < 0.95).all(1)
    even = pacing.even_steps(uneven, torch.linspace(0, 1, 60))[1]
    assert 12 <= unsure.sum() <= 18
    assert (certainty(even) < 0.95).all(1).sum() <= 4
    steps = paths.arc_length(pictures).diff()[unsure[1:] & unsure[:-1]]
    assert steps.std() / steps.mean() < 0.1
