"""Frames of ink -> a file that plays: the one home of PyAV and of OpenCV's VideoWriter.

`frames` are float (T, H, W) in [0, 1], ink = 1, as `vae.render` takes them. The same frames and
options give the same bytes: encoders run on one thread at fixed speeds and nothing writes a date.

| format | what it is                                                                              |
|--------|-----------------------------------------------------------------------------------------|
| mp4    | H.264 (Baseline, 4:2:0), index first; a keyframe every 60 frames, a second or two       |
| webm   | VP9                                                                                     |
| avi    | Motion JPEG by OpenCV                                                                   |
| gif    | 32 greys, loops; a delay is a multiple of 10 ms, at least 20 (so up to 50 frames/s)     |
| webp   | animated, lossy, loops                                                                  |
| png    | a filmstrip of up to 12 frames, side by side; fps, playback and hold do not apply       |
| zip    | the frames as PNGs, black ink on nothing; fps and style do not apply                    |
"""

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from io import BytesIO
from math import inf, isfinite, isqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, get_args

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vae import giving_up
from vae.errors import BadRequest
from vae.render import SIZES, Picture, Style, as_ink, filmstrip, picture_size, render_frames, transparent

Playback = Literal["once", "bounce"]

FORMATS: dict[str, str] = {  # suffix without its dot -> MIME type
    "mp4": "video/mp4",
    "avi": "video/x-msvideo",
    "webm": "video/webm",
    "gif": "image/gif",
    "webp": "image/webp",
    "png": "image/png",
    "zip": "application/zip",
}
# Megapixels a second on one idle core, EDGES counted, as `python -m tests.benchmarks.bench_limits` measured.
RATES: dict[str, float] = {"mp4": 250, "avi": 150, "webm": 120, "gif": 145, "webp": 95, "png": 80, "zip": 45}
EDGES = 30_000  # px: the edges of one digit take as long, which is most of the work in a small picture
MOST_SECONDS = 10.0  # that all files of one request may take together, by the RATES
MOST_BYTES = 60_000_000  # of a file that is held in memory
STRIP = 12  # pictures in a filmstrip
_WEBM_PIXELS = 1_200_000  # of a picture, since libvpx takes some 80 bytes for each
_AT_A_TIME = 2**22  # px of pictures rendered at a time, so that a long video needs little memory
_GIF_GREYS = 32


class _Job(NamedTuple):
    """What a writer gets, checked."""

    frames: NDArray[np.float32]  # (T, H, W), each once
    order: list[int]  # which of them is shown when: with the holds and the way back
    fps: float
    size: int
    style: Style
    path: Path  # of the file to write
    most: float  # bytes

    def chunks(self) -> Iterator[NDArray[np.float32]]:
        """The frames in the order in which they are shown, a few (T, H, W) at a time.

        BadRequest when the file has grown too large: how well a picture compresses shows only then. GivenUp.
        """
        h, w = picture_size(self.frames.shape, self.size)
        step = max(1, _AT_A_TIME // (h * w))
        for start in range(0, len(self.order), step):
            giving_up.check()
            if self.path.exists() and self.path.stat().st_size > self.most:
                raise BadRequest(
                    f"This file would have more than {MOST_BYTES // 10**6} megabytes: "
                    "choose fewer frames, a smaller size or another format."
                )
            yield self.frames[self.order[start : start + step]]

    def pictures(self, black: int = 0, white: int = 255) -> Iterator[Picture]:
        """The pictures, (h, w) each, with the greys 0 and 255 as `black` and `white`."""
        for chunk in self.chunks():
            yield from render_frames(chunk, self.size, self.style, black, white)


def seconds(formats: Sequence[str], shown: int, places: int, size: int) -> float:
    """About how long one core takes to write these files: `shown` pictures (with holds and the way back) of
    `places` digits side by side, `size` px high."""
    return _seconds_a_pixel(formats, shown) * places * (size**2 + EDGES)


def tallest(formats: Sequence[str], shown: int, places: int) -> int:
    """The largest size, in px, at which one request can have these files: `shown` pictures of `places`
    digits. 0 where there is none."""
    each = _seconds_a_pixel(formats, shown) * places
    area = MOST_SECONDS / each - EDGES if each else inf
    if "webm" in formats:
        area = min(area, _WEBM_PIXELS / places)
    return isqrt(int(min(max(area, 0), SIZES[1] ** 2))) // 2 * 2  # a picture's height is even


def _seconds_a_pixel(formats: Sequence[str], shown: int) -> float:
    """Of all pictures: what the files take for one more pixel in each."""
    return sum((min(shown, STRIP) if name == "png" else shown) / RATES[name] for name in formats) / 1e6


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
    playback  "once", or "bounce": there and back, so that a player that repeats the file shows no
              frame twice in a row. GIF and WebP repeat by themselves; a page decides it for the others.
    hold      seconds, 0 to 10, for which the first and the last frame stay each time they are reached

    The file appears whole or not at all. BadRequest for options that do not exist (also for the
    suffix), ValueError for frames that are not ink, OSError when the file cannot be written.
    """
    if not (isfinite(hold) and 0 <= hold <= 10):
        raise BadRequest("The hold must be between 0 and 10 seconds.")
    path = Path(path)
    suffix = _known(path.suffix.removeprefix("."))
    ink, pause = as_ink(frames), _frames_in(hold, fps)
    there = [0] * pause + list(range(len(ink))) + [len(ink) - 1] * pause
    job = _job(ink, fps, size, style, playback, there)
    with TemporaryDirectory(dir=path.parent, prefix=".morph-") as folder:  # same disk: replacing is atomic
        _written(job, suffix, folder).replace(path)
    return path


def encode(
    frames: Any,
    format: str,
    fps: float = 30,
    size: int = 512,
    style: Style = "ink",
    playback: Playback = "once",
    there: Sequence[int] | None = None,
) -> bytes:
    """The bytes of a file of one of FORMATS; options as in `write_video`.

    `there` says which frame is shown when, holds included (`vae.morphing.hold_frames`); None shows each once.
    BadRequest, too, where they would be more than MOST_BYTES.
    """
    suffix, ink = _known(format), as_ink(frames)
    job = _job(ink, fps, size, style, playback, range(len(ink)) if there is None else there)
    with TemporaryDirectory() as folder:  # a real file: faststart moves the index within it
        return _written(job, suffix, folder, MOST_BYTES).read_bytes()


def _written(job: _Job, suffix: str, folder: str, most: float = inf) -> Path:
    """The job's file, in `folder`."""
    path = Path(folder).resolve() / f"video.{suffix}"
    _WRITERS[suffix](job._replace(path=path, most=most))
    return path


def _known(suffix: str) -> str:
    if suffix.lower() not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise BadRequest(f"{'.' + suffix if suffix else 'No suffix'} is not a format we write; choose one of {known}.")
    return suffix.lower()


def _job(
    ink: NDArray[np.float32], fps: float, size: int, style: Style, playback: Playback, there: Sequence[int]
) -> _Job:
    if playback not in get_args(Playback):
        raise BadRequest(f"There is no playback {playback!r}; choose one of {', '.join(get_args(Playback))}.")
    _frames_in(0, fps)
    picture_size(ink.shape, size)
    back = there[-2:0:-1] if playback == "bounce" else []
    return _Job(ink, [*there, *back], fps, size, style, Path(), inf)


def _frames_in(seconds: float, fps: float) -> int:
    if not (isfinite(fps) and 1 <= fps <= 120):
        raise BadRequest("The speed must be between 1 and 120 frames a second.")
    return round(seconds * fps)


def _write_stream(job: _Job, codec: str, options: dict[str, str], container: dict[str, str]) -> None:
    """Encode by PyAV as yuv420p in video range: Y is the picture, 16 black to 235 white, U = V = 128."""
    h, w = picture_size(job.frames.shape, job.size)
    rate = Fraction(job.fps).limit_denominator(1001)
    with av.open(str(job.path), "w", options={"fflags": "+bitexact", **container}) as output:
        stream = output.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = w, h, "yuv420p"
        context = stream.codec_context
        context.thread_count = 1  # a second thread gained nothing, and libvpx spins when cores are busy
        context.gop_size = 60  # against 15, the bytes of an mp4 are a sixth fewer
        context.color_range = 1  # video range, the only one that every player gets right
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
        frame = av.VideoFrame(w, h, "yuv420p")  # one for all: encoders copy what they are given
        luma, *chroma = frame.planes
        for plane in chroma:
            np.frombuffer(plane, np.uint8)[:] = 128
        for i, picture in enumerate(job.pictures(black=16, white=235)):
            np.frombuffer(luma, np.uint8).reshape(-1, luma.line_size)[:h, :w] = picture
            frame.pts = i
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


def _write_mp4(job: _Job) -> None:
    # Measured, 60 frames of 1024x512: a constant quantiser takes a third less time than crf, which looks ahead at
    # small copies of the frames, and 23 is at least 50 dB in every frame. CABAC would save a seventh of the bytes
    # for a tenth of the time; superfast saves more and takes twice as long.
    _write_stream(job, "libx264", {"preset": "ultrafast", "qp": "23"}, {"movflags": "+faststart"})


def _write_webm(job: _Job) -> None:
    # VP9, not VP8: as quick, half the bytes; and VP8's real-time speed follows the clock, not the request.
    options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "32", "b": "0"}
    _write_stream(job, "libvpx-vp9", options, {})


def _write_webp(job: _Job) -> None:
    # Every picture whole. libwebp's encoder of animations (libwebp_anim; Pillow's too) saves half of
    # the bytes by leaving pixels that changed little, and over a slow morph the strokes come apart.
    _write_stream(job, "libwebp", {"quality": "60", "compression_level": "0"}, {"loop": "0"})


def _write_avi(job: _Job) -> None:
    h, w = picture_size(job.frames.shape, job.size)
    writer = cv2.VideoWriter(str(job.path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), job.fps, (w, h))
    try:
        if not writer.isOpened():
            raise OSError("OpenCV cannot write Motion JPEG here")
        for picture in job.pictures():
            writer.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))  # grey JPEGs play in few places
    finally:
        writer.release()
    reader = cv2.VideoCapture(str(job.path), cv2.CAP_FFMPEG)  # write() and release() report nothing
    written = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
    reader.release()
    if written != len(job.order):
        raise OSError(f"OpenCV wrote {written} of {len(job.order)} frames")


def _write_gif(job: _Job) -> None:
    # By PyAV, a frame at a time: Pillow keeps them all. Of each, only the rectangle that changed is written;
    # to leave what did not change within it as well ("transdiff") takes longer, and strokes that move gain
    # nothing by it.
    h, w = picture_size(job.frames.shape, job.size)
    greys = np.linspace(0, 255, _GIF_GREYS).round().astype(np.uint32)
    palette = np.full(256, 0xFF000000, np.uint32)  # ARGB
    palette[:_GIF_GREYS] += greys * 0x010101
    ends = (np.arange(len(job.order) + 1) * 100 / min(job.fps, 50)).round().astype(int)  # in units of 10 ms:
    loop = {"loop": "0", "final_delay": str(ends[-1] - ends[-2])}  # 30 frames/s: 30, 40, 30 ms ...
    with av.open(str(job.path), "w", format="gif", options={"fflags": "+bitexact", **loop}) as output:
        stream = output.add_stream("gif", rate=100, options={"gifflags": "+offsetting-transdiff"})
        stream.width, stream.height, stream.pix_fmt = w, h, "pal8"
        for start, picture in zip(ends.tolist(), job.pictures(white=_GIF_GREYS - 1), strict=False):
            frame = av.VideoFrame(w, h, "pal8")
            indices, colours = frame.planes  # rendered straight to indices of the palette
            np.frombuffer(indices, np.uint8).reshape(-1, indices.line_size)[:h, :w] = picture
            np.frombuffer(colours, np.uint32)[:] = palette
            frame.pts = start
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


def _write_png(job: _Job) -> None:
    strip = filmstrip(job.frames, STRIP, job.size, job.style)
    giving_up.check()
    Image.fromarray(strip).save(job.path)


def _write_zip(job: _Job) -> None:
    with zipfile.ZipFile(job.path, "w", zipfile.ZIP_STORED) as archive:
        for i, frame in enumerate(frame for chunk in job.chunks() for frame in chunk):
            png = BytesIO()
            rgba = transparent(frame[None], job.size)[0]
            Image.fromarray(np.ascontiguousarray(rgba[..., 2:])).save(png, "PNG", compress_level=1)  # LA
            archive.writestr(zipfile.ZipInfo(f"frame_{i:04d}.png"), png.getvalue())  # dated 1980


_WRITERS: dict[str, Callable[[_Job], None]] = {
    "mp4": _write_mp4,
    "avi": _write_avi,
    "webm": _write_webm,
    "gif": _write_gif,
    "webp": _write_webp,
    "png": _write_png,
    "zip": _write_zip,
}
