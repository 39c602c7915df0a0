"""Upload: pictures of handwritten numbers, one or several a side.

The page makes each picture smaller and sends it with the request, so that it is never written to disk.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import gradio as gr

from vae.errors import EmptyDrawing, UnreadablePicture
from vae.reading import MOST_PLACES
from vae.ui.theme import static

PICTURE = re.compile(r"data:image/(?:png|jpeg);base64,")
LONGEST = 2_800_000  # characters of one picture; the page sends at most 1,600 pixels a side


def zone(side: str, which: str) -> gr.HTML:
    """Where pictures of the number `which` ("first") are chosen, known to the page's script as `side`."""
    name = {"source": "From", "target": "To"}[side]
    template = static("upload.html").replace("{name}", name).replace("{which}", which)
    return gr.HTML(
        html_template=template.replace("{side}", side),
        js_on_load=f"digitMorph.mountUpload(element, '{side}')",
        apply_default_css=False,
        elem_id=f"upload-{side}",
        elem_classes=["for-upload"],
    )


def pictures(sent: Any) -> list[bytes]:
    """The files of a side as the page's script sends them; their content is checked when they are read."""
    if not sent:
        raise EmptyDrawing("Choose a picture of a number for each side.")
    if not isinstance(sent, list) or len(sent) > MOST_PLACES:
        raise UnreadablePicture(f"Choose at most {MOST_PLACES} pictures a side, one for each digit.")
    return [picture(one) for one in sent]


def picture(sent: Any) -> bytes:
    if not isinstance(sent, str) or len(sent) > LONGEST or not (head := PICTURE.match(sent)):
        raise UnreadablePicture("One of the pictures did not arrive whole; please choose it again.")
    try:
        return base64.b64decode(sent[head.end() :], validate=True)
    except ValueError:  # binascii.Error, or a letter that is not ASCII
        raise UnreadablePicture("One of the pictures did not arrive whole; please choose it again.") from None
