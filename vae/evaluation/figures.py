"""The pictures that README and docs show: `python -m vae figures`, from the shipped weights alone.

Nothing of MNIST is in them: typed digits are decoded from the bank's codes. The curves come from the
metrics.csv of each shipped model's training, kept in docs/training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vae import render
from vae.evaluation import plots
from vae.evaluation.results import read_metrics
from vae.inspection.latent_map import map_of
from vae.inspection.samples import prior_samples
from vae.model import VAE
from vae.morphing import PathName, Speed, crossfade, make_morph
from vae.pipeline import default_pipeline
from vae.reading import type_digits
from vae.request import MorphRequest, produce
from vae.shipped import DOCS

STORY = ("32", "41", "7", "128", "32")  # what the README's animation goes through
PAIRS = ("3 8", "7 2", "4 9", "0 6", "1 5", "2 3", "5 8", "6 4", "9 0", "8 1", "7 5", "2 0")
TURNS = {"0 4": 0, "9 6": 1, "8 1": 2, "2 6": 3, "4 7": 4, "1 7": 5, "2 3": 1}  # pairs that are hard, and whose hand
PATHS: tuple[PathName, ...] = ("linear", "slerp", "handwritten")
FRAME = 64  # px, height of a filmstrip


def make_all(out: Path = DOCS) -> list[Path]:
    """Write every picture into `out`; those of a model that is not shipped are left out."""
    out.mkdir(parents=True, exist_ok=True)
    made = [out / "morph.webp"]
    made[0].write_bytes(story())
    pictures = {"paths": filmstrips(), "turns": turns(), "samples": generated(), "thumbnail": thumbnail()}
    plotted = {}
    pipeline = default_pipeline()
    if plane := pipeline.presets.get("conv2d"):
        pictures["manifold"] = manifold(plane)
        if (codes := map_of(plane)) is not None:
            plotted["latents-conv2d"] = scattered(codes, "conv2d")
    if (bank := pipeline.bank) is not None:
        plotted["latents-flagship"] = scattered(plots.scatter_of(bank.typed.z, bank.typed.labels), "flagship")
    for metrics in sorted((out / "training").glob("*.csv")):
        plotted[f"curves-{metrics.stem}"] = plots.plot_curves(read_metrics(metrics), metrics.stem)
    for name, picture in pictures.items():
        picture.save(out / f"{name}.png", optimize=True)
    for name, plot in plotted.items():
        plots.save_plot(plot, out / f"{name}.png")
    return made + [out / f"{name}.png" for name in (*pictures, *plotted)]


def story() -> bytes:
    """The README's animation: numbers of one, two and three digits, each turning into the next."""
    request = MorphRequest(
        STORY[0], STORY[-1], STORY[1:-1], steps=36, fps=25, hold=0.4, size=160, seed=3, formats=("webp",)
    )
    return produce(request).files["webp"]


def filmstrips() -> Image.Image:
    """Twelve pairs, each as a crossfade of pixels and along every path, one below the other."""
    pipeline, rows = default_pipeline(), []
    for i, pair in enumerate(PAIRS):
        a, b = pair.split()
        source, target = type_digits(a, i), type_digits(b, i)
        strips = {"crossfade": crossfade(source, target, 60)}
        for name in PATHS:
            strips[name] = make_morph(pipeline, [source, target], [[int(a)], [int(b)]], path=name).frames
        rows.append({name: render.filmstrip(frames, 11, FRAME) for name, frames in strips.items()})
    return page(rows)


def turns(speed: Speed = "turn", count: int = 17) -> Image.Image:
    """The hard pairs (the last one from a looped 2) and those of `filmstrips`, by handwriting, a strip each."""
    pipeline, rows = default_pipeline(), []
    for pair, seed in [*TURNS.items(), *((pair, len(TURNS) + i) for i, pair in enumerate(PAIRS))]:
        a, b = pair.split()
        stacks = [type_digits(a, seed), type_digits(b, seed)]
        frames = make_morph(pipeline, stacks, [[int(a)], [int(b)]], speed=speed).frames
        rows.append({f"{a} to {b}": render.filmstrip(frames, count, FRAME)})
    return page(rows)


def page(rows: list[dict[str, np.ndarray]], columns: int = 2) -> Image.Image:
    """Blocks of labelled filmstrips, `columns` of them side by side."""
    font = ImageFont.load_default(15)
    height, width = next(iter(rows[0].values())).shape
    margin, label = 24, 96
    block = len(rows[0]) * (height + 4) + margin
    sheet = Image.new(
        "L", (columns * (label + width + margin) + margin, -(-len(rows) // columns) * block + margin), 255
    )
    pen = ImageDraw.Draw(sheet)
    for i, strips in enumerate(rows):
        x, y = margin + (i % columns) * (label + width + margin), margin + i // columns * block
        for name, strip in strips.items():
            pen.text((x, y + height // 2 - 9), name, fill=90, font=font)
            sheet.paste(Image.fromarray(strip), (x + label, y))
            y += height + 4
    return sheet


def thumbnail() -> Image.Image:
    """What a shared link shows, 1200x630: the name above a morph's filmstrip."""
    frames = produce(MorphRequest("32", "41", steps=60, seed=3, formats=())).frames
    strip = Image.fromarray(render.filmstrip(frames, 5, 104))
    sheet = Image.new("L", (1200, 630), 255)
    pen = ImageDraw.Draw(sheet)
    pen.text((600, 170), "Digit Morph", fill=20, font=ImageFont.load_default(96), anchor="mm")
    sheet.paste(strip, ((1200 - strip.width) // 2, 290))
    line = "draw two numbers and watch one turn into the other"
    pen.text((600, 490), line, fill=90, font=ImageFont.load_default(36), anchor="mm")
    return sheet


def generated() -> Image.Image:
    """A hundred digits that nobody wrote, from the flagship's prior."""
    return Image.fromarray(render.grid(prior_samples(default_pipeline().model, 100), 20))


def scattered(codes: plots.Scatter, name: str) -> Any:
    """Where test digits lie in a model's latent space, as a matplotlib Figure."""
    return plots.plot_scatter(codes, f"{name}: {len(codes.points):,} test digits")


def manifold(model: VAE) -> Image.Image:
    """The whole latent space of a 2-D model as a grid of digits."""
    pictures = plots.manifold(model)
    return Image.fromarray(render.grid(pictures.flatten(0, 1)[:, None], 20, size=32, gap=0))
