"""Training of the two classifiers: `train.py --model reader|judge`.

The recipes are meant for drawings, not for MNIST alone: most pictures are turned, slanted, moved,
thickened or thinned, and the reader also sees scribbles (digits laid over others turned around), for
which it learns to be unsure: outlier exposure, Hendrycks et al. 2019, https://arxiv.org/abs/1812.04606
"""

from __future__ import annotations

import csv
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from vae import weights
from vae.classifier import Classifier, save_classifier
from vae.training import data
from vae.training.loop import TrainConfig, device_named, moving_average, parameter_groups

COLUMNS = ("epoch", "seconds", "lr", "train_nats", "validation_nats", "validation_error")


@dataclass(frozen=True)
class ClassifierTraining(TrainConfig):
    """How a classifier is trained: a TrainConfig (much of it unused) and what only classifiers need."""

    jitter: float = 0.0  # share of pictures turned, slanted, stretched, thickened a little
    strength: float = 1.8  # of the jitter; see data.jitter
    shift: float = 1.5  # pixels aside
    scribbles: float = 0.0  # pictures that are no digit, beside each batch, as a share of it


# 99.56% (reader) and 99.52% (judge) of MNIST's test digits right; 9 and 6 minutes of one CPU core.
RECIPES = {
    "reader": ClassifierTraining(
        epochs=10, lr=3e-3, weight_decay=1e-2, lr_warmup=0.5, lr_decay=0.8, jitter=0.7, scribbles=0.1, seed=1
    ),
    "judge": ClassifierTraining(
        epochs=8, lr=3e-3, weight_decay=1e-2, lr_warmup=0.5, lr_decay=0.8, jitter=0.7, strength=1.4, seed=2
    ),
}


def scribbles(x: Tensor, count: int, generator: Generator) -> Tensor:
    """Pictures that are no digit: three digits, each mirrored or turned its own way, laid over each other."""
    turned = torch.zeros(count, *x.shape[1:])
    for _ in range(3):
        one = x[torch.randint(len(x), (count,), generator=generator)]
        mirrored, quarter = torch.rand(2, count, generator=generator)[:, :, None, None, None] < 0.5
        one = torch.where(mirrored, one.flip(3), one)
        one = torch.where(quarter, one.transpose(2, 3), one)
        turned = torch.maximum(turned, one)
    return turned


def fit_classifier(
    model: Classifier,
    splits: data.Splits,
    config: ClassifierTraining,
    out: Path,
    *,
    device: str = "auto",
    resume: bool = False,
    quiet: bool = False,
) -> list[dict[str, float]]:
    """Train `model` and leave its run (model.safetensors, metrics.csv, checkpoint.pt) in the folder `out`.

    Of the averaged weights those with the fewest validation errors are kept, the last layer scaled so
    that their probabilities are calibrated there. Returns the rows of metrics.csv. `resume` goes on
    after the last finished epoch; raises FileNotFoundError when there is none.
    """
    place = device_named(device)
    out.mkdir(parents=True, exist_ok=True)
    model.to(place).train()
    model.to(memory_format=torch.channels_last)
    ema = AveragedModel(model, multi_avg_fn=moving_average(config.ema), use_buffers=True)
    optimiser = torch.optim.AdamW(parameter_groups(model, config.weight_decay), lr=config.lr)
    rows: list[dict[str, float]] = []
    checkpoint = out / "checkpoint.pt"
    if resume:
        if not checkpoint.exists():
            raise FileNotFoundError(f"nothing to resume: {checkpoint} does not exist")
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        optimiser.load_state_dict(state["optimiser"])
        rows = state["rows"]
    best = min(((row["validation_error"], row["validation_nats"]) for row in rows), default=(1.0, 1e9))
    size = min(config.batch_size, len(splits.train))
    batches = len(splits.train) // size
    for epoch in range(len(rows), config.epochs):
        started, total = time.monotonic(), 0.0
        torch.manual_seed(config.seed * 100_003 + epoch)  # of the dropout
        generator = Generator().manual_seed(config.seed * 100_003 + epoch)
        order = torch.randperm(len(splits.train), generator=generator)
        for i in tqdm(range(batches), f"epoch {epoch + 1}/{config.epochs}", disable=quiet, dynamic_ncols=True):
            lr = config.rate(epoch * batches + i, batches)
            for group in optimiser.param_groups:
                group["lr"] = lr
            x, target = _batch(splits.train[order[i * size : (i + 1) * size]], config, generator)
            loss = F.cross_entropy(model(x.to(place)), target.to(place))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            ema.update_parameters(model)
            total += float(loss.detach())
        kept = ema.module
        assert isinstance(kept, Classifier)
        logits = logits_of(kept, splits.validation)
        temperature, nats = calibration(logits, splits.validation.labels)
        error = float((logits.argmax(1) != splits.validation.labels).float().mean())
        seconds = (rows[-1]["seconds"] if rows else 0.0) + time.monotonic() - started
        values = (epoch + 1, round(seconds, 1), lr, total / batches, nats, error)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
        if not quiet:
            tqdm.write(f"epoch {epoch + 1:3d}  validation {100 - 100 * error:.2f}% right, {nats:.4f} nats")
        if (error, nats) < best:
            best = (error, nats)
            notes = {"train": asdict(config), "temperature": temperature, **rows[-1]}
            save_classifier(_calibrated(kept, temperature), out / "model.safetensors", notes)
        state = {"model": model.state_dict(), "ema": ema.state_dict(), "optimiser": optimiser.state_dict()}
        with weights.replacing(checkpoint) as path:
            torch.save({**state, "rows": rows}, path)
        with weights.replacing(out / "metrics.csv") as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    return rows


def _batch(pictures: data.Pictures, config: ClassifierTraining, generator: Generator) -> tuple[Tensor, Tensor]:
    """Pictures and the wanted probabilities `(B, 10)`; scribbles want 0.1 of each."""
    x = data.jitter(data.as_floats(pictures.images), config.jitter, generator, config.strength, config.shift)
    target = F.one_hot(pictures.labels, 10).float()
    if count := round(config.scribbles * len(x)):
        x = torch.cat([x, scribbles(x, count, generator)])
        target = torch.cat([target, torch.full((count, 10), 0.1)])
    return x, target


@torch.inference_mode()
def logits_of(model: Classifier, pictures: data.Pictures, batch_size: int = 500) -> Tensor:
    """Logits `(N, 10)` of all pictures, on the CPU."""
    place, was_training = next(model.parameters()).device, model.training
    model.eval()
    logits = [model(data.as_floats(images).to(place)).cpu() for images in pictures.images.split(batch_size)]
    model.train(was_training)
    return torch.cat(logits)


def calibration(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """The temperature by which to divide logits for the least nats an image, and those nats.

    Guo et al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599
    """
    temperatures = torch.linspace(-1.5, 1.5, 121).exp().tolist()
    nats = [float(F.cross_entropy(logits / t, labels)) for t in temperatures]
    least = min(range(len(nats)), key=nats.__getitem__)
    return temperatures[least], nats[least]


def _calibrated(model: Classifier, temperature: float) -> Classifier:
    """A copy whose last layer gives logits already divided by the temperature."""
    copy = Classifier(model.config)
    copy.load_state_dict(model.state_dict())
    with torch.no_grad():
        for parameter in copy.head.parameters():
            parameter.div_(temperature)
    return copy
