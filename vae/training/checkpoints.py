"""The checkpoint of a run, which is whole or refused, and the folder of a run, which one process has at a time."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import torch

from vae import weights

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

CHECKPOINT, LOCK = "checkpoint.pt", ".lock"
DIGITS = 64  # of a sha256: that of all bytes before it, which ends the file as the comment of the zip that it is
KEYS = {"config", "model", "ema", "optimiser", "seconds", "step", "best", "sums", "rows"}


def write(path: Path, state: dict[str, Any]) -> None:
    """Write the state of a run in place of the last. Raises OSError, the last one kept, where the disk is full."""
    buffer = io.BytesIO()  # torch's own writing ends in a RuntimeError there
    torch.save(state, buffer)
    content = bytearray(buffer.getvalue())
    content[-2:] = DIGITS.to_bytes(2, "little")  # a zip ends with the length of a comment and the comment
    content += _sum(content)
    with weights.replacing(path) as temporary:
        temporary.write_bytes(content)


def read(path: Path) -> dict[str, Any]:
    """The state that `write` wrote. Raises FileNotFoundError without one, and ValueError when it is damaged."""
    if not path.exists():
        raise FileNotFoundError(f"nothing to resume: {path} does not exist; leave out --resume")
    content = path.read_bytes()
    try:
        if content[-DIGITS:] != _sum(content[:-DIGITS]):
            _check_older(content)
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if missing := KEYS - set(state):
            raise ValueError(f"it holds no {missing}")
    except Exception as error:  # zipfile, pickle and torch raise all sorts of things for bytes that are none
        raise damaged(path) from error
    return state


def _sum(content: bytes | bytearray) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _check_older(content: bytes) -> None:
    """Raise ValueError unless this is a whole checkpoint from before they had a comment, by the zip's own sums, which
    torch does not look at. They miss a few flipped bits of its directory."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if archive.comment or not content[-22:].startswith(b"PK\5\6") or archive.testzip():
            raise ValueError("a wrong checksum")


def damaged(path: Path) -> ValueError:
    return ValueError(
        f"{path} is damaged: put a copy of it back, or train anew with another --out; the best weights of this run, "
        "if an epoch was finished, are in model.safetensors beside it"
    )


@contextlib.contextmanager
def held(out: Path) -> Iterator[None]:
    """Make the folder of a run and keep other processes from training in it; what a killed one left is removed.

    The system lets go of it when this process ends, however it ends. Raises ValueError, naming the other process.
    """
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    with _locked(out) as file:
        weights.remove_temporaries(out)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            (out / LOCK).unlink(missing_ok=True)
            if made:
                with contextlib.suppress(OSError):  # it is not empty: as it should be
                    out.rmdir()


def _locked(out: Path) -> TextIO:
    """The lock of a folder, open and locked."""
    while True:
        file = (out / LOCK).open("a+")
        if not fcntl:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                file.seek(0)
                who = file.read(20)
            raise ValueError(
                f"process {who or 'of another user'} is training in {out}: wait until it ends, or choose another --out"
            ) from None
        except OSError:  # a file system without locks
            return file
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # its process ended, and took it away, while we opened it: make a new one
