"""Downloads: a morph's files, made when they are asked for, and the link that makes it again."""

from __future__ import annotations

from typing import Any

import gradio as gr

from vae.errors import BadRequest
from vae.pipeline import Pipeline
from vae.request import MorphRequest, produce
from vae.ui import permalink
from vae.ui.options import NAMES
from vae.ui.player import film_seconds, payload
from vae.ui.server import files
from vae.ui.server.events import Prepare
from vae.ui.server.turns import Work

DOWNLOADS = {
    "mp4": ("MP4", "video"),
    "gif": ("GIF", "animated picture"),
    "webp": ("WebP", "animated picture"),
    "avi": ("AVI", "video, Motion JPEG"),
    "png": ("Filmstrip", "one PNG"),
    "zip": ("Frames", "a ZIP of transparent PNGs"),
}


def download_row() -> gr.HTML:
    """The row of downloads; its custom events are `save` and `reopen`."""
    files = "".join(
        f'<button type="button" data-format="{key}" title="{what}">{name}</button>'
        for key, (name, what) in DOWNLOADS.items()
    )
    return gr.HTML(
        html_template=(
            f'<div class="downloads"><span class="download-row"><span class="download-name">Download:</span>{files}'
            '<button type="button" data-link>Copy link</button></span>'
            '<span class="said" role="status"></span></div>'
        ),
        js_on_load="digitMorph.mountDownloads(element, trigger, ['save', 'reopen'])",
        apply_default_css=False,
        elem_id="downloads",
    )


def save(pipeline: Pipeline) -> Prepare:
    """{"permalink", "format"} -> the path of the file, and no words."""

    def prepare(action: Any) -> Work:
        if not isinstance(action, dict) or action.get("format") not in DOWNLOADS:
            raise BadRequest("There is no such format.")
        request = permalink.unpack(action.get("permalink"), formats=(action["format"],))
        return Work(request.seconds, lambda: [files.keep_morph(produce(request, pipeline), action["format"]), None])

    return prepare


def not_saved(words: str) -> list[Any]:
    """What `save` answers with for what cannot be made."""
    return [None, words]


def reopen(pipeline: Pipeline) -> Prepare:
    """A permalink -> the morph for the player, then the typed numbers, the seed, the handwriting and the options."""

    def prepare(text: Any) -> Work:
        request = permalink.unpack(text)
        return Work(film_seconds(request), lambda: run(request))

    def run(request: MorphRequest) -> list[Any]:
        numbers = [side if isinstance(side, str) else gr.skip() for side in (request.source, request.target)]
        numbers.append(" ".join(side for side in request.via if isinstance(side, str)))
        options = [getattr(request, name) for name in NAMES]
        return [payload(request, pipeline), *numbers, request.seed, request.hand, *options]

    return prepare


def not_reopened(words: str) -> list[Any]:
    """What `reopen` answers with for what is no permalink."""
    return [{"error": words}, *[gr.skip()] * (5 + len(NAMES))]
