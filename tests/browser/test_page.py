"""The page in a real Chromium, used as a visitor would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from visit import ONE, SEVEN, Open, after, assert_playing, draw, inked, no_overflow, numbers, strokes
from waiting import held, whole

pytestmark = pytest.mark.browser


def test_a_morph_plays_when_the_page_opens_and_the_pads_are_ready(open_page: Open) -> None:
    page = open_page()
    assert_playing(page)
    draw(page, "source", SEVEN)
    assert inked(page, "source") and not inked(page, "target")


def test_two_drawings_become_a_playing_video(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    draw(page, "target", ONE)
    morph = after(page, lambda: page.click("#morph"))
    assert numbers(morph) == ["7", "1"]
    assert_playing(page)
    for side, digit in (("source", "7"), ("target", "1")):
        assert page.locator(f"#reading-{side} canvas").count() == 1
        assert re.fullmatch(rf"{digit}\s*\d+% sure", page.inner_text(f"#reading-{side}").strip())
    assert strokes(page, "source") == 1  # the drawing stays


def test_typed_numbers_become_a_playing_video(open_page: Open) -> None:
    page = open_page("#type")
    page.fill("#type-source input", "32")
    page.fill("#type-target input", "41")
    morph = after(page, lambda: page.click("#morph"))
    assert numbers(morph) == ["32", "41"] and morph["film"]["width"] == 56
    assert_playing(page)
    assert page.locator("#reading-target canvas").count() == 2


def test_typing_needs_no_mouse(open_page: Open) -> None:
    page = open_page("#type")
    page.focus("#type-source input")
    page.keyboard.press("Control+A")
    page.keyboard.type("5")
    while not page.evaluate("document.activeElement.closest('#type-target')"):
        page.keyboard.press("Tab")  # past the player, which stands between the two
    page.keyboard.press("Control+A")
    page.keyboard.type("6")
    morph = after(page, lambda: page.keyboard.press("Enter"))
    assert numbers(morph) == ["5", "6"]


def test_a_countdown_goes_by_way_of_the_others(open_page: Open) -> None:
    page = open_page("#type")
    morph = after(page, lambda: page.click("#countdown"))
    assert numbers(morph) == [str(n) for n in range(10, -1, -1)]
    assert page.input_value("#via input") == "9 8 7 6 5 4 3 2 1"
    seen = [found[0] for found in morph["ribbon"][-1] if found]
    assert seen[0] == 0  # of the ten
    assert set(seen) == set(range(10))
    assert morph["ribbon"][0][0][0] == 1 and morph["ribbon"][0][-1] is None  # its one goes, and nothing comes
    assert_playing(page)
    back = after(page, lambda: page.click("#swap"))
    assert numbers(back) == [str(n) for n in range(11)]


def test_uploaded_pictures_become_a_playing_video(open_page: Open, tmp_path: Path) -> None:
    page = open_page("#upload")
    for name, points in (("one", [(150, 40), (140, 250)]), ("seven", [(90, 60), (200, 60), (130, 250)])):
        image = Image.new("RGB", (2000, 2000), "white")
        ImageDraw.Draw(image).line([(6 * x, 6 * y) for x, y in points], fill=(20, 20, 90), width=130, joint="curve")
        image.save(tmp_path / f"{name}.jpg")
    page.set_input_files("#files-source", [tmp_path / "one.jpg", tmp_path / "seven.jpg"])
    page.set_input_files("#files-target", tmp_path / "seven.jpg")
    page.wait_for_function("digitMorph.uploads.source.pictures.length && digitMorph.uploads.target.pictures.length")
    assert page.locator("#upload-source .shots img").count() == 2
    morph = after(page, lambda: page.click("#morph"))
    assert numbers(morph) == ["17", "7"]
    assert_playing(page)
    swapped = after(page, lambda: page.click("#swap"))
    assert numbers(swapped) == ["7", "17"]


def test_an_example_is_a_photo_that_can_be_read(open_page: Open) -> None:
    page = open_page("#upload", phone=True)
    for side in ("source", "target"):
        page.click(f"#upload-{side} [data-tool=example]")
    morph = after(page, lambda: page.click("#morph"))
    assert [len(side["digits"]) for side in morph["sides"]] == [2, 2]
    assert no_overflow(page)


def test_a_missing_or_broken_upload_is_said(open_page: Open, tmp_path: Path) -> None:
    page = open_page("#upload")
    page.click("#morph")
    assert page.inner_text(".fault") == "The first number is missing: choose or type one on the left."
    (tmp_path / "no.png").write_bytes(b"no picture")
    page.set_input_files("#files-source", tmp_path / "no.png")
    page.wait_for_function("document.querySelector('.fault').textContent.includes('cannot open')")


def test_another_handwriting_swap_and_random(open_page: Open) -> None:
    page = open_page("#type")
    first = after(page, lambda: page.click("#morph"))
    other = after(page, lambda: page.click("#another"))
    assert numbers(first) == numbers(other) and first["film"] != other["film"]
    assert numbers(after(page, lambda: page.click("#swap"))) == numbers(first)[::-1]
    assert numbers(after(page, lambda: page.click("#random"))) != numbers(first)[::-1]


def test_clear_and_redraw_as_often_as_one_likes(open_page: Open) -> None:
    page = open_page()
    for _ in range(3):
        draw(page, "source", SEVEN)
        assert inked(page, "source") and strokes(page, "source") == 1
        page.click("#pad-source [data-tool=clear]")
        assert not inked(page, "source") and strokes(page, "source") == 0
    draw(page, "source", ONE)
    draw(page, "source", SEVEN)
    page.click("#pad-source [data-tool=undo]")
    assert strokes(page, "source") == 1
    draw(page, "target", ONE)
    assert numbers(after(page, lambda: page.click("#morph"))) == ["1", "1"]


def test_the_sides_of_drawings_swap(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    draw(page, "target", ONE)
    assert numbers(after(page, lambda: page.click("#swap"))) == ["1", "7"]


def test_an_example_is_written_on_the_pad(open_page: Open) -> None:
    page = open_page()
    page.click("#pad-source [data-tool=example]")
    page.click("#pad-target [data-tool=example]")
    assert strokes(page, "source") and strokes(page, "target")
    after(page, lambda: page.click("#morph"))
    assert page.inner_text(".fault") == ""


def test_an_empty_pad_is_said_and_the_drawing_stays(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    page.click("#morph")
    page.wait_for_selector(".fault:not(:empty)")
    assert page.inner_text(".fault") == "The second number is missing: draw or type one on the right."
    assert strokes(page, "source") == 1
    draw(page, "target", ONE)
    after(page, lambda: page.click("#morph"))
    assert page.inner_text(".fault") == ""


def test_a_wrong_number_is_said(open_page: Open) -> None:
    page = open_page("#type")
    page.fill("#type-source input", "3a")
    page.click("#morph")
    page.wait_for_selector(".fault:not(:empty)")
    assert "one to four digits" in page.inner_text(".fault")
    assert page.input_value("#type-source input") == "3a"


def test_a_failure_of_the_server_is_said_and_the_next_morph_works(open_page: Open) -> None:
    page = open_page("#type")
    after(page)
    page.route("**/page/morph", lambda route: route.abort(), times=1)
    page.fill("#type-source input", "5")
    page.wait_for_selector(".fault:not(:empty)")
    assert "cannot be reached" in page.inner_text(".fault")
    assert page.get_attribute("#morph", "aria-busy") == "false"
    assert numbers(after(page, lambda: page.click("#morph"))) == ["5", "41"]
    assert page.inner_text(".fault") == ""


def test_a_busy_server_says_how_long(open_page: Open) -> None:
    page = open_page("#type")
    after(page)
    page.route("**/healthz", lambda route: route.fulfill(json={"status": "ok", "waiting": 3}))
    first = held(page, lambda: page.fill("#type-source input", "5"))
    page.wait_for_function("/3 waiting, about \\d+ seconds?/.test(document.querySelector('.fault').textContent)")
    after(page, first.continue_)
    assert page.inner_text(".fault") == ""


def test_a_drawing_outlives_a_reload(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    page.reload()
    whole(page)
    assert strokes(page, "source") == 1 and strokes(page, "target") == 0


def test_what_looks_like_no_digit_is_said(open_page: Open) -> None:
    def doubt(route: Any) -> None:
        morph = route.fetch().json()
        morph["sides"][0]["digits"][0]["known"] = False
        route.fulfill(json=morph)

    page = open_page()
    page.route("**/page/morph", doubt)
    after(page, lambda: page.click("nav.tabs a[href='#type']"))
    assert page.inner_text("#reading-source .verdict >> nth=0") == "looks like nothing I know"


def test_dragging_and_arrow_keys_go_to_any_frame(open_page: Open) -> None:
    page = open_page()
    track = page.locator(".player .track")
    box = track.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 1, box["y"] + 10)
    page.click(".play")
    assert page.inner_text(".play") == "Play"
    track.focus()
    page.keyboard.press("Home")
    assert track.get_attribute("aria-valuenow") == "1"
    page.keyboard.press("ArrowRight")
    assert track.get_attribute("aria-valuenow") == "2"
    page.keyboard.press("End")
    assert track.get_attribute("aria-valuenow") == track.get_attribute("aria-valuemax")


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_a_phone(open_page: Open, dark: bool) -> None:
    page = open_page(phone=True, dark=dark)
    page.click("#options > button")
    page.wait_for_selector("#steps input")
    for tab in ("type", "draw"):
        page.click(f"nav.tabs a[href='#{tab}']")
        assert no_overflow(page)


def test_morph_is_in_sight_on_a_phone(open_page: Open) -> None:
    page = open_page(phone=True)
    in_sight = "document.querySelector('#morph').getBoundingClientRect().bottom <= innerHeight - 12"
    for tab in ("type", "upload", "draw"):
        page.click(f"nav.tabs a[href='#{tab}']")
        assert page.evaluate(in_sight)
    page.evaluate("digitMorph.pads.source.write('3274')")
    page.evaluate("digitMorph.pads.target.write('15')")
    after(page, lambda: page.click("#morph"))
    page.evaluate("scrollTo(0, 0)")
    assert page.evaluate(in_sight)


def test_a_phone_draws_with_a_finger(open_page: Open) -> None:
    page = open_page(phone=True)
    draw(page, "source", SEVEN)
    page.locator("#pad-target").scroll_into_view_if_needed()
    draw(page, "target", ONE)
    assert numbers(after(page, lambda: page.click("#morph"))) == ["7", "1"]
    assert_playing(page)


def test_day_and_night(open_page: Open) -> None:
    page = open_page(dark=True)
    background = "getComputedStyle(document.body).backgroundColor"
    night = page.evaluate(background)
    page.click(".theme-toggle")
    assert page.evaluate(background) != night
    page.reload()
    whole(page)
    assert page.evaluate(background) != night  # the choice is remembered


def test_a_number_may_be_typed_beside_a_drawing(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    assert not page.is_visible("#hand")
    page.click("#pad-target [data-tool=type]")
    page.keyboard.type("41")  # the field has the focus
    own = after(page, lambda: page.keyboard.press("Enter"))
    assert numbers(own) == ["7", "41"] and [side["typed"] for side in own["sides"]] == [False, True]
    assert page.is_visible("#hand") and not page.is_visible("#seed")
    test = after(page, lambda: page.check("#hand [value=test]"))
    another = after(page, lambda: page.click("#another"))
    inks = [[digit["ink"] for digit in morph["sides"][1]["digits"]] for morph in (own, test, another)]
    assert inks[0] != inks[1] != inks[2] != inks[0]
    swapped = after(page, lambda: page.click("#swap"))
    assert numbers(swapped) == ["41", "7"]
    assert page.input_value("#pad-source .typing") == "41" and strokes(page, "target") == 1
    page.click("#pad-source [data-tool=back]")
    assert not page.is_visible("#hand") and not inked(page, "source")
    page.click("#pad-source [data-tool=type]")
    page.click("#morph")
    assert page.inner_text(".fault") == "The first number is missing: draw or type one on the left."


def test_a_number_may_be_typed_beside_a_picture(open_page: Open) -> None:
    page = open_page("#upload", phone=True)
    page.click("#upload-source [data-tool=example]")
    page.click("#upload-target [data-tool=type]")
    page.fill("#upload-target .typing", "4")
    morph = after(page, lambda: page.click("#morph"))
    assert [side["typed"] for side in morph["sides"]] == [False, True]
    assert page.is_visible("#hand") and no_overflow(page)
    page.click("#upload-target [data-tool=back]")
    page.wait_for_selector("#upload-target .hint")


def test_a_typed_side_outlives_a_reload_and_needs_no_mouse(open_page: Open) -> None:
    page = open_page()
    page.focus("#pad-source [data-tool=type]")
    page.keyboard.press("Enter")
    page.keyboard.type("32")
    page.reload()
    page.wait_for_function("window.digitMorph?.pads.target")
    assert page.input_value("#pad-source .typing") == "32"
    page.focus("#pad-target [data-tool=type]")
    page.keyboard.press("Enter")
    page.keyboard.type("8")
    page.wait_for_function("digitMorph.morph")
    assert numbers(after(page, lambda: page.keyboard.press("Enter"))) == ["32", "8"]
    assert page.is_visible("#seed") and not page.is_visible("#hand")  # nobody drew


def test_who_wants_less_motion_gets_a_still_picture(open_page: Open) -> None:
    page = open_page(reduced_motion="reduce")
    assert page.inner_text(".play") == "Play"
    page.click(".play")
    assert_playing(page)


def test_two_tabs_do_not_disturb_each_other(open_page: Open) -> None:
    one, two = open_page("#type"), open_page("#type")
    one.fill("#type-source input", "1")
    two.fill("#type-source input", "2")
    one.click("#morph")
    two.click("#morph")
    for page, number in ((one, "1"), (two, "2")):
        page.wait_for_function(f"digitMorph.morph.sides[0].number === '{number}'")
