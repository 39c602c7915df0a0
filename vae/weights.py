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
import reprlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import safetensors.torch
import torch
from torch import Tensor

from vae import hub, shipped
from vae.errors import WeightsError
from vae.hub import SUMS
from vae.model import PRESETS, VAE, VAEConfig
from vae.settings import parse_object

FORMAT = "digit-morph/1"
SHIPPED = shipped.WEIGHTS
FLAGSHIP = "flagship"
SHA256 = re.compile(r"[0-9a-f]{64}")
SUM = re.compile(r"([0-9a-fA-F]{64}) [ *]([^/\0]+)")  # a line of SHA256SUMS
DTYPES = ("F32", "F16", "I64", "I16", "U8")  # what is written; safetensors knows more
LARGEST = 2**28  # bytes of a file that is read: 64 million weights
LONGEST_HEADER = 2**20
LONGEST_SETTINGS = 10_000  # characters of a configuration
TEMPORARY = re.compile(r"\..+(\.\w+)\.[a-z0-9_]{8}\1")  # as `replacing` names them
Source = str | os.PathLike[str] | None
Network = TypeVar("Network", bound=torch.nn.Module)


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
        with temporary.open("r+b") as file:  # on the disk before it has the name: also after a power cut
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_temporaries(folder: Path) -> None:
    """Delete what `replacing` left in a folder when its process was killed; nobody else may write there now."""
    for path in folder.iterdir():
        if TEMPORARY.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file of this program's format, atomically."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = safetensors.torch.save(plain, {"format": FORMAT, **metadata})
    with replacing(path) as temporary:
        temporary.write_bytes(content)  # OSError where the disk is full, unlike safetensors' own writing


def read_tensors(path: Path) -> Contents:
    """The contents of a file of this program's format, read and hashed once; raises WeightsError naming it."""
    content = read_bounded(path)
    sha256 = hashlib.sha256(content).hexdigest()
    if expected_sha256(path) - {sha256}:
        raise WeightsError(
            f"{path} is not the file that {SUMS} beside it, or the Hub, lists: fetch it again, or, if you put it there "
            "yourself, run: python -m vae sums"
        )
    try:
        metadata = _metadata(content)  # first, as it may name types that safetensors knows and torch does not
        tensors = safetensors.torch.load(content)
    except (ArithmeticError, RuntimeError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path} is damaged or is no safetensors file: fetch it again or train it again") from error
    if metadata.get("format") != FORMAT:
        said = reprlib.repr(metadata.get("format"))
        raise WeightsError(f"{path} is not of the format {FORMAT} (it says {said}): name another file")
    return Contents(tensors, metadata, sha256)


def read_bounded(path: Path) -> bytes:
    """The bytes of a file, and of no device or pipe, which would go on for ever; raises WeightsError naming it."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise WeightsError(f"{path} is no file: name another one")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror})") from error
    if len(content) > LARGEST:
        raise WeightsError(f"{path} is larger than {LARGEST // 2**20} MB: no file of this program is, name another one")
    return content


def _metadata(content: bytes) -> dict[str, str]:
    """The metadata of a safetensors file, which its `load` keeps back. Raises ValueError."""
    length = int.from_bytes(content[:8], "little")
    if length > LONGEST_HEADER:
        raise ValueError("the header is too long")
    header = parse_object(content[8 : 8 + length])
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict):
        raise ValueError("the metadata are no object")
    for tensor in header.values():
        if not isinstance(tensor, dict) or tensor.get("dtype") not in DTYPES:
            raise ValueError("a tensor is of an unknown type")
    return metadata


def settings_of(contents: Contents, key: str) -> dict[str, Any]:
    """The configuration in a file's metadata. Raises ValueError."""
    text = contents.metadata.get(key, "")
    if not 0 < len(text) <= LONGEST_SETTINGS:
        raise ValueError(f"its {key} is too long" if text else f"it has no {key}")
    return parse_object(text)


def expected_sha256(path: Path) -> set[str]:
    """What the sha256 of a file has to be: as SHA256SUMS beside it lists it, and as the Hub's cache, where a
    large file is a link to one named by its sha256, names it. Empty where neither says."""
    listed = read_sums(path.parent).get(path.name)
    name = path.readlink().name if path.is_symlink() else ""
    return {known for known in (listed, name if SHA256.fullmatch(name) else None) if known}


def is_intact(path: Path) -> bool:
    """Whether a file has the sha256 that is expected of it; not if SHA256SUMS is no list of them."""
    try:
        return not expected_sha256(path) - {file_sha256(path)}
    except WeightsError:
        return False


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_sums(folder: Path) -> dict[str, str]:
    """`{name: sha256}` as SHA256SUMS in `folder` lists them; empty where there is none. Raises WeightsError when it
    is no such list: files would be loaded unchecked."""
    path = folder / SUMS
    if not path.exists():
        return {}
    lines = read_bounded(path).decode(errors="replace").splitlines()
    found = [SUM.fullmatch(line) for line in lines if line.strip()]
    sums = {match[2]: match[1].lower() for match in found if match}
    if len(sums) < len(found) or not found:
        raise WeightsError(
            f"{path} is no list of sha256 sums: fetch it again, or, if the files beside it are as you want them, "
            "run: python -m vae sums"
        )
    return sums


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
        config = VAEConfig.from_dict(settings_of(contents, "config"))
    except ValueError as error:
        raise WeightsError(f"{path} does not say which model it holds ({error}): name another file") from error
    model = built(lambda: VAE(config), contents.tensors, path)
    model.path, model.fingerprint = path, contents.sha256
    model.requires_grad_(False).eval()
    require_pictures(model, path)
    if model.config.architecture != "dense":
        model.to(memory_format=torch.channels_last)
    return model


def require_pictures(model: VAE, path: Path) -> None:
    """Raise WeightsError unless a blank picture is drawn again: numbers may be finite and yet overflow."""
    config = model.config
    blank = torch.zeros(1, config.channels, config.image_size, config.image_size)
    label = torch.zeros(1, dtype=torch.long) if config.classes else None
    if not bool(torch.isfinite(model.decode_logits(model.amortised(blank, label)[0], label)).all()):
        raise WeightsError(f"{path} draws no pictures, its numbers are too large: name another file")


def built(make: Callable[[], Network], tensors: Mapping[str, Tensor], path: Path) -> Network:
    """What `make` makes, with `tensors` for its weights, strictly; raises WeightsError naming the file and the tensor.

    They are compared before it is made, so that a file takes no more memory than its own size.
    """
    with torch.device("meta"):  # shapes alone
        wanted = make().state_dict()
    for name in sorted({*wanted, *tensors}):
        want, found = ((x[name].dtype, tuple(x[name].shape)) if name in x else None for x in (wanted, tensors))
        if found != want:
            shown = name if want else reprlib.repr(name)  # what a file says is not printed at any length
            raise WeightsError(
                f"{path} does not fit its model: {shown} is {_described(found, 'missing')}, "
                f"expected {_described(want, 'nothing')}"
            )
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{path} holds numbers that are not finite, in {name}")
    model = make()
    model.load_state_dict(tensors, strict=True)
    return model


def _described(tensor: tuple[torch.dtype, tuple[int, ...]] | None, absent: str) -> str:
    return f"{str(tensor[0]).removeprefix('torch.')} {tensor[1]}" if tensor else absent


def find(source: Source = None) -> Path:
    """The weights file that `source` names; see `load`. A repo's comes from the Hub cache or the Hub."""
    name = str(source or os.environ.get("DIGIT_MORPH_WEIGHTS") or FLAGSHIP)
    path = Path(name)
    with contextlib.suppress(OSError):  # a name that none can have, or a folder that may not be looked into
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
    shown = name[:200] if name.isprintable() else repr(name[:200])
    raise WeightsError(
        f"no weights at {shown}: give a .safetensors file, the folder of a run, a repo on the Hub such as "
        f"user/repo, or one of {', '.join(PRESETS)}; "
        f"or train: python train.py --model {FLAGSHIP} --out runs/{FLAGSHIP}"
    )
