"""What on a photo or a scan is paper and not writing: the table around a sheet, and ruled or squared lines."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

LOOK = 300  # longest side in pixels at which a sheet and lines are looked for
SHEET = 0.2, 0.97  # least and most of the picture that a sheet takes
AROUND = 0.3  # most of the border that is as bright as the sheet
DARKER = 0.6  # the table's brightness, in the sheet's, at most
WRITTEN = 0.3  # most of a sheet that is dark; otherwise it is a broad mark of light ink
FAINTEST = 0.15  # that writing on a sheet is darker than it, at least
EDGE = 0.015  # of a sheet's sides, cut off: its shadow, and a ragged edge
TILTS = np.deg2rad(np.arange(-8, 8.25, 0.5))
RULED = 0.75  # share of the width that a ruled line has ink on, at least
THIN = 0.035  # of the height, that a ruled line is thick at most
MANY = 3  # such lines are ruled; fewer may be the bar of a 7, and are lines if they are finer than the pen
FINER = 0.6
SMALLEST = 40  # side in pixels of a picture on which lines are looked for
INK = 0.3  # more than this is ink


def find_sheet(grey: Array) -> Array | None:
    """The corners `(4, 2)` of a bright sheet on a darker table, (x, y) from the upper left one clockwise, or None.

    Args:
        grey: `(H, W)` in [0, 1].
    """
    scale = min(1.0, LOOK / max(grey.shape))
    if scale * min(grey.shape) < 2 * SMALLEST:
        return None
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    bright = np.rint(cv2.GaussianBlur(small, (0, 0), 1.5) * 255).astype(np.uint8)
    mask = cv2.threshold(bright, 0, 255, cv2.THRESH_OTSU)[1]
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if (border > 0).mean() > AROUND:  # light and shade on one paper, or paper alone
        return None
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    outlines = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    outline = max(outlines, key=cv2.contourArea, default=None)
    if outline is None or not SHEET[0] < cv2.contourArea(outline) / mask.size < SHEET[1]:
        return None
    hull = cv2.convexHull(outline)
    corners = cv2.approxPolyDP(hull, 0.04 * cv2.arcLength(hull, True), True)[:, 0].astype(np.float32)
    if len(corners) != 4 or cv2.contourArea(corners) > 1.12 * cv2.contourArea(outline):
        return None
    inside = cv2.fillConvexPoly(np.zeros_like(mask), corners.astype(np.int32), 1) > 0
    paper, table = np.median(small[inside]), np.median(small[~inside])
    middle = small[_shrunk(inside)]
    written = (middle < (paper + table) / 2).mean() if len(middle) else 1
    if table > DARKER * paper or written > WRITTEN or paper - middle.min() < FAINTEST:
        return None
    return _ordered(corners) / scale


def _shrunk(inside: Mask) -> Mask:
    return cv2.erode(inside.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0


def _ordered(corners: Array) -> Array:
    total, difference = corners.sum(axis=1), corners[:, 0] - corners[:, 1]
    return corners[[total.argmin(), difference.argmax(), total.argmax(), difference.argmin()]]


def flattened(colour: Array, corners: Array) -> Array:
    """The sheet alone of a picture `(C, H, W)`, as it is seen from straight above."""
    across = max(np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[2] - corners[3]))
    down = max(np.linalg.norm(corners[3] - corners[0]), np.linalg.norm(corners[2] - corners[1]))
    shrink = min(1.0, max(colour.shape) / float(max(across, down)))
    width, height = max(1, round(float(across) * shrink)), max(1, round(float(down) * shrink))
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    turn = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    edge = round(EDGE * max(width, height))
    inner = np.s_[edge : height - edge, edge : width - edge] if min(width, height) > 4 * edge else np.s_[:, :]
    return np.stack([cv2.warpPerspective(plane, turn, (width, height))[inner] for plane in colour])


def without_lines(ink: Array) -> Array:
    """Ink `(H, W)` without the lines of ruled or squared paper, turned by a few degrees so that these lie straight.

    A line is taken out where nothing crosses it, as staff lines are from music (Dalitz et al., A comparative study
    of staff removal algorithms, PAMI 30(5), 2008).
    """
    tilt = _tilt(ink)
    if tilt is None:
        return ink
    height, width = ink.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(np.rad2deg(tilt)), 1)
    straight = cv2.warpAffine(ink, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    cleaned = _without_rows(straight)
    if cleaned is None:
        return ink
    squared = _without_rows(np.ascontiguousarray(cleaned.T))
    return cleaned if squared is None else np.ascontiguousarray(squared.T)


def _tilt(ink: Array) -> float | None:
    """By how much lines that go from side to side fall to the right, in radians; None without any."""
    factor = -(-max(ink.shape) // LOOK)
    height, width = (side // factor for side in ink.shape)
    if min(height, width) < SMALLEST:
        return None
    small = ink[: height * factor, : width * factor].reshape(height, factor, width, factor).max(axis=(1, 3)) > INK
    side = max(1, width // 30)
    if not (small[:, :side].any() and small[:, -side:].any()) or small.mean() > 0.6:
        return None
    rows, columns = np.nonzero(small)
    best, found = 0.0, None
    for tilt in TILTS:
        line = np.rint(rows - np.tan(tilt) * (columns - width / 2)).astype(int)
        covered = np.bincount(np.clip(line, 0, height - 1), minlength=height) / width
        strength = float(np.square(covered[covered > RULED]).sum())
        if strength > best:
            best, found = strength, float(tilt)
    return found


def _without_rows(ink: Array) -> Array | None:
    """Without lines across: many, or ones thinner than the pen; None if there are no such."""
    inked = ink > INK
    reach = max(1, round(0.004 * len(ink)))  # that a line strays
    covered = cv2.dilate(inked.astype(np.uint8), np.ones((2 * reach + 1, 1), np.uint8)).mean(axis=1) > RULED
    edges = np.flatnonzero(np.diff(np.concatenate([[0], covered.astype(np.int8), [0]]))).reshape(-1, 2)
    lines = [(a, b) for a, b in edges.tolist() if b - a <= max(3, THIN * len(ink)) + 2 * reach]
    cleaned = ink.copy()
    for top, bottom in lines:
        above, below = inked[max(0, top - reach - 1) : top], inked[bottom : bottom + reach + 1]
        crossing = np.asarray([above.any(axis=0) & below.any(axis=0)], np.uint8)
        kept = cv2.dilate(crossing, np.ones((1, 2 * reach + 1), np.uint8))[0] > 0
        cleaned[top:bottom, ~kept] = 0
    thickness = min((b - a - 2 * reach for a, b in lines), default=0)
    if not lines or (len(lines) < MANY and thickness > FINER * stroke_width(cleaned > INK)):
        return None
    return cleaned


def stroke_width(inked: Mask) -> float:
    """The typical width of a stroke, in pixels; 0 without ink.

    Across a stroke of width w the distance to the edge is w / 4 + 1/2 on average: unlike that of the middle of the
    stroke alone, this knows fractions of a pixel.
    """
    distance = cv2.distanceTransform(inked.astype(np.uint8), cv2.DIST_L2, 5)
    down, across = (np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1)) for side in inked.shape)
    distance = np.minimum(distance, np.minimum(down[:, None], across))  # beyond the picture there is no ink
    return max(4 * float(distance[distance > 0].mean()) - 2, 1.0) if distance.any() else 0.0
