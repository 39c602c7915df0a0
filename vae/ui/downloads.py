"""Downloads: a morph's files, made when they are asked for, and the link that makes it again."""

from __future__ import annotations

from typing import Any

import gradio as gr

from vae.errors import BadRequest
from vae.pipeline import Pipeline
from vae.request import MorphRequest, produce
from vae.ui import permalink
from vae.ui.options import NAMES
from vae.ui.player import payload
from vae.ui.server.files import name_of
from vae.ui.server.page_events import File
from vae.ui.server.turns import Work
from vae.video import FORMATS

DOWNLOADS = {
    "mp4": ("Save video", "MP4"),
    "gif": ("GIF", "animated picture"),
    "webp": ("WebP", "animated picture"),
    "avi": ("AVI", "video, Motion JPEG"),
    "png": ("Filmstrip", "one PNG"),
    "zip": ("Frames", "a ZIP of transparent PNGs"),
}


def download_row() -> gr.HTML:
    """The row of downloads; its custom event `reopened` fills the fields in."""
    files = "".join(
        f'<button type="button" data-format="{key}" title="{what}">{name}</button>'
        for key, (name, what) in DOWNLOADS.items()
    )
    return gr.HTML(
        html_template=(
            f'<div class="downloads"><span class="download-row">{files}'
            '<button type="button" data-link>Copy link</button></span>'
            '<span class="said" role="status"></span></div>'
        ),
        js_on_load="digitMorph.mountDownloads(element, trigger, 'filled')",
        apply_default_css=False,
        elem_id="downloads",
    )


def file(value: Any, pipeline: Pipeline) -> Work:
    """{"permalink", "format", and any of `permalink.LOOK`} -> the file. Raises BadRequest."""
    if not isinstance(value, dict) or value.get("format") not in DOWNLOADS:
        raise BadRequest("There is no such format.")
    format = value["format"]
    request = permalink.unpack(value.get("permalink"), formats=(format,), look=look_of(value))

    def run() -> File:
        result = produce(request, pipeline)
        return File(result.files[format], f"{name_of(result)}.{format}", FORMATS[format])

    return Work(request.seconds, run, all_typed(request))


def look_of(value: dict[str, Any]) -> dict[str, Any]:
    """What of a value says how a morph is shown."""
    return {name: value[name] for name in permalink.LOOK if name in value}


def reopen(value: Any, pipeline: Pipeline) -> Work:
    """{"permalink"} -> the morph for the player, and what the fields and options are to show."""
    request = permalink.unpack(value.get("permalink") if isinstance(value, dict) else None)

    def run() -> dict[str, Any]:
        numbers = [side if isinstance(side, str) else None for side in request.sides]
        fields = {"source": numbers[0], "target": numbers[-1], "via": " ".join(filter(None, numbers[1:-1]))}
        options = {name: getattr(request, name) for name in ("seed", "hand", *NAMES)}
        return {"morph": payload(request, pipeline), "fields": fields | options}

    return Work(request.seconds, run, all_typed(request))


def all_typed(request: MorphRequest) -> bool:
    """Whether nobody has drawn anything of it."""
    return all(isinstance(side, str) for side in request.sides)
