"""Type: two numbers, in a handwriting that a seed chooses. The way by keyboard."""

from __future__ import annotations

from typing import Any

import gradio as gr

from vae.errors import BadRequest


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


def handwriting() -> tuple[gr.Number, gr.Button]:
    """The seed, and the button that takes the next one."""
    with gr.Row(elem_classes=["for-type", "handwriting"]):
        seed = gr.Number(0, label="Handwriting", precision=0, minimum=0, maximum=2**31 - 1, elem_id="seed")
        another = gr.Button("Another handwriting", elem_id="another", elem_classes=["quiet"])
    return seed, another


def typed(sent: Any) -> str:
    """A number from its field; spaces around it are forgiven. `MorphRequest` checks the rest."""
    if not isinstance(sent, str) or not sent.strip():
        raise BadRequest("Type a number of one to four digits on each side.")
    return sent.strip()
