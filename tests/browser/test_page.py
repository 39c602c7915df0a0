"""The page in a real Chromium, used as a visitor would."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from waiting import whole

pytestmark = pytest.mark.browser

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


def after(page: Any, act: Callable[[], Any]) -> dict[str, Any]:
    """Do something that makes another morph; returns that morph."""
    before = permalink(page)
    act()
    page.wait_for_function("(before) => digitMorph.morph.permalink !== before", arg=before)
    return page.evaluate("digitMorph.morph")


def numbers(morph: dict[str, Any]) -> list[str]:
    return [side["number"] for side in morph["sides"]]


def assert_playing(page: Any) -> None:
    """The video has a size, runs by itself, silently, and its pictures differ."""
    page.wait_for_function("document.querySelector('.film video').videoWidth > 0")
    video = page.locator(".film video")
    assert video.evaluate("v => v.muted && v.loop && v.playsInline")
    start = video.evaluate("v => v.currentTime")
    page.wait_for_function("(t) => document.querySelector('.film video').currentTime !== t", arg=start)
    differ = page.evaluate(
        """async () => {
            const video = document.querySelector(".film video"), seen = new Set();
            const canvas = new OffscreenCanvas(32, 32), pen = canvas.getContext("2d");
            while (seen.size < 3) {
                await new Promise((done) => video.requestVideoFrameCallback(done));
                pen.drawImage(video, 0, 0, 32, 32);
                seen.add(pen.getImageData(0, 0, 32, 32).data.join());
            }
            return seen.size;
        }"""
    )
    assert differ == 3


def no_overflow(page: Any) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


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
    assert numbers(morph) == ["32", "41"] and morph["places"] == 2
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
    page.wait_for_function("document.querySelector('.fault').textContent.includes('Choose a picture')")
    (tmp_path / "no.png").write_bytes(b"no picture")
    page.set_input_files("#files-source", tmp_path / "no.png")
    page.wait_for_function("document.querySelector('.fault').textContent.includes('cannot open')")


def test_another_handwriting_swap_and_random(open_page: Open) -> None:
    page = open_page("#type")
    first = after(page, lambda: page.click("#morph"))
    other = after(page, lambda: page.click("#another"))
    assert numbers(first) == numbers(other) and first["video"] != other["video"]
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
    assert "nothing on one of the pads" in page.inner_text(".fault")
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
    page.evaluate(
        """() => {
            const asked = digitMorph.asked;
            digitMorph.asked = (...values) => {
                digitMorph.asked = asked;
                return asked(...values).with(6, "no seed");
            };
        }"""
    )
    page.click("#morph")
    page.wait_for_selector(".fault:not(:empty)")
    assert "try again" in page.inner_text(".fault")
    assert page.get_attribute("#morph", "aria-busy") == "false"
    assert numbers(after(page, lambda: page.click("#morph"))) == ["32", "41"]


def test_a_busy_server_says_how_long(open_page: Open) -> None:
    page = open_page("#type")
    held: list[Any] = []
    page.route("**/queue/join*", lambda route: held.append(route))
    page.route("**/healthz", lambda route: route.fulfill(json={"status": "ok", "waiting": 3}))
    page.click("#morph")
    page.wait_for_function("document.querySelector('.fault').textContent.includes('3 waiting, about 2 seconds')")
    page.unroute("**/queue/join*")
    after(page, held[0].continue_)
    assert page.inner_text(".fault") == ""


def test_a_file_that_would_be_too_large_is_said(open_page: Open) -> None:
    page = open_page("#type")
    page.fill("#type-source input", "1234")
    page.fill("#type-target input", "5678")
    page.click("#options > button")
    page.fill("#steps input[type=number]", "240")
    page.press("#steps input[type=number]", "Tab")
    page.check("#size input >> nth=-1")
    after(page, lambda: page.click("#morph"))
    page.click("[data-format=zip]")
    page.wait_for_function("document.querySelector('.said').textContent.includes('choose a size of at most')")
    with page.expect_download():
        page.click("[data-format=png]")


def test_a_drawing_outlives_a_reload(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    page.reload()
    whole(page)
    assert strokes(page, "source") == 1 and strokes(page, "target") == 0


def test_what_looks_like_no_digit_is_said(open_page: Open) -> None:
    page = open_page()
    page.evaluate(
        """() => {
            const morph = structuredClone(digitMorph.morph);
            morph.sides[0].digits[0].known = false;
            digitMorph.arrived(morph);
        }"""
    )
    assert page.inner_text("#reading-source").strip() == "looks like nothing I know"


def test_dragging_and_arrow_keys_go_to_any_frame(open_page: Open) -> None:
    page = open_page()
    track = page.locator(".player .track")
    box = track.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 1, box["y"] + 10)
    page.click(".play")
    page.wait_for_function("document.querySelector('.film video').paused")
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


def test_a_link_opens_the_same_drawn_morph(open_page: Open, address: str) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    draw(page, "target", ONE)
    made = after(page, lambda: page.click("#morph"))
    page.click("[data-link]")
    page.wait_for_function("location.hash.startsWith('#m=')")
    fragment = page.evaluate("location.hash")
    other = open_page(fragment)
    other.wait_for_function("(made) => digitMorph.morph.permalink === made", arg=made["permalink"])
    assert other.evaluate("digitMorph.morph.video") == made["video"]


def test_a_typed_link_opens_where_one_types_also_after_a_reload(open_page: Open) -> None:
    page = open_page("#type")
    page.fill("#type-source input", "64")
    made = after(page, lambda: page.click("#morph"))
    page.click("[data-link]")
    page.wait_for_function("location.hash.startsWith('#m=')")
    page.reload()
    whole(page)
    page.wait_for_function("(made) => digitMorph.morph.permalink === made", arg=made["permalink"])
    assert page.evaluate("document.documentElement.dataset.tab") == "type"
    assert page.input_value("#type-source input") == "64"


def test_a_link_copied_beside_pictures_lays_their_digits_on_the_pads(open_page: Open) -> None:
    page = open_page("#upload")
    for side in ("source", "target"):
        page.click(f"#{side} .for-upload [data-tool=example]")
    made = after(page, lambda: page.click("#morph"))
    page.click("[data-link]")
    page.wait_for_function("location.hash.startsWith('#m=')")
    page.reload()
    whole(page)
    page.wait_for_function("(made) => digitMorph.morph.permalink === made", arg=made["permalink"])
    assert anew(page, lambda: page.click("#morph"))["permalink"] == made["permalink"]


def test_a_damaged_link_is_said(open_page: Open) -> None:
    page = open_page("#m=nonsense")
    page.wait_for_selector(".fault:not(:empty)")
    assert "link" in page.inner_text(".fault")


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
    page.wait_for_selector(".fault:not(:empty)")
    assert "one to four digits" in page.inner_text(".fault")


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


def anew(page: Any, act: Callable[[], Any]) -> dict[str, Any]:
    """Do something that makes a morph, perhaps the same; returns it."""
    page.evaluate("digitMorph.morph.old = true")
    act()
    page.wait_for_function("!digitMorph.morph.old")
    return page.evaluate("digitMorph.morph")


def reopened(open_page: Open, page: Any, **more: Any) -> Any:
    """Another visitor's page, opened by the link of this page's morph."""
    page.click("[data-link]")
    page.wait_for_function("location.hash.startsWith('#m=')")
    other = open_page(page.evaluate("location.hash"), **more)
    other.wait_for_function("(made) => digitMorph.morph.permalink === made", arg=permalink(page))
    return other


@pytest.mark.parametrize("phone", [False, True])
def test_one_goes_on_from_a_link(open_page: Open, phone: bool) -> None:
    page = open_page()
    page.evaluate("digitMorph.pads.source.write('327')")
    page.evaluate("digitMorph.pads.target.write('15')")
    made = after(page, lambda: page.click("#morph"))
    other = reopened(open_page, page, phone=phone, dark=phone)
    assert inked(other, "source") and inked(other, "target")
    again = anew(other, lambda: other.click("#morph"))
    assert (again["permalink"], again["video"]) == (made["permalink"], made["video"])
    swapped = after(other, lambda: other.click("#swap"))
    assert numbers(swapped) == numbers(made)[::-1]
    other.click("#pad-target [data-tool=clear]")
    assert not inked(other, "target") and inked(other, "source")
    draw(other, "target", ONE)
    assert numbers(after(other, lambda: other.click("#morph"))) == [numbers(made)[1], "1"]


def test_a_stroke_may_be_added_to_the_digits_of_a_link(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", [(0.25, 0.2), (0.24, 0.5), (0.24, 0.85)])
    draw(page, "target", SEVEN)
    after(page, lambda: page.click("#morph"))
    other = reopened(open_page, page)
    draw(other, "source", [(0.85, 0.2), (0.84, 0.5), (0.84, 0.85)])
    assert numbers(after(other, lambda: other.click("#morph"))) == ["11", "7"]
    other.click("#pad-source [data-tool=undo]")
    assert numbers(after(other, lambda: other.click("#morph"))) == ["1", "7"]
    other.click("#pad-source [data-tool=undo]")
    assert not inked(other, "source")


def test_a_mixed_link_opens_with_its_number_and_its_hand(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    page.click("#pad-target [data-tool=type]")
    page.keyboard.type("41")
    after(page, lambda: page.click("#morph"))
    made = after(page, lambda: page.check("#hand [value=test]"))
    other = reopened(open_page, page)
    assert other.input_value("#pad-target .typing") == "41" and inked(other, "source")
    other.wait_for_selector("#hand [value=test]:checked")
    assert anew(other, lambda: other.click("#morph"))["video"] == made["video"]


def test_a_typed_link_opens_where_one_types(open_page: Open) -> None:
    page = open_page("#type")
    made = after(page, lambda: page.click("#countdown"))
    other = reopened(open_page, page)
    assert other.is_visible("#type-source input")
    other.wait_for_function("document.querySelector('#via input').value === '9 8 7 6 5 4 3 2 1'")
    assert anew(other, lambda: other.click("#morph"))["permalink"] == made["permalink"]


def test_what_was_drawn_over_a_link_outlives_a_reload(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    draw(page, "target", ONE)
    after(page, lambda: page.click("#morph"))
    other = reopened(open_page, page)
    other.click("#pad-source [data-tool=clear]")
    draw(other, "source", ONE)
    other.reload()
    other.wait_for_function("(made) => window.digitMorph?.morph?.permalink === made", arg=permalink(page))
    assert strokes(other, "source") == 1
    assert numbers(after(other, lambda: other.click("#morph"))) == ["1", "1"]


def test_downloads(open_page: Open, tmp_path: Path) -> None:
    page = open_page("#type")
    after(page, lambda: page.click("#morph"))
    for format in ("gif", "mp4", "avi"):
        with page.expect_download() as download:
            page.click(f"[data-format={format}]")
        assert download.value.suggested_filename == f"32-to-41.{format}"
        download.value.save_as(tmp_path / f"morph.{format}")
    with Image.open(tmp_path / "morph.gif") as gif:
        assert gif.n_frames > 60  # type: ignore[attr-defined]


def test_who_wants_less_motion_gets_a_still_picture(open_page: Open) -> None:
    page = open_page(reduced_motion="reduce")
    assert page.locator(".film video").evaluate("v => v.paused")
    page.click(".play")
    page.wait_for_function("!document.querySelector('.film video').paused")


def test_two_tabs_do_not_disturb_each_other(open_page: Open) -> None:
    one, two = open_page("#type"), open_page("#type")
    one.fill("#type-source input", "1")
    two.fill("#type-source input", "2")
    one.click("#morph")
    two.click("#morph")
    for page, number in ((one, "1"), (two, "2")):
        page.wait_for_function(f"digitMorph.morph.sides[0].number === '{number}'")
