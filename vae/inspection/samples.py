"""Digits that nobody wrote: samples of the prior and of one class, and all ten in one handwriting.

Pictures are `(N, C, S, S)` in [0, 1], ink = 1; everything random takes a seed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vae.model import VAE
from vae.pipeline import Pipeline
from vae.reading import Reading
from vae.style import gaussian, in_handwriting_of, symmetric_root

SIDE = 28  # of what the reader reads
ROUNDS = 40  # of rejection, of 250 samples each
SURE = 0.9  # certainty with which a sample must read as the digit
TEMPERATURE = 0.8  # of samples of a class: a little nearer to its mean than handwriting is


@torch.inference_mode()
def prior_samples(model: VAE, count: int, seed: int = 0) -> Tensor:
    """Decoded samples of N(0, I), `(count, C, S, S)`; of a conditional model, the classes take turns.

    A plain autoencoder has no prior: what its decoder makes of such points shows just that.
    """
    y = torch.arange(count) % model.config.classes if model.config.classes else None
    return model.decode(_noise(count, model.config.latent_dim, seed), y)


@torch.inference_mode()
def class_samples(pipeline: Pipeline, digit: int, count: int, seed: int = 0) -> Tensor:
    """New pictures of a wanted digit, `(count, C, S, S)`.

    A conditional model is given the class. With a bank, samples are drawn from a Gaussian fitted to the class's
    codes, four times as many as wanted; without one, from the prior, up to 10,000. Those are kept that the reader
    takes for the digit with certainty (rejection sampling of p(z | it reads as the digit)), in the order they were
    drawn, and where there are too few, the likeliest.
    """
    model, bank = pipeline.model, pipeline.bank
    if model.config.classes:
        return model.decode(_noise(count, model.config.latent_dim, seed), torch.full((count,), digit))
    if bank is None:
        z = _noise(250 * ROUNDS, model.config.latent_dim, seed)
    else:
        mean, covariance = gaussian(bank.graph.z[bank.graph.labels == digit])
        noise = _noise(4 * count, len(mean), seed).double()
        z = (mean + TEMPERATURE * noise @ symmetric_root(covariance)).to(bank.graph.z.dtype)
    pictures, certainty = [], []
    for part in z.split(250):
        pictures.append(model.decode(part))
        certainty.append(pipeline.reader(_as_read(pictures[-1])).softmax(1)[:, digit])
        if sum(int((sure > SURE).sum()) for sure in certainty) >= count:
            break
    sure = torch.cat(certainty)
    order = (sure <= SURE).long() if int((sure > SURE).sum()) >= count else -sure
    return torch.cat(pictures)[order.argsort(stable=True)[:count]]


def ten_digits(pipeline: Pipeline, reading: Reading) -> Tensor:
    """The digits 0 to 9 in the handwriting of a reading's first digit, `(10, C, S, S)`.

    Raises BadRequest for a model that knows no classes and has no bank.
    """
    codes = None if pipeline.model.config.classes else pipeline.require_bank().graph
    return in_handwriting_of(pipeline.model, reading.pictures[:1], reading.digits[0], codes)


def written_latent(pipeline: Pipeline, digit: int, seed: int = 0) -> Tensor:
    """The latent `(D,)` of a digit as one of the bank's people wrote it. Raises BadRequest without a bank."""
    typed = pipeline.require_bank().typed
    own = (typed.labels == digit).nonzero()[:, 0]
    return typed.z[own[torch.randint(len(own), (1,), generator=torch.Generator().manual_seed(seed))]][0]


def _noise(count: int, dimensions: int, seed: int) -> Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


def _as_read(pictures: Tensor) -> Tensor:
    if pictures.shape[-1] == SIDE:
        return pictures
    return F.interpolate(pictures, size=(SIDE, SIDE), mode="bicubic", align_corners=False).clamp(0, 1)
