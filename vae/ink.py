"""A picture that somebody sent -> the ink on it: `open_image` and `find_ink`."""

import io
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from vae.errors import UnreadablePicture
from vae.paper import find_sheet, flattened, without_lines
from vae.picture_file import plain

Array = NDArray[np.float32]
Source = str | PathLike[str] | bytes | Image.Image | NDArray[np.generic]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 4_000_000
MAX_SIDE = 20_000  # at 4 megapixels a longer picture is, reduced, under 12 pixels wide: no digit is as thin
MAX_EXIF = 65_536  # a JPEG holds no more; PIL copies what each tag points at, all may point at all of it
WORK_SIDE = 1200  # a larger picture is reduced before it is read: a digit never needs more
CONTRAST = 0.15  # fainter ink than this is none: shadows, noise

TURNS = dict(
    enumerate(
        (
            Image.Transpose.FLIP_LEFT_RIGHT,
            Image.Transpose.ROTATE_180,
            Image.Transpose.FLIP_TOP_BOTTOM,
            Image.Transpose.TRANSPOSE,
            Image.Transpose.ROTATE_270,
            Image.Transpose.TRANSVERSE,
            Image.Transpose.ROTATE_90,
        ),
        start=2,
    )
)
TOO_LARGE = f"This picture is too large; send one of at most {MAX_PIXELS // 1_000_000} megapixels."
TOO_LONG = f"This picture is too long and thin; send one of at most {MAX_SIDE:,} pixels a side."
EMPTY = "A picture is needed with rows, columns, and one, three or four channels."


class Piece(NamedTuple):
    """Some of the ink: where its box stands on the picture, and its own ink `(H, W)` in that box."""

    left: int
    top: int
    ink: Array

    @property
    def right(self) -> int:
        return self.left + self.ink.shape[1]

    @property
    def bottom(self) -> int:
        return self.top + self.ink.shape[0]


def open_image(source: Source) -> Image.Image:
    """Open a picture that somebody sent; its size is looked at before it is decoded.

    Args:
        source: a path, the bytes of a file (PNG, JPEG, WebP, BMP, or the first frame of a GIF), a PIL image,
            or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8, or bool or float in [0, 1].

    Returns:
        The decoded image in its own mode, turned the way its EXIF orientation says.

    Raises:
        UnreadablePicture: no such file, not a picture, damaged, of another format, above 4 megapixels, or
            above 20,000 pixels a side.
    """
    try:
        if isinstance(source, np.ndarray):
            image = _from_array(source)
        elif isinstance(source, Image.Image):
            image = source
        else:
            data = source if isinstance(source, bytes) else Path(source).read_bytes()
            image = Image.open(io.BytesIO(plain(data)), formats=FORMATS)
        _check_size(*image.size)
        image.load()
        return _upright(image)
    except UnreadablePicture:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadablePicture(TOO_LARGE) from None
    except FileNotFoundError:
        raise UnreadablePicture("There is no picture of that name.") from None
    except Exception:  # PIL's decoders raise almost anything on a damaged file
        raise UnreadablePicture("This is not a picture I can open; send a PNG, JPEG, WebP, BMP or GIF.") from None


def _check_size(width: int, height: int) -> None:
    if width == 0 or height == 0:
        raise UnreadablePicture(EMPTY)
    if width * height > MAX_PIXELS:
        raise UnreadablePicture(TOO_LARGE)
    if max(width, height) > MAX_SIDE:
        raise UnreadablePicture(TOO_LONG)


def _from_array(array: NDArray[np.generic]) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise UnreadablePicture(EMPTY)
    _check_size(array.shape[1], array.shape[0])
    if array.dtype != np.uint8:
        if array.dtype.kind not in "bf" or not (array.min() >= 0 and array.max() <= 1):  # NaN fails both
            raise UnreadablePicture("A picture's values must be whole numbers to 255 or fractions from 0 to 1.")
        # row by row: the whole picture as float64 would be 128 MB
        array = np.stack([np.rint(row.astype(np.float64) * 255).astype(np.uint8) for row in array])
    return Image.fromarray(np.ascontiguousarray(array))


def _upright(image: Image.Image) -> Image.Image:
    """A copy the way round that EXIF says: as ImageOps.exif_transpose does, which writes all EXIF anew."""
    exif = image.getexif() if len(image.info.get("exif", b"")) <= MAX_EXIF else {}
    turn = TURNS.get(exif.get(ExifTags.Base.Orientation, 1))
    return image.copy() if turn is None else image.transpose(turn)


def _reduced(image: Image.Image) -> Image.Image:
    """A large picture, averaged down by a whole number to at most WORK_SIDE pixels a side."""
    factor = -(-max(image.size) // WORK_SIDE)
    if factor == 1:
        return image
    return (Image.fromarray(_grey(image)) if _is_deep(image) else _rgba(image)).reduce(factor)


def find_ink(image: Image.Image) -> Array:
    """Find the ink on a picture, whatever its colours.

    The paper is what most of the border is, so ink may be darker or lighter; on a transparent picture what is
    opaque is ink. A flat paper leaves every edge as it was drawn; an uneven one (a photo, a scan) is divided
    by the light that falls on it, and Otsu's threshold (IEEE Trans. SMC 9(1), 1979) tells ink from paper.

    Args:
        image: any mode that PIL knows; one of more than WORK_SIDE pixels a side is reduced first.

    Returns:
        (H, W) float32 in [0, 1], ink = 1, at most WORK_SIDE a side; all zeros where there is none.
    """
    colour, alpha = _colour_and_alpha(_reduced(image))
    if alpha.min() == 1:
        sheet = find_sheet(colour.mean(axis=0))
        if sheet is not None:
            colour = flattened(colour, sheet)
            alpha = np.ones_like(colour[0])
    else:
        ground = _ground(colour, alpha)
        if ground is None:
            return alpha
        colour = (ground + (colour - ground) * alpha).astype(np.float32)
    ground = np.median(_border(colour), axis=1)[:, None, None]
    darker = (ground - colour.min((1, 2), keepdims=True)).max()
    lighter = (colour.max((1, 2), keepdims=True) - ground).max()
    if max(darker, lighter) < CONTRAST:
        return np.zeros_like(alpha)
    if darker < CONTRAST or (lighter >= CONTRAST and ground.mean() < 0.5):
        colour, ground = 1 - colour, 1 - ground
    drawn = _darkness(colour, ground)
    peak = float(np.percentile(drawn[drawn >= 0.5 * drawn.max()], 90))
    if peak < CONTRAST:
        return np.zeros_like(drawn)
    off_paper = np.abs(colour - ground).max(axis=0)[drawn < 0.5 * peak]
    if np.count_nonzero(off_paper < 0.02) > 0.75 * off_paper.size:
        return without_lines(np.minimum(drawn / peak, 1))
    return without_lines(_levels(_darkness(colour, _light(colour))))


def _ground(colour: Array, alpha: Array) -> Array | None:
    """The colour (C, 1, 1) to put under a partly transparent picture; None if its opacity is the ink."""
    if np.median(_border(alpha)) >= 0.5:
        return np.ones((len(colour), 1, 1), np.float32)
    opaque = colour[:, alpha > 0.5]  # (C, n)
    if opaque.size < 0.3 * colour.size or np.ptp(opaque, axis=1).max() < 0.5:
        return None  # strokes on nothing
    return np.median(opaque, axis=1)[:, None, None]  # a drawn card with nothing around it lies on its own colour


def _colour_and_alpha(image: Image.Image) -> tuple[Array, Array]:
    """(3, H, W) or (1, H, W) colour and (H, W) alpha, float32 in [0, 1]."""
    if _is_deep(image):
        grey = _grey(image)
        return grey[None], np.ones_like(grey)
    planes = np.stack([np.asarray(band, np.float32) / np.float32(255) for band in _rgba(image).split()])
    return planes[:3], planes[3]


def _grey(image: Image.Image) -> Array:
    """A deep picture as (H, W) float32 in [0, 1]: in place, as it is not reduced yet."""
    values = np.array(image, np.float32)
    np.nan_to_num(values, copy=False, posinf=0, neginf=0)
    values /= next((top for top in (1, 255, 65535) if values.max() <= top), values.max())
    return np.clip(values, 0, 1, out=values)


def _rgba(image: Image.Image) -> Image.Image:
    by_way_of = {"LAB": "RGB", "La": "LA"}.get(image.mode)  # LAB's alpha would be arbitrary, La has no way
    return (image.convert(by_way_of) if by_way_of else image).convert("RGBA")


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
    size = (at_least_one(width * scale), at_least_one(height * scale))
    small = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in colour]
    closed = [cv2.morphologyEx(plane, cv2.MORPH_CLOSE, disc(8)) for plane in small]
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


def at_least_one(length: float) -> int:
    return max(1, round(length))


def disc(radius: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
