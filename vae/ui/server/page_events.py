"""What the page asks the server for: `POST /page/NAME` with one JSON value, answered with JSON or a file.

Not by Gradio's events, which take two requests, a queue and a stream: over a slow line one round trip is a third of
the time that a visitor waits, and on a busy server a refusal there costs ten times what it costs here.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote

from vae.errors import BadRequest
from vae.giving_up import GivenUp
from vae.ui.messages import sentence
from vae.ui.server.bodies import Refused
from vae.ui.server.turns import Turns, Visitor, Work

PREFIX = "/page/"
PAGE = "x-digit-morph-page"  # a header: which of a visitor's pages asks
WAITING = b"x-digit-morph-waiting"  # of an answer: how many wait for their turn
LONGEST_NAME = 40  # of a page, in characters
MOST_BYTES, MOST_ANSWERS = 2**25, 500  # of answers that are kept
MOST_EACH = 2**21  # bytes of one that is kept
STOPPING = "This server is being restarted; please try again in a minute."
LEVEL = 5  # of gzip: beyond, a morph's answer shrinks by less than a hundredth


class File(NamedTuple):
    """An answer to be saved as a file of this name."""

    data: bytes
    name: str
    kind: str


Event = Callable[[Any], Work]
"""A value -> its work, whose answer depends on the value alone. At once; raises BadRequest."""


class Answer(NamedTuple):
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]


class PageEvents:
    """Answers them, each when its turn comes; the latest answers are kept, but none that shows what somebody drew."""

    def __init__(self, events: Mapping[str, Event], turns: Turns) -> None:
        self._events, self._turns = events, turns
        self._kept: OrderedDict[bytes, Answer] = OrderedDict()
        self._bytes = 0

    async def answer(self, name: str, body: bytes, visitor: Visitor, left: Coroutine[Any, Any, None]) -> Answer:
        """What `name` comes to; it is given up when `left` returns. Raises Refused, Busy and GivenUp."""
        gone = asyncio.ensure_future(left)
        asked = asyncio.ensure_future(self._answer(name, body, visitor))
        try:
            await asyncio.wait({asked, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                asked.cancel()
            return await asked
        except asyncio.CancelledError:
            raise GivenUp from None
        except GivenUp:  # by the server, which stops
            raise Refused(503, STOPPING, [(b"retry-after", b"30")]) from None
        finally:
            gone.cancel()
            asked.cancel()

    async def _answer(self, name: str, body: bytes, visitor: Visitor) -> Answer:
        if name not in self._events:
            raise Refused(404, "There is nothing here.")
        key = sha256(name.encode() + b"\0" + body).digest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        try:
            async with self._turns.place(visitor):
                work = self._events[name](json.loads(body))
                made = await self._turns.run(visitor, Work(work.seconds, lambda: packed(work.run())))
        except BadRequest:  # Busy among them, for which the guard has a status of its own
            raise
        except Exception as error:
            raise Refused(500, sentence(error)) from None
        if work.is_public:
            self._keep(key, made)
        return made

    def _keep(self, key: bytes, answer: Answer) -> None:
        if len(answer.body) > MOST_EACH or key in self._kept:
            return
        self._kept[key] = answer
        self._bytes += len(answer.body)
        while self._bytes > MOST_BYTES or len(self._kept) > MOST_ANSWERS:
            self._bytes -= len(self._kept.popitem(last=False)[1].body)


def packed(made: Any) -> Answer:
    """What an event's work has returned, ready to send."""
    if isinstance(made, File):
        kind, name = made.kind.encode(), quote(made.name).encode()
        return Answer(made.data, ((b"content-type", kind), (b"content-disposition", b"attachment; filename=" + name)))
    body = gzip.compress(json.dumps(made, separators=(",", ":")).encode(), LEVEL, mtime=0)
    return Answer(body, ((b"content-type", b"application/json"), (b"content-encoding", b"gzip")))
