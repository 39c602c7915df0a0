"""What Draw, Type and Upload share: source left, target right, the morph between them, and what Morph does."""

from __future__ import annotations

from typing import Any

import gradio as gr

from vae.pipeline import Pipeline
from vae.reading import NumberInput
from vae.request import MorphRequest
from vae.ui import downloads
from vae.ui.options import HOLD, chosen, option_controls
from vae.ui.player import film_seconds, payload, player_component
from vae.ui.server.events import PRIVATE, Prepare, connect, page_event
from vae.ui.server.turns import Work
from vae.ui.tabs import draw, typed, upload

OPENING = MorphRequest("3", "8", seed=0, playback="bounce", hold=HOLD, formats=())


def morph_tab(pipeline: Pipeline) -> None:
    """Lay out the stage and its sides and connect them. Making the opening morph here also warms the model."""
    with gr.Row(elem_id="morph-tab"):
        with gr.Column(elem_id="source", min_width=0):
            pad_source = draw.pad("source", "first")
            upload.zone("source", "first")
            type_source = typed.number("source", "32")
            reading("source")
        with gr.Column(elem_id="stage", min_width=0):
            stage = player_component(payload(OPENING, pipeline))
        with gr.Column(elem_id="target", min_width=0):
            pad_target = draw.pad("target", "second")
            upload.zone("target", "second")
            type_target = typed.number("target", "41")
            reading("target")
        with gr.Column(elem_id="actions", min_width=0):
            filled_by_script('<p class="fault" role="alert"></p>')
            with gr.Row(elem_id="buttons"):
                swap = gr.Button("Swap", elem_classes=["quiet"], elem_id="swap", min_width=0)
                go = gr.Button("Morph", variant="primary", elem_id="morph", min_width=0)
                random = gr.Button("Random", elem_classes=["quiet"], elem_id="random", min_width=0)
            via, countdown = typed.by_way()
            handwriting = typed.handwriting()
            seed, another = typed.seed()
    row = downloads.download_row()
    controls = option_controls()
    file, words = gr.File(visible="hidden", elem_id="file"), filled_by_script("")

    numbers = [type_source, type_target, via]
    by_hand, after = (f"(...values) => digitMorph.asked(values, {it})" for it in ("true", "false"))
    morph = page_event(answer(pipeline))
    inputs = [stage, pad_source, pad_target, *numbers, seed, handwriting, *controls]

    def pressed(*arguments: Any, **more: Any) -> Any:
        return gr.on([go.click, *(field.submit for field in numbers)], *arguments, **more)

    connect(pressed, morph, inputs, stage, ask=by_hand, arrived="arrived", failed="failed")
    connect(handwriting.input, morph, inputs, stage, ask=after, arrived="arrived", failed="failed")
    for change, outputs, js in (
        (another, [seed], "(source, target, via, seed) => (Number(seed) + 1) % 2147483648"),
        (swap, numbers, "(...numbers) => digitMorph.swapped(numbers)"),
        (random, numbers, "(...numbers) => digitMorph.random(numbers)"),
        (countdown, [*numbers, controls[0]], "() => ['10', '0', '9 8 7 6 5 4 3 2 1', 24]"),
    ):
        changed = change.click(None, [*numbers, seed], outputs, js=js, api_visibility=PRIVATE["api_visibility"])
        connect(changed.then, morph, inputs, stage, ask=after, arrived="arrived", failed="failed")
    reopened = [stage, *numbers, seed, handwriting, *controls]
    reopen = page_event(downloads.reopen(pipeline), downloads.not_reopened)
    connect(row.reopen, reopen, stage, reopened, ask="() => digitMorph.linked()", arrived="reopened", failed="failed")
    save = page_event(downloads.save(pipeline), downloads.not_saved)
    connect(row.save, save, stage, [file, words], ask="() => digitMorph.download()", arrived="saved")


def reading(side: str) -> gr.HTML:
    """Where the page says how the number of that side was read."""
    return filled_by_script(f'<div class="reading" id="reading-{side}" aria-live="polite">one to four digits</div>')


def filled_by_script(html: str) -> gr.HTML:
    return gr.HTML(html_template=html, js_on_load=None, apply_default_css=False)


def request_of(
    mode: Any,
    source: Any,
    target: Any,
    typed_source: Any,
    typed_target: Any,
    via: Any,
    seed: Any,
    handwriting: Any,
    *controls: Any,
) -> MorphRequest:
    """The request that the page's values make; `source` and `target` are what is on the pads or uploaded."""
    ends: list[NumberInput]
    between: tuple[NumberInput, ...] = ()
    if mode in ("draw", "upload"):
        own = draw.drawing if mode == "draw" else upload.pictures
        ends = [typed.or_typed(sent, own) for sent in (source, target)]
    else:
        ends, between = [typed.typed_number(typed_source), typed.typed_number(typed_target)], typed.listed(via)
    return MorphRequest(ends[0], ends[1], via=between, seed=seed, hand=handwriting, **chosen(controls))


def answer(pipeline: Pipeline) -> Prepare:
    """The values of the page -> the morph for the player; none where the page found nothing to ask for ("idle")."""

    def prepare(*values: Any) -> Work:
        if values[0] == "idle":
            return Work(0, gr.skip)
        request = request_of(*values)
        return Work(film_seconds(request), lambda: payload(request, pipeline))

    return prepare
