"""The guard around an app of a few lines: what it does where the app, or the visitor, does what Gradio seldom does."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from serving import run
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from vae.ui.server import exchange, guard, stopping, visitors
from vae.ui.server.bodies import Refused
from vae.ui.server.guard import API, Guard

START = {"type": "http.response.start", "status": 200, "headers": []}
SIZED = {**START, "headers": [(b"content-length", b"100")]}
PART = {"type": "http.response.body", "body": b"part", "more_body": True}
BODY = {"type": "http.request", "body": b"{}", "more_body": False}
GONE = {"type": "http.disconnect"}
SECRET = "Basic " + base64.b64encode(b"ada:enigma").decode()


def asked(
    app: Callable[..., Any],
    method: str = "GET",
    path: str = "/",
    headers: Any = (),
    came: Any = (BODY,),
    **settings: Any,
) -> list[dict[str, Any]]:
    """What a visitor gets by a Guard around `app`; of the visitor comes `came`, and then nothing."""
    coming, sent = list(came), []

    async def receive() -> dict[str, Any]:
        if not coming:
            await asyncio.Event().wait()
        return coming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in dict(headers).items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw}
    run(asyncio.wait_for(Guard(app, **settings)(scope, receive, send), 60))
    return sent


def said(sent: list[dict[str, Any]]) -> tuple[int, str]:
    return sent[0]["status"], json.loads(sent[1]["body"])["detail"]


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send({**PART, "more_body": False})


def failing(*first: dict[str, Any], error: type[Exception] = RuntimeError) -> Callable[..., Any]:
    """An app that says `first` and then breaks."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in first:
            await send(message)
        raise error("/etc/passwd")

    return app


def test_there_is_no_websocket_and_a_lifespan_passes() -> None:
    seen: list[str] = []
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    for kind in ("websocket", "lifespan"):
        run(Guard(app)({"type": kind}, None, send))  # type: ignore[arg-type]
    assert seen == ["lifespan"] and sent == [{"type": "websocket.close", "code": 1008}]


def test_a_password_is_asked_for_everywhere_but_where_a_balancer_looks() -> None:
    for headers in ({}, {"authorization": "Basic YWRh"}, {"authorization": SECRET.replace("Basic", "Bearer")}):
        sent = asked(answer, headers=headers, auth="ada:enigma")
        assert said(sent) == (401, "This page asks for a user name and a password.")
        assert b"www-authenticate" in dict(sent[0]["headers"])
    for headers, path in (({"authorization": SECRET}, "/"), ({}, f"{API}startup-events"), ({}, "/healthz")):
        assert asked(answer, path=path, headers=headers, auth="ada:enigma")[0]["status"] == 200


def test_an_app_that_breaks_ends_in_a_sentence() -> None:
    for path, status in (("/", 500), (f"{API}call/nothing", 400)):
        told = said(asked(failing(error=ValueError), path=path))
        assert told[0] == status and "passwd" not in told[1] and told[1].endswith(".")


def test_an_answer_that_breaks_off_is_ended_where_that_is_no_lie() -> None:
    assert [message["type"] for message in asked(failing(START, PART))] == [
        "http.response.start",
        "http.response.body",
        "http.response.body",
    ]
    with pytest.raises(RuntimeError):  # for the server to cut the connection
        asked(failing(SIZED, PART))


def test_what_the_app_makes_of_a_body_that_was_cut_off_is_no_news() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        assert (await receive())["type"] == "http.disconnect"  # and so on
        raise RuntimeError

    chunk = {"type": "http.request", "body": bytes(exchange.MAX_BODY), "more_body": True}
    status, sentence = said(asked(app, came=[chunk, chunk]))
    assert status == 413 and "too large" in sentence


def test_a_visitor_who_leaves_before_the_body_has_come_is_told_nothing() -> None:
    assert asked(answer, "POST", f"{API}queue/join", came=[{**BODY, "more_body": True}, GONE]) == []


def test_a_caller_by_mcp_who_leaves_is_noticed() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0)  # the guard looks meanwhile
        await answer(scope, receive, send)

    assert asked(app, "POST", f"{API}mcp/", came=[BODY, BODY, GONE])[0]["status"] == 200


def test_mcp_has_nothing_to_tell_before_it_is_asked() -> None:
    assert said(asked(answer, path=f"{API}mcp/", headers={"accept": "text/event-stream"}))[0] == 405


@pytest.mark.parametrize("second", ["transfer-encoding", "content-length"])
def test_a_length_is_said_once(second: str) -> None:
    twice = Headers(raw=[(b"content-length", b"2"), (second.encode(), b"chunked")])
    with pytest.raises(Refused, match="said twice"):
        guard.check_length(twice)
    with pytest.raises(Refused, match="too large"):
        guard.check_length(Headers({"content-length": str(exchange.MAX_BODY + 1)}))


def test_nothing_is_begun_while_the_server_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "asked", asyncio.Event())
    stopping.asked.set()
    assert said(asked(answer, "POST", f"{API}queue/join"))[0] == 503
    assert asked(answer)[0]["status"] == 200
    sent = asked(answer, path="/healthz")
    assert (sent[0]["status"], json.loads(sent[1]["body"])["status"]) == (503, "stopping")


def test_who_does_not_ask_is_nobody() -> None:
    assert Guard(answer).is_idle  # nobody waits
    assert visitors.visitor_of(None) == ("", "")


def test_a_reason_is_given_once() -> None:
    async def one() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        async def receive() -> dict[str, Any]:
            return GONE

        talk = exchange.Exchange(receive, send, "", exchange.Held(), "")
        with pytest.raises(ClientDisconnect):
            await talk.body()
        for sentence in ("One.", "Two."):
            await talk.refuse(Refused(400, sentence))
        return sent

    assert said(run(one())) == (400, "One.")
