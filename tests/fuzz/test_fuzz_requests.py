"""Whatever a request says, it is one that can be carried out, or the visitor reads one sentence."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from values import ANYTHING, JSON, mutated, refused_at_most

from vae import video
from vae.drawing import HEIGHT, Drawing, rasterise
from vae.errors import BadRequest
from vae.model import PRESETS
from vae.morphing import PathName, Speed
from vae.pipeline import Pipeline
from vae.reading import Reading, checked
from vae.render import STYLES
from vae.request import MOST_FRAMES, Handwriting, MorphRequest, is_number, one_of, whole
from vae.ui import permalink, sides
from vae.ui.tabs import explore, morph
from vae.video import Playback

NUMBERS = st.text("0123456789", min_size=1, max_size=4)
INK = st.integers(1, 4).flatmap(
    lambda n: st.integers(0, 2**32 - 1).map(
        lambda seed: permalink.quantised(torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed)))
    )
)
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "steps": st.integers(2, 240),
    "seed": st.integers(0, 2**31 - 1),
    "path": st.sampled_from(get_args(PathName)),
    "speed": st.sampled_from(get_args(Speed)),
    "refine": st.booleans(),
    "fps": st.integers(1, 60),
    "size": st.integers(56, 1024),
    "style": st.sampled_from(sorted(STYLES)),
    "playback": st.sampled_from(get_args(Playback)),
    "hold": st.floats(0, 3),
    "model": st.none() | st.sampled_from(sorted(PRESETS)),
    "hand": st.sampled_from(get_args(Handwriting)),
}
FIELDS = {name: good | ANYTHING for name, good in GOOD.items()} | {
    "via": st.lists(NUMBERS | INK, max_size=23) | st.lists(ANYTHING, max_size=30) | ANYTHING,
    "formats": st.lists(st.sampled_from(sorted(video.FORMATS)), max_size=8) | st.lists(ANYTHING) | ANYTHING,
}
SIDES = NUMBERS | INK | ANYTHING


@given(SIDES, SIDES, st.fixed_dictionaries({}, optional=FIELDS))
def test_a_request_is_sound_or_refused(source: Any, target: Any, options: dict[str, Any]) -> None:
    with refused_at_most(BadRequest):
        request = MorphRequest(source, target, **options)
        assert 2 <= request.frames <= MOST_FRAMES and 0 < request.seconds < 60
        assert isinstance(request.steps, int) and isinstance(request.seed, int) and 56 <= request.size <= 1024
        assert set(request.formats) <= set(video.FORMATS) and len(request.sides) <= 24


@given(ANYTHING, st.integers(), st.integers())
def test_whole_numbers(value: Any, least: int, most: int) -> None:
    try:
        found = whole("The number", value, least, most)
    except BadRequest:
        return
    assert isinstance(found, int) and is_number(value) and found == value and least <= found <= most


@given(ANYTHING, st.lists(st.text(max_size=8), max_size=5))
def test_names(value: Any, known: list[str]) -> None:
    try:
        assert one_of("path", value, known) in known
    except BadRequest:
        assert value not in known or not isinstance(value, str)


DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int64, torch.bool]


@given(
    st.lists(st.integers(0, 5), max_size=5) | st.integers(0, 6).map(lambda n: [n, 1, 28, 28]),
    st.sampled_from([*DTYPES, torch.complex64]),
    st.sampled_from([0.0, 0.5, 1.0, -1.0, 2.0, float("nan"), float("inf")]),
)
@example([1, 1, 28, 28], torch.complex64, 0.5)
def test_stacks_of_digits(shape: list[int], dtype: torch.dtype, value: float) -> None:
    if not dtype.is_floating_point and not dtype.is_complex:
        value = float(value == 1)
    with refused_at_most(BadRequest):
        side = checked(torch.full(shape, value, dtype=dtype))
        assert side.shape[1:] == (1, 28, 28) and float(side.min()) >= 0 and float(side.max()) <= 1


@given(ANYTHING)
def test_typed_numbers(value: Any) -> None:
    with refused_at_most(BadRequest):
        assert not isinstance(number := checked(value), str) or (number.isdecimal() and number.isascii())
    with refused_at_most(BadRequest):
        sides.typed_number(value)
    assert all(isinstance(one, str) for one in sides.listed(value))


# --- permalinks ---


def packed(head: bytes, drawn: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(head + b"\0" + drawn)).decode().rstrip("=")


def reading(side: Any) -> Reading:
    if isinstance(side, str):
        return Reading(torch.zeros(len(side), 1, 28, 28), (0,), (1.0,), side)
    return Reading(side, (0,) * len(side), (1.0,) * len(side))


@given(st.lists(NUMBERS | INK, min_size=2, max_size=6), st.fixed_dictionaries({}, optional=GOOD))
def test_a_permalink_gives_its_request_again(sides: list[Any], options: dict[str, Any]) -> None:
    request = MorphRequest(sides[0], sides[-1], via=tuple(sides[1:-1]), formats=(), **options)
    again = permalink.unpack(permalink.pack(request, [reading(side) for side in request.sides]))
    for one, other in zip(request.sides, again.sides, strict=True):
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    assert all(getattr(request, name) == getattr(again, name) for name in permalink.KEPT if name != "read_as")
    drawn = ["" if isinstance(side, str) else "0" * len(side) for side in request.sides]
    assert again.read_as == (tuple(drawn) if any(drawn) else ())


REAL = st.tuples(NUMBERS | INK, NUMBERS).map(
    lambda ends: permalink.pack(MorphRequest(*ends, hold=0.5), [reading(side) for side in ends])
)


@given(JSON | REAL | mutated(REAL.map(str.encode)).map(lambda link: link.decode("latin-1")))
def test_any_text_is_a_permalink_or_none(link: Any) -> None:
    with refused_at_most(BadRequest):
        permalink.unpack(link)


HEADS = st.fixed_dictionaries(
    {"v": st.just(1) | JSON, "n": st.lists(NUMBERS | st.integers(-1, 5) | JSON, max_size=30) | JSON},
    optional={**{name: good | JSON for name, good in GOOD.items()}, "more": JSON},
)


@given(HEADS | JSON, st.binary(max_size=900) | st.integers(0, 200).map(lambda n: bytes(392 * n)))
@example({"v": 1, "n": ["1"] * 9_000}, b"")
def test_any_content_of_a_permalink(head: Any, drawn: bytes) -> None:
    with refused_at_most(BadRequest):
        permalink.unpack(packed(json.dumps(head).encode(), drawn))


@given(mutated(st.just(b'{"v":1,"n":["3",1],"hold":0.5}')), st.binary(max_size=400))
@example(b"[" * 60_000, b"")
@example(b'{"v":1,"n":' + b"[" * 900 + b"]" * 900 + b"}", b"")
@example(b'{"v":1,"n":["3","8"],"seed":' + b"9" * 30_000 + b"}", b"")
def test_a_permalink_whose_json_is_none(head: bytes, drawn: bytes) -> None:
    with refused_at_most(BadRequest):
        permalink.unpack(packed(head, drawn))


# --- what the page's own events get ---

STROKE = st.binary(max_size=60).map(lambda data: base64.b64encode(data).decode())
WHOLE = st.lists(st.integers(-(2**15), 2**15 - 1), min_size=3, max_size=30).map(
    lambda numbers: base64.b64encode(np.array(numbers[: len(numbers) // 3 * 3], "<i2").tobytes()).decode()
)
DRAWN = st.binary(max_size=60).map(lambda data: "data:image/png;base64," + base64.b64encode(data).decode())
STACK = st.lists(st.binary(min_size=784, max_size=784).map(lambda ink: base64.b64encode(ink).decode()), max_size=6)
PICTURES = st.lists(
    st.sampled_from(["png", "jpeg", "gif"]).map("data:image/{};base64,AAAA".format) | JSON | DRAWN, max_size=6
)
PAD = st.fixed_dictionaries(
    {"strokes": st.lists(STROKE | WHOLE, max_size=5) | JSON},
    optional={"pen": st.floats() | JSON, "cell": st.floats() | JSON, "digits": STACK | JSON},
)
SIDE = (
    PAD
    | st.fixed_dictionaries({"digits": STACK | JSON})
    | st.fixed_dictionaries({"pictures": PICTURES | JSON})
    | st.fixed_dictionaries({"number": JSON | NUMBERS})
    | JSON
)


@given(SIDE)
def test_sides(sent: Any) -> None:
    with refused_at_most(BadRequest):
        found = sides.number_from(sent)
        if isinstance(found, Drawing):
            assert HEIGHT <= rasterise(found).shape[0] <= 2 * HEIGHT
        elif isinstance(found, torch.Tensor):
            checked(found)


@given(
    st.fixed_dictionaries({"source": SIDE, "target": SIDE}, optional=dict.fromkeys(("via", *morph.MADE_BY), JSON))
    | JSON
)
def test_values_of_the_page(value: Any) -> None:
    with refused_at_most(BadRequest):
        morph.request_of(value)


@pytest.fixture(scope="module")
def explorer(pipeline: Pipeline) -> explore.Explorer:
    return explore.Explorer(pipeline)


ACTIONS = st.fixed_dictionaries(
    {"ask": st.sampled_from(["map", "trail", "sheet", "new", "hand"]) | JSON},
    optional={
        "permalink": REAL | JSON,
        "digit": st.integers(0, 9) | JSON,
        "seed": st.integers(0, 2**31) | JSON,
        "at": st.lists(st.floats() | JSON, min_size=20, max_size=32) | JSON,
        "drawing": SIDE,
    },
)


@given(ACTIONS | JSON)
@example({"ask": "sheet", "digit": 3, "at": [10**400] * 24})
@example({"ask": "sheet", "digit": 3, "at": [1e308, -1e308] * 12})
def test_actions_of_explore(explorer: explore.Explorer, action: Any) -> None:
    with refused_at_most(BadRequest):
        assert json.dumps(explorer.work(action).run(), allow_nan=False)
