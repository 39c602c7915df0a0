"""The pad's own ways: pens, edges, pictures put on it, and what a doubtful digit is."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image, ImageDraw
from visit import ONE, SEVEN, Open, after, draw, inked, numbers, strokes
from waiting import a_while

pytestmark = pytest.mark.browser

GIVE = """([selector, name, base64]) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], "seven.png", { type: "image/png" }));
    const of = name === "paste" ? { clipboardData: data } : { dataTransfer: data };
    const event = new (name === "paste" ? ClipboardEvent : DragEvent)(name, { ...of, bubbles: true, cancelable: true });
    document.querySelector(selector).dispatchEvent(event);
}"""


def seven() -> Image.Image:
    image = Image.new("RGB", (300, 300), "white")
    ImageDraw.Draw(image).line([(90, 60), (200, 60), (130, 250)], fill=(20, 20, 90), width=22, joint="curve")
    return image


def png(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def sent(page: Any, side: str) -> Any:
    return page.evaluate(f"digitMorph.pads.{side}.sent()")


def test_a_broader_pen_draws_broader_and_morphs_anew(open_page: Open) -> None:
    page = open_page()
    draw(page, "source", SEVEN)
    draw(page, "target", ONE)
    usual = after(page)
    pen = page.locator("#pad-source .pen")
    pen.press("End")
    broad = after(page)
    assert sent(page, "source")["pen"] > 0.1 and sent(page, "target")["pen"] < 0.07
    assert broad["permalink"] != usual["permalink"] and numbers(broad) == numbers(usual)
    page.click("#pad-source [data-tool=clear]")
    draw(page, "source", ONE)
    assert sent(page, "source")["pen"] > 0.1  # it stays in the hand


def test_ink_beyond_the_edges_is_kept(open_page: Open) -> None:
    page = open_page()
    eight = [(0.5, 0.4), (0.35, 0.05), (0.5, -0.3), (0.65, 0.05), (0.5, 0.4), (0.3, 0.8), (0.5, 1.15), (0.7, 0.8)]
    draw(page, "source", [*eight, (0.5, 0.4)])
    draw(page, "target", ONE)
    assert numbers(after(page)) == ["8", "1"]


def test_a_stroke_may_begin_on_the_offer_to_type(open_page: Open) -> None:
    page = open_page()
    box = page.locator("#pad-source [data-tool=type]").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 100, steps=6)
    page.mouse.up()
    assert strokes(page, "source") == 1 and inked(page, "source")
    page.click("#pad-target [data-tool=type]")  # and a press is a press
    assert page.is_visible("#pad-target .typing") and strokes(page, "target") == 0


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_put_on_a_pad_is_read(open_page: Open, way: str) -> None:
    page = open_page()
    page.hover("#pad-source canvas")
    page.evaluate(GIVE, ["#pad-source .sheet" if way == "drop" else "body", way, png(seven())])
    page.wait_for_selector("#pad-source .shots img")
    draw(page, "target", ONE)
    assert numbers(after(page)) == ["7", "1"]
    draw(page, "source", ONE)  # a drawing takes its place
    assert numbers(after(page)) == ["1", "1"] and not page.locator("#pad-source .shots img").count()


def test_an_uploaded_picture_is_turned_and_cropped(open_page: Open) -> None:
    page = open_page("#upload")
    wide = Image.new("RGB", (600, 300), "white")
    wide.paste(seven())
    ImageDraw.Draw(wide).line([(450, 60), (445, 250)], fill=(20, 20, 90), width=22)
    page.evaluate(GIVE, ["#upload-source .sheet", "drop", png(wide.rotate(90, expand=True))])
    page.wait_for_selector("#upload-source .shots img")
    page.click("#upload-source [data-tool=turn]")
    page.wait_for_function(
        "(({ naturalWidth, naturalHeight }) => naturalWidth === 600 && naturalHeight === 300)"
        "(document.querySelector('#upload-source .shots img'))"
    )
    page.click("#upload-target [data-tool=type]")
    page.fill("#upload-target .typing", "5")
    assert numbers(after(page)) == ["71", "5"]
    box = page.locator("#upload-source .shots img").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 2, steps=4)
    page.mouse.up()
    page.wait_for_function("document.querySelector('#upload-source .shots img').naturalWidth < 320")
    assert numbers(after(page)) == ["7", "5"]


def test_what_a_doubtful_digit_is_one_says_by_a_press(open_page: Open) -> None:
    page = open_page()

    def doubt(route: Any) -> None:
        answer = route.fetch()
        morph = answer.json()
        if "as" not in route.request.post_data_json["source"]:
            morph["sides"][0]["digits"][0] |= {"sure": 0.6, "second": 1}
        route.fulfill(json=morph)

    page.route("**/page/morph", doubt)
    draw(page, "source", SEVEN)
    draw(page, "target", ONE)
    after(page)
    assert page.inner_text("#reading-source .verdict") == "7 60%"
    told = after(page, lambda: page.click("#reading-source .rather"))
    assert numbers(told) == ["1", "1"] and sent(page, "source")["as"] == "1"
    page.click("[data-link]")  # and it stays so, in the link as well
    page.wait_for_function("location.hash.startsWith('#m=')")
    other = open_page(page.evaluate("location.hash"))
    other.wait_for_function("(made) => digitMorph.morph.permalink === made", arg=told["permalink"])
    assert numbers(other.evaluate("digitMorph.morph")) == ["1", "1"]
    draw(page, "source", [(0.8, y) for _, y in ONE])  # another drawing is read afresh
    a_while(page)
    assert "as" not in sent(page, "source")
