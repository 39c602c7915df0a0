"""A drawing, scan or photo -> the digits on it, as MNIST would have them.

    picture -- open_image --> PIL image -- ink --> (H, W) -- read_digits --> (N, 1, 28, 28)

MNIST's recipe (LeCun et al., http://yann.lecun.com/exdb/mnist): a digit is averaged down, its aspect kept,
into a box of 20x20 pixels, and moved by whole pixels until its centre of mass is the middle of 28x28. Most of
MNIST's pens are 1.8 to 4 of these pixels wide, so a thinner or fatter pen is changed first, at full size.
"""

import io
from itertools import combinations
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from scipy.sparse.csgraph import connected_components

from vae.errors import BadRequest, EmptyDrawing, UnreadablePicture

Array = NDArray[np.float32]
Source = str | PathLike[str] | bytes | Image.Image | NDArray[np.generic]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 4_000_000
WORK_SIDE = 1200  # a larger picture is reduced before it is read: a digit never needs more
FAINT = 0.1  # less ink than this is paper
SIZE, BOX, CENTRE = 28, 20, 14.0  # the picture, the digit in it, the index of its centre of mass
CONTRAST = 0.15  # fainter ink than this is none: shadows, noise
WIDE, TALL = 1.35, 0.8  # touching digits are parted in a mark that wide for its height, into parts that tall
SPECK = 8  # a smaller mark is dust, in pixels
FINE = 8 * BOX  # long side at which a pen is measured and changed
PEN = (1.8, 3.8)  # widths of MNIST's pens in the box; those outside are brought to the nearer end


# --- the picture ---


def open_image(source: Source) -> Image.Image:
    """Open a picture that somebody sent; its size is looked at before it is decoded.

    Args:
        source: a path, the bytes of a file (PNG, JPEG, WebP, BMP, or the first frame of a GIF), a PIL image,
            or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8, or bool or float in [0, 1].

    Returns:
        The decoded image in its own mode, turned the way its EXIF orientation says.

    Raises:
        UnreadablePicture: no such file, not a picture, damaged, of another format, or above 4 megapixels.
    """
    try:
        if isinstance(source, np.ndarray):
            image = _from_array(source)
        elif isinstance(source, Image.Image):
            image = source
        else:
            data = source if isinstance(source, bytes) else Path(source).read_bytes()
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        image.load()
        return ImageOps.exif_transpose(image)
    except UnreadablePicture:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = MAX_PIXELS // 1_000_000
        raise UnreadablePicture(
            f"This picture is too large; send one of at most {limit} megapixels."
        ) from None
    except FileNotFoundError:
        raise UnreadablePicture("There is no picture of that name.") from None
    except Exception:  # PIL's decoders raise almost anything on a damaged file
        raise UnreadablePicture(
            "This is not a picture I can open; send a PNG, JPEG, WebP, BMP or GIF."
        ) from None


def _from_array(array: NDArray[np.generic]) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise UnreadablePicture("A picture is needed with rows, columns, and one, three or four channels.")
    if array.dtype != np.uint8:
        values = array.astype(np.float64)
        if array.dtype.kind not in "bf" or not (values.min() >= 0 and values.max() <= 1):  # NaN fails both
            raise UnreadablePicture(
                "A picture's values must be whole numbers to 255 or fractions from 0 to 1."
            )
        array = np.rint(values * 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(array))


# --- its ink ---


def ink(image: Image.Image) -> Array:
    """Find the ink on a picture, whatever its colours.

    The paper is what most of the border is, so ink may be darker or lighter; on a transparent picture what is
    opaque is ink. A flat paper leaves every edge as it was drawn; an uneven one (a photo, a scan) is divided
    by the light that falls on it, and Otsu's threshold (IEEE Trans. SMC 9(1), 1979) tells ink from paper.

    Args:
        image: any mode that PIL knows.

    Returns:
        (H, W) float32 in [0, 1], ink = 1; all zeros where there is none.
    """
    colour, alpha = _colour_and_alpha(image)
    if alpha.min() < 1:
        ground = _ground(colour, alpha)
        if ground is None:
            return alpha
        colour = (ground + (colour - ground) * alpha).astype(np.float32)
    paper = np.median(_border(colour), axis=1)[:, None, None]
    darker = (paper - colour.min((1, 2), keepdims=True)).max()
    lighter = (colour.max((1, 2), keepdims=True) - paper).max()
    if max(darker, lighter) < CONTRAST:
        return np.zeros_like(alpha)
    if darker < CONTRAST or (lighter >= CONTRAST and paper.mean() < 0.5):
        colour, paper = 1 - colour, 1 - paper
    drawn = _darkness(colour, paper)
    peak = float(np.percentile(drawn[drawn >= 0.5 * drawn.max()], 90))
    if peak < CONTRAST:
        return np.zeros_like(drawn)
    off_paper = np.abs(colour - paper).max(axis=0)[drawn < 0.5 * peak]
    if np.count_nonzero(off_paper < 0.02) > 0.75 * off_paper.size:
        return np.minimum(drawn / peak, 1)
    return _levels(_darkness(colour, _light(colour)))


def _ground(colour: Array, alpha: Array) -> Array | None:
    """The colour (C, 1, 1) to put under a partly transparent picture; None if its opacity is the ink."""
    if np.median(_border(alpha)) >= 0.5:
        return np.ones((len(colour), 1, 1), np.float32)
    opaque = colour[:, alpha > 0.5]  # (C, n)
    if opaque.size < 0.3 * colour.size or np.ptp(opaque, axis=1).max() < 0.5:
        return None  # strokes on nothing
    return np.median(opaque, axis=1)[
        :, None, None
    ]  # a drawn card with nothing around it lies on its own colour


def _colour_and_alpha(image: Image.Image) -> tuple[Array, Array]:
    """(3, H, W) or (1, H, W) colour and (H, W) alpha, float32 in [0, 1]."""
    if _is_deep(image):
        values = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
        top = next((top for top in (1, 255, 65535) if values.max() <= top), values.max())
        grey = np.clip(values / np.float32(top), 0, 1, dtype=np.float32)
        return grey[None], np.ones_like(grey)
    bands = image.convert("RGBA").split()
    planes = np.stack([np.asarray(band, np.float32) / np.float32(255) for band in bands])
    return planes[:3], planes[3]


def _is_deep(image: Image.Image) -> bool:
    """More than 8 bits a value, which PIL's `convert` would cut off at 255."""
    return image.mode in ("F", "I") or image.mode.startswith("I;")


def _border(planes: Array) -> Array:
    return np.concatenate([planes[..., 0, :], planes[..., -1, :], planes[..., 0], planes[..., -1]], axis=-1)


def _darkness(colour: Array, paper: Array) -> Array:
    """How much of the paper's light is gone, in the channel that lost most: (H, W) in [0, 1]."""
    return np.clip(1 - (colour / np.maximum(paper, 0.05)).min(axis=0), 0, 1)


def _light(colour: Array) -> Array:
    """The light on the paper: the picture reduced, its dark strokes closed, and enlarged again, smooth."""
    height, width = colour.shape[1:]
    scale = min(1.0, 64 / max(height, width))
    size = (_side(width * scale), _side(height * scale))
    small = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in colour]
    closed = [cv2.morphologyEx(plane, cv2.MORPH_CLOSE, _disc(8)) for plane in small]
    return np.stack([cv2.resize(cv2.GaussianBlur(plane, (0, 0), 3), (width, height)) for plane in closed])


def _levels(dark: Array) -> Array:
    """Stretch between paper and ink, told apart by Otsu's threshold."""
    threshold = cv2.threshold(np.rint(dark * 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)[0] / 255
    inked = dark > threshold
    if not inked.any() or inked.all():
        return np.zeros_like(dark)
    full, paper = float(np.median(dark[inked])), float(np.median(dark[~inked]))
    if full - paper < CONTRAST:
        return np.zeros_like(dark)
    zero = 2 * threshold - full if 2 * threshold - full > paper else 0.5 * (threshold + paper)
    return np.clip((dark - zero) / (full - zero), 0, 1).astype(np.float32)


# --- its digits ---


class Mark(NamedTuple):
    """A piece of ink: where its box stands on the picture, and its own ink in that box."""

    left: int
    top: int
    ink: Array  # (height, width), other marks' ink removed

    @property
    def height(self) -> int:
        return self.ink.shape[0]

    @property
    def width(self) -> int:
        return self.ink.shape[1]

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height


def read_digits(image: Source | None, *, max_digits: int = 4, single: bool = False) -> torch.Tensor:
    """Read the digits on a picture, left to right.

    Args:
        image: whatever `open_image` opens; None is an untouched pad.
        max_digits: more digits than this are refused.
        single: everything on the picture is one digit; nothing is split.

    Returns:
        (N, 1, 28, 28) float32 in [0, 1], contiguous, ink = 1, N >= 1; sized, placed and penned as in MNIST.

    Raises:
        EmptyDrawing: there is no ink, or only specks of dust.
        BadRequest: there are more than `max_digits` digits.
        UnreadablePicture: see `open_image`.
    """
    if image is None:
        raise EmptyDrawing("Nothing is drawn yet; draw a digit first.")
    marks = _marks(ink(_reduced(open_image(image))))
    if not marks:
        raise EmptyDrawing("I see no digit here; draw one with a stroke or two.")
    if single:
        digits = [_merge(marks)]
    else:
        _check_count(len(marks), max_digits, bearable=10 * max_digits)
        digits = [part for group in _groups(marks) for part in _split(group)]
        _check_count(len(digits), max_digits, bearable=max_digits)
        digits.sort(key=lambda digit: digit.left + digit.right)
    return torch.from_numpy(np.stack([as_mnist(digit.ink) for digit in digits])[:, None])


def _check_count(count: int, most: int, bearable: int) -> None:
    if count > bearable:
        words = ("no digits", "one digit", "two digits", "three digits", "four digits")
        limit = words[most] if most < len(words) else f"{most} digits"
        raise BadRequest(f"I see {count} separate marks; draw at most {limit}.")


def _reduced(image: Image.Image) -> Image.Image:
    factor = -(-max(image.size) // WORK_SIDE)
    return image if factor == 1 or _is_deep(image) else image.convert("RGBA").reduce(factor)


def _marks(inked: Array) -> list[Mark]:
    """The connected pieces of ink, without the dust: specks, and dots small beside the rest."""
    labels, stats = cv2.connectedComponentsWithStats((inked > FAINT).astype(np.uint8), connectivity=8)[1:3]
    solid = np.bincount(labels[inked > 0.5], minlength=len(stats)) > 0
    sides, areas = stats[:, 2:4], stats[:, 4]
    longest = sides.max(axis=1)
    dot = (areas > 0.7 * sides.prod(axis=1)) & (sides.min(axis=1) > 0.7 * longest)
    kept = solid & (longest >= np.maximum(SPECK, dot * 0.12 * max(inked.shape)))
    kept[0] = False  # the paper
    if kept.any():
        kept &= longest > np.where(dot, 0.25, 0.12) * longest[kept].max()
    marks = []
    for label in np.flatnonzero(kept):
        x, y, width, height = stats[label, :4].tolist()
        box = np.s_[y : y + height, x : x + width]
        marks.append(Mark(x, y, np.where(labels[box] == label, inked[box], np.float32(0))))
    return marks


def _merge(marks: list[Mark]) -> Mark:
    left, top = min(mark.left for mark in marks), min(mark.top for mark in marks)
    right, bottom = max(mark.right for mark in marks), max(mark.bottom for mark in marks)
    whole = np.zeros((bottom - top, right - left), np.float32)
    for mark in marks:
        whole[mark.top - top : mark.bottom - top, mark.left - left : mark.right - left] += mark.ink
    return Mark(left, top, whole)


def _groups(marks: list[Mark]) -> list[Mark]:
    """Strokes of one digit, put together."""
    joined = np.zeros((len(marks), len(marks)), bool)
    for (i, a), (j, b) in combinations(enumerate(marks), 2):
        joined[i, j] = _one_digit(*sorted((a, b), key=lambda mark: mark.height))
    count, group = connected_components(joined, directed=False)
    return [_merge([mark for mark, g in zip(marks, group, strict=True) if g == k]) for k in range(count)]


def _one_digit(low: Mark, tall: Mark) -> bool:
    """Are two marks strokes of the same digit? One above the other they are; side by side only a scrap is."""
    across = min(low.right, tall.right) - max(low.left, tall.left)  # overlap, or minus the gap
    if across >= 0.35 * min(low.width, tall.width):
        return not (low.height > 0.45 * tall.height and _side_by_side(low, tall))
    down = min(low.bottom, tall.bottom) - max(low.top, tall.top)
    if down < -0.25 * tall.height:
        return False
    bar = low.height < 0.35 * tall.height and low.width > 1.5 * low.height  # the top of a 5, drawn apart
    return (
        across > -(0.25 if bar else 0.02) * tall.height and low.height < (0.35 if bar else 0.6) * tall.height
    )


def _side_by_side(a: Mark, b: Mark) -> bool:
    """Do most rows meet first all of one mark and then all of the other, as in 11 written aslant?"""
    top, bottom = max(a.top, b.top), min(a.bottom, b.bottom)
    if bottom - top < 0.6 * min(a.height, b.height):
        return False
    (a_first, a_last), (b_first, b_last) = (_row_ends(mark, top, bottom) for mark in (a, b))
    return bool(max((a_last < b_first).mean(), (b_last < a_first).mean()) > 0.8)


def _row_ends(mark: Mark, top: int, bottom: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first and the last inked column of each row from `top` to `bottom`, on the picture."""
    rows = mark.ink[top - mark.top : bottom - mark.top] > FAINT
    return mark.left + rows.argmax(axis=1), mark.right - 1 - rows[:, ::-1].argmax(axis=1)


def _split(mark: Mark) -> list[Mark]:
    """Part digits that touch: a wide mark is cut where it is thinnest, if both parts are tall."""
    if mark.width < max(WIDE * mark.height, SPECK):
        return [mark]
    middle = mark.width // 4
    columns = mark.ink.sum(axis=0)[middle : mark.width - middle]
    cut = middle + int(columns.argmin())
    parts = [_trimmed(mark, 0, cut), _trimmed(mark, cut, mark.width)]
    if columns.min() > 0.3 * mark.height or min(part.height for part in parts) < TALL * mark.height:
        return [mark]
    return [digit for part in parts for digit in _split(part)]


def _trimmed(mark: Mark, start: int, stop: int) -> Mark:
    """The part of a mark between two of its columns."""
    part = mark.ink[:, start:stop]
    rows, columns = _cropped(part)
    return Mark(mark.left + start + columns.start, mark.top + rows.start, part[rows, columns])


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
    fine = _fine(digit)
    pen = _pen_width(fine) * BOX / FINE
    wanted = float(np.clip(pen, *PEN))
    if pen == 0 or (pen == wanted and max(digit.shape) >= BOX):
        return _centred(_boxed(digit))
    return _centred(_boxed(_repenned(fine, pen * FINE / BOX, wanted / BOX)))


def _fine(digit: Array) -> Array:
    """Enlarge (without stairs) or reduce (without losing hairlines) to a long side of FINE."""
    scale = FINE / max(digit.shape)
    if scale < 1:
        digit = cv2.dilate(digit, _disc(round(1 / scale) // 2))
    size = (_side(digit.shape[1] * scale), _side(digit.shape[0] * scale))
    fine = cv2.resize(digit, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    if scale > 2:
        fine = cv2.GaussianBlur(fine, (0, 0), 0.4 * scale)
    return np.pad(np.clip(fine, 0, 1), BOX)  # room for a pen to grow


def _pen_width(fine: Array) -> float:
    """Twice the typical distance from the middle of a stroke to its edge, in pixels; 0 without a stroke."""
    distance, ridge = _ridge(fine)
    return float(2 * np.median(distance[ridge]) - 1) if ridge.any() else 0.0


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
    return np.maximum(redrawn, cv2.dilate(middle, _disc(round(0.5 * PEN[0] * FINE / BOX))))


def _boxed(digit: Array) -> Array:
    """Average down to a long side of BOX."""
    digit = digit[_cropped(digit)]
    scale = BOX / max(digit.shape)
    size = (_side(digit.shape[1] * scale), _side(digit.shape[0] * scale))
    return np.clip(cv2.resize(digit, size, interpolation=cv2.INTER_AREA), 0, 1)  # it rounds to just above 1


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


def _side(length: float) -> int:
    return max(1, round(length))


def _disc(radius: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
