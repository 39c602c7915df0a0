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
from vae.ink import Piece

HEIGHT = 420  # px of a drawing as a picture
FINER = 2  # drawn so much larger, then averaged down
WIDEST = 4.0  # heights that a drawing may reach across
BEYOND = 0.5  # heights that it may reach above the pad, and below
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
    """The drawing as a picture `(H, W)`, ink 0 on paper 255, as wide and, beyond the pad, as tall as it is drawn.

    A stroke is a line of quadratic curves through the middles between its points, with round ends, as the page
    draws it.
    """
    left, top, right, bottom = _extent(drawing)
    ink = np.zeros(((bottom - top) * FINER, (right - left) * FINER), np.uint8)
    for points in drawing.strokes:
        _draw(ink, points, drawing.pen, left, top)
    ink = cv2.resize(ink, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    if drawing.under is not None:
        _lay_under(ink, drawing.under, round(drawing.cell * HEIGHT), -top)
    return 255 - ink


def stroke_pieces(drawing: Drawing) -> list[Piece]:
    """Each stroke's own ink, in the order in which they were drawn."""
    pieces = []
    for points in drawing.strokes:
        left, top, right, bottom = _extent(Drawing([points], drawing.pen), pad=False)
        ink = np.zeros(((bottom - top) * FINER, (right - left) * FINER), np.uint8)
        _draw(ink, points, drawing.pen, left, top)
        ink = cv2.resize(ink, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
        if ink.any():
            rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
            box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            pieces.append(Piece(left + int(columns[0]), top + int(rows[0]), ink[box].astype(np.float32) / 255))
    return pieces


def _extent(drawing: Drawing, pad: bool = True) -> tuple[int, int, int, int]:
    """The box around the drawing, and around the pad, in pixels from the middle of the pad's upper edge."""
    points = np.concatenate([points[:, :2] for points in drawing.strokes]) if drawing.strokes else np.zeros((0, 2))
    low = points.min(axis=0, initial=np.inf) - drawing.pen
    high = points.max(axis=0, initial=-np.inf) + drawing.pen
    if pad:  # which has its middle in the middle of the picture
        half = max(0.5, -low[0], high[0], 0 if drawing.under is None else len(drawing.under) * drawing.cell / 2)
        low, high = np.array([-half, min(low[1], 0)]), np.array([half, max(high[1], 1)])
    low = np.clip(low, (-WIDEST / 2, -BEYOND), (WIDEST / 2, 1 + BEYOND))
    high = np.clip(high, (-WIDEST / 2, -BEYOND), (WIDEST / 2, 1 + BEYOND))
    left, top = np.floor(low * HEIGHT).astype(int).tolist()
    right, bottom = np.ceil(high * HEIGHT).astype(int).tolist()
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _draw(ink: NDArray[np.uint8], points: NDArray[np.float32], pen: float, left: int, top: int) -> None:
    """A stroke onto `ink`, whose corner is `left` and `top` (pixels of HEIGHT) from the middle of the upper edge."""
    thickness = max(1, round(float(np.clip(pen, *PEN)) * HEIGHT * FINER))
    line = _curved(np.asarray(points)[:, :2]) * HEIGHT * FINER - (left * FINER, top * FINER)
    fixed = np.clip(line * 16, -(2**19), 2**19).round().astype(np.int32)  # sixteenths of a pixel
    if len(points) > 1:
        cv2.polylines(ink, [fixed], False, 255, thickness, cv2.LINE_AA, shift=4)
    else:
        cv2.circle(ink, fixed[0].tolist(), thickness * 8, 255, -1, cv2.LINE_AA, shift=4)


def _curved(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Points `(N, 2)` -> the points of the curve through the middles between them."""
    if len(points) < 3:
        return points
    ends = np.concatenate([(points[1:-1] + points[2:]) / 2])
    starts = np.concatenate([points[:1], ends[:-1]])
    t = _CURVE
    curves = (1 - t) ** 2 * starts + 2 * t * (1 - t) * points[1:-1] + t**2 * ends
    return np.concatenate([points[:1], curves.transpose(1, 0, 2).reshape(-1, 2), points[-1:]]).astype(np.float32)


def _lay_under(ink: NDArray[np.uint8], digits: Tensor, side: int, top: int) -> None:
    """Draw digits `(N, 1, 28, 28)` side by side into the middle of the pad, whose upper edge is row `top` of `ink`."""
    pictures = 255 - render.render_frames(digits, side, "ink", 0, 255)
    row = np.concatenate(list(pictures), 1)[:HEIGHT, : ink.shape[1]]
    top, left = top + (HEIGHT - row.shape[0]) // 2, (ink.shape[1] - row.shape[1]) // 2
    part = ink[top : top + row.shape[0], left : left + row.shape[1]]
    np.maximum(part, row, out=part)
