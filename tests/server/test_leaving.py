"""A visitor who leaves: his work ends, his place is free, and nothing is kept for him."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
import torch
from serving import free_port, until
from serving import run as in_thread

from vae import MorphRequest, giving_up, produce, video
from vae.inspection.comparison import line_up
from vae.pipeline import Pipeline
from vae.request import read_numbers
from vae.ui.player import payload
from vae.ui.server import files, launch
from vae.ui.server.events import in_turn
from vae.ui.server.turns import TURNS, Turns, Visitor, Work

API = "/gradio_api"

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::ResourceWarning",
    "ignore::DeprecationWarning:gradio.queueing",
)


class Endless:
    """Work that goes on until it is given up."""

    def __init__(self) -> None:
        self.running = 0

    def __call__(self) -> None:
        self.running += 1
        try:
            for _ in range(60_000):  # against hanging
                giving_up.check()
                time.sleep(0.002)
        finally:
            self.running -= 1


class Server:
    """A page in this process with one function, which never ends."""

    def __init__(self) -> None:
        self.work = Endless()

        async def endless(text: str) -> str:
            """Go on for ever.

            Args:
                text: nothing.
            """
            return await in_turn(lambda _: Work(1, self.work), [text])

        with gr.Blocks(analytics_enabled=False) as self.demo:
            gr.Button().click(endless, gr.Textbox(), gr.Textbox(), api_name="endless")
        port = free_port()
        launch.launch(self.demo, host="127.0.0.1", port=port, prevent_thread_lock=True, quiet=True)
        self.place = ("127.0.0.1", port)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

    def stream(self, method: str, path: str, body: Any = None) -> http.client.HTTPConnection:
        """A request whose answer is not awaited."""
        connection = http.client.HTTPConnection(*self.place, timeout=60)
        kinds = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        connection.request(method, API + path, None if body is None else json.dumps(body), kinds)
        return connection

    def call(self) -> http.client.HTTPConnection:
        """Ask by API, and listen."""
        event = self.http.post(f"{API}/call/endless", json={"data": ["x"]}).json()["event_id"]
        return self.stream("GET", f"/call/endless/{event}")

    def join(self, session: str) -> str:
        body = {"data": ["x"], "fn_index": 0, "session_hash": session}
        return self.http.post(f"{API}/queue/join", json=body).json()["event_id"]

    def close(self) -> None:
        self.http.close()
        self.demo.close(verbose=False)
        gc.collect()  # gradio's leftovers, here and not in the next module


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        patch.setattr("gradio.mcp.DEFAULT_TEMP_DIR", os.environ["GRADIO_TEMP_DIR"])
        running = Server()
        yield running
        running.close()


def all_is_over(server: Server) -> None:
    until(lambda: not server.work.running and not TURNS.taken)
    queue = server.demo._queue
    until(lambda: not any(queue.active_jobs) and not queue.event_ids_to_events)
    assert not queue.pending_messages_per_session and not queue.pending_event_ids_session


def test_a_caller_leaves(server: Server) -> None:
    caller = server.call()
    until(lambda: server.work.running == 1)
    caller.close()
    all_is_over(server)


def test_who_waits_leaves_the_queue_at_once(server: Server) -> None:
    callers = [server.call(), server.call()]
    until(lambda: server.work.running == 2)
    third = server.call()
    until(lambda: TURNS.waiting == 1)
    third.close()
    until(lambda: TURNS.waiting == 0)
    assert server.work.running == 2 and TURNS.taken == 2
    for caller in callers:
        caller.close()
    all_is_over(server)


def test_a_page_is_closed_and_others_stay(server: Server) -> None:
    server.join("leaves"), server.join("stays")
    leaves, stays = (server.stream("GET", f"/queue/data?session_hash={name}") for name in ("leaves", "stays"))
    until(lambda: server.work.running == 2)
    leaves.close()
    until(lambda: server.work.running == 1 and TURNS.taken == 1)
    assert set(server.demo._queue.pending_messages_per_session) == {"stays"}
    stays.close()
    all_is_over(server)


def test_a_visitor_cancels(server: Server) -> None:
    event = server.join("cancels")
    page = server.stream("GET", "/queue/data?session_hash=cancels")
    until(lambda: server.work.running == 1)
    body = {"session_hash": "cancels", "fn_index": 0, "event_id": event}
    assert server.http.post(f"{API}/cancel", json=body).json() == {"success": True}
    assert b"process_completed" in page.getresponse().read()
    until(lambda: not server.work.running and not TURNS.taken)
    page.close()
    server.demo._queue.pending_messages_per_session.pop("cancels")
    server.demo._queue.pending_event_ids_session.pop("cancels")


@pytest.mark.parametrize("count", [1, 12])  # of the latter, some wait for a turn, here or there
def test_callers_by_mcp_leave(server: Server, count: int) -> None:
    call = {"name": "endless", "arguments": {"text": "x"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    callers = [server.stream("POST", "/mcp/", body) for _ in range(count)]
    until(lambda: server.work.running == min(count, 2))
    for caller in callers:
        caller.close()
    until(lambda: not server.work.running and not TURNS.taken)
    guard = server.demo.app.middleware_stack
    until(lambda: guard.is_idle and not guard._mcp.taken)


def test_what_arrives_after_its_caller_has_left_is_not_begun() -> None:
    async def play() -> None:
        turns, call = Turns(), Visitor("", "call")
        turns.leave("call", for_good=True)
        with pytest.raises(giving_up.GivenUp):
            async with turns.place(call):
                raise AssertionError
        assert not turns.taken

    in_thread(play())


def test_a_timeout_within_is_no_leaving() -> None:
    async def play() -> None:
        with pytest.raises(TimeoutError):
            async with Turns().place(Visitor("", "")), asyncio.timeout(0):
                await asyncio.Event().wait()

    in_thread(play())


# --- the loops ------------------------------------------------------------------------------------


class Later(threading.Event):
    """Is set from the second time on that it is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def is_set(self) -> bool:
        self.looks += 1
        return self.looks > 1


def given_up(work: Callable[[], Any]) -> None:
    """Checks that work which is given up on its way ends there."""

    def run() -> None:
        later = Later()
        giving_up.watch(later)
        with pytest.raises(giving_up.GivenUp):
            work()
        assert later.looks == 2

    contextvars.copy_context().run(run)


@pytest.mark.parametrize("form", [form for form in video.FORMATS if form != "png"])
def test_files_are_given_up_between_frames(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "_AT_A_TIME", 1)
    given_up(lambda: video.encode(torch.zeros(8, 28, 28), form, size=64))


def test_morphs_are_given_up_between_numbers(small_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    request = MorphRequest("1", "2", ("3",), steps=4, formats=())
    given_up(lambda: produce(request, small_pipeline))
    composed = produce(request, small_pipeline).morph
    given_up(lambda: composed.frames)
    monkeypatch.setattr("vae.ui.ribbon.AT_ONCE", 3)
    given_up(lambda: payload(MorphRequest("1", "2", steps=4, size=56), small_pipeline))


def test_comparisons_are_given_up_between_models(small_pipeline: Pipeline) -> None:
    ends = read_numbers(MorphRequest("1", "2"), small_pipeline)
    given_up(lambda: line_up(small_pipeline, *ends, 4))


def test_nothing_is_written_for_who_has_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))

    def twice() -> None:
        files.keep(b"x", "first.png")
        files.keep(b"x", "second.png")

    given_up(twice)
    assert [path.name for path in tmp_path.rglob("*.png")] == ["first.png"]
