"""Numbers put together from single digits, and the parts of them that the segmenter learns from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from tqdm import tqdm

from vae.ink import find_ink, open_image
from vae.seams import INK, find_parts
from vae.segmentation import NONE, WORK, frames
from vae.training import other_things
from vae.training.data import Pictures, Splits
from vae.training.skeletons import draw

Array = NDArray[np.float32]

LEARNT_FROM, HELD_BACK = 0, 1  # the drawings of even numbers, and the others, which only the benchmark sees
HEIGHT = 72  # pixels, of the numbers that are learnt from
OTHERS = 12  # such parts kept of each number
OTHER_THINGS = 0.12  # share of pictures of what is no number
A_DIGIT, NO_DIGIT = 0.7, 0.5  # least share of its ink that a part has in common with a digit, and most


class Drawn(NamedTuple):
    """A digit: its label, and its ink `(H, W)` in the box around it."""

    label: int
    ink: Array


class Number(NamedTuple):
    """A number: its labels, and the ink of each digit on the paper of all, `(N, H, W)`."""

    labels: tuple[int, ...]
    layers: Array

    @property
    def ink(self) -> Array:
        return self.layers.max(axis=0)


def drawings(parity: int) -> list[Drawn]:
    """The drawings LABEL_NUMBER.png of even (0) or odd (1) number in DIGIT_MORPH_SKETCHES, if that is set."""
    folder = os.environ.get("DIGIT_MORPH_SKETCHES")
    files = sorted(Path(folder).glob("*_*.png")) if folder else []
    found = []
    for file in files:
        label, number = file.stem.split("_")
        if int(number) % 2 == parity:
            found.append(Drawn(int(label), cropped(find_ink(open_image(file)))))
    return found


def cropped(ink: Array) -> Array:
    rows, columns = (np.flatnonzero((ink > 0.1).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def enlarged(ink: Array, height: float) -> Array:
    """A small digit drawn large, `height` pixels tall, its edges smooth."""
    scale = height / ink.shape[0]
    large = cv2.resize(np.pad(ink, 2), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    large = cv2.GaussianBlur(large, (0, 0), max(0.3, 0.35 * scale))
    return cropped(np.clip((large - 0.5) * 0.5 * max(scale, 2) + 0.5, 0, 1).astype(np.float32))


def compose(digits: Sequence[Drawn], height: float, gaps: Sequence[float], random: np.random.Generator) -> Number:
    """Digits side by side, sizes and baselines a little different.

    Args:
        height: pixels, of a digit of middle size.
        gaps: in heights, between the ink of each digit and of the one before it, on the rows where it is nearest;
            less than 0 overlaps.
    """
    inks = [enlarged(digit.ink, height * random.uniform(0.88, 1.12)) for digit in digits]
    margin = round(0.3 * height)
    width = 2 * margin + sum(ink.shape[1] + margin for ink in inks)
    layers = np.zeros((len(inks), round(2 * height), width), np.float32)
    for k, ink in enumerate(inks):
        top = round(0.5 * (layers.shape[1] - ink.shape[0]) + random.uniform(-0.08, 0.08) * height)
        rows = np.s_[top : top + ink.shape[0]]
        left = round(_nearest(layers[:k, rows].max(axis=0), ink) + gaps[k] * height) if k else margin
        left = min(max(left, 0), width - ink.shape[1])
        layers[k, rows, left : left + ink.shape[1]] = ink
    used = np.flatnonzero(layers.any(axis=(0, 1)))
    labels = tuple(digit.label for digit in digits)
    return Number(labels, layers[:, :, max(0, used[0] - margin) : used[-1] + margin])


def _nearest(paper: Array, ink: Array) -> float:
    """Where a digit stands whose ink touches what is on the same rows of the paper."""
    alike = max(3, round(0.06 * len(ink)) | 1)  # rows that count as the same
    last = maximum_filter1d(np.where(paper > 0.5, np.arange(paper.shape[1]), -1e4).max(axis=1), alike)
    first = np.where((ink > 0.5).any(axis=1), (ink > 0.5).argmax(axis=1), 1e4)
    return float((last - first).max()) + 1


# --- what the segmenter learns from ---


def part_splits(splits: Splits, numbers: int, seed: int, drawings: Sequence[Drawn] = ()) -> Splits:
    """Parts of numbers composed of the training digits, of the validation digits, and of the test digits.

    `(N, 2, 28, 28)`: the part, and the ink around it; labels to 10, which is no digit. Beside the pictures of the
    data set, digits drawn from skeletons and, for training, drawings are used.
    """
    return Splits(
        _parts_of(splits.train, numbers, seed, drawings),
        _parts_of(splits.validation, numbers // 20, seed + 1, ()),
        _parts_of(splits.test, numbers // 20, seed + 2, ()),
    )


def _parts_of(pictures: Pictures, numbers: int, seed: int, drawings: Sequence[Drawn]) -> Pictures:
    random = np.random.default_rng(seed)
    images, labels = [], []
    for _ in tqdm(range(numbers), unit="number", dynamic_ncols=True):
        count = random.choice(4, p=(0.25, 0.3, 0.25, 0.2)) + 1
        if random.random() < OTHER_THINGS:
            digits = [Drawn(NONE, cropped(rewritten(other_things.draw(random), random)))]
        else:
            digits = [_digit(pictures, drawings, random) for _ in range(count)]
        gaps = random.uniform(-0.12, 0.06) + random.normal(0, 0.02, len(digits))
        some = labelled_parts(compose(digits, HEIGHT, gaps.tolist(), random), random)
        images.append(some.images)
        labels.append(some.labels)
    return Pictures(torch.cat(images), torch.cat(labels))


def _digit(pictures: Pictures, drawings: Sequence[Drawn], random: np.random.Generator) -> Drawn:
    """A digit of the data set, one drawn from a skeleton, or a drawing, written a little differently."""
    kind = random.random()
    if kind < 0.3:
        label = int(random.integers(10))
        ink = draw(label, random)
    elif drawings and kind < 0.55:
        label, ink = drawings[int(random.integers(len(drawings)))]
        ink = enlarged(ink, HEIGHT)
    else:
        k = int(random.integers(len(pictures)))
        small = (pictures.images[k, 0].numpy() / 255).astype(np.float32)
        label, ink = int(pictures.labels[k]), enlarged(cropped(small), HEIGHT)
    return Drawn(label, cropped(rewritten(ink, random)))


def rewritten(ink: Array, random: np.random.Generator) -> Array:
    """A digit slanted, widened, thickened or thinned a little, now and then with a gap in a stroke."""
    height, width = ink.shape
    linear = np.array([[random.uniform(0.8, 1.25), random.normal(0, 0.14)], [random.normal(0, 0.04), 1]])
    side = int(2.2 * max(height, width))
    offset = side / 2 - linear @ (width / 2, height / 2)
    moved = cv2.warpAffine(ink, np.column_stack([linear, offset]), (side, side))
    grown = round(random.normal(0, 0.018) * height)
    if grown:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(grown) + 1,) * 2)
        changed = cv2.dilate(moved, kernel) if grown > 0 else cv2.erode(moved, kernel)
        moved = changed if changed.sum() > 0.45 * moved.sum() else moved
    if random.random() < 0.12:
        rows, columns = np.nonzero(moved > 0.5)
        k = random.integers(len(rows))
        cv2.circle(moved, (int(columns[k]), int(rows[k])), int(height * random.uniform(0.05, 0.09)), 0.0, -1)
    return moved if (moved > 0.5).any() else ink


def labelled_parts(number: Number, random: np.random.Generator) -> Pictures:
    """The parts that are digits of a number, some of those that are none; those in between are left out."""
    digits = [reduced(layer, number.ink) for layer in number.layers]
    ink = reduced(number.ink, number.ink)
    parts, _ = find_parts(ink)
    if not parts:
        return Pictures(torch.zeros(0, 2, 28, 28, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))
    truth = np.stack(digits) > INK
    masks = np.concatenate([np.stack([part.mask for part in parts]), truth])  # a stroke's ink is whole where it crosses
    goodness, which = agreement(masks, truth)
    labels = np.where(goodness > A_DIGIT, np.array(number.labels)[which], NONE)
    others = random.permutation(np.flatnonzero(goodness < NO_DIGIT))[:OTHERS]
    kept = np.concatenate([np.flatnonzero(goodness > A_DIGIT), others])
    images = np.rint(255 * frames(masks[kept] * ink, ink)).astype(np.uint8)
    return Pictures(torch.from_numpy(images), torch.from_numpy(labels[kept].astype(np.int64)))


def reduced(ink: Array, paper: Array) -> Array:
    """Ink in the box around all that is on the paper, at the height at which numbers are parted."""
    rows, columns = (np.flatnonzero((paper > 0.1).any(axis=axis)) for axis in (1, 0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return cv2.resize(box, (max(1, round(box.shape[1] * WORK / len(box))), WORK), interpolation=cv2.INTER_AREA)


def agreement(masks: NDArray[np.bool_], digits: NDArray[np.bool_]) -> tuple[Array, NDArray[np.intp]]:
    """How well each of N parts is one of the digits, `(N,)`, and which: intersection over union, less where it has
    some of the ink that is another digit's alone."""
    a, b = (ink.reshape(len(ink), -1).astype(np.float32) for ink in (masks, digits))
    shared = a @ b.T
    union = a.sum(axis=1, keepdims=True) + b.sum(axis=1) - shared
    which = (shared / union).argmax(axis=1)
    alone = b * (b.sum(axis=0) == 1)
    covered = (a @ alone.T) / np.maximum(alone.sum(axis=1), 1)
    every = np.arange(len(a))
    covered[every, which] = 0
    return (shared / union)[every, which] * (1 - 0.5 * np.clip((covered.max(axis=1) - 0.15) / 0.25, 0, 1)), which
