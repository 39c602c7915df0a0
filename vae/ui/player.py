"""The result: a looping video, its filmstrip, the ribbon of what the model sees, and what was read.

The page gets a morph as one JSON value with the video inside it, so nothing of a visitor's morph lies on
the server, any copy of the program can have answered, and it plays for as long as the page is open.
"""

from __future__ import annotations

import base64
import functools
import io
from typing import Any

import gradio as gr
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vae import render
from vae.classifier import Classifier, load_classifier, probabilities
from vae.request import MorphResult, Reading
from vae.ui import recipe
from vae.ui.theme import static

UNKNOWN = 0.5  # below this certainty, a picture looks like nothing the reader knows
STRIP_CELLS = 12
STRIP_HEIGHT = 96  # px


def player(opening: dict[str, Any] | None) -> gr.HTML:
    """The component; its value is what `shown` returns."""
    return gr.HTML(
        value=opening,
        html_template=static("player.html"),
        js_on_load="digitMorph.mountPlayer(element, props.value)",
        apply_default_css=False,
        elem_id="player",
    )


def shown(result: MorphResult) -> dict[str, Any]:
    """A result with an mp4 as the page takes it: JSON, bytes in base64."""
    request = result.request
    frames = without_holds(result)
    return {
        "recipe": recipe.pack(request),
        "video": encoded(result.files["mp4"]),
        "fps": request.fps,
        "frames": len(result.frames),
        "hold": round(request.hold * request.fps),
        "bounce": request.playback == "bounce",
        "style": request.style,
        "places": result.frames.shape[2] // 28,
        "strip": strip(frames, request.style),
        "ribbon": ribbon(frames, result),
        "sides": [side(reading) for reading in result.readings],
    }


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


def strip(frames: Tensor, style: Any) -> str:
    """A filmstrip as a PNG data URL; wide numbers get fewer, so that every strip has about one shape."""
    count = max(4, STRIP_CELLS // (frames.shape[2] // 28))
    file = io.BytesIO()
    Image.fromarray(render.filmstrip(frames, count, STRIP_HEIGHT, style)).save(file, "PNG")
    return "data:image/png;base64," + encoded(file.getvalue())


def ribbon(frames: Tensor, result: MorphResult) -> list[list[list[float]]]:
    """For each place and frame, the digit the reader sees and how sure it is.

    Empty where the numbers differ in length: their places move, so no part of the picture is one digit.
    """
    places = frames.shape[2] // 28
    if any(len(reading.digits) != places for reading in result.readings):
        return []
    cells = frames.unflatten(2, (places, 28)).permute(2, 0, 1, 3).reshape(-1, 1, 28, 28)
    with torch.inference_mode():
        sure, digit = probabilities(reader(), cells).max(1)
    pairs = torch.stack([digit.float(), sure], 1).view(places, len(frames), 2)
    return [[[int(d), round(p, 2)] for d, p in place] for place in pairs.tolist()]


@functools.cache
def reader() -> Classifier:
    return load_classifier("reader")


def ink_bytes(picture: Tensor) -> str:
    """A picture `(1, 28, 28)` in [0, 1] as 784 bytes, in base64."""
    return encoded((picture.numpy() * 255).round().astype(np.uint8).tobytes())


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
