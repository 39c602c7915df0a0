import os
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from unittest.mock import Mock

import av
import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from vae import MorphRequest, produce, video
from vae.errors import BadRequest
from vae.pipeline import Pipeline
from vae.render import STYLES, Style, render_frames

STREAMS = {"mp4": "h264", "webm": "vp9", "avi": "mjpeg"}
PICTURES = ("gif", "webp")
MOVING = (*STREAMS, *PICTURES)


def blob(count: int = 20, places: int = 1) -> np.ndarray:
    """A soft disc that moves and grows: float32 (count, 28, 28 * places)."""
    y, x = np.mgrid[:28, : 28 * places]
    t = np.linspace(0, 1, count)[:, None, None]
    distance = np.hypot(y - 14, x % 28 - 8 - 12 * t)
    return (1 / (1 + np.exp(2 * (distance - 3 - 3 * t)))).astype(np.float32)


def decode(data: bytes, form: str) -> np.ndarray:
    """The bytes of a moving picture -> its frames, grey, float (T, h, w)."""
    if form in PICTURES:
        with Image.open(BytesIO(data)) as image:
            frames = []
            for i in range(image.n_frames):
                image.seek(i)
                frames.append(np.asarray(image.convert("L"), float))
        return np.stack(frames)
    with av.open(BytesIO(data)) as file:
        return np.stack([frame.to_ndarray(format="gray").astype(float) for frame in file.decode(video=0)])


@pytest.mark.parametrize("form", MOVING)
@pytest.mark.parametrize("places", [1, 2])
def test_every_frame_comes_back_as_it_was_rendered(form: str, places: int) -> None:
    frames = blob(places=places)
    shown = decode(video.encode(frames, form, size=128), form)
    expected = render_frames(frames, 128).astype(float)
    assert shown.shape == (20, 128, 128 * places)
    assert abs(shown - expected).mean() < 2  # first to last: an order mixed up would show
    assert (abs(shown - expected).mean((1, 2)) < 4).all()
    assert np.median(shown) >= 254  # the paper is white, not the grey of a mistaken range


@pytest.mark.parametrize("form", MOVING)
def test_nothing_stale_stays_in_a_slow_morph(form: str) -> None:
    y, x = np.mgrid[:28, :28] - 13.5
    pinch = 1 - 0.9 * np.linspace(0, 1, 60)[:, None, None] * np.exp(-((y / 4) ** 2))
    ring_to_eight = 1 / (1 + np.exp(3 * abs(np.hypot(x / pinch, y) - 8) - 4.5))
    shown = decode(video.encode(ring_to_eight, form, size=128), form)
    assert abs(shown - render_frames(ring_to_eight, 128)).max() < 64


@pytest.mark.parametrize("form", STREAMS)
def test_streams_are_what_browsers_play(form: str) -> None:
    with av.open(BytesIO(video.encode(blob(), form, fps=24, size=129))) as file:
        (stream,) = file.streams
        context = stream.codec_context
        assert context.name == STREAMS[form]
        assert context.pix_fmt == ("yuvj420p" if form == "avi" else "yuv420p")
        assert (context.width, context.height) == (130, 130)
        assert stream.average_rate == 24
        frames = list(file.decode(stream))
        assert frames[0].pts == 0
        assert frames[0].key_frame
        if form != "avi":
            assert context.color_range == 1
            assert [i for i, frame in enumerate(frames) if frame.key_frame] == [0]


def test_a_long_stream_has_keyframes_to_jump_to() -> None:
    for form in ("mp4", "webm"):
        with av.open(BytesIO(video.encode(blob(130), form, size=28))) as file:
            assert [i for i, frame in enumerate(file.decode(video=0)) if frame.key_frame] == [0, 60, 120]


@pytest.mark.parametrize("style", STYLES)
def test_mp4_is_within_50_db_of_what_was_rendered(style: Style, pipeline: Pipeline) -> None:
    frames = produce(MorphRequest("32", "41", formats=()), pipeline).frames[::6]  # larger steps than it has
    with av.open(BytesIO(video.encode(frames, "mp4", style=style))) as file:
        shown = np.stack([frame.to_ndarray()[:512].astype(float) for frame in file.decode(video=0)])  # luma
    error = (shown - render_frames(frames, 512, style, black=16, white=235)) ** 2
    assert 10 * np.log10(255**2 / error.mean((1, 2))).min() > 50


def test_mp4_has_its_index_first() -> None:
    data = video.encode(blob(), "mp4", size=64)
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_avi_opens_in_opencv(tmp_path: Path) -> None:
    path = video.write_video(blob(), tmp_path / "out.avi", fps=25, size=64)
    reader = cv2.VideoCapture(str(path))
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == 20
    assert reader.get(cv2.CAP_PROP_FPS) == 25
    assert reader.read()[1].shape == (64, 64, 3)
    reader.release()


@pytest.mark.parametrize(("fps", "delays"), [(30, [30, 40, 30]), (25, [40, 40, 40]), (120, [20, 20, 20])])
def test_gif_delays_are_what_a_gif_can(fps: float, delays: list[int]) -> None:
    with Image.open(BytesIO(video.encode(blob(3), "gif", fps=fps, size=64))) as image:
        assert image.info["loop"] == 0
        shown = []
        for i in range(image.n_frames):
            image.seek(i)
            shown.append(image.info["duration"])
    assert shown == delays


@pytest.mark.parametrize("style", STYLES)
def test_gif_shows_every_frame_in_its_greys(style: Style) -> None:
    frames, there = blob(12, places=2), [0, 0, *range(12), 11, 11]
    data = video.encode(frames, "gif", size=96, style=style, playback="bounce", there=there)
    order = [*there, *there[-2:0:-1]]
    greys = np.linspace(0, 255, 32).round()
    np.testing.assert_array_equal(decode(data, "gif"), greys[render_frames(frames, 96, style, white=31)][order])


def test_webp_loops_at_its_speed() -> None:
    with Image.open(BytesIO(video.encode(blob(10), "webp", fps=20, size=64))) as image:
        assert image.info["loop"] == 0
        image.seek(4)
        image.load()
        assert image.info["duration"] == 50


def test_png_is_a_filmstrip() -> None:
    with Image.open(
        BytesIO(video.encode(blob(), "png", size=64, playback="bounce", there=[0] * 9 + [19] * 9))
    ) as image:
        assert image.mode == "L"
        assert image.size == (12 * 64 + 11, 64)
        np.testing.assert_array_equal(np.asarray(image)[:, -64:], render_frames(blob()[-1:], 64)[0])


def test_zip_holds_transparent_frames() -> None:
    with zipfile.ZipFile(BytesIO(video.encode(blob(3), "zip", size=64))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["frame_0000.png", "frame_0001.png", "frame_0002.png"]
        with Image.open(archive.open("frame_0002.png")) as image:
            rgba = np.asarray(image.convert("RGBA"))
    assert rgba.shape == (64, 64, 4)
    assert not rgba[..., :3].any()
    assert rgba[0, 0, 3] == 0
    assert rgba[32, 46, 3] == 255


@pytest.mark.parametrize("form", video.FORMATS)
def test_same_frames_same_bytes(form: str) -> None:
    assert video.encode(blob(), form, size=96) == video.encode(torch.from_numpy(blob()), form, size=96)


def test_same_bytes_in_another_process(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", blob())
    code = """if True:
        import numpy as np
        from vae import MorphRequest, produce, video
        for form in video.FORMATS:
            video.write_video(np.load("frames.npy"), f"out.{form}", size=96)
    """
    paths = {**os.environ, "PYTHONPATH": str(Path(video.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=paths, capture_output=True, check=True)
    assert not done.stdout + done.stderr  # encoders keep quiet
    for form in video.FORMATS:
        assert (tmp_path / f"out.{form}").read_bytes() == video.encode(blob(), form, size=96)


@pytest.mark.parametrize("form", MOVING)
@pytest.mark.parametrize("playback", ["once", "bounce"])
def test_one_frame_is_a_video(form: str, playback: video.Playback) -> None:
    assert decode(video.encode(blob(1), form, size=28, playback=playback), form).shape == (1, 28, 28)


def test_bounce_goes_there_and_back_without_doubled_ends() -> None:
    shown = decode(video.encode(blob(10), "mp4", size=64, playback="bounce"), "mp4")
    assert len(shown) == 18
    assert abs(shown[1:9] - shown[:9:-1]).mean() < 1


def test_hold_is_in_seconds(tmp_path: Path) -> None:
    for playback, count in (("once", 30), ("bounce", 58)):
        path = video.write_video(blob(10), tmp_path / "out.webm", fps=20, size=64, hold=0.5, playback=playback)
        assert len(decode(path.read_bytes(), "webm")) == count


@pytest.mark.parametrize("name", ["out.mp4", "OUT.MP4", "a:b%03d ü.mp4", "x%d.avi"])
def test_the_suffix_chooses_and_nothing_else_is_left(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"an older file")
    assert video.write_video(blob(), path, size=64) == path
    assert path.read_bytes() == video.encode(blob(), path.suffix[1:], size=64)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["out.mov", "out", "out.mp4.txt"])
def test_unknown_suffixes_name_the_known(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"\.mp4, \.avi, \.webm, \.gif, \.webp, \.png, \.zip"):
        video.write_video(blob(), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options",
    [
        {"fps": 0.5},
        {"fps": 121},
        {"fps": float("nan")},
        {"size": 20},
        {"size": 4000},
        {"hold": -1},
        {"hold": float("inf")},
        {"style": "crayon"},
        {"playback": "backwards"},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict, tmp_path: Path) -> None:
    with pytest.raises(BadRequest):
        video.write_video(blob(), tmp_path / "out.mp4", **options)
    assert not list(tmp_path.iterdir())


def test_frames_that_are_not_ink_and_missing_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        video.write_video(blob(), tmp_path / "missing" / "out.mp4", size=64)
    for frames in (np.zeros((0, 28, 28)), np.full((2, 28, 28), np.nan), blob() * 255):
        with pytest.raises(ValueError, match="expected"):
            video.encode(frames, "mp4")


@pytest.mark.parametrize(("opens", "message"), [(False, "cannot write"), (True, "wrote 0 of 20 frames")])
def test_failures_are_loud_and_leave_the_old_file(
    opens: bool, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = Mock(**{"isOpened.return_value": opens})  # whatever is written to it is lost
    monkeypatch.setattr(video.cv2, "VideoWriter", Mock(return_value=deaf, fourcc=cv2.VideoWriter.fourcc))
    path = tmp_path / "out.avi"
    path.write_bytes(b"an older file")
    with pytest.raises(OSError, match=message):
        video.write_video(blob(), path, size=64)
    deaf.release.assert_called_once()
    assert path.read_bytes() == b"an older file"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.avi"]


def test_every_format_has_a_mime_type_a_writer_and_a_line_of_manual() -> None:
    assert set(video.FORMATS) == set(video._WRITERS)
    assert all(f"| {name} " in (video.__doc__ or "") for name in video.FORMATS)
