"""How pens, photographs and pictures of other things are read: `python -m tests.benchmarks.bench_ink`.

Pens of 4 to 24 px on a pad of 400 px, ten digits drawn from skeletons with each: the rank correlation between the width
drawn and the width at frame 0. Then how many photographs of each made-up kind are read right, how many drawings, test
digits and printed digits are said to be no number, and how many letters, shapes and textures are.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from tests.benchmarks.bench_reading import mnist, read, shown
from vae.paper import stroke_width
from vae.pipeline import default_pipeline
from vae.reading import read_number
from vae.training import numbers, other_things
from vae.training.numbers import cropped
from vae.training.skeletons import SKELETONS

sys.path.insert(0, str(Path(__file__).parents[1]))
from photographs import KINDS, number, photograph

PENS = (4, 6, 8, 10, 12, 15, 18, 21, 24)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=30, help="pictures of each kind")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pens()
    random = np.random.default_rng(3)
    for kind in KINDS:
        taken = [(text, photograph(kind, ink, random)) for text, ink in (number(random) for _ in range(args.count))]
        print(f"{kind:10s} {np.mean([read(photo) == text for text, photo in taken]):.2f} read right")
    random = np.random.default_rng(4)
    drawn = [*numbers.drawings(numbers.HELD_BACK), *numbers.drawings(numbers.LEARNT_FROM)]
    for name, digits in (("drawings", drawn), ("MNIST test", mnist(train=False)[:400])):
        print(f"{name:10s} {np.mean([not read(shown([digit], 0, random).picture) for digit in digits]):.3f} refused")
    print(f"printed    {np.mean([not read(picture) for picture in printed()]):.3f} refused")
    for kind in (other_things._letters, other_things._polygon, other_things._scribble, other_things._hatching):
        print(
            f"{kind.__name__[1:]:10s} {np.mean([not read(other(kind, random)) for _ in range(args.count)]):.2f} refused"
        )
    print(f"textures   {np.mean([not read(texture(random)) for _ in range(args.count)]):.2f} refused")


def pens() -> None:
    pipeline = default_pipeline()
    drawn, seen = [], []
    for label in range(10):
        for strokes in SKELETONS[label][:3:2]:
            for pen in PENS:
                picture = np.full((400, 400), 255, np.uint8)
                for stroke in strokes:
                    points = np.rint((np.array(stroke) * [170, 260] + [115, 70]) * 16).astype(np.int32)
                    cv2.polylines(picture, [points], False, 0, pen, cv2.LINE_AA, 4)
                pictures = read_number(picture, pipeline).pictures[:1]
                with torch.no_grad():
                    frame = pipeline.model.decode(pipeline.model.encode(pictures)[0])[0, 0].numpy()
                large = cv2.resize(frame, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
                drawn.append(pen)
                seen.append(stroke_width(large > 0.5) / 8)
    means = {pen: round(float(np.mean([w for p, w in zip(drawn, seen, strict=True) if p == pen])), 2) for pen in PENS}
    print(f"pens: rank correlation {spearmanr(drawn, seen)[0]:.3f}; px drawn: px of 28 at frame 0: {means}", flush=True)


def printed() -> list[NDArray[np.uint8]]:
    pictures = []
    for face in other_things.FONTS:
        for digit in "0123456789":
            picture = np.full((200, 200), 255, np.uint8)
            cv2.putText(picture, digit, (50, 150), face, 5, 0, 9, cv2.LINE_AA)
            pictures.append(picture)
    return pictures


def other(kind: object, random: np.random.Generator) -> NDArray[np.uint8]:
    ink = np.zeros((other_things.SIDE, other_things.SIDE), np.uint8)
    kind(ink, random)  # type: ignore[operator]
    return 255 - np.pad(cropped(ink.astype(np.float32) / 255) * 255, 25).astype(np.uint8)


def texture(random: np.random.Generator) -> NDArray[np.uint8]:
    noise = cv2.GaussianBlur(random.normal(0, 1, (240, 320)).astype(np.float32), (0, 0), float(random.uniform(2, 20)))
    return ((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)


if __name__ == "__main__":
    main()
