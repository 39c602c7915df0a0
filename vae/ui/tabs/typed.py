"""Type: two numbers, in a handwriting that a seed chooses. The way by keyboard."""

from __future__ import annotations

import gradio as gr


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
