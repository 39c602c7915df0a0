"""A morph as a short text that makes it again: what the link of a morph carries after its `#`.

base64url(zlib(options as JSON, a zero byte, the drawn digits at 4 bits a pixel)). A typed number is kept
as it was typed; with its seed, or the drawn digits beside it, it gives the same handwriting. Nothing of a
morph is kept on the server.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vae.errors import BadRequest
from vae.reading import NumberInput, Reading
from vae.request import MorphRequest

VERSION = 1
LEVELS = 15  # of a pixel, above zero
LONGEST = 16_000  # characters of a permalink
LARGEST = 64_000  # bytes unpacked: 24 numbers of 4 digits and the options
DIGIT_BYTES = 28 * 28 // 2
KEPT = ("steps", "seed", "path", "speed", "refine", "fps", "size", "style", "playback", "hold", "model", "hand")
DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(MorphRequest) if field.name in KEPT}
# How the page shows a morph's frames, which it changes by itself: what a link says of it stands beside the permalink.
LOOK: dict[str, Any] = {"fps": 30, "playback": "bounce", "style": "ink", "size": 512, "hold": 0.4}
UNREADABLE = "This link is damaged or was cut short, so its morph cannot be opened."


def quantised(pictures: Tensor) -> Tensor:
    """Digits as a link keeps them, at 4 bits a pixel, so that it gives the very same morph."""
    return (pictures * LEVELS).round() / LEVELS


def pack(request: MorphRequest, readings: Sequence[Reading]) -> str:
    """The permalink of a request whose drawn numbers were read `quantised`."""
    sides = [reading.typed or len(reading.pictures) for reading in readings]
    options = {name: getattr(request, name) for name in KEPT if getattr(request, name) != DEFAULTS[name]}
    head = json.dumps({"v": VERSION, "n": sides, **options}, separators=(",", ":"))
    drawn = b"".join(nibbles(reading.pictures) for reading in readings if reading.typed is None)
    return base64.urlsafe_b64encode(zlib.compress(head.encode() + b"\0" + drawn, 9)).decode().rstrip("=")


def plain(request: MorphRequest) -> MorphRequest:
    """The same morph as the page shows it until somebody wants it otherwise."""
    return replace(request, formats=(), **LOOK)


def unpack(permalink: Any, formats: tuple[str, ...] = (), look: Mapping[str, Any] | None = None) -> MorphRequest:
    """The request that a permalink stands for, with these files, shown as `look` says (the names of LOOK), or else as
    it says itself. BadRequest for anything that is none."""
    try:
        if not isinstance(permalink, str) or len(permalink) > LONGEST:
            raise ValueError
        packed = base64.urlsafe_b64decode(permalink + "=" * (-len(permalink) % 4))
        unpacker = zlib.decompressobj()
        head, _, drawn = unpacker.decompress(packed, LARGEST).partition(b"\0")
        options = json.loads(head)
        if unpacker.unconsumed_tail or options.pop("v") != VERSION or not set(options) <= {"n", *KEPT}:
            raise ValueError
        source, *via, target = sides_from(options.pop("n"), drawn)
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, zlib.error, RecursionError):
        raise BadRequest(UNREADABLE) from None
    return MorphRequest(source, target, via=tuple(via), formats=formats, **{**options, **(look or {})})


def sides_from(described: list[Any], drawn: bytes) -> list[NumberInput]:
    """Typed numbers as they are; for a count, that many digits off the front of `drawn`."""
    sides: list[NumberInput] = []
    for side in described:
        if isinstance(side, str):
            sides.append(side)
            continue
        if not isinstance(side, int) or not 1 <= side <= 4 or len(drawn) < side * DIGIT_BYTES:
            raise ValueError
        sides.append(digits_from(drawn[: side * DIGIT_BYTES]))
        drawn = drawn[side * DIGIT_BYTES :]
    if drawn:
        raise ValueError
    return sides


def nibbles(digits: Tensor) -> bytes:
    """Digits `(N, 1, 28, 28)` in [0, 1] -> two pixels a byte."""
    levels = (digits.numpy() * LEVELS).round().astype(np.uint8).reshape(-1, 2)
    return (levels[:, 0] << 4 | levels[:, 1]).tobytes()


def digits_from(packed: bytes) -> Tensor:
    """What `nibbles` packed."""
    pairs = np.frombuffer(packed, np.uint8)
    levels = np.stack([pairs >> 4, pairs & 15], 1).reshape(-1, 1, 28, 28)
    return torch.from_numpy(levels.astype(np.float32)) / LEVELS
