"""Ink at 28x28 -> crisp large grey pictures, filmstrips and contact sheets. Knows nothing of models.

Throughout, `frames` is anything `np.asarray` reads (a NumPy array, a detached CPU tensor): float
(T, H, W) or (T, 1, H, W) in [0, 1], ink = 1; H is 28 (14 for the `tiny` model) and W is H times
the number of digits. Pictures are uint8 greys (R = G = B), 0 black to 255 white.

Enlarging the grey values would blur. The *logits* behave like a distance to the edge of the stroke
(the idea of Green, "Improved alpha-tested magnification", SIGGRAPH 2007), so they are enlarged and
then cut to a narrow ramp, which makes smooth, crisp contours. The kernel is the cubic B-spline:
without negative lobes, it cannot ring, and diagonal strokes come out straighter than with Lanczos.
"""

from functools import lru_cache
from numbers import Integral
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from vae.errors import BadRequest

Picture = NDArray[np.uint8]
Style = Literal["ink", "pixels", "chalk"]


class Ramp(NamedTuple):
    """The greys, 0 to 255, that no ink and full ink are drawn in."""

    paper: int
    ink: int


STYLES: dict[Style, Ramp] = {
    "ink": Ramp(paper=255, ink=20),  # dark ink on white paper
    "pixels": Ramp(paper=255, ink=0),  # the pixels as the model sees them, nearest neighbour
    "chalk": Ramp(paper=38, ink=240),  # light chalk on slate
}
SIZES = (28, 2048)  # px, the height of a picture
WIDEST = 8192  # px

_FLOOR = 0.02  # logits are taken of p in [_FLOOR, 1 - _FLOOR]; beyond, a pixel says nothing about its edge
_EDGE = float(np.log(0.25 / 0.75))  # where the contour lies: below 0.5, so that thin grey strokes survive
_GAIN = 1.1  # ramp per logit: 0.9 logits from paper to ink, about 3 px of 512
_BLOCK = 96  # px: few source pixels matter to a block, so its products are cheap; and they are so small
#             that BLAS keeps to one thread, where several wait on each other whenever cores are busy
_ROWS = 192  # px of pictures on top of each other that a product makes: small enough for one thread as well
_BUFFER = 2**18  # floats of scratch, so that it stays in the cache


def as_ink(frames: Any) -> NDArray[np.float32]:
    """Frames, see above -> float32 array (T, H, W) in [0, 1]: the very same where they are that already.

    ValueError for any other shape or range.
    """
    ink = np.asarray(frames, dtype=np.float32)
    if ink.ndim == 4 and ink.shape[1] == 1:
        ink = ink[:, 0]
    if ink.ndim != 3 or 0 in ink.shape:
        raise ValueError(f"expected frames (T, H, W) or (T, 1, H, W), at least one; got {np.shape(frames)}")
    low, high = float(ink.min()), float(ink.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # false for NaN too
        raise ValueError(f"expected ink in [0, 1]; got values from {low} to {high}")
    return ink if low >= 0 and high <= 1 else np.clip(ink, 0.0, 1.0)


def picture_size(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    """Shape (..., H, W) of frames and a height in px -> even (height, width) of the picture, aspect kept.

    BadRequest unless `size` is a whole number in SIZES and the picture is no wider than WIDEST.
    """
    if not isinstance(size, Integral) or not SIZES[0] <= size <= SIZES[1]:
        raise BadRequest(f"The size must be a whole number of pixels between {SIZES[0]} and {SIZES[1]}.")
    rows, columns = shape[-2:]
    height = int(size) + int(size) % 2
    width = max(2, 2 * round(height * columns / rows / 2))
    if width > WIDEST:
        raise BadRequest(f"The picture would be {width} pixels wide; at most {WIDEST} are possible.")
    return height, width


def render_frames(frames: Any, size: int = 512, style: Style = "ink", black: int = 0, white: int = 255) -> Picture:
    """Frames (T, H, W) in [0, 1] -> pictures, uint8 (T, size, width).

    `size` is the height in px; it and the width, which keeps the aspect, are rounded to even numbers.
    `black` and `white` are the values which the greys 0 and 255 become, such as 16 and 235 for video.
    ValueError for frames that are not ink; BadRequest for a style or size that does not exist.
    """
    paper, ink = (black + (white - black) * grey / 255 for grey in _ramp(style))
    enlarge = _enlarge_pixels if style == "pixels" else _enlarge
    return enlarge(as_ink(frames), size, round(paper), round(ink))


def transparent(frames: Any, size: int = 512) -> Picture:
    """Frames (T, H, W) in [0, 1] -> black ink on nothing, uint8 RGBA (T, size, width, 4), alpha = ink."""
    alpha = _enlarge(as_ink(frames), size, 0, 255)
    rgba = np.zeros((*alpha.shape, 4), np.uint8)
    rgba[..., 3] = alpha
    return rgba


def filmstrip(frames: Any, count: int = 12, size: int = 96, style: Style = "ink") -> Picture:
    """Frames (T, H, W) -> uint8 (size, width): `count` of them side by side, evenly chosen.

    First and last are among them (T frames if there are fewer than `count`); hairlines part them.
    """
    ink = as_ink(frames)
    chosen = np.linspace(0, len(ink) - 1, min(max(1, count), len(ink))).round().astype(int)
    h, w = picture_size(ink.shape, size)
    gap = max(1, size // 96)
    strip = np.full((h, len(chosen) * (w + gap) - gap), _hairline(style), np.uint8)
    for i, frame in enumerate(chosen):  # one at a time: large pictures are not held twice
        strip[:, i * (w + gap) : i * (w + gap) + w] = render_frames(ink[frame][None], size, style)[0]
    return strip


def grid(
    images: Any, columns: int | None = None, below: Any = None, size: int = 56, gap: int = 2, style: Style = "ink"
) -> Picture:
    """Images (N, H, W) or (N, 1, H, W) -> one contact sheet, uint8 (h, w), row by row.

    `columns` defaults to the squarest sheet, or to one row with `below`: as many images again
    (reconstructions), each set under the image it belongs to. `size` is the height of an image
    and `gap` the hairline between two, both in px.
    """
    pictures = render_frames(images, size, style)
    columns = columns or (int(np.ceil(len(pictures) ** 0.5)) if below is None else len(pictures))
    if below is not None:
        others = render_frames(below, size, style)
        if others.shape != pictures.shape:
            raise ValueError(f"expected as many images below as above; got {len(others)} and {len(pictures)}")
        rows = [range(i, min(i + columns, len(pictures))) for i in range(0, len(pictures), columns)]
        bands = [_tile(half[list(row)], columns, gap, _hairline(style)) for row in rows for half in (pictures, others)]
        return _tile(np.stack(bands), 1, gap, _hairline(style))
    return _tile(pictures, columns, gap, _hairline(style))


def _ramp(style: Style) -> Ramp:
    if style not in STYLES:
        raise BadRequest(f"There is no style {style!r}; choose one of {', '.join(get_args(Style))}.")
    return STYLES[style]


def _hairline(style: Style) -> int:
    """The grey between pictures: the paper, a fifth of the way to ink."""
    paper, ink = _ramp(style)
    return round(paper + (ink - paper) / 5)


def _tile(pictures: Picture, columns: int, gap: int, grey: int) -> Picture:
    """Pictures (N, h, w) -> (R h + (R - 1) gap, columns w + (columns - 1) gap); free places stay `grey`."""
    count, h, w = pictures.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap), grey, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = i // columns * (h + gap), i % columns * (w + gap)
        sheet[y : y + h, x : x + w] = picture
    return sheet


def _enlarge_pixels(ink: NDArray[np.float32], size: int, paper: int, black: int) -> Picture:
    """The pixels themselves, (T, H, W) -> (T, h, w): nearest neighbour."""
    h, w = picture_size(ink.shape, size)
    grey = (paper + (black - paper) * ink + 0.5).astype(np.uint8)
    rows, columns = np.arange(h) * ink.shape[1] // h, np.arange(w) * ink.shape[2] // w
    return grey[:, :, columns][:, rows]  # whole rows last: they copy quickly


def _enlarge(ink: NDArray[np.float32], size: int, paper: int, black: int) -> Picture:
    """Logits enlarged by two matrix products and cut to the ramp from `paper` to `black`.

    The weights of every pixel sum to 1, so gain, offset and the ramp's greys are applied to the
    few source pixels; what is left for each large pixel is the products, a clip and a cast.
    """
    h, w = picture_size(ink.shape, size)
    p = np.clip(ink, _FLOOR, 1 - _FLOOR)
    alpha = _GAIN * 28 / ink.shape[1] * (np.log(p / (1 - p)) - _EDGE) + 0.5
    grey = (paper + (black - paper) * alpha + 0.5).astype(np.float32)  # + 0.5: the cast truncates
    low, high = min(paper, black) + 0.5, max(paper, black) + 0.5
    down, across = _blocks(ink.shape[1], h), _blocks(ink.shape[2], w, turned=True)

    pictures = np.empty((len(ink), h, w), np.uint8)
    step = max(1, min(_ROWS // min(_BLOCK, h), _BUFFER // (_BLOCK * w)))
    scratch = np.empty((step * min(_BLOCK, h), w), np.float32)
    for start in range(0, len(ink), step):
        some = grey[start : start + step]  # (t, H, W)
        for above, rows, weights in down:
            tall = np.matmul(weights, some[:, above]).reshape(-1, some.shape[2])  # (t * block, W)
            large = scratch[: len(tall)]  # (t * block, w)
            for beside, columns, side in across:
                np.matmul(tall[:, beside], side, out=large[:, columns])
            np.clip(large, low, high, out=large)
            np.copyto(pictures[start : start + step, rows], large.reshape(len(some), -1, w), casting="unsafe")
    return pictures


@lru_cache(maxsize=32)
def _weights(n: int, m: int) -> NDArray[np.float32]:
    """Cubic B-spline weights (m, n) that resample n pixels to m; rows sum to 1, edge pixels repeat."""
    scale = max(1.0, n / m)  # a wider kernel when shrinking
    centre = (np.arange(m) + 0.5) * n / m - 0.5
    reach = int(np.ceil(2 * scale))
    weights = np.zeros((m, n))
    for tap in range(-reach + 1, reach + 1):
        pixel = np.floor(centre).astype(int) + tap
        t = np.abs(centre - pixel) / scale
        value = np.where(t < 1, 2 / 3 - t * t * (1 - t / 2), np.clip(2 - t, 0, None) ** 3 / 6)
        np.add.at(weights, (np.arange(m), pixel.clip(0, n - 1)), value)
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    weights.flags.writeable = False  # shared by all callers
    return weights


@lru_cache(maxsize=32)
def _blocks(n: int, m: int, turned: bool = False) -> list[tuple[slice, slice, NDArray[np.float32]]]:
    """The rows of `_weights(n, m)` in blocks: (source slice of n, target slice of m, weights); `turned`, their
    transposes, laid out in memory as such, for products from the right: twice as quick."""
    weights = _weights(n, m)
    blocks = []
    for start in range(0, m, _BLOCK):
        target = slice(start, min(start + _BLOCK, m))
        used = np.flatnonzero(weights[target].any(0))
        source = slice(int(used[0]), int(used[-1]) + 1)
        own = weights[target, source]
        blocks.append((source, target, np.ascontiguousarray(own.T if turned else own)))
    return blocks
