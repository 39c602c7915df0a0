"""Compare: the visitor's two numbers through every shipped model, in step; and what the models reached."""

from __future__ import annotations

import functools
from html import escape
from typing import Any

import gradio as gr
import torch
import torch.nn.functional as F
from torch import Tensor

from vae import video
from vae.evaluation.results import curves, evaluation, row_of
from vae.inspection.comparison import LINEUP, TITLES, Entry, Panel, classes_of, labelled_grid, line_up, rebuilt, shipped
from vae.morphing import SIDE, apart, standing
from vae.request import MorphRequest, one_of, read_side, read_sides
from vae.ui import permalink
from vae.ui.api import declare
from vae.ui.codec import pack
from vae.ui.messages import sentence
from vae.ui.player import ink_bytes
from vae.ui.ribbon import seen
from vae.ui.server import files
from vae.ui.server.events import page_event, taking
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
FILES = ("mp4", "gif")
FILE_STEPS, FILE_FPS, FILE_HOLD = 40, 20, 0.6


def compare() -> None:
    """Lay out the tab and connect it."""
    page = gr.HTML(
        html_template=page_html(),
        js_on_load="digitMorph.mountCompare(element, trigger, ['compare'])",
        apply_default_css=False,
        elem_classes=["for-compare"],
    )
    made = page.compare(
        page_event(taking(1.0, answer)),
        page,
        page,
        js="() => digitMorph.morph.recipe",
        api_visibility="private",
        show_progress="hidden",
        trigger_mode="multiple",
    )
    made.success(None, [page], None, js="(made) => digitMorph.compared(made)", api_visibility="private")
    made.failure(None, None, None, js="() => digitMorph.compared(null)", api_visibility="private")


def page_html() -> str:
    """The tab as HTML, all of it but the visitor's own pictures."""
    found, trained, models = evaluation(), curves(), shipped()
    parts = {
        "entries": "".join(entry_html(entry, found) for entry in LINEUP),
        "rebuilt": "".join(rebuilt_html(preset) for preset in models),
        "paths": scoreboard.path_table(found),
        "models": scoreboard.model_table(found),
        "curves": "".join(scoreboard.chart(name, TITLES[name], trained[name]) for name in TITLES if name in trained),
    }
    page = static("compare.html")
    for name, html in parts.items():
        page = page.replace(f"<!-- {name} -->", html)
    return page


def entry_html(entry: Entry, found: dict[str, Any]) -> str:
    """One of those compared: its canvas, its ribbon, and what it is."""
    score = "".join(f"<span>{escape(part)}</span>" for part in figures(entry, found))
    code = f" <code>{entry.preset}</code>" if entry.preset else ""
    return (
        f'<figure class="entry" data-key="{entry.key}"><div class="frame">'
        f'<canvas role="img" aria-label="{escape(entry.name)}: the morph"></canvas></div>'
        '<div class="sure"><svg class="ribbon" preserveAspectRatio="none" aria-hidden="true"></svg>'
        '<span class="seen" aria-hidden="true"></span><i class="marker"></i></div>'
        f"<figcaption><b>{escape(entry.name)}</b>{code}<p>{escape(KINDS[entry.key])}</p>"
        f'<p class="figures">{score}</p></figcaption></figure>'
    )


def figures(entry: Entry, found: dict[str, Any]) -> list[str]:
    """Parameters and scores on the test set, as far as they are known."""
    parts = []
    if entry.preset is None:
        parts.append("0 parameters")
    elif model := shipped().get(entry.preset):
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


def answer(text: Any) -> dict[str, Any]:
    """A recipe -> the tab's pictures, or {"error": what to tell the visitor}."""
    try:
        request = permalink.unpack(text)
        typed = all(isinstance(side, str) for side in request.sides)
        return typed_answer(request.source, request.target, request.seed) if typed else compared(request)
    except Exception as error:
        return {"error": sentence(error)}


@functools.lru_cache(maxsize=16)
def typed_answer(source: str, target: str, seed: int) -> dict[str, Any]:
    """Kept for typed numbers only, such as those that every visitor meets first; nothing of a drawing is."""
    return compared(MorphRequest(source, target, seed=seed))


def compared(request: MorphRequest) -> dict[str, Any]:
    """The line-up of a request's two numbers as JSON: the films of all, what the reader sees in each frame,
    and the digits as each model rebuilds them. Of a sequence, the first and the last number."""
    source, *_, target = read_sides(request)
    ends, panels = (source, target), line_up(source, target)
    frames = torch.stack([panel.frames for panel in panels])
    digits = torch.cat([end.pictures for end in ends])
    labels = [label for end in ends for label in classes_of(end)]
    counts = len(source.digits), len(target.digits)
    return {
        "title": " becomes ".join(end.number for end in ends),
        "film": pack(frames),
        "frames": frames.shape[1],
        "places": frames.shape[3] // SIDE,
        "panels": [{"key": panel.entry.key, "ribbon": ribbon(panel, *counts)} for panel in panels],
        "read": [ink_bytes(digit) for digit in digits],
        "rebuilt": {
            made.preset: {"digits": [ink_bytes(whole(p)) for p in made.pictures], "nats": made.nats.tolist()}
            for made in rebuilt(digits, labels)
        },
    }


def ribbon(panel: Panel, source: int, target: int) -> list[list[float]]:
    """For each frame, the digit that the reader sees and how sure it is; of several places, the one it is
    least sure of. `source` and `target` are how many digits the two numbers have.

    In a crossfade nothing moves: up to its middle, digits are where the first number has them.
    """
    frames, places = panel.frames, panel.frames.shape[2] // SIDE
    time = torch.linspace(0, 1, len(frames))
    if panel.entry.preset is None:
        cut = len(frames) // 2
        parts = [(frames[:cut], time[:cut], source, source), (frames[cut:], time[cut:], target, target)]
    else:
        parts = [(frames, time, source, target)]
    lines = []
    for part, times, here, there in parts:
        digits = apart(part, *standing(here, there, places, times))
        lines += [[found for found in frame if found] for frame in zip(*seen(digits), strict=True)]
    return [min(frame, key=lambda found: found[1], default=[0, 0.0]) for frame in lines]


def whole(picture: Tensor) -> Tensor:
    """A model's picture `(S, S)` at 28x28, its pixels as they are: `(28, 28)`."""
    return F.interpolate(picture[None, None], size=(SIDE, SIDE), mode="nearest")[0, 0]


def compare_endpoint() -> None:
    """Declare `/compare`."""

    def compare(source: str, target: str, seed: float = 0, format: str = "mp4") -> Work:
        """Morph one typed number into another by every shipped model, side by side in one labelled video.

        Shown are a crossfade of pixels, a plain autoencoder, four smaller VAEs along a straight line
        between the codes, and the flagship along a straight line and along its handwritten path.

        Args:
            source: the number to start from, one to four digits, such as "3".
            target: the number to end with, one to four digits, such as "8".
            seed: whose handwriting the digits are in; the same seed gives the same video.
            format: "mp4" or "gif".

        Returns:
            The file, and as JSON the name and kind of each model in reading order, with its scores.
        """
        one_of("format", format, FILES)
        request = MorphRequest(source, target, seed=seed)  # type: ignore[arg-type]

        def run() -> tuple[str, dict[str, Any]]:
            ends = [read_side(side, request.seed) for side in request.sides]
            panels = line_up(ends[0], ends[1], FILE_STEPS)
            grid = labelled_grid(panels)
            data = video.encode(grid, format, fps=FILE_FPS, size=grid.shape[1], style="pixels", hold=FILE_HOLD)
            name = f"{ends[0].number}-to-{ends[1].number}-compared.{format}"
            return files.keep(data, name), {"models": [told(panel.entry) for panel in panels]}

        return Work(1.5, run)

    with gr.Row(visible=False):
        numbers = [gr.Textbox(label="source"), gr.Textbox(label="target")]
        seed, format = gr.Number(0, label="seed"), gr.Textbox("mp4", label="format")
        declare(compare, [*numbers, seed, format], [gr.File(label="file"), gr.JSON(label="models")])


def told(entry: Entry) -> dict[str, str]:
    """An entry for those who asked by program."""
    return {"name": entry.name, "kind": KINDS[entry.key], "figures": ", ".join(figures(entry, evaluation()))}
