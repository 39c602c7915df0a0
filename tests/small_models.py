"""Every preset in small: real models, untrained, of a few weights."""

from __future__ import annotations

from typing import Any

import torch

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
