"""The Explore tab in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from visit import assert_playing
from waiting import a_while, held

from vae.classifier import load_classifier

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
READY = """window.digitMorph?.explore?.map.map && digitMorph.explore.strips.sheet
    && digitMorph.explore.grids.new.cells && digitMorph.explore.grids.hand.cells
    && digitMorph.explore.map.trails.length"""  # all that the tab asks for when it is opened


@pytest.fixture
def explored(open_page: Open) -> Callable[..., Any]:
    """`explored(**options of open_page)` -> the tab, with everything on it."""

    def opened(**options: Any) -> Any:
        page = open_page("#explore", **options)
        page.wait_for_function(READY)
        return page

    return opened


def seen(page: Any, canvas: str) -> str:
    """What a canvas shows, for comparing; two frames later, as drawing waits for one."""
    return page.evaluate(
        """async (canvas) => {
            for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
            return document.querySelector(canvas).toDataURL();
        }""",
        canvas,
    )


def place(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where on the screen a place of the map is, given as shares of it; the map is brought into view."""
    page.locator("#explore .map").scroll_into_view_if_needed()
    box = page.locator("#explore .map").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def until_it_changes(page: Any, canvas: str, was: str) -> None:
    """Wait until a canvas shows something else."""
    page.wait_for_function("([canvas, was]) => document.querySelector(canvas).toDataURL() !== was", arg=[canvas, was])


def test_the_map_plays_by_itself_until_one_moves_over_it(explored: Callable[..., Any]) -> None:
    page = explored()
    until_it_changes(page, ".lens", seen(page, ".lens"))
    page.click(".path-toggle")
    assert page.inner_text(".path-toggle") == "Play"
    stopped = seen(page, ".lens")
    a_while(page)
    assert seen(page, ".lens") == stopped
    page.click(".path-toggle")
    until_it_changes(page, ".lens", stopped)
    page.mouse.move(*place(page, 0.5, 0.5))
    still = seen(page, ".lens")
    a_while(page)
    assert seen(page, ".lens") == still


def test_moving_over_the_map_shows_the_digit_under_the_pointer(explored: Callable[..., Any]) -> None:
    page = explored()
    page.route("**/*", lambda route: None)  # no answer any more, so what is seen came without a round trip
    pictures, readings = set(), set()
    for share in (0.02, 0.25, 0.5, 0.75, 0.98):
        page.mouse.move(*place(page, share, 0.9))
        pictures.add(seen(page, ".lens"))
        readings.add(page.inner_text(".readout b"))
    assert len(pictures) == 5 and len(readings) >= 3


def test_arrow_keys_move_over_the_map_and_it_is_said_where(explored: Callable[..., Any]) -> None:
    page = explored()
    page.locator("#explore .map").focus()
    page.keyboard.press("ArrowLeft")
    before, at = seen(page, ".lens"), page.inner_text(".where")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert seen(page, ".lens") != before and page.inner_text(".where") != at
    page.keyboard.press("ArrowUp")
    said = page.inner_text(".where").removeprefix("at ").split(",")[0]
    page.wait_for_function("(x) => document.querySelector('.spoken').textContent.includes(x)", arg=said)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Map of digits")


def assert_way(page: Any) -> None:
    """There is a way, and it plays."""
    assert "becomes" in page.inner_text(".inspector .name")
    page.wait_for_function(
        "(frames) => frames.add(document.querySelector('.lens').toDataURL()).size >= 4",
        arg=page.evaluate_handle("new Set()"),
    )


def test_clicking_two_places_plays_a_morph_between_them(explored: Callable[..., Any]) -> None:
    page = explored()
    page.mouse.click(*place(page, 0.97, 0.3))
    page.mouse.click(*place(page, 0.05, 0.95))
    assert page.inner_text(".inspector .name") == "0 becomes 1"
    assert_way(page)
    way = page.locator("#explore .path")
    way.focus()
    page.keyboard.press("Home")
    assert page.inner_text(".path-toggle") == "Play"
    start = seen(page, ".lens")
    page.keyboard.press("End")
    assert seen(page, ".lens") != start
    assert way.get_attribute("aria-valuenow") == "100" and "reads as 1" in way.get_attribute("aria-valuetext")


@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
def test_two_places_become_the_morph_on_the_stage(explored: Callable[..., Any], phone: bool) -> None:
    page = explored(phone=phone)
    before = page.evaluate("digitMorph.morph.permalink")
    tap = page.touchscreen.tap if phone else page.mouse.click
    tap(*place(page, 0.97, 0.3))
    assert page.is_disabled(".morph-these")  # one place is no way
    tap(*place(page, 0.05, 0.95))
    page.click(".morph-these")
    page.wait_for_function("(before) => digitMorph.morph.permalink !== before", arg=before)
    assert page.inner_text("#player .name") == "0 becomes 1"
    assert page.get_attribute("nav.tabs a[aria-current]", "href") == "#upload"
    assert page.locator("#upload-source .shots img, #upload-target .shots img").count() == 2
    assert page.evaluate("document.activeElement.id") == "morph"
    assert_playing(page)
    stage = page.locator(".film").bounding_box()
    assert stage["y"] >= 0 and stage["y"] + stage["height"] <= page.viewport_size["height"]
    page.click("nav.tabs a[href='#explore']")  # and its way lies on the map
    page.wait_for_function("digitMorph.explore.map.trails[0]?.names.join() === '0,1'")


def test_two_places_are_marked_by_keyboard(explored: Callable[..., Any]) -> None:
    page = explored()
    page.locator("#explore .map").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    for _ in range(15):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert_way(page)
    page.locator("#explore .map").focus()
    page.keyboard.press("Escape")
    assert page.inner_text(".inspector .name") == "Under the pointer"


def test_a_finger_moves_and_marks(explored: Callable[..., Any]) -> None:
    page = explored(phone=True)
    page.touchscreen.tap(*place(page, 0.9, 0.3))
    first = seen(page, ".lens")
    page.touchscreen.tap(*place(page, 0.1, 0.8))
    until_it_changes(page, ".lens", first)  # the way begins where the first is
    assert_way(page)


def test_layers_come_and_go_and_one_digit_stands_alone(explored: Callable[..., Any]) -> None:
    page = explored()
    pictures = {seen(page, ".map .base")}
    for layer in ("points", "digits"):
        page.click(f"[data-layer={layer}]")
        pictures.add(seen(page, ".map .base"))
    page.click("[data-layer=points]")
    page.click(".classes button >> nth=4")
    assert page.get_attribute(".classes button >> nth=4", "aria-pressed") == "true"
    pictures.add(seen(page, ".map .base"))
    assert len(pictures) == 4


def test_on_a_phone_the_map_has_fewer_digits_and_points_that_do_not_hide_them(explored: Callable[..., Any]) -> None:
    page = explored(phone=True)
    digits, points, last = page.evaluate(
        """() => {
            const { map } = digitMorph.explore;
            const pen = map.base.getContext("2d");
            const drawn = [];
            pen.drawImage = (picture, x, y, side) => drawn.push(side / devicePixelRatio);
            pen.arc = () => drawn.push("point");
            map.paint();
            delete pen.drawImage;
            delete pen.arc;
            drawn.shift(); // the wash
            const digits = drawn.filter((what) => what !== "point");
            return [digits, drawn.length - digits.length, drawn.at(-1)];
        }"""
    )
    assert len(digits) == 64 and min(digits) > 38
    assert 200 < points < 400 and last != "point"


def test_the_visitors_last_morph_lies_on_the_map(explored: Callable[..., Any]) -> None:
    page = explored()
    names = page.evaluate("digitMorph.explore.map.trails.map((trail) => trail.names)")
    assert names == [["3", "8"]]  # the opening morph
    page.click("nav.tabs a[href='#type']")
    before = page.evaluate("digitMorph.morph.permalink")
    page.fill("#type-source input", "32")
    page.fill("#type-target input", "41")
    page.click("#morph")
    page.wait_for_function("(before) => digitMorph.morph.permalink !== before", arg=before)
    page.click("nav.tabs a[href='#explore']")
    page.wait_for_function("digitMorph.explore.map.trails.length === 2")


def test_dragging_along_a_strip_changes_the_digit_at_once_and_then_the_other_strips(
    explored: Callable[..., Any],
) -> None:
    page = explored()
    track = page.locator(".strip-row .track >> nth=0")
    track.scroll_into_view_if_needed()
    box = track.bounding_box()
    before, other = seen(page, ".shape"), seen(page, ".strip-row:nth-child(3) canvas")
    sheet = page.evaluate_handle("digitMorph.explore.strips.sheet")
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + 10, steps=4)
    assert seen(page, ".shape") != before
    assert seen(page, ".strip-row:nth-child(3) canvas") == other
    page.mouse.up()
    page.wait_for_function("(sheet) => digitMorph.explore.strips.sheet !== sheet", arg=sheet)
    assert seen(page, ".strip-row:nth-child(3) canvas") != other
    assert float(track.get_attribute("aria-valuenow")) > 2


def test_arrow_keys_move_a_strip_and_reset_takes_it_back(explored: Callable[..., Any]) -> None:
    page = explored()
    track = page.locator(".strip-row .track >> nth=1")
    value = track.get_attribute("aria-valuenow")
    before = seen(page, ".shape")
    track.focus()
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => !digitMorph.explore.strips.home.disabled")
    assert seen(page, ".shape") != before
    page.click("[data-strips=home]")
    page.wait_for_function(
        "(v) => document.querySelectorAll('.strip-row .track')[1].getAttribute('aria-valuenow') === v", arg=value
    )


def test_another_start_is_another_digit(explored: Callable[..., Any]) -> None:
    page = explored()
    before = seen(page, ".shape")
    page.click("[data-start] button >> nth=5")
    until_it_changes(page, ".shape", before)


def test_the_strips_can_be_used_while_another_start_is_on_its_way(explored: Callable[..., Any]) -> None:
    page = explored()
    sheet = page.evaluate_handle("digitMorph.explore.strips.sheet")
    start = held(page, lambda: page.click("[data-start] button >> nth=5"))
    page.click(".theme-toggle")
    track = page.locator(".strip-row .track >> nth=0")
    track.focus()
    before = seen(page, ".shape")
    page.keyboard.press("Home")
    assert seen(page, ".shape") != before
    assert float(track.get_attribute("aria-valuenow")) < -2
    start.continue_()
    page.wait_for_function("(sheet) => digitMorph.explore.strips.sheet !== sheet", arg=sheet)
    assert page.evaluate("digitMorph.explore.strips.made.at[0]") < -2


def test_ten_new_sevens_read_as_sevens(explored: Callable[..., Any]) -> None:
    page = explored()
    before = page.evaluate_handle("digitMorph.explore.grids.new.cells")
    assert page.inner_text("[data-more=new]") == "Ten new 7s"
    page.click("[data-more=new]")
    page.wait_for_function("(before) => digitMorph.explore.grids.new.cells !== before", arg=before)
    levels = page.evaluate("[...Array(10).keys()].map((i) => [...digitMorph.explore.grids.new.cells.at(0, i)])")
    pictures = (torch.tensor(levels).float() / 63 * 8 - 4).sigmoid().view(10, 1, 28, 28)
    assert len({tuple(picture) for picture in levels}) == 10
    assert (load_classifier("reader")(pictures).argmax(1) == 7).sum() >= 8


def test_ten_digits_in_the_hand_of_the_drawing(explored: Callable[..., Any], open_page: Open) -> None:
    page = open_page()
    page.click("#pad-source [data-tool=example]")
    page.click("nav.tabs a[href='#explore']")
    page.wait_for_function(READY)
    assert "in the hand of your" in page.inner_text(".whose-hand")
    before = page.evaluate_handle("digitMorph.explore.grids.hand.cells")
    page.click("[data-more=other]")
    page.wait_for_function("(before) => digitMorph.explore.grids.hand.cells !== before", arg=before)
    assert "in the hand of this" in page.inner_text(".whose-hand")


def test_a_failure_is_said_and_what_follows_works(explored: Callable[..., Any]) -> None:
    page = explored()
    page.evaluate(
        """() => {
            const action = digitMorph.action;
            digitMorph.action = () => ((digitMorph.action = action), { ...action(), digit: "x" });
        }"""
    )
    page.click("[data-more=new]")
    page.wait_for_selector(".for-explore .error:not(:empty)")
    assert "from 0 to 9" in page.inner_text(".for-explore .error")
    page.click("[data-more=new]")
    page.wait_for_function("!document.querySelector('.for-explore .error').textContent")


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_a_phone(explored: Callable[..., Any], dark: bool) -> None:
    page = explored(phone=True, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    inside = "[...document.querySelectorAll('#explore *')].every((e) => e.getBoundingClientRect().right <= 360.5)"
    assert page.evaluate(inside)


def test_nothing_moves_when_the_answers_arrive(open_page: Open) -> None:
    page = open_page()
    page.click("nav.tabs a[href='#explore']")
    tops = "[...document.querySelectorAll('#explore .part')].map((e) => Math.round(e.offsetTop))"
    before = page.evaluate(tops)
    page.wait_for_function(READY)
    a_while(page)
    assert page.evaluate(tops) == before


def test_day_and_night_repaint_what_is_drawn(explored: Callable[..., Any]) -> None:
    page = explored()
    page.mouse.move(*place(page, 0.5, 0.5))
    canvases = (".map .base", ".lens", ".shape", ".strip-row canvas", "[data-grid=new]", "[data-grid=hand]")
    day = [seen(page, canvas) for canvas in canvases]
    page.click(".theme-toggle")
    assert all(seen(page, canvas) != was for canvas, was in zip(canvases, day, strict=True))


def test_who_wants_less_motion_gets_a_still_picture(explored: Callable[..., Any]) -> None:
    page = explored(reduced_motion="reduce")
    first = seen(page, ".lens")
    a_while(page)
    assert seen(page, ".lens") == first
    assert page.inner_text(".path-toggle") == "Play"
