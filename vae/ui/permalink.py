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
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vae.errors import BadRequest
from vae.request import MorphRequest, Side, read_side

VERSION = 1
LEVELS = 15  # of a pixel, above zero
LONGEST = 16_000  # characters of a recipe
LARGEST = 64_000  # bytes unpacked: 24 numbers of 4 digits and the options
DIGIT_BYTES = 28 * 28 // 2
KEPT = ("steps", "seed", "path", "speed", "refine", "fps", "size", "style", "playback", "hold", "model", "hand")
DEFAULTS = {field.name: field.default for field in fields(MorphRequest) if field.name in KEPT}
UNREADABLE = "This link is damaged or was cut short, so its morph cannot be opened."


def settled(request: MorphRequest) -> MorphRequest:
    """The same request with every picture read and its digits brought to 4 bits a pixel, so that a link
    made from it gives the very same morph."""
    source, *via, target = [settled_side(side) for side in request.sides]
    return replace(request, source=source, via=tuple(via), target=target)


def settled_side(side: Side) -> str | Tensor:
    if isinstance(side, str):
        return side
    return (read_side(side).pictures * LEVELS).round() / LEVELS


def pack(request: MorphRequest) -> str:
    """The recipe of a settled request."""
    sides = [side if isinstance(side, str) else len(side) for side in request.sides]
    options = {name: getattr(request, name) for name in KEPT if getattr(request, name) != DEFAULTS[name]}
    head = json.dumps({"v": VERSION, "n": sides, **options}, separators=(",", ":"))
    drawn = b"".join(nibbles(side) for side in request.sides if not isinstance(side, str))
    return base64.urlsafe_b64encode(zlib.compress(head.encode() + b"\0" + drawn, 9)).decode().rstrip("=")


def unpack(recipe: Any) -> MorphRequest:
    """The request that a recipe stands for, without files. BadRequest for anything that is no recipe."""
    try:
        if not isinstance(recipe, str) or len(recipe) > LONGEST:
            raise ValueError
        packed = base64.urlsafe_b64decode(recipe + "=" * (-len(recipe) % 4))
        unpacker = zlib.decompressobj()
        head, _, drawn = unpacker.decompress(packed, LARGEST).partition(b"\0")
        options = json.loads(head)
        if unpacker.unconsumed_tail or options.pop("v") != VERSION or not set(options) <= {"n", *KEPT}:
            raise ValueError
        source, *via, target = sides_from(options.pop("n"), drawn)
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, zlib.error, RecursionError):
        raise BadRequest(UNREADABLE) from None
    return MorphRequest(source, target, via=tuple(via), formats=(), **options)


def sides_from(described: list[Any], drawn: bytes) -> list[Side]:
    """Typed numbers as they are, and for a count as many digits off the front of `drawn`."""
    sides: list[Side] = []
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
