"""A number as the page's script sends it: typed, drawn, the digits of a link, or pictures."""

from __future__ import annotations

import base64
import re
from typing import Any

import torch
from torch import Tensor

from vae.drawing import BROKEN, Drawing, unpack_strokes
from vae.errors import BadRequest, EmptyDrawing, UnreadablePicture
from vae.reading import MOST_PLACES, NumberInput
from vae.request import is_number

PICTURE = re.compile(r"data:image/(?:png|jpeg);base64,")
LONGEST = 2_800_000  # characters of one picture; the page sends at most 1,600 pixels a side
NO_PICTURE = "One of the pictures did not arrive whole; please choose it again."


def number_from(side: Any) -> NumberInput:
    """One of {"number": "41"}, {"strokes": [...], "pen": 0.06, "digits": [...]} (strokes as `unpack_strokes` takes
    them, over the digits of a link), {"digits": [...]} alone, and {"pictures": [...]}. Raises BadRequest."""
    if not isinstance(side, dict):
        raise BadRequest("The page asked for something unknown; please reload it.")
    if "number" in side:
        return typed_number(side["number"])
    if "pictures" in side:
        return pictures(side["pictures"])
    strokes, under = unpack_strokes(side.get("strokes") or []), side.get("digits") or None
    if under is not None:
        under = digits(under)
    if not strokes:
        if under is None:
            raise EmptyDrawing("There is nothing on one of the pads yet; draw a number on each.")
        return under
    pen, cell = side.get("pen", Drawing.pen), side.get("cell", Drawing.cell)
    if not (is_number(pen) and is_number(cell) and 0 < cell <= 1):
        raise UnreadablePicture(BROKEN)
    return Drawing(strokes, float(pen), under, float(cell))


def typed_number(sent: Any) -> str:
    """A number from its field; spaces around it are forgiven. `MorphRequest` checks the rest."""
    if not isinstance(sent, str) or not sent.strip():
        raise BadRequest("Type a number of one to four digits on each side.")
    return sent.strip()


def listed(sent: Any) -> tuple[str, ...]:
    """Numbers separated by spaces or commas. `MorphRequest` checks each."""
    return tuple(sent.replace(",", " ").split()) if isinstance(sent, str) else ()


def digits(sent: Any) -> Tensor:
    """`(N, 1, 28, 28)` in [0, 1], to the bit what `ink_bytes` made of digits from a link."""
    try:
        ink = b"".join(base64.b64decode(one, validate=True) for one in sent[: MOST_PLACES + 1])
        stack = torch.frombuffer(bytearray(ink), dtype=torch.uint8).reshape(-1, 1, 28, 28)
    except (TypeError, ValueError, RuntimeError):
        raise UnreadablePicture(BROKEN) from None
    return stack.float() / 255


def pictures(sent: Any) -> list[bytes]:
    """The files of a side as data URLs; their content is checked when they are read."""
    if not sent:
        raise EmptyDrawing("Choose a picture of a number for each side.")
    if not isinstance(sent, list) or len(sent) > MOST_PLACES:
        raise UnreadablePicture(f"Choose at most {MOST_PLACES} pictures a side, one for each digit.")
    return [picture(one) for one in sent]


def picture(sent: Any) -> bytes:
    if not isinstance(sent, str) or len(sent) > LONGEST or not (head := PICTURE.match(sent)):
        raise UnreadablePicture(NO_PICTURE)
    try:
        return base64.b64decode(sent[head.end() :], validate=True)
    except ValueError:  # binascii.Error, or a letter that is not ASCII
        raise UnreadablePicture(NO_PICTURE) from None
