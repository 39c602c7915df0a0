"""What the trainings and evaluations of the shipped models left in docs/, read for whoever shows it."""

from __future__ import annotations

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


def curves(folder: Path = TRAINING) -> dict[str, list[Epoch]]:
    """The loss of every training in `folder`, by preset, epoch by epoch; a file that is none is left out."""
    found = {}
    for path in sorted(folder.glob("*.csv")):
        try:
            with path.open(newline="", encoding="utf-8") as file:
                epochs = [
                    Epoch(int(row["epoch"]), float(row["train_total"]), float(row["validation_total"]))
                    for row in csv.DictReader(file)
                ]
        except (KeyError, TypeError, ValueError):
            continue
        if epochs:
            found[path.stem] = epochs
    return found
