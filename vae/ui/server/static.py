"""In front of Gradio: what is the same for every visitor, kept in memory and sent compressed, or not at all.

Gradio renders `/` anew at every request and sends it as it is, and its scripts and styles without a word on how
long they hold. Here the page is rendered once for each address that it is reached at and has an ETag; our own files
lie beside Gradio's, under /assets/, and like those have a digest in their names.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vae.ui.server.compressed import FOR_EVER, Kept, compress, is_text
from vae.ui.server.guard import API, path_of

MiB = 2**20
A_DAY = "public, max-age=86400"
ASK = "no-cache"  # keep it, and ask each time whether it is still the same
LARGEST = 2 * MiB  # of what is kept
KEPT_BYTES = 24 * MiB  # of all, before compression
ASSETS = ("/assets/", "/static/", "/svelte/", "/theme.css", "/favicon.ico")
ANSWERS = ("/config", API + "info", API + "openapi.json")  # large, and seldom asked: compressed each time
# What the page depends on, beside the files it is made of: the address that links are to begin with.
ADDRESS = ("host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix")
NOT_PASSED_ON = (b"accept-encoding", b"range", b"if-none-match", b"if-modified-since")
QUICK, SMALL = 5, 9  # Brotli's quality for the page, of which there may be several, and for files

Dress = Callable[[str, bool], str]
"""Gradio's page as HTML, and whether it shows the manual of the API -> the one that is sent."""


def as_it_is(html: str, manual: bool) -> str:
    return html


class Static:
    """ASGI middleware around Gradio, within the guard. `files` are our own, by path."""

    def __init__(self, app: ASGIApp, files: Mapping[str, Kept], dress: Dress) -> None:
        self.app = app
        self._files, self._dress = files, dress
        self._kept: OrderedDict[Any, Kept] = OrderedDict()  # the least used first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        path, headers = path_of(scope), Headers(scope=scope)
        if path.rstrip("/") in ANSWERS:
            if answer := await self._asked(scope, receive, send):
                encoding = answer.encoding(headers)
                body = await asyncio.to_thread(compress, answer.body, encoding, QUICK)
                await reply_with(body, scope, send, [*answer.more, *described(answer, encoding)])
        elif is_of_another_site(headers):  # its script wants Gradio's word that it may read this
            await self.app(scope, receive, send)
        elif answer := await self._found(path, headers, scope, receive, send):
            await self._send(answer, headers, scope, send)

    async def _found(self, path: str, headers: Headers, scope: Scope, receive: Receive, send: Send) -> Kept | None:
        """What is kept for a request, if need be after asking Gradio; None when that has answered by itself."""
        if path in self._files:
            return self._files[path]
        if path == "/":
            manual = b"view=" in scope.get("query_string", b"")
            key: Any = (path, manual, scope.get("scheme"), scope.get("root_path"), *map(headers.get, ADDRESS))
            scope = {**scope, "query_string": b""}  # which Gradio's own script reads
        elif path.startswith(ASSETS):
            key = path
        else:
            await self.app(scope, receive, send)
            return None
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        answer = await self._asked(scope, receive, send)
        if answer and path == "/":
            page = await asyncio.to_thread(self._dress, answer.body.decode(), manual)
            answer = Kept(page.encode(), answer.content_type, ASK, QUICK)
        if answer:
            self._keep(key, answer)
        return answer

    def _keep(self, key: Any, answer: Kept) -> None:
        self._kept[key] = answer
        while sum(len(each.body) for each in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)

    async def _asked(self, scope: Scope, receive: Receive, send: Send) -> Kept | None:
        """Gradio's whole answer; None where it says what went wrong, or is too large: that goes to the visitor."""
        start: Message = {}
        chunks: list[bytes] = []

        async def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                length = Headers(raw=message["headers"]).get("content-length", "")
                if message["status"] == 200 and length.isdecimal() and int(length) <= LARGEST:
                    start.update(message)
                    return
            if start:
                chunks.append(message.get("body", b""))
            else:
                await send(message)

        passed = [pair for pair in scope["headers"] if pair[0] not in NOT_PASSED_ON]
        await self.app({**scope, "method": "GET", "headers": passed}, stays(receive), take)
        body = b"".join(chunks)
        if not start or len(body) != int(Headers(raw=start["headers"])["content-length"]):
            return None
        content_type = Headers(raw=start["headers"]).get("content-type", "")
        cache = cache_of(path_of(scope), scope.get("query_string", b""))
        more = [pair for pair in start["headers"] if pair[0].startswith((b"access-control-", b"vary"))]
        return Kept(body, content_type, cache, SMALL, tuple(more))

    async def _send(self, answer: Kept, headers: Headers, scope: Scope, send: Send) -> None:
        encoding = answer.encoding(headers)
        tag = f'W/"{answer.digest}"'  # weak: the same page in another encoding has it too
        described_by = [
            *described(answer, encoding),
            (b"etag", tag.encode()),
            (b"cache-control", answer.cache.encode()),
        ]
        known = [each.strip().removeprefix("W/") for each in headers.get("if-none-match", "").split(",")]
        if tag.removeprefix("W/") in known:
            kept = [pair for pair in described_by if pair[0] in (b"etag", b"cache-control", b"vary")]
            await reply(send, 304, kept)
        elif scope["method"] == "HEAD" and encoding not in answer.encoded:  # as Gradio asks itself when it starts
            await reply(send, 200, described_by)
        else:
            is_made = not encoding or encoding in answer.encoded
            body = answer.in_encoding(encoding) if is_made else await asyncio.to_thread(answer.in_encoding, encoding)
            await reply_with(body, scope, send, described_by)


def stays(receive: Receive) -> Receive:
    """A visitor who waits to the end: of an answer that one has left, Gradio sends the beginning, and it is for all."""

    async def received() -> Message:
        message = await receive()
        if message["type"] == "http.disconnect":
            await asyncio.Event().wait()
        return message

    return received


def is_of_another_site(headers: Headers) -> bool:
    origin = urlsplit(headers.get("origin", ""))
    return bool(origin.netloc) and origin.netloc not in (headers.get("host"), headers.get("x-forwarded-host"))


def cache_of(path: str, query: bytes) -> str:
    """How long an answer of Gradio's holds: what lies in /assets/ has a digest in its name."""
    if path.startswith("/assets/") or (path == "/theme.css" and b"v=" in query):
        return FOR_EVER
    return A_DAY if path.startswith(ASSETS) else ASK


def described(answer: Kept, encoding: str) -> list[tuple[bytes, bytes]]:
    headers = [(b"content-type", answer.content_type.encode())]
    if is_text(answer.content_type, len(answer.body)):
        headers.append((b"vary", b"Accept-Encoding"))
    return [*headers, (b"content-encoding", encoding.encode())] if encoding else headers


async def reply(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def reply_with(body: bytes, scope: Scope, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    """Send a whole answer; to HEAD, without its body."""
    sized = [*headers, (b"content-length", b"%d" % len(body))]
    await reply(send, 200, sized, b"" if scope["method"] == "HEAD" else body)
