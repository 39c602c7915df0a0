"""A morph's link and files, in a real Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from visit import ONE, SEVEN, Open, after, draw, inked, numbers, reopened, strokes
from waiting import whole

pytestmark = pytest.mark.browser


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
    assert other.evaluate("digitMorph.morph.film") == made["film"]


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
    assert after(page, lambda: page.click("#morph"))["permalink"] == made["permalink"]


def test_a_damaged_link_is_said(open_page: Open) -> None:
    page = open_page("#m=nonsense")
    page.wait_for_selector(".fault:not(:empty)")
    assert "link" in page.inner_text(".fault")


@pytest.mark.parametrize("phone", [False, True])
def test_one_goes_on_from_a_link(open_page: Open, phone: bool) -> None:
    page = open_page()
    page.evaluate("digitMorph.pads.source.write('327')")
    page.evaluate("digitMorph.pads.target.write('15')")
    made = after(page, lambda: page.click("#morph"))
    other = reopened(open_page, page, phone=phone, dark=phone)
    assert inked(other, "source") and inked(other, "target")
    again = after(other, lambda: other.click("#morph"))
    assert (again["permalink"], again["film"]) == (made["permalink"], made["film"])
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
    assert after(other, lambda: other.click("#morph"))["film"] == made["film"]


def test_a_typed_link_opens_where_one_types(open_page: Open) -> None:
    page = open_page("#type")
    made = after(page, lambda: page.click("#countdown"))
    other = reopened(open_page, page)
    assert other.is_visible("#type-source input")
    other.wait_for_function("document.querySelector('#via input').value === '9 8 7 6 5 4 3 2 1'")
    assert after(other, lambda: other.click("#morph"))["permalink"] == made["permalink"]


def test_what_was_drawn_over_a_link_outlives_a_reload(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    draw(page, "target", ONE)
    after(page, lambda: page.click("#morph"))
    other = reopened(open_page, page)
    other.click("#pad-source [data-tool=clear]")
    draw(other, "source", ONE)
    other.reload()
    whole(other)
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
