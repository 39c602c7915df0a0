"""Handwriting carried from one digit to others."""

import made_up
import pytest
import torch
from small_models import untrained
from torch import Tensor

from vae.bank import Codes
from vae.model import VAE
from vae.style import in_handwriting_of


def test_one_handwriting_keeps_the_latent_of_a_conditional_model() -> None:
    model = untrained("cvae")
    x, label = made_up.digits(10).images[3:4].float() / 255, 3
    pictures = in_handwriting_of(model, x, label, digits=(3, 8))
    mu, _ = model.encode(x, torch.tensor([3]))
    torch.testing.assert_close(pictures, model.decode(mu.repeat(2, 1), torch.tensor([3, 8])))


def test_one_handwriting_is_carried_from_class_to_class() -> None:
    """Classes that differ in mean and scale: a latent one deviation out stays one deviation out."""

    class Plain(VAE):
        def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
            return torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2)

        def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            return z

    torch.manual_seed(0)
    noise = torch.randn(40_000, 2)
    codes = torch.cat([noise, 3 * noise + 10])
    labels = torch.arange(2).repeat_interleave(40_000)
    codes = Codes(codes, labels, labels, labels)
    model = Plain(untrained("conv2d").config)
    own, other = in_handwriting_of(model, torch.zeros(1, 1, 28, 28), 0, codes, digits=(0, 1))
    torch.testing.assert_close(own, torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(other, torch.tensor([13.0, 10.0]), rtol=0, atol=0.2)


def test_one_handwriting_needs_codes_of_a_model_without_classes() -> None:
    with pytest.raises(ValueError, match="give codes"):
        in_handwriting_of(untrained("mlp"), torch.zeros(1, 1, 28, 28), 0)
