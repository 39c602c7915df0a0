"""The rates of `vae.video`, and what the largest requests take that it allows: time, memory, bytes.

    python -m tests.benchmarks.bench_limits [--formats mp4 gif] [--skip-rates]

Rates first: megapixels a second with EDGES counted, of a morph of four digits at 512 px in each look, the
best of three runs, in processor time. Then a line for each of the largest requests: its size in px, the
seconds that it takes beside those that `MorphRequest.seconds` expects, by how much the process grows at
most, after a small request, and the bytes of the file, each in a process of its own. 12 minutes in all.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch

from vae import BadRequest, MorphRequest, produce, render, video
from vae.request import SIZES

NUMBERS = [str(1000 + 2857 * i % 9000) for i in range(1, 25)]
PAIR = {"steps": 240, "fps": 60, "hold": 0.4, "playback": "bounce"}
KINDS = {  # numbers, and the options of a request
    "a pair, there and back": (NUMBERS[:2], PAIR),
    "one digit, there and back": (["3", "8"], {**PAIR, "style": "chalk"}),
    "pixels, there and back": (NUMBERS[:2], {**PAIR, "style": "pixels"}),
    "a pair, once": (NUMBERS[:2], {"steps": 60}),
    "24 numbers": (NUMBERS, {"steps": 104}),
    "24 digits, there and back": ([number[0] for number in NUMBERS], {"steps": 104, "playback": "bounce"}),
    "standing noise": (["noise"] * 13, {"steps": 2, "fps": 60, "hold": 3, "style": "pixels"}),
    "moving noise": (["noise"] * 24, {"steps": 100, "style": "pixels"}),
}


def noise(seed: int) -> torch.Tensor:
    """Four digits that nothing compresses: `(4, 1, 28, 28)`."""
    return torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def largest(kind: str, form: str) -> MorphRequest | None:
    """The request of that kind at the largest size that is allowed; None if none is."""
    numbers, options = KINDS[kind]
    source, *via, target = [noise(i) if number == "noise" else number for i, number in enumerate(numbers)]
    bare = MorphRequest(source, target, tuple(via), formats=(), **options)  # type: ignore[arg-type]
    size = min(SIZES[1], video.tallest((form,), bare.shown, bare.places(unread=1)))
    if size < SIZES[0]:
        return None
    return MorphRequest(source, target, tuple(via), formats=(form,), size=size, **options)  # type: ignore[arg-type]


def rate(form: str) -> float:
    """Megapixels a second, EDGES counted."""
    frames = produce(MorphRequest("1234", "5678", formats=())).frames
    pictures = min(len(frames), video.STRIP) if form == "png" else len(frames)
    megapixels = pictures * 4 * (512**2 + video.EDGES) / 1e6
    rounds = []
    for _ in range(3):
        start = time.process_time()
        for style in render.STYLES:
            video.encode(frames, form, style=style)
        rounds.append(time.process_time() - start)
    return len(render.STYLES) * megapixels / min(rounds)


def memory(name: str) -> float:
    """A figure of /proc/self/status in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def measure(kind: str, form: str) -> str:
    """One line of the table."""
    torch.set_num_threads(1)
    produce(MorphRequest("32", "41", steps=10, size=128, formats=(form,)))
    request = largest(kind, form)
    if request is None:
        return f"{form:5} {kind:26} at no size"
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
    before, start, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    try:
        made = f"{len(produce(request).files[form]) / 1e6:6.1f} MB file"
    except BadRequest as refused:
        made = str(refused)
    taken, cpu = time.perf_counter() - start, time.process_time() - cpu
    return (
        f"{form:5} {kind:26} {request.size:5} px {request.shown:5} pictures {taken:6.1f} s "
        f"({cpu:5.1f} s of processor, {request.seconds:5.1f} s expected) "
        f"{memory('VmHWM') - before:+6.0f} MB {made}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", nargs="+", default=list(video.FORMATS), choices=list(video.FORMATS))
    parser.add_argument("--skip-rates", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(measure(options.one, options.formats[0]))
        return
    torch.set_num_threads(1)
    if not options.skip_rates:
        for form in options.formats:
            print(f"{form:5} {rate(form):5.0f} megapixels/s, {video.RATES[form]:.0f} supposed", flush=True)
    for form in options.formats:
        for kind in KINDS:
            command = [sys.executable, "-m", __spec__.name, "--formats", form, "--one", kind]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
