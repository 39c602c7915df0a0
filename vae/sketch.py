"""A drawing, scan or photo -> the digits on it, as MNIST would have them.

    picture --open_image--> PIL image --ink--> (H, W) ink --marks, groups--> digits --as_mnist--> (N, 1, 28, 28)

MNIST's recipe (LeCun et al., http://yann.lecun.com/exdb/mnist): a digit is averaged down, its aspect kept, into a
box of 20x20 pixels, and moved by whole pixels until its centre of mass is the middle of 28x28. Its pens are between
1.8 and 4 of those pixels wide, so a thinner or fatter pen is changed first, while the digit is still large.
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
FINE = 8 * BOX  # long side at which a pen is measured and changed
PEN = (2.0, 3.6)  # widths of MNIST's pens, in pixels of the box; those outside are brought to the nearer end
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


# --- the picture ---------------------------------------------------------------------------------------------------


def open_image(source: Source) -> Image.Image:
    """Open a picture that somebody sent; its size is looked at before it is decoded.

    Args:
        source: a path, the bytes of a file (PNG, JPEG, WebP, BMP, or the first frame of a GIF), a PIL image, or an
            array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8, or bool or float in [0, 1].

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
            file = io.BytesIO(source) if isinstance(source, bytes) else Path(source)
            image = Image.open(file, formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        image.load()
        return ImageOps.exif_transpose(image)
    except UnreadablePicture:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = MAX_PIXELS // 1_000_000
        raise UnreadablePicture(f"This picture is too large; send one of at most {limit} megapixels.") from None
    except FileNotFoundError:
        raise UnreadablePicture("There is no picture of that name.") from None
    except Exception:  # PIL's decoders raise almost anything on a damaged file
        raise UnreadablePicture("This is not a picture I can open; send a PNG, JPEG, WebP, BMP or GIF.") from None


def _from_array(array: NDArray[np.generic]) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise UnreadablePicture("A picture is needed with rows, columns, and one, three or four channels.")
    if array.dtype != np.uint8:
        values = array.astype(np.float64)
        if array.dtype.kind not in "bf" or not (values.min() >= 0 and values.max() <= 1):  # NaN fails both
            raise UnreadablePicture("A picture's values must be whole numbers to 255 or fractions from 0 to 1.")
        array = np.rint(values * 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(array))


# --- its ink -------------------------------------------------------------------------------------------------------


def ink(image: Image.Image) -> Array:
    """Find the ink on a picture, whatever its colours.

    The paper is what most of the border is, so ink may be darker or lighter; on a transparent picture whatever is
    opaque is ink. A flat paper leaves every edge as it was drawn; an uneven one (a photo, a scan) is divided by the
    light that falls on it, and Otsu's threshold (IEEE Trans. SMC 9(1), 1979) tells ink from paper.

    Args:
        image: any mode that PIL knows.

    Returns:
        (H, W) float32 in [0, 1], ink = 1; all zeros where there is none.
    """
    colour, alpha = _colour_and_alpha(image)
    opaque = colour[alpha > 0.5]  # (n, 3)
    if len(opaque) == 0:
        return np.zeros(alpha.shape, np.float32)
    see_through = bool(np.median(_border(alpha)) < 0.5)
    if see_through and np.ptp(np.percentile(opaque, (5, 95), axis=0), axis=0).max() < 0.5:
        return alpha  # one colour on nothing
    if alpha.min() < 1:  # a card with cut corners lies on its own colour, a glaze on white
        ground = np.median(opaque, axis=0) if see_through else np.ones(3)
        colour = (colour * alpha[:, :, None] + ground * (1 - alpha[:, :, None])).astype(np.float32)

    paper = np.median(_border(colour), axis=0)
    if paper.mean() < 0.5:
        colour, paper = 1 - colour, 1 - paper
    drawn = _darkness(colour, paper)
    peak = float(np.percentile(drawn[drawn >= 0.5 * drawn.max()], 90))
    if peak < 0.15:
        return np.zeros_like(drawn)
    off_paper = np.abs(colour - paper.astype(np.float32)).max(axis=2)[drawn < 0.5 * peak]
    if (off_paper < 0.02).mean() > 0.75:  # flat paper
        return np.clip(drawn / peak, 0, 1)
    return _levels(_darkness(colour, _light(colour)))


def _colour_and_alpha(image: Image.Image) -> tuple[Array, Array]:
    """(H, W, 3) colour and (H, W) alpha, float32 in [0, 1]."""
    if image.mode in ("F", "I") or image.mode.startswith("I;"):  # 16 bits, or scientific
        grey = np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0, neginf=0)
        top = next((top for top in (1, 255, 65535) if grey.max() <= top), grey.max())
        grey = np.clip(grey / top, 0, 1).astype(np.float32)
        return np.repeat(grey[:, :, None], 3, axis=2), np.ones_like(grey)
    pixels = np.asarray(image.convert("RGBA"), dtype=np.float32) / 255
    return pixels[:, :, :3], pixels[:, :, 3]


def _border(pixels: Array) -> Array:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _darkness(colour: Array, paper: NDArray[np.floating]) -> Array:
    """How much of the paper's light is gone, in the channel that lost most: (H, W) in [0, 1]."""
    return np.clip(1 - (colour / np.maximum(paper, 0.05)).min(axis=2), 0, 1).astype(np.float32)


def _light(colour: Array) -> Array:
    """The light on the paper: the picture made small, its dark strokes closed, made large and smooth again."""
    height, width = colour.shape[:2]
    scale = min(1.0, 64 / max(height, width))
    small = cv2.resize(colour, (_side(width * scale), _side(height * scale)), interpolation=cv2.INTER_AREA)
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, _disc(8))
    return cv2.resize(cv2.GaussianBlur(closed, (0, 0), 3), (width, height), interpolation=cv2.INTER_LINEAR)


def _levels(dark: Array) -> Array:
    """Stretch between paper and ink, told apart by Otsu's threshold."""
    threshold = cv2.threshold(np.rint(dark * 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)[0] / 255
    inked = dark > threshold
    if not inked.any() or inked.all():
        return np.zeros_like(dark)
    full, paper = float(np.median(dark[inked])), float(np.median(dark[~inked]))
    if full - paper < 0.15:
        return np.zeros_like(dark)
    zero = 2 * threshold - full if 2 * threshold - full > paper else 0.5 * (threshold + paper)
    return np.clip((dark - zero) / (full - zero), 0, 1).astype(np.float32)


# --- its digits ----------------------------------------------------------------------------------------------------


class Mark(NamedTuple):
    """One connected piece of ink: its box on the picture, and its own ink in that box."""

    left: int
    top: int
    ink: Array  # (height, width), other marks' ink removed

    @property
    def right(self) -> int:
        return self.left + self.ink.shape[1]

    @property
    def bottom(self) -> int:
        return self.top + self.ink.shape[0]

    @property
    def height(self) -> int:
        return self.ink.shape[0]

    @property
    def width(self) -> int:
        return self.ink.shape[1]


def read_digits(
    image: Source | None, *, max_digits: int = 4, single: bool = False
) -> torch.Tensor:
    """Read the digits on a picture, left to right.

    Args:
        image: whatever `open_image` opens; None is an untouched pad.
        max_digits: more digits than this are refused.
        single: everything on the picture is one digit; nothing is split.

    Returns:
        (N, 1, 28, 28) float32 in [0, 1], contiguous, ink = 1, N >= 1, each digit scaled, placed and penned as in MNIST.

    Raises:
        EmptyDrawing: there is no ink, or only specks of dust.
        BadRequest: there are more than `max_digits` digits.
        UnreadablePicture: see `open_image`.
    """
    if image is None:
        raise EmptyDrawing("Nothing is drawn yet; draw a digit first.")
    picture = open_image(image)
    picture = picture.reduce(-(-max(picture.size) // WORK_SIDE)) if max(picture.size) > WORK_SIDE else picture
    marks = _marks(ink(picture))
    if not marks:
        raise EmptyDrawing("I see no digit here; draw one with a few strokes.")
    if single:
        digits = [_merge(marks)]
    else:
        _check_count(len(marks), 10 * max_digits)  # pairs of them would take long
        digits = [part for group in _groups(marks) for part in _split(group)]
        _check_count(len(digits), max_digits)
        digits.sort(key=lambda digit: digit.left + digit.right)
    return torch.from_numpy(np.stack([as_mnist(digit.ink) for digit in digits])[:, None])


def _check_count(count: int, most: int) -> None:
    raise NotImplementedError
