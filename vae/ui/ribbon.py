"""What the reader sees in the frames of a morph, digit by digit, also where digits move, appear or vanish."""

from __future__ import annotations

import functools
from itertools import pairwise

import torch
from torch import Tensor

from vae.classifier import Classifier, load_classifier, probabilities
from vae.morphing import apart, clock, standing
from vae.request import MorphResult

LEAST_INK = 8.0  # pixels; what has less is no digit yet, whatever a classifier may call it

Seen = list[float] | None
"""A digit and how sure the reader is of it; None where there is no ink."""


def ribbon(frames: Tensor, result: MorphResult) -> list[list[Seen]]:
    """For each place of the widest number and each frame (without the first and the last hold) what the
    reader sees; units are the last row. Places that no number has are left out."""
    rows: list[list[Seen]] = [[None] * len(frames) for _ in range(frames.shape[2] // 28)]
    for frame, digits in parted(frames, result):
        for row, line in zip(reversed(rows), reversed(seen(digits)), strict=False):
            row[frame : frame + len(line)] = line
    return [row for row in rows if any(row)]


def parted(frames: Tensor, result: MorphResult) -> list[tuple[int, Tensor]]:
    """For each number and the next, the first of their frames and their digits, each on its own:
    `(T, N, 28, 28)`. Every frame is in one of them."""
    request, places, start = result.request, frames.shape[2] // 28, 0
    hold = round(request.hold * request.fps)
    time, parts = clock(request.steps, request.speed), []
    for k, (a, b) in enumerate(pairwise(len(reading.digits) for reading in result.readings), start=2):
        last = k == len(result.readings)
        times = time if last else torch.cat([time[:-1], time.new_ones(hold)])
        part = frames[start : start + len(times)]
        parts.append((start, apart(part, *standing(a, b, places, times))))
        start += len(times)
    return parts


def seen(digits: Tensor) -> list[list[Seen]]:
    """What the reader sees in digits `(T, N, 28, 28)`: N lines of T."""
    with torch.inference_mode():
        sure, digit = probabilities(reader(), digits.flatten(0, 1)[:, None]).max(1)
    ink = digits.sum((2, 3)).flatten() >= LEAST_INK
    found: list[Seen] = [
        [int(d), round(p, 2)] if there else None
        for d, p, there in zip(digit.tolist(), sure.tolist(), ink.tolist(), strict=True)
    ]
    return [found[n :: digits.shape[1]] for n in range(digits.shape[1])]


@functools.cache
def reader() -> Classifier:
    return load_classifier("reader")
