"""The result: a film that plays, the ribbon of what the model sees in it, and what was read.

The page gets a morph as one JSON value with its frames inside, so nothing of a visitor's morph lies on the
server, any copy of the program can have answered, and it plays for as long as the page is open.
"""

from __future__ import annotations

import base64
from typing import Any

import gradio as gr
import numpy as np
from torch import Tensor

from vae.pipeline import Pipeline
from vae.reading import Reading
from vae.request import MorphRequest, produce, read_numbers
from vae.ui import permalink
from vae.ui.codec import pack
from vae.ui.ribbon import seen_by_reader
from vae.ui.theme import static

UNKNOWN = 0.5  # below this certainty, a picture looks like nothing the reader knows


def player_component(opening: dict[str, Any] | None) -> gr.HTML:
    """The component; its value is what `payload` makes."""
    return gr.HTML(
        value=opening,
        html_template=static("player.html"),
        js_on_load="digitMorph.mountPlayer(element, props.value)",
        apply_default_css=False,
        elem_id="player",
    )


def payload(request: MorphRequest, pipeline: Pipeline) -> dict[str, Any]:
    """A request carried out for the page, as JSON: frames for `static/codec.js`, each once, whatever its look."""
    request = permalink.plain(request)
    readings = read_numbers(request, pipeline, permalink.quantised)
    morph = produce(request, pipeline, readings).morph
    lines = seen_by_reader(pipeline, morph.digits)
    return {
        "permalink": permalink.pack(request, readings),
        "film": pack(morph.frames[None]),
        "stops": list(morph.stops),
        "ribbon": [line for line in lines if any(line)],
        "sides": [as_json(reading) for reading in readings],
    }


def as_json(reading: Reading) -> dict[str, Any]:
    """A number as it was read: the pictures as bytes of ink, and what each is taken for."""
    return {
        "number": reading.number,
        "typed": reading.typed is not None,
        "digits": [
            {"digit": digit, "sure": round(sure, 3), "known": sure >= UNKNOWN, "ink": ink_bytes(picture)}
            for digit, sure, picture in zip(reading.digits, reading.certainty, reading.pictures, strict=True)
        ],
    }


def ink_bytes(picture: Tensor) -> str:
    """A picture `(1, 28, 28)` in [0, 1] as 784 bytes, in base64."""
    return encoded((picture.numpy() * 255).round().astype(np.uint8).tobytes())


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
