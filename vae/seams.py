"""Ways down through the ink of digits that touch, and the parts of the ink between two of them."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vae.paper import stroke_width

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

INK = 0.3  # more than this is ink
STEP = 4  # pixels between the columns at which seams pass half way down
REACH = 15  # pixels that a seam may lead aside from there
ASIDE = 0.05  # what a step aside costs, when a step through ink costs 1
STUB = 0.2  # a shorter end of a stroke, in heights, belongs to the ink on the other side of a seam
WIDEST = 1.35  # heights that a digit may be wide


class Part(NamedTuple):
    """The ink `mask` `(H, W)` between two cuts, by their numbers."""

    first: int
    last: int
    mask: Mask


def find_seams(ink: Array) -> NDArray[np.intp]:
    """Cheap ways down through ink `(H, W)`, left to right: `(K, H)`, the first column that is on the right.

    Dynamic programming, a band around each start: the cheapest path that takes one step down at a time, at most
    one aside, and passes near its start half way down.
    """
    height, width = ink.shape
    starts = np.arange(STEP, width, STEP)
    band = np.arange(-REACH, REACH + 1)
    columns = starts[:, None] + band  # (K, B)
    cost = np.pad(ink, ((0, 0), (REACH + STEP,) * 2))[:, columns + REACH + STEP] + 1e-3 * np.abs(band)  # (H, K, B)
    cost[height // 2][:, np.abs(band) > STEP // 2] = 1e3
    total, steps = cost[0], np.zeros(cost.shape, np.int8)
    bordered = np.full((len(starts), len(band) + 2), 1e6, np.float32)
    for y in range(1, height):
        bordered[:, 1:-1] = total
        ways = np.stack([bordered[:, :-2] + ASIDE, bordered[:, 1:-1], bordered[:, 2:] + ASIDE])
        steps[y] = ways.argmin(axis=0) - 1
        total = ways.min(axis=0) + cost[y]
    seams = np.empty((len(starts), height), np.intp)
    at, every = total.argmin(axis=1), np.arange(len(starts))
    for y in range(height - 1, -1, -1):
        seams[:, y] = columns[every, at]
        at = at + steps[y, every, at]
    return np.clip(seams, 0, width)


def find_parts(ink: Array) -> tuple[list[Part], int]:
    """What may be a digit of ink `(H, W)`: the parts between any two cuts, and how many cuts there are.

    The first cut is left of all ink, the last one right of it. Stubs that a seam leaves go to the other side, and
    crumbs of the neighbours are taken out of a part.
    """
    inked = ink > INK
    labels = cv2.connectedComponents(inked.astype(np.uint8), connectivity=8)[1]
    stub = STUB * len(ink) * max(1.0, stroke_width(inked))
    lefts = _distinct(find_seams(ink), inked, labels, stub)
    parts = []
    for i, left in enumerate(lefts):
        for j in range(i + 1, len(lefts)):
            mask = lefts[j] & ~left
            if np.count_nonzero(mask) < 1.5 * stub:
                continue
            columns = np.flatnonzero(mask.any(axis=0))
            if columns[-1] - columns[0] > 1.2 * WIDEST * len(ink):
                break
            mask = _without_crumbs(mask, stub)
            if _like_a_digit(mask):
                parts.append(Part(i, j, mask))
    return parts, len(lefts)


def _distinct(seams: NDArray[np.intp], inked: Mask, labels: NDArray[np.int32], stub: float) -> list[Mask]:
    """The ink left of each cut, from none to all; seams that part the ink alike are one cut."""
    total = np.bincount(labels.ravel())
    columns = np.arange(inked.shape[1])
    lefts = {b"": np.zeros_like(inked)}
    for seam in seams[np.argsort(seams.mean(axis=1), kind="stable")]:
        left = inked & (columns < seam[:, None])
        inside = np.bincount(labels[left], minlength=len(total))
        outside, whole = total - inside, total < 2 * stub
        nowhere = (inside > 0) & np.where(whole, 2 * inside <= total, inside < stub)
        everywhere = (outside > 0) & np.where(whole, 2 * inside > total, outside < stub)
        left = (left & ~nowhere[labels]) | (inked & everywhere[labels])
        if left.any() and (left ^ inked).any():
            lefts.setdefault(left.tobytes(), left)
    return [*lefts.values(), inked]


def _without_crumbs(mask: Mask, crumb: float) -> Mask:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    kept = stats[:, cv2.CC_STAT_AREA] >= min(crumb, stats[1:, cv2.CC_STAT_AREA].max())
    kept[0] = False
    return kept[labels]


def _like_a_digit(mask: Mask) -> bool:
    """Is it large enough, and not too wide?"""
    height, width = (int(np.ptp(np.flatnonzero(mask.any(axis=axis)))) + 1 for axis in (1, 0))
    return bool(max(height, width) >= 0.3 * len(mask) and width <= WIDEST * max(height, 0.6 * len(mask)))
