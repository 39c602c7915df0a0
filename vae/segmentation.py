"""The ink of a number -> its digits, by recognition: many ways to part it are tried, and the best reading is kept.

Over-segmentation and a search for the best path, as in LeCun et al., Gradient-based learning applied to document
recognition, Proc. IEEE 86(11), 1998, section VIII, and Casey & Lecolinet, A survey of methods and strategies in
character segmentation, PAMI 18(7), 1996: cheap seams from the top of the ink to its bottom are candidates for cuts,
what lies between two of them is a candidate for a digit, and all are read at once.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

WORK = 48  # height in pixels at which seams are sought
STEP = 4  # pixels between the columns at which seams pass half way down
REACH = 15  # pixels that a seam may lead aside from there
ASIDE = 0.05  # what a step aside costs, when a step through ink costs 1
INK = 0.3  # more than this is ink


class Part(NamedTuple):
    """Some of the ink between two seams: their indices, and where it is."""

    first: int
    last: int
    mask: Mask  # (H, W)


def seams(ink: Array) -> NDArray[np.intp]:
    """Cheap ways down through the ink, left to right: `(K, H)` columns, ink at and right of them is on the right.

    Dynamic programming, a band around each start: the cheapest path that takes one step down at a time, at most one
    aside, and passes near its start half way down.
    """
    height, width = ink.shape
    starts = np.arange(STEP, width, STEP)
    if not len(starts):
        return np.zeros((0, height), np.intp)
    band = np.arange(-REACH, REACH + 1)
    columns = starts[:, None] + band  # (K, B)
    padded = np.pad(ink, ((0, 0), (REACH + STEP, REACH + STEP)))
    cost = padded[:, columns + REACH + STEP].transpose(0, 1, 2) + 1e-3 * np.abs(band)  # (H, K, B)
    cost[height // 2][:, np.abs(band) > STEP // 2] = 1e3
    total = cost[0].copy()
    steps = np.zeros(cost.shape, np.int8)
    wide = np.full((len(starts), len(band) + 2), 1e6, np.float32)
    for y in range(1, height):
        wide[:, 1:-1] = total
        ways = np.stack([wide[:, :-2] + ASIDE, wide[:, 1:-1], wide[:, 2:] + ASIDE])
        steps[y] = ways.argmin(axis=0) - 1
        total = ways.min(axis=0) + cost[y]
    path = np.empty((len(starts), height), np.intp)
    at, rows = total.argmin(axis=1), np.arange(len(starts))
    for y in range(height - 1, -1, -1):
        path[:, y] = columns[rows, at]
        at = at + steps[y, rows, at]
    return np.clip(path, 0, width)
