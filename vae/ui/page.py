"""The page: its Blocks, and serving them; `vae.ui.serve` is the command line."""

from __future__ import annotations

from typing import Any

import gradio as gr

from vae.pipeline import Pipeline
from vae.ui.api import endpoints
from vae.ui.server import launch
from vae.ui.tabs.compare import compare_tab
from vae.ui.tabs.explore import explore_tab
from vae.ui.tabs.how import how_tab
from vae.ui.tabs.morph import morph_tab
from vae.ui.theme import STATIC, gradio_theme, head, static


def build_demo(pipeline: Pipeline) -> gr.Blocks:
    """The page and its endpoints. Warm when it returns."""
    demo = gr.Blocks(title="Digit Morph", analytics_enabled=False, fill_width=True)
    with demo:
        gr.HTML(
            html_template=static("header.html"), js_on_load="digitMorph.mountHeader(element)", apply_default_css=False
        )
        for tab in (morph_tab, explore_tab, compare_tab, how_tab):
            tab(pipeline)
        gr.HTML(html_template=static("footer.html"), js_on_load=None, apply_default_css=False)
        endpoints(pipeline)
    return demo


def page_settings() -> dict[str, Any]:
    """What `launch` needs for the look; `vae.ui.server.launch` has the rest."""
    return {"theme": gradio_theme(), "head": head(), "favicon_path": STATIC / "favicon.svg", "footer_links": []}


def serve(demo: gr.Blocks, *, host: str, port: int, share: bool, auth: str | None) -> None:
    """Serve the page until it is stopped."""
    launch.launch(demo, host=host, port=port, share=share, auth=auth, **page_settings())
