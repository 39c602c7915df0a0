"""Directions of a latent space that one can name: what moves along each, measured on the bank's codes.

The principal components of a well-trained VAE's codes say little: the prior asks for the same variance
of every one. So the first directions are those along which handwriting of one digit changes its slant,
pen, height and width, as far as that is so, and the others the principal components of the ten digits'
means, at right angles to them, along which one digit turns into another: each named by what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vae.bank import STYLES, Codes
from vae.model import VAE

COUNT = 8
NAMED = 0.6  # correlation from which on a direction may bear the name of a measure
NAMES = {"slant": "Slant", "pen": "Pen", "height": "Height", "width": "Width"}
REACH = 2.5  # standard deviations of the codes, to either side
STEPS = 13  # pictures of a strip: so close that what lies between two can be mixed from them


class Directions(NamedTuple):
    """`axes` `(K, D)`, orthonormal; the codes' `mean` and `deviation` along each, `(K,)`; and `names`."""

    names: tuple[str, ...]
    axes: Tensor
    mean: Tensor
    deviation: Tensor

    def scores(self, z: Tensor) -> Tensor:
        """Where latents `(..., D)` lie along each direction, in standard deviations: `(..., K)`."""
        return (z @ self.axes.T - self.mean) / self.deviation

    def moved(self, z: Tensor, scores: Tensor) -> Tensor:
        """The latents `z` `(..., D)`, taken to other `scores` `(..., K)`; all else stays."""
        return z + ((scores - self.scores(z)) * self.deviation) @ self.axes


def find_directions(codes: Codes, count: int = COUNT) -> Directions:
    """At most `count` directions of the codes of a bank, which must hold several digits of every class."""
    classes = codes.labels.unique()
    place = torch.searchsorted(classes, codes.labels)
    means, usual = (
        torch.stack([values[codes.labels == digit].mean(0) for digit in classes]) for values in (codes.z, codes.style)
    )
    own, style = codes.z - means[place], codes.style - usual[place]
    names, axes = [], codes.z.new_zeros(0, codes.z.shape[1])
    for measure, what in zip(style.unbind(1), STYLES, strict=True):
        axis = _across((own * measure[:, None]).mean(0), axes)
        if _correlation(own @ axis, measure) > NAMED:
            axes = torch.cat([axes, axis[None]])
            names.append(NAMES[what])
    left = means - means.mean(0)
    left = left - left @ axes.T @ axes
    room = max(0, min(count, len(classes) - 1, axes.shape[1]) - len(axes))
    for axis in torch.linalg.svd(left, full_matrices=False)[2][:room]:
        along = means @ axis
        first, last = sorted((int(classes[along.argmin()]), int(classes[along.argmax()])))
        axis = axis if along[classes == first] < along[classes == last] else -axis
        axes = torch.cat([axes, axis[None]])
        names.append(f"{first} ↔ {last}")
    along = codes.z @ axes.T
    return Directions(tuple(names), axes, along.mean(0), along.std(0).clamp_min(1e-6))


def values() -> Tensor:
    """The scores at which a strip's pictures are decoded, `(STEPS,)`."""
    return torch.linspace(-REACH, REACH, STEPS)


@torch.inference_mode()
def contact_sheet(model: VAE, ways: Directions, z: Tensor, scores: Sequence[float]) -> Tensor:
    """A strip a direction, `(K, STEPS, S, S)`: the latent `z` `(D,)` at `scores` `(K,)`, moved along it."""
    at = torch.tensor(scores, dtype=z.dtype)
    points = at.repeat(len(at), STEPS, 1)  # (K, STEPS, K)
    k = torch.arange(len(at))
    points[k, :, k] = values().to(z.dtype)
    pictures = model.decode(ways.moved(z, points).flatten(0, 1))
    return pictures.view(len(at), STEPS, *pictures.shape[2:])


def _across(axis: Tensor, axes: Tensor) -> Tensor:
    """`axis` `(D,)` made orthogonal to `axes` `(K, D)`, of length 1."""
    axis = axis - axis @ axes.T @ axes
    return axis / axis.norm().clamp_min(1e-9)


def _correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])
