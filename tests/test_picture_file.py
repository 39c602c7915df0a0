"""What `plain` leaves of a file: the same picture, and nothing that PIL would have to read besides."""

import io
import struct
import zlib

import numpy as np
import pytest
from odd_pictures import FORMS, chunk, encoded, in_mode, seven, with_chunk
from PIL import Image, PngImagePlugin

from vae.errors import BadRequest, UnreadablePicture
from vae.ink import open_image
from vae.picture_file import MOST_SCANS, plain
from vae.sketch import read_digits

GREY = np.asarray(Image.open(io.BytesIO(seven())))[::4, ::4].copy()
FRAMES = [Image.fromarray(np.rot90(GREY, 2 * k)).convert("RGB") for k in range(3)]


def opened(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGBA"))


def saved(form: str, **options: object) -> bytes:
    file = io.BytesIO()
    FRAMES[0].save(file, form, save_all=True, append_images=FRAMES[1:], **options)
    return file.getvalue()


@pytest.mark.parametrize(("form", "mode"), [(form, mode) for form, (modes, _) in FORMS.items() for mode in modes])
def test_the_picture_stays(form, mode):
    data = encoded(in_mode(GREY, mode), form)
    np.testing.assert_array_equal(opened(plain(data)), opened(data))


@pytest.mark.parametrize("form", ["PNG", "GIF", "WEBP"])
def test_the_first_frame_of_an_animation_stays(form):
    data = saved(form, duration=100, loop=0, **({"disposal": 2} if form == "GIF" else {}))
    np.testing.assert_array_equal(opened(plain(data)), opened(data))
    if form != "WEBP":
        with Image.open(io.BytesIO(data)) as whole, Image.open(io.BytesIO(plain(data))) as left:
            assert whole.n_frames == 3
            assert "loop" in whole.info and "loop" not in left.info


@pytest.mark.parametrize("transparency", [0, bytes([0, 255] * 128)])
def test_transparent_colours_of_a_palette_stay(transparency):
    palette = Image.fromarray(GREY).convert("P")
    for data in (
        encoded(palette, "PNG", transparency=transparency),
        encoded(palette, "GIF", transparency=255, comment=b"words"),
    ):
        assert opened(data)[..., 3].min() == 0
        np.testing.assert_array_equal(opened(plain(data)), opened(data))


def test_nothing_besides_a_png():
    text = PngImagePlugin.PngInfo()
    text.add_text("who", "somebody", zip=True)
    text.add_itxt("XML:com.adobe.xmp", "<x/>")
    whole = encoded(Image.fromarray(GREY), "PNG", pnginfo=text, icc_profile=b"abc", dpi=(72, 72), exif=b"II*\0")
    with Image.open(io.BytesIO(whole)) as image, Image.open(io.BytesIO(plain(whole))) as left:
        assert {"who", "xmp", "icc_profile", "dpi", "exif"} <= image.info.keys()
        assert left.info.keys() == {"exif"}
    assert plain(plain(whole)) == plain(whole)


def test_a_colour_profile_that_swells_is_no_obstacle():
    profile = b"x\0\0" + zlib.compress(bytes(10**7), 9)
    assert len(read_digits(with_chunk(b"iCCP", profile))) == 1


def test_a_frame_of_a_gif_among_other_blocks():
    data = encoded(Image.fromarray(GREY), "GIF")
    at = data.index(b",", 13 + (6 << (data[10] & 7)))
    extras = b"\0\0!\xfe\5hello\3you\0!\xff\x0bNETSCAPE2.0\3\1\0\0\0!\xf9\x04\x08\0\0\0\0"  # junk, too, is skipped
    whole = data[:at] + extras + data[at:]
    np.testing.assert_array_equal(opened(plain(whole)), opened(data))
    assert b"hello" not in plain(whole) and b"\xf9\x04\x08" not in plain(whole)


def test_scans_are_counted():
    jpeg = encoded(Image.fromarray(GREY), "JPEG", progressive=True)
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    few = MOST_SCANS - jpeg.count(b"\xff\xda")
    assert open_image(jpeg[:-2] + few * last + jpeg[-2:]).size == FRAMES[0].size
    with pytest.raises(UnreadablePicture, match="not a picture I can open"):
        open_image(jpeg[:-2] + (few + 1) * last + jpeg[-2:])


@pytest.mark.parametrize("compression", [1, 2])
def test_a_bmp_of_runs_is_refused(compression):
    data = bytearray(encoded(Image.fromarray(GREY), "BMP"))
    data[30] = compression
    with pytest.raises(UnreadablePicture, match="not a picture I can open"):
        open_image(bytes(data))


def test_a_bmp_that_is_too_old_for_runs():
    colours = bytearray(3 * 256)
    colours[4] = 1  # where the compression of a newer one is
    header = struct.pack("<2sIHHIIHHHH", b"BM", 0, 0, 0, 26 + len(colours), 12, 64, 64, 1, 8)
    data = header + bytes(colours) + GREY[:64, :64].tobytes()
    assert data[30:34] == b"\1\0\0\0"
    assert open_image(data).size == (64, 64)


@pytest.mark.parametrize("form", FORMS)
def test_damaged_files_are_read_or_refused(form):
    random = np.random.default_rng(0)
    whole = saved(form) if form in ("PNG", "GIF", "WEBP") else encoded(FRAMES[0], form)
    if form == "PNG":
        whole = whole[:33] + chunk(b"tEXt", b"who\0somebody") + whole[33:]
    for k in range(120):
        data = bytearray(whole[: random.integers(1, min(len(whole), 2000 if k % 2 else 60))])
        if k % 3:
            data = bytearray(whole)
            for at in random.integers(0, min(len(whole), 200), 3):
                data[at] = random.integers(256)
        try:
            assert read_digits(bytes(data)).isfinite().all()
        except BadRequest as refused:
            assert str(refused).startswith(("I see", "This "))
