"""How soon the page is there: python -m tests.benchmarks.first_load [--url URL] [--runs 5]

Serves the page itself unless it is told where one is, then lets Chromium visit it, each time as somebody who was
never there, and reload it; at full speed and over a line of 1.5 Mbit/s with 150 ms. Prints, median of `--runs`
visits and their range: kilobytes over the wire (headers included), and seconds from the start to

painted   the first contents are on the screen
moving    the stage shows one picture after the other
usable    Morph, pressed again and again, asks the server

The browser takes as much of the processor as the server: compare figures of one machine only, and leave it idle.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import astuple, dataclass, fields
from typing import Any

from playwright.sync_api import sync_playwright

from tests.serving import ROOT, await_health, free_port

LINES: dict[str, dict[str, float] | None] = {  # what Chromium makes of a line: ms, bytes a second
    "full speed": None,
    "1.5 Mbit/s, 150 ms": {"latency": 150, "downloadThroughput": 187_500, "uploadThroughput": 187_500},
}
GUARD_MS = 120_000
QUIET = 1000  # ms after the page is usable in which what is still on its way arrives

# In the page: when the largest picture of the stage changes, and when a press on Morph asks the server.
WATCH = """
(() => {
    window.seen = {};
    const small = document.createElement("canvas"), pen = small.getContext("2d", { willReadFrequently: true });
    small.width = small.height = 32;
    let shown = "";
    const area = (element) => element.clientWidth * element.clientHeight;
    const look = (now) => {
        const found = document.querySelectorAll(".player canvas, .player video");
        const pictures = [...found].sort((a, b) => area(b) - area(a));
        if (pictures[0] && area(pictures[0])) {
            pen.clearRect(0, 0, 32, 32);
            try { pen.drawImage(pictures[0], 0, 0, 32, 32); } catch { }
            const pixels = pen.getImageData(0, 0, 32, 32).data;
            const picture = pixels.some((value) => value) ? pixels.join() : "";
            if (shown && picture && picture !== shown) seen.moving ??= performance.now();
            shown = picture;
        }
        if (!seen.moving) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);

    const fetched = window.fetch;
    window.fetch = (address, options = {}) => {
        if (options.method === "POST") seen.usable ??= performance.now();
        return fetched.call(window, address, options);
    };
    const press = setInterval(() => {
        const morph = document.querySelector("#morph");
        if (morph && getComputedStyle(morph).visibility === "visible") morph.click();
        if (seen.usable) clearInterval(press);
    }, 25);
})();
"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


@dataclass(frozen=True)
class Visit:
    """Kilobytes (1,000 bytes), and seconds from the start of the navigation."""

    kilobytes: float
    painted: float
    moving: float
    usable: float


class Visitor:
    """Somebody's browser, with nothing in its cache yet."""

    def __init__(self, browser: Any, line: dict[str, float] | None) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 800})
        self.page = self.context.new_page()
        self.page.add_init_script(WATCH)
        self._bytes, self._morphs = 0, set()
        network = self.context.new_cdp_session(self.page)
        network.send("Network.enable")
        network.on("Network.requestWillBeSent", self._begin)
        network.on("Network.loadingFinished", self._count)
        if line:
            network.send("Network.emulateNetworkConditions", {"offline": False, **line})

    def _begin(self, event: dict[str, Any]) -> None:
        if any(part in event["request"]["url"] for part in ("/page/", "/queue/")):
            self._morphs.add(event["requestId"])  # what the press brings is no part of the page

    def _count(self, event: dict[str, Any]) -> None:
        if event["requestId"] not in self._morphs:
            self._bytes += max(0, event["encodedDataLength"])

    def visit(self, url: str, again: bool = False) -> Visit:
        self._bytes = 0
        if again:
            self.page.reload(timeout=GUARD_MS)
        else:
            self.page.goto(f"{url}#type", timeout=GUARD_MS)  # where there is something to morph
        self.page.wait_for_function("seen.moving && seen.usable", timeout=GUARD_MS)
        self.page.wait_for_timeout(QUIET)
        painted, seen = self.page.evaluate(PAINTED), self.page.evaluate("seen")
        return Visit(self._bytes / 1000, painted / 1000, seen["moving"] / 1000, seen["usable"] / 1000)


def measure(url: str, runs: int = 5) -> dict[tuple[str, str], list[Visit]]:
    """`runs` visits each of ("first load" or "reload", a name in LINES), of the page at `url`."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    found: dict[tuple[str, str], list[Visit]] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, line in LINES.items():
            for _ in range(runs):
                visitor = Visitor(browser, line)
                for kind in ("first load", "reload"):
                    found.setdefault((kind, name), []).append(visitor.visit(url, again=kind == "reload"))
                visitor.context.close()
        browser.close()
    return found


def lines(found: dict[tuple[str, str], list[Visit]]) -> Iterator[str]:
    """A table: median, and from the least to the most."""
    names = [field.name for field in fields(Visit)]
    yield f"{'':32}" + "".join(f"{name:>24}" for name in names)
    for (kind, name), visits in found.items():
        cells = []
        for values in zip(*map(astuple, visits), strict=True):
            digits = 0 if max(values) > 20 else 2
            low, middle, high = (
                f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values))
            )
            cells.append(f"{middle} ({low} to {high})")
        yield f"{kind + ', ' + name:32}" + "".join(f"{cell:>24}" for cell in cells)


@contextmanager
def served() -> Iterator[str]:
    """The page on a free port."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        await_health(server, f"http://127.0.0.1:{port}/healthz")
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="of a page that is served already, with a / at its end")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    with nullcontext(args.url) if args.url else served() as url:
        print("\n".join(lines(measure(url, args.runs))))


if __name__ == "__main__":
    main()
