"""The morph makes itself: what is asked for when, and what is shown then."""

from __future__ import annotations

from typing import Any

import pytest
from visit import ONE, SEVEN, Open, after, draw, numbers
from waiting import a_while, held

pytestmark = pytest.mark.browser


def asked(page: Any) -> list[Any]:
    """What the page asks for from now on: a list that grows."""
    requests: list[Any] = []
    page.on("request", lambda request: requests.append(request) if "/page/" in request.url else None)
    return requests


def shown(page: Any) -> list[str]:
    return numbers(page.evaluate("digitMorph.morph"))


def test_two_drawings_morph_without_a_press_and_again_after_each_stroke(open_page: Open) -> None:
    page = open_page()
    requests = asked(page)
    draw(page, "source", SEVEN)
    a_while(page)
    assert requests == []  # there is nothing on the other pad
    draw(page, "target", ONE)
    assert numbers(after(page)) == ["7", "1"]
    draw(page, "target", [(0.9, y) for _, y in ONE])
    assert numbers(after(page)) == ["7", "11"]
    page.click("#pad-target [data-tool=undo]")
    assert numbers(after(page)) == ["7", "1"]
    assert len(requests) == 3


def test_nothing_is_asked_for_while_a_stroke_goes_on(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    draw(page, "target", ONE)
    after(page)
    requests = asked(page)
    box = page.locator("#pad-source canvas").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 20, box["y"] + 90, steps=5)
    a_while(page)
    assert requests == []
    page.mouse.up()
    after(page)
    assert len(requests) == 1


def test_typed_digits_morph_as_they_are_typed(open_page: Open) -> None:
    page = open_page("#type")
    assert numbers(after(page)) == ["32", "41"]  # what stands in the fields
    page.fill("#type-source input", "5")
    assert numbers(after(page)) == ["5", "41"]
    page.fill("#type-source input", "")  # nobody complains while somebody types
    after(page)
    assert page.inner_text(".fault") == "" and shown(page) == ["5", "41"]
    page.click("#options > button")
    page.fill("#type-source input", "6")
    by_hand = after(page)
    straight = after(page, lambda: page.check("#path input >> nth=1"))
    assert numbers(by_hand) == numbers(straight) == ["6", "41"] and by_hand["film"] != straight["film"]


def test_the_look_is_the_pages_own(open_page: Open) -> None:
    page = open_page("#type")
    after(page)
    requests = asked(page)
    page.click("#options > button")
    page.check("#style input >> nth=2")
    page.check("#playback input >> nth=1")
    after(page)
    assert requests == []
    page.click("[data-link]")
    page.wait_for_function("location.hash.includes('&playback=once&style=chalk')")
    other = open_page(page.evaluate("location.hash"))
    other.wait_for_function("digitMorph.fields.style === 'chalk' && digitMorph.fields.playback === 'once'")
    made = page.evaluate("digitMorph.morph.permalink")
    other.wait_for_function("(made) => digitMorph.morph.permalink === made", arg=made)


def test_morph_plays_again_what_is_there(open_page: Open) -> None:
    page = open_page("#type")
    after(page)
    requests = asked(page)
    page.keyboard.press("Escape")
    page.locator(".player .track").focus()
    page.keyboard.press("End")
    assert page.evaluate("digitMorph.player.position") > 50
    page.click("#morph")
    page.wait_for_function("digitMorph.player.position < 30")
    assert requests == []


def test_the_newest_wish_wins_and_one_is_on_its_way(open_page: Open) -> None:
    page = open_page("#type")
    after(page)
    under_way, most, seen = 0, 0, []

    def slowly(route: Any) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        seen.append(route.request.post_data_json["source"]["number"])
        page.wait_for_timeout(150)
        under_way -= 1
        route.continue_()

    page.route("**/page/morph", slowly)
    for _ in range(3):
        for _ in range(4):
            page.click("#random")
        after(page)
        page.wait_for_function(
            "digitMorph.morph.sides[0].number === document.querySelector('#type-source input').value"
        )
        assert shown(page)[1] == page.input_value("#type-target input")
    assert most == 1 and len(seen) < 12


def test_an_older_answer_is_not_shown_over_newer_input(open_page: Open) -> None:
    page = open_page("#type")
    after(page)
    page.evaluate(
        "window.stage = []; document.documentElement.addEventListener('morph', ({detail}) => "
        "window.stage.push(detail.sides[0].number))"
    )
    first = held(page, lambda: page.fill("#type-source input", "5"))
    page.fill("#type-source input", "6")
    a_while(page)
    first.continue_()
    page.wait_for_function("digitMorph.morph.sides[0].number === '6'")
    second = held(page, lambda: page.fill("#type-source input", "7"))
    page.fill("#type-source input", "")  # taken back, and nothing in its place
    second.continue_()
    after(page)
    assert page.evaluate("window.stage") == ["6"]


def test_a_busy_server_is_asked_by_hand_until_it_is_quick_again(open_page: Open) -> None:
    page = open_page("#type")
    after(page)
    busy = {"status": 503, "json": {"error": "Many people are here just now; please try again in about 4 seconds."}}
    page.route("**/page/morph", lambda route: route.fulfill(**busy), times=1)
    page.fill("#type-source input", "5")
    page.wait_for_function("document.querySelector('.fault').textContent.includes('in about 4 seconds')")
    requests = asked(page)
    page.fill("#type-source input", "6")
    page.wait_for_function("document.querySelector('.fault').textContent.includes('Press Morph')")
    assert requests == [] and shown(page) == ["32", "41"]
    assert numbers(after(page, lambda: page.click("#morph"))) == ["6", "41"]
    page.fill("#type-source input", "8")
    assert numbers(after(page)) == ["8", "41"] and page.inner_text(".fault") == ""
