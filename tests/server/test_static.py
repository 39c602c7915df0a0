"""What is the same for everybody: kept, compressed as the visitor's browser takes it, and not sent again."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import brotli
import pytest
from serving import run
from starlette.datastructures import Headers

from vae.ui.server import static
from vae.ui.server.compressed import Kept, encoding_for
from vae.ui.server.guard import Guard
from vae.ui.server.static import Static

TEXT = b"a word that comes again and again, " * 400
SCRIPT = Kept(b"let it = 1; // as before\n" * 100, "text/javascript; charset=utf-8", static.FOR_EVER)
OURS = "/assets/digit-morph-page-1234.js"


class Gradio:
    """In Gradio's place: answers with `body`, in as many parts, and remembers what it was asked."""

    def __init__(
        self, *parts: bytes, kind: str = "text/html; charset=utf-8", status: int = 200, **headers: str
    ) -> None:
        self.parts, self.kind, self.status, self.headers = parts, kind, status, headers
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope)
        headers = {"content-type": self.kind, **self.headers}
        if self.kind != "text/event-stream":
            headers["content-length"] = str(sum(map(len, self.parts)))
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        for part in self.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class Answer:
    def __init__(self, sent: list[dict[str, Any]]) -> None:
        self.status, self.headers = sent[0]["status"], Headers(raw=sent[0]["headers"])
        self.parts = [message["body"] for message in sent[1:] if message["body"]]
        self.body = b"".join(self.parts)


def ask(
    app: Callable[..., Any], path: str, method: str = "GET", query: bytes = b"", root_path: str = "", **headers: str
) -> Answer:
    sent: list[dict[str, Any]] = []

    coming = [{"type": "http.request", "body": b"{}", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not coming:
            await asyncio.Event().wait()
        return coming.pop()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "root_path": root_path}
    run(asyncio.wait_for(app({**scope, "headers": raw}, receive, send), 60))
    return Answer(sent)


def served(gradio: Gradio, dress: static.Dress = static.as_it_is) -> Static:
    return Static(gradio, {OURS: SCRIPT}, dress)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("GZIP;q=0.5, br; q=0", "gzip"),
        ("deflate", ""),
        ("identity, *;q=0.1", ""),
        ("", ""),
    ],
)
@pytest.mark.parametrize("path", ["/", "/assets/a-1.js", "/theme.css", "/config", "/gradio_api/info", OURS])
def test_what_is_sent_is_compressed_as_the_browser_takes_it(path: str, accepted: str, encoding: str) -> None:
    gradio = Gradio(TEXT[:5000], TEXT[5000:])
    answer = ask(served(gradio), path, accept_encoding=accepted)
    plain = SCRIPT.body if path == OURS else TEXT
    unpacked = {"br": brotli.decompress, "gzip": gzip.decompress, "": bytes}[encoding](answer.body)
    assert unpacked == plain and (len(answer.body) < len(plain) / 2) == bool(encoding)
    assert answer.headers.get("content-encoding", "") == encoding
    assert answer.headers["content-length"] == str(len(answer.body))
    assert "Accept-Encoding" in answer.headers["vary"]
    for scope in gradio.asked:  # which must not compress it as well
        assert "accept-encoding" not in Headers(scope=scope)


def test_encodings_are_compared_as_the_standard_says() -> None:
    assert encoding_for(Headers({"accept-encoding": "br;q=0.0,gzip;q=0.000"})) == ""
    assert encoding_for(Headers({"accept-encoding": "x-br, gzip;q=1"})) == "gzip"


def test_gradio_is_asked_once_and_each_encoding_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    compress = static.Kept.in_encoding.__globals__["compress"]

    def counted(body: bytes, encoding: str, quality: int) -> bytes:
        made.append(encoding)
        return compress(body, encoding, quality)

    monkeypatch.setitem(static.Kept.in_encoding.__globals__, "compress", counted)
    gradio = Gradio(TEXT, kind="application/javascript")
    app = served(gradio)
    for accepted in ("br", "gzip", "br", "gzip", "br"):
        assert ask(app, "/assets/a-1.js", accept_encoding=accepted).status == 200
    assert len(gradio.asked) == 1 and sorted(made) == ["br", "gzip"]


def test_what_has_a_digest_in_its_name_is_kept_for_ever_and_the_page_is_asked_for_again() -> None:
    for path, query, cache in (
        (OURS, b"", "public, max-age=31536000, immutable"),
        ("/assets/index-DphvyggB.js", b"", "public, max-age=31536000, immutable"),
        ("/theme.css", b"v=12", "public, max-age=31536000, immutable"),
        ("/theme.css", b"", "public, max-age=86400"),
        ("/static/js/iframeResizer.js", b"", "public, max-age=86400"),
        ("/", b"", "no-cache"),
    ):
        assert ask(served(Gradio(TEXT)), path, query=query).headers["cache-control"] == cache


@pytest.mark.parametrize("path", ["/", "/assets/a-1.js", OURS])
def test_what_a_browser_has_is_not_sent_again(path: str) -> None:
    app = served(Gradio(TEXT))
    first = ask(app, path, accept_encoding="br")
    tag = first.headers["etag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}'):
        for accepted in ("br", "gzip"):
            again = ask(app, path, accept_encoding=accepted, if_none_match=known)
            assert (again.status, again.body) == (304, b"")
            assert again.headers["etag"] == tag and again.headers["cache-control"] == first.headers["cache-control"]
    assert ask(app, path, if_none_match='"other"').status == 200
    changed = ask(Static(Gradio(TEXT + b"."), {OURS: Kept(TEXT, "text/css", "")}, static.as_it_is), path)
    assert changed.headers["etag"] != tag


def test_head_has_the_headers_and_no_body() -> None:
    for path in ("/", "/assets/a-1.js", OURS, "/config"):
        app = served(Gradio(TEXT))
        whole, head = ask(app, path, accept_encoding="br"), ask(app, path, "HEAD", accept_encoding="br")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.body)) == whole.headers["content-length"]


def test_the_page_is_made_for_each_address_and_for_nothing_else() -> None:
    gradio = Gradio(TEXT)

    def dress(html: str, manual: bool) -> str:
        return html + ("manual" if manual else "dressed")

    app = served(gradio, dress)
    for query in (b"", b"__theme=dark", b"deep_link=../../etc", b"x=1"):
        assert ask(app, "/", query=query, host="here").body.endswith(b"dressed")
    assert len(gradio.asked) == 1 and gradio.asked[0]["query_string"] == b""
    assert ask(app, "/", query=b"view=api", host="here").body.endswith(b"manual")
    for headers in ({"host": "there"}, {"host": "here", "x_forwarded_proto": "https"}, {"x_forwarded_host": "here"}):
        before = len(gradio.asked)
        ask(app, "/", **headers)
        ask(app, "/", **headers)
        assert len(gradio.asked) == before + 1


def test_below_a_path() -> None:
    app = served(Gradio(TEXT), lambda html, _: html + "dressed")
    assert ask(app, "/digits" + OURS, root_path="/digits").body == SCRIPT.body
    assert ask(app, "/digits/", root_path="/digits").body.endswith(b"dressed")


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static, "KEPT_BYTES", 3 * len(TEXT))
    gradio = Gradio(TEXT)
    app = served(gradio)
    for host in "abcabc":
        ask(app, "/", host=host)
    assert len(gradio.asked) == 3
    for host in "abcdefg":
        ask(app, "/", host=host)
    assert len(app._kept) == 3


class Impatient(Gradio):
    """As Gradio does with who has left: the answer begins, and that is all."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope)
        leaving = asyncio.ensure_future(self.left(receive))
        await asyncio.sleep(0.05)
        if leaving.done():
            self.parts = ()
        leaving.cancel()
        headers = [(b"content-length", b"%d" % len(TEXT)), (b"content-type", b"text/css")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in (*self.parts, b""):
            await send({"type": "http.response.body", "body": part, "more_body": bool(part)})

    async def left(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


def test_who_leaves_early_does_not_leave_half_a_file_to_the_next() -> None:
    gone = iter(({"type": "http.request", "body": b""}, {"type": "http.disconnect"}))
    app = served(Impatient(TEXT))

    async def visit() -> None:
        async def receive() -> dict[str, Any]:
            return next(gone)

        async def send(message: dict[str, Any]) -> None:
            pass

        scope = {"type": "http", "method": "GET", "path": "/assets/a-1.js", "query_string": b"", "headers": []}
        await asyncio.wait_for(app(scope, receive, send), 60)

    run(visit())
    assert ask(app, "/assets/a-1.js").body == TEXT
    cut = served(Impatient(TEXT[:-1]))  # for whatever reason
    with pytest.raises(IndexError):
        ask(cut, "/assets/a-1.js")
    assert not cut._kept


def test_events_come_as_they_are_made() -> None:
    parts = [b"data: %d\n\n" % number for number in range(3)]
    gradio = Gradio(*parts, kind="text/event-stream")
    for path in ("/gradio_api/queue/data", "/gradio_api/heartbeat/1", "/gradio_api/call/morph/1"):
        answer = ask(served(gradio), path, accept_encoding="br")
        assert answer.parts == parts and "content-encoding" not in answer.headers
        assert Headers(scope=gradio.asked[-1])["accept-encoding"] == "br"


def test_what_is_compressed_already_large_or_wrong_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    font = ask(served(Gradio(TEXT, kind="font/woff2")), "/static/fonts/a.woff2", accept_encoding="br")
    assert font.body == TEXT and "content-encoding" not in font.headers
    monkeypatch.setattr(static, "LARGEST", len(TEXT) - 1)
    app = served(Gradio(TEXT[:9], TEXT[9:]))
    assert ask(app, "/assets/large-1.js").parts == [TEXT[:9], TEXT[9:]] and not app._kept
    app = served(Gradio(b"{}", status=404))
    assert ask(app, "/assets/none-1.js").status == 404 and not app._kept


def test_a_part_of_a_file_is_answered_with_all_of_it() -> None:
    gradio = Gradio(TEXT)
    answer = ask(served(gradio), "/assets/a-1.js", range="Bytes=0-9")
    assert (answer.status, answer.body) == (200, TEXT) and "range" not in Headers(scope=gradio.asked[0])


def test_scripts_of_other_sites_get_gradios_word_that_they_may_read() -> None:
    gradio = Gradio(TEXT, access_control_allow_origin="https://school.example", vary="Origin")
    for path in ("/", "/assets/a-1.js", "/config"):
        app = served(gradio)
        answer = ask(app, path, host="here", origin="https://school.example", accept_encoding="gzip")
        assert answer.headers["access-control-allow-origin"] == "https://school.example"
        assert "Origin" in answer.headers.getlist("vary") and not app._kept
    kept = ask(served(Gradio(TEXT)), "/assets/a-1.js", host="here", origin="https://here")  # as Chromium sends it
    assert kept.headers["cache-control"].endswith("immutable")


def test_the_guard_watches_over_these_too() -> None:
    app = Guard(served(Gradio(TEXT)), auth="ada:enigma")
    known = "Basic YWRhOmVuaWdtYQ=="
    for path in ("/", OURS, "/assets/a-1.js"):
        assert ask(app, path, if_none_match="*").status == 401
        answer = ask(app, path, authorization=known)
        again = ask(app, path, authorization=known, if_none_match=answer.headers["etag"])
        assert (answer.status, again.status) == (200, 304)
        for each in (answer, again):
            assert each.headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors" in each.headers["content-security-policy"]
    assert ask(app, "/assets/x" + 5000 * "a", authorization=known).status == 414
