"""What everything takes, in one run: python -m tests.benchmarks [--rounds 15] [--out docs/performance.md]

Each stage of a morph; a whole request against the usual script of MLP, `cv2.resize` and `cv2.VideoWriter` at the same
pixels; growth with steps, digits and size; start-up above the bare imports of torch and gradio; and the server under
1, 10 and 30 clients, as `load` asks, with its memory. Median and quartiles of --rounds runs on one thread; --parts for
some of it. It wants an idle machine: 10 minutes for all. The page in a browser is measured by `press`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import torch

import vae
from tests.benchmarks.classic import classic
from tests.benchmarks.timing import Times, ms, spread, table, turns
from tests.serving import ROOT, await_health, free_port
from vae.morphing import curve_between, endpoints, make_morph
from vae.pipeline import Pipeline, load_pipeline
from vae.reading import read_number
from vae.render import render_frames
from vae.ui.codec import pack
from vae.ui.player import payload
from vae.ui.ribbon import seen_by_reader
from vae.video import FORMATS, encode

CLIENTS = ["1", "10", "30"]
Timed = Callable[[dict[str, Callable[[], object]]], Times]  # `turns`, as often and by the clock that was asked for


def stages(pipeline: Pipeline, timed: Timed) -> str:
    """Where the time of 32 -> 41 in 60 frames goes."""
    stacks, labels = [vae.type_digits("32"), vae.type_digits("41")], [[3, 2], [4, 1]]
    ends = endpoints(pipeline.model, stacks, labels)
    morph = make_morph(pipeline, stacks, labels)
    alpha = torch.linspace(0, 1, 60)
    request = vae.MorphRequest("32", "41", formats=())
    calls: dict[str, Callable[[], object]] = {
        "read two typed digits": lambda: read_number("32", pipeline),
        "four ends, refined": lambda: endpoints(pipeline.model, stacks, labels),
        "two handwritten paths": lambda: [
            curve_between("handwritten", pipeline.bank, ends[0], k, ends[1], k)(alpha) for k in range(2)
        ],
        "the whole morph": lambda: make_morph(pipeline, stacks, labels).frames,
        "what the reader sees in it": lambda: seen_by_reader(pipeline, morph.digits),
        "packed for the page": lambda: pack(morph.frames[None]),
        "all that the page is answered, at constant speed": lambda: payload(request, pipeline),
        "**the same, with time for the turn**": lambda: payload(replace(request, speed="turn"), pipeline),
        "rendered, 1024x512": lambda: render_frames(morph.frames, 512),
        **{f"rendered and written, {name}": lambda name=name: encode(morph.frames, name) for name in FORMATS},
    }
    sizes = ", ".join(f"{name} {len(encode(morph.frames, name)) / 1024:.0f} KiB" for name in FORMATS)
    return f"{ms(timed(calls))}\n\nFiles: {sizes}."


def against_classic(pipeline: Pipeline, timed: Timed) -> str:
    """The whole request as a ratio to the usual script, run by run."""
    mlp, stacks = pipeline.presets["mlp"], [vae.type_digits("32"), vae.type_digits("41")]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size, speed in product((256, 512), ("constant", "turn")):
            request = vae.MorphRequest("32", "41", size=size, speed=speed)  # type: ignore[arg-type]
            times = timed(
                {
                    "ours": lambda request=request: vae.produce(request, pipeline),
                    "classic": lambda size=size: classic(mlp, *stacks, Path(folder) / "classic.avi", size=size),
                }
            )
            ratios = [ours / theirs for ours, theirs in zip(*times.values(), strict=True)]
            rows.append(
                [
                    f"{2 * size}x{size}, speed {speed}",
                    spread(times["ours"]),
                    spread(times["classic"]),
                    spread(ratios, 2),
                ]
            )
    return table(["two digits, 60 frames", "numbers to mp4, ms", "the usual script, ms", "ratio"], rows)


def growth(pipeline: Pipeline, timed: Timed) -> str:
    """A request by its steps, digits and size."""
    requests = {f"{steps} steps": vae.MorphRequest("32", "41", steps=steps) for steps in (30, 60, 120, 240)}
    requests |= {f"{len(text)} digits": vae.MorphRequest(text, text[::-1]) for text in ("3", "32", "321", "3217")}
    requests |= {f"{size} px": vae.MorphRequest("32", "41", size=size) for size in (128, 256, 512, 1024)}
    calls = {name: lambda request=request: vae.produce(request, pipeline) for name, request in requests.items()}
    return ms(timed(calls))


def start_up(rounds: int) -> str:
    """Seconds until the page is built and until it is served, less what importing torch and gradio takes."""
    built = "from vae.ui.page import build_demo; from vae.pipeline import *; build_demo(load_pipeline())"

    def ran(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)

    times = turns(
        {"bare": lambda: ran("import torch, gradio"), "built": lambda: ran(built), "served": lambda: _served().kill()},
        rounds,
        warm=1,
    )
    rows = [["`import torch, gradio`", spread([t / 1e3 for t in times["bare"]], 2), ""]]
    for name in ("built", "served"):
        above = [(t - bare) / 1e3 for t, bare in zip(times[name], times["bare"], strict=True)]
        rows.append([f"until the page is {name}", spread([t / 1e3 for t in times[name]], 2), spread(above, 2)])
    return table(["", "s", "above the bare imports, s"], rows)


def _served(port: int | None = None) -> subprocess.Popen[bytes]:
    """A server that answers."""
    port = port or free_port()
    command = [sys.executable, "app.py", "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    await_health(server, f"http://127.0.0.1:{port}/healthz", every=0.02)
    return server


def serving(seconds: float) -> str:
    """Morphs a second by clients, as `load` counts them in a process of its own, and the server's memory."""
    rows = []
    for kind in ("page", "api"):
        port = free_port()
        server = _served(port)
        try:
            for clients in CLIENTS:
                command = [sys.executable, "-m", "tests.benchmarks.load", "--url", f"http://127.0.0.1:{port}"]
                command += ["--kinds", kind, "--clients", clients, "--seconds", str(seconds)]
                done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
                found = json.loads(done.stdout.splitlines()[-1])
                refused = "; ".join(f"{count}: {said}" for said, count in found["refusals"].items())
                figures = [found["morphs/s"], found["median s"][kind], found["p95 s"][kind]]
                rows.append([f"{kind}, {clients}", *map(str, figures), refused or "none", f"{peak(server.pid):.0f}"])
        finally:
            server.terminate()
            server.wait(30)
    head = ["clients", "morphs/s", "median s", "p95 s", "refused, or another's answer", "server's peak so far, MB"]
    return table(head, rows)


def peak(process: int) -> float:
    """The most memory that a process has held, MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def machine() -> str:
    """What it ran on."""
    found = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    moment = f"{time.strftime('%Y-%m-%d')}, load {os.getloadavg()[0]:.1f} at the start"
    return f"{os.cpu_count()} cores ({found[0] if found else 'unknown'}), {memory:.0f} GB, {versions}; {moment}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["stages", "classic", "growth", "start-up", "serving"]
    parser.add_argument("--parts", nargs="+", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=20, help="of each number of clients")
    parser.add_argument("--cpu", action="store_true", help="processor time, where the machine is not idle")
    parser.add_argument("--out", type=Path, help="write it there as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    clock = time.process_time if options.cpu else time.perf_counter
    timed = partial(turns, rounds=options.rounds, clock=clock)
    said = [
        f"# Performance\n\nAs `python -m tests.benchmarks` printed it{', in processor time' * options.cpu}: {machine()}"
    ]
    print(said[0], flush=True)
    pipeline = load_pipeline("flagship", ["mlp"])
    parts: dict[str, tuple[str, Callable[[], str]]] = {
        "stages": ("Stages of 32 to 41 in 60 frames", lambda: stages(pipeline, timed)),
        "classic": ("Against the usual script", lambda: against_classic(pipeline, timed)),
        "growth": ("A whole request, to mp4: two digits, 60 steps, 512 px but for", lambda: growth(pipeline, timed)),
        "start-up": ("Start-up", lambda: start_up(options.rounds)),
        "serving": (f"Serving, {options.seconds:.0f} s each", lambda: serving(options.seconds)),
    }
    for name in options.parts:
        title, part = parts[name]
        said.append(f"## {title}\n\n{part()}")
        print(f"\n{said[-1]}", flush=True)
    if options.out:
        options.out.write_text("\n\n".join(said) + "\n")


if __name__ == "__main__":
    main()
