"""SHA256SUMS: which bytes the files of a folder of weights are, in the format of `sha256sum`.

The shipped folder and every repo on the Hub have one; what it lists is checked whenever it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from vae.errors import WeightsError

NAME = "SHA256SUMS"


def fingerprint(path: Path) -> str:
    """sha256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_text(sums: Mapping[str, str]) -> str:
    """`{name: sha256}` as the text of the file, by name."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def from_text(text: str) -> dict[str, str]:
    """The text of the file as `{name: sha256}`."""
    return {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines()) if name}


def read(folder: Path) -> dict[str, str]:
    """`{name: sha256}` of a folder; empty where it has no such file."""
    path = folder / NAME
    return from_text(path.read_text()) if path.exists() else {}


def write(folder: Path) -> Path:
    """List every safetensors file of `folder` as it is now."""
    path = folder / NAME
    path.write_text(as_text({file.name: fingerprint(file) for file in folder.glob("*.safetensors")}))
    return path


def check(path: Path) -> None:
    """Raise WeightsError when `path` is not the file that the SHA256SUMS beside it lists; what is not
    listed passes."""
    listed = read(path.parent).get(path.name)
    if listed is not None and path.exists() and fingerprint(path) != listed:
        raise WeightsError(
            f"{path} is not the file that {NAME} beside it lists: fetch it again, or, if you put it there "
            "yourself, run: python -m vae sums"
        )
