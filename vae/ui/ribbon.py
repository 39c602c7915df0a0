"""What the reader sees in the frames of a morph, digit by digit, also where digits move, appear or vanish."""

from __future__ import annotations

from torch import Tensor

from vae.pipeline import Pipeline

LEAST_INK = 8.0  # pixels; what has less is no digit yet, whatever a classifier may call it

Seen = list[float] | None
"""A digit and how certain the reader is of it; None where there is no ink."""


def seen_by_reader(pipeline: Pipeline, digits: Tensor) -> list[list[Seen]]:
    """What the reader sees in digits `(T, N, 28, 28)`: N lines of T."""
    digit, certainty = pipeline.read(digits.flatten(0, 1)[:, None])
    inked = digits.sum((2, 3)).flatten() >= LEAST_INK
    found: list[Seen] = [
        [int(d), round(p, 2)] if ink else None
        for d, p, ink in zip(digit.tolist(), certainty.tolist(), inked.tolist(), strict=True)
    ]
    return [found[n :: digits.shape[1]] for n in range(digits.shape[1])]
