"""Numbers put together, and the parts that the segmenter learns from."""

from __future__ import annotations

import made_up
import numpy as np
import pytest
import torch

from vae.classifier import KINDS, ClassifierConfig, load_classifier
from vae.segmentation import NONE
from vae.training import data, numbers, other_things, skeletons
from vae.training.classifiers import ClassifierTrainConfig, begun_as_reader, fit_classifier
from vae.training.loop import Run


def bars(count: int) -> list[numbers.Drawn]:
    ink = np.zeros((40, 8), np.float32)
    ink[:, 2:6] = 1
    return [numbers.Drawn(1, numbers.cropped(ink))] * count


@pytest.mark.parametrize("gap", [0.25, 0.03, -0.02, -0.06])
def test_the_gap_lies_between_the_ink_of_neighbours(gap: float) -> None:
    random = np.random.default_rng(0)
    number = numbers.compose(bars(3), 200, [gap] * 3, random)
    assert number.labels == (1, 1, 1) and number.layers.shape[0] == 3
    for left, right in zip(number.layers, number.layers[1:], strict=False):
        last, first = (np.flatnonzero((layer > 0.5).any(axis=0))[k] for layer, k in ((left, -1), (right, 0)))
        assert (first - last - 1) / 200 == pytest.approx(gap, abs=0.012)
    np.testing.assert_array_equal(number.ink, number.layers.max(axis=0))


def test_a_part_is_a_digit_if_it_has_its_ink_and_little_of_another() -> None:
    digits = np.zeros((2, 20, 40), bool)
    digits[0, 2:18, 2:10] = digits[1, 2:18, 20:28] = True
    most = digits[0].copy()
    most[2:5] = False
    goodness, which = numbers.agreement(np.stack([digits[0], digits[1], most, digits.any(axis=0)]), digits)
    assert goodness[:2].tolist() == [1, 1] and which[:3].tolist() == [0, 1, 0]
    assert numbers.A_DIGIT < goodness[2] < 0.9 and goodness[3] < numbers.NO_DIGIT


def test_parts_of_numbers_are_labelled_and_seeded() -> None:
    pictures = made_up.digits(60)
    splits = data.Splits(pictures, pictures, pictures)
    one, same = (numbers.part_splits(splits, 40, seed=1) for _ in range(2))
    assert torch.equal(one.train.images, same.train.images) and torch.equal(one.train.labels, same.train.labels)
    assert one.train.images.shape[1:] == (2, 28, 28) and one.train.images.dtype == torch.uint8
    share = float((one.train.labels == NONE).double().mean())
    assert 0.3 < share < 0.9 and set(one.train.labels.tolist()) <= set(range(11))
    assert 0 < len(one.validation) < len(one.train)


def test_skeletons_and_other_things_are_drawn_and_seeded() -> None:
    for make in (lambda random: skeletons.draw(int(random.integers(10)), random), other_things.draw):
        drawn = [make(np.random.default_rng(seed)) for seed in (*range(30), 0)]
        assert all(ink.dtype == np.float32 and ink.min() == 0 and 0.9 < ink.max() <= 1 for ink in drawn)
        assert all(0.001 < ink.mean() < 0.7 for ink in drawn)
        np.testing.assert_array_equal(drawn[0], drawn[-1])
        assert not np.array_equal(drawn[0], drawn[1])


def test_a_segmenter_begins_by_reading_as_the_reader_does() -> None:
    reader = load_classifier("reader")
    begun = begun_as_reader(KINDS["segmenter"]).eval()
    x = torch.rand(4, 1, 28, 28)
    with torch.inference_mode():
        same = begun(torch.cat([x, torch.rand(4, 1, 28, 28)], 1))
        torch.testing.assert_close(same[:, :10], reader(x), rtol=1e-4, atol=1e-4)
        assert same[:, NONE].abs().max() == 0
    assert all(parameter.requires_grad for parameter in begun.parameters())


def test_a_segmenter_learns_to_tell_digits_from_other_ink(tmp_path) -> None:
    pictures = made_up.digits(200)
    splits = numbers.part_splits(data.Splits(pictures, pictures, pictures), 120, seed=0)
    torch.manual_seed(0)
    model = begun_as_reader(KINDS["segmenter"])
    recipe = ClassifierTrainConfig(epochs=2, batch_size=50, lr=2e-3, ema=0.8)
    rows = fit_classifier(Run(model, recipe, splits, tmp_path, device="cpu"))
    chance = 1 - float((splits.validation.labels == NONE).double().mean())
    assert min(row["validation_error"] for row in rows) < 0.7 * chance
    assert load_classifier(tmp_path).config == ClassifierConfig("segmenter", channels=2, classes=11)
