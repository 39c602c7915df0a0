"""How well numbers are read, by the gap between their digits: `python -m tests.benchmarks.bench_reading`.

Numbers of two to four digits are put together from drawings (DIGIT_MORPH_SKETCHES) and from MNIST's test digits
(DIGIT_MORPH_DATA), the gap between their ink a share of their height; less than none overlaps. Constants were chosen
and the segmenter was trained on MNIST's training digits and on the drawings of even number: the rest is reported.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from vae.errors import BadRequest
from vae.pipeline import default_pipeline
from vae.reading import Reading, read_number
from vae.training.numbers import HELD_BACK, LEARNT_FROM, Drawn, compose, cropped, drawings

GAPS = (0.25, 0.10, 0.03, 0.0, -0.02, -0.04, -0.06, -0.08)


class Shown(NamedTuple):
    """A picture (H, W), white paper = 255, and the number on it."""

    text: str
    picture: NDArray[np.uint8]


def mnist(train: bool, count: int = 2000) -> list[Drawn]:
    """MNIST's digits, the last ones of the training set or the first ones of the test set."""
    from torchvision.datasets import MNIST

    data = MNIST(os.environ["DIGIT_MORPH_DATA"], train=train)
    some = slice(-count, None) if train else slice(count)
    pairs = zip(data.targets[some].tolist(), data.data[some].numpy(), strict=True)
    return [Drawn(label, cropped(ink.astype(np.float32) / 255)) for label, ink in pairs]


def shown(digits: list[Drawn], gap: float, random: np.random.Generator) -> Shown:
    """Digits on paper, in the usual sizes of a pad."""
    number = compose(digits, random.uniform(70, 180), [gap] * len(digits), random)
    return Shown("".join(map(str, number.labels)), np.rint(255 * (1 - number.ink)).astype(np.uint8))


def numbers(digits: list[Drawn], gap: float, count: int, seed: int = 0) -> Iterator[Shown]:
    random = np.random.default_rng([seed, round(1000 * (gap + 1))])
    for _ in range(count):
        chosen = random.integers(len(digits), size=random.integers(2, 5))
        yield shown([digits[i] for i in chosen], gap, random)


def reading_of(picture: NDArray[np.uint8]) -> Reading | None:
    """What is read on a picture, or None if it is refused."""
    try:
        return read_number(picture, default_pipeline())
    except BadRequest:
        return None


def read(picture: NDArray[np.uint8]) -> str:
    """The number on a picture, or nothing if it is refused."""
    reading = reading_of(picture)
    return reading.number if reading else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="numbers for each gap")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gaps", type=float, nargs="+", default=GAPS)
    parser.add_argument("--reliability", metavar="PNG", help="draw how often a digit is right against how sure it was")
    parser.add_argument("--tuning", action="store_true", help="the digits that constants are chosen on")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.reliability:
        draw_reliability(args.reliability, args.count, args.seed)
        return
    for name, digits in (
        ("drawings", drawings(LEARNT_FROM if args.tuning else HELD_BACK)),
        ("MNIST", mnist(train=args.tuning)),
    ):
        report(name, digits, args.gaps, args.count, args.seed)


def report(name: str, digits: list[Drawn], gaps: list[float], count: int, seed: int) -> None:
    singles = [shown([digit], 0, np.random.default_rng([seed, i])) for i, digit in enumerate(digits[:500])]
    found = [read(single.picture) for single in singles]
    right = np.mean([single.text == text for single, text in zip(singles, found, strict=True)])
    split = sum(len(text) > 1 for text in found)
    print(f"{name}: {len(singles)} single digits, read right {right:.3f}, split {split}")
    print("    gap   split right   read right   ms (median)")
    for gap in gaps:
        counted, same, times = [], [], []
        for number in numbers(digits, gap, count, seed):
            began = time.perf_counter()
            text = read(number.picture)
            times.append(1000 * (time.perf_counter() - began))
            counted.append(len(text) == len(number.text))
            same.append(text == number.text)
        print(f"{gap:+7.2f} {np.mean(counted):13.3f} {np.mean(same):12.3f} {np.median(times):13.1f}", flush=True)


def draw_reliability(path: str, count: int, seed: int) -> None:
    """Digits of numbers that were split right, by how sure the program was of each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(4.5, 4.5))
    axes.plot([0.3, 1], [0.3, 1], "--", color="grey", linewidth=1)
    for name, digits in (("drawings", drawings(HELD_BACK)), ("MNIST, test", mnist(train=False))):
        sure, right = np.array(
            [
                (certainty, digit == int(label))
                for gap in (0.05, -0.02, -0.06)
                for number in numbers(digits, gap, count, seed)
                if (reading := reading_of(number.picture)) and len(reading.digits) == len(number.text)
                for label, digit, certainty in zip(number.text, reading.digits, reading.certainty, strict=True)
            ]
        ).T
        bins = np.digitize(sure, edges := np.array([0.5, 0.7, 0.85, 0.95, 0.99]))
        at = [k for k in range(len(edges) + 1) if (bins == k).sum() >= 4]
        error = sum((bins == k).mean() * abs(sure[bins == k].mean() - right[bins == k].mean()) for k in at)
        means = [(sure[bins == k].mean(), right[bins == k].mean(), int((bins == k).sum())) for k in at]
        axes.plot([m[0] for m in means], [m[1] for m in means], "o-", label=f"{name}, {len(sure)} digits")
        print(f"{name}: {len(sure)} digits, expected calibration error {error:.4f}")
        print("  " + ", ".join(f"{s:.2f}: {r:.2f} of {n}" for s, r, n in means))
    axes.set(xlabel="certainty", ylabel="share that is right", xlim=(0.3, 1.02), ylim=(0.3, 1.02))
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
