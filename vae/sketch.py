"""A drawing, scan or photo -> the digits on it, as MNIST would have them.

    picture -- open_image --> PIL image -- find_ink --> (H, W) -- read_digits --> (N, 1, 28, 28)

MNIST's recipe (LeCun et al., http://yann.lecun.com/exdb/mnist): a digit is averaged down, its aspect kept,
into a box of 20x20 pixels, and moved by whole pixels until its centre of mass is the middle of 28x28. Most of
MNIST's pens are 1.8 to 4 of these pixels wide, so a thinner or fatter pen is changed first, at full size.
"""

import math
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from vae.classifier import Classifier, log_probabilities, shipped_segmenter
from vae.drawing import Drawing, rasterise, stroke_pieces
from vae.errors import BadRequest, EmptyDrawing
from vae.ink import WORK_SIDE, Array, Piece, Source, at_least_one, disc, find_ink, open_image
from vae.paper import stroke_width
from vae.segmentation import recognised, segment, united

FAINT = 0.1  # less ink than this is paper
SIZE, BOX, CENTRE = 28, 20, 14.0  # the picture, the digit in it, the index of its centre of mass
SPECK = 8  # a smaller mark is dust, in pixels
SHARED = 8  # pictures' worth of pixels that the boxes of all marks may have, so that a hatched page fills no memory
MOST_STROKES = 24  # a drawing of more is looked at as a picture
COVERED = 0.7  # a stroke of which more lies on another goes over that
FINE = 8 * BOX  # long side at which a pen is measured and changed
PEN = (1.8, 3.8)  # widths of MNIST's pens in the box; those outside are brought near
LIMITS = (0.8, 5.0)  # to which they are brought, however thin or broad they are
NEARNESS = 0.6  # how fast they come near these


def read_digits(
    image: Source | Drawing | None, *, max_digits: int = 4, single: bool = False, segmenter: Classifier | None = None
) -> torch.Tensor:
    """The pictures of `read_sketch`: `(N, 1, 28, 28)` float32 in [0, 1], contiguous, ink = 1, N >= 1."""
    return read_sketch(image, max_digits=max_digits, single=single, segmenter=segmenter).pictures


class Sketch(NamedTuple):
    """The digits on a picture, left to right.

    Attributes:
        pictures: `(N, 1, 28, 28)` float32 in [0, 1], ink = 1, N >= 1; sized, placed and penned as in MNIST.
        guesses: `(N, 11)`, log-probabilities of what each is among the ink around it; the last one, of no digit.
        cut: `(N,)` bool, whether it was cut from other ink.
    """

    pictures: torch.Tensor
    guesses: torch.Tensor
    cut: torch.Tensor


def read_sketch(
    image: Source | Drawing | None, *, max_digits: int = 4, single: bool = False, segmenter: Classifier | None = None
) -> Sketch:
    """Read the digits on a picture, or in a drawing.

    Args:
        image: whatever `open_image` opens, or a `Drawing`, whose strokes say more; None is an untouched pad.
        max_digits: more digits than this are refused.
        single: everything on the picture is one digit; nothing is split.
        segmenter: what tells digits from other ink; the shipped one if not given.

    Raises:
        EmptyDrawing: there is no ink, or only specks of dust.
        BadRequest: there are more than `max_digits` digits.
        UnreadablePicture: see `open_image`.
    """
    if image is None:
        raise EmptyDrawing("Nothing is drawn yet; draw a digit first.")
    pieces = _strokes(image) if isinstance(image, Drawing) else []
    strokes = bool(pieces)
    if not strokes:
        inked = find_ink(open_image(rasterise(image) if isinstance(image, Drawing) else image))
        pieces = _pieces(inked, 10 * max_digits if not single else None)
    recognise = partial(log_probabilities, segmenter or shipped_segmenter())
    if single:
        digits = [recognised(united(pieces), recognise)]
    else:
        digits = segment(pieces, recognise, strokes=strokes)
        _check_count(len(digits), max_digits, bearable=max_digits)
    pictures = torch.from_numpy(np.stack([as_mnist(digit.piece.ink) for digit in digits])[:, None])
    guesses = torch.from_numpy(np.stack([digit.guesses for digit in digits]))
    return Sketch(pictures, guesses, torch.tensor([digit.cut for digit in digits]))


def _strokes(drawing: Drawing) -> list[Piece]:
    """The strokes of a drawing, those that go over others put together with them; none if it is better looked at as
    a picture: where there are many, or digits under them."""
    if drawing.under is not None or len(drawing.strokes) > MOST_STROKES:
        return []
    pieces: list[Piece] = []
    for piece in stroke_pieces(drawing):
        if max(piece.ink.shape) < SPECK:
            continue
        over = [other for other in pieces if _covered(piece, other) > COVERED or _covered(other, piece) > COVERED]
        pieces = [other for other in pieces if other not in over] + [united([*over, piece])]
    longest = max((max(piece.ink.shape) for piece in pieces), default=0)
    return [piece for piece in pieces if max(piece.ink.shape) > 0.12 * longest]


def _covered(piece: Piece, other: Piece) -> float:
    """The share of a piece's ink that lies on another's."""
    left, right = max(piece.left, other.left), min(piece.right, other.right)
    top, bottom = max(piece.top, other.top), min(piece.bottom, other.bottom)
    if left >= right or top >= bottom:
        return 0.0
    a, b = (
        one.ink[top - one.top : bottom - one.top, left - one.left : right - one.left] > 0.5 for one in (piece, other)
    )
    return int(np.count_nonzero(a & b)) / max(1, int(np.count_nonzero(piece.ink > 0.5)))


def _check_count(count: int, most: int, bearable: int) -> None:
    if count > bearable:
        words = ("no digits", "one digit", "two digits", "three digits", "four digits")
        limit = words[most] if most < len(words) else f"{most} digits"
        raise BadRequest(f"I see {count} separate marks; draw at most {limit}.")


def _pieces(inked: Array, most: int | None) -> list[Piece]:
    """The connected pieces of ink, as one if `most` is None; without dust: specks, and dots small beside the rest.

    Raises EmptyDrawing without any, and BadRequest with more than `most`.
    """
    labels, stats = cv2.connectedComponentsWithStats((inked > FAINT).astype(np.uint8), connectivity=8)[1:3]
    solid = np.bincount(labels[inked > 0.5], minlength=len(stats)) > 0
    sides, areas = stats[:, 2:4], stats[:, 4]
    longest = sides.max(axis=1)
    dot = (areas > 0.7 * sides.prod(axis=1)) & (sides.min(axis=1) > 0.7 * longest)
    kept = solid & (longest >= np.maximum(SPECK, dot * 0.12 * max(inked.shape)))
    kept[0] = False  # the paper
    if not kept.any():
        raise EmptyDrawing("I see no digit here; draw one with a stroke or two.")
    kept &= longest > np.where(dot, 0.25, 0.12) * longest[kept].max()
    marks: list[int] = np.flatnonzero(kept).tolist()
    if most is None:
        return [_cut_out(inked, labels, stats, marks)]
    hatched = int(sides[marks].prod(axis=1, dtype=np.int64).sum()) > SHARED * inked.size
    _check_count(len(marks), most // 10, bearable=1 if hatched else most)
    return [_cut_out(inked, labels, stats, [mark]) for mark in marks]


def _cut_out(inked: Array, labels: NDArray[np.int32], stats: NDArray[np.int32], members: list[int]) -> Piece:
    """The ink of some pieces, in the box around them."""
    left, top = stats[members, :2].min(axis=0).tolist()
    right, bottom = (stats[members, :2] + stats[members, 2:4]).max(axis=0).tolist()
    box = np.s_[top:bottom, left:right]
    return Piece(left, top, np.where(np.isin(labels[box], members), inked[box], np.float32(0)))


def _cropped(inked: Array) -> tuple[slice, slice]:
    """The box around the ink, as an index."""
    rows, columns = (np.flatnonzero((inked > FAINT).any(axis=axis)) for axis in (1, 0))
    return np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


# --- as MNIST has them ---


def as_mnist(digit: Array) -> Array:
    """Size, pen and place one digit as MNIST would.

    Args:
        digit: (H, W) float32 in [0, 1], ink = 1, of any size, cropped to its ink.

    Returns:
        (28, 28) float32 in [0, 1]; a digit of MNIST comes out nearly as it went in.
    """
    digit = _bounded(digit)
    fine, grown = _fine(digit)
    fine_pen = stroke_width(fine > 0.5)
    pen = max(fine_pen - grown, 1.0) * BOX / FINE
    wanted = _drawable(pen)
    small = BOX <= max(digit.shape) <= SIZE and pen > LIMITS[0]  # as it is in MNIST, or was made here
    if fine_pen == 0 or small or (pen == wanted and max(digit.shape) >= BOX):
        return _centred(_boxed(digit))
    return _centred(_boxed(_repenned(fine, fine_pen, wanted / BOX)))


def _drawable(pen: float) -> float:
    """The width at which the model can draw a pen: its own, or one near to MNIST's, so that of two pens the thinner
    one stays thinner."""
    (thinnest, thin), (broad, broadest) = (LIMITS[0], PEN[0]), (PEN[1], LIMITS[1])
    if pen < thin:
        return thinnest + (thin - thinnest) * (pen / thin) ** NEARNESS
    if pen > broad:
        return broadest - (broadest - broad) * (broad / pen) ** NEARNESS
    return pen


def _bounded(digit: Array) -> Array:
    """At most WORK_SIDE a side, each block of pixels becoming its darkest: no hairline is lost, and the disc
    of `_fine` stays small."""
    factor = -(-max(digit.shape) // WORK_SIDE)
    if factor == 1:
        return digit
    rows = np.maximum.reduceat(digit, np.arange(0, digit.shape[0], factor), axis=0)
    return np.maximum.reduceat(rows, np.arange(0, digit.shape[1], factor), axis=1)


def _fine(digit: Array) -> tuple[Array, float]:
    """Enlarge (without stairs) or reduce (without losing hairlines) to a long side of FINE, and by how much a stroke
    is broader for it."""
    scale, grown = FINE / max(digit.shape), 0
    if scale < 1:
        grown = round(1 / scale) // 2
        digit = cv2.dilate(digit, disc(grown))
    size = (at_least_one(digit.shape[1] * scale), at_least_one(digit.shape[0] * scale))
    fine = cv2.resize(digit, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    if scale > 2:
        fine = cv2.GaussianBlur(fine, (0, 0), 0.4 * scale)
    return np.pad(np.clip(fine, 0, 1), BOX), 2 * grown * scale  # room for a pen to grow


def _ridge(fine: Array) -> tuple[Array, NDArray[np.bool_]]:
    """The distance to the edge, and where it is largest: the middle of the strokes."""
    distance = cv2.distanceTransform((fine > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    return distance, (distance > 0) & (distance >= cv2.dilate(distance, np.ones((3, 3), np.uint8)))


def _repenned(fine: Array, pen: float, share: float) -> Array:
    """Thicken or thin strokes of width `pen` until they are `share` of the digit's long side.

    A width w' makes the side FINE - pen + w', so w' = share * (FINE - pen) / (1 - share). No stroke is lost:
    thickened ones keep their old ink, thinned ones a thin pen along their middle.
    """
    grow = max(0.5 * (share * (FINE - pen) / (1 - share) - pen), -0.35 * pen)
    inside, ridge = _ridge(fine)
    outside = cv2.distanceTransform((fine <= 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    redrawn = np.clip(inside - outside - 0.5 * np.sign(inside - outside) + grow + 0.5, 0, 1)
    if grow >= 0:
        return np.maximum(redrawn, fine)
    middle = (ridge & (inside > 0.25 * pen)).astype(np.float32)
    return np.maximum(redrawn, cv2.dilate(middle, disc(round(0.5 * PEN[0] * FINE / BOX))))


def _boxed(digit: Array) -> Array:
    """Average down to a long side of BOX; the short one is filled up to whole pixels, so that no pen is stretched."""
    digit = digit[_cropped(digit)]
    scale = BOX / max(digit.shape)
    height, width = (max(1, math.ceil(side * scale - 0.1)) for side in digit.shape)
    more = [(0, max(0, round(size / scale) - side)) for size, side in zip((height, width), digit.shape, strict=True)]
    small = cv2.resize(np.pad(digit, more), (width, height), interpolation=cv2.INTER_AREA)
    return np.clip(small, 0, 1)  # it rounds to just above 1


def _centred(small: Array) -> Array:
    """Put a digit on 28x28, its centre of mass within half a pixel of index 14."""
    picture = np.zeros((SIZE, SIZE), np.float32)
    height, width = small.shape
    mass = small.sum()
    down = float(np.arange(height) @ small.sum(axis=1) / mass)
    across = float(np.arange(width) @ small.sum(axis=0) / mass)
    top = min(max(round(CENTRE - down), 0), SIZE - height)
    left = min(max(round(CENTRE - across), 0), SIZE - width)
    picture[top : top + height, left : left + width] = small
    return picture
