"""The map of a two-dimensional latent space: which digit is decoded at every place, and where digits lie.

Where handwriting lies is kept in `weights/map.safetensors`: the codes of test digits in the latent space
of `conv2d`, with their labels, no picture. Its metadata name the weights it was built from; with any
others it is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from vae import weights
from vae.classifier import Classifier, probabilities
from vae.errors import WeightsError
from vae.model import VAE, in_batches, posterior_means

if TYPE_CHECKING:
    from pathlib import Path

    from vae.training.data import Pictures

CELLS = 40  # a side: between two cells, mixing their logits cannot be told from decoding (0.002 of ink off)
REACH = 2.65  # standard deviations to either side: 99% of each axis


class Scatter(NamedTuple):
    """Latents on a plane: `points` `(N, 2)`, `labels` `(N,)`, and the share of the variance they show."""

    points: Tensor
    labels: Tensor
    share: float


class Atlas(NamedTuple):
    """A map, the top row first: `pictures` `(R, C, S, S)` decoded at the latents `across` `(C,)` (from the
    left) and `up` `(R,)` (from the top), and what every second of them reads as: `digits` and `certainty`,
    `(R / 2, C / 2)`, the first cell's first."""

    across: Tensor
    up: Tensor
    pictures: Tensor
    digits: Tensor
    certainty: Tensor


def build_map(model: VAE, pictures: Pictures, path: Path) -> int:
    """Encode pictures and write the map's points; returns how many bytes the file has."""
    require_plane(model)
    points = posterior_means(model, model.prepare(pictures.images.float() / 255))
    metadata = {"weights": model.fingerprint, "preset": model.config.preset}
    weights.write_tensors(path, {"points": points.half(), "labels": pictures.labels.to(torch.uint8)}, metadata)
    return path.stat().st_size


def load_map(model: VAE, path: Path) -> Scatter:
    """The points at `path`; raises WeightsError when they are not of this model's weights."""
    tensors, metadata, _ = weights.read_tensors(path)
    if metadata.get("weights") != model.fingerprint:
        raise WeightsError(
            f"{path} was built from other weights than {model.config.preset}'s; "
            "build it again with: python -m vae bank --data DIR"
        )
    points, labels = tensors.get("points"), tensors.get("labels")
    if points is None or labels is None or points.shape != (len(labels), 2) or not len(labels):
        raise WeightsError(f"{path} is no map: its points and labels do not fit each other")
    if not bool(torch.isfinite(points).all()):
        raise WeightsError(f"{path} holds numbers that are not finite")
    return Scatter(points.float(), labels.long(), 1.0)


def map_of(model: VAE) -> Scatter | None:
    """The map beside the model's weights file, or None where there is none."""
    if model.path is None or not (path := model.path.with_name("map.safetensors")).exists():
        return None
    return load_map(model, path)


def axes(points: Tensor | None, cells: int = CELLS) -> tuple[Tensor, Tensor]:
    """The latents of the map's columns from the left and of its rows from the top, `(cells,)` each.

    Even in probability under a Gaussian fitted to `points` `(N, 2)` (the prior without any), so that as
    much handwriting falls to each cell (Kingma & Welling 2014, figure 4).
    """
    outside = float(torch.special.ndtr(torch.tensor(-REACH)))
    steps = torch.special.ndtri(torch.linspace(outside, 1 - outside, cells))
    if points is None:
        return steps, steps.flip(0)
    (x, y), (dx, dy) = points.mean(0), points.std(0)
    return x + dx * steps, (y + dy * steps).flip(0)


@torch.inference_mode()
def atlas(model: VAE, reader: Classifier, points: Tensor | None = None, cells: int = CELLS) -> Atlas:
    """The whole plane of a model with two latents, decoded and read; `points` as in `axes`."""
    require_plane(model)
    across, up = axes(points, cells)
    z = torch.cartesian_prod(up, across).flip(1)  # rows from the top down
    pictures = in_batches(model.decode, z)
    pictures = pictures.view(cells, cells, *pictures.shape[2:])
    seen = pictures[::2, ::2]
    certainty, digits = probabilities(reader, seen.flatten(0, 1)[:, None]).max(1)
    return Atlas(across, up, pictures, digits.view(seen.shape[:2]), certainty.view(seen.shape[:2]))


@torch.inference_mode()
def trails(model: VAE, digits: Tensor) -> Tensor:
    """Where the digits of a morph's frames lie on the map: `(T, N, S, S)` in [0, 1] -> `(N, T, 2)`."""
    require_plane(model)
    return torch.stack([model.encode(model.prepare(cell[:, None]))[0] for cell in digits.transpose(0, 1)])


def require_plane(model: VAE) -> None:
    """Raises ValueError unless the model's latent space is a plane that needs no class beside it."""
    if model.config.latent_dim != 2 or model.config.classes or model.config.channels != 1:
        raise ValueError(f"a map needs two latent dimensions; '{model.config.preset}' has another space")
