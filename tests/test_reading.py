"""What a number reads as: how sure, what else it may be, and what is no number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vae.errors import BadRequest
from vae.pipeline import Pipeline
from vae.reading import Reading, read_number
from vae.training import other_things
from vae.training.numbers import cropped
from vae.training.skeletons import draw


def picture(ink: np.ndarray) -> np.ndarray:
    return np.rint(255 * (1 - np.pad(cropped(ink), 25))).astype(np.uint8)


def test_a_reading_has_a_second_guess_at_each_digit(pipeline: Pipeline) -> None:
    random = np.random.default_rng(0)
    for label in range(10):
        reading = read_number(picture(draw(label, random)), pipeline)
        ((second, less),) = reading.seconds
        assert second != reading.digits[0] and 0 <= less < reading.certainty[0] <= 1
        assert less + reading.certainty[0] <= 1 + 1e-6


def test_what_is_told_rules(pipeline: Pipeline) -> None:
    reading = Reading(torch.zeros(2, 1, 28, 28), (7, 4), (0.6, 0.99), None, None, ((1, 0.3), (9, 0.01)))
    told = reading.told(0, 1)
    assert told.number == "14" and told.labels == [1, 4] and told.certainty == (1.0, 0.99)
    assert told.seconds == ((7, 0.0), (9, 0.01)) and told.pictures is reading.pictures
    assert reading.number == "74"
    assert told.told(0, 1).seconds == told.seconds
    for place, digit in ((2, 1), (-1, 1), (0, 10), (0, -1)):
        with pytest.raises(BadRequest, match="no such digit"):
            reading.told(place, digit)
    with pytest.raises(BadRequest, match="typed"):
        read_number("32", pipeline).told(0, 4)


def test_what_is_no_number_is_said_to_be_none(pipeline: Pipeline) -> None:
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(20):
        try:
            read_number(picture(other_things.draw(random)), pipeline)
        except BadRequest as refusal:
            assert str(refusal).startswith("I see ")
            refused += 1
    assert refused >= 8


def test_a_number_is_not_said_to_be_none(pipeline: Pipeline) -> None:
    random = np.random.default_rng(1)
    for label in [*range(10)] * 3:
        assert len(read_number(picture(draw(label, random)), pipeline).digits) == 1
