"""A drawing as its strokes: what a pad sends in place of a picture, a few hundred bytes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vae import render
from vae.errors import UnreadablePicture

HEIGHT = 420  # px of a drawing as a picture
FINER = 2  # drawn so much larger, then averaged down
WIDEST = 4.0  # heights that a drawing may reach across
PEN = (0.01, 0.25)  # thinnest and broadest, in heights
MOST_STROKES, MOST_POINTS = 400, 20_000
UNIT = 1000  # of a stroke's whole numbers: thousandths of a height
BROKEN = "The drawing did not arrive whole; please draw it again."
_CURVE = np.linspace(0, 1, 6)[1:, None, None]  # where each quadratic curve is looked at


@dataclass(frozen=True, eq=False)
class Drawing:
    """What somebody drew on a pad.

    Attributes:
        strokes: in the order in which they were drawn, each `(N, 3)`: x from the pad's middle and y from its top,
            in heights of the pad, and the time in ms since the first stroke began.
        pen: width of the pen, in heights.
        under: digits `(N, 1, 28, 28)` in [0, 1] that lie in the middle under the strokes, side by side; or None.
        cell: side of each of those, in heights.
    """

    strokes: Sequence[NDArray[np.float32]]
    pen: float = 0.062
    under: Tensor | None = None
    cell: float = 0.9


def unpack_strokes(packed: Any) -> list[NDArray[np.float32]]:
    """Strokes as the page sends them, each base64 of little-endian int16 triples (x, y, t): thousandths of a height,
    and 4 ms. Raises UnreadablePicture."""
    try:
        if not isinstance(packed, list) or len(packed) > MOST_STROKES:
            raise ValueError
        data = [np.frombuffer(base64.b64decode(one, validate=True), "<i2").reshape(-1, 3) for one in packed]
    except (TypeError, ValueError, binascii.Error):
        raise UnreadablePicture(BROKEN) from None
    if not all(map(len, data)) or sum(map(len, data)) > MOST_POINTS:
        raise UnreadablePicture(BROKEN)
    return [points.astype(np.float32) / (UNIT, UNIT, 0.25) for points in data]


def rasterise(drawing: Drawing) -> NDArray[np.uint8]:
    """The drawing as a picture `(H, W)`, ink 0 on paper 255, as wide as it is drawn.

    A stroke is a line of quadratic curves through the middles between its points, with round ends, as the page
    draws it.
    """
    strokes = [np.asarray(points)[:, :2] for points in drawing.strokes]
    half = max([0.5, *(float(np.abs(points[:, 0]).max()) + drawing.pen for points in strokes)])
    if drawing.under is not None:
        half = max(half, len(drawing.under) * drawing.cell / 2)
    height, width = HEIGHT, round(HEIGHT * min(WIDEST, 2 * half))
    scale = HEIGHT * FINER
    ink = np.zeros((height * FINER, width * FINER), np.uint8)
    thickness = max(1, round(float(np.clip(drawing.pen, *PEN)) * scale))
    for points in strokes:
        line = _curved(points) * scale + (width * FINER / 2, 0)
        fixed = np.clip(line * 16, -(2**19), 2**19).round().astype(np.int32)  # sixteenths of a pixel
        if len(points) > 1:
            cv2.polylines(ink, [fixed], False, 255, thickness, cv2.LINE_AA, shift=4)
        else:
            cv2.circle(ink, fixed[0].tolist(), thickness * 8, 255, -1, cv2.LINE_AA, shift=4)
    ink = cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA)
    if drawing.under is not None:
        _lay_under(ink, drawing.under, round(drawing.cell * height))
    return 255 - ink


def _curved(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Points `(N, 2)` -> the points of the curve through the middles between them."""
    if len(points) < 3:
        return points
    ends = np.concatenate([(points[1:-1] + points[2:]) / 2])
    starts = np.concatenate([points[:1], ends[:-1]])
    t = _CURVE
    curves = (1 - t) ** 2 * starts + 2 * t * (1 - t) * points[1:-1] + t**2 * ends
    return np.concatenate([points[:1], curves.transpose(1, 0, 2).reshape(-1, 2), points[-1:]]).astype(np.float32)


def _lay_under(ink: NDArray[np.uint8], digits: Tensor, side: int) -> None:
    """Draw digits `(N, 1, 28, 28)` side by side into the middle of `ink` `(H, W)`, `side` px each."""
    pictures = 255 - render.render_frames(digits, side, "ink", 0, 255)
    row = np.concatenate(list(pictures), 1)[: ink.shape[0], : ink.shape[1]]
    top, left = (ink.shape[0] - row.shape[0]) // 2, (ink.shape[1] - row.shape[1]) // 2
    part = ink[top : top + row.shape[0], left : left + row.shape[1]]
    np.maximum(part, row, out=part)
