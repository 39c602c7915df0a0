"""Frames as a few kilobytes for the page's own canvases, where `static/film.js` enlarges them.

Logits, not greys: the contours stay crisp at any size. Each pixel is told by its change since the frame
before, which is mostly nothing, so that little is left after zlib.
"""

from __future__ import annotations

import base64
import math
import zlib

import torch
from torch import Tensor

LEVELS = 63
REACH = math.log(49)  # logit of 0.98; beyond, a pixel says nothing about its edge (as in vae.render)


def packed(frames: Tensor) -> str:
    """Frames `(E, T, H, W)` in [0, 1] -> base64(zlib(bytes)), one byte a pixel: 0 for a logit of -REACH or
    less up to LEVELS for REACH or more, as the difference (modulo 256) to the frame before."""
    levels = ((frames.clamp(1e-6, 1 - 1e-6).logit() / REACH).clamp(-1, 1) + 1) * (LEVELS / 2)
    whole = levels.round().to(torch.uint8)
    whole[:, 1:] = whole[:, 1:] - whole[:, :-1].clone()
    return base64.b64encode(zlib.compress(whole.numpy().tobytes(), 6)).decode()
