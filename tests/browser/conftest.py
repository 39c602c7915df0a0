"""A real Chromium, started once; without one, these tests are skipped."""

from __future__ import annotations

import shutil
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


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """`open_page(fragment="", phone=False, dark=False, ...)` -> the whole page, its opening morph playing.

    After the test, everything that went wrong in it fails the test: an error of a script, or a request to
    another host.
    """
    contexts, wrong = [], []

    def check(request: Any) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("http", "https") and url.netloc != urlsplit(address).netloc:
            wrong.append(f"request to {url.netloc}")

    def opened(fragment: str = "", phone: bool = False, dark: bool = False, **more: Any) -> Any:
        context = browser.new_context(
            viewport={"width": 360, "height": 740} if phone else {"width": 1280, "height": 800},
            has_touch=phone,
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
            **more,
        )
        contexts.append(context)
        context.set_default_timeout(GUARD_MS)
        context.on("request", check)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address + fragment)
        return whole(page)

    yield opened
    for context in contexts:
        context.close()
    assert not wrong
