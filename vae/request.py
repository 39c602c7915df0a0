"""One request, one answer: `produce` is the pure function behind the page, the API and the command line.

A `MorphRequest` is checked as it is made, so a request that exists is sound; what is wrong with it is
said in a `BadRequest`, one sentence in the visitor's words.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from vae import sketch, video, weights
from vae.bank import Bank, bank_of, check_number, type_codes
from vae.classifier import load_classifier, probabilities
from vae.errors import BadRequest, WeightsError
from vae.model import PRESETS, VAE
from vae.morphing import PathName, Speed, morph_sequence
from vae.render import STYLES, Style
from vae.style import transported
from vae.video import Playback

Hand = Literal["own", "test"]
Side = Any
"""A number: typed text ("32"), a stack of digits `(N, 1, 28, 28)`, one picture (a PIL image, array, path
or bytes) of one to four digits, or a list of pictures of one digit each."""

MOST_PLACES = 4
SIZES = (56, 1024)
MOST_NUMBERS = 24
MOST_FRAMES = 2400  # of a sequence, so that decoding keeps nobody waiting for long; `vae.video` bounds files
USUAL_PLACES = 2  # digits that a picture is taken for before it is read, where time is estimated


@dataclass(frozen=True, eq=False)
class MorphRequest:
    """All that a morph depends on.

    Attributes:
        source, target: the two numbers, each typed, drawn or already read (see `Side`).
        via: numbers in between, in order; a sequence of up to 24 in all.
        steps: frames from each number to the next, both included: a whole number, 2 to 240.
        seed: whose handwriting typed digits are in; a whole number, 0 to 2**31 - 1.
        path: `auto`, `linear`, `slerp` or `handwritten`.
        speed: `constant`, `eased` or `raw`.
        refine: whether the ends are exactly the digits that were read.
        fps: frames a second, 1 to 60.
        size: height of the pictures in pixels, 56 to 1024.
        style: `ink`, `pixels` or `chalk`.
        playback: `once` or `bounce` (there and back).
        hold: how long each number stands still, in seconds, 0 to 3.
        formats: which files to make: any of mp4, avi, webm, gif, webp, png (a filmstrip), zip; so many and
            so large that they take about ten seconds together at most (`vae.video.tallest`).
        model: the preset to morph with; None is the model the program was started with.
        hand: whose hand typed digits are in beside a drawn number: `own`, like the first that is drawn,
            or `test`, by seed, as where every number is typed.

    Raises:
        BadRequest: one sentence for the visitor, for any of them outside its range.
    """

    source: Side
    target: Side
    via: tuple[Side, ...] = ()
    steps: int = 60
    seed: int = 0
    path: PathName = "auto"
    speed: Speed = "constant"
    refine: bool = True
    fps: int = 30
    size: int = 512
    style: Style = "ink"
    playback: Playback = "once"
    hold: float = 0.0
    formats: tuple[str, ...] = ("mp4",)
    model: str | None = None
    hand: Hand = "own"

    def __post_init__(self) -> None:
        def settle(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        settle("steps", whole("The number of steps", self.steps, 2, 240))
        settle("seed", whole("The seed", self.seed, 0, 2**31 - 1))
        settle("fps", whole("The frames per second", self.fps, 1, 60))
        settle("size", whole("The size", self.size, *SIZES))
        settle("path", one_of("path", self.path, get_args(PathName)))
        settle("speed", one_of("speed", self.speed, get_args(Speed)))
        settle("style", one_of("ink style", self.style, tuple(STYLES)))
        settle("playback", one_of("way to play", self.playback, get_args(Playback)))
        settle("hand", one_of("handwriting", self.hand, get_args(Hand)))
        if isinstance(self.formats, str) or not isinstance(self.formats, Sequence):
            raise BadRequest("Formats are given as a list, such as mp4 and gif.")
        formats = [one_of("format", name, tuple(video.FORMATS)) for name in self.formats]
        settle("formats", tuple(dict.fromkeys(formats)))
        if self.model is not None:
            one_of("model", self.model, tuple(PRESETS))
        if not isinstance(self.refine, bool):
            raise BadRequest("Refining is either on or off.")
        if not is_number(self.hold) or not 0 <= self.hold <= 3:
            raise BadRequest("The pause must be between 0 and 3 seconds.")
        if isinstance(self.via, str) or not isinstance(self.via, Sequence):
            raise BadRequest("The numbers in between are given as a list.")
        settle("via", tuple(self.via))
        if len(self.via) + 2 > MOST_NUMBERS:
            raise BadRequest(f"A sequence can have at most {MOST_NUMBERS} numbers.")
        if self.frames > MOST_FRAMES:
            raise BadRequest(
                f"This would take {self.frames} frames, and {MOST_FRAMES} is the most: choose fewer steps."
            )
        for side in self.sides:
            if isinstance(side, str):
                check_number(side)
            elif isinstance(side, Tensor):
                check_stack(side)
        self.check_files(self.places(unread=1))

    @property
    def sides(self) -> tuple[Side, ...]:
        return (self.source, *self.via, self.target)

    @property
    def in_own_hand(self) -> bool:
        """Whether typed digits are written like drawn ones: it was not declined, and both are there."""
        typed = [isinstance(side, str) for side in self.sides]
        return self.hand == "own" and any(typed) and not all(typed)

    @property
    def frames(self) -> int:
        """How many frames the morph has, holds included."""
        return (self.steps - 1) * (len(self.sides) - 1) + 1 + round(self.hold * self.fps) * len(self.sides)

    @property
    def shown(self) -> int:
        """How many pictures a video of it has, the way back included."""
        return 2 * self.frames - 2 if self.playback == "bounce" else self.frames

    def places(self, unread: int) -> int:
        """How many digits its longest number has; a picture of one to four counts as `unread`."""
        return max(_length(side) or unread for side in self.sides)

    @property
    def seconds(self) -> float:
        """About how long `produce` takes with the flagship on one idle core, to a factor of two or so.

        A picture of one to four digits counts as one of USUAL_PLACES.
        """
        places = self.places(unread=USUAL_PLACES)
        # measured: an end and a path to the next, then what it takes to decode evenly spaced frames
        morphing = 0.01 * len(self.sides) + 0.0003 * max(self.steps, 48) * (len(self.sides) - 1)
        return places * morphing + video.seconds(self.formats, self.shown, places, self.size)

    def check_files(self, places: int) -> None:
        """Raises BadRequest where the files are too much work for numbers of so many digits."""
        most = video.tallest(self.formats, self.shown, places)
        if self.size > most:
            size = f"a size of at most {most} pixels, " if most >= SIZES[0] else ""
            raise BadRequest(
                f"This would be too long a video at that size: choose {size}fewer frames or another format."
            )


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
        """What it reads as, such as "32"."""
        return self.typed or "".join(map(str, self.digits))


@dataclass(frozen=True, eq=False)
class MorphResult:
    """`frames` `(T, 28, 28 * places)` in [0, 1], ink = 1; what was read of each number, in order; and
    the `files` asked for, by format."""

    request: MorphRequest
    frames: Tensor
    readings: tuple[Reading, ...]
    files: dict[str, bytes]

    @property
    def source(self) -> Reading:
        return self.readings[0]

    @property
    def target(self) -> Reading:
        return self.readings[-1]


def produce(request: MorphRequest, model: VAE | None = None) -> MorphResult:
    """Carry out a request; the same request gives the same bytes.

    `model` stands in for the shipped flagship where the request names none. Raises BadRequest (its
    subclass EmptyDrawing for an empty pad) with a sentence for the visitor.
    """
    if request.model is not None or model is None:
        model = loaded(request.model)
    if model.config.channels != 1:
        raise BadRequest("This model was trained on colour pictures; it cannot morph digits.")
    readings = read_sides(request)
    request.check_files(max(len(reading.digits) for reading in readings))
    known = [list(map(int, r.typed)) if r.typed else list(r.digits) for r in readings]
    frames = morph_sequence(
        model,
        [r.pictures for r in readings],
        request.steps,
        request.path,
        request.speed,
        request.refine,
        hold=round(request.hold * request.fps),
        labels=known,
    )
    files = {
        name: video.encode(
            frames, name, fps=request.fps, size=request.size, style=request.style, playback=request.playback
        )
        for name in request.formats
    }
    return MorphResult(request, frames, readings, files)


def read_sides(request: MorphRequest) -> tuple[Reading, ...]:
    """Every number of a request, in order."""
    drawn = {i: read_side(side) for i, side in enumerate(request.sides) if not isinstance(side, str)}
    like = next(iter(drawn.values())) if request.in_own_hand else None
    return tuple(drawn.get(i) or read_side(side, request.seed, like) for i, side in enumerate(request.sides))


def _length(side: Side) -> int | None:
    """How many digits a side has, where that is known before it is read."""
    if isinstance(side, str):
        return len(side.strip())
    if isinstance(side, Tensor):
        return len(side)
    several = isinstance(side, Sequence) and not isinstance(side, bytes) and 1 < len(side) <= MOST_PLACES
    return len(side) if several else None


def read_side(side: Side, seed: int = 0, like: Reading | None = None) -> Reading:
    """A number in any of the forms of `Side`, as digits; a typed one in the hand that wrote `like`, or in
    that of the seed."""
    if isinstance(side, str):
        pictures = write_like(like, side) if like else type_digits(side, seed)
        return _read(pictures, check_number(side))
    if isinstance(side, Tensor):
        check_stack(side)
        return _read(side.detach().float().cpu())
    if isinstance(side, Sequence) and not isinstance(side, bytes):
        if not 1 <= len(side) <= MOST_PLACES:
            raise BadRequest(f"A number has one to {MOST_PLACES} digits; there are {len(side)} pictures.")
        if len(side) == 1:
            return _read(sketch.read_digits(side[0]))
        return _read(torch.cat([sketch.read_digits(picture, single=True) for picture in side]))
    return _read(sketch.read_digits(side))


def _read(pictures: Tensor, typed: str | None = None) -> Reading:
    certainty, found = probabilities(load_classifier("reader"), pictures).max(1)
    return Reading(pictures, tuple(found.tolist()), tuple(certainty.tolist()), typed)


def type_digits(number: str, seed: int = 0) -> Tensor:
    """A typed number as digits `(N, 1, 28, 28)`, in one hand of the test set's, chosen by seed.

    Raises BadRequest for anything but one to four ASCII digits.
    """
    model, bank = _scribe()
    with torch.inference_mode():
        pictures = model.decode(type_codes(bank, number, seed)[0])
    return pictures.clone()  # an ordinary tensor, outside inference mode


def write_like(drawn: Reading, number: str) -> Tensor:
    """A typed number as whoever drew `drawn` might write it, `(N, 1, 28, 28)`: a digit that is among the
    drawn ones as it was drawn, any other from the mean of where the drawn ones are transported to.

    Raises BadRequest for anything but one to four ASCII digits.
    """
    model, bank = _scribe()
    wanted = [int(digit) for digit in check_number(number)]
    new = sorted(set(wanted) - set(drawn.digits))
    pictures = dict(zip(reversed(drawn.digits), drawn.pictures.flip(0), strict=True))  # of two, the first
    if new:
        with torch.inference_mode():
            codes = [
                transported(mu, digit, bank.graph.z, bank.graph.labels, new)
                for mu, digit in zip(model.encode(drawn.pictures)[0], drawn.digits, strict=True)
            ]
            pictures |= zip(new, model.decode(torch.stack(codes).mean(0)), strict=True)
    return torch.stack([pictures[digit].clone() for digit in wanted])


def _scribe() -> tuple[VAE, Bank]:
    """The model and the bank that typed digits come from."""
    model = loaded(weights.FLAGSHIP)
    bank = bank_of(model)
    if bank is None:
        raise WeightsError("weights/bank.safetensors is missing; build it with: python -m vae bank --data DIR")
    return model, bank


def loaded(source: str | None) -> VAE:
    """`weights.load`, once for each file: None and "flagship" are one model, with one bank."""
    return _loaded(weights.find(source))


@functools.lru_cache(maxsize=len(PRESETS) + 1)
def _loaded(path: Path) -> VAE:
    return weights.load(path)


def whole(what: str, value: object, least: int, most: int) -> int:
    """`value` as a whole number in [least, most]; 30.0 counts as 30. Raises BadRequest."""
    if not is_number(value) or value != int(value) or not least <= value <= most:  # type: ignore[call-overload, operator]
        raise BadRequest(f"{what} must be a whole number from {least} to {most}.")
    return int(value)  # type: ignore[call-overload]


def is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)  # a long int is too large for isfinite


def one_of(what: str, value: object, known: Sequence[str]) -> Any:
    if not isinstance(value, str) or value not in known:
        raise BadRequest(f"There is no such {what}; choose one of {', '.join(known)}.")
    return value


def check_stack(stack: Tensor) -> None:
    if stack.ndim != 4 or stack.shape[1:] != (1, 28, 28) or not 1 <= len(stack) <= MOST_PLACES:
        raise BadRequest(f"Digits must be 1 to {MOST_PLACES} pictures of 28 by 28 pixels.")
    if not bool(torch.isfinite(stack).all()) or float(stack.min()) < 0 or float(stack.max()) > 1:
        raise BadRequest("The pixels of a digit must lie between 0 and 1.")
