import io
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter

from vae.errors import BadRequest, EmptyDrawing, UnreadablePicture
from vae.ink import find_ink, open_image
from vae.sketch import as_mnist, read_digits

ONE = [[(0.5, 0), (0.5, 1)]]
SEVEN = [[(0.1, 0), (0.8, 0), (0.3, 1)]]
SHAPES = {  # strokes in a unit square, y downwards
    "1": ONE,
    "7": SEVEN,
    "crossed 7": [*SEVEN, [(0.2, 0.55), (0.8, 0.55)]],
    "7, its bar apart": [*SEVEN, [(0.05, 0.6), (0.25, 0.6)]],
    "4": [[(0.3, 0), (0.1, 0.6), (0.9, 0.6)], [(0.6, 0.3), (0.6, 1)]],
    "5": [[(0.2, 0), (0.2, 0.45), (0.6, 0.4), (0.8, 0.7), (0.5, 1), (0.1, 0.9)], [(0.2, 0), (0.8, 0)]],
    "5, its bar apart": [
        [(0.2, 0.05), (0.2, 0.45), (0.6, 0.4), (0.8, 0.7), (0.5, 1), (0.1, 0.9)],
        [(0.4, 0), (0.9, -0.05)],
    ],
    "5, its bar to the right": [
        [(0.2, 0.1), (0.2, 0.45), (0.6, 0.4), (0.6, 0.7), (0.4, 1), (0.1, 0.9)],
        [(0.5, 0.03), (0.95, 0)],
    ],
}


def pad(*digits, size=(560, 280), pen=14, paper="white", pencil="black", mode="RGB"):
    """A picture of (strokes, left, top, height) each."""
    image = Image.new(mode, size, paper)
    canvas = ImageDraw.Draw(image)
    for strokes, left, top, height in digits:
        for stroke in strokes:
            points = [(left + x * 0.7 * height, top + y * height) for x, y in stroke]
            canvas.line(points, fill=pencil, width=pen, joint="curve")
            for x, y in points:
                canvas.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=pencil)
    return image


def centre_of_mass(digit):
    index = torch.arange(28.0)
    return (digit.sum(1) @ index / digit.sum()).item(), (digit.sum(0) @ index / digit.sum()).item()


def overlap(a, b):
    return (torch.minimum(a, b).sum() / torch.maximum(a, b).sum()).item()


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


SEVEN_PAD = pad((SEVEN, 200, 50, 180))
READ_SEVEN = read_digits(SEVEN_PAD)[0, 0]
READ_FOUR = read_digits(pad((SHAPES["4"], 200, 50, 180)))[0, 0]


# --- read_digits: size, place, pen ---


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("pen", [2, 14, 30])
def test_one_digit_as_mnist_has_it(name, pen):
    digits = read_digits(pad((SHAPES[name], 180, 50, 180), pen=pen))
    assert digits.shape == (1, 1, 28, 28)
    assert digits.dtype == torch.float32 and digits.is_contiguous()
    assert digits.min() == 0 and 0.8 < digits.max() <= 1
    rows, columns = (torch.nonzero(digits[0, 0].amax(axis) > 0).flatten() for axis in (1, 0))
    assert max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1 == 20
    assert centre_of_mass(digits[0, 0]) == pytest.approx((14, 14), abs=0.51)


def test_every_pen_becomes_one_that_the_model_draws_the_thinner_one_thinner():
    bars = [read_digits(pad((ONE, 200, 50, 180), pen=pen))[0, 0] for pen in (1, 2, 4, 8, 14, 24, 40, 60)]
    widths = [bar[10:18].sum(1).mean().item() for bar in bars]
    assert all(thin < broad + 0.03 for thin, broad in pairwise(widths))
    assert 0.6 < widths[0] < 1.0 < widths[2] < 1.5 < widths[4] < 2 < widths[6] < widths[7] < 4.8


@pytest.mark.parametrize(
    ("left", "top", "height", "pen"), [(5, 5, 16, 2), (500, 230, 40, 3), (100, 10, 250, 20), (30, 200, 60, 5)]
)
def test_size_and_place_on_the_pad_do_not_matter(left, top, height, pen):
    digit = read_digits(pad((SEVEN, left, top, height), pen=pen))[0, 0]
    assert overlap(digit, READ_SEVEN) > 0.35 > 0.3 > overlap(digit, READ_FOUR)  # its pen is its own


def test_hard_edged_small_rgba():
    small = pad((SEVEN, 8, 5, 20), size=(32, 32), pen=2, paper=(255,) * 4, pencil=(0, 0, 0, 255), mode="RGBA")
    assert overlap(read_digits(small)[0, 0], READ_SEVEN) > 0.5


def test_what_is_already_like_mnist_stays():
    again = read_digits(READ_SEVEN.numpy())[0, 0]
    assert (again - READ_SEVEN).abs().mean() < 0.003
    assert as_mnist(READ_SEVEN.numpy()[4:24]).max() == pytest.approx(READ_SEVEN.max().item(), abs=0.01)


def test_same_picture_same_bytes():
    assert torch.equal(read_digits(SEVEN_PAD), read_digits(SEVEN_PAD.copy()))


# --- read_digits: how many ---


def test_left_to_right_at_any_size():
    digits = read_digits(pad((SEVEN, 20, 20, 90), (ONE, 120, 100, 150), (SHAPES["4"], 250, 30, 200)))
    assert len(digits) == 3
    assert overlap(digits[0, 0], READ_SEVEN) > 0.48
    assert digits[1, 0].amax(0).count_nonzero() < 6
    assert overlap(digits[2, 0], READ_FOUR) > 0.6


def test_ones_side_by_side_stay_apart():
    assert len(read_digits(pad((ONE, 100, 40, 200), (ONE, 130, 50, 190), (ONE, 160, 45, 195)))) == 3


def test_slanted_ones_whose_boxes_overlap_stay_apart():
    aslant = [[(0.6, 0), (0, 1)]]
    assert len(read_digits(pad((aslant, 100, 40, 200), (aslant, 140, 40, 200)))) == 2


def test_touching_digits_are_parted():
    assert len(read_digits(pad((SEVEN, 100, 40, 160), (SHAPES["4"], 178, 40, 160)))) == 2


def test_single_splits_nothing():
    two = pad((ONE, 100, 40, 200), (ONE, 300, 40, 200))
    assert len(read_digits(two)) == 2
    assert read_digits(two, single=True).shape == (1, 1, 28, 28)


def test_too_many_digits():
    seven = pad(*[(ONE, 10 + 70 * k, 40, 150) for k in range(7)])
    with pytest.raises(BadRequest, match="I see 7 separate marks; draw at most four digits"):
        read_digits(seven)
    assert len(read_digits(seven, max_digits=7)) == 7
    with pytest.raises(BadRequest, match="at most one digit"):
        read_digits(seven, max_digits=1)


def test_dust_is_ignored():
    dusty = SEVEN_PAD.copy()
    canvas = ImageDraw.Draw(dusty)
    for x, y in [(10, 10), (400, 200), (180, 60), (240, 150)]:
        canvas.ellipse((x, y, x + 9, y + 9), fill="black")
    assert torch.equal(read_digits(dusty)[0, 0], READ_SEVEN)


@pytest.mark.parametrize(
    "empty",
    [
        None,
        Image.new("RGB", (560, 280), "white"),
        Image.new("L", (280, 280), 0),
        Image.new("RGBA", (280, 280), (0, 0, 0, 0)),
        Image.new("RGBA", (280, 280), (0, 0, 0, 110)),
        Image.new("1", (1, 1)),
        pad(([[(0, 0)]], 100, 100, 10), pen=5),
        pad(([[(0, 0)]], 100, 100, 10), pen=20),
    ],
    ids=["none", "white", "black", "transparent", "veil", "one pixel", "speck", "dot"],
)
@pytest.mark.parametrize("single", [False, True])
def test_nothing_drawn(empty, single):
    with pytest.raises(EmptyDrawing, match=r"^[A-Z][^.]*\.$"):
        read_digits(empty, single=single)


def test_noise_on_blank_paper_is_no_ink():
    noise = np.random.default_rng(0).normal(200, 8, (280, 560, 3))
    with pytest.raises(EmptyDrawing):
        read_digits(np.clip(noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("seed", range(10))
def test_nonsense_gives_digits_or_one_sentence(seed):
    random = np.random.default_rng(seed)
    for _ in range(20):
        height, width, channels = *random.integers(1, 70, 2), random.choice([1, 3, 4])
        nonsense = random.random((height, width, channels)) ** random.uniform(0.05, 20)
        try:
            digits = read_digits(nonsense)
        except BadRequest as refused:
            assert str(refused).startswith("I see")
        else:
            assert digits.isfinite().all() and digits.min() >= 0 and digits.max() <= 1


# --- ink ---


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_modes(mode):
    if mode == "I;16":
        image = Image.fromarray(np.asarray(SEVEN_PAD.convert("L")).astype(np.uint16) * 257)
    else:
        image = SEVEN_PAD.convert("LA").convert("PA") if mode == "PA" else SEVEN_PAD.convert(mode)
    assert image.mode == mode
    assert overlap(read_digits(image)[0, 0], READ_SEVEN) > 0.98


@pytest.mark.parametrize(
    ("paper", "pencil"),
    [("black", "white"), ("white", "red"), ("navy", "yellow"), ("#eee8d5", "#268bd2"), ("gray", "white")],
)
def test_any_colours(paper, pencil):
    found = find_ink(pad((SEVEN, 200, 50, 180), paper=paper, pencil=pencil))
    assert found.shape == (280, 560) and found.dtype == np.float32
    np.testing.assert_allclose(found, find_ink(SEVEN_PAD), atol=0.02)


@pytest.mark.parametrize("pencil", [(0, 0, 0, 255), (255, 255, 255, 255), (200, 30, 30, 255)])
def test_ink_on_transparency(pencil):
    found = find_ink(pad((SEVEN, 200, 50, 180), paper=(0, 0, 0, 0), pencil=pencil, mode="RGBA"))
    np.testing.assert_array_equal(found, find_ink(SEVEN_PAD))


def test_card_with_transparent_surroundings():
    card = Image.new("RGBA", (700, 420), (0, 0, 0, 0))
    card.paste(SEVEN_PAD, (70, 70))
    np.testing.assert_array_equal(find_ink(card)[70:350, 70:630], find_ink(SEVEN_PAD))


def test_palette_with_a_transparent_colour():
    image = SEVEN_PAD.convert("L").point(lambda value: value // 255).convert("P")
    image.info["transparency"] = 1
    np.testing.assert_array_equal(find_ink(image), find_ink(SEVEN_PAD))


def test_clean_edges_are_kept():
    soft = SEVEN_PAD.convert("L").filter(ImageFilter.GaussianBlur(1))
    np.testing.assert_allclose(find_ink(soft), 1 - np.asarray(soft) / np.float32(255), atol=0.01)


@pytest.mark.parametrize("angle", [0, 1, 2, 3])
@pytest.mark.parametrize("chalk", [False, True])
def test_photo_with_shade_and_noise(angle, chalk):
    drawn = np.asarray(SEVEN_PAD.filter(ImageFilter.GaussianBlur(1)), np.float64) / 255
    slope = np.rot90(np.linspace(0.45, 1, 560)[None].repeat(560, 0), angle)[:280, :560, None]
    photo = (0.2 + 0.8 * drawn) * slope * (1, 0.97, 0.9)
    photo = 1 - photo if chalk else photo
    photo = photo * 235 + np.random.default_rng(angle).normal(0, 5, photo.shape)
    image = Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8))
    digits = read_digits(encoded(image, "JPEG", quality=80))
    assert len(digits) == 1
    assert overlap(digits[0, 0], READ_SEVEN) > 0.85


# --- open_image ---


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_formats_by_bytes_and_by_path(form, tmp_path):
    data = encoded(SEVEN_PAD, form)
    (tmp_path / "drawing").write_bytes(data)
    for source in (data, tmp_path / "drawing", str(tmp_path / "drawing")):
        assert open_image(source).size == (560, 280)
        assert overlap(read_digits(source)[0, 0], READ_SEVEN) > 0.92


def test_arrays():
    grey = np.asarray(SEVEN_PAD.convert("L"))
    opaque = np.asarray(SEVEN_PAD.convert("RGBA"))
    for array in (grey, grey[..., None], opaque, opaque[..., :3], grey / 255, (grey / 255).astype(np.float32)):
        assert torch.equal(read_digits(array)[0, 0], READ_SEVEN)
    assert torch.equal(read_digits(grey > 127)[0, 0], READ_SEVEN)


@pytest.mark.parametrize(
    "array",
    [
        np.full((28, 28), np.nan),
        np.full((28, 28), np.inf),
        np.full((28, 28), 255.0),
        np.full((28, 28), -0.5),
        np.zeros((28, 28), np.int64),
        np.zeros((28, 28), complex),
        np.array([["a"]]),
        np.zeros((0, 28), np.uint8),
        np.zeros(28, np.uint8),
        np.zeros((28, 28, 2), np.uint8),
        np.zeros((1, 3, 28, 28), np.uint8),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_odd_arrays(array):
    with pytest.raises(UnreadablePicture, match=r"^[A-Z][^.]*\.$"):
        open_image(array)


def test_exif_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    data = encoded(SEVEN_PAD.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    assert open_image(data).size == (560, 280)
    assert overlap(read_digits(data)[0, 0], READ_SEVEN) > 0.92


@pytest.mark.parametrize("side", [2001, 10_000, 20_000])
def test_too_large_is_refused_before_decoding(side, monkeypatch):
    def decode(*_):
        raise AssertionError("decoded")

    header = bytearray(encoded(Image.new("1", (8, 8)), "BMP"))
    header[18:26] = side.to_bytes(4, "little") * 2
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    with pytest.raises(UnreadablePicture, match=r"too large; send one of at most 4 megapixels\.$"):
        open_image(bytes(header))


def test_too_large_in_memory():
    with pytest.raises(UnreadablePicture, match="too large"):
        open_image(np.zeros((2001, 2000), np.uint8))
    with pytest.raises(UnreadablePicture, match="too large"):
        open_image(Image.new("L", (2000, 2001)))


def test_largest_picture_is_read():
    assert overlap(read_digits(SEVEN_PAD.resize((2800, 1400)))[0, 0], READ_SEVEN) > 0.9


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(SEVEN_PAD, "PNG")[:500],
        encoded(SEVEN_PAD, "JPEG")[:1500],
        encoded(SEVEN_PAD, "TIFF"),
        encoded(SEVEN_PAD, "PPM"),
    ],
    ids=["empty", "text", "svg", "cut png", "cut jpeg", "tiff", "ppm"],
)
def test_damaged_and_foreign_files(data, tmp_path):
    (tmp_path / "drawing.png").write_bytes(data)
    for source in (data, tmp_path / "drawing.png"):
        with pytest.raises(UnreadablePicture, match="not a picture I can open") as refused:
            read_digits(source)
        assert str(tmp_path) not in str(refused.value)


def test_missing_file_and_folder(tmp_path):
    for source in (tmp_path / "nothing.png", tmp_path):
        with pytest.raises(UnreadablePicture) as refused:
            open_image(source)
        assert str(tmp_path) not in str(refused.value)


# --- real ones ---


def test_real_drawings_are_one_digit_each_and_pair_up():
    folder = os.environ.get("DIGIT_MORPH_SKETCHES")
    if not folder:
        pytest.skip("DIGIT_MORPH_SKETCHES names no folder of labelled drawings")
    files = sorted(Path(folder).glob("*.png"))
    assert files
    assert [file.name for file in files if len(read_digits(file)) != 1] == []
    for left, right in pairwise(files):
        both = Image.new("RGB", (560, 280), "white")
        for file, x in ((left, 10), (right, 290)):
            both.paste(Image.open(file).convert("RGB").resize((256, 256), Image.Resampling.NEAREST), (x, 12))
        digits = read_digits(both)
        assert len(digits) == 2
        for digit, file in zip(digits, (left, right), strict=True):
            assert overlap(digit[0], read_digits(file)[0, 0]) > 0.6, (file.name, left.name)


def test_mnist_stays_nearly_as_it_is():
    root = os.environ.get("DIGIT_MORPH_DATA")
    if not root:
        pytest.skip("DIGIT_MORPH_DATA names no folder with MNIST")
    datasets = pytest.importorskip("torchvision.datasets")
    images = datasets.MNIST(root, train=False, download=False).data[:500]
    read = torch.cat([read_digits(image.numpy(), single=True) for image in images])
    change = (read[:, 0] - images / 255).abs().mean((1, 2))
    assert change.mean() < 0.015
    assert change.median() < 0.005
    assert np.mean([len(read_digits(image.numpy())) == 1 for image in images]) > 0.99
