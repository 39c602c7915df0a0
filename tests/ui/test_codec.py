import base64
import zlib

import numpy as np
import torch

from vae.ui.levels import LEVELS, LOGITS, packed


def unpacked(sheet: dict) -> np.ndarray:
    """What crisp.js does: sums along the rows and the columns, modulo 256."""
    size = sheet["size"] ** 2
    steps = np.frombuffer(zlib.decompress(base64.b64decode(sheet["data"])), np.uint8)
    steps = steps.reshape(size, sheet["rows"], sheet["columns"])
    levels = steps.cumsum(1, dtype=np.uint8).cumsum(2, dtype=np.uint8)
    return levels.transpose(1, 2, 0)


def test_packed_pictures_are_their_logits_in_levels() -> None:
    pictures = torch.rand(3, 4, 28, 28, generator=torch.Generator().manual_seed(0))
    pictures[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    sheet = packed(pictures)
    assert (sheet["rows"], sheet["columns"], sheet["size"]) == (3, 4, 28)
    levels = unpacked(sheet)
    assert levels.max() == LEVELS and levels.min() == 0
    logits = levels / LEVELS * 2 * LOGITS - LOGITS
    wanted = pictures.reshape(3, 4, -1).logit().clamp(-LOGITS, LOGITS)
    assert np.abs(logits - wanted.numpy()).max() <= LOGITS / LEVELS + 1e-4


def test_pictures_that_change_slowly_take_little() -> None:
    slope = torch.linspace(0, 1, 28)
    noise = torch.rand(20, 20, 28, 28, generator=torch.Generator().manual_seed(0))
    shift = torch.linspace(0, 0.2, 20)[:, None, None, None] + torch.linspace(0, 0.2, 20)[:, None, None]
    smooth = (shift + 0.3 + 0.3 * slope).expand(20, 20, 28, 28)
    assert len(packed(smooth)["data"]) < len(packed(noise)["data"]) / 10
