"""Bounds what clients hold without asking for anything: how many connections, and how long each.

uvicorn waits for ever for a request that does not come, asyncio accepts until the process has no
descriptor left and then logs a traceback per attempt: on gradio 6.31 with `ulimit -n 1024`, 1,100
silent connections made the page unreachable and the log grow by gigabytes an hour.
tests/test_floods.py and test_connections.py ask each bound of a running server again.

`launch(demo, ...)` is `demo.launch(...)` with these bounds.
"""

import asyncio
import errno
import logging
from typing import Any

import gradio as gr
import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from vae.ui.server import logs

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

log = logging.getLogger("digit_morph.connections")

HEADER_SECONDS = 10.0  # for the whole head of a request, from the connection's start or the last answer
WRITE_SECONDS = 60.0  # for a client to take anything of its answer, or to end a body already answered
FILES = 4096  # descriptors to ask the system for: MOST connections, a file for each and as much again
MOST = 1000  # connections at once; a visitor has two to six, the queue takes 32


def raise_limit() -> int:
    """Raise this process's limit of descriptors to `FILES` where allowed; returns the limit in force."""
    if resource is None:
        return FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY  # may be -1
    wanted = FILES if hard == unlimited else min(FILES, hard)
    if soft == unlimited or soft >= wanted:
        return FILES if soft == unlimited else min(FILES, soft)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # a sandbox may forbid it
        return soft
    return wanted


class Pool:
    """Connections by client address; those of one address in the order they were added."""

    def __init__(self) -> None:
        self.size = 0
        self._by_address: dict[str, dict[Connection, None]] = {}

    def add(self, connection: "Connection") -> None:
        self._by_address.setdefault(connection.address, {})[connection] = None
        self.size += 1

    def discard(self, connection: "Connection") -> None:
        held = self._by_address.get(connection.address, {})
        if connection in held:
            del held[connection]
            self.size -= 1
            if not held:
                del self._by_address[connection.address]

    def oldest(self) -> "Connection":
        """Of the address that holds the most: one address cannot push all others out."""
        most = max(self._by_address.values(), key=lambda held: len(held))
        return next(iter(most))


class Crowd:
    """All connections of a server, at most `most`: those that wait for a request, and those with one."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.quiet, self.busy = Pool(), Pool()

    def make_room(self) -> None:
        """Close one connection if there is one too many."""
        if self.quiet.size + self.busy.size > self.most:
            log.warning("more than %d connections: closed one", self.most)
            self.close_one()

    def close_one(self) -> None:
        """Close the oldest that waits for a request; one with a request only where those take more than
        7/8 of the places: left with fewer, newcomers would close each other before they have asked."""
        pool = self.quiet if self.quiet.size > self.most // 8 or not self.busy.size else self.busy
        if pool.size:
            pool.oldest().cut()


class Connection(H11Protocol):
    """uvicorn's own protocol, bounded in time and in number.

    h11 itself bounds a head to 16 KiB, `guard` how long a body may take. An answer may take as long
    as it likes (events, heartbeats), so long as what was written is being read.
    """

    def __init__(self, config: "Config", *args: Any, **more: Any) -> None:
        super().__init__(config, *args, **more)
        self.address = ""
        self._crowd = config.crowd
        self._running = False  # a request
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0  # bytes to be written when the timer was set

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._crowd.quiet.add(self)
        self._set_timer(HEADER_SECONDS)
        self._crowd.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        self._note()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._set_timer(WRITE_SECONDS)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._running:
            self._cancel_timer()

    def cut(self) -> None:
        """Close at once: `close` would wait until the client has read what was written."""
        self._leave()
        self.transport.abort()

    def _note(self) -> None:
        """Whether a request runs has changed, perhaps."""
        running = self.cycle is not None and not self.cycle.response_complete
        if running == self._running:
            return
        self._leave()
        self._running = running
        if running:
            self._crowd.busy.add(self)
        else:
            self._crowd.quiet.add(self)
            ended = self.conn.their_state is not h11.SEND_BODY and not self.transport.get_write_buffer_size()
            self._set_timer(HEADER_SECONDS if ended else WRITE_SECONDS)

    def _leave(self) -> None:
        self._cancel_timer()
        self._crowd.busy.discard(self)
        self._crowd.quiet.discard(self)

    def _cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, seconds: float) -> None:
        self._cancel_timer()
        self._left = self.transport.get_write_buffer_size()
        self._timer = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        if 0 < self.transport.get_write_buffer_size() < self._left:  # it reads, if slowly
            self._set_timer(WRITE_SECONDS)
        else:
            self.cut()


class Config(uvicorn.Config):
    """uvicorn's settings with the bounds above, also where httptools, uvloop or websockets are installed."""

    def __init__(self, **options: Any) -> None:
        files = raise_limit()
        # Half of the descriptors at most, as an answer may hold a file as well as its connection ...
        self.crowd = Crowd(min(MOST, files // 3))
        # ... and asyncio accepts up to `backlog` at once, three times over before the first is closed.
        bounds = {"http": Connection, "ws": "none", "loop": "asyncio", "backlog": files // 16}
        bounds["timeout_graceful_shutdown"] = 1  # s; `stopping` has waited before
        super().__init__(**{**options, **bounds})
        logs.bound()  # of uvicorn's log too, which has just been set up

    def load(self) -> None:  # by the server's own loop
        super().load()
        asyncio.get_running_loop().set_exception_handler(self._on_error)

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            self.crowd.close_one()  # as an upload may hold nine descriptors, fewer than MOST can do this
        loop.default_exception_handler(context)


def launch(demo: gr.Blocks, **settings: Any) -> Any:
    """`demo.launch(**settings)` with a bounded server, without waiting until it ends.

    RuntimeError if gradio builds its server otherwise.

    gradio hands no option on to uvicorn, but looks `uvicorn.Config` up whenever it starts a server. To
    stand in for it meanwhile takes one name of gradio's; mounting the app on a server of our own would
    take over all of `launch` (queue, MCP, shared links, waiting for the server, closing it).
    """
    original = uvicorn.Config
    uvicorn.Config = Config  # type: ignore[misc, assignment]
    try:
        started = demo.launch(**{**settings, "prevent_thread_lock": True})
    finally:
        uvicorn.Config = original  # type: ignore[misc]
    if not isinstance(demo.server.config, Config):
        demo.close(verbose=False)
        raise RuntimeError("this version of gradio builds its server in an unknown way: it has no bounds")
    return started
