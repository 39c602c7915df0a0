"""What the usual script does for a morph: one decode by an MLP, `cv2.resize`, `cv2.VideoWriter`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from vae.model import VAE


@torch.inference_mode()
def classic(mlp: VAE, source: Tensor, target: Tensor, path: Path, steps: int = 60, size: int = 512) -> None:
    """The numbers `source` and `target` `(N, 1, 28, 28)` as a Motion JPEG at `path`: a straight line through the
    latent space, decoded at once, each frame enlarged to `size` px of height and written."""
    alpha = torch.linspace(0, 1, steps)[:, None, None]
    z = (1 - alpha) * mlp.encode(source)[0] + alpha * mlp.encode(target)[0]  # (T, N, D)
    digits = mlp.decode(z.flatten(0, 1)).view(steps, len(source), 28, 28)
    frames = ((1 - digits.transpose(1, 2).flatten(2)) * 255).to(torch.uint8).numpy()  # (T, 28, 28 * N)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 30, (size * len(source), size))
    for frame in frames:
        large = cv2.resize(np.ascontiguousarray(frame), (size * len(source), size), interpolation=cv2.INTER_CUBIC)
        writer.write(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR))
    writer.release()
