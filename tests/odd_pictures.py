"""Read odd pictures and say what came of each: `python -m tests.odd_pictures shapes` (or `files`).

A program of its own, each group of pictures in a fork of it: so a crash inside OpenCV or a filled memory is
one failed test and not the end of pytest, and what a group used is known to the kernel. A line of JSON
for each picture (group, picture, outcome), and one for each group (group, status, seconds, megabytes).
"""

import functools
import io
import json
import math
import os
import resource
import struct
import sys
import zlib
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw

from vae.classifier import shipped_segmenter
from vae.errors import BadRequest
from vae.ink import WORK_SIDE
from vae.sketch import read_digits

Make = Callable[[], object]
FORMS = {  # and the longest side that PIL writes of each
    "PNG": (("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), 10**9),
    "BMP": (("1", "L", "P", "RGB"), 10**9),
    "GIF": (("L", "P"), 65_535),
    "WEBP": (("RGB", "RGBA"), 16_383),
    "JPEG": (("L", "RGB", "CMYK"), 65_500),
}
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")
DEEP = ("I", "F", "F with NaN", "I;16", "I;16L", "I;16B", "I;16N")
ARRAYS = ("uint8", "uint8x1", "uint8x3", "uint8x4", "bool", "float16", "float32x3", "float64", "float64x4")
SHAPES = [(1, 1), (2, 1), (1, 28), (1200, 1), (1, 1201), (20_000, 1), (3, 20_000), (20_000, 7)]
LARGE = [(2000, 2000), (200, 20_000), (4000, 200), (20_000, 200), (1200, 1200)]
HUGE = [(3, 300_000), (1, 4_000_000), (300_000, 3), (2001, 2000), (20_001, 1)]
CONTENTS = ("blank", "noise", "stroke", "line")
MOST_DISC = 17  # the largest kernel in use, for the light on a photo


# --- pictures of every shape, mode and depth ---


def shapes() -> Iterator[tuple[str, dict[str, Make]]]:
    """Every kind in several shapes, the contents in turn."""
    groups = {form: [f"{form} {mode}" for mode in modes] for form, (modes, _) in FORMS.items()}
    groups["PNG"].append("PNG P with alphas")
    groups |= {"PIL images": [*MODES, *DEEP], "arrays": [*ARRAYS]}
    for group, kinds in groups.items():
        pictures: dict[str, Make] = {}
        for i, kind in enumerate(kinds):
            random = np.random.default_rng(i)
            area = np.exp(random.uniform(0, math.log(1e6), 3))
            widths = np.exp(random.uniform(0, np.log(area)))
            some = [(math.ceil(w), math.ceil(a / w)) for w, a in zip(widths, area, strict=True)]
            large = [LARGE[i % len(LARGE)], HUGE[i % len(HUGE)]] if i % 2 else [HUGE[0]]
            for j, (width, height) in enumerate([*SHAPES, *some, *large]):
                content = CONTENTS[(i + j) % len(CONTENTS)]
                if content == "noise" and width * height > 300_000:
                    content = "stroke"  # compressing noise takes longer than all else here
                if max(width, height) <= FORMS.get(group, ((), 10**9))[1]:
                    make = functools.partial(made, kind, width, height, content)
                    pictures[f"{kind}, {width} x {height}, {content}"] = make
        yield group, pictures


def made(kind: str, width: int, height: int, content: str) -> object:
    grey = np.full((height, width), 255, np.uint8)
    if content == "noise":
        grey = np.random.default_rng(width).integers(0, 256, grey.shape, np.uint8)
    elif content == "stroke":
        grey[height // 4 : -(-3 * height // 4), width // 3 : -(-width // 2)] = 0
    elif content == "line":
        grey[np.s_[height // 2, :] if width > height else np.s_[:, width // 2]] = 0
    first, _, rest = kind.partition(" ")
    if kind in ARRAYS:
        dtype, _, channels = kind.partition("x")
        array = grey if dtype == "uint8" else (grey / np.float32(255)).astype(dtype)
        return np.broadcast_to(array[..., None], (*array.shape, int(channels))) if channels else array
    if first not in FORMS:
        return in_mode(grey, kind)
    image = in_mode(grey, rest.split()[0])
    return encoded(image, first, **({"transparency": bytes(range(256))} if "alphas" in rest else {}))


def in_mode(grey: np.ndarray, mode: str) -> Image.Image:
    image = Image.fromarray(grey)
    if mode.startswith("I;"):
        values = grey.astype(">u2" if mode == "I;16B" else "=u2" if mode == "I;16N" else "<u2") * 257
        return Image.frombytes(mode, image.size, values.tobytes())
    if mode == "F with NaN":
        odd = np.tile(np.array([np.nan, np.inf, -np.inf, 1e38, 0], np.float32), grey.size // 5 + 1)
        return Image.fromarray(np.where(grey > 200, odd[: grey.size].reshape(grey.shape), np.float32(grey)))
    if mode == "LAB":
        return Image.merge("LAB", [image, Image.new("L", image.size, 128), Image.new("L", image.size, 128)])
    by_way_of = {"La": "LA", "PA": "LA", "RGBa": "RGBA"}.get(mode, mode)
    return image.convert(by_way_of).convert(mode)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **({"lossless": True} if form == "WEBP" else {}), **options)
    return file.getvalue()


# --- small files that could keep a reader busy, or fill its memory ---


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            extra,
            chunk(b"IDAT", zlib.compress(rows, 9)),
            chunk(b"IEND", b""),
        )
    )


def thin(width: int, height: int) -> bytes:
    rows = np.full((height, width), 65535, np.uint16)
    rows[height // 4 : 3 * height // 4, width // 2] = 0
    return png(width, height, 16, 0, np.pad(rows.view(np.uint8), [(0, 0), (1, 0)]).tobytes())


def seven(form: str = "PNG", **options: object) -> bytes:
    image = Image.new("L", (560, 280), "white")
    ImageDraw.Draw(image).line([(200, 50), (320, 50), (240, 230)], fill="black", width=14)
    return encoded(image, form, **options)


def lines(step: int, start: int) -> bytes:
    image = Image.new("L", (1200, 1200), "white")
    for y in range(start, -start, step):
        ImageDraw.Draw(image).line([(0, y), (1200, y + 1200)], fill="black")
    return encoded(image, "PNG")


def exif(tags: int, size: int, orientation: int = 6) -> bytes:
    """Tags that point at the same `size` bytes each, after the one that turns the picture."""
    entries = [struct.pack("<HHII", 0x9000 + tag, 7, size, 8) for tag in range(tags)]
    turn = struct.pack("<HHII", 0x0112, 3, 1, orientation)
    directory = struct.pack("<H", tags + 1) + turn + b"".join(entries) + bytes(4)
    return (b"II*\0\x08\0\0\0" + directory).ljust(size + 8, b"\0")


def with_chunk(name: bytes, data: bytes) -> bytes:
    whole = seven()
    return whole[:33] + chunk(name, data) + whole[33:]  # after IHDR


def raw_profile() -> bytes:
    text = "\nexif\n  1\n" + exif(1000, 450_000).hex()
    return with_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text.encode(), 9))


def jpeg_exif() -> bytes:
    block, jpeg = exif(8000, 100_000), seven("JPEG")
    parts = [b"Exif\0\0" + block[at : at + 60_000] for at in range(0, len(block), 60_000)]
    header = b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in parts)
    return jpeg[:2] + header + jpeg[20:]  # JFIF's resolution, left out here, would spare PIL the EXIF


def jpeg_scans() -> bytes:
    jpeg = io.BytesIO()
    Image.new("L", (2000, 2000)).save(jpeg, "JPEG", progressive=True)
    whole = jpeg.getvalue()
    last = whole[whole.rfind(b"\xff\xda") : -2]
    return whole[:-2] + 2000 * last + whole[-2:]


def apng() -> bytes:
    side = 12_000
    frame = struct.pack(">IIIIIHHBB", 0, side, side, 0, 0, 1, 1, 1, 0)  # to be cleared: PIL fills another
    return png(side, side, 8, 6, b"", chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", frame))


def gif(side: int, extra: bytes) -> bytes:
    screen = struct.pack("<HH", side, side)
    frame = b",\0\0\0\0" + screen + b"\0\x02\x02\x4c\x01\0;"
    return b"GIF89a" + screen + b"\x80\0\0\xff\xff\xff\0\0\0" + extra + frame


def bmp_runs() -> bytes:
    """One row, and a step 255 rows up."""
    header = struct.pack("<IiiHHIIiiII", 40, 4_000_000, 1, 1, 8, 1, 4, 0, 0, 3, 0)
    return b"BM" + struct.pack("<IHHI", 70, 0, 0, 66) + header + b"\0\1\2\0\3\4\5\0\6\7\x08\0" + b"\0\2\0\xff"


FILES: dict[str, Make] = {
    "16 bit PNG, 3 x 300,000": lambda: thin(3, 300_000),
    "16 bit PNG, 1 x 4,000,000": lambda: thin(1, 4_000_000),
    "page of slanting lines": lambda: lines(3, -1200),
    "page of slanting lines as one digit": lambda: lines(3, -1200),
    "forty long lines": lambda: lines(5, -100),
    "animated PNG of 144 megapixels": apng,
    "PNG with EXIF in its text": raw_profile,
    "PNG with EXIF, turned": lambda: with_chunk(b"eXIf", exif(2700, 32_000)),
    "PNG with much EXIF": lambda: with_chunk(b"eXIf", exif(8000, 100_000)),
    "JPEG with much EXIF": jpeg_exif,
    "WebP with much EXIF": lambda: seven("WEBP", exif=exif(8000, 100_000)),
    "JPEG of 2,000 scans": jpeg_scans,
    "GIF of 179 megapixels to be cleared": lambda: gif(13_370, b"!\xf9\x04\x08\0\0\0\0"),
    "GIF with a long comment": lambda: gif(10, b"!\xfe" + 1_500_000 * b"\x01a" + b"\0"),
    "BMP of runs": bmp_runs,
}


def files() -> Iterator[tuple[str, dict[str, Make]]]:
    for name, make in FILES.items():
        data = make()  # before the fork: only its reading is measured
        yield name, {f"{len(data):,} bytes": lambda data=data: data}


# --- reading them ---


def outcome(picture: object, single: bool) -> str:
    try:
        digits = read_digits(picture, single=single)
    except BadRequest as refused:
        return f"refused: {refused}"
    except Exception as error:
        return f"failed: {error!r}"
    right = digits.shape[1:] == (1, 28, 28) and digits.min() >= 0 and digits.max() <= 1  # NaN fails both
    return f"read: {len(digits)}" if right else "failed: no digits"


def watch_opencv() -> None:
    """Let no function of OpenCV have a side above WORK_SIDE, nor a large kernel."""
    for name, function in list(vars(cv2).items()):
        if callable(function) and name[0].islower():
            setattr(cv2, name, watched(function, MOST_DISC if "Structuring" in name else WORK_SIDE))


def watched(function: Callable[..., object], most: int) -> Callable[..., object]:
    def call(*args: object, **options: object) -> object:
        sides = [arg.shape if isinstance(arg, np.ndarray) else arg for arg in (*args, *options.values())]
        assert all(max(side, default=0) <= most for side in sides if isinstance(side, tuple)), sides
        return function(*args, **options)

    return call


def apart(work: Callable[[], None]) -> tuple[int, float, float]:
    """Do it in a fork: its status, CPU seconds, and the most memory it had, in MB."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (30, 40))
        work()
        sys.stdout.flush()
        os._exit(0)
    _, status, used = os.wait4(pid, 0)
    return (status, used.ru_utime + used.ru_stime, used.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024))


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def main() -> None:
    torch.set_num_threads(1)
    shipped_segmenter()  # for all forks
    watch_opencv()
    for name, group in {"shapes": shapes, "files": files}[sys.argv[1]]():

        def read_all(name: str = name, group: dict[str, Make] = group) -> None:
            for label, make in group.items():
                print(name, label, file=sys.stderr, flush=True)  # the last one, if it dies
                said = outcome(make(), single="as one digit" in name)
                say(group=name, picture=label, outcome=said)

        empty = apart(lambda: None)[2]
        status, seconds, megabytes = apart(read_all)
        say(group=name, status=status, seconds=seconds, megabytes=megabytes - empty)


if __name__ == "__main__":
    main()
