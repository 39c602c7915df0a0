"""The How it works tab in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from test_compare import pictures, seek
from visit import ONE, SEVEN, after, draw
from waiting import a_while

pytestmark = pytest.mark.browser

Open = Callable[..., Any]


def opened(open_page: Open, **more: Any) -> Any:
    page = open_page("#how", **more)
    page.wait_for_selector(".map .here[d]", state="attached")
    if more.get("looks") and page.inner_text(".how .play") == "Play":  # stopped by the last who looked
        page.click(".how .play")
    return page


def state(page: Any) -> dict[str, Any]:
    """What moves: the bars, the dot on the map, and the frame."""
    shapes = """(selector) =>
        [...document.querySelectorAll(selector)].map((path) => path.getAttribute("d")).join()"""
    return {
        "bars": page.evaluate(shapes, ".bars .now"),
        "dot": page.evaluate(shapes, ".map .here"),
        "frame": pictures(page, ".drawn canvas"),
        "alpha": page.inner_text(".how .alpha"),
    }


def test_every_step_is_shown(open_page: Open) -> None:
    page = opened(open_page, looks=True)
    assert page.locator(".origin .figures").all_inner_texts() == ["3", "8"]
    assert all(ink > 0.03 for ink, _ in pictures(page, ".how .pixels"))
    latents = int(page.inner_text(".how .count"))
    assert page.locator(".bars .now").count() == latents > 1
    assert page.locator(".map .cloud").count() == 2
    assert page.locator(".formulas math").count() == 2
    assert page.locator(".bound span").count() == 2 and "nats" in page.inner_text(".bound")
    assert page.evaluate("[...document.querySelectorAll('.papers a')].every((a) => a.href.includes('arxiv.org'))")


def test_the_slider_moves_bars_dot_and_frame_together(open_page: Open) -> None:
    page = opened(open_page, looks=True)
    seek(page, 0, ".how")
    start = state(page)
    assert start["alpha"] == "0%"
    seek(page, 30, ".how")
    later = state(page)
    assert all(start[name] != later[name] for name in start)
    seek(page, 0, ".how")
    assert state(page) == start


def test_it_plays_by_itself_and_stops(open_page: Open) -> None:
    page = opened(open_page, looks=True)
    was = page.locator(".map .here").get_attribute("d")
    page.wait_for_function("(was) => document.querySelector('.map .here').getAttribute('d') !== was", arg=was)
    page.click(".how .play")
    before = state(page)
    a_while(page)
    assert state(page) == before


def test_without_motion_it_waits_in_the_middle(open_page: Open) -> None:
    page = opened(open_page, reduced_motion="reduce")
    assert page.inner_text(".how .play") == "Play"
    before = state(page)
    a_while(page)
    assert state(page) == before and before["alpha"] not in ("0%", "100%")


def test_a_drawing_is_shown_as_it_came(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    draw(page, "target", ONE)
    after(page, lambda: page.click("#morph"))
    page.click("nav.tabs a[href$='#how']")
    page.wait_for_selector(".origin img")
    assert page.locator(".origin img").count() == 2
    assert page.locator(".origin img").first.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 100
    assert page.inner_text(".how .name") == "7 becomes 1"


def test_of_a_longer_number_each_digit_can_be_taken_apart(open_page: Open) -> None:
    page = open_page("#type")
    page.fill("#type-source input", "32")
    page.fill("#type-target input", "41")
    after(page, lambda: page.click("#morph"))
    page.click("nav.tabs a[href$='#how']")
    page.wait_for_function("document.querySelector('.how .second').textContent === 'your 4'")
    assert page.locator(".choice button").all_inner_texts() == ["3 → 4", "2 → 1"]
    page.click(".choice button >> nth=1")
    page.wait_for_function("document.querySelector('.how .second').textContent === 'your 1'")
    assert page.locator(".choice [aria-pressed=true]").inner_text() == "2 → 1"
    page.click("nav.tabs a[href$='#type']")
    page.fill("#type-target input", "57")
    after(page, lambda: page.click("#morph"))
    page.click("nav.tabs a[href$='#how']")
    page.wait_for_function("document.querySelector('.how .second').textContent === 'your 5'")
    page.click(".choice button >> nth=1")
    page.wait_for_function("document.querySelector('.how .second').textContent === 'your 7'")


def test_the_ink_follows_the_light(open_page: Open) -> None:
    page = opened(open_page)
    greys = """() => [...document.querySelectorAll(".how canvas")].map((canvas) => {
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        let most = 0;
        for (let i = 3; i < pixels.length; i += 4) if (pixels[i] > pixels[most + 3]) most = i - 3;
        return pixels[most] + pixels[most + 1] + pixels[most + 2];
    })"""
    assert all(grey < 200 for grey in page.evaluate(greys))
    page.click(".theme-toggle")
    page.wait_for_function(f"({greys})().every((grey) => grey > 600)")


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_a_phone(open_page: Open, dark: bool) -> None:
    page = opened(open_page, phone=True, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    fits = """[...document.querySelectorAll(".how math, .how svg, .how canvas, .how input")]
        .every((part) => part.getBoundingClientRect().right <= innerWidth)"""
    assert page.evaluate(fits)
