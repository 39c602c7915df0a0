"""Photographs that nobody took: a number on ruled or squared paper, on a sheet on a table, in shadow, in pencil."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vae.training.numbers import Drawn, compose, cropped
from vae.training.skeletons import draw

Grey = NDArray[np.float32]  # (H, W), white = 1
KINDS = ("ruled", "squared", "tilted", "table", "angle", "shadow", "pencil")


def number(random: np.random.Generator, digits: int = 2) -> tuple[str, Grey]:
    """A number, and its ink on paper of 480 by 640, ink = 1."""
    labels = random.integers(0, 10, digits).tolist()
    drawn = [Drawn(label, cropped(draw(label, random))) for label in labels]
    ink = compose(drawn, 150, [0.2] * digits, random).ink
    paper = np.zeros((480, 640), np.float32)
    top, left = (480 - ink.shape[0]) // 2, max(0, (640 - ink.shape[1]) // 2)
    paper[top : top + ink.shape[0], left : left + ink.shape[1]] = ink[:, :640]
    return "".join(map(str, labels)), paper


def photograph(kind: str, ink: Grey, random: np.random.Generator) -> NDArray[np.uint8]:
    """A photograph `(H, W)` of ink on paper."""
    page = np.full_like(ink, 0.92)
    strength = 0.85 if kind != "pencil" else 0.4
    if kind in ("ruled", "squared", "tilted"):
        lines = np.zeros_like(ink)
        for y in range(int(random.integers(10, 50)), 480, 60 if kind != "squared" else 32):
            cv2.line(lines, (0, y), (640, y), 1.0, 2)
        for x in range(int(random.integers(5, 30)), 640, 32) if kind == "squared" else ():
            cv2.line(lines, (x, 0), (x, 480), 1.0, 2)
        page -= random.uniform(0.25, 0.5) * lines
    page = np.minimum(page, 0.92 - strength * ink)
    if kind == "tilted":
        turn = cv2.getRotationMatrix2D((320, 240), float(random.uniform(-5, 5)), 1.2)
        page = cv2.warpAffine(page, turn, (640, 480), borderMode=cv2.BORDER_REFLECT)
    if kind in ("table", "angle"):
        page = _on_a_table(page, random, 0.02 if kind == "table" else 0.1)
    if kind == "shadow":
        edge = random.uniform(150, 450) + np.arange(480)[:, None] * random.uniform(-0.3, 0.3)
        page *= 1 - 0.35 / (1 + np.exp((edge - np.arange(640)) / 25))
    light = np.linspace(random.uniform(0.75, 1), random.uniform(0.75, 1), 640, dtype=np.float32)
    noisy = cv2.GaussianBlur(page, (0, 0), 0.8) * light * 245 + random.normal(0, 3, page.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _on_a_table(page: Grey, random: np.random.Generator, skew: float) -> Grey:
    table = 0.25 + cv2.GaussianBlur(random.normal(0, 1, (600, 800)).astype(np.float32), (0, 0), 4) * 0.1
    corners = np.array([(0, 0), (640, 0), (640, 480), (0, 480)], np.float32)
    placed = corners * (0.85, 0.85) + (128, 96) + random.uniform(-skew, skew, (4, 2)) * (640, 480)
    turn = cv2.getPerspectiveTransform(corners, placed.astype(np.float32))
    sheet = cv2.warpPerspective(page, turn, (800, 600))
    inside = cv2.warpPerspective(np.ones_like(page), turn, (800, 600))
    both = np.where(inside > 0.5, sheet, table).astype(np.float32)
    return cv2.resize(both, (640, 480), interpolation=cv2.INTER_AREA)
