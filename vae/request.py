"""One request, one answer: `produce` is the pure function behind the page, the API and the command line.

    MorphRequest -- read_numbers --> Readings -- make_morph --> Morph -- encode --> files

A `MorphRequest` is checked as it is made, so a request that exists is sound; what is wrong with it is
said in a `BadRequest`, one sentence in the visitor's words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import Tensor

from vae import video
from vae.bank import check_number
from vae.errors import BadRequest
from vae.model import PRESETS
from vae.morphing import Morph, PathName, Speed, make_morph
from vae.pipeline import Pipeline, default_pipeline
from vae.reading import MOST_PLACES, NumberInput, Reading, checked, read_drawn, read_typed
from vae.render import STYLES, Style
from vae.video import Playback

Handwriting = Literal["own", "test"]

SIZES = (56, 1024)
MOST_NUMBERS = 24
MOST_FRAMES = 2400  # of a sequence, so that decoding keeps nobody waiting for long; `vae.video` bounds files
USUAL_PLACES = 2  # digits that a picture is taken for before it is read, where time is estimated


@dataclass(frozen=True, eq=False)
class MorphRequest:
    """All that a morph depends on.

    Attributes:
        source, target: the two numbers, each typed, drawn or already read (see `NumberInput`).
        via: numbers in between, in order; a sequence of up to 24 in all.
        steps: frames from each number to the next, both included: a whole number, 2 to 240.
        seed: whose handwriting typed digits are in; a whole number, 0 to 2**31 - 1.
        path: `auto`, `linear`, `slerp` or `handwritten`.
        speed: `constant`, `eased`, `raw`, or `turn`, which gives the turn a quarter of the frames.
        refine: whether the ends are exactly the digits that were read.
        fps: frames a second, 1 to 60.
        size: height of the pictures in pixels, 56 to 1024.
        style: `ink`, `pixels` or `chalk`.
        playback: `once` or `bounce` (there and back).
        hold: how long each number stands still, in seconds, 0 to 3.
        formats: which files to make: any of mp4, avi, webm, gif, webp, png (a filmstrip), zip; so many and
            so large that they take about ten seconds together at most (`vae.video.tallest`).
        model: the preset to morph with; None is the model the program was started with.
        read_as: for each number in order what it is, as somebody says who drew it, or "" to have it read; or nothing.
        hand: the handwriting of typed digits beside a drawn number: `own`, that of the first that is drawn,
            or `test`, by seed, as where every number is typed.

    Raises:
        BadRequest: one sentence for the visitor, for any of them outside its range.
    """

    source: NumberInput
    target: NumberInput
    via: tuple[NumberInput, ...] = ()
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
    hand: Handwriting = "own"
    read_as: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        put("steps", whole("The number of steps", self.steps, 2, 240))
        put("seed", whole("The seed", self.seed, 0, 2**31 - 1))
        put("fps", whole("The frames per second", self.fps, 1, 60))
        put("size", whole("The size", self.size, *SIZES))
        one_of("path", self.path, get_args(PathName))
        one_of("speed", self.speed, get_args(Speed))
        one_of("ink style", self.style, tuple(STYLES))
        one_of("way to play", self.playback, get_args(Playback))
        one_of("handwriting", self.hand, get_args(Handwriting))
        if self.model is not None:
            one_of("model", self.model, tuple(PRESETS))
        if isinstance(self.formats, str) or not isinstance(self.formats, Sequence):
            raise BadRequest("Formats are given as a list, such as mp4 and gif.")
        put("formats", tuple(dict.fromkeys(one_of("format", name, tuple(video.FORMATS)) for name in self.formats)))
        if not isinstance(self.refine, bool):
            raise BadRequest("Refining is either on or off.")
        if not is_number(self.hold) or not 0 <= self.hold <= 3:
            raise BadRequest("The pause must be between 0 and 3 seconds.")
        if isinstance(self.via, str) or not isinstance(self.via, Sequence):
            raise BadRequest("The numbers in between are given as a list.")
        if isinstance(self.read_as, str) or not isinstance(self.read_as, Sequence):
            raise BadRequest("What the numbers are is given as a list.")
        if self.read_as and len(self.read_as) != len(self.via) + 2:
            raise BadRequest("What the numbers are is said of each of them, or of none.")
        put("read_as", tuple(check_number(number) if number != "" else "" for number in self.read_as))
        if len(self.via) + 2 > MOST_NUMBERS:
            raise BadRequest(f"A sequence can have at most {MOST_NUMBERS} numbers.")
        if self.frames > MOST_FRAMES:
            raise BadRequest(
                f"This would take {self.frames} frames, and {MOST_FRAMES} is the most: choose fewer steps."
            )
        source, *via, target = map(checked, self.sides)
        put("source", source)
        put("target", target)
        put("via", tuple(via))
        self.check_files(self.places(unread=1))

    @property
    def sides(self) -> tuple[NumberInput, ...]:
        return (self.source, *self.via, self.target)

    @property
    def in_drawn_handwriting(self) -> bool:
        """Whether typed digits are written like drawn ones: it was not declined, and both are there."""
        typed = [isinstance(side, str) for side in self.sides]
        return self.hand == "own" and any(typed) and not all(typed)

    @property
    def hold_frames(self) -> int:
        """How many frames longer each number stands still."""
        return round(self.hold * self.fps)

    @property
    def frames(self) -> int:
        """How many frames the morph has, holds included."""
        return (self.steps - 1) * (len(self.sides) - 1) + 1 + self.hold_frames * len(self.sides)

    @property
    def shown(self) -> int:
        """How many pictures a video of it has, the way back included."""
        return 2 * self.frames - 2 if self.playback == "bounce" else self.frames

    def places(self, unread: int) -> int:
        """How many digits its longest number has; a picture of one to four counts as `unread`."""
        return max(_length(side) or unread for side in self.sides)

    @property
    def seconds(self) -> float:
        """About how long `produce` takes with the flagship on one idle core, to a factor of two or so."""
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
class MorphResult:
    """What a request gave: the `morph`, the `readings` of its numbers in order, the `files` asked for, by format."""

    request: MorphRequest
    morph: Morph
    readings: tuple[Reading, ...]
    files: dict[str, bytes]

    @property
    def frames(self) -> Tensor:
        """`(T, 28, 28 * places)` in [0, 1], ink = 1, holds included."""
        return self.morph.frames[self.morph.played(self.request.hold_frames)]

    @property
    def source(self) -> Reading:
        return self.readings[0]

    @property
    def target(self) -> Reading:
        return self.readings[-1]


def produce(
    request: MorphRequest, pipeline: Pipeline | None = None, readings: tuple[Reading, ...] | None = None
) -> MorphResult:
    """Carry out a request; the same request gives the same bytes.

    `pipeline`: what with; None is `default_pipeline`. `readings`: its numbers, where somebody has read them.
    Raises BadRequest (its subclass EmptyDrawing for an empty pad) with a sentence for the visitor.
    """
    pipeline = (pipeline or default_pipeline()).with_preset(request.model)
    if pipeline.model.config.channels != 1:
        raise BadRequest("This model was trained on colour pictures; it cannot morph digits.")
    readings = readings or read_numbers(request, pipeline)
    request.check_files(max(len(reading.digits) for reading in readings))
    stacks, labels = [r.pictures for r in readings], [r.labels for r in readings]
    is_typist = pipeline.typist is not None and pipeline.model is pipeline.typist.model
    codes = [r.z if is_typist else None for r in readings]
    morph = make_morph(pipeline, stacks, labels, request.steps, request.path, request.speed, request.refine, codes)
    return MorphResult(request, morph, readings, {name: encode(request, morph, name) for name in request.formats})


def encode(request: MorphRequest, morph: Morph, format: str) -> bytes:
    """A morph's file in one format."""
    there = morph.played(request.hold_frames)
    return video.encode(morph.frames, format, request.fps, request.size, request.style, request.playback, there)


def read_numbers(
    request: MorphRequest, pipeline: Pipeline, change: Callable[[Tensor], Tensor] = lambda pictures: pictures
) -> tuple[Reading, ...]:
    """Every number of a request, in order; `change` is done to the pictures of drawn ones before they are read."""
    drawn = {i: read_drawn(side, pipeline, change) for i, side in enumerate(request.sides) if not isinstance(side, str)}
    for i, number in enumerate(request.read_as):
        if number and i in drawn:
            drawn[i] = drawn[i].as_number(number)
    like = next(iter(drawn.values())) if request.in_drawn_handwriting else None
    return tuple(
        drawn[i] if i in drawn else read_typed(side, pipeline, request.seed, like)
        for i, side in enumerate(request.sides)
    )


def _length(side: NumberInput) -> int | None:
    """How many digits a side has, where that is known before it is read."""
    if isinstance(side, str | Tensor):
        return len(side)
    several = isinstance(side, Sequence) and not isinstance(side, bytes) and 1 < len(side) <= MOST_PLACES
    return len(side) if several else None


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
