"""The same two numbers through every shipped model, and by a crossfade that needs none, side by side.

The smaller models are shown as the textbooks have it: encode, a straight line in equal steps of alpha,
decode, nothing else. The flagship's are refined and evenly paced, as everywhere in the program. These
are the settings of the scoreboard's rows (`vae.evaluation.evaluate.methods_of`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vae import render
from vae.model import VAE, reconstruction_nats
from vae.morphing import SIDE, PathName, Speed, crossfade, make_morph
from vae.pipeline import Pipeline
from vae.reading import Reading
from vae.render import Picture

STEPS = 40
GAP = 10  # px around a cell of the labelled grid
LABEL = 24  # px above it


@dataclass(frozen=True)
class Entry:
    """One of those compared: the preset of its model (None: pixels alone) and its path."""

    key: str
    name: str
    preset: str | None
    path: PathName = "linear"

    @property
    def classic(self) -> bool:
        """Whether it is shown without refinement and pacing."""
        return self.preset != "flagship"


LINEUP = (
    Entry("crossfade", "Pixel crossfade", None),
    Entry("autoencoder", "Autoencoder", "autoencoder"),
    Entry("conv2d", "Two-dimensional VAE", "conv2d"),
    Entry("tiny", "Tiny VAE", "tiny"),
    Entry("mlp", "Classic VAE", "mlp"),
    Entry("cvae", "Conditional VAE", "cvae"),
    Entry("flagship-straight", "Flagship, straight", "flagship"),
    Entry("flagship", "Flagship, by handwriting", "flagship", "handwritten"),
)  # from no model at all to the one that visitors get
TITLES = {entry.preset: entry.name.split(",")[0] for entry in LINEUP if entry.preset}


class Panel(NamedTuple):
    """An entry, its frames `(T, 28, 28 * places)` in [0, 1], ink = 1, and the digits that stand in them, in one or
    more stretches of time: `(t, N, 28, 28)` each."""

    entry: Entry
    frames: Tensor
    digits: tuple[Tensor, ...]


class Rebuilt(NamedTuple):
    """What a model makes of digits: `pictures` `(N, S, S)` decoded from the posterior's mean, S the model's
    own size, and how many nats each `(N,)` is off (cross-entropy; of other sizes not comparable)."""

    preset: str
    pictures: Tensor
    nats: Tensor


def line_up(pipeline: Pipeline, source: Reading, target: Reading, steps: int = STEPS) -> list[Panel]:
    """The morph of two numbers by every entry whose model is here; `steps` frames each, at least 2."""
    panels = []
    stacks, labels = [source.pictures, target.pictures], [source.labels, target.labels]
    for entry in LINEUP:
        if entry.preset is None:
            panels.append(crossfaded(entry, source.pictures, target.pictures, steps))
        elif entry.preset in pipeline.presets:
            speed: Speed = "raw" if entry.classic else "constant"
            own = pipeline.with_preset(entry.preset)
            morph = make_morph(own, stacks, labels, steps, entry.path, speed, not entry.classic)
            panels.append(Panel(entry, morph.frames, (morph.digits,)))
    return panels


def crossfaded(entry: Entry, source: Tensor, target: Tensor, steps: int) -> Panel:
    """A crossfade of two stacks. Nothing in it moves: up to its middle, digits are where the source has them."""
    frames = crossfade(source, target, steps)
    digits = []
    for part, stack in zip(frames.tensor_split([steps // 2]), (source, target), strict=True):
        left = (frames.shape[2] - SIDE * len(stack)) // 2
        own = part[:, :, left : left + SIDE * len(stack)]
        digits.append(own.unflatten(2, (len(stack), SIDE)).transpose(1, 2))
    return Panel(entry, frames, tuple(digits))


@torch.inference_mode()
def rebuilt(models: Mapping[str, VAE], stack: Tensor, labels: Sequence[int]) -> list[Rebuilt]:
    """The digits `(N, 1, 28, 28)`, of classes `labels`, encoded and decoded by every one of `models`."""
    found = []
    for preset, model in models.items():
        x = model.prepare(stack)
        y = torch.tensor(labels) if model.config.classes else None
        logits = model.decode_logits(model.encode(x, y)[0], y)
        found.append(Rebuilt(preset, torch.sigmoid(logits)[:, 0], reconstruction_nats(logits, x)))
    return found


def labelled_grid(panels: Sequence[Panel], tile: int = 0) -> Tensor:
    """Panels -> one picture of all, with their names: frames `(T, H, W)` in [0, 1], ink = 1, of final size.

    `tile`: height of a digit in px; 0 chooses one that keeps the picture near 720 px. To be written in the
    style `pixels` at the size H, which leaves them as they are.
    """
    places = panels[0].frames.shape[2] // SIDE
    columns = 4 if places == 1 else 2
    tile = tile or (168 if places == 1 else 2 * (140 // places))
    cells = [labelled(panel, tile) for panel in panels]
    count, height, width = cells[0].shape
    rows = -(-len(cells) // columns)
    even = (rows * height + rows * height % 2, columns * width)
    sheet = np.full((count, *even), 255, np.uint8)
    for i, cell in enumerate(cells):
        y, x = i // columns * height, i % columns * width
        sheet[:, y : y + height, x : x + width] = cell
    return 1 - torch.from_numpy(sheet).float() / 255


def labelled(panel: Panel, tile: int) -> Picture:
    """A panel's pictures with its name above: uint8 `(T, tile + LABEL + 2 GAP, width)`, of even width."""
    pictures = render.render_frames(panel.frames, tile)
    count, h, w = pictures.shape
    label = Image.new("L", (max(w, 168) + 2 * GAP, LABEL + GAP), 255)
    ImageDraw.Draw(label).text((GAP, GAP), panel.entry.name, fill=60, font=ImageFont.load_default(14))
    cell = np.full((count, h + LABEL + 2 * GAP, label.width), 255, np.uint8)
    cell[:, : label.height] = np.asarray(label)
    left = (label.width - w) // 2
    cell[:, LABEL + GAP : LABEL + GAP + h, left : left + w] = pictures
    return cell
