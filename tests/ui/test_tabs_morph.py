"""The request that the page's values make."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import torch

from vae.errors import BadRequest, EmptyDrawing
from vae.request import MorphRequest
from vae.ui.options import NAMES
from vae.ui.player import ink_bytes
from vae.ui.tabs.morph import request_of

PNG = "data:image/png;base64," + base64.b64encode(b"a picture").decode()
DEFAULTS = [60, 30, "auto", "constant", "bounce", "ink", 512]


def asked(source: Any, target: Any, mode: str = "draw", seed: int = 0, hand: str = "own") -> MorphRequest:
    assert len(NAMES) == len(DEFAULTS)
    return request_of(mode, source, target, "", "", "", seed, hand, *DEFAULTS)


def test_a_side_is_drawn_or_typed() -> None:
    request = asked(PNG, {"number": " 41 "}, seed=3, hand="test")
    assert request.sides == (b"a picture", "41")
    assert (request.seed, request.hand) == (3, "test")
    assert asked({"number": "41"}, [PNG], mode="upload").sides == ("41", [b"a picture"])


def test_digits_of_a_link_stay_as_they_are() -> None:
    digits = torch.randint(0, 16, (3, 1, 28, 28), generator=torch.Generator().manual_seed(0)) / 15
    request = asked([ink_bytes(digit) for digit in digits], PNG)
    assert torch.equal((request.source * 15).round() / 15, digits)
    torch.testing.assert_close(request.source, digits)


@pytest.mark.parametrize(
    "sent",
    [
        [],
        ["x"],
        [None],
        [3],
        ["AAAA"],
        ["é"],
        [base64.b64encode(bytes(784)).decode()] * 5,
        [["a"]],
        {"number": ""},
        {"number": None},
        {"number": "4x"},
        {"digits": "4"},
        {},
        "4",
        PNG + "é",
    ],
    ids=repr,
)
def test_what_is_no_number_is_said(sent: Any) -> None:
    with pytest.raises(BadRequest, match=r"\.$"):
        asked(PNG, sent)


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_pad_is_said(nothing: Any) -> None:
    with pytest.raises(EmptyDrawing, match="nothing on one of the pads"):
        asked(nothing, PNG)
