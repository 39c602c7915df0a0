"""Closes what a public Gradio app leaves open: a thin ASGI layer in front of it, put there by `serving`.

Every rule here answers something that was seen
on gradio 6.31; tests/test_guard.py asks each of them of a running server again, so that an upgrade
of gradio which moves a route shows up there and not in production.

The guard is put around the *whole* application when its lifespan begins, before the first request
is accepted. `app_kwargs={"middleware": [...]}` would be the usual way, but it puts the guard inside
gradio's CORS layer, which answers any origin with `Access-Control-Allow-Credentials: true`.

Needs of the page: nothing in it may use the sketchpad's real-time mode (a `.change` or `.input`
listener), streaming outputs, deep links, logins or custom components; their routes are shut.
"""

import asyncio
import base64
import hmac
import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("digit_morph.requests")

MiB = 2**20
MAX_FILE = 10 * MiB  # one uploaded picture, or one fetched from an address: a phone's photo fits
MAX_BODY = 12 * MiB  # any request: multipart's own text, or a picture of 9 MiB as a data: URL
MAX_PARTS = 8  # of a multipart body; the page sends each picture in an upload of its own
MAX_TARGET = 4096  # path and query: gradio keeps upload ids and session hashes as they come
BODY_SECONDS = 60.0  # for a body to arrive, so that a trickle does not hold a connection for ever

API = "/gradio_api/"
# What the page, gradio_client, the JavaScript client and MCP call. A list of what is allowed, not of
# what is denied, so that a route which a newer gradio adds is shut until somebody has looked at it.
# Shut by it: component_server (`accept_blobs` builds a list as long as `index` says), proxy=, api,
# process_recording, vibe-*, dev/reload, deep_link (writes to disk), run-history, stream, token, ...
# `run` serves functions without a queue; of those with one, `api_open=False` makes it a 404.
API_ROUTES = re.compile(
    "app_id|call|cancel|file|heartbeat|info|mcp|openapi.json|queue|reset|run|startup-events"
    "|theme.css|upload|upload_progress"
)
SHUT_PAGES = frozenset({"monitoring", "login", "logout"})  # /monitoring/summary is open by default
# Without a password: what a balancer asks, and what gradio asks itself once, when it starts.
OPEN = frozenset({"/healthz", API + "startup-events"})
UNLOGGED = ("/assets/", "/static/", "/svelte/")

# Of a Range, what can be met: `0-0-0` and several ranges each made a 500 (two values unpacked).
RANGE = re.compile(rb"bytes=([0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})")
ANOTHER_HOST = re.compile(r"/*[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # two letters: C:\ is a file

FORWARDED = frozenset({b"forwarded", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-prefix"})
HUGGING_FACE = "https://huggingface.co https://*.huggingface.co https://*.hf.space"


def proxy_is_trusted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether somebody's proxy stands in front and sets X-Forwarded-*: on a Space, or when told so."""
    told = environ.get("DIGIT_MORPH_TRUST_PROXY", "0") not in ("", "0")
    return told or any(environ.get(name) for name in ("SPACE_ID", "SPACE_HOST", "GRADIO_ROOT_PATH"))


def content_security_policy(environ: Mapping[str, str] = os.environ) -> str:
    """What the page may load and who may frame it.

    Inline scripts and `eval` are how gradio starts and how it runs `js=`; blob: and data: are the
    canvas and the recorded picture. A Space draws the Hub's own header on top, hence its hosts there.
    `DIGIT_MORPH_FRAMES` names further sites that may frame the page, such as a school's.
    """
    hub = f" {HUGGING_FACE}" if environ.get("SPACE_ID") else ""
    frames = environ.get("DIGIT_MORPH_FRAMES", "").translate({ord(c): " " for c in ";,\r\n"})
    return "; ".join(
        [
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            f"img-src 'self' data: blob:{hub}",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self' data: blob:{hub}",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            f"frame-ancestors 'self' {HUGGING_FACE} {frames}".rstrip(),
        ]
    )


class Refused(Exception):
    """The request is not passed on: its status and one sentence that says why."""

    def __init__(self, status: int, sentence: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


def check_target(path: str, query: bytes, root_path: str = "") -> None:
    """Raise `Refused` for a path that this app has no use for."""
    if len(path) + len(query) > MAX_TARGET:
        raise Refused(414, "This address is too long.")
    _, is_api, rest = path.partition(API)
    if is_api:
        route, argument = re.match(r"([^/=]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
        # file=https://... fetches for whoever asks; file/... is its deprecated spelling.
        elsewhere = route == "file" and (argument[:1] != "=" or ANOTHER_HOST.match(argument[1:]))
        if not API_ROUTES.fullmatch(route) or elsewhere:
            raise Refused(404, "There is nothing here.")
    elif path.removeprefix(root_path).strip("/").split("/")[0] in SHUT_PAGES:
        raise Refused(404, "There is nothing here.")


def check_password(path: str, headers: Headers, auth: str) -> None:
    """Raise `Refused` for who does not know `auth`, "user:password", by HTTP's Basic authentication.

    Not gradio's own login: its cookie would have to pass this guard, and its API open a way around.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    known = base64.b64encode(auth.encode())
    if path in OPEN or (scheme.lower() == "basic" and hmac.compare_digest(given.strip().encode(), known)):
        return
    ask = (b"www-authenticate", b'Basic realm="Digit Morph", charset="UTF-8"')
    raise Refused(401, "This page asks for a user name and a password.", [ask])


def cleaned_headers(headers: Headers, trust_proxy: bool) -> list[tuple[bytes, bytes]]:
    """The request's headers without those that mislead gradio.

    X-Gradio-Server and X-Forwarded-Host become the root of every link it writes, and `/info` keeps
    the first one it meets for all later visitors. `Range` is passed on only where there is one plain
    range, and spelt `Bytes=`: gradio's own answer to `bytes=0-9` sends the request's headers,
    cookies included, back as the answer's; this spelling leaves it to Starlette, which does it well.
    """
    kept = []
    for name, value in headers.raw:
        if name == b"x-gradio-server" or (name in FORWARDED and not trust_proxy):
            continue
        if name != b"range":
            kept.append((name, value))
        elif plain := RANGE.fullmatch(value.strip()):
            kept.append((name, b"Bytes=" + plain[1]))
    return kept


def multipart_boundary(headers: Headers) -> bytes:
    """What stands before each part of a multipart body; empty for any other body."""
    kind, options = parse_options_header(headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    return b"--" + boundary if kind.startswith(b"multipart/") and boundary else b""


def logged_path(path: str) -> str:
    """The path as far as it says what was asked: no session, no file's name, nothing unprintable."""
    head, is_api, rest = path.partition(API)
    if is_api:
        route, _, name = rest.partition("=" if rest.startswith("file=") else "/")
        shown = [route, *name.removeprefix("v2/").split("/")[:1]] if route in ("call", "run") else [route]
        path = head + API + "/".join(shown)
    return quote(path[:100])


class Exchange:
    """One request and its answer: counts what comes in and dresses what goes out."""

    def __init__(self, headers: Headers, receive: Receive, send: Send, policy: str) -> None:
        self._receive, self._send, self._policy = receive, send, policy
        self._boundary = multipart_boundary(headers)
        self._tail = b""  # a boundary may lie across two chunks
        self._size = self._parts = 0
        self._deadline = time.monotonic() + BODY_SECONDS
        self._complete = False
        self.status = 0
        self.refused = False

    async def receive(self) -> Message:
        """The next message; a disconnect, once the body has proved too much."""
        try:
            if not self.refused:
                return await self._next()
        except Refused as refusal:
            await self.refuse(refusal)
        return {"type": "http.disconnect"}

    async def _next(self) -> Message:
        if self._complete:  # what comes now is the visitor leaving, and that may take a while
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._deadline - time.monotonic())
        except TimeoutError:
            raise Refused(408, "The request took too long to arrive.") from None
        if message["type"] == "http.request":
            self._count(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        return message

    def _count(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > MAX_BODY:
            raise too_large()
        if self._boundary:
            seen = self._tail + chunk
            self._parts += seen.count(self._boundary)
            self._tail = seen[max(0, len(seen) - len(self._boundary) + 1) :]
            if self._parts > MAX_PARTS + 1:  # one more closes the last part
                raise Refused(413, f"At most {MAX_PARTS} files can be sent at once.")

    async def send(self, message: Message) -> None:
        """Pass the answer on, with the headers that every answer gets."""
        if self.refused:  # the visitor has had the reason; what gradio makes of the cut is no news
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._dressed(message.get("headers", ()))}
        await self._send(message)

    def _dressed(self, raw: Any) -> list[tuple[bytes, bytes]]:
        headers = MutableHeaders(raw=list(raw))
        headers["x-content-type-options"] = "nosniff"
        headers["referrer-policy"] = "strict-origin-when-cross-origin"
        headers["content-security-policy"] = self._policy
        # Other sites may call this API, but not as the visitor: there is nobody to log in as, and a
        # private Space's cookie would otherwise let any page read it.
        del headers["access-control-allow-credentials"]
        return headers.raw

    async def answer(
        self, status: int, content: dict[str, str], more: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        """A whole JSON answer of our own."""
        body = json.dumps(content).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *more]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    async def refuse(self, refusal: Refused) -> None:
        """Say why, if nothing was said yet; both keys, as gradio's clients read either."""
        if not self.status:
            content = {"detail": refusal.sentence, "error": refusal.sentence}
            await self.answer(refusal.status, content, refusal.headers)
        self.refused = True


def too_large() -> Refused:
    return Refused(413, f"This is too large: at most {MAX_BODY // MiB} MB can be sent.")


class Guard:
    """ASGI middleware around the whole app; `ready` says whether `/healthz` answers 200 or 503, `auth` is
    the "user:password" to ask for, if any."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        ready: Callable[[], bool] = lambda: True,
        trust_proxy: bool | None = None,
        auth: str | None = None,
    ) -> None:
        self.app = app
        self._ready = ready
        self._auth = auth
        self._trust_proxy = proxy_is_trusted() if trust_proxy is None else trust_proxy
        self._policy = content_security_policy()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # gradio has none; one would pass by everything below
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = Exchange(headers, receive, send, self._policy)
        began = time.monotonic()
        try:
            await self._serve(scope, headers, exchange)
        except Refused as refusal:
            await exchange.refuse(refusal)
        except ClientDisconnect:
            pass  # a visitor gave an upload up; or was cut off above
        except Exception:
            if not exchange.refused:
                raise
        finally:
            if not scope["path"].startswith(UNLOGGED):
                taken = (time.monotonic() - began) * 1000
                path = logged_path(scope["path"])
                log.info("%s %s %d %.0f ms", scope["method"], path, exchange.status, taken)

    async def _serve(self, scope: Scope, headers: Headers, exchange: Exchange) -> None:
        root_path = scope.get("root_path", "")
        if scope["path"].removeprefix(root_path) == "/healthz":
            ready = self._ready()
            await exchange.answer(200 if ready else 503, {"status": "ok" if ready else "starting"})
            return
        if self._auth:
            check_password(scope["path"].removeprefix(root_path), headers, self._auth)
        check_target(scope["path"], scope.get("query_string", b""), root_path)
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > MAX_BODY:  # what is not announced is counted
            raise too_large()
        cleaned = cleaned_headers(headers, self._trust_proxy)
        await self.app({**scope, "headers": cleaned}, exchange.receive, exchange.send)
