"""Closes what a public Gradio app leaves open: a thin ASGI layer in front of it, put there by `launch`.

Every rule here and in `bodies` answers something that was seen on gradio 6.31; tests/server/test_guard.py asks
each of them of a running server again, so that an upgrade of gradio which moves a route shows up there and
not in production.

The guard is put around the *whole* application when its lifespan begins, before the first request
is accepted. `app_kwargs={"middleware": [...]}` would be the usual way, but it puts the guard inside
gradio's CORS layer, which answers any origin with `Access-Control-Allow-Credentials: true`.

The page may not use Gradio's streaming outputs, deep links, logins or custom components: their routes are shut.
"""

import asyncio
import base64
import contextlib
import hmac
import logging
import os
import re
import time
from collections.abc import Mapping
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from vae.errors import BadRequest, Busy
from vae.giving_up import GivenUp
from vae.ui.server import logs, page_events, refusals, stopping, visitors
from vae.ui.server.bodies import Parts, Refused, check_json
from vae.ui.server.exchange import MAX_BODY, Exchange, Held, too_large
from vae.ui.server.files import Sweeper
from vae.ui.server.turns import Turns, Visitor

log = logging.getLogger("digit_morph.requests")

MAX_TARGET = 4096  # path and query: gradio keeps upload ids and session hashes as they come

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
UPLOAD = re.compile(API + "upload/?")
# By the older transport (mcp/sse, mcp/messages/) a call is answered on another connection than it came by,
# so that nobody could say how many are under way; the protocol has given it up.
MCP, MCP_PATHS = re.compile(API + "mcp(/|$)"), re.compile("(/|/http/?|/schema)?")
MCP_AT_ONCE = 8  # Gradio waits for each in one of 40 threads, which the page needs too (for one whose
#                  caller has gone it waits on, but never for more than `turns` has places: 34)
MCP_PLACES = 72  # under way or waiting
UPLOADS = 48  # under way; each may hold nine open files
# /monitoring/summary is open by default, /openapi.json lists all routes, and /pwa_icon/100000 draws one so large.
SHUT_PAGES = re.compile("(monitoring|login|logout|openapi.json)(/|$)|pwa_icon/.")
# Of these, Gradio keeps what it has made for the first visitor, under the Host that he sent; but not of a page's.
KEPT_ANSWERS = {API + "info": b"page=", API + "openapi.json": b""}
# Without a password: what a balancer asks, and what gradio asks itself once, when it starts.
OPEN = frozenset({"/healthz", API + "startup-events"})
UNLOGGED = ("/assets/", "/static/", "/svelte/")

# Of a Range, what can be met: `0-0-0` and several ranges each made a 500 (two values unpacked).
RANGE = re.compile(rb"bytes=([0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})")
ANOTHER_HOST = re.compile(r"/*[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # two letters: C:\ is a file

DROPPED = frozenset({b"x-gradio-server", visitors.HEADER.encode()})
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
    named = environ.get("DIGIT_MORPH_FRAMES", "")
    frames = re.sub(r"[^!-+\--:<-~]", " ", named)  # no more than ASCII that ends neither a rule nor the header
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


def path_of(scope: Scope) -> str:
    """The path as this app knows it."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def check_target(path: str, query: bytes, root_path: str = "") -> None:
    """Raise `Refused` for a path that this app has no use for."""
    if len(path) + len(query) > MAX_TARGET:
        raise Refused(414, "This address is too long.")
    _, is_api, rest = path.partition(API)
    if is_api:
        route, argument = re.match(r"([^/=]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
        # file=https://... fetches for whoever asks; file/... is its deprecated spelling.
        elsewhere = route == "file" and (argument[:1] != "=" or ANOTHER_HOST.match(argument[1:]))
        old_mcp = route == "mcp" and not MCP_PATHS.fullmatch(argument)
        if not API_ROUTES.fullmatch(route) or elsewhere or old_mcp:
            raise Refused(404, "There is nothing here.")
    elif SHUT_PAGES.match(path.removeprefix(root_path).lstrip("/")):
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


def check_new(method: str, path: str, headers: Headers) -> None:
    """Raise `Refused` for what would begin something while the server stops. Of a call by MCP that has begun, the
    second request belongs to it."""
    if stopping.asked.is_set() and method == "POST" and path != API + "cancel" and not visitors.is_ours(headers):
        raise Refused(503, page_events.STOPPING, [(b"retry-after", b"30")])


def check_length(headers: Headers) -> None:
    """Raise `Refused` for a body that is announced as too large, or in two ways: whoever stands before us might
    take the other one, and so another request, for what follows."""
    announced = headers.getlist("content-length")
    if len(announced) > 1 or (announced and "transfer-encoding" in headers):
        raise Refused(400, "The length of this request is said twice.", [(b"connection", b"close")])
    if announced and announced[0].isdecimal() and int(announced[0]) > MAX_BODY:  # what is not announced is counted
        raise too_large()


def cleaned_headers(headers: Headers, trust_proxy: bool) -> list[tuple[bytes, bytes]]:
    """The request's headers without those that mislead gradio.

    X-Gradio-Server and X-Forwarded-Host become the root of every link it writes, and `/info` keeps
    the first one it meets for all later visitors. `Range` is passed on only where there is one plain
    range, and spelt `Bytes=`: gradio's own answer to `bytes=0-9` sends the request's headers,
    cookies included, back as the answer's; this spelling leaves it to Starlette, which does it well.
    """
    kept = []
    for name, value in headers.raw:
        if name in DROPPED or (name in FORWARDED and not trust_proxy):
            continue
        if name != b"range":
            kept.append((name, value))
        elif plain := RANGE.fullmatch(value.strip()):
            kept.append((name, b"Bytes=" + plain[1]))
    return kept


def logged_path(path: str) -> str:
    """The path as far as it says what was asked: no session, no file's name, nothing unprintable."""
    head, is_api, rest = path.partition(API)
    if is_api:
        route, _, name = rest.partition("=" if rest.startswith("file=") else "/")
        shown = [route, *name.removeprefix("v2/").split("/")[:1]] if route in ("call", "run") else [route]
        path = head + API + "/".join(shown)
    return quote(path[:100])


class Guard:
    """ASGI middleware around the whole app. `auth` is the "user:password" to ask for, if any; `turns` are those that
    the page waits for."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        trust_proxy: bool | None = None,
        auth: str | None = None,
        sweeper: Sweeper | None = None,
        turns: Turns | None = None,
        events: page_events.PageEvents | None = None,
    ) -> None:
        self.app = app
        self._events = events
        self._sweeper, self._turns = sweeper, turns
        self._held = Held()
        self._under_way = 0
        self._mcp = Turns(MCP_AT_ONCE, MCP_PLACES, share=MCP_PLACES)
        self._uploads = Turns(UPLOADS, UPLOADS, share=UPLOADS)
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
        address = visitors.address_of(scope, headers, self._trust_proxy)
        exchange = Exchange(receive, send, self._policy, self._held, address)
        began = time.monotonic()
        counts = not path_of(scope).startswith((API + "heartbeat", "/healthz"))  # these wait for nothing
        self._under_way += counts
        try:
            await self._answer(scope, headers, exchange)
        finally:
            self._under_way -= counts
            exchange.close()
            if not scope["path"].startswith(UNLOGGED):
                taken = (time.monotonic() - began) * 1000
                path = logged_path(scope["path"])
                log.info("%s %s %d %.0f ms", scope["method"], path, exchange.status, taken)

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._under_way and (self._turns is None or not self._turns.taken)

    async def _answer(self, scope: Scope, headers: Headers, exchange: Exchange) -> None:
        """Serve, and say in a sentence what is wrong."""
        path = path_of(scope)
        try:
            await self._serve(scope, headers, exchange)
            if exchange.failure:
                await exchange.refuse(refusals.of_status(exchange.failure["status"], path))
        except Refused as refusal:
            await exchange.refuse(refusal)
        except Busy as busy:
            await exchange.refuse(Refused(503, str(busy), [(b"retry-after", b"5")]))
        except (ClientDisconnect, GivenUp):
            pass  # a visitor gave an upload or a call up; or was cut off above
        except BadRequest as error:
            await exchange.refuse(Refused(400, str(error)))
        except Exception as error:
            if exchange.refused:
                return
            instead = refusals.of_error(error, path)
            if instead.status >= 500 and not isinstance(error.__cause__, HTTPException):
                logs.log.error("a request failed", exc_info=True)
            if exchange.status and not await exchange.end():
                raise
            await exchange.refuse(instead)

    async def _serve(self, scope: Scope, headers: Headers, exchange: Exchange) -> None:
        path = path_of(scope)
        if path == "/healthz":
            await self._tell_health(exchange)
            return
        if self._auth:
            check_password(path, headers, self._auth)
        check_target(scope["path"], scope.get("query_string", b""), scope.get("root_path", ""))
        check_length(headers)
        check_new(scope["method"], path, headers)
        if self._events and path.startswith(page_events.PREFIX):
            await self._answer_page(self._events, scope, headers, exchange)
            return
        is_mcp, is_upload = bool(MCP.match(path)), bool(UPLOAD.fullmatch(path))
        who = visitors.introduce(headers, exchange.address, is_mcp)
        inner = {**scope, "headers": [*cleaned_headers(headers, self._trust_proxy), who]}
        if path.rstrip("/") in KEPT_ANSWERS:
            inner["query_string"] = KEPT_ANSWERS[path.rstrip("/")]
        visitor = visitors.visitor_in(Headers(scope=inner))
        async with contextlib.AsyncExitStack() as held:
            if is_mcp and scope["method"] == "GET" and "text/event-stream" in headers.get("accept", ""):
                raise Refused(405, "This server has nothing to tell before it is asked.")
            if is_mcp or is_upload:
                await held.enter_async_context((self._mcp if is_mcp else self._uploads).place(visitor))
            if scope["method"] == "POST":
                if is_upload:
                    exchange.parts = Parts(headers)  # counted as they come
                else:
                    check_json(await exchange.body(), is_mcp)
                if is_mcp:
                    watching = asyncio.create_task(self._watch(exchange, visitor.session))
                    held.callback(watching.cancel)
                if (is_mcp or is_upload) and (sweeper := self._sweeper):  # both write to the folder of files
                    expected = exchange.size if is_mcp else int(headers.get("content-length", MAX_BODY))
                    sweeper.expect(expected)
                    held.callback(lambda: sweeper.came(expected, exchange.size))
            if is_mcp:
                await held.enter_async_context(self._mcp.turn(visitor, 1))
            await self.app(inner, exchange.receive, exchange.send)

    async def _answer_page(
        self, events: page_events.PageEvents, scope: Scope, headers: Headers, exchange: Exchange
    ) -> None:
        if scope["method"] != "POST":
            raise Refused(405, refusals.SENTENCES[405])
        body = await exchange.body()
        check_json(body, is_mcp=False)
        visitor = Visitor(exchange.address, headers.get(page_events.PAGE, "")[: page_events.LONGEST_NAME])
        name = path_of(scope).removeprefix(page_events.PREFIX)
        made = await events.answer(name, body, visitor, exchange.left())
        waiting = (page_events.WAITING, b"%d" % (self._turns.waiting if self._turns else 0))
        await exchange.give(200, made.body, [*made.headers, waiting])

    async def _watch(self, exchange: Exchange, call: str) -> None:
        """Give a call by MCP up when its caller leaves; those of the page, Gradio reports."""
        await exchange.left()
        self._mcp.leave(call)
        if self._turns:
            self._turns.leave(call, for_good=True)

    async def _tell_health(self, exchange: Exchange) -> None:
        well = self._sweeper is None or self._sweeper.is_well
        status = "ok" if well else "files are not swept any more"
        if stopping.asked.is_set():
            status = "stopping"
        waiting = self._turns.waiting if self._turns else 0
        await exchange.answer(200 if status == "ok" else 503, {"status": status, "waiting": waiting})
