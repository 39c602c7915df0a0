"""Photographs: what is paper on them. Most are made by tests.photographs."""

from __future__ import annotations

import contextlib

import cv2
import numpy as np
import pytest
from photographs import KINDS, number, photograph
from PIL import Image

from vae.errors import BadRequest
from vae.ink import find_ink
from vae.paper import find_sheet, flattened, stroke_width, without_lines
from vae.pipeline import Pipeline
from vae.reading import read_number


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_read_on_photographs(kind: str, pipeline: Pipeline) -> None:
    random = np.random.default_rng(5)
    right = 0
    for _ in range(5):
        text, ink = number(random)
        with contextlib.suppress(BadRequest):
            right += read_number(photograph(kind, ink, random), pipeline).number == text
    assert right >= 4


def test_a_sheet_is_found_on_a_table_and_seen_from_above() -> None:
    page = np.full((300, 400), 0.9, np.float32)
    cv2.circle(page, (200, 150), 60, 0.1, 12)
    corners = np.array([(80, 40), (420, 80), (460, 380), (40, 360)], np.float32)
    turn = cv2.getPerspectiveTransform(np.array([(0, 0), (400, 0), (400, 300), (0, 300)], np.float32), corners)
    photo = cv2.warpPerspective(page, turn, (500, 420), borderValue=0.2)
    found = find_sheet(photo)
    assert found is not None and np.abs(found - corners).max() < 6
    flat = flattened(photo[None], found)
    assert flat.min() < 0.2 and (flat < 0.3).mean() < 0.12  # the ring, no table


def test_there_is_no_sheet_where_there_is_no_table() -> None:
    bar = np.zeros((300, 300), np.float32)
    bar[30:270, 60:240] = 1  # a thick white mark on black, with nothing on it
    chalk = np.zeros((300, 300), np.float32)
    cv2.rectangle(chalk, (60, 40), (240, 260), 1.0, 40)  # a 0 of corners
    blank, half = np.ones((300, 300), np.float32), np.ones((300, 300), np.float32)
    half[:, 150:] = 0.4
    cv2.circle(half, (80, 150), 40, 0.1, 8)
    for grey in (bar, chalk, blank, half):
        assert find_sheet(grey) is None


def test_lines_go_and_what_crosses_them_stays() -> None:
    ink = np.zeros((300, 400), np.float32)
    cv2.line(ink, (200, 40), (180, 260), 1.0, 14)
    drawn = ink.copy()
    for y in range(20, 300, 50):
        ink[y : y + 3] = 1
    cleaned = without_lines(ink)
    assert np.abs(cleaned - drawn).mean() < 0.004
    assert cleaned[:, :100].max() == 0
    squared = ink.copy()
    for x in range(15, 400, 50):
        squared[:, x : x + 3] = 1
    assert np.abs(without_lines(squared) - drawn).mean() < 0.02


def test_a_bar_of_a_digit_is_no_line() -> None:
    seven = np.zeros((200, 150), np.float32)
    cv2.polylines(seven, [np.array([(0, 8), (149, 8), (60, 199)])], False, 1.0, 16)
    np.testing.assert_array_equal(without_lines(seven), seven)
    strokes = np.zeros((100, 300), np.float32)
    strokes[40:52] = 1  # one stroke from side to side
    np.testing.assert_array_equal(without_lines(strokes), strokes)


def test_one_fine_line_under_a_number_is_a_line() -> None:
    ink = np.zeros((300, 400), np.float32)
    cv2.line(ink, (200, 40), (180, 220), 1.0, 16)
    cleaned = without_lines(np.maximum(ink, (np.arange(300) // 3 == 80)[:, None] * np.ones(400, np.float32)))
    np.testing.assert_allclose(cleaned, ink, atol=0.05)


@pytest.mark.parametrize("width", [3, 6, 11, 20])
def test_the_width_of_a_stroke(width: int) -> None:
    ink = np.zeros((200, 200), bool)
    ink[20:180, 50 : 50 + width] = True
    assert stroke_width(ink) == pytest.approx(width, rel=0.15)
    assert stroke_width(np.zeros((5, 5), bool)) == 0


def test_a_blank_sheet_with_lines_has_no_ink() -> None:
    page = np.full((300, 400), 240, np.uint8)
    page[20::40] = page[21::40] = 120
    assert find_ink(Image.fromarray(page)).max() == 0
