"""Where the files that ship with the program lie: in the source tree, or inside the installed package."""

from pathlib import Path

_INSTALLED = Path(__file__).parent / "assets"  # where a wheel has them; see pyproject.toml
_ROOT = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).resolve().parents[1]

WEIGHTS = _ROOT / "weights"
DOCS = _ROOT / "docs"  # what evaluation and training left: evaluation.json, training/PRESET.csv
