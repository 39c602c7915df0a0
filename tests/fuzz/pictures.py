"""Read damaged pictures for as long as you like: `python -m tests.fuzz.pictures --seconds 3600`.

Good files of every format that is read are changed here and there and read in a process of its own, which has little
memory and a few seconds for each. What kills that process, or raises anything but a sentence for the visitor, is
kept in tests/fuzz/crashes, where a test reads it again for ever; the command then ends with 1.
"""

from __future__ import annotations

import argparse
import functools
import io
import re
import resource
import secrets
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests import odd_pictures
from tests.fuzz.values import check_sentence
from vae.errors import BadRequest
from vae.sketch import read_digits

ROOT = Path(__file__).resolve().parents[2]
CRASHES = ROOT / "tests" / "fuzz" / "crashes"
PATIENCE = 10  # seconds for one picture
MEMORY = 2**30  # bytes of addresses beyond what the libraries take
LARGEST = 60_000  # bytes of a file to begin with
ODD = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
KINDS = {"flip": 0.35, "number": 0.3, "delete": 0.1, "repeat": 0.1, "splice": 0.13, "cut": 0.02}  # how often each
BREAKS = [  # for a test of this program: what the pictures from number 1 on do to their reader
    lambda: 1 // 0,
    lambda: len(bytearray(8 * MEMORY)),
    lambda: signal.raise_signal(signal.SIGSEGV),
    lambda: time.sleep(1000),
]


@functools.cache
def wholes() -> list[bytes]:
    """Good files: every format and mode, and those that once were a burden."""
    grey = np.asarray(Image.open(io.BytesIO(odd_pictures.seven())).resize((70, 35)))
    kinds = [(form, mode) for form, (modes, _) in odd_pictures.FORMS.items() for mode in modes]
    files = [odd_pictures.encoded(odd_pictures.in_mode(grey, mode), form) for form, mode in kinds]
    frames = [Image.fromarray(np.roll(grey, 9 * k, 1)) for k in range(3)]
    for form, options in (("GIF", {}), ("PNG", {}), ("WEBP", {}), ("JPEG", {"progressive": True, "quality": 40})):
        file = io.BytesIO()
        more = {"save_all": True, "append_images": frames[1:], "duration": 50} if form != "JPEG" else {}
        frames[0].save(file, form, **more, **options)
        files.append(file.getvalue())
    tags = b"Exif\0\0" + odd_pictures.exif(5, 200)
    exif = [odd_pictures.seven(form, exif=tags) for form in ("PNG", "JPEG", "WEBP")]
    odd = [make() for name, make in odd_pictures.FILES.items() if "GIF" in name or "BMP" in name or "EXIF" in name]
    return [data for data in (*files, *exif, *odd) if len(data) <= LARGEST]


def mutant(seed: int, number: int) -> bytes:
    """One of a seed's pictures, always the same."""
    random = np.random.default_rng([seed, number])
    data = bytearray(wholes()[random.integers(len(wholes()))])
    for _ in range(random.integers(1, 7)):
        reach = len(data) if random.random() < 0.5 else min(len(data), 80)  # much happens at the beginning
        at, end = sorted(random.integers(0, reach + 1, 2))
        kind = random.choice(list(KINDS), p=list(KINDS.values()))
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << int(random.integers(8))
        elif kind == "number":
            size, order = random.choice([1, 2, 4]), random.choice(["little", "big"])
            value = int(random.choice(ODD)) & (256 ** int(size) - 1)
            data[at : at + size] = value.to_bytes(int(size), str(order))
        elif kind == "delete":
            del data[at : min(end, at + 64)]
        elif kind == "repeat":
            data[at:at] = data[at:end] * int(random.integers(1, 20))
        elif kind == "splice":
            other = wholes()[random.integers(len(wholes()))]
            data[at:end] = other[at : at + int(random.integers(1, 200))]
        elif kind == "cut":
            del data[at:]
    whole = bytes(data)
    return summed(whole) if random.random() < 0.7 else whole


def summed(data: bytes) -> bytes:
    """A PNG with right checksums, so that the damage gets beyond them; anything else as it is."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        parts += [data[at:end], zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")]
        at = end + 4
    return b"".join([*parts, data[at:]])


# --- the process that reads ---


def read(data: bytes) -> str:
    """What is wrong with how a picture is read; nothing, as a rule."""
    try:
        digits = read_digits(data)
        assert digits.isfinite().all() and digits.min() >= 0 and digits.max() <= 1
    except BadRequest as refused:
        try:
            check_sentence(str(refused))
        except AssertionError:
            return f"no sentence: {refused}"
    except Exception as error:
        return re.sub(r"\s+", " ", repr(error))[:300]
    return ""


def work(pictures: Iterator[tuple[int, bytes]], patience: int, breaks: bool = False) -> None:
    """Read them all; a line before each, which the parent reads when this process has died, and one for a fault."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number, data in pictures:
        print("read", number, flush=True)
        signal.alarm(patience)  # ends the process, wherever it hangs
        fault = read(data)
        if breaks and 1 <= number <= len(BREAKS):
            try:
                BREAKS[number - 1]()
            except Exception as error:
                fault = repr(error)
        signal.alarm(0)
        if fault:
            print("fault", number, fault, flush=True)


def mutants(seed: int, first: int, most: int, until: float) -> Iterator[tuple[int, bytes]]:
    for number in range(first, most):
        if time.time() > until:
            return
        yield number, mutant(seed, number)


# --- the parent ---


def watched(options: list[str], patience: int) -> tuple[int, dict[int, str]]:
    """The last picture that a new process took up (-1: none), and the faults by picture."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.pictures", *options, "--patience", str(patience)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        last, faults = -1, {}
        for line in process.stdout or ():
            kind, number, *fault = line.rstrip("\n").split(" ", 2)
            last = int(number)
            if kind == "fault":
                faults[last] = fault[0]
    if process.returncode:
        if last < 0:
            raise RuntimeError(f"the process that reads ended with {process.returncode} before it began")
        hung = process.returncode == -signal.SIGALRM
        faults[last] = f"took {patience} seconds" if hung else f"ended with {process.returncode}"
    return last, faults


def fuzz(
    seconds: float, seed: int, most: int = 10**9, kept: Path = CRASHES, patience: int = PATIENCE, breaks: bool = False
) -> tuple[int, list[str]]:
    """How many were read, and what went wrong, each with the file in which it is kept."""
    until, first, found = time.time() + seconds, 0, []
    while first < most and time.time() < until:
        options = ["--seed", str(seed), "--first", str(first), "--most", str(most), "--until", str(until)]
        last, faults = watched(["work", *options, *(["--breaks"] if breaks else [])], patience)
        for number, fault in sorted(faults.items()):
            kept.mkdir(parents=True, exist_ok=True)
            path = kept / f"seed-{seed}-{number}"
            path.write_bytes(mutant(seed, number))
            found.append(f"{path}: {fault}")
        if last < 0:
            break
        first = last + 1
    return first, found


def replayed(path: Path) -> str:
    """What is wrong with how a file is read, in a process of its own."""
    return watched(["work", "--file", str(path)], PATIENCE)[1].get(0, "")


def main() -> None:
    parser = argparse.ArgumentParser(description="Read damaged pictures and keep those that break the reader.")
    parser.add_argument("work", nargs="?", choices=["work"], help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="the same seed, the same pictures")
    hidden: list[tuple[str, Any, Any]] = [
        ("--first", int, 0),
        ("--most", int, 10**9),
        ("--until", float, 0),
        ("--patience", int, PATIENCE),
        ("--file", Path, None),
    ]
    for name, kind, default in hidden:
        parser.add_argument(name, type=kind, default=default, help=argparse.SUPPRESS)
    parser.add_argument("--breaks", action="store_true", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.work:
        one = iter([(0, told.file.read_bytes())]) if told.file else None
        work(one or mutants(told.seed, told.first, told.most, told.until), told.patience, told.breaks)
        return
    count, found = fuzz(told.seconds, told.seed)
    said = f"{count} damaged pictures of seed {told.seed} were read or refused; {len(found)} broke something"
    print(said, *found, sep="\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
