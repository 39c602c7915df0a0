"""How soon the stage answers: python -m tests.benchmarks.press [--url URL] [--runs 15]

Serves the page unless it is told where one is, and uses it in Chromium: at full speed and over a line of 1.5 Mbit/s
with 150 ms. Prints milliseconds, median of `--runs` and their range, from

typed   the press on Random, beside typed numbers, which fills other numbers in
drawn   the press on Morph, after a stroke was drawn (the page not asking by itself)
live    the pen's lifting, which asks by itself

to the first picture of the new morph on the stage, and to the next one: it moves. And what the answer weighs, headers
included. The browser takes as much of the processor as the server: leave the machine idle.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from contextlib import nullcontext
from typing import Any

from playwright.sync_api import sync_playwright

from tests.benchmarks.first_load import GUARD_MS, LINES, served

# Notes when what begins it happened, and when the stage showed something else after it, and else again.
WATCH = """
(kind) => {
    const stage = document.querySelector(".film canvas");
    const small = document.createElement("canvas"), pen = small.getContext("2d", { willReadFrequently: true });
    small.width = small.height = 64;
    const picture = () => {
        pen.clearRect(0, 0, 64, 64);
        pen.drawImage(stage, 0, 0, 64, 64);
        return pen.getImageData(0, 0, 64, 64).data.join();
    };
    window.seen = null;
    addEventListener(kind, () => {
        const since = performance.now();
        const found = [];
        let shown = picture();
        const look = () => {
            const now = picture();
            if (now !== shown) found.push(performance.now() - since);
            shown = now;
            if (found.length < 2) requestAnimationFrame(look);
            else window.seen = found;
        };
        requestAnimationFrame(look);
    }, { capture: true, once: true });
}
"""


class Stage:
    """The page, over a line."""

    def __init__(self, browser: Any, url: str, line: dict[str, float] | None) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 800})
        self.context.set_default_timeout(GUARD_MS)
        self.page = self.context.new_page()
        self.bytes: list[int] = []
        self._morphs: set[str] = set()
        network = self.context.new_cdp_session(self.page)
        network.send("Network.enable")
        network.on("Network.requestWillBeSent", self._asked)
        network.on("Network.loadingFinished", self._answered)
        self.page.goto(url)
        self.page.wait_for_function(
            "window.digitMorph?.player?.film && digitMorph.fields.source && digitMorph.downloads"
        )
        if line:
            network.send("Network.emulateNetworkConditions", {"offline": False, **line})

    def _asked(self, event: dict[str, Any]) -> None:
        if event["request"]["url"].endswith("/page/morph"):
            self._morphs.add(event["requestId"])

    def _answered(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._morphs:
            self.bytes.append(event["encodedDataLength"])

    def measured(self, kind: str, act: Any) -> list[float]:
        """Milliseconds from the event to the first new picture, and to the next."""
        self.page.evaluate("digitMorph.player.play(false)")
        self.page.evaluate(WATCH, kind)
        act()
        self.page.wait_for_function("seen")
        return self.page.evaluate("seen")  # type: ignore[no-any-return]

    def stroke(self, side: str, points: list[tuple[float, float]], lift: bool = True) -> None:
        box = self.page.locator(f"#pad-{side} canvas").bounding_box()
        at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        self.page.mouse.move(*at[0])
        self.page.mouse.down()
        for point in at[1:]:
            self.page.mouse.move(*point, steps=6)
        if lift:
            self.page.mouse.up()

    def typed(self) -> list[float]:
        self.page.evaluate("digitMorph.openTab('type')")
        self.page.wait_for_timeout(400)
        return self.measured("click", lambda: self.page.click("#random"))

    def seven(self, k: int) -> list[tuple[float, float]]:
        return [(0.35 + k / 200, 0.2), (0.62, 0.2 + k / 300), (0.5 + k / 250, 0.84)]

    def drawn(self, k: int, live: bool) -> list[float]:
        self.page.evaluate("digitMorph.openTab('draw'); digitMorph.live = false; digitMorph.pads.source.set()")
        if k == 0:
            self.stroke("target", [(0.5, 0.15), (0.49, 0.4), (0.48, 0.85)])
        if live:
            self.page.evaluate("digitMorph.live = true; digitMorph.slow = Infinity")
            self.stroke("source", self.seven(k), lift=False)
            return self.measured("pointerup", self.page.mouse.up)
        self.stroke("source", self.seven(k))
        return self.measured("click", lambda: self.page.click("#morph"))


def measure(url: str, runs: int) -> None:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, line in LINES.items():
            stage = Stage(browser, url, line)
            for kind in ("typed", "drawn", "live"):
                times = [stage.typed() if kind == "typed" else stage.drawn(k, kind == "live") for k in range(runs)]
                for what, values in zip(("first picture", "moving"), zip(*times, strict=True), strict=True):
                    middle = statistics.median(values)
                    print(
                        f"{name:20}{kind:7}{what:15}{middle:6.0f} ms ({min(values):.0f} to {max(values):.0f})",
                        flush=True,
                    )
            print(f"{name:20}an answer weighs {statistics.median(stage.bytes) / 1000:.1f} kB")
            stage.context.close()
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="of a page that is served already, with a / at its end")
    parser.add_argument("--runs", type=int, default=15)
    args = parser.parse_args()
    with nullcontext(args.url) if args.url else served() as url:
        measure(url, args.runs)


if __name__ == "__main__":
    main()
