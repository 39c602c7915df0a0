"""Frames of ink -> a file that plays: the one home of PyAV and of OpenCV's VideoWriter.

`frames` are float (T, H, W) in [0, 1], ink = 1, as `vae.render` takes them. The same frames and
options give the same bytes: encoders run on one thread at fixed speeds and nothing writes a date.

| format | what it is                                                                              |
|--------|-----------------------------------------------------------------------------------------|
| mp4    | H.264 (High, 4:2:0, no B-frames), index first; a keyframe every 15 frames, for scrubbing |
| webm   | VP9                                                                                     |
| avi    | Motion JPEG by OpenCV                                                                   |
| gif    | 32 greys, loops; a delay is a multiple of 10 ms, at least 20 (so up to 50 frames/s)     |
| webp   | animated, lossy, loops                                                                  |
| png    | a filmstrip of up to 12 frames, side by side; fps, playback and hold do not apply       |
| zip    | the frames as PNGs, black ink on nothing; fps and style do not apply                    |
"""

import os
import zipfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, get_args

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vae.errors import BadRequest
from vae.render import Picture, Style, as_ink, filmstrip, picture_size, render, transparent

Playback = Literal["once", "loop", "bounce"]

FORMATS: dict[str, str] = {  # suffix without its dot -> MIME type
    "mp4": "video/mp4",
    "avi": "video/x-msvideo",
    "webm": "video/webm",
    "gif": "image/gif",
    "webp": "image/webp",
    "png": "image/png",
    "zip": "application/zip",
}
_CHUNK = 8  # pictures rendered at a time, so that a long video needs little memory
_GIF_GREYS = 32


class _Job(NamedTuple):
    """What a writer gets: the frames in the order in which they are shown, checked."""

    frames: NDArray[np.float32]  # (T', H, W)
    once: NDArray[np.float32]  # (T, H, W), without holds or the way back
    fps: float
    size: int
    style: Style

    def pictures(self, black: int = 0, white: int = 255) -> Iterator[Picture]:
        """The pictures, (h, w) each, with the greys 0 and 255 as `black` and `white`."""
        for start in range(0, len(self.frames), _CHUNK):
            chunk = self.frames[start : start + _CHUNK]
            yield from render(chunk, self.size, self.style, black, white)


def write_video(
    frames: Any,
    path: str | os.PathLike[str],
    fps: float = 30,
    size: int = 512,
    style: Style = "ink",
    playback: Playback = "once",
    hold: float = 0.0,
) -> Path:
    """Write frames (T, H, W) in [0, 1] to `path`; its suffix chooses the format. Returns the path.

    fps       frames a second, 1 to 120
    size      height of the picture in px, 28 to 2048 (rounded up to an even number)
    style     "ink", "pixels" (nearest neighbour) or "chalk"
    playback  "bounce" goes there and back: frames 0 ... T-1 ... 1, 2T - 2 of them, so that a player
              that repeats the file shows no frame twice in a row. "once" and "loop" keep the frames
              as they are; GIF and WebP repeat in any case, and a page decides it for the others.
    hold      seconds, 0 to 10, for which the first and the last frame stay before they move on

    The file appears whole or not at all. BadRequest for options that do not exist (also for the
    suffix), ValueError for frames that are not ink, OSError when the file cannot be written.
    """
    path = Path(path)
    suffix = _known(path.suffix.removeprefix("."))
    job = _job(frames, fps, size, style, playback, hold)
    with TemporaryDirectory(dir=path.parent, prefix=".morph-") as folder:  # same disk: replacing is atomic
        unfinished = Path(folder).resolve() / f"video.{suffix}"
        _WRITERS[suffix](job, unfinished)
        unfinished.replace(path)
    return path


def encode(
    frames: Any,
    format: str,
    fps: float = 30,
    size: int = 512,
    style: Style = "ink",
    playback: Playback = "once",
    hold: float = 0.0,
) -> bytes:
    """The bytes of the file that `write_video` would write; `format` is one of FORMATS."""
    with TemporaryDirectory() as folder:  # a real file: faststart moves the index within it
        return write_video(
            frames, Path(folder) / f"video.{_known(format)}", fps, size, style, playback, hold
        ).read_bytes()


def _known(suffix: str) -> str:
    if suffix.lower() not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise BadRequest(
            f"{'.' + suffix if suffix else 'No suffix'} is not a format we write; choose one of {known}."
        )
    return suffix.lower()


def _job(frames: Any, fps: float, size: int, style: Style, playback: Playback, hold: float) -> _Job:
    if not (isfinite(fps) and 1 <= fps <= 120):
        raise BadRequest("The speed must be between 1 and 120 frames a second.")
    if not (isfinite(hold) and 0 <= hold <= 10):
        raise BadRequest("The hold must be between 0 and 10 seconds.")
    if playback not in get_args(Playback):
        raise BadRequest(f"There is no playback {playback!r}; choose one of {', '.join(get_args(Playback))}.")
    ink = as_ink(frames)
    picture_size(ink.shape, size)
    return _Job(ink[_order(len(ink), playback, round(hold * fps))], ink, fps, size, style)


def _order(count: int, playback: Playback, hold: int) -> list[int]:
    """Which of `count` frames is shown when; the ends stay for `hold` frames more."""
    there = [0] * hold + list(range(count)) + [count - 1] * hold
    return there + list(range(count - 2, 0, -1)) if playback == "bounce" else there


def _write_stream(
    job: _Job, path: Path, codec: str, options: dict[str, str], container: dict[str, str]
) -> None:
    """Encode by PyAV as yuv420p in video range: Y is the picture, 16 black to 235 white, U = V = 128."""
    h, w = picture_size(job.frames.shape, job.size)
    rate = Fraction(job.fps).limit_denominator(1001)
    with av.open(str(path), "w", options={"fflags": "+bitexact", **container}) as output:
        stream = output.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = w, h, "yuv420p"
        context = stream.codec_context
        context.thread_count = 1  # a second thread gained nothing, and libvpx spins when cores are busy
        context.gop_size = 15
        context.color_range = 1  # video range, the only one that every player gets right
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
        for i, picture in enumerate(job.pictures(black=16, white=235)):
            frame = av.VideoFrame(w, h, "yuv420p")
            luma, *chroma = frame.planes
            np.frombuffer(luma, np.uint8).reshape(-1, luma.line_size)[:h, :w] = picture
            for plane in chroma:
                np.frombuffer(plane, np.uint8)[:] = 128
            frame.pts = i
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


def _write_mp4(job: _Job, path: Path) -> None:
    # Measured, 60 frames of 512 px: the two tools cost 1 ms and save a quarter of ultrafast's bytes;
    # superfast saves more and takes twice as long. crf 26 is 51 dB: strokes compress well.
    options = {"preset": "ultrafast", "crf": "26", "x264-params": "cabac=1:8x8dct=1"}
    _write_stream(job, path, "libx264", options, {"movflags": "+faststart"})


def _write_webm(job: _Job, path: Path) -> None:
    # VP9, not VP8: as quick, half the bytes; and VP8's real-time speed follows the clock, not the request.
    options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "32", "b": "0"}
    _write_stream(job, path, "libvpx-vp9", options, {})


def _write_webp(job: _Job, path: Path) -> None:
    # Every picture whole. libwebp's encoder of animations (libwebp_anim; Pillow's too) saves half of
    # the bytes by leaving pixels that changed little, and over a slow morph the strokes come apart.
    _write_stream(job, path, "libwebp", {"quality": "60", "compression_level": "0"}, {"loop": "0"})


def _write_avi(job: _Job, path: Path) -> None:
    h, w = picture_size(job.frames.shape, job.size)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), job.fps, (w, h))
    try:
        if not writer.isOpened():
            raise OSError("OpenCV cannot write Motion JPEG here")
        for picture in job.pictures():
            writer.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))  # grey JPEGs play in few places
    finally:
        writer.release()
    reader = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)  # write() and release() report nothing
    written = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
    reader.release()
    if written != len(job.frames):
        raise OSError(f"OpenCV wrote {written} of {len(job.frames)} frames")


def _write_gif(job: _Job, path: Path) -> None:
    palette = np.linspace(0, 255, _GIF_GREYS).round().astype(np.uint8).repeat(3).tobytes()
    images = []
    for picture in job.pictures(white=_GIF_GREYS - 1):  # rendered straight to palette indices
        image = Image.frombytes("P", picture.shape[::-1], picture.tobytes())
        image.putpalette(palette)
        images.append(image)
    ends = np.arange(len(images) + 1) * 100 / min(job.fps, 50)  # in units of 10 ms
    delays = (np.diff(ends.round()) * 10).astype(int).tolist()  # 30 frames/s: 30, 40, 30 ms ...
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=delays, loop=0, optimize=False, disposal=1
    )


def _write_png(job: _Job, path: Path) -> None:
    Image.fromarray(filmstrip(job.once, size=job.size, style=job.style)).save(path)


def _write_zip(job: _Job, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for i, frame in enumerate(job.frames):
            png = BytesIO()
            rgba = transparent(frame[None], job.size)[0]
            Image.fromarray(np.ascontiguousarray(rgba[..., 2:])).save(png, "PNG", compress_level=1)  # LA
            archive.writestr(zipfile.ZipInfo(f"frame_{i:04d}.png"), png.getvalue())  # dated 1980


_WRITERS: dict[str, Callable[[_Job, Path], None]] = {
    "mp4": _write_mp4,
    "avi": _write_avi,
    "webm": _write_webm,
    "gif": _write_gif,
    "webp": _write_webp,
    "png": _write_png,
    "zip": _write_zip,
}
