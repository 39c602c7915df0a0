import math

import made_up
import pytest
import torch
from small_models import small
from torch import Tensor

from vae.evaluation.likelihoods import active_units, elbo_terms, importance_weighted
from vae.model import VAE, VAEConfig, build

PICTURES = made_up.digits(60)


def test_elbo_terms_are_means_over_all_pictures_and_leave_the_model_as_it_was() -> None:
    model = small("flagship").eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    terms = elbo_terms(model, PICTURES, seed=1)
    assert terms == elbo_terms(model, PICTURES, seed=1)
    assert terms != elbo_terms(model, PICTURES, seed=2)
    halves = [elbo_terms(model, PICTURES[part])[1] for part in (slice(30), slice(30, 60))]
    assert terms[1] == pytest.approx(sum(halves) / 2, rel=1e-4)  # the KL has no noise
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Linear(VAE):
    """One pixel, one latent, everything known: p(x = 1 | z) = sigmoid(z), q(z | x) = N(mu, 1)."""

    def __init__(self, mu: float = 0.0) -> None:
        super().__init__(VAEConfig(image_size=1, latent_dim=1, widths=(1,)))
        self.mu = mu

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return torch.full((len(x), 1), self.mu), torch.zeros(len(x), 1)

    def decode_logits(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return z[:, :, None, None]


def test_importance_weighting_finds_a_likelihood_that_is_known() -> None:
    """p(x = 1) is a half by symmetry, whatever the posterior that samples are drawn from."""
    x = torch.ones(1, 1, 1, 1)
    for mu in (0.0, 0.7):
        elbo, iw = importance_weighted(Linear(mu), x, k=200_000)
        assert iw == pytest.approx(math.log(2), abs=0.01)
        assert elbo > iw
    prior = importance_weighted(Linear(0.0), x, k=200_000)[0]
    z = torch.linspace(-8, 8, 4001)  # the ELBO by quadrature, for q = p
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    assert prior == pytest.approx(float((density * torch.nn.functional.softplus(-z)).sum() * 0.004), abs=0.01)


def test_the_bound_is_no_looser_than_the_elbo_and_tightens_with_k() -> None:
    torch.manual_seed(0)
    model = build("mlp", widths=(16,), latent_dim=4)
    torch.nn.init.normal_(model.decoder[0][0].weight, std=0.5)
    x = (torch.rand(60, 1, 28, 28) < 0.3).float()
    with torch.inference_mode():
        figures = [importance_weighted(model, x, k=k, batch=64) for k in (1, 10, 100, 400)]
    assert figures[0][0] == pytest.approx(figures[0][1])  # k = 1 is the ELBO
    assert all(iw <= elbo + 1e-9 for elbo, iw in figures)
    bounds = [iw for _, iw in figures]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] - bounds[-1] > 0.1


def test_the_same_seed_gives_the_same_bound_and_classes_are_passed_on() -> None:
    torch.manual_seed(0)
    model = build("cvae", widths=(16,), latent_dim=4)
    x, y = (torch.rand(2, 1, 28, 28) < 0.3).float(), torch.tensor([3, 8])
    with torch.inference_mode():
        one, same = (importance_weighted(model, x, y, k=30) for _ in range(2))
        other = importance_weighted(model, x, y.flip(0), k=30)
    assert one == same
    assert one != other


def test_active_units_are_those_that_vary() -> None:
    mu = torch.randn(500, 4) * torch.tensor([1.0, 0.2, 0.05, 0.0])
    assert active_units(mu) == 2
