"""Where digits stand in the picture: side by side, making room where a number has more of them than the other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vae.pacing import ease

MORPHING = 0.6  # share of a segment in which digits morph, before others are drawn beside them, or erased
STEPPING = 0.6  # share of what is left in which the digits step aside; drawing begins at 1 - DRAWING of it
DRAWING = 0.8


def layout(source: int, target: int, places: int, time: Tensor) -> tuple[Tensor, Tensor]:
    """Digit layout at each frame: left edge (in digits) and visible fraction, `(T, N)` each.

    A number of `source` digits turns into one of `target`, in a picture of `places`, over `time` `(T,)`; N is the
    length of the longer one. Numbers are right-aligned. What both have morphs first, where it stands (see
    `morphing_time`); then it slides while extra digits, which stand still, are drawn from left to right, or erased
    the other way round.
    """
    shared, extra, grows = min(source, target), abs(source - target), target > source
    rest = ((time - MORPHING) / (1 - MORPHING)).clamp(0, 1)
    room = rest if grows else 1 - rest  # how far towards the longer number
    moved, drawn = ease((room / STEPPING).clamp(0, 1)), ((room - 1) / DRAWING + 1).clamp(0, 1)
    alone, beside = (places - shared) / 2, (places - shared - extra) / 2 + extra  # left edge of the first shared digit
    moving, still = alone + (beside - alone) * moved, torch.full_like(moved, beside)
    left = [still + k for k in range(-extra, 0)] + [moving + k for k in range(shared)]
    visible = [(drawn * extra - k).clamp(0, 1) for k in range(extra)]
    return torch.stack(left, 1), torch.stack(visible + [torch.ones_like(time)] * shared, 1)


def morphing_time(source: int, target: int, time: Tensor) -> Tensor:
    """How far the shared digits have morphed at `time` `(T,)`, where nothing else is said of their pace: numbers of
    `source` and `target` digits morph before room is made for what only one of them has."""
    return time if source == target else (time / MORPHING).clamp(max=1)


def paste(canvas: Tensor, picture: Tensor, left: Tensor) -> None:
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
