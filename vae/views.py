"""Views of what a model has learnt."""

from pathlib import Path


def save_run_pictures(model, splits, rows, out: Path) -> None:
    pass
