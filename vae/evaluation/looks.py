"""What can be measured of a frame by itself: its pieces, its holes, its greys, its style.

Each is known for a drawn shape without any classifier. A morph is measured by how far its frames are from what
its two ends have: `compared`.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

ENLARGED = 4  # times, before ink is told from paper: as in Morpho-MNIST
INK = 0.5
SPECK = 6  # enlarged pixels; a smaller piece or hole is the edge of a level set, which nobody sees
GREYS = (0.2, 0.8)  # between paper and ink
OUTLYING = 0.01  # of the ink, on either side, is no part of a digit's width and height

STYLES = ("thickness", "slant", "width", "height")


def compared(frames: Tensor) -> dict[str, float]:
    """How the frames `(T, 28, 28)` of one morph differ from what its first and its last frame have.

    `crumbs` and `holes`, the share of frames with more pieces of ink, or more holes, than either end; `grey`, the
    share of their ink that is neither ink nor paper, beyond what the ends have (the line between the two), and
    `greyest`, of the worst frame; and how far each of STYLES is from the line between the ends' values, on
    average: `thickness`, `width`, `height` in pixels, `slant` in radians.
    """
    pieces, holes = topology(frames).unbind(1)
    grey, styles = beyond_ends(grey_share(frames)), beyond_ends(measure_styles(frames)).abs().mean(0)
    return {
        "crumbs": float((pieces > max(pieces[0], pieces[-1])).double().mean()),
        "holes": float((holes > max(holes[0], holes[-1])).double().mean()),
        "grey": float(grey.mean()),
        "greyest": float(grey.max()),
        **dict(zip(STYLES, styles.tolist(), strict=True)),
    }


def beyond_ends(values: Tensor) -> Tensor:
    """`values` `(T, ...)` of frames, less the line from the first to the last."""
    alpha = torch.linspace(0, 1, len(values)).view(-1, *[1] * (values.ndim - 1))
    return values - torch.lerp(values[:1], values[-1:], alpha)


def enlarged_ink(picture: np.ndarray) -> np.ndarray:
    """A picture `(28, 28)` in [0, 1] -> 1 where its enlargement is ink, else 0, with a margin of paper."""
    large = cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_LINEAR)
    return np.pad((large > INK).astype(np.uint8), 1)


def topology(frames: Tensor) -> Tensor:
    """How many pieces of ink each of `frames` `(T, 28, 28)` has, and how many holes: `(T, 2)`.

    Ink hangs together across corners, paper does not.
    """
    counts = []
    for picture in frames.numpy():
        ink = enlarged_ink(picture)
        areas = [
            cv2.connectedComponentsWithStats(mask, connectivity=connectivity)[2][1:, cv2.CC_STAT_AREA]
            for mask, connectivity in ((ink, 8), (1 - ink, 4))
        ]
        pieces, papers = (int((area >= SPECK).sum()) for area in areas)
        counts.append((pieces, papers - 1))  # the paper around the digit is no hole
    return torch.tensor(counts)


def grey_share(frames: Tensor) -> Tensor:
    """The share of the ink of each of `frames` `(T, 28, 28)` that lies in grey pixels: `(T,)`."""
    low, high = GREYS
    grey = frames * ((frames > low) & (frames < high))
    return grey.sum((1, 2)) / frames.sum((1, 2)).clamp_min(1e-6)


def measure_styles(frames: Tensor) -> Tensor:
    """STYLES of digits `(T, 28, 28)`, much as Morpho-MNIST measures them: `(T, 4)`, pixels and (slant) radians.

    Castro et al., Morpho-MNIST, 2019, https://arxiv.org/abs/1809.10780: thickness is twice the mean distance to
    the paper along the middle of the strokes (here the ridges of that distance, which its skeleton follows); slant
    comes from the second moments; width and height are of the parallelogram of that slant around the ink, here
    all but the OUTLYING share on each side.
    """
    axis = torch.arange(frames.shape[-1], dtype=frames.dtype)
    mass = frames.sum((1, 2)).clamp_min(1e-6)
    x, y = axis - (frames.sum(1) @ axis / mass)[:, None], axis - (frames.sum(2) @ axis / mass)[:, None]
    mixed, vertical = torch.einsum("nyx,nx,ny->n", frames, x, y), torch.einsum("nyx,ny->n", frames, y.square())
    shear = mixed / vertical.clamp_min(1e-6)
    upright = (x[:, None] - shear[:, None, None] * y[:, :, None]).flatten(1)
    height = _extent(axis.expand(len(frames), -1), frames.sum(2))
    thickness = torch.tensor([stroke_thickness(picture) for picture in frames.numpy()])
    return torch.stack([thickness, torch.arctan(-shear), _extent(upright, frames.flatten(1)), height], 1)


def stroke_thickness(picture: np.ndarray) -> float:
    """Of a picture `(28, 28)`, in its pixels; 0 without ink."""
    ink = enlarged_ink(picture)
    if not ink.any():
        return 0.0
    depth = cv2.distanceTransform(ink, cv2.DIST_L2, 5)
    ridge = (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (ink > 0)
    return float(2 * depth[ridge].mean() / ENLARGED)


def _extent(place: Tensor, weight: Tensor) -> Tensor:
    """The span of `place` `(N, P)` that holds all of its `weight` `(N, P)` but the outlying: `(N,)`."""
    place, order = place.sort(dim=1)
    share = weight.gather(1, order).cumsum(1)
    share = share / share[:, -1:].clamp_min(1e-6)
    first, last = ((share < limit).sum(1, keepdim=True) for limit in (OUTLYING, 1 - OUTLYING))
    most = place.shape[1] - 1
    return (place.gather(1, last.clamp(max=most)) - place.gather(1, first.clamp(max=most)))[:, 0]
