"""What Draw, Type and Upload share: source left, target right, the morph between them, and what Morph does."""

from __future__ import annotations

from typing import Any

import gradio as gr

from vae.errors import BadRequest
from vae.pipeline import Pipeline
from vae.request import MorphRequest
from vae.ui.downloads import all_typed, download_row
from vae.ui.options import NAMES, option_controls
from vae.ui.player import payload, player_component
from vae.ui.server.turns import Work
from vae.ui.sides import listed, number_from
from vae.ui.tabs import draw, typed, upload

OPENING = MorphRequest("3", "8", speed="turn", formats=())
MADE_BY = ("steps", "path", "speed", "seed", "hand")  # of the options, those that the frames depend on


def morph_tab(pipeline: Pipeline, demo: gr.Blocks) -> None:
    """Lay out the stage and its sides and connect them. Making the opening morph here also warms the model."""
    with gr.Row(elem_id="morph-tab"):
        with gr.Column(elem_id="source", min_width=0):
            draw.pad("source", "first")
            upload.zone("source", "first")
            type_source = typed.number("source", "32")
            reading("source")
        with gr.Column(elem_id="stage", min_width=0):
            player_component(payload(OPENING, pipeline))
        with gr.Column(elem_id="target", min_width=0):
            draw.pad("target", "second")
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
    row = download_row()
    controls = option_controls()
    # What a visitor changes, the page's script is told of, which asks the server when it likes.
    fields = {"source": type_source, "target": type_target, "via": via, "seed": seed, "hand": handwriting}
    fields |= dict(zip(NAMES, controls, strict=True))
    values = list(fields.values())
    told = f"(...values) => digitMorph.changed({list(fields)}, values)"
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    # `change`, not `input`: of a text field, Gradio keeps the latter back when somebody deletes or pastes
    gr.on([demo.load, *(field.change for field in values)], None, values, None, js=told, **private)
    for listen, action in (
        (go.click, "press()"),
        (another.click, "another()"),
        (swap.click, "swap()"),
        (random.click, "random()"),
        (countdown.click, "countdown()"),
        (row.filled, "filled()"),
    ):
        told = f"(...values) => digitMorph.acted({list(fields)}, values, () => digitMorph.{action})"
        listen(None, values, values, js=told, **private)
    gr.on(
        [type_source.submit, type_target.submit, via.submit], None, None, None, js="() => digitMorph.press()", **private
    )


def reading(side: str) -> gr.HTML:
    """Where the page says how the number of that side was read."""
    return filled_by_script(f'<div class="reading" id="reading-{side}" aria-live="polite">one to four digits</div>')


def filled_by_script(html: str) -> gr.HTML:
    return gr.HTML(html_template=html, js_on_load=None, apply_default_css=False)


def request_of(value: Any) -> MorphRequest:
    """{"source", "target": sides, see `number_from`, "via": text, and any of MADE_BY} -> the request."""
    if not isinstance(value, dict):
        raise BadRequest("The page asked for something unknown; please reload it.")
    source, target = number_from(value.get("source")), number_from(value.get("target"))
    options = {name: value[name] for name in MADE_BY if name in value}
    told = [side.get("as", "") if isinstance(side, dict) else "" for side in (value.get("source"), value.get("target"))]
    via = listed(value.get("via"))
    if any(told):
        options["read_as"] = (told[0], *[""] * len(via), told[1])
    return MorphRequest(source, target, via=via, formats=(), **options)


def morph(value: Any, pipeline: Pipeline) -> Work:
    """What the page has on both sides -> the morph for the player."""
    request = request_of(value)
    return Work(request.seconds, lambda: payload(request, pipeline), all_typed(request))
