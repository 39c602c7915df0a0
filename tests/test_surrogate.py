"""The surrogate: what it learns of pictures, and what it makes of paths."""

import pytest
import torch
from torch import Tensor

from vae.bank import bank_of
from vae.classifier import load_classifier, probabilities
from vae.evaluation import looks
from vae.model import VAE
from vae.surrogate import DIGITS, HOLES, OUTPUTS, TRAITS, Potential, Surrogate
from vae.training.surrogates import Effort, fitted, lesson, points_on_lines


def says(*outputs: Tensor) -> Surrogate:
    """A surrogate that says `outputs` of the unit vectors of as many latents."""
    return Surrogate([(torch.stack(outputs, 1), torch.zeros(OUTPUTS))])


def picture(digit: int, holes: int = 0, crumb: bool = False, traits: float = 0.0) -> Tensor:
    return torch.cat(
        [
            20 * torch.eye(DIGITS)[digit],
            torch.full((TRAITS,), traits),
            20 * torch.eye(HOLES)[holes],
            torch.tensor([20.0 if crumb else -20.0]),
        ]
    )


def test_a_path_past_a_third_digit_a_hole_a_crumb_or_another_style_is_worse() -> None:
    places = torch.eye(6)
    knows = says(picture(3), picture(8), picture(1), picture(3, holes=1), picture(3, crumb=True), picture(3, traits=3))
    ends = knows.between(places[:2], (3, 8), 6)
    fine, other, third, hole, crumb, style = ends(places).tolist()
    assert fine == pytest.approx(0, abs=1e-3) and other == pytest.approx(0, abs=1e-3)
    for worse in (third, hole, crumb, style):
        assert worse > 0.5
    assert third > max(hole, crumb)
    ringed = knows.between(torch.stack([places[3], places[1]]), (3, 8), 6)
    assert ringed(places)[3] == pytest.approx(0, abs=1e-3)  # the source has one


def test_a_hole_of_either_end_is_not_alien_and_the_style_may_go_from_one_to_the_other() -> None:
    knows = says(picture(3, traits=-1), picture(8, holes=1, traits=1), picture(3, traits=0))
    potential = knows.between(torch.eye(3)[:2], (3, 8), 3)
    assert potential.holes == 1
    along = torch.eye(3)[[0, 2, 1]]
    assert potential(along).abs().max() < 1e-3


def test_it_learns_what_pictures_look_like(small: VAE) -> None:
    """Against what the reader and the measures say of decoded latents that it was not taught."""
    reader, bank = load_classifier("reader"), bank_of(small)
    effort = Effort(points=3_000, width=48, steps=500)
    generator = torch.Generator().manual_seed(3)
    knows = fitted([lesson(small, reader, points_on_lines(bank, effort.points, generator))], effort, generator)
    z = points_on_lines(bank, 400, generator)
    x = small.decode(z)
    seen = knows(z)
    reading = probabilities(reader, x).argmax(1)
    chance = reading.bincount().max() / len(reading)
    assert (seen[:, :DIGITS].argmax(1) == reading).float().mean() > chance + 0.5 * (1 - chance)
    slant = looks.measure_styles(x[:, 0])[:, 1]
    assert torch.corrcoef(torch.stack([seen[:, DIGITS + 1], slant]))[0, 1] > 0.8


def test_only_layers_that_follow_from_one_another_fit() -> None:
    good = says(picture(3), picture(8))
    assert good.fits(2) and not good.fits(3)
    assert not Surrogate([]).fits(2)
    assert not Surrogate([(torch.full((OUTPUTS, 2), torch.nan), torch.zeros(OUTPUTS))]).fits(2)
    assert not Surrogate([(torch.zeros(4, 2), torch.zeros(4))]).fits(2)


def test_a_potential_has_a_slope(small: VAE) -> None:
    bank = bank_of(small)
    z = bank.graph.z[:25].clone().requires_grad_()
    potential = bank.surrogate.between(bank.graph.z[:2], (0, 1), 25)
    assert isinstance(potential, Potential)
    (slope,) = torch.autograd.grad(potential(z).sum(), z)
    assert torch.isfinite(slope).all() and slope.abs().max() > 0
