"""From digits to the frames between them: endpoints, path, decode, compose.

A *stack* is a number as pictures, `(N, 1, 28, 28)` float in [0, 1], ink = 1, left to right; *frames*
are `(T, 28, 28 * places)`. Each place is morphed on its own, and all of them are decoded in one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from vae import paths
from vae.bank import Bank, bank_of, class_graph, crossings_between
from vae.classifier import load_classifier
from vae.errors import BadRequest
from vae.model import VAE
from vae.strokes import written

PathName = Literal["auto", "linear", "slerp", "handwritten"]
Speed = Literal["raw", "constant", "eased"]

SIDE = 28
REFINE_STEPS = 4  # of an endpoint, those of the model itself included
RESIDUAL_SPAN = 0.2  # share of the path at each end over which the residual fades
MAKING_ROOM = 0.65  # share of a leg in which digits step aside, or are written, for a number of other length
INK_SLACK = 0.07  # share by which a path's digits may have less or more ink than its ends, free of toll
INK_SCALE = 8.0  # pixels of ink beyond that, for a toll as high as the way itself


@dataclass(frozen=True)
class Endpoints:
    """A number ready to morph: its pictures `(N, 28, 28)`, latents `(N, D)`, what the decoder leaves
    of the pictures `(N, 28, 28)`, and the classes `(N,)`."""

    pictures: Tensor
    z: Tensor
    residual: Tensor
    labels: Tensor


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
        source, target: stacks `(N, 1, 28, 28)` in [0, 1] of one digit or more; they may differ in length.
        steps: how many frames, first and last included; at least 2.
        path: `linear`, `slerp`, `handwritten` (needs the model's bank), or `auto`: `handwritten`, and
            `slerp` without a bank.
        speed: `raw` (equal steps of alpha), `constant` (equal change of the composed picture) or
            `eased` (the same, slow at both ends).
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
    labels: Sequence[Sequence[int] | None] | None = None,
) -> Tensor:
    """`morph` from each stack to the next; every stack is shown once, and `hold` frames longer.

    `steps` frames from one stack to the next, both included; so `(steps - 1) * (len(stacks) - 1) + 1`
    frames without a hold. `labels` says which digits the stacks are, where that is known (typed
    numbers); the reader looks at the others.
    """
    if len(stacks) < 2 or steps < 2:
        raise ValueError("a morph needs at least two numbers and two steps")
    if speed not in get_args(Speed):
        raise ValueError(f"there is no speed '{speed}'; choose one of {', '.join(get_args(Speed))}")
    ends = endpoints(model, stacks, refine, labels)
    places = max(len(end.z) for end in ends)
    shown = torch.empty((steps - 1) * (len(ends) - 1) + 1 + hold * len(ends), SIDE, SIDE * places)
    start = hold  # of the next leg's frames
    for a, b in pairwise(ends):
        leg = _Leg(model, a, b, path, places)
        time = clock(steps, speed)
        alpha = time if speed == "raw" else paths.even_steps(leg.morphing, time)
        frames = leg.frames(alpha, time)
        if start == hold:
            shown[: hold + 1] = frames[0]
        shown[start + 1 : start + steps] = frames[1:]
        shown[start + steps : start + steps + hold] = frames[-1]
        start += steps - 1 + hold
    return shown


def clock(steps: int, speed: Speed) -> Tensor:
    """The share of its time at which each frame of a leg is: `(steps,)`, from 0 to 1."""
    time = torch.linspace(0, 1, steps)
    return paths.ease(time) if speed == "eased" else time


def standing(here: int, there: int, places: int, time: Tensor) -> tuple[Tensor, Tensor]:
    """Where the digits stand while a number of `here` digits turns into one of `there`, in a picture of
    `places`, at `time` `(T,)`; both `(T, N)`, left to right, N being the wider number's: the left edge of
    each, in places, and the share of it that is written.

    Numbers are aligned at their right ends. What both have moves; what only one has stands still, and is
    written after the others stepped aside, or unwritten before they come into the middle.
    """
    shared, extra, grows = min(here, there), abs(here - there), there > here
    early, late = (time / MAKING_ROOM).clamp(0, 1), (1 - (1 - time) / MAKING_ROOM).clamp(0, 1)
    moved, share = paths.ease(early if grows else late), late if grows else 1 - early
    first = (places - here) / 2 + max(0, here - there)  # where the first shared digit stands in the source
    last = (places - there) / 2 + max(0, there - here)  # and in the target
    moving, still = first + (last - first) * moved, torch.full_like(moved, last if grows else first)
    left = [still + k for k in range(-extra, 0)] + [moving + k for k in range(shared)]
    return torch.stack(left, 1), torch.stack([share] * extra + [torch.ones_like(time)] * shared, 1)


def apart(frames: Tensor, left: Tensor, share: Tensor) -> Tensor:
    """The digits of composed frames `(T, S, S * places)`, each on its own, as `standing` has them:
    `(T, N, S, S)`. Where two come close, ink belongs to the one whose middle is nearer; of a digit that is
    not written yet there is nothing."""
    middles = (left + 0.5) * SIDE
    column = torch.arange(frames.shape[2]) + 0.5
    distance = (column - middles[..., None]).abs().where(share[..., None] > 0, torch.inf)  # (T, N, W)
    nearest = distance == distance.amin(1, keepdim=True)
    own = frames[:, None] * (nearest & (share[..., None] > 0))[:, :, None]
    index = (left * SIDE).round().long()[..., None] + torch.arange(SIDE)  # (T, N, S)
    return own.gather(3, index[:, :, None].expand(-1, -1, frames.shape[1], -1))


class Journey(NamedTuple):
    """One digit turning into another: `alpha` `(T,)`, the latents there `(T, D)`, the pictures
    `(T, 28, 28)`."""

    alpha: Tensor
    z: Tensor
    frames: Tensor


def journey(
    model: VAE,
    source: Tensor,
    target: Tensor,
    steps: int = 60,
    path: PathName = "auto",
    labels: Sequence[int] | None = None,
) -> Journey:
    """The morph of one digit `(1, 1, 28, 28)` into another, at constant speed, and where in latent space
    each of its frames lies. `labels`: which digits the two are; else the reader looks."""
    known = None if labels is None else [[label] for label in labels]
    a, b = endpoints(model, [source, target], labels=known)
    leg = _Leg(model, a, b, path, 1)
    time = torch.linspace(0, 1, steps)
    alpha = paths.even_steps(leg.morphing, time)
    return Journey(alpha, leg.curves[0](alpha), leg.frames(alpha, time))


def endpoints(
    model: VAE, stacks: Sequence[Tensor], refine: bool = True, labels: Sequence[Sequence[int] | None] | None = None
) -> list[Endpoints]:
    """Every digit of every stack encoded (and refined) in one batch."""
    for stack in stacks:
        if stack.ndim != 4 or stack.shape[1:] != (1, SIDE, SIDE) or not len(stack):
            raise ValueError(f"a stack must be (N, 1, 28, 28), not {tuple(stack.shape)}")
    x = torch.cat(list(stacks)).detach().float().cpu()
    known = list(labels or [None] * len(stacks))
    y = classes(x) if any(label is None for label in known) else torch.zeros(len(x), dtype=torch.long)
    sizes = [len(stack) for stack in stacks]
    y = torch.cat(
        [part if label is None else torch.tensor(label) for part, label in zip(y.split(sizes), known, strict=True)]
    )
    given = y if model.config.classes else None
    seen = model.prepare(x)
    with torch.inference_mode():
        z, logvar = model.encode(seen, given) if refine else model.amortised(seen, given)
        if refine:
            z = model.refined(seen, z, logvar, given, steps=max(0, REFINE_STEPS - model.config.refinements))
        residual = (x - drawn(model, z, given))[:, 0] if refine else torch.zeros_like(x[:, 0])
    split = zip(x[:, 0].split(sizes), z.split(sizes), residual.split(sizes), y.split(sizes), strict=True)
    return [Endpoints(*parts) for parts in split]


def classes(x: Tensor) -> Tensor:
    """What the reader takes each digit `(N, 1, 28, 28)` for: `(N,)`."""
    with torch.inference_mode():
        return load_classifier("reader")(x).argmax(1)


def drawn(model: VAE, z: Tensor, y: Tensor | None = None) -> Tensor:
    """Latents `(B, D)` -> pictures `(B, 1, 28, 28)`; a smaller model's are enlarged, for showing only."""
    x = model.decode(z, y)
    if x.shape[-1] != SIDE:
        x = F.interpolate(x, size=(SIDE, SIDE), mode="bicubic", align_corners=False).clamp_(0, 1)
    return x


class _Leg:
    """The way from one number to the next.

    What both numbers have is morphed, and moves by `alpha`; what only one of them has is written or
    unwritten, and where the digits stand shifts, both by `time`, the share of the leg's frames: so a
    digit that crosses the picture does not use up the even steps of the digits that change.
    """

    def __init__(self, model: VAE, a: Endpoints, b: Endpoints, path: PathName, places: int) -> None:
        self.model, self.a, self.b, self.places = model, a, b, places
        shared = min(len(a.z), len(b.z))  # units meet units: numbers are aligned at their right ends
        self.i, self.j = len(a.z) - shared, len(b.z) - shared
        bank = bank_of(model) if path in ("auto", "handwritten") else None
        self.curves = [curve_between(path, bank, a, self.i + k, b, self.j + k) for k in range(shared)]

    @torch.inference_mode()
    def morphing(self, alpha: Tensor) -> Tensor:
        """The places that both numbers have at `alpha` `(T,)`, in one batch: `(T, shared, 28, 28)`."""
        a, b, i, j = self.a, self.b, self.i, self.j
        z = torch.cat([curve(alpha) for curve in self.curves])
        y = None
        if classes := self.model.config.classes:
            ends = (F.one_hot(end.labels[k:], classes).float() for end, k in ((a, i), (b, j)))
            y = torch.cat([paths.linear(*pair)(alpha) for pair in zip(*ends, strict=True)])
        pictures = drawn(self.model, z, y).view(len(self.curves), len(alpha), SIDE, SIDE).transpose(0, 1)
        leaving, arriving = (residual_weight(share)[:, None, None, None] for share in (alpha, 1 - alpha))
        return (pictures + leaving * a.residual[i:] + arriving * b.residual[j:]).clamp_(0, 1)

    @torch.inference_mode()
    def frames(self, alpha: Tensor, time: Tensor) -> Tensor:
        """Composed pictures `(T, 28, 28 * places)` at `alpha` and `time`, both `(T,)`."""
        a, b = self.a, self.b
        left, share = standing(len(a.z), len(b.z), self.places, time)
        alone = (*a.pictures[: self.i], *b.pictures[: self.j])
        pictures = [written(picture, share[:, k]) for k, picture in enumerate(alone)]
        pictures += self.morphing(alpha).unbind(1)
        canvas = alpha.new_zeros(len(alpha), SIDE, SIDE * self.places)
        for k, picture in enumerate(pictures):
            put(canvas, picture, left[:, k] * SIDE)
        return canvas


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
    return handwritten(
        bank, (z0, z1), (int(a.labels[k]), int(b.labels[m])), torch.stack([a.pictures[k].sum(), b.pictures[m].sum()])
    )


def handwritten(bank: Bank, ends: tuple[Tensor, Tensor], digits: tuple[int, int], ink: Tensor) -> paths.Curve:
    """From one latent to another by way of digits that people wrote, of these two classes and about as much
    ink as the two ends have; a great arc where the bank knows no way."""
    source, target = (class_graph(bank, digit) for digit in digits)
    crossings = crossings_between(bank, *digits)
    same = digits[0] == digits[1]
    if source is None or target is None or not (same or len(crossings)):
        return paths.slerp(*ends)
    (here, ink_here), (there, ink_there) = source, target
    z0, z1 = (z @ bank.metric for z in ends)
    toll = ink_toll(ink_here, ink).numpy()
    if same:
        points = paths.within(z0, z1, here, toll)
    else:
        tolls = toll, ink_toll(ink_there, ink).numpy()
        points = paths.across(z0, z1, (here, there), crossings, tolls)
    return paths.polyline(torch.cat([ends[0][None], (points @ bank.inverse)[1:-1], ends[1][None]]))


def ink_toll(ink: Tensor, ends: Tensor) -> Tensor:
    """What it costs a path to pass digits whose `ink` `(N,)` is not between that of its two `ends`: so its
    strokes keep their width."""
    low, high = ends.min() * (1 - INK_SLACK), ends.max() * (1 + INK_SLACK)
    return (torch.maximum(low - ink, ink - high).clamp_min(0) / INK_SCALE).square()


def residual_weight(alpha: Tensor) -> Tensor:
    """1 at alpha = 0, falling smoothly to 0 at RESIDUAL_SPAN."""
    return 1 - paths.ease((alpha / RESIDUAL_SPAN).clamp(0, 1))


def put(canvas: Tensor, picture: Tensor, left: Tensor) -> None:
    """Lay `picture` `(T, S, S)` on `canvas` `(T, S, W)` with its left edge at `left` `(T,)` pixels, which may
    be fractional or outside; ink on ink stays ink (maximum)."""
    still = bool((left == left[0]).all()) and float(left[0]).is_integer()
    if still and 0 <= left[0] <= canvas.shape[2] - picture.shape[2]:
        part = canvas[:, :, int(left[0]) : int(left[0]) + picture.shape[2]]
        torch.maximum(part, picture, out=part)
        return
    whole = left.floor()
    side, width = picture.shape[1:]
    theta = torch.eye(2, 3).repeat(len(left), 1, 1)
    theta[:, 0, 2] = -2 * (left - whole) / (width + 2)
    grid = F.affine_grid(theta, [len(left), 1, side, width + 2], align_corners=False)
    moved = F.grid_sample(F.pad(picture, (1, 1))[:, None], grid, mode="bicubic", align_corners=False)
    column = torch.arange(canvas.shape[2]) - whole[:, None].long() + 1  # of `moved`, for each of the canvas
    inside = (column >= 0) & (column < width + 2)
    index = column.clamp(0, width + 1)[:, None].expand(-1, side, -1)
    laid = moved[:, 0].clamp(0, 1).gather(2, index) * inside[:, None]
    torch.maximum(canvas, laid, out=canvas)
