"""A number in any form that somebody may give -> its digits as pictures, and what they read as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vae import sketch
from vae.bank import check_number, type_codes
from vae.drawing import Drawing, rasterise
from vae.errors import BadRequest
from vae.pipeline import Pipeline, default_pipeline
from vae.style import transported

NumberInput = Any
"""A number: typed text ("32"), a stack of digits `(N, 1, 28, 28)`, one picture (a PIL image, array, path
or bytes) or `Drawing` of one to four digits, or a list of pictures of one digit each."""

MOST_PLACES = 4


@dataclass(frozen=True, eq=False)
class Reading:
    """A number as it was read: `pictures` `(N, 1, 28, 28)`, the digit the reader takes each for, how sure
    it is of each (a probability), and the number that was typed, if it was."""

    pictures: Tensor
    digits: tuple[int, ...]
    certainty: tuple[float, ...]
    typed: str | None = None

    @property
    def number(self) -> str:
        """What it stands for, such as "32": as typed, or as read."""
        return self.typed or "".join(map(str, self.digits))

    @property
    def labels(self) -> list[int]:
        """The digits that it stands for."""
        return [int(digit) for digit in self.number]


def read_number(side: NumberInput, pipeline: Pipeline, seed: int = 0) -> Reading:
    """A number in any of the forms of `NumberInput`. Raises BadRequest."""
    side = checked(side)
    return read_typed(side, pipeline, seed) if isinstance(side, str) else read_drawn(side, pipeline)


def read_typed(number: str, pipeline: Pipeline, seed: int = 0, like: Reading | None = None) -> Reading:
    """A typed number as digits, in the handwriting of `like`, or in one of the test set's, chosen by seed."""
    pictures = write_like(like, number, pipeline) if like else write(number, pipeline, seed)
    return _read(pictures, pipeline, number)


def read_drawn(
    side: NumberInput, pipeline: Pipeline, change: Callable[[Tensor], Tensor] = lambda pictures: pictures
) -> Reading:
    """A number that is not typed, as digits."""
    if isinstance(side, Tensor):
        pictures = side.detach().float().cpu()
    elif isinstance(side, Drawing):
        pictures = sketch.read_digits(rasterise(side))
    elif isinstance(side, Sequence) and not isinstance(side, bytes):
        if not 1 <= len(side) <= MOST_PLACES:
            raise BadRequest(f"A number has one to {MOST_PLACES} digits; there are {len(side)} pictures.")
        several = len(side) > 1
        pictures = torch.cat([sketch.read_digits(picture, single=several) for picture in side])
    else:
        pictures = sketch.read_digits(side)
    return _read(change(pictures), pipeline)


def _read(pictures: Tensor, pipeline: Pipeline, typed: str | None = None) -> Reading:
    digits, certainty = pipeline.read(pictures)
    return Reading(pictures, tuple(digits.tolist()), tuple(certainty.tolist()), typed)


def type_digits(number: str, seed: int = 0) -> Tensor:
    """A typed number as digits `(N, 1, 28, 28)`, in one handwriting of the test set's, chosen by seed.

    Raises BadRequest for anything but one to four ASCII digits.
    """
    return write(check_number(number), default_pipeline(), seed)


def write(number: str, pipeline: Pipeline, seed: int = 0) -> Tensor:
    """`type_digits` of a number that was checked."""
    model, bank = pipeline.require_typist()
    with torch.inference_mode():
        pictures = model.decode(type_codes(bank, number, seed)[0])
    return pictures.clone()  # an ordinary tensor, outside inference mode


def write_like(drawn: Reading, number: str, pipeline: Pipeline) -> Tensor:
    """Write `number` in the drawn handwriting, `(N, 1, 28, 28)`: reuse drawn digits, transport the rest.

    A digit that was not drawn is decoded from the mean of where the drawn ones' latents are transported to.
    """
    model, bank = pipeline.require_typist()
    wanted = [int(digit) for digit in number]
    new = sorted(set(wanted) - set(drawn.digits))
    pictures = dict(zip(reversed(drawn.digits), drawn.pictures.flip(0), strict=True))  # of two, the first
    if new:
        with torch.inference_mode():
            codes = [
                transported(mu, digit, bank.graph, new)
                for mu, digit in zip(model.encode(drawn.pictures)[0], drawn.digits, strict=True)
            ]
            pictures |= zip(new, model.decode(torch.stack(codes).mean(0)), strict=True)
    return torch.stack([pictures[digit].clone() for digit in wanted])


def checked(side: NumberInput) -> NumberInput:
    """A number's input, spaces around a typed one taken off. Raises BadRequest for what can be told at once."""
    if isinstance(side, str):
        return check_number(side)
    if isinstance(side, Tensor):
        if side.ndim != 4 or side.shape[1:] != (1, 28, 28) or not 1 <= len(side) <= MOST_PLACES:
            raise BadRequest(f"Digits must be 1 to {MOST_PLACES} pictures of 28 by 28 pixels.")
        if side.is_complex() or not bool(torch.isfinite(side).all()) or float(side.min()) < 0 or float(side.max()) > 1:
            raise BadRequest("The pixels of a digit must lie between 0 and 1.")
    return side
