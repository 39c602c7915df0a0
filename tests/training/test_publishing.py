"""A model to the Hub and back, against the stand-in of test_hub.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import made_up
import pytest
import torch
from huggingface_hub import ModelCard, constants
from stand_in_hub import TOKEN, StandIn, point_at

import train
import vae
from vae import __main__, hub, weights
from vae.errors import WeightsError
from vae.model import VAE, build
from vae.training import publishing

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of huggingface_hub


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A Hub that huggingface_hub asks, with an empty cache and nobody logged in."""
    with StandIn() as running:
        point_at(running.url, tmp_path / "cache", monkeypatch)
        yield running


def pixels(model: VAE) -> list[float]:
    source, target = torch.rand(2, 1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return vae.morph(model, source, target, steps=5).flatten().tolist()


def test_what_is_published_comes_back_the_same(
    stand_in: StandIn, small: VAE, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert small.path is not None
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    __main__.main(["publish", "me/small", "--weights", str(small.path.parent), "--private"])
    assert capsys.readouterr().out.strip() == f"{stand_in.url}/me/small"
    assert stand_in.repos["me/small"].private
    again = vae.load("me/small")
    assert again.path is not None and again.path != small.path
    for name in (hub.MODEL, "bank.safetensors"):
        assert again.path.with_name(name).read_bytes() == small.path.with_name(name).read_bytes()
    assert pixels(again) == pixels(small)  # by the handwritten path, so the bank is there and fits
    __main__.main(["publish", "me/small", "--weights", str(small.path.parent)])  # once more: nothing changes
    assert len(stand_in.repos["me/small"].commits) == 1


def test_the_card_says_what_it_is(
    stand_in: StandIn, small: VAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert small.path is not None
    run = shutil.copytree(small.path.parent, tmp_path / "run")
    (run / "report.json").write_text(json.dumps({"test": {"total": 12.345, "kl": 2.0}}))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    publishing.publish("me/small", weights.load(run))
    content = stand_in.repos["me/small"].commits[-1][1]
    card = ModelCard(content["README.md"].decode())
    assert card.data.license == "mit" and card.data.datasets == ["ylecun/mnist"]
    figures = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert figures == {"grey NELBO": 12.35, "KL": 2.0} or figures == {"grey NELBO": 12.34, "KL": 2.0}
    for said in ('vae.load("me/small")', "samples.png", "Limitations", '"latent_dim": 8', "built from them"):
        assert said in card.text
    assert content["samples.png"].startswith(b"\x89PNG")
    listed = [line.partition("  ")[2] for line in content[hub.SUMS].decode().splitlines()]
    assert listed == ["bank.safetensors", "model.safetensors", "reader.safetensors", "segmenter.safetensors"]


def test_a_training_publishes_what_came_out(stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up.write_mnist(tmp_path, made_up.digits(100), made_up.digits(30, seed=1))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    out = tmp_path / "run"
    quick = ["--epochs", "1", "--device", "cpu", "--threads", "1", "--latent-dim", "3"]
    train.main(["--model", "mlp", "--data", str(tmp_path), "--out", str(out), *quick, "--push-to-hub", "me/mlp"])
    content = stand_in.repos["me/mlp"].commits[-1][1]
    assert content[hub.MODEL] == (out / hub.MODEL).read_bytes()
    assert content["curves.png"] == (out / "curves.png").read_bytes()
    card = content["README.md"].decode()
    assert "| grey NELBO |" in card and "There is no bank of them" in card
    with pytest.raises(SystemExit, match="publishes a VAE"):
        train.main(["--model", "reader", "--out", str(tmp_path / "reader"), "--push-to-hub", "me/reader"])


def test_a_bank_of_other_weights_is_not_published(
    stand_in: StandIn, small: VAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert small.path is not None
    run = shutil.copytree(small.path.parent, tmp_path / "run")
    weights.save(build("mlp", widths=(64,), latent_dim=8), run / hub.MODEL)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(WeightsError, match="built from other weights"):
        publishing.publish("me/small", weights.load(run))
    assert not stand_in.asked


def test_a_damaged_report_is_named(small: VAE, tmp_path: Path) -> None:
    model = weights.load(shutil.copy(small.path, tmp_path / "model.safetensors"))
    for content in (b"{", b"\xff\x00", b"[" * 5000, b"[]"):
        (tmp_path / "report.json").write_bytes(content)
        with pytest.raises(WeightsError, match=r"report\.json is damaged .*train the model again"):
            publishing.contents("me/mine", model)


def test_who_may_not_write_is_told(stand_in: StandIn, small: VAE, monkeypatch: pytest.MonkeyPatch) -> None:
    for token in (None, "hf_" + "y" * 34):
        if token:
            monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(WeightsError, match="log in with `hf auth login`"):
            publishing.publish("me/small", small)
    with pytest.raises(WeightsError, match="no name that a repo can have"):
        publishing.publish("me//small", small)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        publishing.publish("me/small", small)
