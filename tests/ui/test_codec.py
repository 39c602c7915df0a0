import base64
import zlib

import numpy as np
import pytest
import torch

from vae.ui.codec import LEVELS, LOGITS, pack


def unpacked(packed: dict) -> np.ndarray:
    """What codec.js does: levels `(rows, columns, pixels)`, summed along the rows, and the columns of a grid."""
    steps = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    steps = steps.reshape(packed["height"] * packed["width"], packed["rows"], packed["columns"])
    levels = steps.cumsum(2, dtype=np.uint8)
    return (levels.cumsum(1, dtype=np.uint8) if packed["grid"] else levels).transpose(1, 2, 0)


@pytest.mark.parametrize("grid", [False, True])
def test_packed_pictures_are_their_logits_in_levels(grid: bool) -> None:
    pictures = torch.rand(3, 4, 28, 56, generator=torch.Generator().manual_seed(0))
    pictures[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    packed = pack(pictures, grid)
    assert [packed[name] for name in ("rows", "columns", "height", "width")] == [3, 4, 28, 56]
    levels = unpacked(packed)
    assert levels.max() == LEVELS and levels.min() == 0
    logits = levels / LEVELS * 2 * LOGITS - LOGITS
    wanted = pictures.reshape(3, 4, -1).logit().clamp(-LOGITS, LOGITS)
    assert np.abs(logits - wanted.numpy()).max() <= LOGITS / LEVELS + 1e-4


def test_pictures_that_change_slowly_take_little() -> None:
    slope = torch.linspace(0, 1, 28)
    noise = torch.rand(20, 20, 28, 28, generator=torch.Generator().manual_seed(0))
    shift = torch.linspace(0, 0.2, 20)[:, None, None, None] + torch.linspace(0, 0.2, 20)[:, None, None]
    smooth = (shift + 0.3 + 0.3 * slope).expand(20, 20, 28, 28)
    along_rows, both_ways = (len(pack(smooth, grid)["data"]) for grid in (False, True))
    assert along_rows < len(pack(noise)["data"]) / 10
    assert both_ways < along_rows
