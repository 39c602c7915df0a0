"""Pictures of every shape and depth, and files made to be a burden. What is read of them: test_sketch."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from odd_pictures import FILES, MOST_DISC, exif, in_mode, seven, thin, watched
from PIL import Image, ImageDraw, ImageOps

from vae.errors import UnreadablePicture
from vae.ink import MAX_EXIF, MAX_SIDE, WORK_SIDE, find_ink, open_image
from vae.sketch import as_mnist, read_digits

ROOT = Path(__file__).parent.parent
SENTENCE = re.compile(r"refused: (I see no digit here|I see \d+ separate marks|This picture is too )[^.]+\.")


def read_apart(which: str) -> tuple[list[dict], list[dict], str]:
    """What `tests.odd_pictures` says of its pictures and of its groups, and the last that it took up."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.odd_pictures", which],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    last = done.stderr.splitlines()[-1:]
    assert done.returncode == 0, done.stderr
    return ([line for line in said if "outcome" in line], [line for line in said if "status" in line], str(last))


def test_every_shape_mode_and_depth_is_read_or_refused():
    pictures, groups, last = read_apart("shapes")
    assert [group for group in groups if group["status"] or group["megabytes"] > 200] == [], last
    odd = [
        line for line in pictures if not (line["outcome"].startswith("read: ") or SENTENCE.fullmatch(line["outcome"]))
    ]
    assert odd == []
    assert len(pictures) > 500
    assert sum(line["outcome"].startswith("read: ") for line in pictures) > 100


@pytest.fixture(scope="module")
def files() -> dict[str, dict]:
    pictures, groups, _ = read_apart("files")
    outcomes = {line["group"]: line["outcome"] for line in pictures}
    return {group["group"]: group | {"outcome": outcomes.get(group["group"])} for group in groups}


@pytest.mark.parametrize("name", FILES)
def test_a_small_file_takes_little_time_and_memory(name, files):
    said = files[name]
    assert said["status"] == 0, said  # 11 is a crash, 24 half a minute of work
    assert said["seconds"] < 2 and said["megabytes"] < 150, said
    assert said["outcome"].startswith(("read: 1", "refused: ")), said
    if "EXIF" in name:
        assert said["outcome"] == "read: 1"  # the picture is good


def test_longest_picture():
    assert open_image(Image.new("1", (MAX_SIDE, 1))).size == (MAX_SIDE, 1)
    for long in (Image.new("1", (1, MAX_SIDE + 1)), np.zeros((MAX_SIDE + 1, 3), bool), thin(3, MAX_SIDE + 1)):
        with pytest.raises(UnreadablePicture, match=r"too long and thin; send one of at most 20,000 pixels"):
            open_image(long)


def test_an_array_is_measured_before_it_is_copied():
    for array in (np.broadcast_to(np.float64(1), (10**6, 10**6)), np.broadcast_to(False, (10**9, 10**9, 3))):
        with pytest.raises(UnreadablePicture, match="too large"):
            open_image(array)


@pytest.mark.parametrize(("mode", "size"), [("L", (0, 0)), ("F", (0, 5)), ("RGBA", (5000, 0))])
def test_no_pixels(mode, size):
    with pytest.raises(UnreadablePicture, match=r"^A picture is needed with rows"):
        read_digits(Image.new(mode, size))


# --- reduced to WORK_SIDE ---


def four_digits(width: int, height: int) -> Image.Image:
    image = Image.new("L", (width, height), "white")
    size = min(height // 2, width // 6)
    for x in range(width // 8, width, width // 4):
        points = [(x - size // 2, size // 2), (x + size // 2, size // 2), (x, 3 * size // 2)]
        ImageDraw.Draw(image).line(points, fill="black", width=size // 8)
    return image


@pytest.mark.parametrize("mode", ["I", "F", "I;16", "I;16L", "I;16B", "I;16N"])
@pytest.mark.parametrize("size", [(4000, 200), (2000, 2000)])
def test_a_deep_picture_is_reduced_as_any_other(mode, size):
    grey = four_digits(*size)
    deep, shallow = find_ink(in_mode(np.asarray(grey), mode)), find_ink(grey)
    assert max(deep.shape) <= WORK_SIDE
    np.testing.assert_allclose(deep, shallow, atol=0.01)
    assert len(read_digits(in_mode(np.asarray(grey), mode))) == 4


def test_values_that_are_no_numbers_are_averaged_as_paper_would_be():
    grey = np.asarray(four_digits(4000, 200)).astype(np.float32)
    for odd in (np.nan, np.inf, -np.inf):
        holed = 255 - grey
        holed[holed == 0] = odd
        found = find_ink(Image.fromarray(holed))
        assert max(found.shape) <= WORK_SIDE
        np.testing.assert_allclose(found, find_ink(Image.fromarray(255 - grey)), atol=1e-6)


@pytest.mark.parametrize("mode", ["LAB", "La"])
def test_modes_that_pil_does_not_bring_to_rgba(mode):
    read = read_digits(in_mode(np.asarray(four_digits(800, 200)), mode))
    assert (read - read_digits(four_digits(800, 200))).abs().max() < 0.02


@pytest.mark.parametrize("long", [(40_000, 3), (3, 40_000), (3000, 3000)])
def test_a_digit_of_any_size_meets_small_kernels(long, monkeypatch):
    monkeypatch.setattr(cv2, "getStructuringElement", watched(cv2.getStructuringElement, MOST_DISC))
    monkeypatch.setattr(cv2, "dilate", watched(cv2.dilate, WORK_SIDE))
    hairline = np.eye(*long, dtype=np.float32) if long[0] == long[1] else np.ones(long, np.float32)
    digit = as_mnist(hairline)
    assert digit.shape == (28, 28) and digit.min() == 0 and 0.5 < digit.max() <= 1
    rows, columns = (np.flatnonzero(digit.max(axis=axis) > 0.1) for axis in (1, 0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20


# --- EXIF ---


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_every_orientation(orientation, form):
    data = seven(form, exif=b"Exif\0\0" + exif(3, 100, orientation))
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
    np.testing.assert_array_equal(np.asarray(open_image(data)), np.asarray(upright))


def test_exif_above_the_limit_turns_nothing():
    for size, turned in ((MAX_EXIF - 100, True), (MAX_EXIF + 100, False)):
        data = seven("WEBP", exif=b"Exif\0\0" + exif(3, size))
        assert (open_image(data).size == (280, 560)) is turned
