"""The result: a looping video, its filmstrip, the ribbon of what the model sees, and what was read.

The page gets a morph as one JSON value with the video inside it, so nothing of a visitor's morph lies on
the server, any copy of the program can have answered, and it plays for as long as the page is open.
"""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vae import render, video
from vae.model import VAE
from vae.request import USUAL_PLACES, MorphRequest, MorphResult, Reading, produce
from vae.ui import permalink
from vae.ui.ribbon import ribbon
from vae.ui.theme import static

UNKNOWN = 0.5  # below this certainty, a picture looks like nothing the reader knows
SHOWN_WIDTH = 768  # px of the video on the page
FILM = ("mp4",)
STRIP_CELLS = 12
STRIP_HEIGHT = 96  # px


def player(opening: dict[str, Any] | None) -> gr.HTML:
    """The component; its value is what `shown` makes."""
    return gr.HTML(
        value=opening,
        html_template=static("player.html"),
        js_on_load="digitMorph.mountPlayer(element, props.value)",
        apply_default_css=False,
        elem_id="player",
    )


def shown(request: MorphRequest, model: VAE | None) -> dict[str, Any]:
    """A request carried out for the page: JSON, bytes in base64."""
    request = permalink.settled(request)
    result = produce(film(request), model)
    frames = without_holds(result)
    return {
        "recipe": permalink.pack(request),
        "video": encoded(result.files["mp4"]),
        "fps": request.fps,
        "frames": len(result.frames),
        "hold": round(request.hold * request.fps),
        "bounce": request.playback == "bounce",
        "style": request.style,
        "places": frames.shape[2] // 28,
        "strip": strip(frames, request.style),
        "ribbon": ribbon(frames, result),
        "sides": [side(reading) for reading in result.readings],
    }


def film(request: MorphRequest) -> MorphRequest:
    """The request for the page's own video, no larger than the page shows it and than it can be made; the
    size that was asked for is that of the downloads."""
    places = request.places(unread=USUAL_PLACES)
    size = min(request.size, SHOWN_WIDTH // places, video.tallest(FILM, request.shown, places))
    return replace(request, size=size, formats=FILM)


def side(reading: Reading) -> dict[str, Any]:
    """A number as it was read: the pictures as bytes of ink, and what each is taken for."""
    return {
        "number": reading.number,
        "typed": reading.typed is not None,
        "digits": [
            {"digit": digit, "sure": round(sure, 3), "known": sure >= UNKNOWN, "ink": ink_bytes(picture)}
            for digit, sure, picture in zip(reading.digits, reading.certainty, reading.pictures, strict=True)
        ],
    }


def without_holds(result: MorphResult) -> Tensor:
    """The frames without those that repeat the first and the last."""
    hold = round(result.request.hold * result.request.fps)
    return result.frames[hold : len(result.frames) - hold]


def strip(frames: Tensor, style: str) -> str:
    """A filmstrip as a PNG data URL; wide numbers get fewer pictures, so that strips have about one shape."""
    count = min(len(frames), max(4, STRIP_CELLS // (frames.shape[2] // 28)))
    chosen = ((torch.arange(count) + 0.5) / count * (len(frames) - 1)).round().long()  # each at its own time
    pictures = render.render(frames[chosen], STRIP_HEIGHT, style)  # type: ignore[arg-type]
    file = io.BytesIO()
    Image.fromarray(np.concatenate(list(pictures), 1)).save(file, "PNG")
    return "data:image/png;base64," + encoded(file.getvalue())


def ink_bytes(picture: Tensor) -> str:
    """A picture `(1, 28, 28)` in [0, 1] as 784 bytes, in base64."""
    return encoded((picture.numpy() * 255).round().astype(np.uint8).tobytes())


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
