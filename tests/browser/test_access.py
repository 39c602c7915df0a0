"""axe-core's rules on every tab, by day and by night: no serious violation, ours or Gradio's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.browser

TABS = ("draw", "type", "upload", "explore", "compare", "how")


@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
@pytest.mark.parametrize("tab", TABS)
def test_no_serious_violation(tab: str, dark: bool, open_page: Callable[..., Any]) -> None:
    page = open_page(f"#{tab}", dark=dark)
    if tab == "type":
        page.click("#options > button")
    elif tab in ("draw", "upload"):
        page.click(f"#target .for-{tab} [data-tool=type]")
    page.wait_for_timeout(500)
    busy = f"html[data-busy], .for-{tab} [data-busy], .for-{tab} [aria-busy=true]"
    page.wait_for_function(f"!document.querySelector('{busy}')")
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = {
        rule["id"]: [node["target"] for node in rule["nodes"]]
        for rule in found
        if rule["impact"] in ("serious", "critical")
    }
    assert not serious
