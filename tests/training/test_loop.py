import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import made_up
import pytest
import torch
from small_models import small
from torch import Tensor, nn

from vae import weights
from vae.evaluation.likelihoods import elbo_terms
from vae.evaluation.results import read_metrics
from vae.training import loop, vaes
from vae.training.data import Splits
from vae.training.loop import Run, TrainConfig
from vae.training.vaes import VAETrainConfig, fit_vae

PICTURES = made_up.digits(72)
SPLITS = Splits(PICTURES[:60], PICTURES[60:], PICTURES[60:])
RECIPE = VAETrainConfig(epochs=3, batch_size=20, lr=2e-3, redraw=0.3, binarise=0.3)  # 3 steps an epoch
TERMS = [f"{half}_{term}" for half in ("train", "validation") for term in ("reconstruction", "kl", "total")]


def train(out: Path, preset: str = "mlp", recipe: VAETrainConfig = RECIPE, resume: bool = False) -> list[dict]:
    return fit_vae(Run(small(preset), recipe, SPLITS, out, device="cpu", resume=resume))


def stop_before(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is written to the checkpoint, and the run is interrupted within step number `step`."""
    record = Run.record

    def stopping(run: Run, terms: list[float]) -> None:
        if run.step == step:
            raise KeyboardInterrupt
        record(run, terms)

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(Run, "record", stopping)


def test_the_rate_is_a_trapezoid() -> None:
    config = TrainConfig(epochs=10, lr=2.0, lr_warmup=1.0, lr_decay=0.4)
    rates = [config.rate(step, per_epoch=10) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9:61] == [2.0] * 52
    assert rates[80] == pytest.approx(1.0)
    assert rates[99] > rates[100] == 0


def test_a_run_leaves_its_figures_and_its_best_weights(tmp_path: Path) -> None:
    rows = train(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"model.safetensors", "metrics.csv", "checkpoint.pt"}
    with (tmp_path / "metrics.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["epoch", "seconds", "lr", "beta", *TERMS]
    read = read_metrics(tmp_path / "metrics.csv")
    assert [row["epoch"] for row in read] == [1, 2, 3]
    for row, wrote in zip(read, rows, strict=True):
        assert row == pytest.approx(wrote, abs=1e-5)
        for half in ("train", "validation"):
            terms = row[f"{half}_reconstruction"] + row[f"{half}_kl"]
            assert row[f"{half}_total"] == pytest.approx(terms, abs=1e-4)
    kept = sum(elbo_terms(weights.load(tmp_path), SPLITS.validation))
    assert kept == pytest.approx(min(row["validation_total"] for row in read), abs=1e-3)


def test_weights_that_got_worse_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    totals = iter([(50.0, 5.0), (40.0, 5.0), (60.0, 5.0)])
    monkeypatch.setattr(vaes, "elbo_terms", lambda *_, **__: next(totals))
    train(tmp_path)
    metadata = weights.read_tensors(tmp_path / "model.safetensors")[1]
    assert '"epoch": 2' in metadata["training"]


@pytest.mark.parametrize("preset", ["mlp", "flagship"])
@pytest.mark.parametrize("step", [1, 3, 5])  # within an epoch, at its beginning, before its last step
def test_a_resumed_run_is_the_uninterrupted_one(preset: str, step: int, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    rows = train(whole, preset)
    with pytest.MonkeyPatch.context() as patch:
        stop_before(step, patch)
        with pytest.raises(KeyboardInterrupt):
            train(broken, preset)
    resumed = train(broken, preset, resume=True)
    for a, b in zip(rows, resumed, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
    assert same_weights(whole, broken)


def test_killed_while_validating_no_epoch_is_lost(tmp_path: Path) -> None:
    rows = train(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "CHECKPOINT_SECONDS", -1)
        patch.setattr(vaes, "elbo_terms", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "broken")
    resumed = train(tmp_path / "broken", resume=True)
    assert [row["train_total"] for row in resumed] == [row["train_total"] for row in rows]
    assert same_weights(tmp_path / "whole", tmp_path / "broken")


def interrupt(*_: object, **__: object) -> tuple[float, float]:
    raise KeyboardInterrupt


def same_weights(a: Path, b: Path) -> bool:
    found, wanted = (weights.read_tensors(out / "model.safetensors")[0] for out in (a, b))
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_seed_makes_the_run(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(tmp_path / name, recipe=replace(RECIPE, seed=seed))
    assert same_weights(tmp_path / "a", tmp_path / "b")
    assert not same_weights(tmp_path / "a", tmp_path / "c")


def test_a_run_can_be_lengthened(tmp_path: Path) -> None:
    train(tmp_path)
    rows = train(tmp_path, recipe=replace(RECIPE, epochs=5), resume=True)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]


def test_only_a_run_of_the_same_model_is_resumed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        train(tmp_path, resume=True)
    train(tmp_path)
    with pytest.raises(ValueError, match="of another model"):
        train(tmp_path, "tiny", resume=True)
    with pytest.raises(ValueError, match="other data or another --batch-size"):
        train(tmp_path, recipe=replace(RECIPE, batch_size=60), resume=True)


@pytest.mark.parametrize("name", ["model", "ema", "optimiser", "seconds", "rows"])
def test_a_checkpoint_whose_parts_do_not_fit_is_damaged(name: str, tmp_path: Path) -> None:
    train(tmp_path)
    path = tmp_path / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    torch.save({**state, name: None if name in ("seconds", "rows") else {}}, path)
    with pytest.raises(ValueError, match=r"checkpoint\.pt is damaged"):
        train(tmp_path, resume=True)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    model = small()
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="step 0: lower --lr"):
        fit_vae(Run(model, RECIPE, SPLITS, tmp_path, device="cpu"))


def test_fewer_pictures_than_a_batch_are_one_batch(tmp_path: Path) -> None:
    rows = train(tmp_path, recipe=replace(RECIPE, batch_size=500))
    assert len(rows) == 3


def test_the_average_forgets_its_beginning_and_then_moves_slowly() -> None:
    def after(steps: int) -> float:
        old, new = [torch.zeros(1), torch.zeros((), dtype=torch.long)], [torch.ones(1), torch.tensor(steps)]
        for count in range(1, steps):
            average(old, new, count)
        assert int(old[1]) == steps  # a counter is copied
        return float(old[0])

    average: Callable[[list[Tensor], list[Tensor], int], None] = loop.moving_average(0.99)
    by_hand = 1 - math.prod(min(0.99, (1 + n) / (10 + n)) for n in range(1, 10))
    assert after(10) == pytest.approx(by_hand)
    assert by_hand > 0.99
    old = [torch.zeros(1)]
    average(old, [torch.ones(1)], 10_000)
    assert float(old[0]) == pytest.approx(0.01, abs=1e-6)


def test_only_matrices_and_kernels_decay() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    decayed, others = loop.parameter_groups(net, 0.1)
    assert decayed["weight_decay"] == 0.1
    assert others["weight_decay"] == 0
    assert [p.ndim for p in decayed["params"]] == [4, 2]
    assert [p.ndim for p in others["params"]] == [1, 1, 1, 1]


def test_a_device_is_taken_as_it_is_named() -> None:
    assert loop.device_named("cpu").type == "cpu"
    assert loop.device_named("auto").type in ("cpu", "cuda", "mps")
