"""Training: one loop for every model, resumable at any step, best-on-validation weights kept.

A run is a folder:

    model.safetensors          the best weights on validation so far (EMA), what `vae.load` reads
    metrics.csv                reconstruction, KL and their sum, training and validation, by epoch
    checkpoint.pt              all that `--resume` needs: weights, EMA, optimiser, generator, position
    report.json                the recipe, the time it took and the test figures, at the end
    curves.png, reconstructions_*.png, samples.png
"""

from __future__ import annotations

import csv
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from vae import weights
from vae.model import VAE, VAEConfig, kl_nats, reconstruction_nats
from vae.training import data

CHECKPOINT_SECONDS = 10
COLUMNS = (
    "epoch",
    "seconds",
    "lr",
    "beta",
    "train_reconstruction",
    "train_kl",
    "train_total",
    "validation_reconstruction",
    "validation_kl",
    "validation_total",
)


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained. Rates are of AdamW; shares are of each batch."""

    epochs: int = 30
    batch_size: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.0  # of matrices and kernels; never of biases and norms
    lr_warmup: float = 1.0  # epochs over which the rate rises
    lr_decay: float = 0.4  # share of the run, at its end, over which the rate falls to 0
    kl_warmup: float = 1.0  # epochs over which the weight of the KL term rises to `kl_weight`
    kl_weight: float = 1.0
    ema: float = 0.999  # decay a step of the averaged weights, which are the ones kept
    redraw: float = 0.0  # share of pictures written a little differently; fades with the rate
    binarise: float = 0.0  # share of pictures whose pixels are drawn from Bernoulli(x)
    clip: float = 100.0  # largest norm of the gradient
    seed: int = 0

    def rate(self, step: int, per_epoch: int) -> float:
        """Learning rate at a step: up, flat, down (a trapezoid, so that a run can be lengthened)."""
        total = self.epochs * per_epoch
        up = min(1.0, (step + 1) / max(1.0, self.lr_warmup * per_epoch))
        down = min(1.0, (total - step) / max(1.0, self.lr_decay * total))
        return self.lr * up * down

    def beta(self, step: int, per_epoch: int) -> float:
        """Weight of the KL term at a step (warm-up after Soenderby et al. 2016, arXiv 1602.02282)."""
        return self.kl_weight * min(1.0, (step + 1) / max(1.0, self.kl_warmup * per_epoch))


# How each shipped model was trained; train.py's options change single entries.
RECIPES = {
    "mlp": TrainConfig(epochs=60, lr=1e-3),
    "conv2d": TrainConfig(epochs=15, lr=1e-3),
    "autoencoder": TrainConfig(epochs=15, lr=1e-3),
    "tiny": TrainConfig(epochs=40, lr=1e-3),
    "cvae": TrainConfig(epochs=25, lr=1e-3),
    "flagship": TrainConfig(epochs=91, lr=3e-3, weight_decay=1e-2, redraw=0.7, binarise=0.2),
}


def device_named(name: str = "auto") -> torch.device:
    """`auto` takes CUDA, then Apple's MPS, then the CPU."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def fit(
    model: VAE,
    splits: data.Splits,
    config: TrainConfig,
    out: Path,
    *,
    device: str = "auto",
    resume: bool = False,
    quiet: bool = False,
    notes: dict[str, Any] | None = None,
) -> list[dict[str, float]]:
    """Train `model` and leave its run in the folder `out`; returns the rows of metrics.csv.

    The same seed on the same machine gives the same weights, resumed or not. Raises FileNotFoundError
    with `resume` and no checkpoint, ValueError when the checkpoint is of another model, and
    FloatingPointError when the loss is no number any more.
    """
    place = device_named(device)
    out.mkdir(parents=True, exist_ok=True)
    model.to(place)
    if model.config.architecture != "dense":
        model.to(memory_format=torch.channels_last)
    ema = AveragedModel(model, multi_avg_fn=moving_average(config.ema), use_buffers=True)
    optimiser = torch.optim.AdamW(parameter_groups(model, config.weight_decay), lr=config.lr, betas=(0.9, 0.99))
    batches = len(splits.train) // config.batch_size or 1
    run = _Run(out, model, ema, optimiser)
    if resume:
        run.restore()
    bar = tqdm(
        total=config.epochs * batches, initial=run.step, disable=quiet, unit="step", smoothing=0.02, dynamic_ncols=True
    )
    noise = torch.Generator(place)
    while run.step < config.epochs * batches:
        epoch, first = divmod(run.step, batches)
        started = time.monotonic()
        model.train()
        for x, y, seed in _batches(splits.train, model, config, epoch, first):
            lr, beta = config.rate(run.step, batches), config.beta(run.step, batches)
            for group in optimiser.param_groups:
                group["lr"] = lr
            x, y = x.to(place), y.to(place)
            logits, mu, logvar = model(x, y, noise.manual_seed(seed))
            reconstruction = reconstruction_nats(logits, x).mean()
            kl = kl_nats(mu, logvar).sum(1).mean() if model.config.variational else torch.zeros((), device=place)
            optimiser.zero_grad()
            (reconstruction + beta * kl).backward()
            nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimiser.step()
            ema.update_parameters(model)
            run.add(float(reconstruction.detach()), float(kl.detach()))
            bar.update()
            if run.step % 20 == 0:
                bar.set_description(f"epoch {epoch + 1}/{config.epochs} loss {run.mean()[0] + run.mean()[1]:.2f}")
            if run.step % batches:  # the last step of an epoch is saved with its figures
                run.save_now_and_then(started)
        reconstruction_, kl_ = elbo_terms(ema.module, splits.validation, place, seed=config.seed)
        seconds = run.seconds + time.monotonic() - started
        row = dict(
            zip(
                COLUMNS,
                (epoch + 1, round(seconds, 1), lr, beta, *_with_sum(*run.mean()), *_with_sum(reconstruction_, kl_)),
                strict=True,
            )
        )
        bar.write(
            f"epoch {epoch + 1:3d}  train {row['train_total']:.2f}  "
            f"validation {row['validation_total']:.2f} = {reconstruction_:.2f} + {kl_:.2f}"
        ) if not quiet else None
        run.finish_epoch(row, {"train": asdict(config), **(notes or {})})
    bar.close()
    return run.rows


class _Run:
    """The state of a run that outlives the process: what is kept in checkpoint.pt."""

    def __init__(self, out: Path, model: VAE, ema: AveragedModel, optimiser: torch.optim.Optimizer) -> None:
        self.out, self.model, self.ema, self.optimiser = out, model, ema, optimiser
        self.step = 0
        self.seconds = 0.0
        self.best = math.inf
        self.sums = [0.0, 0.0, 0.0]  # reconstruction, KL, batches of this epoch
        self.rows: list[dict[str, float]] = []
        self.saved = -math.inf  # the first step is kept at once, so that any run can be resumed

    def add(self, reconstruction: float, kl: float) -> None:
        if not math.isfinite(reconstruction + kl):
            raise FloatingPointError(f"the loss is {reconstruction + kl} at step {self.step}: lower --lr")
        self.sums = [self.sums[0] + reconstruction, self.sums[1] + kl, self.sums[2] + 1]
        self.step += 1

    def mean(self) -> tuple[float, float]:
        return self.sums[0] / self.sums[2], self.sums[1] / self.sums[2]

    def finish_epoch(self, row: dict[str, float], notes: dict[str, Any]) -> None:
        self.rows.append(row)
        self.seconds = row["seconds"]
        self.sums = [0.0, 0.0, 0.0]
        if row["validation_total"] < self.best:
            self.best = row["validation_total"]
            notes = {**notes, "epoch": row["epoch"], "validation_total": self.best}
            assert isinstance(self.ema.module, VAE)
            weights.save(self.ema.module, self.out / "model.safetensors", notes)
        self.save()
        with weights.replacing(self.out / "metrics.csv") as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows({k: round(v, 6) for k, v in row.items()} for row in self.rows)

    def save_now_and_then(self, started: float) -> None:
        if time.monotonic() - self.saved > CHECKPOINT_SECONDS:
            self.save(time.monotonic() - started)

    def save(self, extra_seconds: float = 0.0) -> None:
        state = {
            "config": self.model.config.to_dict(),
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds + extra_seconds,
            "best": self.best,
            "sums": self.sums,
            "rows": self.rows,
        }
        with weights.replacing(self.out / "checkpoint.pt") as path:
            torch.save(state, path)
        self.saved = time.monotonic()

    def restore(self) -> None:
        path = self.out / "checkpoint.pt"
        if not path.exists():
            raise FileNotFoundError(f"nothing to resume: {path} does not exist; leave out --resume")
        state = torch.load(path, map_location="cpu", weights_only=True)
        if VAEConfig.from_dict(state["config"]) != self.model.config:
            raise ValueError(f"{path} is of another model: {state['config']}")
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]
        self.sums, self.rows = state["sums"], state["rows"]


def moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """For AveragedModel: an exponential moving average of that decay a step, shorter in the first steps, so
    that the untrained weights are soon forgotten: even one epoch leaves a model that can be looked at."""

    @torch.no_grad()
    def average(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        share = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        for old, new in zip(averaged, current, strict=True):
            if old.is_floating_point():
                old.lerp_(new, share)
            else:  # counters of the norms
                old.copy_(new)

    return average


def _with_sum(reconstruction: float, kl: float) -> tuple[float, float, float]:
    return reconstruction, kl, reconstruction + kl


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _batches(
    train: data.Pictures, model: VAE, config: TrainConfig, epoch: int, first: int
) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Pictures, labels and a seed for the noise; the order and the noise depend on seed and epoch alone,
    so a resumed run goes on with the very batches it would have had."""
    size = min(config.batch_size, len(train))
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(config.seed * 100_003 + epoch))
    for i in range(first, len(train) // size):
        seed = ((config.seed * 1_009 + epoch) << 24) + i
        generator = torch.Generator().manual_seed(seed)
        batch = train[order[i * size : (i + 1) * size]]
        share = config.redraw * config.rate(epoch * (len(train) // size) + i, len(train) // size) / config.lr
        x = data.redrawn(data.as_floats(batch.images), share, generator)
        yield data.binarise(model.prepare(x), config.binarise, generator), batch.labels, seed


@torch.inference_mode()
def elbo_terms(
    model: nn.Module,
    pictures: data.Pictures,
    device: torch.device | None = None,
    *,
    seed: int = 0,
    batch_size: int = 500,
) -> tuple[float, float]:
    """Mean reconstruction and KL in nats an image, one sample of the posterior each."""
    assert isinstance(model, VAE)
    place = device or next(model.parameters()).device
    noise = torch.Generator(place).manual_seed(seed)
    was_training = model.training
    model.eval()
    reconstruction = kl = 0.0
    for images, labels in zip(pictures.images.split(batch_size), pictures.labels.split(batch_size), strict=True):
        x = model.prepare(data.as_floats(images)).to(place)
        logits, mu, logvar = model(x, labels.to(place), noise)
        reconstruction += float(reconstruction_nats(logits, x).sum())
        kl += float(kl_nats(mu, logvar).sum()) if model.config.variational else 0.0
    model.train(was_training)
    return reconstruction / len(pictures), kl / len(pictures)


def read_metrics(path: str | os.PathLike[str]) -> list[dict[str, float]]:
    """The rows of a run's metrics.csv."""
    with Path(path).open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def write_report(out: Path, report: dict[str, Any]) -> None:
    with weights.replacing(out / "report.json") as path:
        path.write_text(json.dumps(report, indent=2) + "\n")
