"""Small pictures as a few kilobytes of JSON, for `static/codec.js` to enlarge and draw.

Logits, not greys: enlarged, they keep contours crisp at any size. Neighbours look alike, so the
differences from picture to picture are sent, which are mostly zero.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from torch import Tensor

LOGITS = 4.0  # levels reach from -LOGITS to LOGITS: ink of 0.018 to 0.982
LEVELS = 63


def pack(frames: Tensor, grid: bool = False) -> dict[str, Any]:
    """Pictures in rows and columns, `(R, C, H, W)` in [0, 1], as JSON; a row is a film or a strip.

    The data are base64(zlib(uint8 (H * W, R, C))): the differences of the levels along each row modulo 256
    and, of a `grid`, whose rows look alike too, then those along the columns.
    """
    rows, columns, height, width = frames.shape
    ink = frames.detach().double().clamp(1e-6, 1 - 1e-6)
    levels = ((ink.logit().clamp(-LOGITS, LOGITS) + LOGITS) / (2 * LOGITS) * LEVELS).round().numpy().astype(np.uint8)
    levels = levels.reshape(rows, columns, -1).transpose(2, 0, 1)
    for axis in (2, 1) if grid else (2,):
        levels = np.diff(levels, axis=axis, prepend=np.zeros_like(levels.take([0], axis)))
    level = 9 if grid else 6  # of a film, 9 saves a hundredth in five times as long; a grid is packed only once
    small = zlib.compress(np.ascontiguousarray(levels).tobytes(), level)
    data = base64.b64encode(small).decode()
    return {"rows": rows, "columns": columns, "height": height, "width": width, "grid": grid, "data": data}


def rounded(values: Tensor, places: int = 3) -> Any:
    """A tensor as nested lists, short in JSON."""
    return (values.double() * 10**places).round().div(10**places).tolist()
