"""From digits to the frames between them: endpoints, curve, pacing, decode, compose.

A *stack* is a number as pictures, `(N, 1, 28, 28)` float in [0, 1], ink = 1, left to right; *frames*
are `(T, 28, 28 * places)`. Each digit is morphed on its own, and all of them are decoded in one batch.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from vae import giving_up, pacing, paths
from vae.bank import Bank
from vae.classifier import probabilities
from vae.errors import BadRequest
from vae.layout import layout, morphing_time, paste
from vae.model import VAE
from vae.pipeline import Pipeline, pipeline_of
from vae.strokes import reveal

PathName = Literal["auto", "linear", "slerp", "handwritten"]
Speed = Literal["raw", "constant", "eased", "turn"]

SIDE = 28
REFINE_STEPS = 4  # of an endpoint, those of the model itself included
RESIDUAL_KEPT, RESIDUAL_GONE = 0.25, 0.5  # share of a picture's change at which its residual starts, ends fading
TURN_SHARE = 0.25  # of the frames, at least, for the turn at that speed
INK_SLACK = 0.07  # share by which digits of a path may have less or more ink than its ends, free of penalty; then
INK_SCALE = 8.0  # so many pixels more cost as much as the path itself


@dataclass(frozen=True)
class Endpoints:
    """A number ready to morph: its pictures `(N, 28, 28)`, latents `(N, D)`, what the decoder leaves
    of the pictures `(N, 28, 28)`, and the classes `(N,)`."""

    pictures: Tensor
    z: Tensor
    residual: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Morph:
    """The frames of a sequence of numbers, digit by digit; each number is shown once, nothing is held.

    Attributes:
        digits: each digit's own frames `(T, places, 28, 28)` in [0, 1], ink = 1, as many as the longest number has,
            right-aligned; blank where a number has no such digit.
        left: the left edge of each in the picture, `(T, places)`, in digits.
        steps: frames from one number to the next, both included.
    """

    digits: Tensor
    left: Tensor
    steps: int

    @property
    def places(self) -> int:
        return self.digits.shape[1]

    @property
    def stops(self) -> range:
        """The frames in which the numbers stand."""
        return range(0, len(self.digits), self.steps - 1)

    @functools.cached_property
    def frames(self) -> Tensor:
        """The digits composed: `(T, 28, 28 * places)`."""
        canvas = self.digits.new_zeros(len(self.digits), SIDE, SIDE * self.places)
        for start in self.stops[:-1]:
            giving_up.check()
            part = slice(start + 1 if start else 0, start + self.steps)
            for k in range(self.places):
                paste(canvas[part], self.digits[part, k], self.left[part, k] * SIDE)
        return canvas

    def played(self, hold: int = 0) -> list[int]:
        """Which frame is shown when, each number standing still for `hold` frames more."""
        return hold_frames(len(self.digits), self.stops, hold)


def hold_frames(count: int, stops: Sequence[int], hold: int) -> list[int]:
    """The frames 0 to `count` - 1 in order, those at `stops` shown `hold` times more."""
    return [frame for frame in range(count) for _ in range(1 + hold * (frame in stops))]


def morph(
    model: VAE,
    source: Tensor,
    target: Tensor,
    steps: int = 60,
    path: PathName = "auto",
    speed: Speed = "constant",
    refine: bool = True,
) -> Tensor:
    """The frames in which the number `source` turns into the number `target`.

    Args:
        model: whose latent space the path goes through.
        source, target: stacks `(N, 1, 28, 28)` in [0, 1] of a digit or more; they may differ in length.
        steps: how many frames, first and last included; at least 2.
        path: `linear`, `slerp`, `handwritten` (needs the model's bank), or `auto`: `handwritten`, and
            `slerp` without a bank.
        speed: `raw` (equal steps of alpha), `constant` (equal change of the picture), `eased` (that, slow at both
            ends) or `turn` (that, slow where one digit turns into the other).
        refine: frame 0 and the last frame are the two stacks exactly. Without it they are what the
            decoder makes of the encoder's means; with `path="linear"` and `speed="raw"` that is
            decode((1 - alpha) z1 + alpha z2) and nothing else.

    Returns:
        float32 CPU tensor `(steps, 28, 28 * places)` in [0, 1], ink = 1.

    Raises:
        ValueError: for a stack of another shape, or an unknown path or speed.
    """
    return morph_sequence(model, [source, target], steps, path, speed, refine)


def morph_sequence(
    model: VAE,
    stacks: Sequence[Tensor],
    steps: int = 60,
    path: PathName = "auto",
    speed: Speed = "constant",
    refine: bool = True,
    hold: int = 0,
) -> Tensor:
    """`morph` from each stack to the next; each is shown once, and `hold` frames longer.

    Returns `(T, 28, 28 * places)`, T being `(steps - 1) * (len(stacks) - 1) + 1 + hold * len(stacks)`.
    """
    pipeline = pipeline_of(model)
    labels = [pipeline.read(stack)[0].tolist() for stack in check_stacks(stacks)]
    made = make_morph(pipeline, stacks, labels, steps, path, speed, refine)
    return made.frames[made.played(hold)] if hold else made.frames


def check_stacks(stacks: Sequence[Tensor]) -> Sequence[Tensor]:
    """Raises ValueError unless each is `(N, 1, 28, 28)`, N at least 1."""
    for stack in stacks:
        if stack.ndim != 4 or stack.shape[1:] != (1, SIDE, SIDE) or not len(stack):
            raise ValueError(f"a stack must be (N, 1, 28, 28), not {tuple(stack.shape)}")
    return stacks


def make_morph(
    pipeline: Pipeline,
    stacks: Sequence[Tensor],
    labels: Sequence[Sequence[int]],
    steps: int = 60,
    path: PathName = "auto",
    speed: Speed = "constant",
    refine: bool = True,
    codes: Sequence[Tensor | None] | None = None,
) -> Morph:
    """The morph from each stack to the next; `labels` says which digits the stacks are, `codes` the latents of those
    that the model itself has decoded. As `morph`."""
    if len(stacks) < 2 or steps < 2:
        raise ValueError("a morph needs at least two numbers and two steps")
    if speed not in get_args(Speed):
        raise ValueError(f"there is no speed '{speed}'; choose one of {', '.join(get_args(Speed))}")
    ends = endpoints(pipeline.model, stacks, labels, refine, codes)
    places, count = max(len(end.z) for end in ends), (steps - 1) * (len(ends) - 1) + 1
    digits, left = torch.zeros(count, places, SIDE, SIDE), torch.zeros(count, places)
    for k, (a, b) in enumerate(pairwise(ends)):
        giving_up.check()
        segment = Segment(pipeline, a, b, path)
        clock = frame_times(steps, speed)
        edge, visible = layout(len(a.z), len(b.z), places, clock)
        own = segment.frames(segment.shared(morphing_time(len(a.z), len(b.z), clock), speed), visible)
        new = slice(k * (steps - 1) + (k > 0), (k + 1) * (steps - 1) + 1)  # the first is the last of the segment before
        digits[new, places - own.shape[1] :], left[new, places - own.shape[1] :] = own[k > 0 :], edge[k > 0 :]
    return Morph(digits, left, steps)


def frame_times(steps: int, speed: Speed) -> Tensor:
    """The share of a segment's time at which each of its frames is: `(steps,)`, from 0 to 1."""
    time = torch.linspace(0, 1, steps)
    return pacing.ease(time) if speed == "eased" else time


def crossfade(source: Tensor, target: Tensor, steps: int) -> Tensor:
    """Stacks `(N, 1, 28, 28)` and `(M, 1, 28, 28)` -> `(steps, 28, 28 * max(N, M))`: (1 - a) x1 + a x2."""
    places = max(len(source), len(target))
    canvases = torch.zeros(2, SIDE, SIDE * places)
    for canvas, stack in zip(canvases, (source, target), strict=True):
        left = SIDE * (places - len(stack)) // 2
        canvas[:, left : left + SIDE * len(stack)] = torch.cat(list(stack[:, 0]), 1)
    alpha = torch.linspace(0, 1, steps)[:, None, None]
    return (1 - alpha) * canvases[0] + alpha * canvases[1]


def endpoints(
    model: VAE,
    stacks: Sequence[Tensor],
    labels: Sequence[Sequence[int]],
    refine: bool = True,
    codes: Sequence[Tensor | None] | None = None,
) -> list[Endpoints]:
    """Every digit of every stack, encoded (and refined) in one batch; a stack that was decoded from known `codes`
    `(N, D)` needs neither, and leaves no residual."""
    codes = codes if codes and refine else [None] * len(stacks)
    parts = list(zip(check_stacks(stacks), labels, codes, strict=True))
    unknown = [(stack, label) for stack, label, z in parts if z is None]
    encoded = iter(_encoded(model, unknown, refine) if unknown else ())
    return [next(encoded) if z is None else _written(stack, label, z) for stack, label, z in parts]


def _written(stack: Tensor, labels: Sequence[int], z: Tensor) -> Endpoints:
    pictures = stack[:, 0].detach().float().cpu()
    return Endpoints(pictures, z, torch.zeros_like(pictures), torch.tensor(labels))


def _encoded(model: VAE, parts: Sequence[tuple[Tensor, Sequence[int]]], refine: bool) -> list[Endpoints]:
    stacks = [stack for stack, _ in parts]
    x = torch.cat(stacks).detach().float().cpu()
    y = torch.tensor([label for _, labels in parts for label in labels])
    given = y if model.config.classes else None
    prepared = model.prepare(x)
    with torch.inference_mode():
        z, logvar = model.encode(prepared, given) if refine else model.amortised(prepared, given)
        if refine:
            z = model.refined(prepared, z, logvar, given, steps=max(0, REFINE_STEPS - model.config.refinements))
        residual = (x - decode_28(model, z, given))[:, 0] if refine else torch.zeros_like(x[:, 0])
    sizes = [len(stack) for stack in stacks]
    split = zip(x[:, 0].split(sizes), z.split(sizes), residual.split(sizes), y.split(sizes), strict=True)
    return [Endpoints(*parts) for parts in split]


def decode_28(model: VAE, z: Tensor, y: Tensor | None = None) -> Tensor:
    """Latents `(B, D)` -> pictures `(B, 1, 28, 28)`; a smaller model's are enlarged, for showing only."""
    x = model.decode(z, y)
    if x.shape[-1] != SIDE:
        x = F.interpolate(x, size=(SIDE, SIDE), mode="bicubic", align_corners=False).clamp_(0, 1)
    return x


class Segment:
    """One segment of a morph, from a number to the next: shared digits follow alpha, layout and extra digits time (the
    share of the segment's frames), so that what slides does not use up the even steps of what changes."""

    def __init__(self, pipeline: Pipeline, a: Endpoints, b: Endpoints, path: PathName) -> None:
        self.model, self.reader, self.a, self.b = pipeline.model, pipeline.reader, a, b
        shared = min(len(a.z), len(b.z))  # numbers are right-aligned: units meet units
        self.i, self.j = len(a.z) - shared, len(b.z) - shared
        self.curves = [curve_between(path, pipeline.bank, a, self.i + k, b, self.j + k) for k in range(shared)]

    @torch.inference_mode()
    def shared(self, time: Tensor, speed: Speed) -> Tensor:
        """The shared digits at `time` `(T,)`, the share of their morph, at a pace: `(T, shared, 28, 28)`."""
        if speed == "raw":
            return self.decode(time)
        if speed != "turn":
            return pacing.even_steps(self.decode, time)[1]
        least = TURN_SHARE / float((time < 1).double().mean().clamp_min(TURN_SHARE))  # of the time of the morph
        return torch.cat([self._with_turn(k, time, least) for k in range(len(self.curves))], 1)

    def _with_turn(self, k: int, time: Tensor, least: float) -> Tensor:
        """Shared digit `k` on a clock of its own, its turn in `least` of the time at least: `(T, 1, 28, 28)`."""
        digits = [int(end.labels[first + k]) for end, first in ((self.a, self.i), (self.b, self.j))]

        def picture_at(alpha: Tensor) -> Tensor:
            return self.decode(alpha, slice(k, k + 1))

        def certainty(pictures: Tensor) -> Tensor:
            return probabilities(self.reader, pictures)[:, digits]

        if digits[0] == digits[1]:
            return pacing.even_steps(picture_at, time)[1]
        return pacing.steps_with_turn(picture_at, certainty, time, least)

    @torch.inference_mode()
    def decode(self, alpha: Tensor, which: slice = slice(None)) -> Tensor:
        """The shared digits (those of `which`) at `alpha` `(T,)`, in one batch: `(T, shared, 28, 28)`."""
        a, b, curves = self.a, self.b, self.curves[which]
        i, j = (
            slice(first + (which.start or 0), first + (which.start or 0) + len(curves)) for first in (self.i, self.j)
        )
        z = torch.cat([curve(alpha) for curve in curves])
        y = None
        if classes := self.model.config.classes:
            ends = (F.one_hot(end.labels[part], classes).float() for end, part in ((a, i), (b, j)))
            y = torch.cat([paths.linear(*pair)(alpha) for pair in zip(*ends, strict=True)])
        pictures = decode_28(self.model, z, y).view(len(curves), len(alpha), SIDE, SIDE).transpose(0, 1)
        share = change_share(pictures, a.pictures[i] - a.residual[i], b.pictures[j] - b.residual[j], alpha)
        leaving, arriving = (residual_weight(part)[..., None, None] for part in (share, 1 - share))
        return (pictures + leaving * a.residual[i] + arriving * b.residual[j]).clamp_(0, 1)

    def frames(self, shared: Tensor, visible: Tensor) -> Tensor:
        """Every digit of the longer number, `(T, N, 28, 28)`: `shared` beside those drawn as far as `visible` says."""
        extra = [*self.a.pictures[: self.i], *self.b.pictures[: self.j]]
        drawn = [reveal(picture, visible[:, k])[:, None] for k, picture in enumerate(extra)]
        return torch.cat([*drawn, shared], 1)


def curve_between(path: PathName, bank: Bank | None, a: Endpoints, k: int, b: Endpoints, m: int) -> paths.Curve:
    """The curve from digit `k` of `a` to digit `m` of `b`."""
    z0, z1 = a.z[k], b.z[m]
    if path == "linear":
        return paths.linear(z0, z1)
    if path == "slerp" or (path == "auto" and bank is None):
        return paths.slerp(z0, z1)
    if path not in ("auto", "handwritten"):
        raise ValueError(f"there is no path '{path}'; choose one of {', '.join(get_args(PathName))}")
    if bank is None:
        raise BadRequest("The handwritten path needs the codes that only the shipped model has.")
    return handwritten_curve(
        bank, (z0, z1), (int(a.labels[k]), int(b.labels[m])), torch.stack([a.pictures[k].sum(), b.pictures[m].sum()])
    )


def handwritten_curve(bank: Bank, ends: tuple[Tensor, Tensor], digits: tuple[int, int], ink: Tensor) -> paths.Curve:
    """From one latent to another by way of digits that people wrote, of these two classes and about as much
    ink as the two ends have; a great arc where the bank knows no way."""
    source, target = (bank.class_graph(digit) for digit in digits)
    crossings = bank.crossings_between(*digits)
    same = digits[0] == digits[1]
    if source is None or target is None or not (same or len(crossings.nodes)):
        return paths.slerp(*ends)
    (here, ink_here), (there, ink_there) = source, target
    z0, z1 = (z @ bank.metric for z in ends)
    penalty = ink_penalty(ink_here, ink).numpy()
    if same:
        points = paths.path_within_class(z0, z1, here, penalty)
    else:
        penalties = penalty, ink_penalty(ink_there, ink).numpy()
        candidates = paths.paths_across_classes(z0, z1, (here, there), crossings, penalties)
        points = best_path(bank, torch.stack(ends), digits, candidates)
    return paths.polyline(torch.cat([ends[0][None], (points @ bank.inverse_metric)[1:-1], ends[1][None]]))


def best_path(bank: Bank, ends: Tensor, digits: tuple[int, int], candidates: Tensor) -> Tensor:
    """Of `candidates` `(C, K, D)`, in the bank's metric, the one that the surrogate likes best, relaxed: `(K, D)`."""
    potential = bank.surrogate.between(ends, digits, candidates.shape[1])

    def there(points: Tensor) -> Tensor:
        return potential(points @ bank.inverse_metric)

    return paths.relaxed(paths.cheapest(candidates, there), there)


def ink_penalty(ink: Tensor, ends: Tensor) -> Tensor:
    """What it costs a path to pass digits whose `ink` `(N,)` is not between that of its two `ends`: so its
    strokes keep their width."""
    low, high = ends.min() * (1 - INK_SLACK), ends.max() * (1 + INK_SLACK)
    return (torch.maximum(low - ink, ink - high).clamp_min(0) / INK_SCALE).square()


def change_share(pictures: Tensor, first: Tensor, last: Tensor, alpha: Tensor) -> Tensor:
    """How far decoded `pictures` `(T, N, 28, 28)` have come from `first` to `last` `(N, 28, 28)`: `(T, N)`.

    The distance to the first as a share of the sum of both; `alpha` `(T,)` decides where the two are the same.
    """
    away, ahead = ((pictures - end).flatten(2).norm(dim=2) for end in (first, last))
    tiny = 1e-3
    return (away + tiny * alpha[:, None]) / (away + ahead + tiny)


def residual_weight(share: Tensor) -> Tensor:
    """1 while the decoded picture is still the same digit, up to RESIDUAL_KEPT of its change; 0 from RESIDUAL_GONE."""
    return 1 - pacing.ease(((share - RESIDUAL_KEPT) / (RESIDUAL_GONE - RESIDUAL_KEPT)).clamp(0, 1))
