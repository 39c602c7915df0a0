"""Weights files: find, load, verify, save. The one home of safetensors.

A file carries its own architecture: the metadata of `model.safetensors` hold the format version, the
`VAEConfig` as JSON and how it was trained. Nothing is ever a pickle and nothing loads in part. Whenever a file
is read, its sha256 is compared with the SHA256SUMS beside it, which the shipped folder and every published
repo have (the format of `sha256sum`), and with the name that the Hub's cache gave it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from vae import hub, shipped
from vae.errors import WeightsError
from vae.hub import SUMS
from vae.model import PRESETS, VAE, VAEConfig

FORMAT = "digit-morph/1"
SHIPPED = shipped.WEIGHTS
FLAGSHIP = "flagship"
SHA256 = re.compile(r"[0-9a-f]{64}")
Source = str | os.PathLike[str] | None


class Contents(NamedTuple):
    """What a weights file holds; `sha256` is the fingerprint of its bytes."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    sha256: str


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well: readers never see
    half a file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file of this program's format, atomically."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        safetensors.torch.save_file(plain, temporary, {"format": FORMAT, **metadata})


def read_tensors(path: Path) -> Contents:
    """The contents of a file of this program's format, read and hashed once; raises WeightsError naming it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror})") from error
    sha256 = hashlib.sha256(content).hexdigest()
    if expected_sha256(path) - {sha256}:
        raise WeightsError(
            f"{path} is not the file that {SUMS} beside it, or the Hub, lists: fetch it again, or, if you put it there "
            "yourself, run: python -m vae sums"
        )
    try:
        tensors = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{path} is damaged or is no safetensors file") from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])  # load() keeps the metadata back
    metadata = header.get("__metadata__", {})
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path} is not of the format {FORMAT} (it says {metadata.get('format')!r})")
    return Contents(tensors, metadata, sha256)


def expected_sha256(path: Path) -> set[str]:
    """What the sha256 of a file has to be: as SHA256SUMS beside it lists it, and as the Hub's cache, where a
    large file is a link to one named by its sha256, names it. Empty where neither says."""
    listed = read_sums(path.parent).get(path.name)
    name = path.readlink().name if path.is_symlink() else ""
    return {known for known in (listed, name if SHA256.fullmatch(name) else None) if known}


def is_intact(path: Path) -> bool:
    """Whether a file has the sha256 that is expected of it."""
    return not expected_sha256(path) - {file_sha256(path)}


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_sums(folder: Path) -> dict[str, str]:
    """`{name: sha256}` as SHA256SUMS in `folder` lists them; empty where there is none."""
    path = folder / SUMS
    lines = path.read_text().splitlines() if path.exists() else []
    return {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines) if name}


def write_sums(folder: Path) -> Path:
    """List every safetensors file of `folder` as it is now in its SHA256SUMS."""
    path = folder / SUMS
    path.write_text(sums_text({file.name: file_sha256(file) for file in folder.glob("*.safetensors")}))
    return path


def sums_text(sums: Mapping[str, str]) -> str:
    """`{name: sha256}` as the text of SHA256SUMS."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def save(model: VAE, path: Path, training: dict[str, Any] | None = None) -> None:
    """Write a model with its architecture and how it was trained."""
    metadata = {"config": json.dumps(model.config.to_dict()), "training": json.dumps(training or {})}
    write_tensors(path, dict(model.state_dict()), metadata)


@torch.inference_mode(False)
def load(source: Source = None) -> VAE:
    """A trained model in eval mode, on the CPU.

    `source`: a weights file, a run's folder, the name of a shipped preset, or a repo on the Hub
    (`user/repo`, `user/repo@revision`; see `vae.hub`); None is DIGIT_MORPH_WEIGHTS if set, else the
    shipped flagship. Raises WeightsError with what to do.
    """
    path = find(source)
    contents = read_tensors(path)
    try:
        model = VAE(VAEConfig.from_dict(json.loads(contents.metadata["config"])))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} does not say which model it holds ({error})") from error
    fill(model, contents.tensors, path)
    model.path, model.fingerprint = path, contents.sha256
    model.requires_grad_(False).eval()
    if model.config.architecture != "dense":
        model.to(memory_format=torch.channels_last)
    return model


def fill(model: torch.nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Load `tensors` into `model`, strictly; raises WeightsError naming the file and the tensor."""
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(set(wanted) | set(found)):
        if wanted.get(name) != found.get(name):
            raise WeightsError(
                f"{path} does not fit its model: {name} is {found.get(name, 'missing')}, "
                f"expected {wanted.get(name, 'nothing')}"
            )
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{path} holds numbers that are not finite, in {name}")
    model.load_state_dict(tensors, strict=True)


def find(source: Source = None) -> Path:
    """The weights file that `source` names; see `load`. A repo's comes from the Hub cache or the Hub."""
    name = str(source or os.environ.get("DIGIT_MORPH_WEIGHTS") or FLAGSHIP)
    path = Path(name)
    if path.is_dir() and (path / hub.MODEL).exists():
        return path / hub.MODEL
    if path.is_file():
        return path
    if name in PRESETS:
        path = SHIPPED / f"{name}.safetensors"
        if path.exists():
            return path
        raise WeightsError(
            f"{path} is missing; train it with: python train.py --model {name} --out runs/{name}, or name "
            "another file, a run's folder or a repo on the Hub in DIGIT_MORPH_WEIGHTS"
        )
    if repo := hub.repo_named(name):
        return hub.fetch(repo, is_intact)
    raise WeightsError(
        f"no weights at {name}: give a .safetensors file, the folder of a run, a repo on the Hub such as "
        f"user/repo, or one of {', '.join(PRESETS)}; "
        f"or train: python train.py --model {FLAGSHIP} --out runs/{FLAGSHIP}"
    )
