"""static/codec.js against NumPy: what vae.ui.codec packed comes back, and is drawn as vae.render draws it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from vae import render
from vae.ui.codec import LEVELS, LOGITS, pack
from vae.ui.theme import static

DRAWN = """async ([packed, name, width, height]) => {
    const { make, unpack } = digitMorph;
    const canvas = make("canvas", { width, height });
    canvas.style.cssText = `width: ${width}px; height: ${height}px; color: #000`;
    document.body.replaceChildren(canvas);
    const levels = (await unpack(packed)).at(0, 0), pen = canvas.getContext("2d");
    if (name === "drawFrame") digitMorph.drawFrame(canvas, levels);
    else digitMorph.drawDigit(pen, levels, 0, 0, height, [0, 0, 0]);
    return [...pen.getImageData(0, 0, width, height).data].filter((_, i) => i % 4 === 3);
}"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    """An empty page with the scripts that unpack and draw."""
    page = browser.new_page(viewport={"width": 800, "height": 400})
    page.evaluate("window.digitMorph = {}")
    for name in ("controls.js", "codec.js"):
        page.evaluate(static(name))
    yield page
    page.close()


def random_levels(*shape: int) -> np.ndarray:
    """Levels that vae.render does not clip either."""
    return np.random.default_rng(0).integers(1, LEVELS, shape)


def logits(levels: np.ndarray) -> np.ndarray:
    return levels / LEVELS * 2 * LOGITS - LOGITS


def packed(levels: np.ndarray, grid: bool = False) -> dict[str, Any]:
    return pack(torch.from_numpy(logits(levels)).sigmoid(), grid)


@pytest.mark.parametrize("grid", [False, True])
def test_what_was_packed_comes_back_exactly(page: Any, grid: bool) -> None:
    levels = random_levels(3, 4, 28, 56)
    unpack = """async (packed) => {
        const { rows, columns, at } = await digitMorph.unpack(packed), pictures = [];
        for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) pictures.push([...at(r, c)]);
        return pictures;
    }"""
    assert page.evaluate(unpack, packed(levels, grid)) == levels.reshape(12, -1).tolist()


def test_between_pictures_levels_are_interpolated(page: Any) -> None:
    levels = random_levels(2, 2, 28, 28)
    at = "async ([packed, row, column]) => [...digitMorph.interpolate(await digitMorph.unpack(packed), row, column)]"
    mix = page.evaluate(at, [packed(levels), 0.25, 0.5])
    wanted = np.tensordot([[0.375, 0.375], [0.125, 0.125]], levels, 2)
    assert np.allclose(mix, wanted.ravel(), atol=1e-4)
    assert page.evaluate(at, [packed(levels), 1, 9]) == levels[1, 1].ravel().tolist()  # the edge goes on


@pytest.mark.parametrize("size", [56, 84, 250])
def test_a_digit_is_drawn_as_the_package_renders_it(page: Any, size: int) -> None:
    levels = random_levels(1, 1, 28, 28)
    alpha = np.array(page.evaluate(DRAWN, [packed(levels), "drawDigit", size, size])).reshape(size, size)
    ink = 1 / (1 + np.exp(-logits(levels[0])))
    assert np.abs(alpha - render.transparent(ink, size)[0, :, :, 3].astype(int)).max() <= 1
    assert 0.1 < (alpha > 128).mean() < 0.9


def test_a_frame_of_a_film_is_enlarged_by_the_same_weights(page: Any) -> None:
    levels = random_levels(1, 1, 28, 56)
    levels[:, :, :9] = 0  # rows that stay blank
    alpha = np.array(page.evaluate(DRAWN, [packed(levels), "drawFrame", 224, 112])).reshape(112, 224)
    large = render._weights(28, 112) @ logits(levels[0, 0]) @ render._weights(56, 224).T
    assert np.abs(alpha - 255 / (1 + np.exp(-3.4 * large))).max() <= 3
    assert not alpha[:28].any()


def test_ink_becomes_levels_and_levels_ink(page: Any) -> None:
    ink = np.arange(256)
    levels = np.array(page.evaluate("(ink) => [...digitMorph.levels(ink)]", ink.tolist()))
    p = (ink / 255).clip(0.02, 0.98)
    assert np.allclose(logits(levels), np.log(p / (1 - p)), atol=1e-5)
    back = np.array(page.evaluate("(levels) => [...digitMorph.ink(levels)]", levels.tolist()))
    assert np.abs(back - 255 * p).max() <= 1
