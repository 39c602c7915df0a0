"""The classifiers of digits: reader and segmenter, that serve, and the judge, that only evaluates.

They are kept apart so that no figure is a matter of a network agreeing with itself: `reader` says what
a drawing or a frame reads as, `judge` (another architecture, another seed) scores morphs in
`vae.evaluation` and is used nowhere else. Both read pictures `(B, 1, 28, 28)` in [0, 1], ink = 1.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vae import weights
from vae.errors import WeightsError
from vae.settings import check_settings, known_settings

LIMITS = {
    "widths": (1, 4096),
    "features": (1, 8192),
    "channels": (1, 4),
    "classes": (2, 1000),
}  # of the whole numbers in a ClassifierConfig


@dataclass(frozen=True)
class ClassifierConfig:
    """What a classifier is; written into its weights file, from which it is built again.

    `strided` halves the resolution by strides and reads the whole 4x4 grid through a dense layer;
    `pooled` halves it by maxima and averages each channel over the picture. `widths` are the channels
    at a half, a quarter (and, `strided`, an eighth) of the resolution.
    """

    kind: str = "reader"
    architecture: Literal["strided", "pooled"] = "strided"
    widths: tuple[int, ...] = (24, 48, 64)
    features: int = 96
    channels: int = 1  # of a picture; the segmenter sees the ink around a digit as a second one
    classes: int = 10
    dropout: float = 0.2  # of the features, in training

    def __post_init__(self) -> None:
        check_settings(self, LIMITS)
        if self.architecture not in ("strided", "pooled") or len(self.widths) != 3 or not 0 <= self.dropout < 1:
            raise ValueError(f"not a classifier's configuration: {self}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ClassifierConfig:
        """The configuration of a weights file. Raises ValueError, as it does for a key this version does not know."""
        return cls(**known_settings(cls, values))


KINDS = {
    config.kind: config
    for config in (
        ClassifierConfig("reader", "strided", (24, 48, 64), 96),
        ClassifierConfig("judge", "pooled", (16, 32, 64), 80),
        ClassifierConfig("segmenter", "strided", (24, 48, 64), 96, channels=2, classes=11),
    )
}


def convolution(n_in: int, n_out: int, activation: type[nn.Module], size: int = 3, stride: int = 1) -> list[nn.Module]:
    """Convolution, batch norm, activation; padded so that stride 1 keeps the resolution."""
    return [
        nn.Conv2d(n_in, n_out, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(n_out),
        activation(),
    ]


def strided_body(config: ClassifierConfig) -> nn.Sequential:
    half, quarter, eighth = config.widths
    return nn.Sequential(
        *convolution(config.channels, half, nn.SiLU, size=5, stride=2),  # (B, half, 14, 14)
        *convolution(half, quarter, nn.SiLU),
        *convolution(quarter, eighth, nn.SiLU, stride=2),  # (B, eighth, 7, 7)
        *convolution(eighth, eighth, nn.SiLU),
        *convolution(eighth, eighth, nn.SiLU, stride=2),  # (B, eighth, 4, 4)
        nn.Flatten(),
        nn.Linear(eighth * 16, config.features),
        nn.SiLU(),
    )


def pooled_body(config: ClassifierConfig) -> nn.Sequential:
    whole, half, quarter = config.widths
    return nn.Sequential(
        *convolution(config.channels, whole, nn.ReLU, size=5),
        nn.MaxPool2d(2),  # (B, whole, 14, 14)
        *convolution(whole, half, nn.ReLU),
        *convolution(half, half, nn.ReLU),
        nn.MaxPool2d(2),  # (B, half, 7, 7)
        *convolution(half, quarter, nn.ReLU),
        *convolution(quarter, config.features, nn.ReLU),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


class Classifier(nn.Module):
    """Pictures `(B, 1, 28, 28)` in [0, 1] -> logits `(B, 10)`; their softmax is calibrated on validation."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.body = (strided_body if config.architecture == "strided" else pooled_body)(config)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.features, config.classes)

    def features(self, x: Tensor) -> Tensor:
        """Pictures `(B, 1, 28, 28)` -> what the last layer reads, `(B, F)`."""
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropout(self.features(x)))


def probabilities(classifier: Classifier, x: Tensor) -> Tensor:
    """Pictures `(B, 1, 28, 28)` in [0, 1] -> probability of each digit, `(B, 10)`."""
    return classifier(x).softmax(1)


def log_probabilities(classifier: Classifier, x: Tensor) -> Tensor:
    """Pictures `(B, C, 28, 28)` in [0, 1] -> logarithm of each class's probability, `(B, classes)`."""
    return classifier(x).log_softmax(1)


@functools.cache
def shipped_segmenter() -> Classifier:
    """What parts a number into digits, for code that has loaded none. Raises WeightsError."""
    return load_classifier("segmenter")


def save_classifier(classifier: Classifier, path: Path, training: dict[str, Any] | None = None) -> None:
    """Write a classifier with its architecture and how it was trained."""
    metadata = {"classifier": json.dumps(classifier.config.to_dict()), "training": json.dumps(training or {})}
    weights.write_tensors(path, dict(classifier.state_dict()), metadata)


def load_classifier(source: str | Path = "reader") -> Classifier:
    """A trained classifier in eval mode, on the CPU: `reader`, `judge`, a weights file or a run's folder.

    Raises WeightsError, naming the file, when it is missing, damaged or of something else.
    """
    path = weights.SHIPPED / f"{source}.safetensors" if source in KINDS else Path(source)
    path = path / "model.safetensors" if path.is_dir() else path
    if source in KINDS and not path.exists():
        raise WeightsError(f"{path} is missing; train it with: python train.py --model {source} --out runs/{source}")
    contents = weights.read_tensors(path)
    try:
        config = ClassifierConfig.from_dict(weights.settings_of(contents, "classifier"))
    except ValueError as error:
        raise WeightsError(f"{path} does not say which classifier it holds ({error}): name another file") from error
    classifier = weights.built(lambda: Classifier(config), contents.tensors, path)
    classifier.requires_grad_(False).eval()
    classifier.body = folded(classifier.body)
    return classifier.to(memory_format=torch.channels_last)


def folded(body: nn.Sequential) -> nn.Sequential:
    """A body in eval mode with each batch norm made part of the convolution before it and activations in place: the
    same features in two thirds of the time."""
    layers: list[nn.Module] = []
    for layer in body:
        if isinstance(layer, nn.BatchNorm2d) and isinstance(layers[-1], nn.Conv2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
        elif isinstance(layer, nn.SiLU | nn.ReLU):
            layers.append(type(layer)(inplace=True))
        else:
            layers.append(layer)
    return nn.Sequential(*layers)
