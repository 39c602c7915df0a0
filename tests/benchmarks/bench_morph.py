"""Where the time of one morph goes: python -m tests.benchmarks.bench_morph [--threads N]

Prints the median of each stage for 32 -> 41 in 60 frames, and the decode of 120 digits by the
flagship as a ratio to the `mlp` preset's, alternating in one run. Wants idle cores.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

import vae
from vae import paths
from vae.morphing import curve_between, endpoints, make_morph
from vae.pipeline import load_pipeline
from vae.reading import read_number
from vae.video import encode


def median_ms(*calls: Callable[[], object], rounds: int = 15) -> list[float]:
    """Median milliseconds of each call, the calls taking turns."""
    times: list[list[float]] = [[] for _ in calls]
    for i in range(rounds + 2):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if i >= 2:  # the first rounds warm caches up
                taken.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(taken) for taken in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    pipeline = load_pipeline("flagship", ["mlp"])
    flagship, mlp = pipeline.model, pipeline.presets["mlp"]
    a, b = vae.type_digits("32"), vae.type_digits("41")
    labels = [[3, 2], [4, 1]]
    ends = endpoints(flagship, [a, b], labels)
    z, z_mlp = torch.randn(120, flagship.config.latent_dim), torch.randn(120, mlp.config.latent_dim)
    frames = make_morph(pipeline, [a, b], labels).frames
    curves = [paths.linear(ends[0].z[k], ends[1].z[k]) for k in range(2)]
    alpha = torch.linspace(0, 1, 60)

    def decode(model: vae.VAE, latents: torch.Tensor) -> object:
        with torch.inference_mode():
            return model.decode(latents)

    stages = {
        "read what was typed": lambda: read_number("32", pipeline),
        "endpoints (4 digits, refined)": lambda: endpoints(flagship, [a, b], labels),
        "handwritten path (2 digits)": lambda: [
            curve_between("handwritten", pipeline.bank, ends[0], k, ends[1], k)(alpha) for k in range(2)
        ],
        "straight path (2 digits)": lambda: [curve(alpha) for curve in curves],
        "the whole morph, 60 frames": lambda: make_morph(pipeline, [a, b], labels).frames,
        "mp4, 512 px": lambda: encode(frames, "mp4"),
        "the whole request": lambda: vae.produce(vae.MorphRequest("32", "41"), pipeline),
    }
    for name, taken in zip(stages, median_ms(*stages.values()), strict=True):
        print(f"{name:32s} {taken:8.1f} ms")
    big, small = median_ms(lambda: decode(flagship, z), lambda: decode(mlp, z_mlp))
    print(f"decode of 120 digits: flagship {big:.1f} ms, mlp {small:.2f} ms, ratio {big / small:.1f}")


if __name__ == "__main__":
    main()
