"""How the morph is made: folded away, each with a default that suits."""

from __future__ import annotations

import gradio as gr

PATHS = [("By handwriting", "auto"), ("Straight", "linear"), ("Spherical", "slerp")]
SPEEDS = [("Slow turn", "turn"), ("Even", "constant"), ("Eased", "eased"), ("Raw", "raw")]
PLAYBACKS = [("There and back", "bounce"), ("Start over", "once")]
STYLES = [("Crisp ink", "ink"), ("Pixels", "pixels"), ("Chalk", "chalk")]
SIZES = [("Small", 256), ("Medium", 512), ("Large", 768)]

NAMES = ("steps", "fps", "path", "speed", "playback", "style", "size")


def option_controls() -> list[gr.Component]:
    """The controls, in the order of NAMES."""
    with gr.Accordion("Options", open=False, elem_id="options"), gr.Row(elem_classes=["fields"]):
        return [
            gr.Slider(
                2,
                240,
                60,
                step=1,
                label="Frames",
                info="steps from one number to the other",
                elem_id="steps",
                buttons=[],
            ),
            gr.Slider(1, 60, 30, step=1, label="Frames a second", elem_id="fps", buttons=[]),
            gr.Radio(PATHS, value="auto", label="Path", info="through the latent space", elem_id="path"),
            gr.Radio(SPEEDS, value="turn", label="Speed", elem_id="speed"),
            gr.Radio(PLAYBACKS, value="bounce", label="Loop", elem_id="playback"),
            gr.Radio(STYLES, value="ink", label="Look", elem_id="style"),
            gr.Radio(SIZES, value=512, label="Size", elem_id="size"),
        ]
