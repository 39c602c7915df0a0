"""Pacing: when each picture of a motion is shown, at even steps or with time for where one thing becomes another.

Nothing here knows of models, files or digits; pictures are tensors of any shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vae.paths import arc_length

MEASURED = 44  # pictures by which the length of a motion is measured at first
LOOKED_AT = 16  # more of them, where a turn begins and ends
EASING = 0.1  # of the time, in which the speed changes before and after a turn


def even_steps(picture_at: Callable[[Tensor], Tensor], spacing: Tensor) -> tuple[Tensor, Tensor]:
    """Values of alpha `(T,)` at which the motion of the picture has come as far as `spacing` `(T,)` says, as a share
    of its whole length, and the pictures there, `(T, ...)`: evenly spaced shares give steps of equal change.

    `picture_at` maps alpha to pictures. Arc-length reparameterisation, pictures being what takes time: the length
    is measured at a few, which tells roughly where those that are wanted lie; those are made and measured as well,
    and as they are near the right place already, between them a cubic is as good as making them again.
    """
    share = spacing.double().numpy()
    alpha = np.linspace(0, 1, max(MEASURED, len(share) // 2))
    length = arc_length(picture_at(torch.from_numpy(alpha).float())).double().numpy()
    if length[-1] <= 0:
        return spacing, picture_at(spacing)
    few = len(share) < MEASURED  # too few to measure by, or to draw a cubic through
    wanted = np.linspace(0, 1, MEASURED) if few else share
    fine = np.linspace(0, 1, 20 * len(alpha))  # the speed changes gradually from one measured step to the next
    speed = np.interp(fine, (alpha[1:] + alpha[:-1]) / 2, np.diff(length))
    come = np.concatenate([[0.0], np.cumsum(speed[1:] + speed[:-1])])
    alpha = np.interp(wanted * come[-1], come, fine)
    pictures = picture_at(torch.from_numpy(alpha).float())
    length = arc_length(pictures).double().numpy()
    place = np.interp(share * length[-1], length, np.arange(len(alpha)))
    there = torch.from_numpy(np.interp(place, np.arange(len(alpha)), alpha)).float()
    return there, picture_at(there) if few else between(pictures, torch.from_numpy(place))


def between(pictures: Tensor, place: Tensor) -> Tensor:
    """Of `pictures` `(M, ...)` those at `place` `(T,)`, 0 the first and M - 1 the last, by cubic convolution.

    Keys, Cubic convolution interpolation for digital image processing, 1981. Kept between the least and the most
    that the pictures hold.
    """
    left = place.floor().clamp(0, len(pictures) - 2)
    t = (place - left)[:, None]
    parts = [t * (t * (2 - t) - 1), t * t * (3 * t - 5) + 2, t * (t * (4 - 3 * t) + 1), t * t * (t - 1)]
    near = torch.cat(parts, 1) / 2  # shares of the two before the place and the two after it
    index = (left[:, None].long() + torch.arange(-1, 3)).clamp(0, len(pictures) - 1)
    weights = torch.zeros(len(place), len(pictures), dtype=near.dtype).scatter_add_(1, index, near)
    made = (weights.to(pictures.dtype) @ pictures.flatten(1)).view(len(place), *pictures.shape[1:])
    return made.clamp_(pictures.min(), pictures.max())


def ease(alpha: Any) -> Any:
    """Slow at both ends: 3 a^2 - 2 a^3."""
    return alpha * alpha * (3 - 2 * alpha)


def steps_with_turn(
    picture_at: Callable[[Tensor], Tensor], certainty: Callable[[Tensor], Tensor], time: Tensor, least: float
) -> Tensor:
    """Pictures at `time` `(T,)`, in even steps, but that the turn takes at least the share `least` of the time.

    `certainty` says of pictures `(M, ...)` how certain it is that each is the first thing and that it is the second,
    `(M, 2)`. The motion is measured and the turn found at a few; where it begins and ends, more pictures are made to
    tell the place.
    """
    alpha = torch.linspace(0, 1, MEASURED)
    pictures = picture_at(alpha)
    sure = certainty(pictures)
    first, last = turn_of(sure)
    edges = {min(first, len(alpha) - 2), max(last - 1, 0)}
    inner = torch.linspace(0, 1, LOOKED_AT // len(edges) + 2)[1:-1]
    more = torch.cat([torch.lerp(alpha[k], alpha[k + 1], inner) for k in sorted(edges)])
    between_them = picture_at(more)
    order = (alpha := torch.cat([alpha, more])).argsort(stable=True)
    alpha, pictures = alpha[order], torch.cat([pictures, between_them])[order]
    first, last = turn_of(torch.cat([sure, certainty(between_them)])[order])
    length = arc_length(pictures).double().numpy()
    if length[-1] <= 0:
        return picture_at(time)
    length /= length[-1]
    wanted = linger(time, length[first], length[last], least)
    return picture_at(torch.from_numpy(np.interp(wanted.numpy(), length, alpha.numpy())).float())


def linger(time: Tensor, first: float, last: float, least: float) -> Tensor:
    """`time` `(T,)` in [0, 1] -> the share of the way there, such that the stretch from `first` to `last` takes
    at least the share `least` of the time.

    The speed is even in the stretch and away from it; it changes gradually, over EASING of the time on either
    side. Where the stretch takes so long anyway, nothing is changed.
    """
    if last - first >= least:
        return time
    grid, slow = np.linspace(0, 1, 1001), max(last - first, 1e-3) / least
    begins, ends = 0.0, 1 - least
    for _ in range(30):  # when the stretch has to begin, by bisection
        start = (begins + ends) / 2
        outside = np.maximum(start - grid, grid - start - least) / EASING
        near = 1 - ease(np.clip(outside, 0, 1))  # 1 in the stretch, 0 away from it
        speed = slow * near + (1 - slow * near.mean()) / (1 - near.mean()) * (1 - near)
        come = np.concatenate([[0.0], np.cumsum(speed[1:] + speed[:-1])])
        come /= come[-1]
        if np.interp(start, grid, come) < first:
            begins = start
        else:
            ends = start
    return torch.from_numpy(np.interp(time.double().numpy(), grid, come)).float()


def turn_of(certainty: Tensor, sure: float = 0.95) -> tuple[int, int]:
    """Where on the way one thing has turned into the other: from the last of T points that is surely the first to
    the next that is surely the second, by the `certainty` `(T, 2)` of the two (probabilities)."""
    first, last = (certainty[:, k] >= sure for k in (0, 1))
    begins = int(first.nonzero().max()) if first.any() else 0
    after = last[begins:].nonzero()
    return begins, begins + int(after.min()) if len(after) else len(certainty) - 1
