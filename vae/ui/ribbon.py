"""What the reader sees in the frames of a morph, digit by digit, also where digits move, appear or vanish."""

from __future__ import annotations

import torch
from torch import Tensor

from vae import giving_up
from vae.pipeline import Pipeline

LEAST_INK = 8.0  # pixels; what has less is no digit yet, whatever a classifier may call it
AT_ONCE = 1000  # digits to read: a long sequence has ten times as many, and may be given up meanwhile
SETTLED = 0.98  # certainty of two frames that read alike, between which another is not read

Seen = list[float] | None
"""A digit and how certain the reader is of it; None where there is no ink."""


def seen_by_reader(pipeline: Pipeline, digits: Tensor) -> list[list[Seen]]:
    """What the reader sees in digits `(T, N, 28, 28)`: N lines of T.

    Every other frame is read, and of the others those that do not stand between two that read alike.
    """
    inked = digits.sum((2, 3)) >= LEAST_INK
    digit, sure = torch.full(inked.shape, -1), torch.zeros(inked.shape)

    def read(wanted: Tensor) -> None:
        for at in wanted.nonzero().split(AT_ONCE):
            giving_up.check()
            rows, columns = at.T
            digit[rows, columns], sure[rows, columns] = pipeline.read(digits[rows, columns][:, None])

    first = torch.arange(len(digits)) % 2 == 0
    first[-1] = True
    read(inked & first[:, None])
    alike = (digit[:-2] == digit[2:]) & (torch.minimum(sure[:-2], sure[2:]) >= SETTLED)
    between = torch.zeros_like(inked)
    between[1:-1] = alike & inked[1:-1] & ~first[1:-1, None]
    read(inked & ~first[:, None] & ~between)
    rows, columns = between.nonzero().T
    before, after = (rows - 1, columns), (rows + 1, columns)
    digit[rows, columns], sure[rows, columns] = digit[before], (sure[before] + sure[after]) / 2
    return [
        [[d, round(p, 2)] if d >= 0 else None for d, p in zip(*line, strict=True)]
        for line in zip(digit.T.tolist(), sure.T.tolist(), strict=True)
    ]
