"""A morph taken apart: the posterior of each end, the path between them on a plane, and every frame.

For whoever wants to see how it works. Everything is about one digit that turns into one other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vae import pacing
from vae.bank import Codes
from vae.model import VAE, kl_nats, reconstruction_nats, sample_posterior
from vae.morphing import PathName, Segment, endpoints
from vae.pipeline import Pipeline

CLOUD = 260  # codes of each class that are shown
DRAWS = 16  # samples of the posterior behind its expectation


class Posterior(NamedTuple):
    """q(z | x) of a digit: `mu` and `sigma` `(D,)`; and its evidence lower bound, in nats:
    log p(x) >= -reconstruction - kl."""

    mu: Tensor
    sigma: Tensor
    reconstruction: float
    kl: float


class Plane(NamedTuple):
    """A flat view of the latent space: the path `(T, 2)`, the straight line's ends `(2, 2)`, and codes of
    digits that people wrote `(M, 2)` with their classes `(M,)`; none without a bank."""

    path: Tensor
    line: Tensor
    codes: Tensor
    classes: Tensor


@dataclass(frozen=True, eq=False)
class Anatomy:
    """`alpha` `(T,)`, the latents there `(T, D)` and the pictures `(T, 28, 28)` in [0, 1], ink = 1."""

    source: Posterior
    target: Posterior
    alpha: Tensor
    z: Tensor
    frames: Tensor
    plane: Plane


def take_apart(
    pipeline: Pipeline, source: Tensor, target: Tensor, labels: Sequence[int], path: PathName = "auto", steps: int = 48
) -> Anatomy:
    """How the digit `source` `(1, 1, 28, 28)` of class `labels[0]` turns into `target`, of `labels[1]`."""
    model, codes = pipeline.model, pipeline.bank.graph if pipeline.bank else None
    a, b = endpoints(model, [source, target], [[label] for label in labels])
    segment = Segment(pipeline, a, b, path)
    alpha, shared = pacing.even_steps(segment.decode, torch.linspace(0, 1, steps))
    z, frames = segment.curves[0](alpha), shared[:, 0]
    first, last = (posterior(model, x, label) for x, label in zip((source, target), labels, strict=True))
    return Anatomy(first, last, alpha, z, frames, plane_of(z, codes, labels))


@torch.inference_mode()
def posterior(model: VAE, x: Tensor, label: int) -> Posterior:
    """q(z | x) of a digit `(1, 1, 28, 28)`; the expectation is the mean of DRAWS seeded samples."""
    x = model.prepare(x)
    y = torch.tensor([label]) if model.config.classes else None
    mu, logvar = model.encode(x, y)
    generator = torch.Generator().manual_seed(0)
    z = sample_posterior(mu.expand(DRAWS, -1), logvar.expand(DRAWS, -1), generator)
    logits = model.decode_logits(z, None if y is None else y.expand(DRAWS))
    reconstruction = reconstruction_nats(logits, x.expand_as(logits)).mean()
    kl = kl_nats(mu, logvar).sum() if model.config.variational else torch.zeros(())
    return Posterior(mu[0], (0.5 * logvar[0]).exp(), float(reconstruction), float(kl))


def plane_of(z: Tensor, codes: Codes | None, classes: Sequence[int], count: int = CLOUD) -> Plane:
    """The path `z` `(T, D)` projected on a plane: across, the straight line between its ends; up, the direction in
    which the path leaves that line the most.

    Orthogonal projection: in-plane distances are exact, off-plane offsets are dropped (two dimensions have none). Of
    `codes`, up to `count` of each of the two classes are shown.
    """
    start, across = z[0], unit(z[-1] - z[0])
    astray = off_axis(z - start, across)
    up = unit(astray[astray.norm(dim=1).argmax()])
    if not bool(up.any()):  # a straight path: any direction will do, so that in which the axes are seen best
        up = unit(off_axis(torch.eye(len(start)), across)[across.abs().argmin()])
    axes = torch.stack([across, up], 1)  # (D, 2)
    shown = torch.zeros(0, dtype=torch.long)
    if codes is not None:
        own = [(codes.labels == digit).nonzero()[:count, 0] for digit in dict.fromkeys(classes)]
        shown = torch.cat(own)
    cloud = (codes.z[shown] - start) @ axes if codes is not None else torch.zeros(0, 2)
    labels = codes.labels[shown] if codes is not None else shown
    return Plane((z - start) @ axes, (z[[0, -1]] - start) @ axes, cloud, labels)


def unit(direction: Tensor) -> Tensor:
    """`direction` `(D,)` at length 1; zeros where it has no length to speak of."""
    length = direction.norm()
    return direction / length if length > 1e-6 else torch.zeros_like(direction)


def off_axis(points: Tensor, axis: Tensor) -> Tensor:
    """What of `points` `(N, D)` is orthogonal to the unit vector `axis` `(D,)`."""
    return points - (points @ axis)[:, None] * axis
