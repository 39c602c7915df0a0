"""One request and its answer, as the guard lets them through."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Send

from vae.ui.server.bodies import Parts, Refused

MiB = 2**20
MAX_BODY = 12 * MiB  # any request: multipart's own text, or a picture of 9 MiB as a data: URL
MAX_HELD, MAX_HELD_BY_ONE = 256 * MiB, 96 * MiB  # of bodies that are in memory: of all, of an address
UNCHANGED = (416,)  # of answers that say what went wrong, those whose headers say it, to a player
OF_A_BODY = (b"content-type", b"content-length", b"content-encoding", b"transfer-encoding")
BODY_SECONDS = 60.0  # for a body to arrive, so that a trickle does not hold a connection for ever


class Held:
    """How much of bodies is in memory: a thousand that never end are gigabytes."""

    def __init__(self) -> None:
        self._all = 0
        self._by: Counter[str] = Counter()

    def take(self, address: str, size: int) -> None:
        """Raises Refused when it is too much."""
        self._all += size
        self._by[address] += size
        if self._all > MAX_HELD or (address and self._by[address] > MAX_HELD_BY_ONE):
            raise Refused(503, "Too much is being sent just now; please try again in a minute.")

    def give_back(self, address: str, size: int) -> None:
        self._all -= size
        self._by[address] -= size
        if not self._by[address]:
            del self._by[address]


class Exchange:
    """One request and its answer: counts what comes in and dresses what goes out."""

    def __init__(self, receive: Receive, send: Send, policy: str, held: Held, address: str) -> None:
        self._receive, self._send, self._policy = receive, send, policy
        self._held, self.address = held, address
        self.parts: Parts | None = None  # counts those of an upload
        self.size = 0  # of the body so far
        self._again: bytes | None = None  # the body, when it has been read already
        self._deadline = time.monotonic() + BODY_SECONDS
        self._complete = False
        self.status = 0
        self.refused = False
        self.failure: Message | None = None  # how Gradio's answer began, where it says what went wrong
        self._is_open = False  # an answer of unknown length that has not ended

    async def receive(self) -> Message:
        """The next message; a disconnect, once the body has proved too much."""
        if self._again is not None:
            body, self._again = self._again, None
            return {"type": "http.request", "body": body, "more_body": False}
        try:
            if not self.refused:
                return await self._next()
        except Refused as refusal:
            await self.refuse(refusal)
        return {"type": "http.disconnect"}

    async def body(self) -> bytes:
        """The whole body, which `receive` then gives once more."""
        chunks = []
        while not self._complete:
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunks.append(message.get("body", b""))
        self._again = b"".join(chunks)
        return self._again

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
        self.size += len(chunk)
        self._held.take(self.address, len(chunk))  # before anything is refused: `close` gives it all back
        if self.size > MAX_BODY:
            raise too_large()
        if self.parts:
            self.parts.count(chunk)

    def close(self) -> None:
        """It is over: nothing of it is in memory any more."""
        self._held.give_back(self.address, self.size)

    async def send(self, message: Message) -> None:
        """Pass Gradio's answer on, unless it says what went wrong: that is kept back."""
        if self.refused:  # the visitor has had the reason; what gradio makes of the cut is no news
            return
        if message["type"] == "http.response.start" and message["status"] >= 400 and message["status"] not in UNCHANGED:
            self.failure = message
        if not self.failure:
            await self._pass_on(message)

    async def _pass_on(self, message: Message) -> None:
        """Send with the headers that every answer gets."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._dressed(message.get("headers", ()))}
            self._is_open = not any(name == b"content-length" for name, _ in message["headers"])
        elif not message.get("more_body", False):
            self._is_open = False
        await self._send(message)

    async def end(self) -> bool:
        """End an answer that broke off, if that can be done without a lie about its length."""
        if self._is_open:
            await self._pass_on({"type": "http.response.body", "body": b""})
            return True
        return False

    async def left(self) -> None:
        """Return when the visitor leaves; to be called when the body has come."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

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
        self, status: int, content: dict[str, str | int], more: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        """A whole JSON answer of our own."""
        await self.give(status, json.dumps(content).encode(), [(b"content-type", b"application/json"), *more])

    async def give(self, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """A whole answer of our own."""
        headers = [(b"content-length", b"%d" % len(body)), *headers]
        await self._pass_on({"type": "http.response.start", "status": status, "headers": headers})
        await self._pass_on({"type": "http.response.body", "body": body})

    async def refuse(self, refusal: Refused) -> None:
        """Say why, if nothing was said yet; both keys, as gradio's clients read either."""
        if not self.status:
            content: dict[str, str | int] = {"detail": refusal.sentence, "error": refusal.sentence}
            kept = [pair for pair in (self.failure or {}).get("headers", ()) if pair[0] not in OF_A_BODY]
            await self.answer(refusal.status, content, [*kept, *refusal.headers])
        self.refused = True


def too_large() -> Refused:
    return Refused(413, f"This is too large: at most {MAX_BODY // MiB} MB can be sent.")
