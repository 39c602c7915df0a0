"""Keeping a morph: its files, made when they are asked for, and the link that makes it again."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from vae.errors import BadRequest
from vae.model import VAE
from vae.request import MorphRequest, produce
from vae.ui import permalink
from vae.ui.options import NAMES
from vae.ui.player import film, shown
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


def keep_row() -> gr.HTML:
    """The row of downloads; its custom events are `save` and `reopen`."""
    files = "".join(
        f'<button type="button" data-format="{key}" title="{what}">{name}</button>'
        for key, (name, what) in DOWNLOADS.items()
    )
    return gr.HTML(
        html_template=(
            f'<div class="keep"><span class="keep-row"><span class="keep-name">Download:</span>{files}'
            '<button type="button" data-link>Copy link</button></span>'
            '<span class="said" role="status"></span></div>'
        ),
        js_on_load="digitMorph.mountKeep(element, trigger, ['save', 'reopen'])",
        apply_default_css=False,
        elem_id="keep",
    )


def save(model: VAE | None) -> Prepare:
    """{"recipe", "format"} -> the path of the file, and no words."""

    def prepare(wish: Any) -> Work:
        if not isinstance(wish, dict) or wish.get("format") not in DOWNLOADS:
            raise BadRequest("There is no such format.")
        request = replace(permalink.unpack(wish.get("recipe")), formats=(wish["format"],))
        return Work(request.seconds, partial(run, request, wish["format"]))

    def run(request: MorphRequest, format: str) -> list[Any]:
        return [files.keep_morph(produce(request, model), format), None]

    return prepare


def not_saved(words: str) -> list[Any]:
    """What `save` answers with for what cannot be made."""
    return [None, words]


def reopen(model: VAE | None) -> Prepare:
    """A recipe -> the morph for the player, then the typed numbers, the seed, the hand and the options."""

    def prepare(text: Any) -> Work:
        request = permalink.unpack(text)
        return Work(film(request).seconds, partial(run, request))

    def run(request: MorphRequest) -> list[Any]:
        morph = shown(request, model)
        numbers = [side if isinstance(side, str) else gr.skip() for side in (request.source, request.target)]
        numbers.append(" ".join(side for side in request.via if isinstance(side, str)))
        return [morph, *numbers, request.seed, request.hand, *(getattr(request, name) for name in NAMES)]

    return prepare


def not_reopened(words: str) -> list[Any]:
    """What `reopen` answers with for what is no recipe."""
    return [{"error": words}, *[gr.skip()] * (5 + len(NAMES))]
