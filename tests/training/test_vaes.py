import math
from dataclasses import replace
from pathlib import Path

import made_up
import pytest
from small_models import SMALL, small

from vae.model import PRESETS
from vae.training.data import Splits
from vae.training.loop import Run
from vae.training.vaes import RECIPES, VAETrainConfig, fit_vae

PICTURES = made_up.digits(72)
SPLITS = Splits(PICTURES[:60], PICTURES[60:], PICTURES[60:])


def test_the_kl_term_warms_up() -> None:
    config = VAETrainConfig(kl_warmup=2.0, kl_weight=0.5)
    assert [config.beta(step, per_epoch=10) for step in (0, 9, 19, 500)] == [0.025, 0.25, 0.5, 0.5]
    assert replace(config, kl_warmup=0.0).beta(0, 10) == 0.5


@pytest.mark.parametrize("preset", SMALL)
def test_every_model_learns(preset: str, tmp_path: Path) -> None:
    recipe = VAETrainConfig(epochs=8, batch_size=20, lr=2e-3, redraw=0.3, binarise=0.3)
    rows = fit_vae(Run(small(preset), recipe, SPLITS, tmp_path, device="cpu"))
    assert rows[-1]["train_total"] < rows[0]["train_total"] - 5
    assert (rows[-1]["train_kl"] == 0) == (preset == "autoencoder")
    assert all(math.isfinite(value) for row in rows for value in row.values())


def test_every_recipe_is_of_a_model() -> None:
    assert RECIPES.keys() == PRESETS.keys()
