import json
from dataclasses import replace
from pathlib import Path

import made_up
import pytest
import torch
from torch import Tensor

from vae import __main__, weights
from vae.classifier import Classifier, ClassifierConfig
from vae.errors import WeightsError
from vae.evaluation import evaluate, tables
from vae.evaluation.evaluate import Extent, decode_mflop, methods_of, model_figures
from vae.evaluation.scoreboard import Reals
from vae.model import VAE, build
from vae.training import bank_builder
from vae.training.data import Pictures, as_floats, load_splits

FEW = Extent(images=30, binarised=4, importance=20, samples=30, reals=60, pairs=5, seeds=2)


@pytest.fixture(scope="module")
def judge() -> Classifier:
    torch.manual_seed(0)
    return Classifier(ClassifierConfig("judge", "pooled", (4, 6, 8), 10)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    made_up.write_mnist(folder, made_up.digits(100), made_up.digits(40, seed=1))
    return folder


def test_mflop_of_a_decode_are_two_a_weight() -> None:
    model = build("mlp", widths=(400,), latent_dim=20)
    assert decode_mflop(model) == pytest.approx(2 * (20 * 400 + 400 * 784) / 1e6)


def test_evaluate_writes_both_tables(
    small: VAE, data_dir: Path, tmp_path: Path, judge: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIGIT_MORPH_SKETCHES", raising=False)
    monkeypatch.setattr(evaluate, "load_classifier", lambda _: judge)
    plain = tmp_path / "plain.safetensors"
    weights.save(build("autoencoder", widths=(2, 3), hidden=8), plain)
    names = [str(small.path), str(plain)]
    found = evaluate.evaluate_models(names, data_dir, FEW)
    tables.write(found, tmp_path / "out")
    first, second = found["models"]
    assert first["nelbo"] == pytest.approx(first["reconstruction"] + first["kl"])
    assert first["iw"] <= first["elbo"]
    assert 1 <= first["active"] <= 8
    assert first["noisy_mse"] > first["mse"] > 0
    assert first["decode_ms"] > 0
    assert second["nelbo"] is None and second["iw"] is None and second["kl"] is None
    assert [row["frames"] for row in found["paths"]][:2] == ["real digits", "pixel crossfade"]

    stored = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert stored == json.loads(json.dumps(found))
    page = (tmp_path / "out" / "evaluation.md").read_text()
    assert f"{first['nelbo']:.2f}" in page
    assert "n/a" in page
    assert "VampPrior" in page
    assert "autoencoder" not in page.split("# Paths")[0].split("Published")[0].split("- Grey")[1]


def test_the_command_prints_what_it_writes(
    small: VAE,
    data_dir: Path,
    tmp_path: Path,
    judge: Classifier,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(evaluate, "QUICK", FEW)
    monkeypatch.setattr(evaluate, "load_classifier", lambda _: judge)
    __main__.main(f"evaluate --weights {small.path} --data {data_dir} --quick --out {tmp_path / 'o'}".split())
    printed = capsys.readouterr().out
    assert (tmp_path / "o" / "evaluation.md").read_text().strip() in printed
    assert "pixel crossfade" in printed


def test_paths_alone_are_scored_and_the_models_kept(
    small: VAE, data_dir: Path, tmp_path: Path, judge: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIGIT_MORPH_SKETCHES", raising=False)
    monkeypatch.setattr(evaluate, "QUICK", replace(FEW, seeds=1))
    monkeypatch.setattr(evaluate, "load_classifier", lambda _: judge)
    monkeypatch.setattr(evaluate, "model_figures", lambda *_: pytest.fail("models are not wanted"))
    before = {"models": [{"model": "a", "nelbo": 12.5}], "settings": vars(FEW) | {"noise": 0.3, "threads": 1}}
    before["settings"]["frechet_of_test_digits"] = 0.2
    (tmp_path / "evaluation.json").write_text(json.dumps(before))
    __main__.main(
        f"evaluate --weights {small.path} --data {data_dir} --quick --paths --pairs 4 --out {tmp_path}".split()
    )
    after = json.loads((tmp_path / "evaluation.json").read_text())
    assert after["models"] == before["models"]
    assert after["settings"]["pairs"] == 4
    moving = [row for row in after["paths"] if row.get("motion") is not None]
    assert all(row["detour"] > 0.9 and row["turn"] >= 0 and row["thickness"] >= 0 for row in moving)
    page = (tmp_path / "evaluation.md").read_text()
    assert "alien holes" in page and "1 x 4 pairs" in page


def test_reals_are_digits_that_no_path_was_built_from(mnist: Path) -> None:
    """The bank takes the first ones of each class, and the manifold of real digits the last ones of all."""
    labels = load_splits(root=mnist).train.labels
    candidates = bank_builder.choose(labels, 5 * 24_000 // 4)
    assert int(candidates.max()) < len(labels) - Extent().reals


def test_a_missing_model_is_named_before_anything_is_counted(data_dir: Path) -> None:
    with pytest.raises(WeightsError, match="no weights at nowhere"):
        evaluate.evaluate_models(["nowhere"], data_dir)


def test_a_refining_model_is_shown_without_refining_too(small: VAE, judge: Classifier, pictures: Pictures) -> None:
    refining = VAE(replace(small.config, refinements=2))
    refining.load_state_dict(small.state_dict())
    reals = Reals.of(judge, as_floats(pictures.images[:60]))
    with_it, without = (
        model_figures("x", model.eval(), pictures[:20], judge, reals, FEW) for model in (refining, small)
    )
    assert with_it["mse"] < without["mse"] and with_it["nelbo"] != without["nelbo"]
    for name in ("nelbo", "reconstruction", "kl", "mse"):
        assert with_it[f"unrefined_{name}"] == pytest.approx(without[name])
    assert "unrefined_nelbo" not in without
    assert f"The encoder alone: {without['nelbo']:.2f} = " in tables.refined_note(with_it)


def test_paths_of_a_single_model_are_all_scored(small: VAE) -> None:
    methods = methods_of({"flagship": small}, frames=6)
    assert list(methods) == [
        "flagship: linear, raw",
        "flagship: linear",
        "flagship: slerp",
        "flagship: handwritten",
        "flagship: handwritten, with time for the turn",
    ]
    digits = made_up.digits(10).images.float() / 255
    for method in methods.values():
        assert method(digits[3:4], digits[8:9]).shape == (6, 28, 28)


def test_sketches_are_read_encoded_and_judged(small: VAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Always(Classifier):
        def features(self, x: Tensor) -> Tensor:
            return torch.nn.functional.one_hot(torch.full((len(x),), 3), 10).float()

    always = Always(ClassifierConfig("judge", "pooled", (1, 1, 1), 10)).eval().requires_grad_(False)
    always.head.weight.copy_(torch.eye(10))
    for name in ("3_0", "3_1", "7_0", "7_1"):
        made_up.drawing(name[0]).save(tmp_path / f"{name}.png")
    monkeypatch.setenv("DIGIT_MORPH_SKETCHES", str(tmp_path))
    assert evaluate.sketches_kept(small, always) == 0.5
    monkeypatch.delenv("DIGIT_MORPH_SKETCHES")
    assert evaluate.sketches_kept(small, always) is None


def test_tables_show_what_is_missing() -> None:
    lines = tables.table([{"model": "a", "nelbo": None, "parameters": 1234}], tables.MODEL_COLUMNS).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| a | n/a | n/a |")
    assert "| 1,234 |" in lines[2]
    assert tables.table([], tables.PATH_COLUMNS).count("\n") == 1
