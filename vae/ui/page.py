"""The page: its Blocks, and serving them; `vae.ui.serve` is the command line."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr

from vae.pipeline import Pipeline
from vae.ui import downloads
from vae.ui.api import endpoints
from vae.ui.server import launch
from vae.ui.server.page_events import Event
from vae.ui.server.turns import Work
from vae.ui.tabs import compare, explore, how, morph
from vae.ui.theme import STATIC, gradio_theme, head, static


def build_demo(pipeline: Pipeline) -> gr.Blocks:
    """The page and its endpoints. Warm when it returns."""
    demo = gr.Blocks(title="Digit Morph", analytics_enabled=False, fill_width=True)
    with demo:
        gr.HTML(
            html_template=static("header.html"), js_on_load="digitMorph.mountHeader(element)", apply_default_css=False
        )
        morph.morph_tab(pipeline, demo)
        explore.explore_tab()
        compare.compare_tab(pipeline)
        how.how_tab()
        gr.HTML(html_template=static("footer.html"), js_on_load=None, apply_default_css=False)
        endpoints(pipeline)
    return demo


def page_events(pipeline: Pipeline) -> dict[str, Event]:
    """What the page's scripts ask for, by name: `digitMorph.ask(name, value)`."""
    events: dict[str, Callable[..., Work]] = {
        "morph": morph.morph,
        "reopen": downloads.reopen,
        "file": downloads.file,
        "compare": compare.compare,
        "explain": how.explain,
    }
    asked = {name: functools.partial(event, pipeline=pipeline) for name, event in events.items()}
    return {**asked, "explore": explore.Explorer(pipeline).work}


def page_settings() -> dict[str, Any]:
    """What `launch` needs for the look; `vae.ui.server.launch` has the rest."""
    return {"theme": gradio_theme(), "head": head(), "favicon_path": STATIC / "favicon.svg", "footer_links": []}


def serve(pipeline: Pipeline, demo: gr.Blocks, *, host: str, port: int, share: bool, auth: str | None) -> None:
    """Serve the page until it is stopped."""
    events = page_events(pipeline)
    launch.launch(demo, host=host, port=port, share=share, auth=auth, events=events, **page_settings())
