"""Compare: the visitor's two numbers through every shipped model, in step; and what the models reached."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr
import torch
import torch.nn.functional as F
from torch import Tensor

from vae.evaluation.results import curves, evaluation, row_of
from vae.inspection.comparison import LINEUP, TITLES, Entry, Panel, line_up, rebuilt
from vae.morphing import SIDE
from vae.pipeline import Pipeline
from vae.request import MorphRequest, read_numbers
from vae.ui import permalink
from vae.ui.codec import pack
from vae.ui.downloads import all_typed
from vae.ui.player import ink_bytes
from vae.ui.ribbon import seen_by_reader
from vae.ui.server.turns import Work
from vae.ui.tabs import scoreboard
from vae.ui.theme import static

KINDS = {
    "crossfade": "No model: one picture fades out while the other fades in.",
    "autoencoder": "Two numbers a digit, no noise and no prior: nothing asks the codes in between to mean anything.",
    "conv2d": "The same network as a VAE: a space that one can see whole, and too small for every hand.",
    "tiny": "14x14 pixels, black and white, three small layers with tanh. The smallest that works.",
    "mlp": "784–400–20–400–784: the VAE of the textbooks.",  # noqa: RUF001
    "cvae": "The same, told which digit it reads and draws; on the way it is told a blend of both.",
    "flagship-straight": "Residual convolutions, 32 latents, along a straight line between the ends.",
    "flagship": "The same model, by way of latents of digits that people wrote. What Draw and Type show.",
}
PLAUSIBLE = {
    "crossfade": "pixel crossfade",
    "autoencoder": "autoencoder: linear, raw",
    "mlp": "mlp: linear, raw",
    "flagship-straight": "flagship: linear",
    "flagship": "flagship: handwritten",
}  # the scoreboard's rows


def compare_tab(pipeline: Pipeline) -> None:
    """Lay out the tab."""
    gr.HTML(
        html_template=page_html(pipeline),
        js_on_load="digitMorph.mountCompare(element)",
        apply_default_css=False,
        elem_classes=["for-compare"],
    )


def page_html(pipeline: Pipeline) -> str:
    """The tab as HTML, all of it but the visitor's own pictures."""
    found, trained = evaluation(), curves()
    parts = {
        "entries": "".join(entry_html(pipeline, entry, found) for entry in LINEUP),
        "rebuilt": "".join(rebuilt_html(preset) for preset in TITLES if preset in pipeline.presets),
        "paths": scoreboard.path_table(found),
        "models": scoreboard.model_table(found),
        "curves": "".join(scoreboard.chart(name, TITLES[name], trained[name]) for name in TITLES if name in trained),
    }
    page = static("compare.html")
    for name, html in parts.items():
        page = page.replace(f"<!-- {name} -->", html)
    return page


def entry_html(pipeline: Pipeline, entry: Entry, found: dict[str, Any]) -> str:
    """One of those compared: its canvas, its ribbon, and what it is."""
    score = "".join(f"<span>{escape(part)}</span>" for part in figures(pipeline, entry, found))
    code = f" <code>{entry.preset}</code>" if entry.preset else ""
    return (
        f'<figure class="entry" data-key="{entry.key}"><div class="frame">'
        f'<canvas role="img" aria-label="{escape(entry.name)}: the morph"></canvas></div>'
        '<div class="sure"><svg class="ribbon" preserveAspectRatio="none" aria-hidden="true"></svg>'
        '<span class="seen" aria-hidden="true"></span><i class="marker"></i></div>'
        f"<figcaption><b>{escape(entry.name)}</b>{code}<p>{escape(KINDS[entry.key])}</p>"
        f'<p class="figures">{score}</p></figcaption></figure>'
    )


def figures(pipeline: Pipeline, entry: Entry, found: dict[str, Any]) -> list[str]:
    """Parameters and scores on the test set, as far as they are known."""
    parts = []
    if entry.preset is None:
        parts.append("0 parameters")
    elif model := pipeline.presets.get(entry.preset):
        parts.append(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    row = row_of(found["models"], "model", entry.preset or "")
    if row.get("nelbo") is not None:
        pixels = " (of 196 pixels)" if entry.preset == "tiny" else ""
        parts.append(f"{row['nelbo']:.1f} nats{pixels}")
    elif row.get("reconstruction") is not None:
        parts.append(f"{row['reconstruction']:.1f} nats (reconstruction)")
    path = row_of(found["paths"], "frames", PLAUSIBLE.get(entry.key, ""))
    if path.get("precision") is not None:
        parts.append(f"{path['precision']:.0%} of frames plausible")
    return parts


def rebuilt_html(preset: str) -> str:
    return (
        f'<figure class="rebuilt" data-preset="{preset}"><div class="digits"></div>'
        f"<figcaption>{escape(TITLES[preset])}</figcaption></figure>"
    )


def compare(value: Any, pipeline: Pipeline) -> Work:
    """{"permalink"} -> the tab's pictures. Raises BadRequest for what is none."""
    request = permalink.unpack(value.get("permalink") if isinstance(value, dict) else None)
    return Work(1.0, lambda: compared(request, pipeline), all_typed(request))


def compared(request: MorphRequest, pipeline: Pipeline) -> dict[str, Any]:
    """The line-up of a request's two numbers as JSON: the films of all, what the reader sees in each frame,
    and the digits as each model rebuilds them. Of a sequence, the first and the last number."""
    source, *_, target = read_numbers(request, pipeline)
    ends, panels = (source, target), line_up(pipeline, source, target)
    frames = torch.stack([panel.frames for panel in panels])
    digits = torch.cat([end.pictures for end in ends])
    models = {preset: pipeline.presets[preset] for preset in TITLES if preset in pipeline.presets}
    return {
        "title": " becomes ".join(end.number for end in ends),
        "film": pack(frames),
        "frames": frames.shape[1],
        "places": frames.shape[3] // SIDE,
        "panels": [{"key": panel.entry.key, "ribbon": least_sure(pipeline, panel)} for panel in panels],
        "read": [ink_bytes(digit) for digit in digits],
        "rebuilt": {
            made.preset: {"digits": [ink_bytes(enlarged(p)) for p in made.pictures], "nats": made.nats.tolist()}
            for made in rebuilt(models, digits, [*source.labels, *target.labels])
        },
    }


def least_sure(pipeline: Pipeline, panel: Panel) -> list[list[float]]:
    """For each frame, the digit that the reader sees and how certain it is; of several, the least certain one."""
    frames = [seen for part in panel.digits for seen in zip(*seen_by_reader(pipeline, part), strict=True)]
    return [min(filter(None, seen), key=lambda digit: digit[1], default=[0, 0.0]) for seen in frames]


def enlarged(picture: Tensor) -> Tensor:
    """A model's picture `(S, S)` at 28x28, its pixels as they are: `(28, 28)`."""
    return F.interpolate(picture[None, None], size=(SIDE, SIDE), mode="nearest")[0, 0]
