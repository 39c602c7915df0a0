"""How long rendering and writing take, and how large the files are: 60 frames at 512 px.

    python -m tests.benchmarks.bench_video [--size 512] [--frames 60] [--repeat 5]

Prints, for one and two digits, the best wall-clock time of `--repeat` runs in ms and the size in
KiB. A format's time includes the rendering. On an idle core: render 12 and 31 ms, mp4 70 and
135 ms with 71 and 135 KiB.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from vae import render, video


def ring_to_eight(count: int, places: int) -> np.ndarray:
    """Synthetic strokes: a ring pinched into an eight, float32 (count, 28, 28 * places), ink = 1."""
    y, x = np.mgrid[:28, : 28 * places]
    t = np.linspace(0, 1, count)[:, None, None]
    x, y = (x % 28 - 13.5) / 7, (y - 13.5) / 9
    pinch = 1 - 0.9 * t * np.exp(-8 * y**2)
    distance = np.abs(np.hypot(x / pinch, y) - 1) * 7
    return (1 / (1 + np.exp(3 * (distance - 1.25)))).astype(np.float32)


def best(run: Callable[[], object], repeat: int) -> float:
    """The quickest of `repeat` runs, ms."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time rendering and every video format.")
    parser.add_argument("--size", type=int, default=512, help="height in pixels")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()

    print(f"{options.frames} frames, {options.size} px   one digit          two digits")
    stacks = [ring_to_eight(options.frames, places) for places in (1, 2)]
    for style in render.STYLES:
        cells = [best(lambda f=f, s=style: render.render_frames(f, options.size, s), options.repeat) for f in stacks]
        print(f"render {style:15}" + "".join(f"{ms:8.0f} ms         " for ms in cells))
    for form in video.FORMATS:
        cells = []
        for frames in stacks:
            ms = best(lambda f=frames, form=form: video.encode(f, form, size=options.size), options.repeat)
            size = len(video.encode(frames, form, size=options.size)) / 1024
            cells.append(f"{ms:8.0f} ms {size:5.0f} KiB")
        print(f"{form:22}" + "".join(cells))


if __name__ == "__main__":
    main()
