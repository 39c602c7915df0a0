"""The result: a looping video, its filmstrip, the ribbon of what the model sees, and what was read.

The page gets a morph as one JSON value with the video inside it, so nothing of a visitor's morph lies on
the server, any copy of the program can have answered, and it plays for as long as the page is open.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vae import render, video
from vae.pipeline import Pipeline
from vae.reading import Reading
from vae.render import Style
from vae.request import USUAL_PLACES, MorphRequest, encode, produce, read_numbers
from vae.ui import permalink
from vae.ui.ribbon import seen_by_reader
from vae.ui.theme import static

UNKNOWN = 0.5  # below this certainty, a picture looks like nothing the reader knows
SHOWN_WIDTH = 768  # px of the video on the page
FILM = "mp4"
STRIP_CELLS = 12
STRIP_HEIGHT = 96  # px


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
    """A request carried out for the page: JSON, bytes in base64."""
    readings = read_numbers(request, pipeline, permalink.quantised)
    morph = produce(request, pipeline, readings).morph
    played = morph.played(request.hold_frames)
    track = played[request.hold_frames : len(played) - request.hold_frames]  # without the first and the last pause
    lines = seen_by_reader(pipeline, morph.digits)
    return {
        "permalink": permalink.pack(request, readings),
        "video": encoded(encode(request, morph, FILM, film_size(request, morph.places))),
        "fps": request.fps,
        "frames": len(played),
        "hold": request.hold_frames,
        "bounce": request.playback == "bounce",
        "style": request.style,
        "places": morph.places,
        "strip": strip(morph.frames, track, request.style),
        "ribbon": [[line[frame] for frame in track] for line in lines if any(line)],
        "sides": [as_json(reading) for reading in readings],
    }


def film_size(request: MorphRequest, places: int) -> int:
    """Height of the page's own video of so many digits, in px: no larger than the page shows it and than it can be
    made; the size that was asked for is that of the downloads."""
    return min(request.size, SHOWN_WIDTH // places, video.tallest([FILM], request.shown, places))


def film_seconds(request: MorphRequest) -> float:
    """About how long `payload` takes."""
    return request.seconds_for([FILM], film_size(request, request.places(unread=USUAL_PLACES)))


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


def strip(frames: Tensor, track: Sequence[int], style: Style) -> str:
    """A filmstrip of the frames along `track` as a PNG data URL; wide numbers get fewer pictures, so that strips have
    about one shape."""
    count = min(len(track), max(4, STRIP_CELLS // (frames.shape[2] // 28)))
    at = ((torch.arange(count) + 0.5) / count * (len(track) - 1)).round().long()  # each at its own time
    pictures = render.render_frames(frames[torch.tensor(track)[at]], STRIP_HEIGHT, style)
    file = io.BytesIO()
    Image.fromarray(np.concatenate(list(pictures), 1)).save(file, "PNG")
    return "data:image/png;base64," + encoded(file.getvalue())


def ink_bytes(picture: Tensor) -> str:
    """A picture `(1, 28, 28)` in [0, 1] as 784 bytes, in base64."""
    return encoded((picture.numpy() * 255).round().astype(np.uint8).tobytes())


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
