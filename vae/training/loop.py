"""The loop of every training: resumable, its averaged weights kept where they are best on validation.

A run is a folder:

    model.safetensors          the best weights on validation so far (EMA), what `vae.load` reads
    metrics.csv                what was measured of training and validation, by epoch
    checkpoint.pt              all that `--resume` needs: weights, EMA, optimiser, position
    report.json                the recipe, the time it took and the test figures, at the end
    curves.png, reconstructions_*.png, samples.png      (of a VAE)

`vae.training.vaes` and `vae.training.classifiers` bring the loss and the validation.
"""

from __future__ import annotations

import csv
import json
import math
import reprlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Generator, Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from vae import weights
from vae.classifier import Classifier
from vae.model import VAE
from vae.training import checkpoints
from vae.training.data import Pictures, Splits

CHECKPOINT_SECONDS = 10

Row = dict[str, float]  # of metrics.csv
Save = Callable[[Path, dict[str, Any]], None]  # of weights, with notes on their training


@dataclass(frozen=True)
class TrainConfig:
    """What every training needs to know; rates are of AdamW."""

    epochs: int = 30
    batch_size: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.0  # of matrices and kernels; never of biases and norms
    beta2: float = 0.999  # decay of AdamW's second moment
    lr_warmup: float = 1.0  # epochs over which the rate rises
    lr_decay: float = 0.4  # share of the run, at its end, over which the rate falls to 0
    ema: float = 0.999  # decay a step of the averaged weights, which are the ones kept
    clip: float = 100.0  # largest norm of the gradient
    seed: int = 0

    def rate(self, step: int, per_epoch: int) -> float:
        """Learning rate at a step: up, flat, down (a trapezoid, so that a run can be lengthened)."""
        total = self.epochs * per_epoch
        up = min(1.0, (step + 1) / max(1.0, self.lr_warmup * per_epoch))
        down = min(1.0, (total - step) / max(1.0, self.lr_decay * total))
        return self.lr * up * down


Model = TypeVar("Model", VAE, Classifier)
Config = TypeVar("Config", bound=TrainConfig)


class Run(Generic[Model, Config]):
    """A training in the folder `out`: its state, which outlives the process in checkpoint.pt.

    Raises FileNotFoundError with `resume` and no checkpoint, and ValueError when it is damaged or of another model.
    """

    def __init__(
        self,
        model: Model,
        config: Config,
        splits: Splits,
        out: Path,
        *,
        device: str = "auto",
        resume: bool = False,
        **notes: Any,  # kept in the metadata of the weights
    ) -> None:
        self.config, self.splits, self.out = config, splits, out
        self.notes = {"train": asdict(config), **notes}
        self.batch_size = min(config.batch_size, len(splits.train))
        self.batches = len(splits.train) // self.batch_size  # an epoch
        self.device = device_named(device)
        out.mkdir(parents=True, exist_ok=True)
        self.model: Model = model.to(self.device).to(memory_format=torch.channels_last).train()
        self.ema = AveragedModel(model, multi_avg_fn=moving_average(config.ema), use_buffers=True).eval()
        groups = parameter_groups(model, config.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, config.beta2))
        self.step = 0
        self.best: tuple[float, ...] = (math.inf,)
        self.rows: list[Row] = []
        self.sums: list[float] = []  # of each term of the loss, over the steps of this epoch
        self.started = time.monotonic()
        self.saved = -math.inf  # so that the first step is saved at once: any run can be resumed
        if resume:
            self.restore()
        steps = config.epochs * self.batches
        self.bar = tqdm(total=steps, initial=self.step, unit="step", smoothing=0.02, dynamic_ncols=True)

    @property
    def averaged(self) -> Model:
        """The model with the averaged weights, in eval mode."""
        return cast(Model, self.ema.module)

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self.config.rate(self.step, self.batches)

    def epochs(self) -> Iterator[tuple[int, int]]:
        """The epochs that are left, each with its first step that is left; `gradient_step` advances."""
        while self.step < self.config.epochs * self.batches:
            yield divmod(self.step, self.batches)
        self.bar.close()

    def generator(self, epoch: int) -> Generator:
        return Generator().manual_seed(self.config.seed * 100_003 + epoch)

    def shuffled(self, generator: Generator, first: int = 0) -> Iterator[Pictures]:
        """The batches of an epoch from number `first` on, in the order that the generator gives."""
        order = torch.randperm(len(self.splits.train), generator=generator)
        for i in range(first, self.batches):
            yield self.splits.train[order[i * self.batch_size : (i + 1) * self.batch_size]]

    def gradient_step(self, loss: Tensor, *terms: Tensor) -> None:
        """Take a step down the gradient of the loss and record its `terms`, whose means over the epoch are in
        `means`. Raises FloatingPointError when the loss is not finite."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimiser.step()
        self.ema.update_parameters(self.model)
        self.record([float(term.detach()) for term in terms])

    def record(self, terms: list[float]) -> None:
        if not math.isfinite(sum(terms)):
            raise FloatingPointError(f"the loss is {sum(terms)} at step {self.step}: lower --lr")
        self.sums = [a + b for a, b in zip(self.sums or [0.0] * len(terms), terms, strict=True)]
        self.step += 1
        self.bar.update()
        if self.step % 20 == 0:
            epoch = (self.step - 1) // self.batches + 1
            self.bar.set_description(f"epoch {epoch}/{self.config.epochs} loss {sum(self.means()):.2f}")

    def means(self) -> list[float]:
        """The terms of the loss, over the steps of the epoch so far."""
        return [total / (self.step % self.batches or self.batches) for total in self.sums]

    def save_if_due(self) -> None:
        """Save within an epoch; its last step is saved with its figures, by `finish_epoch`."""
        if self.step % self.batches and time.monotonic() - self.saved > CHECKPOINT_SECONDS:
            self.save()

    def finish_epoch(self, figures: Row, score: tuple[float, ...], save: Save, text: str) -> None:
        """Note an epoch's figures, say them as `text`, and `save` its weights if no epoch's `score` was as low."""
        epoch, lr = self.step // self.batches, self.config.rate(self.step - 1, self.batches)
        seconds = round(time.monotonic() - self.started, 1)
        self.rows.append({"epoch": epoch, "seconds": seconds, "lr": lr, **figures})
        self.sums = []
        if score < self.best:
            self.best = score
            validation = {name: value for name, value in figures.items() if name.startswith("validation")}
            save(self.out / "model.safetensors", {**self.notes, "epoch": epoch, **validation})
        self.save()
        with weights.replacing(self.out / "metrics.csv") as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows({name: round(value, 6) for name, value in row.items()} for row in self.rows)
        self.bar.write(f"epoch {epoch:3d}  {text}")

    def save(self) -> None:
        state = {
            "config": self.model.config.to_dict(),
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "seconds": time.monotonic() - self.started,
            **{name: getattr(self, name) for name in ("step", "best", "sums", "rows")},
        }
        checkpoints.write(self.out / checkpoints.CHECKPOINT, state)
        self.saved = time.monotonic()

    def restore(self) -> None:
        path = self.out / checkpoints.CHECKPOINT
        state = checkpoints.read(path)
        if state["config"] != self.model.config.to_dict():
            raise ValueError(f"{path} is of another model: {reprlib.repr(state['config'])}")
        try:
            for name in ("model", "ema", "optimiser"):
                getattr(self, name).load_state_dict(state[name])
            self.started -= state["seconds"]
            self.step, self.best, self.sums, self.rows = (state[name] for name in ("step", "best", "sums", "rows"))
            finished = len(self.rows)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise checkpoints.damaged(path) from error
        if finished != self.step // self.batches:
            raise ValueError(f"{path} is of a run with other data or another --batch-size: give the same as then")


def device_named(name: str) -> torch.device:
    """`auto` takes CUDA, then Apple's MPS, then the CPU. Raises ValueError for one that is not here."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    here = [kind for kind in found if found[kind]]
    if name not in ("auto", *here):
        raise ValueError(f"torch finds no {name} on this machine: leave out --device, or choose {' or '.join(here)}")
    return torch.device(here[0] if name == "auto" else name)


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


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def write_report(out: Path, report: dict[str, Any]) -> None:
    with weights.replacing(out / "report.json") as path:
        path.write_text(json.dumps(report, indent=2) + "\n")
