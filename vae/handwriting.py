"""Digits that nobody wrote: new ones of a wanted digit, and all ten in somebody's hand.

What the Explore tab, `/sample` and `/ten_digits` have in common. `model` stands in for the shipped
flagship, everywhere; everything random takes a seed.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from vae import views
from vae.digits import Bank, bank_of
from vae.directions import Directions, directions
from vae.errors import BadRequest
from vae.model import VAE
from vae.request import Reading, Side, loaded, read_side

NO_BANK = "The model that this page was started with has no bank of handwriting, which this needs."


def new_digits(model: VAE | None, digit: int, count: int, seed: int = 0) -> Tensor:
    """`count` new pictures of `digit`, `(count, 1, S, S)`: of a model without a bank, from its prior."""
    model = model or loaded(None)
    bank = None if model.config.classes else bank_of(model)
    if bank is None:
        return views.samples_of(model, digit, count, seed)
    return views.new_digits(model, digit, count, bank.graph.z, bank.graph.labels, seed)


def ten_digits(model: VAE | None, side: Side, seed: int = 0) -> tuple[Reading, Tensor]:
    """What was read of `side` (see `vae.request.Side`), and the digits 0 to 9 as whoever wrote the first
    digit of it might write them, `(10, 1, S, S)`. Raises BadRequest, also for a model that cannot."""
    model = model or loaded(None)
    reading = read_side(side, seed)
    codes = None if model.config.classes else with_bank(model).graph
    pictures = views.in_the_hand_of(
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
