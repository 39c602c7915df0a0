"""What trainings and evaluations left, and how the page shows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from vae.evaluation import results, tables
from vae.ui.tabs import scoreboard

ROWS: list[dict[str, Any]] = [{"model": "mlp", "latents": 20, "nelbo": 100.5}, {"model": "<b>", "nelbo": None}]


def test_without_an_evaluation_the_tables_are_empty(tmp_path: Path) -> None:
    broken = tmp_path / "evaluation.json"
    broken.write_text("{")
    for path in (tmp_path / "none.json", broken):
        found = results.evaluation(path)
        assert found == {"models": [], "paths": [], "published": [], "settings": {}}
        assert "vae evaluate" in scoreboard.path_table(found) and "vae evaluate" in scoreboard.model_table(found)


def test_the_shipped_evaluation_becomes_two_tables() -> None:
    found = results.evaluation()
    paths, models = scoreboard.path_table(found), scoreboard.model_table(found)
    assert paths.count("<tr") == len(found["paths"]) + 1
    assert models.count("<tr") == len(found["models"]) + len(found["published"]) + 2
    assert 'class="best"' in paths and 'class="best"' in models and "n/a" not in paths + models


def test_a_table_escapes_aligns_and_dashes() -> None:
    made = scoreboard.table(ROWS, scoreboard.picked(tables.MODEL_COLUMNS, ("model", "latents", "nelbo")), "A")
    assert "&lt;b&gt;" in made and "<b>" not in made
    assert "<td>100.50</td>" in made and made.count("–") == 2  # noqa: RUF001
    assert '<th scope="col" class="text">model</th><th scope="col">latents</th>' in made


def test_headings_and_rows_are_in_plain_words() -> None:
    assert scoreboard.called("mlp: linear, raw") == "Classic VAE, straight"
    assert scoreboard.called("flagship: handwritten") == "Flagship, by handwriting"
    assert scoreboard.called("tiny") == "Tiny VAE"
    assert scoreboard.called("real digits") == "Real digits"
    made = scoreboard.path_table(results.evaluation())
    assert "linear, raw" not in made and "Flagship, by handwriting" in made
    assert "precision<small>lie among real digits; more is better</small></th>" in made
    columns = {column.key for column in (*tables.PATH_COLUMNS, *tables.MODEL_COLUMNS)}
    assert {*scoreboard.PATHS_SAID, *scoreboard.MODELS_SAID} <= columns


def test_addresses_are_links() -> None:
    column = tables.PUBLISHED_COLUMNS[-1]
    made = scoreboard.cell("Burda, https://arxiv.org/abs/1509.00519; more", column)
    assert made == 'Burda, <a href="https://arxiv.org/abs/1509.00519">arxiv.org/abs/1509.00519</a>; more'


def test_curves_are_read_and_other_files_left_out(tmp_path: Path) -> None:
    (tmp_path / "mlp.csv").write_text("epoch,train_total,validation_total\n1,200,220.5\n2,100,110\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    assert results.curves(tmp_path) == {"mlp": [(1, 200.0, 220.5), (2, 100.0, 110.0)]}


def test_every_shipped_training_makes_a_chart_within_its_box() -> None:
    for name, epochs in results.curves().items():
        made = scoreboard.chart(name, name, epochs)
        assert f"{len(epochs)} epochs" in made
        lines = re.findall(r'<path class="(?:train|validation)" d="M([^"]+)"', made)
        assert len(lines) == 2
        for line in lines:
            points = [tuple(map(float, point.split())) for point in line.split("L")]
            assert len(points) == len(epochs)
            assert all(scoreboard.LEFT <= x <= scoreboard.WIDTH - scoreboard.RIGHT for x, _ in points)
            assert scoreboard.TOP <= points[-1][1] <= scoreboard.HEIGHT - scoreboard.BOTTOM


@pytest.mark.parametrize("epochs", [[(1, 5.0, 5.0)], [(1, 300.0, 500.0), (2, 90.0, 91.0)]])
def test_short_and_steep_trainings_have_axes(epochs: list[tuple[int, float, float]]) -> None:
    made = [results.Epoch(*epoch) for epoch in epochs]
    low, high = scoreboard.span(made)
    assert low < min(e.validation for e in made) < high <= 1.6 * low
    assert "nan" not in scoreboard.chart("mlp", "mlp", made)
