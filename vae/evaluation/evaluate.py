"""The figures of every model and of the paths between digits: `python -m vae evaluate`.

    python -m vae evaluate --model all --data DIR            # the whole table
    python -m vae evaluate --model all --data DIR --quick    # fewer pictures and pairs

Likelihoods are in nats an image, lower is better. *Grey NELBO* is binary cross-entropy on grey pixels
plus KL, one posterior sample each, over all test images. *ELBO* and *IW* are on images whose pixels
are drawn once from Bernoulli(grey), as in the published figures: IW is the importance-weighted bound
of Burda et al. 2016, https://arxiv.org/abs/1509.00519, which tends to -log p(x) as k grows.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vae import weights
from vae.bank import bank_of
from vae.classifier import Classifier, load_classifier
from vae.errors import WeightsError
from vae.evaluation import tables
from vae.evaluation.scoreboard import Method, Pairs, Reals, Row, choose_pairs, frechet_distance, judged, scoreboard
from vae.model import PRESETS, VAE, reconstruction_nats, sample_posterior
from vae.morphing import PathName, Speed, decode_28, morph
from vae.training import data
from vae.training.loop import elbo_terms

ACTIVE = 0.01  # variance of the posterior mean over the data, above which a unit is active (Burda et al.)
NOISE = 0.3  # standard deviation of what is added to pictures for the noisy reconstruction
TIMED = 120  # digits of a timed decode: two digits, 60 frames


@dataclass(frozen=True)
class Extent:
    """How much is looked at."""

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


def run(args: argparse.Namespace) -> None:
    names = list(PRESETS) if args.model == "all" else [args.weights or args.model]
    found = evaluate(names, args.data, args.quick, args.out, split=args.split)
    print(tables.markdown(found))
    print(f"\nleft in {args.out}: evaluation.json, evaluation.md")


def evaluate(
    models: Sequence[str],
    data_root: str | os.PathLike[str] | None = None,
    quick: bool = False,
    out: Path | None = None,
    *,
    split: str = "test",
    extent: Extent | None = None,
    judge: Classifier | None = None,
) -> dict[str, Any]:
    """Both tables (and what they were made of), also written to `out` as JSON and Markdown.

    `models`: presets, weights files or runs. Raises WeightsError for a model that is missing, and
    FileNotFoundError without the data.
    """
    started = time.monotonic()
    extent = extent or (QUICK if quick else WHOLE)
    loaded = {name: weights.load(name) for name in models}
    judge = judge or load_classifier("judge")
    splits = data.load_splits(root=data_root)
    reals = Reals.of(judge, data.as_floats(splits.train.images[: extent.reals]))
    rows = [
        model_figures(name, model, splits.test[: extent.images], judge, reals, extent) for name, model in loaded.items()
    ]
    add_times(rows, loaded)
    digits = splits.test if split == "test" else splits.validation
    pairs = [choose_pairs(digits, extent.pairs, seed) for seed in range(extent.seeds)]
    seen, _ = judged(judge, data.as_floats(splits.test.images[: extent.samples]))
    methods = methods_of(loaded)
    paths = scoreboard(methods, pairs, judge, reals)
    drawn_by_people = drawn_pairs(extent.drawn)
    flagship = {name: method for name, method in methods.items() if name.startswith("flagship")}
    found = {
        "models": rows,
        "published": tables.PUBLISHED,
        "paths": paths,
        "drawings": (scoreboard(flagship, [drawn_by_people], judge, reals) if drawn_by_people and flagship else None),
        "settings": {
            **vars(extent),
            "split": split,
            "noise": NOISE,
            "threads": torch.get_num_threads(),
            "frechet_of_test_digits": frechet_distance(seen, reals.features),
            "seconds": round(time.monotonic() - started),
        },
    }
    if out:
        tables.write(found, out)
    return found


def methods_of(models: dict[str, VAE], frames: int = 60) -> dict[str, Method]:
    """The paths that are scored: of the flagship (or a single model) all, of `mlp` and the plain autoencoder
    the straight line in equal steps of alpha, as the classics do it."""

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
    mu = encode(model, x, y)
    noise = torch.empty_like(test.images, dtype=torch.float32).normal_(generator=_seeded(1)) * NOISE
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
        "mse": float((decode(model, mu, y) - x).square().mean()),
        "noisy_mse": float((decode(model, encode(model, noisy, y), y) - x).square().mean()),
        "frechet": frechet_distance(sampled_features(model, extent.samples, judge), reals.features),
        "sketches": sketches_kept(model, judge),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "mflop": decode_mflop(model),
    }
    if config.variational:
        binary = model.prepare(data.binarise(data.as_floats(test.images[: extent.binarised]), 1.0, _seeded(0)))
        elbo, iw = importance_weighted(
            model, binary, y[: extent.binarised] if y is not None else None, k=extent.importance
        )
        row |= {"elbo": elbo, "iw": iw}
    if config.refinements:
        plain = unrefined(model)
        reconstruction, kl = elbo_terms(plain, test)
        row |= {
            "unrefined_nelbo": reconstruction + kl,
            "unrefined_reconstruction": reconstruction,
            "unrefined_kl": kl,
            "unrefined_mse": float((decode(plain, encode(plain, x, y), y) - x).square().mean()),
        }
    return row


def unrefined(model: VAE) -> VAE:
    """The same model with its encoder's word as the posterior, taken as it is."""
    plain = VAE(replace(model.config, refinements=0))
    plain.load_state_dict(model.state_dict())
    return plain.eval()


def importance_weighted(
    model: VAE, x: Tensor, y: Tensor | None = None, k: int = 1000, seed: int = 0, batch: int = 1000
) -> tuple[float, float]:
    """(ELBO, importance-weighted bound) as nats an image, both from the same k posterior samples.

    -log (1/k) sum_i p(x | z_i) p(z_i) / q(z_i | x) <= the mean of -log of the same terms (Jensen).
    `x` `(N, C, S, S)` binary, `y` `(N,)` for a conditional model.
    """
    generator = _seeded(seed)
    elbo = bound = 0.0
    mu, logvar = model.encode(x, y)
    for i in range(len(x)):
        terms = []
        for count in [batch] * (k // batch) + [k % batch] * (k % batch > 0):
            one, spread = mu[i].expand(count, -1), logvar[i].expand(count, -1)
            z = sample_posterior(one, spread, generator)
            given = y[i].expand(count) if y is not None else None
            logits = model.decode_logits(z, given)
            log_likelihood = -reconstruction_nats(logits, x[i].expand_as(logits))
            # log p(z) - log q(z | x): the constants of the two Gaussians cancel
            ratio = 0.5 * ((z - one).square() / spread.exp() + spread - z.square()).sum(1)
            terms.append((log_likelihood + ratio).double())
        log_weights = torch.cat(terms)
        elbo -= float(log_weights.mean())
        bound -= float(log_weights.logsumexp(0)) - math.log(k)
    return elbo / len(x), bound / len(x)


def active_units(mu: Tensor) -> int:
    """Latent dimensions whose posterior mean `(N, D)` varies over the data (Burda et al. 2016)."""
    return int((mu.var(0) > ACTIVE).sum())


def sampled_features(model: VAE, count: int, judge: Classifier, batch: int = 500) -> Tensor:
    """The judge's features `(count, F)` of samples from the prior; classes take turns."""
    generator, features = _seeded(0), []
    for start in range(0, count, batch):
        n = min(batch, count - start)
        z = torch.randn(n, model.config.latent_dim, generator=generator)
        y = torch.arange(n) % model.config.classes if model.config.classes else None
        features.append(judged(judge, decode_28(model, z, y))[0])
    return torch.cat(features)


def drawings() -> tuple[Tensor, Tensor] | None:
    """The drawings in DIGIT_MORPH_SKETCHES (LABEL_NUMBER.png) as they are read, `(N, 1, 28, 28)`, and what
    they are; None without that folder."""
    if not (folder := os.environ.get("DIGIT_MORPH_SKETCHES")):
        return None
    if not (files := sorted(Path(folder).glob("[0-9]_*.png"))):
        return None
    from vae.sketch import read_digits

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
    return float((judged(judge, decode_28(model, mu, given))[1].argmax(1) == y).double().mean())


def decode_mflop(model: VAE) -> float:
    """Millions of floating-point operations (a multiply-add counts two) to decode one digit."""
    with FlopCounterMode(display=False) as counter:
        _decode_some(model, 1)
    return counter.get_total_flops() / 1e6


def add_times(rows: list[Row], models: dict[str, VAE], rounds: int = 15) -> None:
    """Add `decode_ms`, the median time to decode 120 digits, and `times_mlp`, that against the mlp's.

    The models take turns, so that what else the machine does falls on all of them alike.
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


def encode(model: VAE, x: Tensor, y: Tensor | None = None, batch: int = 500) -> Tensor:
    """Means of the posteriors `(N, D)`."""
    classes = [None] * len(x) if y is None else y.split(batch)
    return torch.cat([model.encode(a, b)[0] for a, b in zip(x.split(batch), classes, strict=False)])


def decode(model: VAE, z: Tensor, y: Tensor | None = None, batch: int = 500) -> Tensor:
    """Pictures `(N, C, S, S)`."""
    classes = [None] * len(z) if y is None else y.split(batch)
    return torch.cat([model.decode(a, b) for a, b in zip(z.split(batch), classes, strict=False)])


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
