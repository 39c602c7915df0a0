"""The ink of a number -> its digits, by recognition: many ways to part it are tried, and the best reading is kept.

Over-segmentation and a search for the best path, as in LeCun et al., Gradient-based learning applied to document
recognition, Proc. IEEE 86(11), 1998, section VIII, and Casey & Lecolinet, A survey of methods and strategies in
character segmentation, PAMI 18(7), 1996. Strokes, or connected pieces of ink, that stand side by side are tried in
every run of them; where that gives no clear reading, the ink between cheap seams through it is. What is tried is
shown to the segmenter, a network that says which digit it is or that it is none, and sees the ink around as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vae.ink import Piece
from vae.paper import stroke_width
from vae.seams import INK, Array, Mask, Part, find_parts

Recogniser = Callable[[Tensor], Tensor]
"""Ink and the ink around it `(N, 2, 28, 28)` -> log-probabilities `(N, 11)` of the digits, and of none."""

WORK = 48  # height in pixels at which a number is parted
HAIRLINE = 2.0  # a thinner pen, in those pixels, is made that wide first
APART = 0.3  # a wider gap, in heights, parts numbers as well as digits
MOST_PIECES = 8  # of one digit
LONGEST = 6.0  # heights: nothing longer is cut
CLEAR = -0.1  # a way of which every digit is as likely as that (a logarithm) needs no cuts
CUT = 0.5, 3.0  # nats that a cut through ink must gain, and one through a stroke
SMALL = 0.4  # of the number's height; a smaller digit is less likely
SIZE, BOX, CENTRE = 28, 20, 14.5
NONE = 10  # among the guesses
BATCH = 100


class Digit(NamedTuple):
    """A digit: its ink, the log-probabilities `(11,)` of what it is, the last one of no digit at all, and whether it
    was cut from other ink."""

    piece: Piece
    guesses: Array
    cut: bool = False


class Candidates(NamedTuple):
    """What may be digits: where each has ink `(WORK, W)`, how likely it is one (a logarithm), and its guesses."""

    masks: Sequence[Mask]
    scores: list[float]
    guesses: Array  # (N, 11)


class Way(NamedTuple):
    """A way to part a number: how likely it is, less what the cuts cost, and which candidates it takes."""

    score: float
    taken: list[int]
    candidates: Candidates

    @property
    def least(self) -> float:
        return min(self.candidates.scores[k] for k in self.taken)


def segment(pieces: Sequence[Piece], recognise: Recogniser, *, strokes: bool = False) -> list[Digit]:
    """The digits that pieces of ink make up, left to right.

    Args:
        pieces: connected pieces, or strokes: these may overlap, and are hardly ever cut.
        recognise: tells digits from other ink.
    """
    digits: list[Digit] = []
    for cluster in _clusters(pieces):
        digits += _segment_cluster(cluster, recognise, CUT[strokes])
    return sorted(digits, key=lambda digit: digit.piece.left + digit.piece.right)


def recognised(piece: Piece, recognise: Recogniser) -> Digit:
    """All of a piece as one digit."""
    layers = _reduced([piece])
    return Digit(piece, _candidates([layers[0] > INK], layers[0], recognise).guesses[0])


def _clusters(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces between which no blank is wide, left to right."""
    height = max(piece.bottom for piece in pieces) - min(piece.top for piece in pieces)
    clusters: list[list[Piece]] = []
    right = -np.inf
    for piece in sorted(pieces, key=lambda piece: piece.left):
        if piece.left - right > APART * height:
            clusters.append([])
        clusters[-1].append(piece)
        right = max(right, piece.right)
    return clusters


def _segment_cluster(pieces: list[Piece], recognise: Recogniser, cut: float) -> list[Digit]:
    pieces = sorted(pieces, key=lambda piece: piece.left + piece.right)
    layers = _reduced(pieces)
    runs = [(i, j) for i in range(len(pieces)) for j in range(i + 1, min(len(pieces), i + MOST_PIECES) + 1)]
    whole = _best_way(runs, [layers[i:j].max(axis=0) > INK for i, j in runs], layers.max(axis=0), recognise)
    parted = None if whole and whole.least > CLEAR else _of_parts(layers.max(axis=0), recognise, cut)
    if whole and (parted is None or whole.score >= parted.score):
        inks = [united(pieces[i:j]) for i, j in (runs[k] for k in whole.taken)]
        return [Digit(ink, whole.candidates.guesses[k]) for ink, k in zip(inks, whole.taken, strict=True)]
    if parted:
        inks = _cut_out(united(pieces), [parted.candidates.masks[k] for k in parted.taken])
        return [
            Digit(ink, parted.candidates.guesses[k], len(inks) > 1) for ink, k in zip(inks, parted.taken, strict=True)
        ]
    return [recognised(united(pieces), recognise)]


def united(pieces: Sequence[Piece]) -> Piece:
    """Several pieces as one."""
    if len(pieces) == 1:
        return pieces[0]
    left, top = min(piece.left for piece in pieces), min(piece.top for piece in pieces)
    right, bottom = max(piece.right for piece in pieces), max(piece.bottom for piece in pieces)
    ink = np.zeros((bottom - top, right - left), np.float32)
    for piece in pieces:
        box = ink[piece.top - top : piece.bottom - top, piece.left - left : piece.right - left]
        np.maximum(box, piece.ink, out=box)
    return Piece(left, top, ink)


def _reduced(pieces: Sequence[Piece]) -> Array:
    """Each piece on the paper of all, `(N, WORK, W)`, hairlines thickened; what is longer than any number, smaller."""
    whole = united(pieces)
    height, width = whole.ink.shape
    scale = min(WORK / height, LONGEST * WORK / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grow = round((HAIRLINE / scale - max(1.0, stroke_width(whole.ink > 0.5))) / 2)
    layers = np.empty((len(pieces), size[1], size[0]), np.float32)
    for layer, piece in zip(layers, pieces, strict=True):
        paper = np.zeros_like(whole.ink)
        top, left = piece.top - whole.top, piece.left - whole.left
        paper[top : top + piece.ink.shape[0], left : left + piece.ink.shape[1]] = piece.ink
        if grow > 0:
            paper = cv2.dilate(paper, np.ones((2 * grow + 1,) * 2, np.uint8))
        layer[:] = cv2.resize(paper, size, interpolation=cv2.INTER_AREA)
    return layers


def _of_parts(ink: Array, recognise: Recogniser, cut: float) -> Way | None:
    """The best way to cut ink `(WORK, W)`, or None if it is too long, or no parts are digits."""
    if len(ink) < WORK or ink.shape[1] < WORK // 4:
        return None
    parts, cuts = find_parts(ink)
    steps = [(part.first, part.last) for part in parts]
    if (0, cuts - 1) not in steps:
        steps, parts = [*steps, (0, cuts - 1)], [*parts, Part(0, cuts - 1, ink > INK)]
    return _best_way(steps, [part.mask for part in parts], ink, recognise, cut)


def _best_way(
    steps: list[tuple[int, int]], masks: list[Mask], ink: Array, recognise: Recogniser, cut: float = 0
) -> Way | None:
    candidates = _candidates(masks, ink, recognise)
    scored = [(*step, score) for step, score in zip(steps, candidates.scores, strict=True)]
    best = _best_path(max(end for _, end in steps) + 1, scored, cut)
    if best is None:
        return None
    return Way(sum(candidates.scores[k] for k in best) - cut * (len(best) - 1), best, candidates)


def _best_path(nodes: int, steps: Iterable[tuple[int, int, float]], price: float = 0) -> list[int] | None:
    """The steps (from, to, score) with the highest sum from node 0 to the last, each costing `price`."""
    best, back = [0.0] + [-np.inf] * (nodes - 1), [-1] * nodes
    ordered = sorted(enumerate(steps), key=lambda step: step[1][1])
    origin = [start for _, (start, _, _) in sorted(ordered)]
    for k, (start, end, score) in ordered:
        if best[start] + score - price > best[end]:
            best[end], back[end] = best[start] + score - price, k
    if best[-1] == -np.inf:
        return None
    path, node = [], nodes - 1
    while node:
        path.append(back[node])
        node = origin[back[node]]
    return path[::-1]


def _candidates(masks: Sequence[Mask], ink: Array, recognise: Recogniser) -> Candidates:
    """What may be digits of ink `(H, W)`, recognised, some at a time: there may be a thousand."""
    with torch.inference_mode():
        some = (np.stack(masks[k : k + BATCH]) * ink for k in range(0, len(masks), BATCH))
        guesses = torch.cat([recognise(torch.from_numpy(frames(parts, ink))) for parts in some]).numpy()
    height = np.array([mask.any(axis=1).sum() for mask in masks]) / len(ink)
    scores = np.log1p(-np.minimum(np.exp(guesses[:, NONE]), 1 - 1e-6)) + 10 * np.minimum(height - SMALL, 0)
    return Candidates(masks, scores.tolist(), guesses)


def frames(parts: Array, ink: Array) -> Array:
    """Parts `(N, H, W)` of ink `(H, W)` as MNIST would have them, and beside each the other ink: `(N, 2, 28, 28)`."""
    inked = parts > INK
    (top, height), (left, width) = (_extent(np.asarray(inked.any(axis=axis))) for axis in (2, 1))
    scale = BOX / np.maximum(height, width)
    rows = _averaging(_centred(parts.sum(axis=2), top, height, scale), scale, parts.shape[1])
    columns = _averaging(_centred(parts.sum(axis=1), left, width, scale), scale, parts.shape[2]).transpose(0, 2, 1)
    own, all_ink = rows @ parts @ columns, rows @ ink @ columns
    return np.clip(np.stack([own, all_ink - own], axis=1), 0, 1)


def _extent(inked: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of ink `(N, H)`: the first index, and how far it is to the last one."""
    first = inked.argmax(axis=1)
    return first, np.maximum(inked.shape[1] - inked[:, ::-1].argmax(axis=1) - first, 1)


def _centred(
    mass: Array, first: NDArray[np.intp], length: NDArray[np.intp], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where a frame begins for the centre of mass to be in its middle, and the box inside."""
    centre = mass @ (np.arange(mass.shape[1], dtype=np.float32) + 0.5) / np.maximum(mass.sum(axis=1), 1e-6)
    return np.maximum(np.minimum(centre - CENTRE / scale, first), first + length - SIZE / scale)


def _averaging(start: NDArray[np.float64], scale: NDArray[np.float64], length: int) -> Array:
    """Weights `(N, SIZE, length)` that average a row of pixels into a frame that begins at `start`."""
    left = start[:, None] + np.arange(SIZE) / scale[:, None]  # of each pixel of the frame
    right, pixel = left + 1 / scale[:, None], np.arange(length)
    shared = np.minimum(right[..., None], pixel + 1) - np.maximum(left[..., None], pixel)
    return (np.clip(shared, 0, 1) * scale[:, None, None]).astype(np.float32)


def _cut_out(whole: Piece, masks: list[Mask]) -> list[Piece]:
    """The ink of each part at full size: what is nearer to it than to other ink."""
    height, width = whole.ink.shape
    digits = []
    ink = np.logical_or.reduce(masks)
    for mask in masks:
        near, far = (cv2.distanceTransform((~m).astype(np.uint8), cv2.DIST_L2, 3) for m in (mask, ink & ~mask))
        own = cv2.resize((near <= far).astype(np.float32), (width, height)) > 0.5
        part = np.where(own, whole.ink, np.float32(0))
        if not (part > 0.1).any():  # a hairline, thickened to be looked at
            part = whole.ink
        rows, columns = (np.flatnonzero((part > 0.1).any(axis=axis)) for axis in (1, 0))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        digits.append(Piece(whole.left + int(columns[0]), whole.top + int(rows[0]), part[box]))
    return digits
