"""A morph taken apart."""

from __future__ import annotations

import pytest
import torch

from vae.bank import Codes, bank_of
from vae.inspection.anatomy import CLOUD, plane_of, posterior, take_apart
from vae.model import VAE, build
from vae.morphing import morph
from vae.pipeline import pipeline_of
from vae.training import data


def two(pictures: data.Pictures) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """A made-up 3 and an 8."""
    x = data.as_floats(pictures.images)
    i, j = ((pictures.labels == digit).nonzero()[0, 0] for digit in (3, 8))
    return x[i][None], x[j][None], [3, 8]


def test_everything_is_there_for_every_frame(small: VAE, pictures: data.Pictures) -> None:
    found = take_apart(pipeline_of(small), *two(pictures), steps=9)
    assert found.alpha.shape == (9,) and found.z.shape == (9, 8) and found.frames.shape == (9, 28, 28)
    assert found.alpha[0] == 0 and found.alpha[-1] == 1
    assert found.plane.path.shape == (9, 2)
    assert found.source.mu.shape == found.source.sigma.shape == (8,)
    assert not torch.equal(found.source.mu, found.target.mu)


def test_the_frames_are_those_of_the_morph(small: VAE, pictures: data.Pictures) -> None:
    source, target, labels = two(pictures)
    found = take_apart(pipeline_of(small), source, target, labels, steps=7)
    assert torch.equal(found.frames, morph(small, source, target, 7))


def test_the_latents_are_where_the_frames_come_from(small: VAE, pictures: data.Pictures) -> None:
    source, target, labels = two(pictures)
    way = take_apart(pipeline_of(small), source, target, labels, "linear", 7)
    middle = way.z[0] + way.alpha[3] * (way.z[-1] - way.z[0])
    assert torch.allclose(way.z[3], middle, atol=1e-5)
    assert torch.allclose(small.decode(way.z[3:4])[0, 0], way.frames[3], atol=0.02)  # hardly a residual there


def test_the_bound_is_the_bound(small: VAE, pictures: data.Pictures) -> None:
    source, *_ = two(pictures)
    end = posterior(small, source, 3)
    sigma2 = end.sigma.square()
    assert end.kl == pytest.approx(float(0.5 * (end.mu.square() + sigma2 - 1 - sigma2.log()).sum()), rel=1e-4)
    assert end.reconstruction > 0
    assert posterior(small, source, 3).reconstruction == end.reconstruction


@pytest.mark.parametrize("preset", ["cvae", "tiny", "autoencoder"])
def test_models_of_every_kind_have_a_posterior(preset: str, pictures: data.Pictures) -> None:
    model = build(preset).eval()
    end = posterior(model, two(pictures)[0], 3)
    assert end.mu.shape == (model.config.latent_dim,)
    assert (end.kl > 0) == model.config.variational


def test_the_plane_goes_through_both_ends_and_bends_upward(small: VAE, pictures: data.Pictures) -> None:
    found = take_apart(pipeline_of(small), *two(pictures), steps=9)
    path, line = found.plane.path, found.plane.line
    length = float((found.z[-1] - found.z[0]).norm())
    assert torch.allclose(path[[0, -1]], line)
    assert torch.allclose(line, torch.tensor([[0, 0], [length, 0]]), atol=1e-3)
    assert float(path[:, 1].max()) == pytest.approx(float(path[:, 1].abs().max()))
    bank = bank_of(small)
    assert bank is not None and set(found.plane.classes.tolist()) == {3, 8}
    assert len(found.plane.codes) == len(found.plane.classes) <= 2 * CLOUD


def test_a_straight_path_and_a_path_of_no_length_have_a_plane_too() -> None:
    straight = torch.linspace(0, 1, 5)[:, None] * torch.tensor([1.0, 2.0, 2.0])
    plane = plane_of(straight, None, [1, 2])
    assert plane.codes.shape == (0, 2)
    assert torch.allclose(plane.path, torch.tensor([[3.0, 0]]) * torch.linspace(0, 1, 5)[:, None], atol=1e-5)
    assert bool(torch.isfinite(plane_of(straight[:1].expand(5, -1), None, [1, 1]).path).all())


def test_in_two_dimensions_distances_are_true() -> None:
    z = torch.tensor([[0.0, 0], [1, 1], [0, 2]])
    codes = Codes(torch.randn(30, 2), torch.arange(30) % 3, torch.ones(30), torch.ones(30, 4))
    plane = plane_of(z, codes, [0, 1])
    kept = codes.z[torch.cat([(codes.labels == digit).nonzero()[:, 0] for digit in (0, 1)])]
    assert torch.allclose(torch.cdist(plane.path, plane.codes), torch.cdist(z, kept), atol=1e-4)
