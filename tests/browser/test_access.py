"""axe-core's rules on every tab, by day and by night: no serious violation, ours or Gradio's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from test_explore import READY as EXPLORED

pytestmark = pytest.mark.browser

TABS = ("draw", "type", "upload", "explore", "compare", "how")
FILLED = {
    "type": "document.querySelector('#steps input')",
    "explore": EXPLORED,
    "compare": """document.querySelector('.rebuilt .mini') && document.querySelectorAll('.scores tbody').length === 3
        && document.querySelectorAll('.for-compare .chart .validation').length === 6""",
    "how": "document.querySelector('.map .here[d]')",
}  # what says that a tab has all that it shows


@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
@pytest.mark.parametrize("tab", TABS)
def test_no_serious_violation(tab: str, dark: bool, open_page: Callable[..., Any]) -> None:
    page = open_page(f"#{tab}", dark=dark)
    if tab == "type":
        page.click("#options > button")
    elif tab in ("draw", "upload"):
        page.click(f"#target .for-{tab} [data-tool=type]")
    page.wait_for_function(FILLED.get(tab, "true"))
    busy = f"html[data-busy], .for-{tab} [data-busy], .for-{tab} [aria-busy=true]"
    page.wait_for_function(f"!document.querySelector('{busy}')")
    passing = "animation.playState === 'running' && animation.effect.getComputedTiming().endTime < Infinity"
    page.wait_for_function(f"!document.getAnimations().some((animation) => {passing})")
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = {
        rule["id"]: [node["target"] for node in rule["nodes"]]
        for rule in found
        if rule["impact"] in ("serious", "critical")
    }
    assert not serious
