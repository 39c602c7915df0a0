"""Whether the server stays as it is: python -m tests.benchmarks.soak [--morphs 20000 | --seconds 180]

Serves the page, has it make one morph after the other for a few clients (by API and as the page does, some of
which leave before the answer), and looks at its process all the while: resident memory, descriptors, threads, and the
bytes of its folder. Every answer is held against its request: the numbers that were read, and the same bytes for the
same numbers. Prints a line every thousand morphs and what it comes to; exits 1 when memory grows by more than
--most-growth MB for 1,000 morphs after the first third, descriptors or threads grow, or an answer is missing or
another's. With --after 900 it then waits so many seconds until the folder is empty, and fails if it is not.

A new process takes more memory over its first 1,500 morphs or so: libraries set up what they need, and the page's
answers are kept, up to 500 of them. A run of three minutes, as in CI, is hardly longer: it is allowed 25 MB for 1,000
morphs, and so finds what is kept of each answer only if that is 25 kB or more, an upload or a video, say.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.benchmarks.load import page_body
from tests.serving import await_health, free_port

API = "/gradio_api"
STEPS = 20
ROOT = Path(__file__).parents[2]
NUMBERS = [f"{i:02d}" for i in range(10, 100)]


class Look(NamedTuple):
    """The server's process at a moment."""

    morphs: int
    memory: float  # MB
    descriptors: int
    threads: int
    files: float  # MB


class Soak:
    """The clients, and what they have seen."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.morphs = self.left = 0
        self.wrong: list[str] = []
        self.seen: dict[tuple[str, str], str] = {}
        self.lock = threading.Lock()
        self.stopped = threading.Event()

    def work(self, seed: int) -> None:
        """One client: morphs until it is told to stop; every tenth time it leaves before the answer."""
        with httpx.Client(base_url=self.url, timeout=120) as client:
            turn = seed
            while not self.stopped.is_set():
                turn += 7
                pair = NUMBERS[turn % 89], NUMBERS[(3 * turn + seed) % 90]
                try:
                    if turn % 10 == 0:
                        self.leave(client, *pair, by_page=turn % 20 == 0)
                    elif turn % 3 == 0:
                        self.by_page(client, *pair)
                    else:
                        self.by_api(client, *pair)
                except Exception as error:  # a connection that breaks, or an answer that is none
                    self.wrong.append(f"{error!r} for {pair}")

    def by_api(self, client: httpx.Client, source: str, target: str) -> None:
        event = self.asked(client, source, target)
        answer = client.get(f"{API}/call/morph_numbers/{event}").text
        if "event: complete" not in answer:
            self.wrong.append(f"{source} -> {target}: {answer[:200]}")
            return
        file, read = json_in(answer)
        content = client.get(f"{API}/file={file['path']}").content
        own = (read["source"]["number"], read["target"]["number"]) == (source, target)
        self.count((source, target), content, own and file["path"].endswith(f"{source}-to-{target}.mp4"))

    def by_page(self, client: httpx.Client, source: str, target: str) -> None:
        answer = client.post("/page/morph", json=page_body(source, target, STEPS)).raise_for_status()
        numbers = [side["number"] for side in answer.json()["sides"]]
        self.count((f"page {source}", target), answer.content, numbers == [source, target])

    def leave(self, client: httpx.Client, source: str, target: str, by_page: bool) -> None:
        if by_page:
            with contextlib.suppress(httpx.ReadTimeout):
                client.post("/page/morph", json=page_body(source, target, STEPS), timeout=httpx.Timeout(120, read=0.02))
        else:
            with client.stream("GET", f"{API}/call/morph_numbers/{self.asked(client, source, target)}") as answer:
                answer.close()
        with self.lock:
            self.left += 1

    def asked(self, client: httpx.Client, source: str, target: str) -> str:
        """Ask by API: the event."""
        values = [source, target, STEPS, 0, "auto", "constant", 30, 128, "ink", "once", "mp4"]
        answer = client.post(f"{API}/call/morph_numbers", json={"data": values}).raise_for_status()
        return str(answer.json()["event_id"])

    def count(self, pair: tuple[str, str], content: bytes, own: bool) -> None:
        digest = hashlib.sha256(content).hexdigest()
        with self.lock:
            self.morphs += 1
            if not own or self.seen.setdefault(pair, digest) != digest:
                self.wrong.append(f"the answer to {pair} is another's")


def json_of(line: str) -> Any:
    return json.loads(line.split("data:", 1)[1])


def json_in(answer: str) -> Any:
    return json_of(next(line for line in reversed(answer.splitlines()) if line.startswith("data:")))


def look(process: int, folder: Path, morphs: int) -> Look:
    status = Path(f"/proc/{process}/status").read_text()
    figures = dict(line.split(":", 1) for line in status.splitlines())
    files = sum(size_of(Path(place, name)) for place, _, names in os.walk(folder) for name in names)
    descriptors = len(list(Path(f"/proc/{process}/fd").iterdir()))
    return Look(morphs, int(figures["VmRSS"].split()[0]) / 1024, descriptors, int(figures["Threads"]), files / 1e6)


def size_of(file: Path) -> int:
    """0 where it was swept just now."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def growth(looks: list[Look]) -> float:
    """MB of memory for 1,000 morphs, by the slope over all but the first third."""
    settled = looks[len(looks) // 3 :]
    slope = statistics.linear_regression([one.morphs for one in settled], [one.memory for one in settled]).slope
    return 1000 * slope


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--morphs", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=24 * 3600, help="stop after so long")
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--most-growth", type=float, default=1.0, help="MB for 1,000 morphs")
    parser.add_argument("--after", type=float, default=0, help="seconds to wait for the files to be gone")
    options = parser.parse_args()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "app.py", "--port", str(port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "GRADIO_TEMP_DIR": folder}, **quiet)  # type: ignore[call-overload]
        try:
            await_health(server, f"{url}/healthz")
            sys.exit(watched(Soak(url), server.pid, Path(folder), options))
        finally:
            server.terminate()
            server.wait(30)


def watched(soak: Soak, process: int, folder: Path, options: argparse.Namespace) -> int:
    """Run the clients and look at the process; the exit status."""
    clients = [threading.Thread(target=soak.work, args=(i,), daemon=True) for i in range(options.clients)]
    for client in clients:
        client.start()
    began, looks, said = time.monotonic(), [look(process, folder, 0)], 0
    while soak.morphs < options.morphs and time.monotonic() - began < options.seconds:
        time.sleep(2)
        looks.append(look(process, folder, soak.morphs))
        if soak.morphs // 1000 > said:
            said = soak.morphs // 1000
            print(looks[-1], f"{soak.morphs / (time.monotonic() - began):.1f} morphs/s", flush=True)
    soak.stopped.set()
    for client in clients:
        client.join(60)
    slope, half = growth(looks), looks[len(looks) // 2]
    last = looks[-1]
    print(f"{soak.morphs} morphs, {soak.left} left unfetched, {len(soak.wrong)} wrong answers {soak.wrong[:5]}")
    memory = " -> ".join(f"{one.memory:.0f}" for one in (looks[0], half, last))
    print(f"memory {memory} MB, {slope:+.2f} MB for 1,000 morphs;")
    print(f"descriptors {half.descriptors} -> {last.descriptors}, threads {half.threads} -> {last.threads}, ", end="")
    print(f"files {last.files:.1f} MB at most {max(one.files for one in looks):.1f} MB", flush=True)
    steady = last.descriptors <= half.descriptors + 20 and last.threads <= half.threads + 4
    swept = not options.after or emptied(process, folder, options.after)
    return int(bool(soak.wrong) or not soak.morphs or slope > options.most_growth or not steady or not swept)


def emptied(process: int, folder: Path, seconds: float) -> bool:
    """Wait until the files are gone, and say what is left."""
    began = time.monotonic()
    while (left := look(process, folder, 0)).files and time.monotonic() - began < seconds:
        time.sleep(2)
    print(
        f"{time.monotonic() - began:.0f} s later: {left.files:.1f} MB of files, {left.memory:.0f} MB of memory,",
        end=" ",
    )
    print(f"{left.descriptors} descriptors, {left.threads} threads", flush=True)
    return not left.files


if __name__ == "__main__":
    main()
