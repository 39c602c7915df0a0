"""What a visitor of the page does, and sees, for browser tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from waiting import a_while

Open = Callable[..., Any]
Points = list[tuple[float, float]]

SEVEN: Points = [(0.36, 0.2), (0.62, 0.2), (0.56, 0.4), (0.5, 0.6), (0.44, 0.84)]
ONE: Points = [(0.5, 0.15), (0.49, 0.4), (0.48, 0.85)]


def draw(page: Any, side: str, points: Points) -> None:
    """Draw a stroke with the mouse; points are shares of the pad."""
    box = page.locator(f"#pad-{side} canvas").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for point in at[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def strokes(page: Any, side: str) -> int:
    return page.evaluate(f"digitMorph.pads.{side}.strokes.length")


def inked(page: Any, side: str) -> bool:
    """Whether anything is to be seen on a pad."""
    return page.evaluate(
        """(side) => {
            const canvas = document.querySelector(`#pad-${side} canvas`);
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            return pixels.some((value) => value);
        }""",
        side,
    )


def permalink(page: Any) -> str:
    return page.evaluate("digitMorph.morph.permalink")


def after(page: Any, act: Callable[[], Any] = lambda: None) -> dict[str, Any]:
    """Do something; returns the morph on the stage when nothing is being made any more."""
    act()
    a_while(page)  # what was typed, the page hears of a moment later
    page.wait_for_function("document.querySelector('#morph').getAttribute('aria-busy') !== 'true'")
    return page.evaluate("digitMorph.morph")


def numbers(morph: dict[str, Any]) -> list[str]:
    return [side["number"] for side in morph["sides"]]


def assert_playing(page: Any) -> None:
    """The stage shows one frame after the other by itself."""
    differ = page.evaluate(
        """async () => {
            const canvas = document.querySelector(".film canvas"), seen = new Set();
            const small = new OffscreenCanvas(32, 32), pen = small.getContext("2d");
            while (seen.size < 3) {
                await new Promise(requestAnimationFrame);
                pen.clearRect(0, 0, 32, 32);
                pen.drawImage(canvas, 0, 0, 32, 32);
                const pixels = pen.getImageData(0, 0, 32, 32).data;
                if (pixels.some((value) => value)) seen.add(pixels.join());
            }
            return seen.size;
        }"""
    )
    assert differ == 3


def no_overflow(page: Any) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def reopened(open_page: Open, page: Any, **more: Any) -> Any:
    """Another visitor's page, opened by the link of this page's morph."""
    page.click("[data-link]")
    page.wait_for_function("location.hash.startsWith('#m=')")
    other = open_page(page.evaluate("location.hash"), **more)
    other.wait_for_function("(made) => digitMorph.morph.permalink === made", arg=permalink(page))
    return other
