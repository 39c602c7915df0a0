"""Digits that nobody wrote: new ones of a wanted digit, and all ten in somebody's hand.

What the Explore tab, `/sample` and `/ten_digits` have in common. `model` stands in for the shipped
flagship, everywhere; everything random takes a seed.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from vae.bank import Bank, bank_of
from vae.classifier import Classifier, load_classifier, probabilities
from vae.errors import BadRequest
from vae.inspection.directions import Directions, directions
from vae.model import VAE
from vae.request import Reading, Side, loaded, read_side
from vae.style import gaussian, in_the_hand_of, symmetric_root

SIDE = 28  # of what the reader reads
ROUNDS = 40  # of rejection, of 250 samples each

NO_BANK = "The model that this page was started with has no bank of handwriting, which this needs."


def new_digits(model: VAE | None, digit: int, count: int, seed: int = 0) -> Tensor:
    """`count` new pictures of `digit`, `(count, 1, S, S)`: of a model without a bank, from its prior."""
    model = model or loaded(None)
    bank = None if model.config.classes else bank_of(model)
    if bank is None:
        return samples_of(model, digit, count, seed)
    return class_samples(model, digit, count, bank.graph.z, bank.graph.labels, seed)


def ten_digits(model: VAE | None, side: Side, seed: int = 0) -> tuple[Reading, Tensor]:
    """What was read of `side` (see `vae.request.Side`), and the digits 0 to 9 as whoever wrote the first
    digit of it might write them, `(10, 1, S, S)`. Raises BadRequest, also for a model that cannot."""
    model = model or loaded(None)
    reading = read_side(side, seed)
    codes = None if model.config.classes else with_bank(model).graph
    pictures = in_the_hand_of(
        model, reading.pictures[:1], reading.digits[0], *((codes.z, codes.labels) if codes else ())
    )
    return reading, pictures


def start(model: VAE | None, digit: int, seed: int = 0) -> Tensor:
    """The latent `(D,)` of a digit as one of the bank's people wrote it. Raises BadRequest without a bank."""
    typed = with_bank(model or loaded(None)).typed
    own = (typed.labels == digit).nonzero()[:, 0]
    return typed.z[own[torch.randint(len(own), (1,), generator=torch.Generator().manual_seed(seed))]][0]


@functools.lru_cache(maxsize=4)
def directions_of(model: VAE) -> Directions:
    """The directions of the codes of a model's bank. Raises BadRequest without one."""
    return directions(with_bank(model).graph)


def with_bank(model: VAE) -> Bank:
    bank = bank_of(model)
    if bank is None:
        raise BadRequest(NO_BANK)
    return bank


@torch.inference_mode()
def samples(model: VAE, count: int, seed: int = 0, temperature: float = 1.0) -> Tensor:
    """Digits nobody wrote, `(count, C, S, S)`: decoded from N(0, temperature^2 I).

    Of a conditional model, the classes take turns. A plain autoencoder has no prior: what its
    decoder makes of such points shows just that.
    """
    z = _noise(count, model.config.latent_dim, seed) * temperature
    y = torch.arange(count) % model.config.classes if model.config.classes else None
    return model.decode(z, y)


@torch.inference_mode()
def samples_of(
    model: VAE, digit: int, count: int, seed: int = 0, temperature: float = 1.0, reader: Classifier | None = None
) -> Tensor:
    """Samples of a wanted digit, `(count, C, S, S)`.

    A conditional model is given the class. Of the others, the samples are kept that the reader takes
    for the digit with a confidence above 0.9 (rejection sampling of p(z | it reads as the digit));
    should too few of 10,000 be, the likeliest of the rest fill up.
    """
    z = _noise(count if model.config.classes else 250 * ROUNDS, model.config.latent_dim, seed) * temperature
    if model.config.classes:
        return model.decode(z, torch.full((count,), digit))
    reader = reader or load_classifier("reader")
    kept, found = [], 0
    for part in z.split(250):
        pictures = model.decode(part)
        sure = probabilities(reader, _as_read(pictures))[:, digit]
        kept.append((sure, pictures))
        found += int((sure > 0.9).sum())
        if found >= count:
            break
    sure, pictures = (torch.cat(parts) for parts in zip(*kept, strict=True))
    order = (sure <= 0.9).long().argsort(stable=True) if found >= count else sure.argsort(descending=True)
    return pictures[order[:count]]


@torch.inference_mode()
def class_samples(
    model: VAE,
    digit: int,
    count: int,
    codes: Tensor,
    labels: Tensor,
    seed: int = 0,
    temperature: float = 0.8,
    reader: Classifier | None = None,
) -> Tensor:
    """New handwriting of a wanted digit, `(count, C, S, S)`, of a model that does not know classes.

    Drawn from a Gaussian fitted to the class's `codes` `(N, D)` with `labels` `(N,)`, its deviations times
    `temperature`; of four times as many, those are kept that the reader takes for the digit with a
    confidence above 0.9, in the order they were drawn, and should there be too few, the likeliest.
    Some forty decodes, where `samples_of` takes hundreds, and digits nearer to handwriting.
    """
    mean, covariance = gaussian(codes[labels == digit])
    noise = _noise(4 * count, len(mean), seed).double()
    pictures = model.decode((mean + temperature * noise @ symmetric_root(covariance)).to(codes.dtype))
    sure = probabilities(reader or load_classifier("reader"), _as_read(pictures))[:, digit]
    order = (sure <= 0.9).long() if int((sure > 0.9).sum()) >= count else -sure
    return pictures[order.argsort(stable=True)[:count]]


def _noise(count: int, dimensions: int, seed: int) -> Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


def _as_read(pictures: Tensor) -> Tensor:
    if pictures.shape[-1] == SIDE:
        return pictures
    return F.interpolate(pictures, size=(SIDE, SIDE), mode="bicubic", align_corners=False).clamp(0, 1)
