"""Keeping a morph: its files, made when they are asked for, and the link that makes it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr

from vae.errors import BadRequest
from vae.model import VAE
from vae.request import produce
from vae.ui import outputs, recipe
from vae.ui.options import NAMES
from vae.ui.player import shown
from vae.ui.words import plain_errors, sentence

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


def save(model: VAE | None) -> Callable[[Any], str]:
    """{"recipe", "format"} -> the path of the file."""

    def run(wish: Any) -> str:
        with plain_errors():
            if not isinstance(wish, dict) or wish.get("format") not in DOWNLOADS:
                raise BadRequest("There is no such format.")
            request = replace(recipe.unpack(wish.get("recipe")), formats=(wish["format"],))
            result = produce(request, model)
            name = "-to-".join(reading.number for reading in result.readings)
            return outputs.keep(result.files[wish["format"]], f"{name}.{wish['format']}")

    return run


def reopen(model: VAE | None) -> Callable[[Any], list[Any]]:
    """A recipe -> the morph for the player, then the typed numbers, the seed, the hand and the options."""

    def run(text: Any) -> list[Any]:
        try:
            request = recipe.unpack(text)
            morph = shown(request, model)
        except Exception as error:
            return [{"error": sentence(error)}, *[gr.skip()] * (5 + len(NAMES))]
        numbers = [side if isinstance(side, str) else gr.skip() for side in (request.source, request.target)]
        numbers.append(" ".join(side for side in request.via if isinstance(side, str)))
        return [morph, *numbers, request.seed, request.hand, *(getattr(request, name) for name in NAMES)]

    return run
