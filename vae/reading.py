"""A number in any form that somebody may give -> its digits as pictures, and what they read as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from vae import sketch
from vae.bank import check_number, type_codes
from vae.classifier import Classifier, log_probabilities
from vae.errors import BadRequest
from vae.pipeline import Pipeline, Typist, default_pipeline
from vae.segmentation import NONE
from vae.style import transported

NumberInput = Any
"""A number: typed text ("32"), a stack of digits `(N, 1, 28, 28)`, one picture (a PIL image, array, path
or bytes) or `Drawing` of one to four digits, or a list of pictures of one digit each."""

MOST_PLACES = 4
NO_DIGIT, SURE = 0.9, 0.99  # a mark that likely to be no digit is none, unless the reader is so sure of it
CERTAINLY_NONE = 0.985
READER, READER_OF_CUT = 0.5, 0.17  # weight of the reader's word; the rest is the segmenter's, which saw the ink around


@dataclass(frozen=True, eq=False)
class Reading:
    """A number as it was read.

    Attributes:
        pictures: `(N, 1, 28, 28)`.
        digits: what each is taken for.
        certainty: how likely that is, calibrated on drawings: of those with 0.9, nine in ten are right.
        typed: the number that was typed, if it was.
        z: the latents `(N, D)` that the typist decoded the pictures from, if it did.
        seconds: the next best guess at each, and how likely that is.
    """

    pictures: Tensor
    digits: tuple[int, ...]
    certainty: tuple[float, ...]
    typed: str | None = None
    z: Tensor | None = None
    seconds: tuple[tuple[int, float], ...] = ()

    @property
    def number(self) -> str:
        """What it stands for, such as "32": as typed, or as read."""
        return self.typed or "".join(map(str, self.digits))

    @property
    def labels(self) -> list[int]:
        """The digits that it stands for."""
        return [int(digit) for digit in self.number]

    def told(self, place: int, digit: int) -> Reading:
        """The same, with somebody's word for it that the digit at a place (0 is the first) is this one.

        Raises BadRequest for a place or a digit that there is not.
        """
        if place not in range(len(self.digits)) or digit not in range(10):
            raise BadRequest("There is no such digit in this number.")
        if self.typed:
            raise BadRequest("A typed number is what it is; type another one.")
        digits, certainty, seconds = list(self.digits), list(self.certainty), list(self.seconds)
        if seconds and digit != digits[place]:
            seconds[place] = (digits[place], 0.0)
        digits[place], certainty[place] = digit, 1.0
        return replace(self, digits=tuple(digits), certainty=tuple(certainty), seconds=tuple(seconds))

    def as_number(self, number: str) -> Reading:
        """The same, with somebody's word for it that this is `number`. Raises BadRequest for one of another length."""
        if len(number) != len(self.digits):
            raise BadRequest(f"This number has {len(self.digits)} digits; say what each of them is.")
        told = self
        for place, digit in enumerate(map(int, number)):
            if digit != self.digits[place]:
                told = told.told(place, digit)
        return told


def read_number(side: NumberInput, pipeline: Pipeline, seed: int = 0) -> Reading:
    """A number in any of the forms of `NumberInput`. Raises BadRequest."""
    side = checked(side)
    return read_typed(side, pipeline, seed) if isinstance(side, str) else read_drawn(side, pipeline)


def read_typed(number: str, pipeline: Pipeline, seed: int = 0, like: Reading | None = None) -> Reading:
    """A typed number as digits, in the handwriting of `like`, or in one of the test set's, chosen by seed."""
    if like:
        return _read(write_like(like, number, pipeline), pipeline, number)
    return _written(pipeline.require_typist(), pipeline.reader, number, seed)


@lru_cache(maxsize=512)
def _written(typist: Typist, reader: Classifier, number: str, seed: int) -> Reading:
    """The same few numbers are typed again and again."""
    pictures, z = _write(typist, number, seed)
    with torch.inference_mode():
        return _reading(pictures, log_probabilities(reader, pictures), number, z)


def read_drawn(
    side: NumberInput, pipeline: Pipeline, change: Callable[[Tensor], Tensor] = lambda pictures: pictures
) -> Reading:
    """A number that is not typed, as digits."""
    read = partial(sketch.read_sketch, segmenter=pipeline.segmenter)
    if isinstance(side, Tensor):
        return _read(change(side.detach().float().cpu()), pipeline)
    if isinstance(side, Sequence) and not isinstance(side, bytes):
        if not 1 <= len(side) <= MOST_PLACES:
            raise BadRequest(f"A number has one to {MOST_PLACES} digits; there are {len(side)} pictures.")
        several = len(side) > 1
        sketches = [read(picture, single=several) for picture in side]
    else:
        sketches = [read(side)]
    guesses, cut = (torch.cat([found[k] for found in sketches]) for k in (1, 2))
    pictures = change(torch.cat([found.pictures for found in sketches]))
    by_reader = pipeline.log_probabilities(pictures)
    nothing, sure = guesses[:, NONE].exp(), by_reader.exp().amax(1)
    if bool(((nothing > NO_DIGIT) & (sure < SURE) | (nothing > CERTAINLY_NONE)).all()):
        raise BadRequest("I see no number here; draw one, or choose a picture that shows little else.")
    reader = torch.where(cut, READER_OF_CUT, READER)[:, None]
    return _reading(pictures, by_reader.lerp(guesses[:, :10].log_softmax(1), 1 - reader))


def _read(pictures: Tensor, pipeline: Pipeline, typed: str | None = None) -> Reading:
    """What digits are, by the reader alone."""
    return _reading(pictures, pipeline.log_probabilities(pictures), typed)


def _reading(pictures: Tensor, likely: Tensor, typed: str | None = None, z: Tensor | None = None) -> Reading:
    """Of log-probabilities `(N, 10)`, up to a constant."""
    certainty, digits = (best.tolist() for best in likely.softmax(1).topk(2))
    first, second = ([(d[k], c[k]) for d, c in zip(digits, certainty, strict=True)] for k in (0, 1))
    return Reading(pictures, tuple(d for d, _ in first), tuple(c for _, c in first), typed, z, tuple(second))


def type_digits(number: str, seed: int = 0) -> Tensor:
    """A typed number as digits `(N, 1, 28, 28)`, in one handwriting of the test set's, chosen by seed.

    Raises BadRequest for anything but one to four ASCII digits.
    """
    return write(check_number(number), default_pipeline(), seed)


def write(number: str, pipeline: Pipeline, seed: int = 0) -> Tensor:
    """`type_digits` of a number that was checked."""
    return _write(pipeline.require_typist(), number, seed)[0]


def _write(typist: Typist, number: str, seed: int) -> tuple[Tensor, Tensor]:
    """A number's pictures, and the latents that they were decoded from."""
    z = type_codes(typist.bank, number, seed)[0]
    with torch.inference_mode():
        pictures = typist.model.decode(z)
    return pictures.clone(), z  # an ordinary tensor, outside inference mode


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
