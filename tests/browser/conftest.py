"""A real Chromium, started once; without one, these tests are skipped."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from waiting import whole

playwright = pytest.importorskip("playwright.sync_api")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
GUARD_MS = 120_000  # against hanging, not a measure


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium here")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


class Visitor:
    """One page in a context of its own, used by one test after the other: a page that was opened before
    has Gradio's scripts in its cache, and opens in a third of the time."""

    def __init__(self, browser: Any, phone: bool, **more: Any) -> None:
        self.context = browser.new_context(
            viewport={"width": 360, "height": 740} if phone else {"width": 1280, "height": 800},
            has_touch=phone,
            accept_downloads=True,
            **more,
        )
        self.context.set_default_timeout(GUARD_MS)
        self.context.on("request", self._check)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.host = ""
        self.at: Any = None  # where somebody left the page for the next one who only looks at it
        self.wrong: list[str] = []

    def _check(self, request: Any) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("http", "https") and url.netloc != self.host:
            self.wrong.append(f"request to {url.netloc}")

    def open(self, address: str, fragment: str, dark: bool, reduced_motion: str, looks: bool) -> Any:
        at = (address, fragment, dark, reduced_motion) if looks else None
        self.wrong = []
        if at and at == self.at:
            return self.page
        if self.at:
            self.leave(address)
        self.host, self.at = urlsplit(address).netloc, at
        self.page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion=reduced_motion)
        self.page.goto(address + fragment)
        whole(self.page)
        self.page.evaluate("Object.assign(digitMorph, { live: true, slow: Infinity })")  # however busy this machine is
        return self.page

    def leave(self, address: str) -> None:
        """Leave the page, and let nothing of the visit be remembered."""
        self.page.unroute_all(behavior="ignoreErrors")
        self.page.mouse.move(0, 0)
        self.page.goto(f"{address}healthz")
        self.page.evaluate("[localStorage, sessionStorage].forEach((storage) => storage.clear())")
        self.context.clear_cookies()
        self.at = None


@pytest.fixture(scope="session")
def visitors() -> dict[Any, list[Visitor]]:
    """Those who are not on a page at the moment, by the options of their contexts."""
    return defaultdict(list)


@pytest.fixture
def open_page(browser: Any, address: str, visitors: dict[Any, list[Visitor]]) -> Iterator[Callable[..., Any]]:
    """`open_page(fragment="", phone=False, dark=False, ...)` -> the whole page, its opening morph playing, as
    somebody sees it who was never there before. Tests that only look, and leave the page as it is but for what
    plays and where its sliders are, say `looks=True` and share it.

    After the test, everything that went wrong in it fails the test: an error of a script, or a request to
    another host.
    """
    here: list[tuple[Any, Visitor]] = []

    def opened(
        fragment: str = "",
        phone: bool = False,
        dark: bool = False,
        reduced_motion: str = "no-preference",
        looks: bool = False,
        **more: Any,
    ) -> Any:
        key = (address, phone, *more.items())
        visitor = visitors[key].pop() if visitors[key] else Visitor(browser, phone, **more)
        here.append((key, visitor))
        return visitor.open(address, fragment, dark, reduced_motion, looks)

    yield opened
    wrong = [error for _, visitor in here for error in visitor.wrong]
    for key, visitor in here:
        try:
            if not visitor.at or visitor.wrong:
                visitor.leave(address)
        except playwright.Error:  # after a test that failed; the next one starts afresh
            visitor.context.close()
        else:
            visitors[key].append(visitor)
    assert not wrong
