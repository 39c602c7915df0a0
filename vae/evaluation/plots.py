"""What a model has learnt, as pictures and plots: curves, reconstructions, the manifold, its latents on a plane.

The one home of matplotlib, imported only when something is plotted, so that serving never loads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vae import render, weights
from vae.inspection.latent_map import Scatter
from vae.inspection.samples import prior_samples
from vae.model import VAE

if TYPE_CHECKING:
    from vae.training.data import Pictures, Splits

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#7f8794")
TRAIN, VALIDATION, FAINT = "#9aa3ad", "#1f5fbf", "#e6e8eb"


@torch.inference_mode()
def manifold(model: VAE, side: int = 20, extent: float = 2.0) -> Tensor:
    """The plane of a VAE's two-dimensional latent space, decoded on a grid: `(side, side, S, S)`.

    The grid is even in probability, out to `extent` standard deviations of the prior, so that as many digits
    fall to each cell (Kingma & Welling 2014, figure 4); upwards is the second dimension.
    """
    outside = float(torch.special.ndtr(torch.tensor(-extent)))
    steps = torch.special.ndtri(torch.linspace(outside, 1 - outside, side))
    z = torch.cartesian_prod(steps.flip(0), steps).flip(1)  # rows from the top down
    return model.decode(z).view(side, side, *(model.config.image_size,) * 2)


def scatter_of(codes: Tensor, labels: Tensor) -> Scatter:
    """Latents `(N, D)` on a plane: as they are in two dimensions, else by principal components."""
    if codes.shape[1] == 2:
        return Scatter(codes, labels, 1.0)
    centred = codes - codes.mean(0)
    _, spread, axes = torch.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * axes[:2].gather(1, axes[:2].abs().argmax(1, keepdim=True)).sign()  # the same every time
    share = float(spread[:2].square().sum() / spread.square().sum())
    return Scatter(centred @ axes.T, labels, share)


@torch.inference_mode()
def reconstructions(model: VAE, pictures: Pictures) -> tuple[Tensor, Tensor]:
    """Pictures as the model reads them, and decoded from the posteriors' means: `(N, C, S, S)` each."""
    x = model.prepare(pictures.images.float() / 255)
    y = pictures.labels if model.config.classes else None
    return x, model.decode(model.encode(x, y)[0], y)


def sheet(x: Tensor, columns: int, below: Tensor | None = None) -> np.ndarray:
    """Pictures `(N, C, S, S)` -> one sheet, pixel by pixel: uint8 `(h, w)` grey (ink dark) or `(h, w, 3)`.

    `below`: as many more, each row of them under its row (reconstructions under originals).
    """
    parts = [
        render.grid(x[:, c], columns, None if below is None else below[:, c], style="pixels") for c in range(x.shape[1])
    ]
    return parts[0] if len(parts) == 1 else 255 - np.stack(parts, axis=-1)  # colours are light, not ink


def save_run_pictures(model: VAE, splits: Splits, rows: list[dict[str, float]], out: Path) -> None:
    """Write curves.png, reconstructions_training.png, reconstructions_validation.png and samples.png.

    Reconstructions stand below their originals; `rows` are those of metrics.csv.
    """
    if rows:
        save_plot(plot_curves(rows, model.config.preset), out / "curves.png")
    for name, pictures in (("training", splits.train), ("validation", splits.validation)):
        x, seen = reconstructions(model, pictures[:30])
        save_picture(sheet(x, 10, below=seen), out / f"reconstructions_{name}.png")
    save_picture(sheet(prior_samples(model, 100), 10), out / "samples.png")


def save_picture(picture: np.ndarray, path: Path) -> None:
    with weights.replacing(path) as temporary:
        Image.fromarray(picture).save(temporary)


def save_plot(figure: Any, path: Path) -> None:
    with weights.replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, bbox_inches="tight", facecolor="white")


def plot_curves(rows: list[dict[str, float]], name: str) -> Any:
    """Training and validation by epoch, the ELBO and its two terms apart, as a matplotlib Figure."""
    terms = {"total": "total (negative ELBO)", "reconstruction": "reconstruction", "kl": "KL divergence"}
    if not any(row["train_kl"] for row in rows):  # a plain autoencoder
        terms = {"reconstruction": "reconstruction"}
    figure = _figure(4.2 * len(terms) + 0.6, 3.4)
    epochs = [row["epoch"] for row in rows]
    best = min(rows, key=lambda row: row["validation_total"])
    for i, (term, title) in enumerate(terms.items(), start=1):
        axes = figure.add_subplot(1, len(terms), i)
        settled = []
        for half, colour in (("train", TRAIN), ("validation", VALIDATION)):
            values = [row[f"{half}_{term}"] for row in rows]
            settled += values[len(values) // 10 :]  # the first epochs would flatten the rest
            axes.plot(epochs, values, color=colour, linewidth=1.8, marker="o" if len(rows) == 1 else None)
            axes.plot([], [], color=colour, linewidth=1.8, label=f"{half} {values[rows.index(best)]:.2f}")
        margin = 0.06 * (max(settled) - min(settled)) or 1.0
        axes.set_ylim(min(settled) - margin, max(settled) + margin)
        axes.axvline(best["epoch"], color=FAINT, linewidth=1.2, zorder=0)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("epoch")
        axes.grid(axis="y", color=FAINT, linewidth=0.8)
        axes.legend(frameon=False, fontsize=9, handlelength=1.2, loc="best")
        _tidy(axes)
    figure.axes[0].set_ylabel("nats per image")
    note = f"{name}: kept after epoch {best['epoch']:.0f}, the best on validation"
    figure.suptitle(note, x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.tight_layout(w_pad=2.0)
    return figure


def plot_scatter(scatter: Scatter, title: str) -> Any:
    """Latents on a plane, one colour a digit, each labelled at its median, as a matplotlib Figure."""
    figure = _figure(6.0, 6.0)
    axes = figure.add_subplot()
    for digit in scatter.labels.unique().tolist():
        own = scatter.points[scatter.labels == digit]
        colour = COLOURS[digit % len(COLOURS)]
        axes.scatter(*own.T.tolist(), s=4, color=colour, alpha=0.55, linewidths=0)
        outlined = {"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": colour, "linewidth": 1.5}
        centred = {"ha": "center", "va": "center", "fontsize": 11, "fontweight": "bold"}
        axes.text(*own.median(0).values.tolist(), str(digit), bbox=outlined, **centred)
    axes.set_aspect("equal")
    whole = scatter.share > 0.999
    axes.set_xlabel("first latent dimension" if whole else "first principal component")
    axes.set_ylabel("second latent dimension" if whole else "second principal component")
    note = "" if whole else f"\n{100 * scatter.share:.0f}% of the variance of the latents"
    axes.set_title(title + note, loc="left", fontsize=10)
    _tidy(axes)
    return figure


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def _tidy(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b8bec5")
    axes.tick_params(color="#b8bec5", labelsize=9)
