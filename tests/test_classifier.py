import json
from pathlib import Path

import pytest
import torch

from vae import weights
from vae.classifier import KINDS, Classifier, ClassifierConfig, load_classifier, probabilities, save_classifier
from vae.errors import WeightsError
from vae.evaluation.scoreboard import judge_features
from vae.training import data
from vae.training.classifiers import scribbles


@pytest.mark.parametrize("kind", KINDS)
def test_shapes(kind: str) -> None:
    classifier = Classifier(KINDS[kind]).eval()
    x = torch.rand(3, 1, 28, 28)
    assert classifier(x).shape == (3, 10)
    assert classifier.features(x).shape == (3, KINDS[kind].features)
    torch.testing.assert_close(probabilities(classifier, x).sum(1), torch.ones(3))
    features, probability = judge_features(classifier, x)
    torch.testing.assert_close(features, classifier.features(x))
    torch.testing.assert_close(probability, probabilities(classifier, x))


def test_reader_and_judge_are_built_differently() -> None:
    assert KINDS["reader"].architecture != KINDS["judge"].architecture


def test_a_classifier_comes_back_from_its_file(tmp_path: Path) -> None:
    classifier = Classifier(ClassifierConfig("reader", "strided", (3, 4, 5), 6)).eval()
    save_classifier(classifier, tmp_path / "model.safetensors")
    for source in (tmp_path, tmp_path / "model.safetensors"):
        loaded = load_classifier(source)
        x = torch.rand(2, 1, 28, 28)
        torch.testing.assert_close(loaded(x), classifier(x))
        assert not loaded.training
        assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    config = ClassifierConfig("reader", "pooled", (3, 4, 5), 6)
    save_classifier(Classifier(config), path)
    load_classifier(path)
    other = Classifier(config)
    save_classifier(other, path)
    torch.testing.assert_close(load_classifier(path).head.weight, other.head.weight, rtol=0, atol=0)


def test_wrong_files_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    with pytest.raises(WeightsError, match=r"judge\.safetensors is missing; train it with: python train"):
        load_classifier("judge")
    with pytest.raises(WeightsError, match=r"none\.safetensors does not exist"):
        load_classifier(tmp_path / "none.safetensors")
    classifier = Classifier(ClassifierConfig("reader", "strided", (3, 4, 5), 6))
    path = tmp_path / "odd.safetensors"
    config = {"classifier": json.dumps(classifier.config.to_dict())}
    state = classifier.state_dict()
    for tensors, metadata, message in (
        (state, {}, "does not say which classifier"),
        (state, {"classifier": json.dumps({"depth": 3, "widths": [1, 2, 3]})}, "unknown settings"),
        ({**state, "head.bias": torch.zeros(9)}, config, r"head.bias is float32 \(9,\), expected float32 \(10,\)"),
        ({**state, "head.bias": torch.zeros(10).half()}, config, "head.bias is float16"),
        (state, {"classifier": '{"features": 1000000000}'}, "features has to be a whole number from 1 to 8192"),
        (state, {"classifier": '{"widths": [24, 48, 1000000]}'}, "widths has to be"),
        (state, {"classifier": '{"dropout": 1.0}'}, "not a classifier's configuration"),
        (state, {"classifier": 9_000 * "["}, "nested too deeply"),
        ({**state, "head.bias": torch.full((10,), torch.nan)}, config, "not finite, in head.bias"),
    ):
        weights.write_tensors(path, tensors, metadata)
        with pytest.raises(WeightsError, match=message):
            load_classifier(path)


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_classifiers_read_mnist_and_know_when_they_do_not(kind: str, mnist: Path) -> None:
    classifier = load_classifier(kind)
    test = data.load_pictures("mnist", mnist, train=False)[5000:7000]
    x = data.as_floats(test.images)
    with torch.inference_mode():
        sure, digit = probabilities(classifier, x).max(1)
        odd = scribbles(x, 500, torch.Generator().manual_seed(0))
        unsure = probabilities(classifier, odd).max(1).values
    assert float((digit == test.labels).double().mean()) > 0.99
    assert float((sure > 0.9).double().mean()) > 0.95
    assert float(unsure.median()) < (0.5 if kind == "reader" else 0.99)


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_classifiers_read_slanted_thick_and_thin_digits(kind: str, mnist: Path) -> None:
    test = data.load_pictures("mnist", mnist, train=False)[:1000]
    moved = data.jitter(data.as_floats(test.images), 1.0, torch.Generator().manual_seed(1), strength=1.5)
    with torch.inference_mode():
        right = load_classifier(kind)(moved).argmax(1) == test.labels
    assert float(right.double().mean()) > 0.97


@pytest.mark.parametrize("architecture", ["strided", "pooled"])
def test_folding_leaves_what_a_classifier_says(architecture: str, tmp_path: Path) -> None:
    classifier = Classifier(ClassifierConfig("reader", architecture, (3, 4, 5), 6))  # type: ignore[arg-type]
    x = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for _ in range(20):
        classifier(x)  # in training: the norms learn their figures
    classifier.eval()
    save_classifier(classifier, tmp_path / "model.safetensors")
    loaded = load_classifier(tmp_path)
    assert not [layer for layer in loaded.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x), classifier(x), atol=1e-5, rtol=0)
