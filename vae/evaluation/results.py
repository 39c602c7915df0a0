"""Load stored evaluation results and training curves, by default those of the shipped models in docs/."""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

from vae.shipped import DOCS

EVALUATION = DOCS / "evaluation.json"  # written by: python -m vae evaluate --model all --data DIR --out docs
TRAINING = DOCS / "training"  # the metrics.csv of each shipped model's training, as PRESET.csv


class Epoch(NamedTuple):
    """Loss (reconstruction + KL) in nats a picture."""

    epoch: int
    train: float
    validation: float


def evaluation(path: Path = EVALUATION) -> dict[str, Any]:
    """The tables `models`, `paths`, `published` and the `settings` of an evaluation; empty without it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    tables = {name: found.get(name) or [] for name in ("models", "paths", "published")}
    return {**tables, "settings": found.get("settings") or {}}


def row_of(rows: list[dict[str, Any]], column: str, name: str) -> dict[str, Any]:
    """The row that has `name` in `column`; empty where there is none."""
    return next((row for row in rows if row.get(column) == name), {})


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics.csv. Raises TypeError or ValueError for a file that is none."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def curves(folder: Path = TRAINING) -> dict[str, list[Epoch]]:
    """The loss of every training in `folder`, by preset, epoch by epoch; a file that is none is left out."""
    found = {}
    for path in sorted(folder.glob("*.csv")):
        with contextlib.suppress(KeyError, TypeError, ValueError):
            rows = read_metrics(path)
            if rows:
                found[path.stem] = [
                    Epoch(int(row["epoch"]), row["train_total"], row["validation_total"]) for row in rows
                ]
    return found
