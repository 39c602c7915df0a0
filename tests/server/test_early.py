"""A full house says so at once, where each kind of caller looks, and Gradio's queue hears nothing of it."""

from __future__ import annotations

import gc
import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio_client.exceptions import AppError
from serving import client_of, free_port, until

from vae.ui.server import early, launch
from vae.ui.server.events import in_turn
from vae.ui.server.turns import TURNS, Work

API = "/gradio_api"
FULL = re.compile(r"Many people are here just now; please try again in about (\d+) seconds\.")

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:gradio.queueing")


class House:
    """A page in this process that has two places and whose only function waits until it is told to end."""

    def __init__(self) -> None:
        self.ends = threading.Event()

        async def wait(text: str) -> str:
            """Wait.

            Args:
                text: nothing.
            """
            return await in_turn(lambda _: Work(5, lambda: self.ends.wait(60) and "made"), [text])

        with gr.Blocks(analytics_enabled=False) as self.demo:
            gr.Button().click(wait, gr.Textbox(), gr.Textbox(), api_name="wait")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        launch.launch(self.demo, host="127.0.0.1", port=port, prevent_thread_lock=True, quiet=True)
        self.http = httpx.Client(base_url=self.url, timeout=60)

    def call(self) -> httpx.Response:
        return self.http.post(f"{API}/call/wait", json={"data": ["x"]})

    def join(self, session: str) -> httpx.Response:
        body = {"data": ["x"], "fn_index": 0, "session_hash": session}
        return self.http.post(f"{API}/queue/join", json=body)

    def tool(self, method: str, **parameters: Any) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": parameters}
        accept = {"accept": "application/json, text/event-stream"}
        text = self.http.post(f"{API}/mcp/", json=body, headers=accept).text
        return httpx.Response(200, text=text.partition("data: ")[2] or text).json()

    def heard(self) -> int:
        """How many events have come to Gradio's queue."""
        return int(self.demo._queue.events_recorded)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        patch.setattr("gradio.mcp.DEFAULT_TEMP_DIR", os.environ["GRADIO_TEMP_DIR"])
        patch.setattr(TURNS, "places", 2)
        house = House()
        yield house
        house.http.close()
        house.demo.close(verbose=False)
        gc.collect()


@pytest.fixture
def full(running: House) -> Iterator[House]:
    """The house with both places taken."""
    running.ends.clear()
    events = [running.call().json()["event_id"] for _ in range(2)]
    until(lambda: TURNS.taken == 2)
    yield running
    running.ends.set()
    for event in events:
        assert '["made"]' in running.http.get(f"{API}/call/wait/{event}").text
    until(lambda: not TURNS.taken)


def test_who_calls_by_hand(full: House) -> None:
    before, answer = full.heard(), full.call()
    assert answer.status_code == 503 and full.heard() == before
    found = FULL.fullmatch(answer.json()["error"])
    assert found and answer.headers["retry-after"] == found[1] == "5"


def test_gradios_own_client_reads_the_sentence(full: House) -> None:
    """With 503 it would say "Queue is full! Please try again.", and not when."""
    client, before = client_of(full.url), full.heard()
    with pytest.raises(AppError, match=FULL):
        client.predict("x", api_name="/wait")
    assert full.heard() == before
    with ThreadPoolExecutor(1) as thread:  # the client and its stream are fit for more
        full.ends.set()
        until(lambda: not TURNS.taken)
        assert thread.submit(client.predict, "x", api_name="/wait").result() == "made"


def test_the_sentence_comes_among_the_answers_of_a_session(full: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TURNS, "places", 3)
    joined, before = full.join("two").json()["event_id"], full.heard()
    until(lambda: TURNS.taken == 3)
    refused = full.join("two").json()["event_id"]
    assert full.heard() == before
    full.ends.set()
    messages = full.http.get(f"{API}/queue/data?session_hash=two").text
    ended = {found[1]: found[0] for found in re.findall(r'"process_completed".*?("event_id":"(\w+)".*)', messages)}
    assert FULL.search(messages) and set(ended) == {joined, refused}


def test_a_caller_by_mcp(full: House) -> None:
    before = full.heard()
    answer = full.tool("tools/call", name="wait", arguments={"text": "x"})
    assert answer["id"] == 7 and answer["result"]["isError"] and full.heard() == before
    assert FULL.fullmatch(answer["result"]["content"][0]["text"])
    assert [tool["name"] for tool in full.tool("tools/list")["result"]["tools"]] == ["wait"]


def test_what_waits_to_be_fetched_is_bounded(full: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "MOST_IN_A_SESSION", 2)
    statuses = [full.join("much").status_code for _ in range(4)]
    assert statuses == [200, 200, 503, 503]
    assert len(FULL.findall(full.http.get(f"{API}/queue/data?session_hash=much").text)) == 2
    monkeypatch.setattr(early, "MOST_SESSIONS", 2)  # the two that hold the places
    answer = full.join("many")
    assert answer.status_code == 503 and FULL.fullmatch(answer.json()["error"])
    assert "many" not in full.demo._queue.pending_messages_per_session
