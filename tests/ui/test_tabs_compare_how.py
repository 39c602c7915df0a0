"""What the tabs Compare and How it works get from the server."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from test_codec import unpacked

from vae.errors import BadRequest
from vae.inspection.comparison import LINEUP
from vae.pipeline import Pipeline, default_pipeline
from vae.reading import read_number
from vae.request import MorphRequest, read_numbers
from vae.ui import permalink
from vae.ui.tabs import compare, how


def link_of(source: object, target: str, **options: object) -> str:
    request = MorphRequest(source, target, **options)  # type: ignore[arg-type]
    return permalink.pack(request, read_numbers(request, default_pipeline(), permalink.quantised))


def compared(link: str, pipeline: Pipeline) -> dict[str, Any]:
    return compare.compare({"permalink": link}, pipeline).run()


def explained(action: dict[str, Any], pipeline: Pipeline) -> dict[str, Any]:
    return how.explain(action, pipeline).run()


def test_the_page_has_a_place_for_every_entry_and_model(pipeline: Pipeline) -> None:
    page = compare.page_html(pipeline)
    assert "<!--" not in page and "${" not in page and "{{" not in page  # Gradio would fill those in
    for entry in LINEUP:
        assert f'data-key="{entry.key}"' in page
        assert compare.KINDS[entry.key]
    for preset in pipeline.presets:
        assert f'data-preset="{preset}"' in page
    assert page.count('class="chart"') == len(pipeline.presets)


def test_compare_answers_a_permalink_lightly(pipeline: Pipeline) -> None:
    made = compared(link_of("3", "8"), pipeline)
    assert made["title"] == "3 becomes 8" and made["places"] == 1
    assert [panel["key"] for panel in made["panels"]] == [entry.key for entry in LINEUP]
    assert all(len(panel["ribbon"]) == made["frames"] for panel in made["panels"])
    assert set(made["rebuilt"]) == set(pipeline.presets)
    films = unpacked(made["film"])
    assert films.shape == (len(LINEUP), made["frames"], 28 * 28)
    assert all(len(np.unique(one, axis=0)) > 10 for one in films)
    assert len(json.dumps(made)) < 80_000


def test_drawn_digits_and_numbers_of_other_lengths_are_compared(pipeline: Pipeline) -> None:
    made = compared(link_of(read_number("7", pipeline).pictures, "12"), pipeline)
    assert made["places"] == 2 and len(made["read"]) == 3
    assert all(len(panel["ribbon"]) == made["frames"] for panel in made["panels"])
    ribbons = {panel["key"]: panel["ribbon"] for panel in made["panels"]}
    for key in ("crossfade", "flagship"):  # whose ends are the digits as they were read
        first, last = ribbons[key][0], ribbons[key][-1]
        assert first[0] == 7 and first[1] > 0.8 and last[0] in (1, 2) and last[1] > 0.8


def test_answers_about_typed_numbers_may_be_kept_and_those_about_drawings_not(pipeline: Pipeline) -> None:
    drawn = link_of(read_number("7", pipeline).pictures, "1")
    for event in (compare.compare, how.explain):
        assert event({"permalink": link_of("4", "2")}, pipeline).is_public
        assert not event({"permalink": drawn}, pipeline).is_public


@pytest.mark.parametrize("wrong", [None, 3, "", "nonsense", {"permalink": 3}])
def test_what_is_no_permalink_is_said_in_a_sentence(wrong: object, pipeline: Pipeline) -> None:
    for event in (compare.compare, how.explain):
        for value in (wrong, {"permalink": wrong}):
            with pytest.raises(BadRequest, match="damaged"):
                event(value, pipeline)


def test_how_takes_one_digit_apart(pipeline: Pipeline) -> None:
    made = explained({"permalink": link_of("3", "8")}, pipeline)
    assert made["numbers"] == ["3", "8"] and made["way"] == "handwritten" and made["places"] == 1
    assert len(made["z"]) == len(made["path"]) == len(made["alpha"]) == made["frames"]
    assert all(len(z) == made["latents"] for z in made["z"])
    assert [end["digit"] for end in made["ends"]] == [3, 8]
    assert len(made["codes"]) == 2 and min(map(len, made["codes"])) > 50
    assert unpacked(made["film"]).shape == (1, made["frames"], 784)
    assert len(json.dumps(made)) < 80_000


def test_how_takes_the_digit_apart_that_is_asked_for(pipeline: Pipeline) -> None:
    both = link_of("132", "41", path="linear")
    digits = [[end["digit"] for end in explained({"permalink": both, "place": i}, pipeline)["ends"]] for i in (0, 1)]
    assert digits == [[3, 4], [2, 1]]
    assert explained({"permalink": both}, pipeline)["way"] == "linear"
    for place in (2, -1, "first", None, 0.5):
        with pytest.raises(BadRequest, match="place"):
            explained({"permalink": both, "place": place}, pipeline)


def test_a_digit_that_turns_into_its_like_has_one_cloud(pipeline: Pipeline) -> None:
    made = explained({"permalink": link_of("3", "3")}, pipeline)
    assert len(made["codes"]) == 1
