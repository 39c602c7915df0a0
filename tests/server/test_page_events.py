"""What the page's scripts ask for: answered in turn, once, and given up when nobody waits."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from serving import run as in_thread

from vae import giving_up
from vae.errors import BadRequest, Busy
from vae.giving_up import GivenUp
from vae.ui.server import page_events
from vae.ui.server.bodies import Refused
from vae.ui.server.guard import Guard
from vae.ui.server.page_events import File, PageEvents
from vae.ui.server.turns import Turns, Visitor, Work

SOMEBODY = Visitor("1.2.3.4", "page")


async def here() -> None:
    """A visitor who stays."""
    await asyncio.Event().wait()


def ask(events: PageEvents, name: str, value: Any, left: Callable[[], Any] = here) -> Any:
    async def play() -> page_events.Answer:
        return await events.answer(name, json.dumps(value).encode(), SOMEBODY, left())

    return in_thread(play())


def told(answer: page_events.Answer) -> Any:
    return json.loads(gzip.decompress(answer.body))


def counting(is_public: bool) -> tuple[list[Any], dict[str, Callable[[Any], Work]]]:
    calls: list[Any] = []
    return calls, {"double": lambda value: Work(0.1, lambda: calls.append(value) or 2 * value, is_public)}


@pytest.mark.parametrize("is_public", [True, False])
def test_only_what_shows_no_drawing_is_kept(is_public: bool) -> None:
    calls, named = counting(is_public)
    events = PageEvents(named, Turns())
    assert [told(ask(events, "double", value)) for value in (3, 4, 3, 3)] == [6, 8, 6, 6]
    assert calls == ([3, 4] if is_public else [3, 4, 3, 3])


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, named = counting(True)
    monkeypatch.setattr(page_events, "MOST_ANSWERS", 2)
    events = PageEvents(named, Turns())
    for value in (1, 2, 3, 1):  # the oldest has gone
        ask(events, "double", value)
    assert calls == [1, 2, 3, 1]
    monkeypatch.setattr(page_events, "MOST_BYTES", 30)
    for value in (4, 5, 5, 4):
        ask(events, "double", value)
    assert calls[4:] == [4, 5, 4]


def test_what_is_wrong_is_said_and_a_defect_is_not() -> None:
    def refuse(value: Any) -> Work:
        raise BadRequest("No.")

    events = PageEvents({"no": refuse, "odd": lambda value: Work(0.1, lambda: 1 / 0)}, Turns())
    with pytest.raises(BadRequest, match="No"):
        ask(events, "no", 1)
    with pytest.raises(Refused, match="on our side"):
        ask(events, "odd", 1)
    with pytest.raises(Refused, match="nothing here"):
        ask(events, "secrets", 1)
    with pytest.raises(Busy):
        ask(PageEvents({"no": refuse}, Turns(places=0)), "no", 1)


def endless() -> None:
    for _ in range(30_000):  # against hanging
        giving_up.check()
        time.sleep(0.002)


def test_work_that_nobody_waits_for_is_given_up() -> None:
    began, ended = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        try:
            endless()
        finally:
            ended.set()

    async def leaves() -> None:
        while not began.is_set():
            await asyncio.sleep(0.01)

    turns = Turns()
    with pytest.raises(GivenUp):
        ask(PageEvents({"endless": lambda value: Work(1, work)}, turns), "endless", 1, leaves)
    assert ended.wait(10) and turns.taken == 0


def test_when_the_server_stops_who_waits_is_told() -> None:
    turns = Turns()

    async def play() -> None:
        events = PageEvents({"long": lambda value: Work(1, endless)}, turns)
        asked = asyncio.create_task(events.answer("long", b"1", SOMEBODY, here()))
        while not turns.taken:
            await asyncio.sleep(0.01)
        await turns.clear()
        await asked

    with pytest.raises(Refused, match="being restarted"):
        in_thread(play())


def through_the_guard(method: str, path: str, **request: Any) -> httpx.Response:
    """What a guard with two events answers."""

    def morph(value: Any) -> Work:
        if value == "bad":
            raise BadRequest("A sentence.")
        return Work(0.1, lambda: File(b"GIF", "ä.gif", "image/gif") if value == "file" else {"is": value})

    async def play() -> httpx.Response:
        async def app(*_: Any) -> None:
            raise AssertionError("not for Gradio")

        turns = Turns()
        guard = Guard(app, turns=turns, events=PageEvents({"morph": morph}, turns))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://page") as client:
            return await client.request(method, path, **request)

    return in_thread(play())


def test_the_guard_passes_them_on() -> None:
    answer = through_the_guard("POST", "/page/morph", json=["x"])
    assert answer.json() == {"is": ["x"]} and answer.headers["x-digit-morph-waiting"] == "0"
    assert answer.headers["content-encoding"] == "gzip" and answer.headers["x-content-type-options"] == "nosniff"
    file = through_the_guard("POST", "/page/morph", json="file")
    assert file.content == b"GIF" and file.headers["content-disposition"] == "attachment; filename=%C3%A4.gif"


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/page/morph", b'"bad"', 400),
        ("POST", "/page/morph", b"{", 400),
        ("POST", "/page/morph", b"[" * 100 + b"]" * 100, 413),
        ("POST", "/page/nothing", b"1", 404),
        ("POST", "/page/", b"1", 404),
        ("GET", "/page/morph", b"", 405),
    ],
)
def test_what_is_refused_is_said_in_a_sentence(method: str, path: str, content: bytes, status: int) -> None:
    answer = through_the_guard(method, path, content=content)
    assert answer.status_code == status and answer.json()["error"].endswith(".")
