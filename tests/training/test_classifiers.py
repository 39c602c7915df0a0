from dataclasses import replace
from pathlib import Path

import made_up
import pytest
import torch
import torch.nn.functional as F

from vae.classifier import Classifier, ClassifierConfig, load_classifier
from vae.evaluation.results import read_metrics
from vae.training import data
from vae.training.classifiers import ClassifierTrainConfig, calibration, fit_classifier, logits_of, scribbles
from vae.training.loop import Run

PICTURES = made_up.digits(240)
SPLITS = data.Splits(PICTURES[:200], PICTURES[200:], PICTURES[200:])
RECIPE = ClassifierTrainConfig(epochs=3, batch_size=20, lr=1e-2, ema=0.8, jitter=0.5, shift=0.5, scribbles=0.1)


def small(kind: str = "reader") -> Classifier:
    torch.manual_seed(0)
    architecture = "strided" if kind == "reader" else "pooled"
    return Classifier(ClassifierConfig(kind, architecture, (6, 8, 12), 16))


def train(out: Path, recipe: ClassifierTrainConfig = RECIPE, resume: bool = False) -> list[dict[str, float]]:
    return fit_classifier(Run(small(), recipe, SPLITS, out, device="cpu", resume=resume))


@pytest.mark.parametrize("kind", ("reader", "judge"))
def test_it_learns(kind: str, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=6, jitter=0.0, scribbles=0.0)
    rows = fit_classifier(Run(small(kind), recipe, SPLITS, tmp_path, device="cpu"))
    assert len(rows) == recipe.epochs
    assert min(row["validation_error"] for row in rows) < 0.2  # chance is 0.9
    kept = load_classifier(tmp_path)
    error = float((logits_of(kept, SPLITS.validation).argmax(1) != SPLITS.validation.labels).float().mean())
    assert error == pytest.approx(min(row["validation_error"] for row in rows))
    assert kept.config.kind == kind
    assert [row["epoch"] for row in read_metrics(tmp_path / "metrics.csv")] == [1, 2, 3, 4, 5, 6]


def test_kept_weights_are_calibrated(tmp_path: Path) -> None:
    rows = train(tmp_path)
    logits = logits_of(load_classifier(tmp_path), SPLITS.validation)
    best = min(rows, key=lambda row: (row["validation_error"], row["validation_nats"]))
    nats = float(F.cross_entropy(logits, SPLITS.validation.labels))
    assert nats == pytest.approx(best["validation_nats"], rel=1e-3)


def test_a_resumed_run_ends_as_one_never_stopped(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")

    class Stopped(Exception):
        pass

    def stop_in_the_second(self: ClassifierTrainConfig, step: int, per_epoch: int) -> float:
        if step == per_epoch + 3:
            raise Stopped
        return original(self, step, per_epoch)

    original = ClassifierTrainConfig.rate
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(ClassifierTrainConfig, "rate", stop_in_the_second)
        train(tmp_path / "half")
    rows = train(tmp_path / "half", resume=True)
    for a, b in zip(whole, rows, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
    one, other = (load_classifier(tmp_path / name).state_dict() for name in ("whole", "half"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    once = replace(RECIPE, epochs=1)
    train(tmp_path / "a", once)
    train(tmp_path / "b", replace(once, seed=7))
    a, b = (load_classifier(tmp_path / name).head.weight for name in "ab")
    assert not torch.equal(a, b)


def test_calibration_finds_the_temperature_that_was_put_in() -> None:
    torch.manual_seed(0)
    logits = 3 * torch.randn(20_000, 10)
    labels = torch.distributions.Categorical(logits=logits).sample()
    temperature, nats = calibration(logits * 2, labels)
    assert temperature == pytest.approx(2.0, rel=0.06)
    assert nats == pytest.approx(float(F.cross_entropy(logits, labels)), abs=1e-3)


def test_scribbles_are_ink_and_seeded() -> None:
    x = data.as_floats(PICTURES.images[:50])
    one, same, other = (scribbles(x, 40, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert one.shape == (40, 1, 28, 28)
    assert one.min() >= 0
    assert one.max() <= 1
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.sum() > 1.5 * x[:40].sum()  # several digits over each other
