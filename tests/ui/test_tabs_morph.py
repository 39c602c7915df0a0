"""The request that the page's values make."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
import torch

from vae.drawing import Drawing
from vae.errors import BadRequest, EmptyDrawing
from vae.pipeline import Pipeline
from vae.request import MorphRequest, read_numbers
from vae.ui import permalink
from vae.ui.downloads import file, reopen
from vae.ui.player import ink_bytes
from vae.ui.tabs.morph import morph, request_of

PNG = {"pictures": ["data:image/png;base64," + base64.b64encode(b"a picture").decode()]}


def packed(*points: tuple[int, int, int]) -> str:
    return base64.b64encode(np.array(points, "<i2").tobytes()).decode()


ONE = {"strokes": [packed((0, 150, 0), (-10, 500, 20), (0, 850, 40))], "pen": 0.06}


def asked(source: Any, target: Any, **options: Any) -> MorphRequest:
    return request_of({"source": source, "target": target, **options})


def test_a_side_is_drawn_typed_or_uploaded() -> None:
    request = asked(ONE, {"number": " 41 "}, seed=3, hand="test", steps=30, via="7, 8")
    assert isinstance(request.source, Drawing) and request.source.pen == 0.06
    np.testing.assert_allclose(request.source.strokes[0][1], (-0.01, 0.5, 80))
    assert request.sides[1:] == ("7", "8", "41")
    assert (request.seed, request.hand, request.steps) == (3, "test", 30)
    assert asked({"number": "41"}, PNG).sides == ("41", [b"a picture"])


def test_digits_of_a_link_stay_as_they_are() -> None:
    digits = torch.randint(0, 16, (3, 1, 28, 28), generator=torch.Generator().manual_seed(0)) / 15
    sent = {"digits": [ink_bytes(digit) for digit in digits]}
    request = asked(sent, PNG)
    assert torch.equal((request.source * 15).round() / 15, digits)
    torch.testing.assert_close(request.source, digits)
    over = asked({**ONE, **sent, "cell": 0.4}, PNG).source
    assert isinstance(over, Drawing) and over.cell == 0.4 and over.under is not None and len(over.under) == 3


@pytest.mark.parametrize(
    "sent",
    [
        [],
        "4",
        None,
        PNG["pictures"][0],
        {"number": ""},
        {"number": None},
        {"number": "4x"},
        {"digits": "4"},
        {"digits": [None]},
        {"digits": ["AAAA"]},
        {"digits": ["é"]},
        {"digits": [base64.b64encode(bytes(784)).decode()] * 5},
        {"strokes": "x"},
        {"strokes": ["x"]},
        {"strokes": [""]},
        {"strokes": [base64.b64encode(b"four").decode()]},
        {"strokes": [packed((0, 0, 0))] * 401},
        {**ONE, "pen": float("nan")},
        {**ONE, "cell": "wide"},
        {"pictures": [PNG["pictures"][0] + "é"]},
        {"pictures": PNG["pictures"] * 5},
    ],
    ids=lambda sent: repr(sent)[:60],
)
def test_what_is_no_number_is_said(sent: Any) -> None:
    with pytest.raises(BadRequest, match=r"\.$"):
        asked(PNG, sent)


@pytest.mark.parametrize("nothing", [{}, {"strokes": []}, {"digits": []}, {"pictures": []}])
def test_an_empty_side_is_said(nothing: Any) -> None:
    with pytest.raises(EmptyDrawing, match=r"nothing on one of the pads|Choose a picture"):
        asked(nothing, PNG)


def test_a_morph_of_typed_numbers_may_be_kept_and_that_of_a_drawing_not(small_pipeline: Pipeline) -> None:
    typed = {"source": {"number": "3"}, "target": {"number": "8"}}
    assert morph(typed, small_pipeline).is_public
    assert not morph({**typed, "target": ONE}, small_pipeline).is_public


def test_a_drawn_morph_comes_back_by_its_permalink_in_any_look(pipeline: Pipeline) -> None:
    made = morph({"source": ONE, "target": {"number": "8"}, "steps": 20, "seed": 5}, pipeline).run()
    assert [side["number"] for side in made["sides"]] == ["1", "8"] and made["stops"] == [0, 19]
    again = reopen({"permalink": made["permalink"]}, pipeline).run()
    assert again["morph"] == made
    assert {name: again["fields"][name] for name in ("source", "target", "steps", "seed", "playback")} == {
        "source": None,
        "target": "8",
        "steps": 20,
        "seed": 5,
        "playback": "bounce",
    }
    saved = file({"permalink": made["permalink"], "format": "png", "style": "chalk", "size": 64}, pipeline).run()
    usual = file({"permalink": made["permalink"], "format": "png", "size": 64}, pipeline).run()
    assert saved.name == "1-to-8.png" and saved.kind == "image/png" and saved.data != usual.data


def test_the_look_of_an_old_link_does_not_outlive_a_choice(pipeline: Pipeline) -> None:
    chalk = MorphRequest("3", "8", style="chalk", steps=5, formats=())
    link = permalink.pack(chalk, read_numbers(chalk, pipeline))
    assert reopen({"permalink": link}, pipeline).run()["fields"]["style"] == "chalk"
    saved = {"permalink": link, "format": "png"}
    assert file({**saved, "style": "ink"}, pipeline).run().data != file(saved, pipeline).run().data
