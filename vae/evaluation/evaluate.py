"""The figures of every model and of the paths between digits: `python -m vae evaluate`.

    python -m vae evaluate --model all --data DIR            # the whole table
    python -m vae evaluate --model all --data DIR --quick    # fewer pictures and pairs

Likelihoods are in nats an image, lower is better. *Grey NELBO* is binary cross-entropy on grey pixels
plus KL, one posterior sample each, over all test images. *ELBO* and *IW* are on images whose pixels
are drawn once from Bernoulli(grey), as in the published figures: IW is the importance-weighted bound
of Burda et al. 2016, https://arxiv.org/abs/1509.00519, which tends to -log p(x) as k grows.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils.flop_counter import FlopCounterMode

from vae import weights
from vae.bank import bank_of
from vae.classifier import Classifier, load_classifier
from vae.errors import WeightsError
from vae.evaluation import tables
from vae.evaluation.likelihoods import active_units, elbo_terms, importance_weighted, unrefined
from vae.evaluation.scoreboard import (
    Method,
    Pairs,
    Reals,
    Row,
    choose_pairs,
    frechet_distance,
    judge_features,
    score_methods,
)
from vae.model import VAE, in_batches, posterior_means
from vae.morphing import PathName, Speed, decode_28, morph
from vae.sketch import read_digits
from vae.training import data

NOISE = 0.3  # standard deviation of what is added to pictures for the noisy reconstruction
TIMED = 120  # digits of a timed decode: two digits, 60 frames


@dataclass(frozen=True)
class Extent:
    """How many pictures, samples and pairs are evaluated."""

    images: int = 10_000  # test images for the grey NELBO and the reconstructions
    binarised: int = 1_000  # of them for ELBO and IW
    importance: int = 1_000  # k
    samples: int = 5_000
    reals: int = 10_000  # of the manifold of real digits
    pairs: int = 500
    seeds: int = 3
    drawn: int = 300  # pairs of real drawings


WHOLE = Extent()
QUICK = Extent(images=2_000, binarised=60, importance=200, samples=1_000, reals=5_000, pairs=60, seeds=1, drawn=40)


def evaluate_models(
    models: Sequence[str],
    data_root: str | os.PathLike[str] | None = None,
    extent: Extent = WHOLE,
    split: str = "test",
    known: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Both tables, and what they were made of; `vae.evaluation.tables` writes them.

    `models`: presets, weights files or runs. `known`: what this found before, of which the models' table is kept;
    only the paths are scored anew. Raises WeightsError for a model that is missing, and
    FileNotFoundError without the data.
    """
    started = time.monotonic()
    loaded, judge = {name: weights.load(name) for name in models}, load_classifier("judge")
    splits = data.load_splits(root=data_root)
    reals = Reals.of(judge, data.as_floats(splits.train.images[-extent.reals :]))  # the bank takes the first ones
    if known is None:
        test = splits.test[: extent.images]
        rows = [model_figures(name, model, test, judge, reals, extent) for name, model in loaded.items()]
        add_times(rows, loaded)
        real_features, _ = judge_features(judge, data.as_floats(splits.test.images[: extent.samples]))
        made = {**vars(extent), "noise": NOISE, "threads": torch.get_num_threads()}
        made["frechet_of_test_digits"] = frechet_distance(real_features, reals.features)
    else:
        rows = known["models"]
        made = known["settings"] | {name: getattr(extent, name) for name in ("reals", "pairs", "seeds", "drawn")}
    digits = splits.test if split == "test" else splits.validation
    pairs = [choose_pairs(digits, extent.pairs, seed) for seed in range(extent.seeds)]
    methods = methods_of(loaded)
    paths = score_methods(methods, pairs, judge, reals)
    sketched = drawn_pairs(extent.drawn)
    flagship = {name: method for name, method in methods.items() if name.startswith("flagship")}
    return {
        "models": rows,
        "published": tables.PUBLISHED,
        "paths": paths,
        "drawings": score_methods(flagship, [sketched], judge, reals) if sketched and flagship else None,
        "settings": {**made, "split": split, "seconds": round(time.monotonic() - started)},
    }


def methods_of(models: dict[str, VAE], frames: int = 60) -> dict[str, Method]:
    """What is scored: every path of the flagship (or of a single model); of `mlp` and the plain autoencoder the
    classic straight line in equal steps of alpha."""

    def method(model: VAE, path: PathName, speed: Speed, refine: bool) -> Method:
        return lambda source, target: morph(model, source, target, frames, path, speed, refine)

    methods = {}
    for name, model in models.items():
        if name in ("mlp", "autoencoder") or (name == "flagship" and len(models) == 1):
            methods[f"{name}: linear, raw"] = method(model, "linear", "raw", False)
        if name == "flagship" or (len(models) == 1 and name != "mlp"):
            for path in ("linear", "slerp", "handwritten"):
                if path != "handwritten" or bank_of(model) is not None:
                    methods[f"{name}: {path}"] = method(model, path, "constant", True)
                if path == "handwritten" and bank_of(model) is not None:
                    methods[f"{name}: {path}, with time for the turn"] = method(model, path, "turn", True)
    return methods


@torch.inference_mode()
def model_figures(name: str, model: VAE, test: data.Pictures, judge: Classifier, reals: Reals, extent: Extent) -> Row:
    """One row of the model table; None where a figure means nothing (the ELBO of a plain autoencoder).

    The times of decoding are added by `add_times`.
    """
    config = model.config
    reconstruction, kl = elbo_terms(model, test)
    x = model.prepare(data.as_floats(test.images))
    y = test.labels if config.classes else None
    mu = posterior_means(model, x, y)
    noise = torch.empty_like(test.images, dtype=torch.float32).normal_(generator=Generator().manual_seed(1)) * NOISE
    noisy = model.prepare((data.as_floats(test.images) + noise).clamp(0, 1))
    row: Row = {
        "model": name,
        "latents": config.latent_dim,
        "nelbo": reconstruction + kl if config.variational else None,
        "reconstruction": reconstruction,
        "kl": kl if config.variational else None,
        "elbo": None,
        "iw": None,
        "active": active_units(mu),
        "mse": decoded_mse(model, mu, x, y),
        "noisy_mse": decoded_mse(model, posterior_means(model, noisy, y), x, y),
        "frechet": frechet_distance(sampled_features(model, extent.samples, judge), reals.features),
        "sketches": sketches_kept(model, judge),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "mflop": decode_mflop(model),
    }
    if config.variational:
        few = test[: extent.binarised]
        binary = data.binarise(data.as_floats(few.images), 1.0, Generator().manual_seed(0))
        given = few.labels if config.classes else None
        elbo, iw = importance_weighted(model, model.prepare(binary), given, k=extent.importance)
        row |= {"elbo": elbo, "iw": iw}
    if config.refinements:
        plain = unrefined(model)
        reconstruction, kl = elbo_terms(plain, test)
        row |= {
            "unrefined_nelbo": reconstruction + kl,
            "unrefined_reconstruction": reconstruction,
            "unrefined_kl": kl,
            "unrefined_mse": decoded_mse(plain, posterior_means(plain, x, y), x, y),
        }
    return row


def decoded_mse(model: VAE, z: Tensor, x: Tensor, y: Tensor | None) -> float:
    """Mean squared error of the decoded latents from the pictures that they should be."""
    return float((in_batches(model.decode, z, y) - x).square().mean())


def sampled_features(model: VAE, count: int, judge: Classifier) -> Tensor:
    """The judge's features `(count, F)` of samples from the prior; classes take turns."""
    generator, classes = Generator().manual_seed(0), model.config.classes

    def features(y: Tensor) -> Tensor:
        z = torch.randn(len(y), model.config.latent_dim, generator=generator)
        return judge.features(decode_28(model, z, y if classes else None))

    return in_batches(features, torch.arange(count) % (classes or 1))


def drawings() -> tuple[Tensor, Tensor] | None:
    """The drawings in DIGIT_MORPH_SKETCHES (LABEL_NUMBER.png) as they are read, `(N, 1, 28, 28)`, and what
    they are; None without that folder."""
    folder = os.environ.get("DIGIT_MORPH_SKETCHES")
    if not folder or not (files := sorted(Path(folder).glob("[0-9]_*.png"))):
        return None
    x = torch.cat([read_digits(path)[:1] for path in files])
    return x, torch.tensor([int(path.name[0]) for path in files])


def drawn_pairs(count: int) -> Pairs | None:
    """`count` pairs of drawings of different digits."""
    if (found := drawings()) is None:
        return None
    x, labels = found
    return choose_pairs(data.Pictures((x * 255).round().to(torch.uint8), labels), count, seed=0)


def sketches_kept(model: VAE, judge: Classifier) -> float | None:
    """Share of the drawings that the judge reads as their label after encoding and decoding."""
    if (found := drawings()) is None:
        return None
    x, y = found
    given = y if model.config.classes else None
    mu, _ = model.encode(model.prepare(x), given)
    return float((judge_features(judge, decode_28(model, mu, given))[1].argmax(1) == y).double().mean())


def decode_mflop(model: VAE) -> float:
    """Millions of floating-point operations (a multiply-add counts two) to decode one digit."""
    with FlopCounterMode(display=False) as counter:
        _decode_some(model, 1)
    return counter.get_total_flops() / 1e6


def add_times(rows: list[Row], models: dict[str, VAE], rounds: int = 15) -> None:
    """Add `decode_ms`, the median time to decode 120 digits, and `times_mlp`, that against the mlp's.

    The models are timed in turn, so that other load on the machine slows all of them alike.
    """
    try:
        timed = {**models, "mlp": models.get("mlp") or weights.load("mlp")}
    except WeightsError:
        timed = models
    spent: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(rounds + 3):
        for name, model in timed.items():
            started = time.perf_counter()
            _decode_some(model, TIMED)
            if turn >= 3:
                spent[name].append(1000 * (time.perf_counter() - started))
    for row, name in zip(rows, models, strict=True):
        own = statistics.median(spent[name])
        row["decode_ms"] = own
        row["times_mlp"] = own / statistics.median(spent["mlp"]) if "mlp" in spent else None


@torch.inference_mode()
def _decode_some(model: VAE, count: int) -> None:
    y = torch.zeros(count, dtype=torch.long) if model.config.classes else None
    model.decode(torch.zeros(count, model.config.latent_dim), y)
