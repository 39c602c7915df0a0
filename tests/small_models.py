"""Every preset in small: real models, untrained, of a few weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vae.classifier import Classifier, ClassifierConfig
from vae.model import VAE, build

SMALL: dict[str, dict[str, Any]] = {
    "mlp": {"widths": (16,), "latent_dim": 5},
    "tiny": {"widths": (16, 8), "latent_dim": 3},
    "cvae": {"widths": (16,), "latent_dim": 4},
    "autoencoder": {"widths": (2, 3), "hidden": 8},
    "conv2d": {"widths": (2, 3), "hidden": 8},
    "flagship": {"widths": (2, 3, 4, 2), "hidden": 8, "latent_dim": 3},
}


def small(preset: str = "mlp") -> VAE:
    torch.manual_seed(0)
    return build(preset, **SMALL[preset])


def untrained(preset: str) -> VAE:
    """A small model as one is loaded: in eval mode, without gradients."""
    return small(preset).eval().requires_grad_(False)


class ByBrightness(Classifier):
    """Sure of a 3 where more than half of the pixels are bright, of a 7 elsewhere."""

    def __init__(self) -> None:
        super().__init__(ClassifierConfig("reader", "strided", (1, 1, 1), 1))

    def forward(self, x: Tensor) -> Tensor:
        bright = (x.flatten(1) > 0.5).float().mean(1) > 0.5
        return 20 * nn.functional.one_hot(torch.where(bright, 3, 7), 10).float()
