"""What browser tests wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Gradio brings the page part by part, in an order of its own, and what comes late moves what is there.
WHOLE = """window.digitMorph?.morph && digitMorph.downloads && digitMorph.explore && digitMorph.compare
    && digitMorph.how && document.querySelector(".theme-toggle").textContent
    && ["source", "target"].every((side) => digitMorph.pads[side] && digitMorph.uploads?.[side])
    && ["#swap", "#morph", "#random", "#countdown", "#another", "#type-source input", "#type-target input",
        "#via input", "#options > button"].every((part) => document.querySelector(part))
    && digitMorph.player?.film"""


def whole(page: Any) -> Any:
    """The page, once all of it is there and the opening morph plays."""
    page.wait_for_function(WHOLE)
    return page


def a_while(page: Any) -> None:
    """Let the browser draw some frames, in which what plays would show something else."""
    page.evaluate("async () => { for (let i = 0; i < 12; i++) await new Promise(requestAnimationFrame); }")


def held(page: Any, act: Callable[[], Any]) -> Any:
    """Do something that asks the server; returns the question's route, which waits for its `continue_`."""
    first: list[Any] = []
    page.route("**/page/*", lambda route: route.continue_() if first else first.append(route))
    with page.expect_request("**/page/*"):
        act()
    while not first:  # a request is told of before its route is
        page.wait_for_timeout(10)
    return first[0]
