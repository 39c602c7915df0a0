"""Draw: a pad a side. The drawing comes with the request as strokes and is never written to disk."""

from __future__ import annotations

import gradio as gr

from vae.ui.theme import static


def pad(side: str, which: str) -> gr.HTML:
    """A pad for the number `which` ("first"), known to the page's script as `side` ("source")."""
    name = {"source": "From", "target": "To"}[side]
    template = static("pad.html").replace("{name}", name).replace("{which}", which)
    return gr.HTML(
        html_template=template,
        js_on_load=f"digitMorph.mountPad(element, '{side}')",
        apply_default_css=False,
        elem_id=f"pad-{side}",
        elem_classes=["for-draw"],
    )
