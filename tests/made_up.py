"""Digits that nobody wrote and files in the data sets' own formats, for tests that need no download."""

from __future__ import annotations

import hashlib
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torchvision import datasets

from vae.training.data import Pictures

LARGE = 112  # digits are drawn at four times their size and averaged down
STROKES = {  # corners of the pen's way, in a box 2 wide and 4 high
    0: [(0, 0), (2, 0), (2, 4), (0, 4), (0, 0)],
    1: [(1, 0), (1, 4)],
    2: [(0, 0), (2, 0), (2, 2), (0, 2), (0, 4), (2, 4)],
    3: [(0, 0), (2, 0), (1, 2), (2, 4), (0, 4)],
    4: [(0, 0), (0, 2), (2, 2), (2, 0), (2, 4)],
    5: [(2, 0), (0, 0), (0, 2), (2, 2), (2, 4), (0, 4)],
    6: [(2, 0), (0, 2), (0, 4), (2, 4), (2, 2), (0, 2)],
    7: [(0, 0), (2, 0), (0, 4)],
    8: [(2, 2), (0, 2), (0, 0), (2, 0), (2, 4), (0, 4), (0, 2)],
    9: [(2, 2), (0, 2), (0, 0), (2, 0), (2, 2), (1, 4)],
}


def digit(label: int, slant: float = 0.0, pen: int = 10) -> Image.Image:
    """A digit, white on black, 112x112."""
    picture = Image.new("L", (LARGE, LARGE))
    corners = [(36 + 20 * x + slant * (40 - 20 * y), 16 + 20 * y) for x, y in STROKES[label]]
    ImageDraw.Draw(picture).line(corners, fill=255, width=pen, joint="curve")
    return picture


def digits(count: int, seed: int = 0) -> Pictures:
    """`count` digits as MNIST would have them, each class in turn, slants and pens by seed."""
    random = np.random.default_rng(seed)
    images = [
        np.asarray(digit(i % 10, random.uniform(-0.3, 0.3), random.integers(7, 15)).reduce(4)) for i in range(count)
    ]
    return Pictures(torch.from_numpy(np.stack(images))[:, None], torch.arange(count) % 10)


def drawing(number: str) -> Image.Image:
    """A number as it would be drawn on a pad: dark on white, its digits side by side."""
    pad = Image.new("L", (LARGE * len(number), LARGE), 255)
    for place, label in enumerate(number):
        pad.paste(0, (place * LARGE, 0), digit(int(label)))
    return pad


def write_idx(path: Path, array: NDArray[np.generic]) -> None:
    """MNIST's own format: a magic number with the type and the number of sizes, the sizes, the values."""
    kind = {"uint8": 8, "int32": 12}[array.dtype.name]
    head = struct.pack(f">{array.ndim + 1}I", 256 * kind + array.ndim, *array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + array.astype(array.dtype.newbyteorder(">")).tobytes())


def write_mnist(root: Path, train: Pictures, test: Pictures, folder: str = "MNIST") -> None:
    for half, pictures in (("train", train), ("t10k", test)):
        raw = root / folder / "raw"
        write_idx(raw / f"{half}-images-idx3-ubyte", pictures.images[:, 0].numpy())
        write_idx(raw / f"{half}-labels-idx1-ubyte", pictures.labels.numpy().astype(np.uint8))


def write_emnist(root: Path, train: Pictures, test: Pictures) -> None:
    """EMNIST's pictures are mirrored along their diagonal."""
    for half, pictures in (("train", train), ("test", test)):
        start = root / "EMNIST" / "raw" / f"emnist-digits-{half}"
        mirrored = np.ascontiguousarray(pictures.images[:, 0].mT.numpy())
        write_idx(start.with_name(f"{start.name}-images-idx3-ubyte"), mirrored)
        labels = pictures.labels.numpy().astype(np.uint8)
        write_idx(start.with_name(f"{start.name}-labels-idx1-ubyte"), labels)


def write_qmnist(root: Path, train: Pictures, test: Pictures) -> None:
    """QMNIST's labels have eight columns, the class first."""
    for half, pictures in (("train", train), ("test", test)):
        raw = root / "QMNIST" / "raw"
        labels = np.full((len(pictures), 8), 77, np.int32)
        labels[:, 0] = pictures.labels
        write_idx(raw / f"qmnist-{half}-images-idx3-ubyte", pictures.images[:, 0].numpy())
        write_idx(raw / f"qmnist-{half}-labels-idx2-int", labels)


def write_cifar10(root: Path, train: Pictures, test: Pictures, patch: pytest.MonkeyPatch) -> None:
    """Pickles of five training batches and one for testing; torchvision compares their checksums."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)

    def dump(name: str, content: object) -> list[str]:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return [name, hashlib.md5(data).hexdigest()]

    def batch(name: str, pictures: Pictures) -> list[str]:
        return dump(name, {"data": pictures.images.flatten(1).numpy(), "labels": pictures.labels.tolist()})

    fifth = len(train) // 5
    parts = [(f"data_batch_{i + 1}", train[fifth * i : fifth * (i + 1)]) for i in range(5)]
    meta = dump("batches.meta", {"label_names": [f"class {i}" for i in range(10)]})
    patch.setattr(datasets.CIFAR10, "train_list", [batch(*part) for part in parts])
    patch.setattr(datasets.CIFAR10, "test_list", [batch("test_batch", test)])
    patch.setattr(datasets.CIFAR10, "meta", {"filename": meta[0], "md5": meta[1], "key": "label_names"})


def write_folder(root: Path, train: Pictures, test: Pictures) -> None:
    for half, pictures in (("train", train), ("test", test)):
        for i, (image, label) in enumerate(zip(pictures.images, pictures.labels.tolist(), strict=True)):
            path = root / half / str(label) / f"{i:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[0].numpy()).save(path)


WRITERS: dict[str, Callable[[Path, Pictures, Pictures], None]] = {
    "mnist": write_mnist,
    "fashion": lambda root, train, test: write_mnist(root, train, test, "FashionMNIST"),
    "kmnist": lambda root, train, test: write_mnist(root, train, test, "KMNIST"),
    "emnist-digits": write_emnist,
    "qmnist": write_qmnist,
    "folder": write_folder,
}
