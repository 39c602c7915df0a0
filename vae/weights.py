"""Weights files: find, load, save. The one home of safetensors.

A file carries its own architecture: the metadata of `model.safetensors` hold the format version, the
`VAEConfig` as JSON and how it was trained. Nothing is ever a pickle, nothing loads in part, and what a
SHA256SUMS beside it lists is checked.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vae import hub, shipped, sums
from vae.errors import WeightsError
from vae.model import PRESETS, VAE, VAEConfig

FORMAT = "digit-morph/1"
SHIPPED = shipped.WEIGHTS
FLAGSHIP = "flagship"
Source = str | os.PathLike[str] | None


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
        save_file(plain, temporary, {"format": FORMAT, **metadata})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file of this program's format; raises WeightsError naming the file."""
    sums.check(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist") from error
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is damaged or is no safetensors file") from error
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path} is not of the format {FORMAT} (it says {metadata.get('format')!r})")
    return tensors, metadata


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
    tensors, metadata = read_tensors(path)
    try:
        model = VAE(VAEConfig.from_dict(json.loads(metadata["config"])))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} does not say which model it holds ({error})") from error
    fill(model, tensors, path)
    model.path, model.fingerprint = path, sums.fingerprint(path)
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
    told = os.environ.get("DIGIT_MORPH_WEIGHTS")
    name = str(source or told or FLAGSHIP)
    path = Path(name)
    if path.is_dir() and (path / hub.MODEL).exists():
        return path / hub.MODEL
    if path.is_file():
        return path
    if name in PRESETS:
        shipped = SHIPPED / f"{name}.safetensors"
        if shipped.exists():
            return shipped
        if name == FLAGSHIP and told and told != FLAGSHIP:  # a program without weights/, told where they are
            return find(told)
        raise WeightsError(
            f"{shipped} is missing; train it with: python train.py --model {name} --out runs/{name}, or name "
            "another file, a run's folder or a repo on the Hub in DIGIT_MORPH_WEIGHTS"
        )
    if repo := hub.repo_named(name):
        return hub.fetch(repo)
    raise WeightsError(
        f"no weights at {name}: give a .safetensors file, the folder of a run, a repo on the Hub such as "
        f"user/repo, or one of {', '.join(PRESETS)}; "
        f"or train: python train.py --model {FLAGSHIP} --out runs/{FLAGSHIP}"
    )
