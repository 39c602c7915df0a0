"""The Compare tab in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from visit import after
from waiting import a_while, held

pytestmark = pytest.mark.browser

Open = Callable[..., Any]

PIXELS = """(selector) => [...document.querySelectorAll(selector)].map((canvas) => {
    const { width, height } = canvas;
    const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    let ink = 0, sum = 0;
    for (let i = 3; i < pixels.length; i += 4) { ink += pixels[i]; sum = (sum * 31 + pixels[i]) % 1e9; }
    return [ink / (255 * width * height), sum];
})"""


def opened(open_page: Open, **more: Any) -> Any:
    page = open_page("#compare", **more)
    page.wait_for_function("document.querySelectorAll('.rebuilt .mini').length >= 14")
    page.wait_for_selector(".compare:not([data-busy])")
    if more.get("looks") and page.inner_text(".compare .play") == "Play":  # stopped by the last who looked
        page.click(".compare .play")
    return page


def pictures(page: Any, selector: str = ".entry canvas") -> list[list[float]]:
    return page.evaluate(PIXELS, selector)


def seek(page: Any, frame: int, within: str = ".compare") -> None:
    slider = page.locator(f"{within} input[type=range]")
    slider.evaluate("(s, v) => { s.value = v; s.dispatchEvent(new Event('input', {bubbles: true})); }", str(frame))


def test_every_model_has_a_cell_and_all_of_them_move(open_page: Open) -> None:
    page = opened(open_page, looks=True)
    before = pictures(page)
    assert len(before) == 8 and all(0.02 < ink < 0.5 for ink, _ in before)
    page.wait_for_function(f"(old) => ({PIXELS})('.entry canvas').every(([, sum], i) => sum !== old[i][1])", arg=before)
    for figure in page.locator(".entry").all():
        assert figure.locator("b").inner_text() and len(figure.locator("p").first.inner_text()) > 20


def test_the_slider_stops_and_moves_all_of_them_in_step(open_page: Open) -> None:
    page = opened(open_page, looks=True)
    seek(page, 20)
    assert page.inner_text(".compare .play") == "Play"
    middle = pictures(page)
    seek(page, 39)
    assert all(a != b for a, b in zip(middle, pictures(page), strict=True))
    seek(page, 20)
    assert pictures(page) == middle  # the same frame is the same picture, and nothing plays on
    markers = page.evaluate("[...document.querySelectorAll('.entry .marker')].map((m) => m.style.left)")
    assert len(set(markers)) == 1


def test_it_can_be_used_by_keyboard(open_page: Open) -> None:
    page = opened(open_page, looks=True)
    page.focus(".compare .play")
    page.keyboard.press("Enter")
    assert page.inner_text(".compare .play") == "Play"
    slider = page.locator(".compare input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "1" and "2 of 40" in slider.get_attribute("aria-valuetext")


def test_the_scoreboard_and_the_curves_are_there(open_page: Open) -> None:
    page = opened(open_page, looks=True)
    assert page.locator(".scores").count() == 3
    assert page.locator(".scores").first.locator("tbody tr").count() >= 5
    charts = page.locator(".for-compare .chart")
    assert charts.count() == 6
    for chart in charts.all():
        box = chart.locator(".validation").bounding_box()
        assert box["width"] > 100 and box["height"] > 20
        assert "held back" in chart.locator(".readout").inner_text()


def test_a_chart_can_be_read_by_pointer_and_by_keys(open_page: Open) -> None:
    page = opened(open_page, looks=True)
    chart = page.locator(".for-compare .chart").first
    chart.scroll_into_view_if_needed()
    last = chart.locator(".readout").inner_text()
    chart.locator("svg").hover()
    assert chart.locator(".readout").inner_text() != last
    chart.locator("svg").focus()
    page.keyboard.press("Home")
    assert chart.locator(".readout").inner_text().startswith("epoch 1:")


def test_it_follows_the_visitors_last_morph(open_page: Open) -> None:
    page = opened(open_page)
    page.click("nav.tabs a[href$='#type']")
    page.fill("#type-source input", "32")
    page.fill("#type-target input", "41")
    before = page.evaluate("digitMorph.morph.permalink")
    page.click("#morph")
    page.wait_for_function("(before) => digitMorph.morph.permalink !== before", arg=before)
    page.click("nav.tabs a[href$='#compare']")
    page.wait_for_function("document.querySelector('.compare .name').textContent === '32 becomes 41'")
    assert page.locator(".rebuilt[data-preset=mlp] .mini").count() == 4
    width, height = page.evaluate("(({width, height}) => [width, height])(document.querySelector('.entry canvas'))")
    assert width == pytest.approx(2 * height, abs=2)


def test_a_later_morph_is_shown_though_an_answer_was_on_its_way(open_page: Open) -> None:
    page = opened(open_page)

    def compare() -> None:
        page.click("nav.tabs a[href$='#compare']")

    def morph(number: str) -> None:
        page.click("nav.tabs a[href$='#type']")
        page.fill("#type-source input", number)
        after(page, lambda: page.click("#morph"))

    morph("5")
    first = held(page, compare)
    morph("6")
    compare()
    first.continue_()
    page.wait_for_function("document.querySelector('.compare .name').textContent === '6 becomes 41'")


def test_an_overtaken_answer_that_failed_does_not_stand_in_the_way(open_page: Open) -> None:
    page = opened(open_page)
    page.evaluate(
        """() => {
            const { ask } = digitMorph;
            digitMorph.ask = (name, value) => {
                if (name !== "compare") return ask(name, value);
                digitMorph.ask = ask;  // the first answer: late, and none
                digitMorph.morph = { ...digitMorph.morph, permalink: window.later };
                return Promise.reject(new Error("No."));
            };
        }"""
    )
    page.click("nav.tabs a[href$='#type']")
    page.fill("#type-source input", "6")
    window = after(page, lambda: page.click("#morph"))["permalink"]
    page.fill("#type-source input", "5")
    after(page, lambda: page.click("#morph"))
    page.evaluate("(permalink) => (window.later = permalink)", window)
    page.click("nav.tabs a[href$='#compare']")
    page.wait_for_function("document.querySelector('.compare .name').textContent === '6 becomes 41'")
    assert page.inner_text(".compare .error") == ""


def test_without_motion_it_waits_in_the_middle(open_page: Open) -> None:
    page = opened(open_page, reduced_motion="reduce")
    assert page.inner_text(".compare .play") == "Play"
    before = pictures(page)
    a_while(page)
    assert pictures(page) == before and all(ink > 0.02 for ink, _ in before)
    assert page.locator(".compare input[type=range]").input_value() == "20"


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_a_phone_and_ink_is_legible(open_page: Open, dark: bool) -> None:
    page = opened(open_page, phone=True, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    inside = "[...document.querySelectorAll('.scroll')].every((s) => s.clientWidth <= innerWidth)"
    assert page.evaluate(inside)
    ink, paper = page.evaluate(
        """() => {
            const light = (colour) => colour.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0);
            return [light(getComputedStyle(document.querySelector(".entry canvas")).color),
                    light(getComputedStyle(document.body).backgroundColor)];
        }"""
    )
    assert (ink > paper) == dark and abs(ink - paper) > 400
