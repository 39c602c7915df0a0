"""Everything that is refused is one sentence for a visitor; and what Gradio leaves open besides."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from gradio import routes
from gradio.exceptions import Error
from serving import run as in_thread

from vae.ui.messages import NEUTRAL
from vae.ui.server import refusals, sessions

API = "/gradio_api"
META = {"meta": {"_type": "gradio.FileData"}}
NUMBERS = ["3", "8", 12, 0, "auto", "constant", 30, 64, "ink", "once", "mp4"]
DRAWN = [None, 12, "auto", "constant", 30, 64, "ink", "once", "mp4", "41", "own", 0]
WRONG, VALUES, NOTHING = refusals.REQUEST, refusals.VALUES, "There is nothing here."
GONE, NO_FILE = "That picture is not here any more; please send it again.", refusals.SENTENCES[403]


@pytest.fixture(scope="module")
def visitor(address: str) -> Iterator[httpx.Client]:
    """Of the served page."""
    with httpx.Client(base_url=address, timeout=120) as client:
        yield client


def is_sentence(text: Any) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[A-Z][^\n{}\[\]]{10,200}[.]", text) is not None


def ended(answer: httpx.Response) -> Any:
    """How a stream of events ended."""
    return json.loads([line for line in answer.text.splitlines() if line.startswith("data: ")][-1][6:])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("POST", "/call/nothing", {"data": []}, 404, refusals.NO_FUNCTION),
        ("POST", "/call/v2/nothing", {}, 404, refusals.NO_FUNCTION),
        ("POST", "/run/nothing", {"data": []}, 404, refusals.NO_FUNCTION),
        ("POST", "/run/morph_numbers", {"data": NUMBERS}, 404, refusals.NO_FUNCTION),
        ("POST", "/queue/join", {"data": [], "fn_index": 9999, "session_hash": "s"}, 404, refusals.NO_FUNCTION),
        ("POST", "/call/v2/morph_numbers", {"source": "3"}, 400, VALUES),
        ("POST", "/call/v2/morph_numbers", {"source": "3", "target": "8", "bogus": 1}, 400, VALUES),
        ("POST", "/call/morph_numbers", {}, 400, WRONG),
        ("POST", "/call/morph_numbers", [1], 400, WRONG),
        ("POST", "/call/morph_numbers", {"data": "x"}, 400, WRONG),
        ("POST", "/call/morph_drawings", {"data": [{"path": "/x.png", **META}, *DRAWN]}, 400, GONE),
        ("POST", "/queue/join", {"data": [], "fn_index": 0}, 400, WRONG),
        ("POST", "/queue/join", {"data": [], "fn_index": "x", "session_hash": "s"}, 400, WRONG),
        ("POST", "/cancel", {}, 400, WRONG),
        ("GET", "/queue/data", None, 400, WRONG),
        ("GET", "/file=/etc/passwd", None, 403, NO_FILE),
        ("GET", "/file=/tmp/digit-morph-files-x/expired.mp4", None, 403, NO_FILE),
        ("GET", "/upload_progress", None, 400, WRONG),
        ("GET", "/queue/join", None, 405, "This address is not asked in this way."),
        ("PUT", "/../config", None, 405, "This address is not asked in this way."),
        ("GET", "/../nowhere", None, 404, NOTHING),
        ("POST", "/mcp/", [1], 406, refusals.SENTENCES[406]),
    ],
)
def test_a_refusal_is_a_sentence(
    visitor: httpx.Client, method: str, path: str, body: Any, status: int, sentence: str
) -> None:
    answer = visitor.request(method, API + path, json=body)
    assert (answer.status_code, answer.json()) == (status, {"detail": sentence, "error": sentence})
    assert is_sentence(sentence)


def test_uploads_are_refused_in_a_sentence(visitor: httpx.Client) -> None:
    for status, files in ((413, {"files": ("a.png", bytes(10 * 2**20 + 1))}), (400, {"files": ("..", b"x")})):
        answer = visitor.post(f"{API}/upload", files=files)
        assert answer.status_code == status and is_sentence(answer.json()["detail"])
    field = visitor.post(f"{API}/upload", data={"files": "no file"}, files={"other": ("a", b"x")})
    assert (field.status_code, field.json()["detail"]) == (400, WRONG)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("morph_numbers", ["3"], "This function takes 11 values, and 1 came."),
        ("ten_digits", [], "This function takes 1 values, and 0 came."),
        ("morph_drawings", ["text", *DRAWN], VALUES),
        ("morph_drawings", [7, *DRAWN], VALUES),
        ("morph_drawings", [{"path": "/etc/passwd"}, *DRAWN], VALUES),
        ("morph_drawings", [{"url": "data:image/png;base64,@@@"}, *DRAWN], VALUES),
        ("morph_images", [7, *DRAWN], VALUES),
    ],
)
def test_a_call_that_fails_ends_in_a_sentence(visitor: httpx.Client, name: str, data: list[Any], sentence: str) -> None:
    event = visitor.post(f"{API}/call/{name}", json={"data": data}).json()["event_id"]
    assert ended(visitor.get(f"{API}/call/{name}/{event}"))["error"] == sentence
    assert is_sentence(sentence)


def test_a_page_event_that_fails_ends_in_a_sentence(visitor: httpx.Client) -> None:
    functions = {found["api_name"]: found["id"] for found in visitor.get("/config").json()["dependencies"]}
    body = {"data": ["3"], "fn_index": functions["morph_numbers"], "session_hash": "few"}
    visitor.post(f"{API}/queue/join", json=body)
    said = visitor.get(f"{API}/queue/data?session_hash=few").text
    assert '"error":"This function takes 11 values, and 1 came."' in said


@pytest.mark.parametrize("path", ["/call/morph_numbers/nothing", "/queue/data?session_hash=nobody"])
def test_who_comes_too_late_is_told_so_by_a_whole_answer(visitor: httpx.Client, path: str) -> None:
    answer = visitor.get(API + path)  # it broke off: httpx raised
    assert answer.status_code == 200 and refusals.GONE in answer.text and is_sentence(refusals.GONE)


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("nothing", {}, refusals.NO_FUNCTION),
        ("morph_numbers", {}, "The argument source is missing."),
        ("morph_numbers", {"source": "3", "target": "8", "steps": "many"}, VALUES),
        ("morph_numbers", {"source": "x", "target": "8"}, "Please type a number of one to four digits, such as 32."),
        ("morph_drawings", {"source": "/etc/passwd", "number": "4"}, refusals.MCP_PICTURE),
    ],
)
def test_mcp_is_refused_in_a_sentence(
    visitor: httpx.Client, name: str, arguments: dict[str, Any], sentence: str
) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    answer = visitor.post(f"{API}/mcp/", json=body, headers={"accept": "application/json, text/event-stream"})
    result = ended(answer)["result"]
    assert result["isError"] and [part["text"] for part in result["content"]] == [sentence]
    assert is_sentence(sentence)


@pytest.mark.parametrize("text", ["PointerToNowhere: '/$defs/FileData' does not exist.", "x", "Two\nlines.", ""])
def test_what_is_no_sentence_is_not_said_by_mcp(text: str) -> None:
    assert refusals.by_mcp(text) == VALUES


def test_a_full_queue_and_defects_are_said_plainly() -> None:
    assert refusals.of_status(503, "/gradio_api/queue/join").sentence == refusals.BUSY
    assert is_sentence(refusals.BUSY) and "32" not in refusals.BUSY
    for refusal in (refusals.of_status(500, "/"), refusals.of_error(KeyError("x"), "/config")):
        assert (refusal.status, refusal.sentence) == (500, NEUTRAL)
    assert refusals.payload(RuntimeError("/a/path"), False)["error"] == NEUTRAL
    assert refusals.payload(Error("A sentence."), False)["error"] == "A sentence."


# --- what else Gradio leaves open -----------------------------------------------------------------


def test_every_host_gets_its_own_description(visitor: httpx.Client) -> None:
    for path in ("/info", "/info?serialize=False", "/info?page=", "/info/", "/openapi.json"):
        foreign = visitor.get(API + path, headers={"host": "evil.example"})
        assert foreign.status_code == 200 and ("evil.example" in foreign.text) == ("info" in path)
        own = visitor.get(API + path)
        assert "evil.example" not in own.text
        assert json.loads(foreign.text.replace("evil.example", visitor.base_url.netloc.decode())) == own.json()
    assert "/morph_numbers" in visitor.get(f"{API}/info").json()["named_endpoints"]


def test_only_what_is_public_is_described(visitor: httpx.Client) -> None:
    for path in ("/openapi.json", "/openapi.json/", "/docs", "/redoc", "/pwa_icon/100000", "/pwa_icon/x"):
        assert visitor.get(path).status_code == 404
    assert visitor.get("/pwa_icon").status_code == 200  # the page's manifest names it
    public = visitor.get(f"{API}/info").json()
    assert visitor.get(f"{API}/info?all_endpoints=1").json() == public
    calls = {path.split("/")[-1] for path in visitor.get(f"{API}/openapi.json?all_endpoints=1").json()["paths"]}
    assert calls - {"upload", "{event_id}"} == {name.strip("/") for name in public["named_endpoints"]}


@pytest.mark.parametrize(
    "lengths", [b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 5"]
)
def test_a_length_that_is_said_twice_is_refused(visitor: httpx.Client, lengths: bytes) -> None:
    smuggled = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((visitor.base_url.host, visitor.base_url.port or 80), 60) as client:
        client.sendall(b"POST /gradio_api/reset HTTP/1.1\r\nHost: x\r\n" + lengths + b"\r\n\r\n" + smuggled)
        answer = b""
        while more := client.recv(10_000):
            answer += more
    assert answer.startswith(b"HTTP/1.1 400") and b"The length of this request is said twice." in answer
    assert answer.count(b"HTTP/1.1") == 1


def test_ids_of_uploads_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = type(routes.file_upload_statuses)()
    monkeypatch.setattr(routes, "file_upload_statuses", statuses)
    sessions.bound_uploads()

    async def ask() -> None:
        for k in range(1000):
            statuses.track(str(k))  # an upload whose progress nobody asks for
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(statuses.is_tracked(f"unknown {k}"), 0)
        assert await statuses.is_tracked("999") and not statuses.is_done("999")

    in_thread(ask())
    assert len(statuses._statuses) <= sessions.MOST_UPLOADS and len(statuses._signals) <= sessions.MOST_UPLOADS
