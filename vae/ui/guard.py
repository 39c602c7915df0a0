"""Closes what a public Gradio app leaves open: a thin ASGI layer in front of it, and its settings.

`launch(demo, ready=...)` is all that app.py needs. Every rule here answers something that was seen
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
import contextlib
import hmac
import io
import json
import logging
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import httpx
from gradio import processing_utils
from gradio.processing_utils import sh as safehttpx
from gradio.utils import get_upload_folder
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
FETCH_SECONDS = 15.0

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


def queue_settings() -> dict[str, Any]:
    """What `demo.queue(...)` gets: a bounded queue and no way around it."""
    return {"max_size": 32, "default_concurrency_limit": 2, "api_open": False}


def launch_settings() -> dict[str, Any]:
    """What `demo.launch(...)` gets: said in full, as defaults change and a Space sets its own."""
    return {
        "max_file_size": MAX_FILE,
        "show_error": False,  # a visitor sees only what is raised as gr.Error
        "enable_monitoring": False,  # None leaves /monitoring/summary open
        "run_history": False,
        "pwa": False,  # a Space would switch it on
        "ssr_mode": False,  # a Space would put a Node proxy in front of the guard
        "num_workers": 0,  # GRADIO_NUM_WORKERS would take uploads in processes beside the guard
        "state_session_capacity": 1000,
        "strict_cors": True,
        "mcp_server": True,
    }


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


class BoundedFetch(httpx.AsyncBaseTransport):
    """How gradio fetches a picture that a client names by its address: public hosts, `MAX_FILE`.

    Its own way checks that the host is public too, but reads whatever comes into memory, for as long
    as it keeps coming, and unpacks it (a small gzip makes gigabytes). Each redirect comes by here.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["accept-encoding"] = "identity"
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                address = await safehttpx.async_validate_url(request.url.host)
                async with safehttpx.AsyncSecureTransport(address) as transport:
                    return await self._read(await transport.handle_async_request(request))
        except gr.Error:  # a ValueError, as is what safehttpx raises
            raise
        except (ValueError, OSError, httpx.HTTPError) as error:  # a timeout is an OSError
            sentence = "The picture could not be fetched from that address."
            raise gr.Error(sentence, print_exception=False) from error

    async def _read(self, response: httpx.Response) -> httpx.Response:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_FILE:
                sentence = f"The picture at that address is larger than {MAX_FILE // MiB} MB."
                raise gr.Error(sentence, print_exception=False)
        kept = {name: response.headers[name] for name in ("location",) if name in response.headers}
        return httpx.Response(response.status_code, headers=kept, content=bytes(body))


def sweep(folder: str | os.PathLike[str], age_seconds: float, pattern: str = "tmp*") -> int:
    """Delete the files in `folder` that match and are older than `age_seconds`; returns how many.

    The pattern stands for what gradio writes an upload to before it is whole: one that is given up
    stays, and `delete_cache` knows nothing of it. Finished uploads have folders of their own.
    """
    swept = 0
    oldest = time.time() - age_seconds
    for path in Path(folder).glob(pattern):
        try:
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime < oldest:
                path.unlink()
                swept += 1
        except OSError:  # renamed or deleted while we looked, or not ours
            continue
    return swept


def sweep_regularly(
    folder: str | os.PathLike[str], age_seconds: float, every_seconds: float, pattern: str = "tmp*"
) -> Callable[[], None]:
    """Sweep now and then from a thread that ends with the program; call the result to end it sooner."""
    stopped = threading.Event()

    def run() -> None:
        while True:
            if swept := sweep(folder, age_seconds, pattern):
                log.info("swept %d abandoned files", swept)
            if stopped.wait(every_seconds):
                return

    threading.Thread(target=run, name="sweeper", daemon=True).start()
    return stopped.set


def guarded(
    ready: Callable[[], bool] = lambda: True, trust_proxy: bool | None = None, auth: str | None = None
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """A lifespan that guards the app it is given, for `launch(app_kwargs={"lifespan": ...})`."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        if app.middleware_stack is None:
            raise RuntimeError("the app has no middleware to guard: this version of starlette is unknown")
        app.middleware_stack = Guard(app.middleware_stack, ready=ready, trust_proxy=trust_proxy, auth=auth)
        processing_utils.async_transport = BoundedFetch()
        stop = sweep_regularly(get_upload_folder(), age_seconds=600, every_seconds=300)
        yield
        stop()

    return lifespan


def launch(
    demo: gr.Blocks,
    *,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
    auth: str | None = None,
    ready: Callable[[], bool] = lambda: True,
    **page: Any,
) -> Any:
    """`demo.queue(...).launch(...)` with the settings above and the guard around the app.

    `host` and `port` left out are gradio's (GRADIO_SERVER_NAME, as a Space sets it). `page` takes
    what else `launch` takes (theme, css, prevent_thread_lock, ...) and may override a setting.
    """
    # A shared link comes through gradio's tunnel, which sets X-Forwarded-*.
    trust_proxy = True if share else None
    # MCP calls the page's own address, and cannot be told a password.
    settings = {**launch_settings(), "mcp_server": not auth, **page}
    settings["app_kwargs"] = {"lifespan": guarded(ready, trust_proxy, auth)}
    demo.queue(**queue_settings())
    if not share:
        return demo.launch(server_name=host, server_port=port, **settings)
    waits = not settings.pop("prevent_thread_lock", False)
    with contextlib.redirect_stdout(io.StringIO()):  # where it fails, gradio guesses at length
        started = demo.launch(
            server_name=host, server_port=port, share=True, prevent_thread_lock=True, **settings
        )
    print(about_link(demo.local_url, demo.share_url, bool(auth)), flush=True)
    if waits:
        demo.block_thread()
    return started


def about_link(local_url: str, share_url: str | None, has_password: bool) -> str:
    """What whoever asked for a public link should know."""
    here = f"Running on {local_url}\n"
    if not share_url:
        return here + (
            "There is no public link: the tunnel of Gradio's share service cannot be had from here, which "
            "takes the internet and, the first time, a download; the local page goes on."
        )
    who = "knows the password" if has_password else "has it (add --auth user:password to ask for a password)"
    return here + (
        f"Public link: {share_url}\n"
        "It lives for up to a week, and only while this program runs. It shows this page and its API, and "
        f"no other file or program of this computer, to everybody who {who}; what they draw passes through "
        "Gradio's servers and this computer."
    )
