"""What on a photo or a scan is paper and not writing: the table around a sheet, and ruled or squared lines."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

LOOK = 300  # longest side in pixels at which a sheet and lines are looked for
SHEET = 0.2, 0.97  # least and most of the picture that a sheet takes
BRIGHTER = 0.2  # that a sheet is than the table, at least
EDGE = 0.015  # of a sheet's sides, cut off: its shadow, and a ragged edge
TILTS = np.deg2rad(np.arange(-8, 8.25, 0.5))
RULED = 0.75  # share of the width that a ruled line has ink on, at least
THIN = 0.035  # of the height, that a ruled line is thick at most
MANY = 3  # lines up and down that are squared paper; one alone may be a digit


def find_sheet(grey: Array) -> Array | None:
    """The corners `(4, 2)` of a bright sheet on a darker table, (x, y) from the upper left one clockwise, or None.

    Args:
        grey: `(H, W)` in [0, 1].
    """
    scale = min(1.0, LOOK / max(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    bright = np.rint(cv2.GaussianBlur(small, (0, 0), 1.5) * 255).astype(np.uint8)
    mask = cv2.threshold(bright, 0, 255, cv2.THRESH_OTSU)[1]
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if (border > 0).mean() > 0.5:  # more paper than table
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
    written = np.percentile(cv2.erode(small, np.ones((3, 3), np.uint8))[_shrunk(inside)], 1)
    if paper - table < BRIGHTER or paper - written < 0.15:  # a table is dark, and something stands on the sheet
        return None
    return _ordered(corners) / scale


def _shrunk(inside: Mask) -> Mask:
    return cv2.erode(inside.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0


def _ordered(corners: Array) -> Array:
    total, difference = corners.sum(axis=1), corners[:, 0] - corners[:, 1]
    return corners[[total.argmin(), difference.argmax(), total.argmax(), difference.argmin()]]


def flattened(picture: NDArray[np.uint8], corners: Array) -> NDArray[np.uint8]:
    """The sheet `(H, W, C)` alone, seen from straight above."""
    across = max(np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[2] - corners[3]))
    down = max(np.linalg.norm(corners[3] - corners[0]), np.linalg.norm(corners[2] - corners[1]))
    shrink = min(1.0, max(picture.shape[:2]) / max(across, down))
    width, height = max(1, round(float(across) * shrink)), max(1, round(float(down) * shrink))
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    turned = cv2.warpPerspective(
        picture, cv2.getPerspectiveTransform(corners.astype(np.float32), target), (width, height)
    )
    edge = round(EDGE * max(width, height))
    return turned[edge : height - edge, edge : width - edge] if min(width, height) > 4 * edge else turned


def without_lines(ink: Array) -> Array:
    """Ink `(H, W)` without the lines of ruled or squared paper, turned by a few degrees so that these lay straight.

    A line is taken out where nothing crosses it: where it is as thin as it is anywhere, as in the removal of staff
    lines (Dalitz et al., A comparative study of staff removal algorithms, PAMI 30(5), 2008).
    """
    tilt = _tilt(ink)
    if tilt is None:
        return ink
    height, width = ink.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(np.rad2deg(tilt)), 1)
    straight = cv2.warpAffine(ink, turn, (width, height))
    straight = _without_rows(straight, 1)
    return np.ascontiguousarray(_without_rows(np.ascontiguousarray(straight.T), MANY).T)


def _tilt(ink: Array) -> float | None:
    """By how much ruled lines fall to the right, in radians; None without any."""
    scale = min(1.0, LOOK / max(ink.shape))
    factor = max(1, round(1 / scale))
    height, width = (max(1, side // factor) for side in ink.shape)
    small = ink[: height * factor, : width * factor].reshape(height, factor, width, factor).max(axis=(1, 3))
    rows, columns = np.nonzero(small > 0.3)
    if width < 40 or len(rows) < RULED * width or len(rows) > 0.6 * small.size:
        return None
    best, found = 0.0, None
    for tilt in TILTS:
        line = np.rint(rows - np.tan(tilt) * (columns - width / 2)).astype(int)
        inside = (line >= 0) & (line < height)
        covered = np.bincount(line[inside], minlength=height) / width
        strength = float((covered[covered > RULED] ** 2).sum())
        if strength > best:
            best, found = strength, float(tilt)
    return found


def _without_rows(ink: Array, least: int) -> Array:
    """Without lines across, if there are at least so many: they reach from side to side and are thin."""
    height, width = ink.shape
    inked = ink > 0.3
    reach = max(1, round(0.004 * height))  # that a line strays
    thick = np.maximum.reduce([np.roll(inked, shift, axis=0) for shift in range(-reach, reach + 1)])
    covered = thick.mean(axis=1) > RULED
    edges = np.flatnonzero(np.diff(np.concatenate([[0], covered.astype(np.int8), [0]])))
    lines = [(a, b) for a, b in edges.reshape(-1, 2).tolist() if b - a <= max(3, THIN * height) + 2 * reach]
    if len(lines) < least:
        return ink
    cleaned = ink.copy()
    for top, bottom in lines:
        top, bottom = max(0, top - reach), min(height, bottom + reach)
        margin = max(2, (bottom - top) // 2)
        above, below = inked[max(0, top - margin) : top], inked[bottom : bottom + margin]
        crossed = (above.any(axis=0) if len(above) else False) & (below.any(axis=0) if len(below) else False)
        near = above.any(axis=0) | below.any(axis=0) if len(above) and len(below) else np.zeros(width, bool)
        kept = (
            cv2.dilate(np.asarray(crossed | (near & _run(near))).astype(np.uint8)[None], np.ones((1, 3), np.uint8))[0]
            > 0
        )
        cleaned[top:bottom, ~kept] = 0
    return cleaned


def _run(near: Mask) -> Mask:
    """Where ink comes near on one side only, it may end in the line: kept if it is no longer than a pen is wide."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], near.astype(np.int8), [0]]))).reshape(-1, 2)
    kept = np.zeros_like(near)
    for a, b in edges.tolist():
        kept[a:b] = b - a < 0.12 * len(near)
    return kept
