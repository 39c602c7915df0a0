"""The stage's player on a page of its own, and how the opening morph plays on the real one."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from serving import until
from waiting import a_while

from vae import render
from vae.morphing import hold_frames
from vae.ui.codec import pack
from vae.ui.theme import STYLES, static

pytestmark = pytest.mark.browser

SCRIPTS = ("controls.js", "codec.js", "ribbon.js", "film.js", "player.js")
STEP = """(ms) => {  // what the browser would do for a new picture, `ms` after the last
    window.now += ms;
    const due = [...window.asked.values()];
    window.asked.clear();
    for (const paint of due) paint(window.now);
}"""
BY_HAND = """window.digitMorph = {}; window.now = 0; window.asked = new Map(); window.times = 0;
    window.requestAnimationFrame = (paint) => { window.asked.set(++window.times, paint); return window.times; };
    window.cancelAnimationFrame = (time) => window.asked.delete(time);"""


def frames(count: int, places: int = 1) -> torch.Tensor:
    """A bar that crosses the picture, soft at its edges: `(count, 28, 28 * places)`."""
    x = torch.arange(28.0 * places)
    middle = torch.linspace(5, 28 * places - 6, count)[:, None]
    line = (4 - (x - middle).abs()).sigmoid()
    bars = line[:, None].repeat(1, 28, 1)
    bars[:, :4] = bars[:, -4:] = 0
    return bars


def morph(
    count: int = 12, stops: tuple[int, ...] | None = None, numbers: str = "3 8", places: int = 1
) -> dict[str, Any]:
    """What the server sends for a morph, as far as the player reads it."""
    return {
        "permalink": numbers,
        "film": pack(frames(count, places)[None]),
        "stops": list(stops or (0, count - 1)),
        "ribbon": [[[3, 0.9] if i < count / 2 else [8, 0.9] for i in range(count)]] * places,
        "sides": [{"number": number} for number in numbers.split()],
    }


def until_true(page: Any, happened: str) -> None:
    """Wait; Playwright's own waiting wants the browser's frames, whose clock is the test's here."""
    until(lambda: bool(page.evaluate(f"Boolean({happened})")))


def mounted(page: Any, shown: dict[str, Any] | None = None) -> Any:
    """The player alone on a page, on whose clock time passes by STEP."""
    page.goto("about:blank")
    page.set_content(f'<div id="stage" style="width: 400px">{static("player.html")}</div>')
    page.add_style_tag(content="body { margin: 0; transition: none } " + "".join(static(name) for name in STYLES))
    page.evaluate(BY_HAND)
    for name in SCRIPTS:
        page.evaluate(static(name))
    page.evaluate("(morph) => digitMorph.mountPlayer(document.querySelector('#stage'), morph)", shown or morph())
    until_true(page, "digitMorph.player.film")
    return page


@pytest.fixture(scope="module")
def own(browser: Any) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    yield page
    page.close()


@pytest.fixture
def page(own: Any) -> Any:
    own.emulate_media(reduced_motion="no-preference")
    return mounted(own)


def position(page: Any) -> int:
    return page.evaluate("digitMorph.player.position")


def looked(page: Any, **look: Any) -> None:
    """Another look, from the start."""
    page.evaluate("(look) => { digitMorph.player.look(look); digitMorph.player.restart(); }", look)


def pass_time(page: Any, ms: float) -> None:
    page.evaluate(STEP, ms)


def played(page: Any, count: int, ms: float) -> list[int]:
    """The frames shown at `count` pictures, `ms` apart, each seen in the middle of its time."""
    seen = """([count, ms, step]) => {
        const pass = eval(step), seen = [];
        pass(0);
        for (let i = 0; i < count; i++) {
            pass(ms / (i ? 1 : 2));
            seen.push(Number(document.querySelector(".track").getAttribute("aria-valuenow")) - 1);
        }
        return seen;
    }"""
    return page.evaluate(seen, [count, ms, STEP])


def pixels(page: Any) -> np.ndarray:
    """What is on the stage, `(height, width, 4)`."""
    url = page.evaluate("document.querySelector('.film canvas').toDataURL()")
    return np.array(Image.open(BytesIO(base64.b64decode(url.split(",")[1]))), int)


@pytest.mark.parametrize("playback", ["once", "bounce"])
@pytest.mark.parametrize(
    ("count", "stops", "fps", "hold"),
    [(60, (0, 59), 30, 0.4), (9, (0, 4, 8), 25, 0.3), (2, (0, 1), 1, 0.5), (5, (0, 4), 7, 0.5), (4, (0, 3), 60, 0)],
)
def test_frames_are_shown_when_a_file_shows_them(
    own: Any, count: int, stops: tuple[int, ...], fps: int, hold: float, playback: str
) -> None:
    page = mounted(own, morph(count, stops))
    looked(page, fps=fps, hold=hold, playback=playback)
    there = hold_frames(count, stops, round(hold * fps))
    order = [*there, *(there[-2:0:-1] if playback == "bounce" else [])]
    rest = there.count(0) - 1  # who presses Morph does not wait for the first rest
    shown = played(page, 2 * len(order), 1000 / fps)
    assert shown == (order * 3)[rest : rest + 2 * len(order)]


def test_slow_pictures_leave_frames_out_and_nobody_looking_pauses(page: Any) -> None:
    looked(page, fps=10, hold=0)
    pass_time(page, 0)
    pass_time(page, 50)
    pass_time(page, 400)
    assert position(page) == 4
    pass_time(page, 60_000)  # the tab was hidden
    assert position(page) == 4
    pass_time(page, 100)
    assert position(page) == 5


def test_slow_motion_by_button_and_keys(page: Any) -> None:
    looked(page, fps=10, hold=0)
    page.click(".rate")
    assert page.inner_text(".rate") == "½×"
    page.focus(".track")
    page.keyboard.press("<")
    page.keyboard.press("<")
    assert "quarter" in page.get_attribute(".rate", "aria-label")
    pass_time(page, 0)
    pass_time(page, 850)
    assert position(page) == 2
    page.keyboard.press(">")
    page.keyboard.press(">")
    assert page.inner_text(".rate") == "1×"
    pass_time(page, 300)
    assert position(page) == 5


def test_it_plays_and_pauses_like_a_video(page: Any) -> None:
    state = "() => [digitMorph.player.playing, document.querySelector('.play').textContent]"
    assert page.evaluate(state) == [True, "Pause"]
    page.click(".film")
    assert page.evaluate(state) == [False, "Play"]
    pass_time(page, 100)
    pass_time(page, 100)
    assert position(page) == 0
    page.keyboard.press(" ")  # the track has the focus
    assert page.evaluate(state) == [True, "Pause"]
    page.click(".play")
    assert page.evaluate(state) == [False, "Play"]
    page.keyboard.press(" ")  # once: by the button that has the focus
    assert page.evaluate(state) == [True, "Pause"]


def test_the_track_goes_anywhere_by_drag_and_keys(page: Any) -> None:
    track = page.locator(".track")
    box = track.bounding_box()
    page.mouse.move(box["x"] + 3, box["y"] + 10)
    page.mouse.down()
    assert position(page) == 0 and not page.evaluate("digitMorph.player.playing")
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + 10)
    assert position(page) == 11
    page.mouse.move(box["x"] + box["width"] * 4 / 11, box["y"] + 10)
    page.mouse.up()
    assert position(page) == 4 and page.evaluate("digitMorph.player.playing")
    for key, wanted in (("ArrowRight", 5), ("PageUp", 11), ("ArrowDown", 10), ("Home", 0), ("End", 11)):
        track.press(key)
        assert position(page) == wanted and not page.evaluate("digitMorph.player.playing")
    assert track.get_attribute("aria-valuetext") == "frame 12, seen as 8"
    assert page.eval_on_selector(".marker", "marker => marker.style.left") == "100%"


def test_a_look_takes_effect_at_once_where_it_is(page: Any) -> None:
    pass_time(page, 0)
    pass_time(page, 200)
    assert position(page) == 6
    before, strip = pixels(page), page.locator(".strip").evaluate("(strip) => strip.toDataURL()")
    page.evaluate("digitMorph.player.look({ style: 'chalk' })")
    chalk = pixels(page)
    assert position(page) == 6 and (chalk != before).any()
    assert page.locator(".strip").evaluate("(strip) => strip.toDataURL()") != strip
    assert {38, 240} <= set(np.unique(chalk[chalk[:, :, 3] == 255]))
    page.evaluate("digitMorph.player.look({ fps: 5, hold: 1, playback: 'once' })")
    assert position(page) == 6
    pass_time(page, 110)
    pass_time(page, 110)
    assert position(page) == 7


def test_on_the_way_back_a_look_stays_on_the_way_back(page: Any) -> None:
    looked(page, fps=10, hold=0)
    pass_time(page, 0)
    for ms in (950, 600):
        pass_time(page, ms)
    assert position(page) == 7  # 11 at 1.1 s, and four back
    page.evaluate("digitMorph.player.look({ hold: 0.4, fps: 30 })")
    assert position(page) == 7
    pass_time(page, 40)
    assert position(page) == 6


def test_a_rest_goes_on_when_the_look_changes(page: Any) -> None:
    looked(page, fps=10, hold=1)  # at 0, where the rest has passed
    pass_time(page, 0)
    pass_time(page, 50)
    assert position(page) == 0
    page.evaluate("digitMorph.player.look({ fps: 20 })")
    pass_time(page, 120)
    assert position(page) > 0


def test_the_newest_morph_wins(page: Any) -> None:
    page.evaluate(
        """([slow, quick]) => {
            const { unpack } = digitMorph;
            digitMorph.unpack = (film) => film === slow.film ? new Promise((done) => { window.late = () => done(unpack(film)); }) : unpack(film);
            window.shown = [digitMorph.player.show(slow), digitMorph.player.show(quick)];
        }""",
        [morph(30, numbers="1 2"), morph(20, numbers="4 5")],
    )
    page.evaluate("window.shown[1]")
    page.evaluate("() => { window.late(); return window.shown[0]; }")
    assert page.evaluate("digitMorph.player.film.columns") == 20
    assert page.inner_text(".player .name") == "4 becomes 5"
    assert page.get_attribute(".film canvas", "aria-label") == "4 becomes 5"


def test_another_morph_and_restart_begin_at_the_start(page: Any) -> None:
    pass_time(page, 0)
    pass_time(page, 200)
    page.click(".film")
    page.evaluate("digitMorph.player.restart()")
    assert position(page) == 0 and page.evaluate("digitMorph.player.playing")
    pass_time(page, 0)
    pass_time(page, 200)
    page.evaluate("(morph) => digitMorph.player.show(morph)", morph(30, places=2))
    assert position(page) == 0
    pass_time(page, 0)
    pass_time(page, 50)
    assert position(page) == 1  # without a rest


def test_a_player_that_makes_way_hands_its_morph_on(page: Any) -> None:
    pass_time(page, 0)
    pass_time(page, 200)
    page.evaluate(
        """([html, morph]) => {
            const other = digitMorph.make("div", { innerHTML: html });
            document.querySelector("#stage").replaceWith(other);
            digitMorph.mountPlayer(other, morph);
        }""",
        [static("player.html"), morph()],
    )
    assert position(page) == 6 and page.inner_text(".player .name") == "For example, 3 becomes 8"
    pass_time(page, 0)
    pass_time(page, 50)
    assert position(page) == 7 and page.evaluate("window.asked.size") == 1


def test_who_wants_less_motion_gets_a_still_picture(own: Any) -> None:
    own.emulate_media(reduced_motion="reduce")
    page = mounted(own)
    assert page.inner_text(".play") == "Play" and position(page) == 0
    assert (pixels(page)[:, :, 3] > 0).any()
    page.click(".play")
    pass_time(page, 0)
    pass_time(page, 100)
    assert position(page) == 3


@pytest.mark.parametrize("native", [True, False])
def test_full_screen(page: Any, native: bool) -> None:
    if not native:
        page.evaluate("Element.prototype.requestFullscreen = undefined")  # an iPhone
    size = pixels(page).shape
    page.click(".enlarge")
    until_true(page, "document.querySelector('.film canvas').height > 400")
    assert page.evaluate("!!document.fullscreenElement") == native
    assert page.evaluate("document.activeElement.matches('.track')")
    page.keyboard.press("ArrowRight")
    assert position(page) == 1
    if native:
        page.evaluate("document.exitFullscreen()")  # as Escape does, of which a headless browser knows nothing
    else:
        page.keyboard.press("Escape")
    until_true(page, "!document.querySelector('.player.full')")
    until_true(page, f"document.querySelector('.film canvas').height === {size[0]}")
    page.focus(".track")
    page.keyboard.press("f")
    until_true(page, "document.querySelector('.player.full')")
    page.keyboard.press("f")
    until_true(page, "!document.querySelector('.player.full')")


@pytest.mark.parametrize(("style", "places"), [("ink", 1), ("ink", 2), ("pixels", 1), ("chalk", 2)])
def test_the_stage_looks_as_a_file_does(own: Any, style: Any, places: int) -> None:
    page = mounted(own, morph(places=places))
    page.evaluate("(style) => digitMorph.player.look({ style })", style)
    page.evaluate("() => { digitMorph.player.play(false); digitMorph.player.seek(5); }")
    ink = render.STYLES[style].ink
    page.evaluate(f"document.querySelector('.film canvas').style.color = 'rgb({ink}, {ink}, {ink})'")
    height = 180
    page.evaluate("(height) => { document.querySelector('.film').style.height = `${height}px`; }", height)
    until_true(page, f"document.querySelector('.film canvas').height === {height}")
    drawn = pixels(page)
    left = (drawn.shape[1] - height * places) // 2
    drawn = drawn[:, left : left + height * places]
    alpha = drawn[:, :, 3:] / 255
    grey = (alpha * drawn[:, :, :3] + (1 - alpha) * 255)[:, :, 0]  # on white paper
    wanted = render.render_frames(frames(12, places)[5][None], height, style)[0].astype(float)
    off = np.abs(grey - wanted)
    assert off.mean() < 2 and np.percentile(off, 99) < 20  # levels of 64, and at the page's steps of a shade


def test_the_opening_morph_plays(open_page: Any) -> None:
    page = open_page()
    seen = set()
    for _ in range(200):
        seen.add(pixels(page).tobytes())
        if len(seen) == 3:
            break
        a_while(page)
    assert len(seen) == 3
    assert page.get_attribute(".film canvas", "aria-label") == "3 becomes 8"
    page.click(".play")
    at = page.get_attribute(".track", "aria-valuenow")
    a_while(page)
    assert page.get_attribute(".track", "aria-valuenow") == at
