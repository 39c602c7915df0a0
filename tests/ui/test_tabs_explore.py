"""The Explore tab's answers, asked for as the page asks."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from test_codec import unpacked

from vae import weights
from vae.errors import BadRequest
from vae.inspection import latent_map
from vae.model import VAE
from vae.pipeline import Pipeline, default_pipeline
from vae.reading import read_number
from vae.request import MorphRequest, read_numbers
from vae.ui import permalink
from vae.ui.tabs import explore


def link_of(source: Any, target: Any, **options: Any) -> str:
    request = MorphRequest(source, target, **options)
    return permalink.pack(request, read_numbers(request, default_pipeline(), permalink.quantised))


def asked(action: Any, pipeline: Pipeline) -> dict[str, Any]:
    made = explore.Explorer(pipeline).work(action).run()
    json.dumps(made)  # as it goes to the page
    return made


@pytest.fixture(scope="module")
def chart(pipeline: Pipeline) -> dict[str, Any]:
    return asked({"ask": "map"}, pipeline)


def test_the_map_has_cells_readings_and_points(chart: dict[str, Any]) -> None:
    cells = latent_map.CELLS
    assert unpacked(chart["cells"]).shape == (cells, cells, 784)
    assert len(chart["across"]) == len(chart["up"]) == cells
    assert chart["up"][0] > chart["up"][-1]
    assert len(chart["points"]) == len(chart["labels"]) >= 1500
    assert {digit for row in chart["digits"] for digit in row} == set(range(10))
    assert chart["note"] == ""
    assert len(json.dumps(chart)) < 400_000


def test_points_of_other_weights_are_said_and_the_map_is_there(
    monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline
) -> None:
    def refused(model: VAE) -> None:
        raise weights.WeightsError("of other weights")

    monkeypatch.setattr(latent_map, "map_of", refused)
    monkeypatch.setattr(latent_map, "CELLS", 4)
    made = explore.Explorer(pipeline).chart
    assert made["points"] == [] and "other weights" in made["note"]


def test_a_morphs_trail_has_a_line_for_each_place_that_both_numbers_have(small_pipeline: Pipeline) -> None:
    text = link_of("32", "41", steps=6)
    lines = asked({"ask": "trail", "permalink": text}, small_pipeline)["lines"]
    assert torch.tensor(lines).shape == (2, 6, 2)
    three, longer = (read_number(n, small_pipeline).pictures for n in ("3", "41"))  # a link keeps 4 bits of each pixel
    longer, single = (link_of(three, to, steps=240) for to in (longer, longer[1:]))
    lines = torch.tensor(asked({"ask": "trail", "permalink": longer}, small_pipeline)["lines"])
    assert lines.shape == (1, explore.TRAIL, 2)
    alone = torch.tensor(asked({"ask": "trail", "permalink": single}, small_pipeline)["lines"])
    torch.testing.assert_close(lines[0, -1], alone[0, -1], atol=0.01, rtol=0)  # the 1 stands alone in both


def test_a_sheet_of_strips_starts_where_the_digit_is_and_goes_where_it_is_told(small_pipeline: Pipeline) -> None:
    first = asked({"ask": "sheet", "digit": 3, "seed": 4, "at": None}, small_pipeline)
    count = len(first["names"])
    assert unpacked(first["strips"]).shape == (count, len(first["values"]), 784)
    assert first["dimensions"] == 8
    moved = first["at"].copy()
    moved[0] = 1.0
    second = asked({"ask": "sheet", "digit": 3, "seed": 4, "at": moved}, small_pipeline)
    assert second["at"] == moved
    same, changed = (unpacked(sheet["strips"]) for sheet in (first, second))
    assert abs(same[0].astype(int) - changed[0]).max() <= 1  # its own strip stays, all others change
    assert (same[1] != changed[1]).any()


def test_ten_new_ones_and_ten_of_one_hand(small_pipeline: Pipeline) -> None:
    new = asked({"ask": "new", "digit": 1, "seed": 3}, small_pipeline)
    assert unpacked(new["cells"]).shape == (1, 10, 784)
    assert new["read"].count(1) >= 8
    hand = asked({"ask": "hand", "drawing": None, "digit": 3, "seed": 3}, small_pipeline)
    assert unpacked(hand["cells"]).shape == (1, 10, 784)
    assert hand["digit"] == 3 and not hand["drawn"]


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (None, "reload"),
        ({"ask": "secrets"}, "reload"),
        ({"ask": ["map"]}, "reload"),
        ({"ask": "new", "digit": 10}, "from 0 to 9"),
        ({"ask": "new", "digit": "7"}, "from 0 to 9"),
        ({"ask": "new", "digit": 7, "seed": float("nan")}, "seed"),
        ({"ask": "sheet", "digit": 3, "at": [1]}, "sliders"),
        ({"ask": "sheet", "digit": 3, "at": [float("inf")] * 8}, "sliders"),
        ({"ask": "sheet", "digit": 3, "at": "home"}, "sliders"),
        ({"ask": "hand", "drawing": {"strokes": "data:text/html,x"}}, "did not arrive whole"),
        ({"ask": "trail", "permalink": "nonsense"}, "link"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(action: Any, sentence: str, small_pipeline: Pipeline) -> None:
    with pytest.raises(BadRequest, match=sentence) as caught:
        asked(action, small_pipeline)
    assert str(caught.value).endswith(".")
