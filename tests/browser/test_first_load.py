"""What is to be seen of the page before Gradio's scripts are there, and what a first visit and a reload load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from visit import assert_playing
from waiting import whole

pytestmark = pytest.mark.browser

Open = Callable[..., Any]

# The parts that are painted first, and what they become: selectors below #opening and below gradio-app.
PAINTED = {
    part: (part, part)
    for part in (
        "h1",
        "nav a:last-child",
        ".theme-toggle",
        ".player",
        ".film",
        ".strip",
        ".ribbon",
        "figcaption",
        ".play",
    )
} | {
    "source": (".side:first-child .for-draw .sheet", "#pad-source .sheet"),
    "target": (".side:nth-child(3) .for-draw .sheet", "#pad-target .sheet"),
    "example": (".for-draw [data-tool=example]", "#pad-source [data-tool=example]"),
    "hint": (".for-draw .hint", "#pad-source .hint"),
    "reading": (".reading", "#reading-source"),
    "type-source": (".side:first-child .number input", "#type-source input"),
    "type-target": (".side:nth-child(3) .number input", "#type-target input"),
    "upload": (".for-upload .sheet", "#upload-source .sheet"),
    "swap": (".below span", "#swap"),
    "morph": (".below b", "#morph"),
}
BOXES = """([root, parts]) => Object.fromEntries(Object.entries(parts).map(([name, part]) => {
    const {x, y, width, height} = document.querySelector(`${root} ${part}`).getBoundingClientRect();
    return [name, [x, y, width, height]];
}))"""
SHIFTS = """window.shifted = 0;
    new PerformanceObserver((seen) => { for (const each of seen.getEntries()) window.shifted += each.value; })
        .observe({type: "layout-shift", buffered: true});"""


def boxes(page: Any, root: str, which: int) -> dict[str, list[float]]:
    return page.evaluate(BOXES, [root, {name: parts[which] for name, parts in PAINTED.items()}])


@pytest.fixture
def fresh(browser: Any) -> Iterator[Callable[..., Any]]:
    """A page of somebody who was never there; its errors fail the test."""
    contexts, wrong = [], []

    def opened(**more: Any) -> Any:
        contexts.append(browser.new_context(**more))
        page = contexts[-1].new_page()
        page.add_init_script(SHIFTS)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not wrong


def held_back(page: Any) -> list[Any]:
    """Let Gradio's scripts wait; to be continued."""
    held: list[Any] = []
    page.route(lambda url: "/assets/" in url and "digit-morph" not in url, lambda route: held.append(route))
    return held


@pytest.mark.parametrize("tab", ["draw", "type", "upload"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_frame_is_painted_first_where_the_page_will_be(fresh: Any, address: str, tab: str, width: int) -> None:
    page = fresh(viewport={"width": width, "height": 800})
    held = held_back(page)
    page.goto(f"{address}#{tab}", wait_until="commit")
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    page.wait_for_function("digitMorph.player?.film")  # which needs none of Gradio's
    assert page.locator("gradio-app > *").count() == 0
    painted = boxes(page, "#opening", 0)
    assert max(width for *_, width, _ in painted.values()) > 300
    assert_playing(page)
    for route in held:
        route.continue_()
    page.unroute_all(behavior="ignoreErrors")
    whole(page)
    for name, box in boxes(page, "gradio-app", 1).items():
        seen = [0, 1] if name == "figcaption" else [0, 1, 2, 3]  # it may speak of the first morph of one's own already
        assert [painted[name][k] for k in seen] == pytest.approx([box[k] for k in seen], abs=1), name
    assert page.evaluate("shifted") < 0.05
    assert_playing(page)


@pytest.mark.parametrize(("system", "chosen"), [("dark", None), ("light", "dark"), ("dark", "light")])
def test_it_is_never_light_by_night(fresh: Any, address: str, system: str, chosen: str | None) -> None:
    """Whatever paints, from the first frame on."""
    page = fresh(color_scheme=system)
    if chosen:
        page.add_init_script(f"localStorage.setItem('digit-morph-theme', '{chosen}')")
    page.add_init_script("""window.papers = new Set();
        const look = () => {
            if (document.body) papers.add(getComputedStyle(document.body).backgroundColor);
            const page = document.querySelector(".gradio-container");
            if (page) papers.add(getComputedStyle(page).backgroundColor);
            requestAnimationFrame(look);
        };
        look();""")
    page.goto(address)
    whole(page)
    dark = (chosen or system) == "dark"
    assert page.evaluate("[...papers]") == ["rgb(18, 20, 25)" if dark else "rgb(243, 244, 241)"]


def test_everything_that_is_loaded_was_named_at_once(fresh: Any, address: str) -> None:
    """No script of Gradio's waits until another one asks for it, and nothing is named that is not needed."""
    page = fresh()
    page.goto(address)
    whole(page)
    links = "link[rel=modulepreload], link[rel=preload], link[rel=stylesheet]:not([disabled])"
    named = set(page.evaluate(f"[...document.querySelectorAll('{links}')].map(({{href}}) => href)"))
    loaded = page.evaluate("performance.getEntriesByType('resource').map(({name}) => name)")
    assert len(named) > 20
    assert {url for url in loaded if "/assets/" in url} <= named
    used = page.evaluate(
        "performance.getEntriesByType('resource').filter((e) => e.initiatorType !== 'link').map((e) => e.name)"
    )
    assert not [url for url in used if url.endswith(".css")]
    assert len(loaded) < 60


def test_a_reload_asks_for_the_page_alone(fresh: Any, address: str) -> None:
    page = fresh()
    page.goto(address)
    whole(page)
    page.reload()
    whole(page)
    sent = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .filter(({transferSize}) => transferSize).map(({name, transferSize}) => [name, transferSize])"""
    ((url, size),) = [each for each in page.evaluate(sent) if "/page/" not in each[0]]
    assert url == address and size < 2000  # not modified
    assert_playing(page)


def test_the_page_is_shown_even_if_gradio_shows_something_else(fresh: Any, address: str) -> None:
    page = fresh()
    held_back(page)
    page.clock.install()
    page.goto(address, wait_until="commit")
    page.wait_for_function("document.querySelector('#opening .theme-toggle')?.textContent")
    page.evaluate("document.querySelector('gradio-app').append('Something else')")
    assert not page.locator("gradio-app").is_visible()
    page.clock.run_for(10_100)
    page.wait_for_function("!document.querySelector('#opening')")
    assert page.evaluate("getComputedStyle(document.querySelector('gradio-app')).visibility") == "visible"
