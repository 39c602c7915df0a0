"""One visitor who asks for too much: what the others notice of it, on the served page itself."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from vae.ui.server.turns import SHARE

API = "/gradio_api"
META = {"meta": {"_type": "gradio.FileData"}}
OPTIONS = [12, "auto", "constant", 30, 64, "ink", "once", "mp4", "41", "own", 0]
MB = 1e6


class Page:
    """What a client does with the served page."""

    def __init__(self, served: tuple[str, int]) -> None:
        self.http = httpx.Client(base_url=served[0], timeout=120)
        self.pid = served[1]
        dependencies = self.http.get("config").json()["dependencies"]
        self.functions = {found["api_name"]: found["id"] for found in dependencies}

    @property
    def memory(self) -> float:
        """What is resident of the server, in bytes."""
        return 1024 * float(Path(f"/proc/{self.pid}/status").read_text().split("VmRSS:")[1].split()[0])

    @property
    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def call(self, name: str, data: list[Any]) -> str:
        """A call's answer as its stream of events, or what refused it."""
        asked = self.http.post(f"{API}/call/{name}", json={"data": data})
        if asked.status_code != 200:
            return asked.text
        return self.http.get(f"{API}/call/{name}/{asked.json()['event_id']}").text

    def join(self, name: str, data: list[Any], session: str) -> str:
        body = {"data": data, "fn_index": self.functions[name], "session_hash": session}
        return self.http.post(f"{API}/queue/join", json=body).json()["event_id"]

    def results(self, session: str) -> dict[str, dict[str, Any]]:
        """The outputs of a session's events, when all of them are done."""
        text = self.http.get(f"{API}/queue/data", params={"session_hash": session}).text
        messages = [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n") if line]
        return {m["event_id"]: m["output"] for m in messages if m["msg"] == "process_completed"}


@pytest.fixture(scope="module")
def page(served: tuple[str, int]) -> Iterator[Page]:
    page = Page(served)
    page.call("morph_numbers", ["3", "8", 12, 0, "auto", "constant", 30, 64, "ink", "once", "mp4"])
    yield page
    page.http.close()


def numbers(steps: int = 12, size: int = 64, source: str = "3") -> list[Any]:
    return [source, "8", steps, 0, "auto", "constant", 30, size, "ink", "once", "mp4"]


def test_a_list_that_names_one_upload_200_times(page: Page) -> None:
    (path,) = page.http.post(f"{API}/upload", files={"files": ("a.png", bytes(9_900_000))}).json()
    named, before = {"path": path, **META}, page.memory
    assert "At most 8 pictures can be sent at once." in page.call("morph_images", [[named] * 200, None, *OPTIONS])
    assert "there are 5 pictures" in page.call("morph_images", [[named] * 5, None, *OPTIONS])
    assert "This is not a picture I can open" in page.call("morph_images", [[named] * 4, None, *OPTIONS])
    assert page.memory - before < 100 * MB


def test_one_page_cannot_take_every_place(page: Page) -> None:
    """Forty requests at once: a share of them is carried out, and somebody else's goes before most of it."""
    with ThreadPoolExecutor(40) as visitors:
        list(visitors.map(lambda _: page.join("morph_numbers", numbers(60, 256), "greedy"), range(40)))
        began = time.monotonic()
        asked = visitors.submit(page.results, "greedy")
        page.join("morph_numbers", numbers(), "modest")
        (modest,) = page.results("modest").values()
        waited = time.monotonic() - began
        greedy = asked.result()
    assert "data" in modest
    assert waited < 60  # against hanging
    said = Counter(output.get("error", "made") for output in greedy.values())
    refusal = f"You have {SHARE} requests under way already; please wait for one of them."
    assert set(said) == {"made", refusal}
    assert said["made"] >= SHARE and said[refusal] >= 40 - 2 * SHARE


def test_forty_calls_by_mcp_at_once(page: Page) -> None:
    call = {"name": "morph_numbers", "arguments": {"source": "3", "target": "8", "steps": 2, "size": 56}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    accepted = {"accept": "application/json, text/event-stream"}
    before = page.threads

    def ask(_: int) -> str:
        answer = page.http.post(f"{API}/mcp/", json=body, headers=accepted)
        assert answer.status_code == 200
        return answer.text

    with ThreadPoolExecutor(40) as callers:
        asked = [callers.submit(ask, k) for k in range(40)]
        assert page.http.get("/").status_code == 200
        answers = [one.result() for one in asked]
    assert all('"isError":false' in answer and "3-to-8.mp4" in answer for answer in answers)
    # Ours, those that Gradio's client in the server keeps for its calls, and those of anyio, which end when
    # idle: before, 40 calls left 100 more.
    assert page.threads - before < 50
