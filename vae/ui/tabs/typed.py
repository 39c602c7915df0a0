"""Type: two numbers, in a handwriting that a seed chooses. The way by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from vae.errors import BadRequest
from vae.reading import NumberInput


def number(side: str, value: str) -> gr.Textbox:
    """The field of a side ("source" or "target")."""
    return gr.Textbox(
        value=value,
        label={"source": "From", "target": "To"}[side],
        max_lines=1,
        max_length=4,
        elem_id=f"type-{side}",
        elem_classes=["for-type", "number"],
        html_attributes=gr.InputHTMLAttributes(autocomplete="off", spellcheck=False, enterkeyhint="go"),
    )


def seed() -> tuple[gr.Number, gr.Button]:
    """The seed, and the button that takes the next one."""
    with gr.Row(elem_classes=["handwriting"]):
        number = gr.Number(0, label="Handwriting no.", precision=0, minimum=0, maximum=2**31 - 1, elem_id="seed")
        another = gr.Button("Another", elem_id="another", elem_classes=["quiet"])
    return number, another


def handwriting() -> gr.Radio:
    """The handwriting of a typed number beside a drawn one; shown where there is such a pair."""
    return gr.Radio(
        [("in the same hand", "own"), ("in another", "test")], value="own", label="Typed digits", elem_id="hand"
    )


def by_way() -> tuple[gr.Textbox, gr.Button]:
    """The numbers in between, and the button that fills a countdown in."""
    with gr.Row(elem_classes=["for-type", "by-way"]):
        via = gr.Textbox(
            "",
            label="By way of",
            placeholder="optional: 17 8",
            max_lines=1,
            elem_id="via",
            html_attributes=gr.InputHTMLAttributes(autocomplete="off", spellcheck=False, enterkeyhint="go"),
        )
        countdown = gr.Button("Countdown", elem_id="countdown", elem_classes=["quiet"])
    return via, countdown


def listed(sent: Any) -> tuple[str, ...]:
    """Numbers separated by spaces or commas. `MorphRequest` checks each."""
    return tuple(sent.replace(",", " ").split()) if isinstance(sent, str) else ()


def or_typed(sent: Any, drawn: Callable[[Any], NumberInput]) -> NumberInput:
    """A side as `drawn` reads it, or typed instead, {"number": "41"}, which `MorphRequest` checks."""
    if not isinstance(sent, dict):
        return drawn(sent)
    number = sent.get("number")
    return number.strip() if isinstance(number, str) else ""


def typed_number(sent: Any) -> str:
    """A number from its field; spaces around it are forgiven. `MorphRequest` checks the rest."""
    if not isinstance(sent, str) or not sent.strip():
        raise BadRequest("Type a number of one to four digits on each side.")
    return sent.strip()
