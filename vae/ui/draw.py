"""Draw: a pad a side. The drawing comes with the request as a PNG and is never written to disk."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import gradio as gr

from vae.errors import EmptyDrawing, UnreadablePicture
from vae.ui.theme import static

PREFIX = "data:image/png;base64,"
LONGEST = 400_000  # characters of a drawing; a full pad takes about 20,000


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


def drawing(sent: Any) -> bytes:
    """The PNG of a pad as the page's script sends it; its content is checked when it is read."""
    if sent is None or sent == "":
        raise EmptyDrawing("There is nothing on one of the pads yet; draw a number on each.")
    if not isinstance(sent, str) or not sent.startswith(PREFIX) or len(sent) > LONGEST:
        raise UnreadablePicture("The drawing did not arrive whole; please press Morph again.")
    try:
        return base64.b64decode(sent.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise UnreadablePicture("The drawing did not arrive whole; please press Morph again.") from None
