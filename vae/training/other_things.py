"""Pictures of what is no number: letters, shapes, scribbles, textures. `draw` makes one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

LETTERS = "ACEFHKMNPRTUWXYafhkmnruvwxy?&%@#$"  # none that some people write as they write a digit
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
SIDE = 144

Ink = NDArray[np.uint8]


def draw(random: np.random.Generator) -> NDArray[np.float32]:
    """Something `(SIDE, SIDE)`, ink = 1."""
    ink = np.zeros((SIDE, SIDE), np.uint8)
    kinds = (_letters, _polygon, _scribble, _hatching, _blobs, _house, _face)
    kinds[random.choice(len(kinds), p=(0.4, 0.15, 0.2, *[0.0625] * 4))](ink, random)
    return (ink / np.float32(255)).astype(np.float32)


def _pen(random: np.random.Generator) -> int:
    return int(random.integers(3, 11))


def _letters(ink: Ink, random: np.random.Generator) -> None:
    text = "".join(random.choice(list(LETTERS), random.integers(1, 4)))
    font, pen = FONTS[random.integers(len(FONTS))], _pen(random)
    (width, height), _ = cv2.getTextSize(text, font, 1, 1)
    scale = 0.7 * SIDE / max(width, height)
    corner = (round((SIDE - width * scale) / 2), round((SIDE + height * scale) / 2))
    cv2.putText(ink, text, corner, font, scale, 255, pen, cv2.LINE_AA)


def _polygon(ink: Ink, random: np.random.Generator) -> None:
    count = int(random.integers(3, 9))
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False) + random.uniform(0, 6)
    radius = SIDE * np.where(np.arange(count) % 2, random.uniform(0.12, 0.45), random.uniform(0.3, 0.45))
    points = np.rint(SIDE / 2 + np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]).astype(np.int32)
    if random.random() < 0.5 or count > 4:  # an empty one of few corners is a 0 to some
        cv2.fillPoly(ink, [points], 255, cv2.LINE_AA)
    else:
        for i in range(count):
            cv2.line(ink, points[i].tolist(), points[(i + 2) % count].tolist(), 255, _pen(random), cv2.LINE_AA)
        cv2.polylines(ink, [points], True, 255, _pen(random), cv2.LINE_AA)


def _scribble(ink: Ink, random: np.random.Generator) -> None:
    turns = np.cumsum(random.normal(0, 0.9, 1200)) * 0.3
    path = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1), axis=0)
    path = (path - path.min(0)) / max(np.ptp(path, axis=0).max(), 1e-6) * 0.75 + 0.12
    cv2.polylines(ink, [np.rint(path * SIDE).astype(np.int32)], False, 255, _pen(random), cv2.LINE_AA)


def _hatching(ink: Ink, random: np.random.Generator) -> None:
    step, slope, pen = int(random.integers(12, 30)), random.uniform(-1, 1), _pen(random)
    for x in range(15, SIDE - 10, step):
        cv2.line(ink, (x, 20), (round(x + slope * 60), SIDE - 20), 255, pen, cv2.LINE_AA)
        if random.random() < 0.5:
            cv2.line(ink, (15, x), (SIDE - 15, x), 255, pen, cv2.LINE_AA)


def _blobs(ink: Ink, random: np.random.Generator) -> None:
    for _ in range(random.integers(3, 8)):
        x, y = random.integers(30, SIDE - 30, 2).tolist()
        cv2.ellipse(ink, (x, y), random.integers(8, 30, 2).tolist(), float(random.uniform(0, 180)), 0, 360, 255, -1)


def _house(ink: Ink, random: np.random.Generator) -> None:
    left, top, pen = int(random.integers(15, 40)), int(random.integers(50, 75)), _pen(random)
    right, bottom = SIDE - left, SIDE - 20
    cv2.rectangle(ink, (left, top), (right, bottom), 255, pen)
    cv2.polylines(ink, [np.array([(left, top), (SIDE // 2, 15), (right, top)], np.int32)], False, 255, pen, cv2.LINE_AA)
    cv2.rectangle(ink, (SIDE // 2 - 10, bottom - 35), (SIDE // 2 + 10, bottom), 255, pen)


def _face(ink: Ink, random: np.random.Generator) -> None:
    pen, middle = _pen(random), SIDE // 2
    cv2.circle(ink, (middle, middle), 55, 255, pen, cv2.LINE_AA)
    for x in (middle - 20, middle + 20):
        cv2.circle(ink, (x, middle - 15), 5, 255, -1, cv2.LINE_AA)
    cv2.ellipse(ink, (middle, middle + 10), (28, 18), 0, 10, 170, 255, pen, cv2.LINE_AA)
