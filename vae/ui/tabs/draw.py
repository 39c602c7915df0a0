"""Draw: a pad a side. The drawing comes with the request as a PNG and is never written to disk."""

from __future__ import annotations

import base64
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from vae.errors import EmptyDrawing, UnreadablePicture
from vae.reading import MOST_PLACES
from vae.ui.theme import static

PREFIX = "data:image/png;base64,"
LONGEST = 400_000  # characters of a drawing; a full pad takes about 20,000
BROKEN = "The drawing did not arrive whole; please press Morph again."


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


def drawing(sent: Any) -> bytes | Tensor:
    """What is drawn on a pad as the page's script sends it: a PNG, whose content is checked when it is read,
    or the digits of a link, each 784 bytes of ink in base64. Raises BadRequest."""
    if isinstance(sent, list):
        return digits(sent)
    if sent is None or sent == "":
        raise EmptyDrawing("There is nothing on one of the pads yet; draw a number on each.")
    if not isinstance(sent, str) or not sent.startswith(PREFIX) or len(sent) > LONGEST:
        raise UnreadablePicture(BROKEN)
    try:
        return base64.b64decode(sent.removeprefix(PREFIX), validate=True)
    except ValueError:  # binascii.Error, or a letter that is not ASCII
        raise UnreadablePicture(BROKEN) from None


def digits(sent: list[Any]) -> Tensor:
    """`(N, 1, 28, 28)` in [0, 1], to the bit what `vae.ui.player.ink_bytes` made of digits from a link."""
    try:
        ink = b"".join(base64.b64decode(one, validate=True) for one in sent[: MOST_PLACES + 1])
        stack = torch.frombuffer(bytearray(ink), dtype=torch.uint8).reshape(-1, 1, 28, 28)
    except (TypeError, ValueError, RuntimeError):
        raise UnreadablePicture(BROKEN) from None
    return stack.float() / 255
