"""The bench: source left, target right, the morph between them, and what happens when one presses Morph."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from vae.model import VAE
from vae.request import MorphRequest, Side
from vae.ui import downloads
from vae.ui.options import HOLD, chosen, options
from vae.ui.player import film, player, shown
from vae.ui.server.events import Prepare, page_event
from vae.ui.server.turns import Work
from vae.ui.tabs import draw, typed, upload

OPENING = MorphRequest("3", "8", seed=0, playback="bounce", hold=HOLD)
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def bench(model: VAE | None) -> None:
    """Lay out the bench and connect it. Making the opening morph here also warms the model."""
    with gr.Row(elem_id="bench"):
        with gr.Column(elem_id="source", min_width=0):
            pad_source = draw.pad("source", "first")
            upload.zone("source", "first")
            type_source = typed.number("source", "32")
            reading("source")
        with gr.Column(elem_id="stage", min_width=0):
            stage = player(shown(OPENING, model))
        with gr.Column(elem_id="target", min_width=0):
            pad_target = draw.pad("target", "second")
            upload.zone("target", "second")
            type_target = typed.number("target", "41")
            reading("target")
        with gr.Column(elem_id="actions", min_width=0):
            plain('<p class="fault" role="alert"></p>')
            with gr.Row(elem_id="buttons"):
                swap = gr.Button("Swap", elem_classes=["quiet"], elem_id="swap", min_width=0)
                go = gr.Button("Morph", variant="primary", elem_id="morph", min_width=0)
                random = gr.Button("Random", elem_classes=["quiet"], elem_id="random", min_width=0)
            via, countdown = typed.by_way()
            hand = typed.hand()
            seed, another = typed.handwriting()
    row = downloads.keep_row()
    controls = options()
    file = gr.File(visible="hidden", elem_id="file")

    numbers = [type_source, type_target, via]
    by_hand, after = (f"(...values) => digitMorph.asked(values, {it})" for it in ("true", "false"))
    morph = page_event(answer(model))
    inputs = [stage, pad_source, pad_target, *numbers, seed, hand, *controls]
    made = [
        gr.on([go.click, *(field.submit for field in numbers)], morph, inputs, stage, js=by_hand, **PRIVATE),
        hand.input(morph, inputs, stage, js=after, **PRIVATE),
    ]
    for change, outs, js in (
        (another, [seed], "(source, target, via, seed) => (Number(seed) + 1) % 2147483648"),
        (swap, numbers, "(...numbers) => digitMorph.swapped(numbers)"),
        (random, numbers, "(...numbers) => digitMorph.random(numbers)"),
        (countdown, [*numbers, controls[0]], "() => ['10', '0', '9 8 7 6 5 4 3 2 1', 24]"),
    ):
        changed = change.click(None, [*numbers, seed], outs, js=js, api_visibility="private")
        made.append(changed.then(morph, inputs, stage, js=after, **PRIVATE))
    linked = row.reopen(
        page_event(downloads.reopen(model), downloads.not_reopened),
        stage,
        [stage, *numbers, seed, hand, *controls],
        js="() => digitMorph.linked()",
        **PRIVATE,
    )
    for event, done in [*((event, "arrived") for event in made), (linked, "reopened")]:
        event.success(None, [stage], None, js=f"(made) => digitMorph.{done}(made)", api_visibility="private")
        event.failure(None, None, None, js="() => digitMorph.failed()", api_visibility="private")
    words = plain("")
    saved = row.save(
        page_event(downloads.save(model), downloads.not_saved),
        stage,
        [file, words],
        js="() => digitMorph.wished()",
        **PRIVATE,
    )
    saved.success(None, [file, words], None, js="(...made) => digitMorph.saved(...made)", api_visibility="private")
    saved.failure(None, None, None, js="() => digitMorph.saved(null)", api_visibility="private")


def reading(side: str) -> gr.HTML:
    """Where the page says how the number of that side was read."""
    return plain(f'<div class="reading" id="reading-{side}" aria-live="polite">one to four digits</div>')


def plain(html: str) -> gr.HTML:
    """HTML that the page's script fills."""
    return gr.HTML(html_template=html, js_on_load=None, apply_default_css=False)


def wanted(
    mode: Any,
    source: Any,
    target: Any,
    typed_source: Any,
    typed_target: Any,
    via: Any,
    seed: Any,
    hand: Any,
    *controls: Any,
) -> MorphRequest:
    """The request that the bench's values make; `source` and `target` are what is on the pads or uploaded."""
    first: Side
    last: Side
    between: tuple[Side, ...] = ()
    if mode == "draw":
        first, last = (typed.or_typed(sent, draw.drawing) for sent in (source, target))
    elif mode == "upload":
        first, last = (typed.or_typed(sent, upload.pictures) for sent in (source, target))
    else:
        first, last, between = typed.typed(typed_source), typed.typed(typed_target), typed.listed(via)
    return MorphRequest(first, last, via=between, seed=seed, hand=hand, **chosen(controls))


def answer(model: VAE | None) -> Prepare:
    """The bench's event: its values -> the morph for the player."""

    def prepare(*values: Any) -> Work:
        if values[0] == "idle":
            return Work(0, gr.skip)
        request = wanted(*values)
        return Work(film(request).seconds, partial(shown, request, model))

    return prepare
