"""The same two numbers through every shipped model, and by a crossfade that needs none, side by side.

The smaller models are shown as the textbooks have it: encode, a straight line in equal steps of alpha,
decode, nothing else. The flagship's are refined and evenly paced, as everywhere in the program. These
are the settings of the scoreboard's rows (`vae.evaluation.methods_of`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vae import render
from vae.errors import WeightsError
from vae.model import VAE, reconstruction_nats
from vae.morphing import SIDE, PathName, Speed, morph_sequence
from vae.render import Picture
from vae.request import Reading, loaded

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
    """An entry and its frames `(T, 28, 28 * places)` in [0, 1], ink = 1."""

    entry: Entry
    frames: Tensor


class Rebuilt(NamedTuple):
    """What a model makes of digits: `pictures` `(N, S, S)` decoded from the posterior's mean, S the model's
    own size, and how many nats each `(N,)` is off (cross-entropy; of other sizes not comparable)."""

    preset: str
    pictures: Tensor
    nats: Tensor


def shipped() -> dict[str, VAE]:
    """The models of the line-up whose weights are here, by preset."""
    models = {}
    for preset in dict.fromkeys(entry.preset for entry in LINEUP if entry.preset):
        try:
            models[preset] = loaded(preset)
        except WeightsError:
            continue  # not shipped: left out, the rest is still worth seeing
    return models


def line_up(source: Reading, target: Reading, steps: int = STEPS) -> list[Panel]:
    """The morph of two numbers by every entry whose model is here; `steps` frames each, at least 2."""
    models, panels = shipped(), []
    stacks = [source.pictures, target.pictures]
    for entry in LINEUP:
        if entry.preset is None:
            panels.append(Panel(entry, crossfade(source.pictures, target.pictures, steps)))
        elif entry.preset in models:
            speed: Speed = "raw" if entry.classic else "constant"
            frames = morph_sequence(
                models[entry.preset],
                stacks,
                steps,
                entry.path,
                speed,
                not entry.classic,
                labels=[classes_of(source), classes_of(target)],
            )
            panels.append(Panel(entry, frames))
    return panels


def crossfade(source: Tensor, target: Tensor, steps: int) -> Tensor:
    """Stacks `(N, 1, 28, 28)` and `(M, 1, 28, 28)` -> `(steps, 28, 28 * max(N, M))`: (1 - a) x1 + a x2."""
    places = max(len(source), len(target))
    one, other = (laid_out(stack, places) for stack in (source, target))
    alpha = torch.linspace(0, 1, steps)[:, None, None]
    return (1 - alpha) * one + alpha * other


def laid_out(stack: Tensor, places: int) -> Tensor:
    """A stack `(N, 1, 28, 28)` side by side in the middle of `places` places: `(28, 28 * places)`."""
    canvas = torch.zeros(SIDE, SIDE * places)
    left = SIDE * (places - len(stack)) // 2
    canvas[:, left : left + SIDE * len(stack)] = torch.cat(list(stack[:, 0]), 1)
    return canvas


def classes_of(reading: Reading) -> list[int]:
    """The digits a number stands for: as typed, or as read."""
    return [int(digit) for digit in reading.number]


@torch.inference_mode()
def rebuilt(stack: Tensor, labels: Sequence[int]) -> list[Rebuilt]:
    """The digits `(N, 1, 28, 28)`, of classes `labels`, encoded and decoded by every model."""
    found = []
    for preset, model in shipped().items():
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
    pictures = render.render(panel.frames, tile)
    count, h, w = pictures.shape
    label = Image.new("L", (max(w, 168) + 2 * GAP, LABEL + GAP), 255)
    ImageDraw.Draw(label).text((GAP, GAP), panel.entry.name, fill=60, font=ImageFont.load_default(14))
    cell = np.full((count, h + LABEL + 2 * GAP, label.width), 255, np.uint8)
    cell[:, : label.height] = np.asarray(label)
    left = (label.width - w) // 2
    cell[:, LABEL + GAP : LABEL + GAP + h, left : left + w] = pictures
    return cell
