"""The text that makes a morph again."""

from __future__ import annotations

import base64
import json
import zlib

import made_up
import pytest
import torch

from vae.errors import BadRequest
from vae.pipeline import Pipeline, default_pipeline
from vae.request import MorphRequest, read_numbers
from vae.ui import permalink


def stack(count: int, seed: int = 0) -> torch.Tensor:
    """Digits of which every pixel is one of the sixteen levels."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 16, (count, 1, 28, 28), generator=generator) / 15


def link_of(request: MorphRequest) -> str:
    return permalink.pack(request, read_numbers(request, default_pipeline(), permalink.quantised))


def test_typed_numbers_come_back() -> None:
    request = MorphRequest("32", "41", seed=9, steps=90, playback="bounce", hold=0.4)
    again = permalink.unpack(link_of(request))
    assert [getattr(again, name) for name in permalink.KEPT] == [getattr(request, name) for name in permalink.KEPT]
    assert (again.source, again.target) == ("32", "41")


def test_a_handwriting_comes_back(pipeline: Pipeline) -> None:
    for hand in ("own", "test"):
        request = MorphRequest(made_up.drawing("7"), "41", hand=hand, seed=3)
        again = permalink.unpack(link_of(request))
        assert (again.hand, again.target) == (hand, "41")
        readings = read_numbers(request, pipeline, permalink.quantised)
        for one, other in zip(readings, read_numbers(again, pipeline), strict=True):
            assert torch.equal(one.pictures, other.pictures)


def test_drawn_digits_come_back_to_the_bit() -> None:
    request = MorphRequest(stack(2), "7", via=(stack(4, 1),))
    again = permalink.unpack(link_of(request))
    assert torch.equal(again.source, stack(2)) and torch.equal(again.via[0], stack(4, 1))
    assert again.target == "7"


def test_a_link_gives_what_was_quantised() -> None:
    rough = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(2))
    quantised = permalink.quantised(rough)
    assert torch.equal(permalink.unpack(link_of(MorphRequest(rough, "7"))).source, quantised)
    assert float((quantised - rough).abs().max()) <= 0.5 / 15 + 1e-6


def packed(head: object, drawn: bytes = b"") -> str:
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(head).encode() + b"\0" + drawn)).decode()


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "x",
        "é" * 9,
        None,
        7,
        "A" * 20_000,
        packed({"v": 2, "n": ["1", "2"]}),
        packed({"v": 1, "n": ["1"]}),
        packed({"v": 1}),
        packed([]),
        packed({"v": 1, "n": ["1", "2"], "formats": ["avi"]}),
        packed({"v": 1, "n": [1, "2"]}),
        packed({"v": 1, "n": [9, "2"]}, bytes(9 * 392)),
        packed({"v": 1, "n": ["1", "2"]}, b"more"),
        packed({"v": 1, "n": ["1", "2"]}, bytes(10_000_000)),
        packed("[" * 5000),
    ],
)
def test_a_damaged_permalink_is_said(damaged: object) -> None:
    with pytest.raises(BadRequest, match="link"):
        permalink.unpack(damaged)


@pytest.mark.parametrize("wrong", [{"steps": 1e9}, {"path": "x"}, {"hold": "1"}, {"refine": 3}])
def test_options_in_a_permalink_are_checked_like_any(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        permalink.unpack(packed({"v": 1, "n": ["1", "2"], **wrong}))


def test_a_link_without_a_speed_keeps_the_even_one_and_the_turn_is_named() -> None:
    assert permalink.unpack(link_of(MorphRequest("3", "8"))).speed == "constant"
    old = packed({"v": 1, "n": ["3", "8"]})
    assert permalink.unpack(old).speed == "constant"
    assert permalink.unpack(link_of(MorphRequest("3", "8", speed="turn"))).speed == "turn"
