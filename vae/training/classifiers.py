"""Training of the two classifiers: `train.py --model reader|judge`.

The recipes are meant for drawings, not for MNIST alone: most pictures are turned, slanted, moved,
thickened or thinned, and the reader also sees scribbles (digits laid over others turned around), for
which it learns to be unsure: outlier exposure, Hendrycks et al. 2019, https://arxiv.org/abs/1812.04606
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from vae import weights
from vae.classifier import Classifier, ClassifierConfig, save_classifier
from vae.model import in_batches
from vae.training import data
from vae.training.loop import Row, Run, TrainConfig


@dataclass(frozen=True)
class ClassifierTrainConfig(TrainConfig):
    """How a classifier is trained."""

    jitter: float = 0.0  # share of pictures turned, slanted, stretched, thickened a little
    strength: float = 1.8  # of the jitter; see data.jitter
    shift: float = 1.5  # pixels aside
    scribbles: float = 0.0  # pictures that are no digit, beside each batch, as a share of it
    numbers: int = 0  # numbers put together, whose parts are learnt from in place of single digits


# 99.56% (reader) and 99.52% (judge) of MNIST's test digits right; 9 and 6 minutes of one CPU core.
RECIPES = {
    "reader": ClassifierTrainConfig(
        epochs=10, lr=3e-3, weight_decay=1e-2, lr_warmup=0.5, lr_decay=0.8, jitter=0.7, scribbles=0.1, seed=1
    ),
    "judge": ClassifierTrainConfig(
        epochs=8, lr=3e-3, weight_decay=1e-2, lr_warmup=0.5, lr_decay=0.8, jitter=0.7, strength=1.4, seed=2
    ),
    "segmenter": ClassifierTrainConfig(
        epochs=1, batch_size=256, lr=3e-3, weight_decay=1e-2, lr_warmup=0.1, lr_decay=0.8, numbers=12_000, seed=3
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


def begun_as_reader(config: ClassifierConfig) -> Classifier:
    """A classifier of more channels and classes that, until it is trained, reads the first ones as the shipped reader
    does."""
    classifier = Classifier(config)
    wanted = classifier.state_dict()
    for name, known in weights.read_tensors(weights.SHIPPED / "reader.safetensors").tensors.items():
        new = torch.zeros_like(wanted[name])
        new[tuple(slice(n) for n in known.shape)] = known
        wanted[name] = new
    classifier.load_state_dict(wanted)
    return classifier


def fit_classifier(run: Run[Classifier, ClassifierTrainConfig]) -> list[Row]:
    """Train a classifier and leave its run in its folder; returns the rows of metrics.csv.

    Of the averaged weights those with the fewest validation errors are kept, the last layer scaled so
    that their probabilities are calibrated there. A run is resumed after the last epoch that was finished,
    as dropout and augmentation draw from generators that run through an epoch.
    """
    labels = run.splits.validation.labels
    for epoch, _ in run.epochs():
        generator = run.generator(epoch)
        torch.manual_seed(generator.initial_seed())  # of the dropout
        for pictures in run.shuffled(generator):
            x, target = _batch(pictures, run.model.config.classes, run.config, generator)
            loss = F.cross_entropy(run.model(x.to(run.device)), target.to(run.device))
            run.gradient_step(loss, loss)
        logits = logits_of(run.averaged, run.splits.validation)
        temperature, nats = calibration(logits, labels)
        error = float((logits.argmax(1) != labels).float().mean())
        row = {"train_nats": run.means()[0], "validation_nats": nats, "validation_error": error}
        text = f"validation {100 - 100 * error:.2f}% right, {nats:.4f} nats"
        kept = _calibrated(run.averaged, temperature)
        run.finish_epoch(row, (error, nats), partial(save_classifier, kept), text)
    return run.rows


def _batch(
    pictures: data.Pictures, classes: int, config: ClassifierTrainConfig, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Pictures and the wanted probabilities `(B, classes)`; scribbles want 0.1 of each."""
    x = data.jitter(data.as_floats(pictures.images), config.jitter, generator, config.strength, config.shift)
    target = F.one_hot(pictures.labels, classes).float()
    if count := round(config.scribbles * len(x)):
        x = torch.cat([x, scribbles(x, count, generator)])
        target = torch.cat([target, torch.full((count, 10), 0.1)])
    return x, target


def logits_of(model: Classifier, pictures: data.Pictures) -> Tensor:
    """Logits `(N, 10)` of all pictures, on the CPU, of a classifier in eval mode."""
    place = next(model.parameters()).device
    return in_batches(lambda images: model(data.as_floats(images).to(place)).cpu(), pictures.images)


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
