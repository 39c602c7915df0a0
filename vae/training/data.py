"""MNIST-like data sets as tensors, by torchvision (its one home), and the augmentation of training.

Pictures are uint8 `(N, C, S, S)`, ink (or light) high; `as_floats` turns a batch into floats in [0, 1].
Everything fits into memory: MNIST is 47 MB.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Generator, Tensor
from torchvision import datasets

VALIDATION = 5_000  # the last images of the training set
MISSING = re.compile("not found|download", re.IGNORECASE)  # what torchvision says of files that are not there

TORCHVISION: dict[str, Callable[[str, bool, bool], datasets.VisionDataset]] = {
    "mnist": lambda root, train, download: datasets.MNIST(root, train, download=download),
    "fashion": lambda root, train, download: datasets.FashionMNIST(root, train, download=download),
    "kmnist": lambda root, train, download: datasets.KMNIST(root, train, download=download),
    "emnist-digits": lambda root, train, download: datasets.EMNIST(root, "digits", train=train, download=download),
    "qmnist": lambda root, train, download: datasets.QMNIST(root, train=train, download=download),
    "cifar10": lambda root, train, download: datasets.CIFAR10(root, train, download=download),
}
NAMES = (*TORCHVISION, "folder")


@dataclass(frozen=True)
class Pictures:
    """`images` uint8 `(N, C, S, S)` and `labels` int64 `(N,)`."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice | Tensor) -> Pictures:
        return Pictures(self.images[index], self.labels[index])


@dataclass(frozen=True)
class Splits:
    train: Pictures
    validation: Pictures
    test: Pictures


def data_root(given: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the data: as given, else DIGIT_MORPH_DATA, else a cache of the user's own."""
    if given or (given := os.environ.get("DIGIT_MORPH_DATA")):
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "digit-morph"


def load_pictures(
    name: str = "mnist", root: str | os.PathLike[str] | None = None, train: bool = True, size: int | None = None
) -> Pictures:
    """One half of a data set, downloaded by torchvision only into the user's own cache.

    `folder` reads `root/train/LABEL/*.png` and `root/test/LABEL/*.png`; its pictures are made grey
    and `size` (28 if not given) pixels square. Raises FileNotFoundError with what to do when the data
    are not in `root`, and OSError when they are damaged.
    """
    folder = data_root(root)
    if name == "folder":
        return _labelled_folder(folder / ("train" if train else "test"), size or 28)
    if name not in TORCHVISION:
        raise ValueError(f"there is no data set '{name}'; choose one of {', '.join(NAMES)}")
    own_cache = not (root or os.environ.get("DIGIT_MORPH_DATA"))
    try:
        dataset = TORCHVISION[name](str(folder), train, own_cache)
        pictures = _pictures(dataset, mirrored=name == "emnist-digits")
    except Exception as error:  # torchvision raises all sorts of things for files that are not what they should be
        again = "leave out --data (and DIGIT_MORPH_DATA) to have it downloaded"
        if isinstance(error, URLError) or (isinstance(error, RuntimeError) and MISSING.search(str(error))):
            raise FileNotFoundError(
                f"{name} could not be downloaded into {folder}: is there a network?"
                if own_cache
                else f"{name} is not in {folder}, or not whole; {again}"
            ) from error
        if isinstance(error, OSError) and error.errno:  # a full disk, or a file that may not be read
            raise
        again = "delete it to have it downloaded again" if own_cache else f"fetch it again, or {again}"
        raise OSError(f"{name} in {folder} is damaged ({type(error).__name__} in its files): {again}") from error
    return pictures


def _pictures(dataset: datasets.VisionDataset, mirrored: bool) -> Pictures:
    """What torchvision read, if it is square pictures of ten classes. Raises ValueError, and others."""
    images = torch.as_tensor(dataset.data)
    if mirrored:
        images = images.transpose(1, 2)  # EMNIST's files hold every picture mirrored along its diagonal
    images = images.permute(0, 3, 1, 2) if images.ndim == 4 else images[:, None]
    labels = torch.as_tensor(dataset.targets, dtype=torch.int64)
    labels = labels[:, 0] if labels.ndim == 2 else labels  # QMNIST: the class is the first of 8 columns
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise ValueError("no square pictures")
    if not 0 < len(images) == len(labels) or not 0 <= int(labels.min()) <= int(labels.max()) < 10:
        raise ValueError("labels do not fit")
    return Pictures(images.contiguous(), labels)


def _labelled_folder(folder: Path, size: int) -> Pictures:
    dataset = datasets.ImageFolder(str(folder))
    pictures = []
    for path, _ in dataset.samples:
        try:
            with Image.open(path) as picture:
                pictures.append(np.asarray(picture.convert("L").resize((size, size), Image.Resampling.BOX)))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise OSError(f"{path} is no picture that can be read: remove it from the data") from error
    names = [dataset.classes[target] for target in dataset.targets]
    numbers = all(name.isdecimal() for name in dataset.classes)  # then these are the labels
    labels = torch.tensor([int(name) for name in names] if numbers else dataset.targets)
    return Pictures(torch.from_numpy(np.stack(pictures))[:, None], labels)


def load_splits(
    name: str = "mnist",
    root: str | os.PathLike[str] | None = None,
    *,
    all_for_training: bool = False,
    size: int | None = None,
) -> Splits:
    """Training, validation and test pictures.

    The last 5,000 training pictures (a tenth, of a small set) are for validation, except with
    `all_for_training` (the `tiny` preset, as its authors did): then the first 1,000 test pictures are.
    """
    train, test = (load_pictures(name, root, half, size) for half in (True, False))
    if train.images.shape[1:] != test.images.shape[1:] or len(train) < 2:
        raise OSError(f"{name} in {data_root(root)} is damaged: too few pictures, or of different sizes in its halves")
    if all_for_training:
        return Splits(train, test[:1000], test)
    held_out = min(VALIDATION, max(1, len(train) // 10))
    return Splits(train[:-held_out], train[-held_out:], test)


def require_digits(splits: Splits, classes: int = 10, shape: tuple[int, int, int] | None = None) -> None:
    """Raise ValueError unless the pictures are of so many classes at most and, if given, of that `(C, S, S)`."""
    most = 1 + max(int(part.labels.max()) for part in (splits.train, splits.validation, splits.test))
    found = tuple(splits.train.images.shape[1:])
    if most > classes or (shape and found != shape):
        wanted = f"pictures of {classes} classes" + (f" and {shape}" if shape else "")
        raise ValueError(f"this model reads {wanted}; the data have {most} and {found}: choose another --model")


def as_floats(images: Tensor) -> Tensor:
    """uint8 `(B, C, S, S)` -> float32 in [0, 1]."""
    return images.to(torch.float32).div_(255)


def jitter(x: Tensor, share: float, generator: Generator, strength: float = 1.0, shift: float = 0.0) -> Tensor:
    """Turn, slant, stretch and thicken or thin a share of the pictures a little; `(B, C, S, S)` in [0, 1].

    Up to 10 degrees, 0.15 of slant, 8% of size and a third of a pixel of stroke, each uniformly and
    times `strength`, and up to `shift` pixels aside (after Simard et al., Best Practices
    for Convolutional Neural Networks, 2003).
    """
    chosen = torch.rand(len(x), generator=generator) < share
    n = int(chosen.sum())
    if not n:
        return x
    limits = torch.tensor([[math.radians(10)], [0.15], [0.08], [0.08], [1.0]])
    turn, slant, wide, high, pen = (torch.rand(5, n, generator=generator) * 2 - 1) * limits * strength
    aside, down = (torch.rand(2, n, generator=generator) * 2 - 1) * (2 * shift / x.shape[-1])
    cos, sin = turn.cos(), turn.sin()
    a = torch.stack([cos * (1 + wide), (slant - sin) * (1 + wide), aside], 1)
    b = torch.stack([sin * (1 + high), cos * (1 + high), down], 1)
    grid = F.affine_grid(torch.stack([a, b], 1), list(x[chosen].shape), align_corners=False)
    moved = F.grid_sample(x[chosen], grid, mode="bicubic", align_corners=False).clamp(0, 1)
    thick, thin = F.max_pool2d(moved, 3, 1, 1), -F.max_pool2d(-moved, 3, 1, 1)
    amount = pen.abs().clamp(max=3.0)[:, None, None, None] * 0.33
    moved = moved.lerp(torch.where(pen[:, None, None, None] > 0, thick, thin), amount)
    x = x.clone()
    x[chosen] = moved
    return x


def augment_strokes(x: Tensor, share: float, generator: Generator) -> Tensor:
    """A share of the pictures written a little differently, as crisp as before; `(B, C, S, S)` in [0, 1].

    MNIST's pictures are bilevel scans averaged down to grey (LeCun et al. 1998, section III.A). This undoes
    and repeats that: enlarge twofold, rotate (up to 6 degrees), slant (0.12) and widen (6%) about the centre
    of mass, each uniformly; threshold at a level that moves the edge by up to a sixth of a pixel; average
    down. So edges are as sharp and digits as centred as before, which those of `jitter`, interpolated, are
    not, and a likelihood can be learnt from them.
    """
    chosen = torch.rand(len(x), generator=generator) < share
    n = int(chosen.sum())
    if not n:
        return x
    limits = torch.tensor([[math.radians(6)], [0.12], [0.06], [0.16]])
    turn, slant, wide, edge = (torch.rand(4, n, generator=generator) * 2 - 1) * limits
    cos, sin = turn.cos(), turn.sin()
    across = torch.stack([cos * (1 + wide), (slant - sin) * (1 + wide)], 1)  # of the pictures looked up
    down = torch.stack([sin, cos], 1)
    linear = torch.stack([across, down], 1)  # (n, 2, 2)
    scale = torch.linspace(-1, 1, x.shape[-1]) * (1 - 1 / x.shape[-1])  # of pixel centres
    ink = x[chosen].sum(1)
    mass = ink.sum((1, 2)).clamp(min=1e-6)
    centre = torch.stack([ink.sum(1) @ scale, ink.sum(2) @ scale], 1) / mass[:, None]
    offset = centre - (linear @ centre[:, :, None])[:, :, 0]
    large = [n, x.shape[1], 2 * x.shape[2], 2 * x.shape[3]]
    grid = F.affine_grid(torch.cat([linear, offset[:, :, None]], 2), large, align_corners=False)
    moved = F.grid_sample(x[chosen], grid, mode="bicubic", align_corners=False)
    level = (0.5 + edge)[:, None, None, None]
    x = x.clone()
    x[chosen] = F.avg_pool2d(((moved - level) * 2 + 0.5).clamp(0, 1), 2)
    return x


def binarise(x: Tensor, share: float, generator: Generator) -> Tensor:
    """Draw the pixels of a share of the pictures from Bernoulli(x): dynamic binarisation."""
    if share <= 0:
        return x
    chosen = torch.rand(len(x), 1, 1, 1, generator=generator) < share
    return torch.where(chosen, torch.bernoulli(x, generator=generator), x)
