"""Whose turn it is: a little work at a time, short before long, and nobody holds more than a share.

Gradio's own queue is first come, first served: one client that asks thirty-four times for ten seconds of work
keeps everybody else waiting for minutes. So events pass through it and wait here, by self-clocked fair
queueing (Golestani, INFOCOM 1994): who waits gets a number, the clock or the last number of the same
visitor, whichever is later, plus the seconds that the work takes; the lowest number goes first and sets the
clock. Short work goes before long, a visitor's second request behind other people's first, and as the clock
goes on, everyone's turn comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vae import giving_up
from vae.errors import Busy

SLOTS = 2  # morphs made side by side; each takes one core
PLACES = 34  # for requests that run, wait, or have their pictures fetched
SHARE = 8  # of them for one page, or one caller
LONG_SECONDS = 2.0  # work that takes longer leaves a slot to the others


class Visitor(NamedTuple):
    """Who asks: an address, "" where it says nothing, and the page or the call."""

    address: str
    session: str


class Work(NamedTuple):
    """What a request comes to: about how many seconds of a core it takes, what does it, and whether the answer may
    be kept for whoever asks the same: it shows nothing that somebody drew."""

    seconds: float
    run: Callable[[], Any]
    is_public: bool = False


@dataclass(eq=False)
class _Waiting:
    number: float
    seconds: float
    called: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Turns:
    """Places and slots; to be used from one event loop."""

    def __init__(self, slots: int = SLOTS, places: int = PLACES, share: int = SHARE) -> None:
        self.slots, self.places, self.share = slots, places, share
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="morph")
        self._all = 0  # places taken
        self._taken: Counter[str | Visitor] = Counter()  # the same by visitor, and by address
        self._numbers: dict[str | Visitor, float] = {}  # the last of each address, or visitor of none
        self._waiting: list[_Waiting] = []
        self._running: list[_Waiting] = []
        self._clock = 0.0
        self._here: defaultdict[str, set[asyncio.Timeout]] = defaultdict(set)  # who holds places, by session
        self._left: deque[str] = deque(maxlen=1000)  # sessions that nobody comes back to

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return self._all

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._waiting)

    @asynccontextmanager
    async def place(self, visitor: Visitor) -> AsyncIterator[None]:
        """Hold a place, as everybody must who is worked for. Raises Busy where there is none, and GivenUp
        when the visitor leaves.

        An address has at most two thirds of the places that others leave: a school class may sit behind one,
        and with a few of them nobody fills the house.
        """
        if visitor.session in self._left:
            raise giving_up.GivenUp
        held: list[str | Visitor] = [visitor, visitor.address] if visitor.address else [visitor]
        if self._taken[visitor] >= self.share:
            raise Busy(f"You have {self.share} requests under way already; please wait for one of them.")
        left = self.places - self._all + self._taken[visitor.address]
        if visitor.address and self._taken[visitor.address] >= max(2, 2 * left // 3):
            raise Busy(f"Many requests come from your network just now; {self._when()}")
        if self._all >= self.places:
            raise Busy(f"Many people are here just now; {self._when()}")
        self._all += 1
        self._taken.update(held)
        try:
            async with self._staying(visitor.session):
                yield
        finally:
            self._all -= 1
            self._taken.subtract(held)
            for one in held:
                if not self._taken[one]:
                    del self._taken[one]
                    self._numbers.pop(one, None)

    @asynccontextmanager
    async def _staying(self, session: str) -> AsyncIterator[None]:
        """Raises GivenUp when the session is told to `leave`."""
        try:
            async with asyncio.timeout(None) as here:
                self._here[session].add(here)
                try:
                    yield
                finally:
                    self._here[session].discard(here)
                    if not self._here[session]:
                        del self._here[session]
        except TimeoutError:
            if here.expired():
                raise giving_up.GivenUp from None
            raise

    def leave(self, session: str, for_good: bool = False) -> None:
        """Nobody waits any more for what this page or call has asked for."""
        if for_good:  # something of it may still be on its way here
            self._left.append(session)
        for here in self._here.get(session, ()):
            if here.when() is None:  # not told yet
                here.reschedule(0)

    async def clear(self) -> None:
        """Give all up, as this process ends, and let those who wait hear of it."""
        for session in tuple(self._here):
            self.leave(session)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while self.taken:
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.1)

    def _when(self) -> str:
        left = sum(one.seconds for one in (*self._waiting, *self._running)) / self.slots
        return f"please try again in about {max(2, math.ceil(left))} seconds."

    @asynccontextmanager
    async def turn(self, visitor: Visitor, seconds: float) -> AsyncIterator[None]:
        """Wait for a slot and hold it, for work of about so many `seconds`."""
        line = visitor.address or visitor
        number = max(self._clock, self._numbers.get(line, 0.0)) + seconds
        self._numbers[line] = number
        mine = _Waiting(number, seconds)
        self._waiting.append(mine)
        self._call()
        try:
            await mine.called
            yield
        finally:
            (self._running if mine in self._running else self._waiting).remove(mine)
            self._call()

    def _call(self) -> None:
        """Give free slots to those whose turn it is; of several slots, one is never given to long work."""
        while len(self._running) < self.slots:
            long = sum(one.seconds > LONG_SECONDS for one in self._running)
            room_for_long = self.slots == 1 or long < self.slots - 1
            able = [one for one in self._waiting if room_for_long or one.seconds <= LONG_SECONDS]
            if not able:
                return
            first = min(able, key=lambda one: one.number)
            self._waiting.remove(first)
            self._running.append(first)
            self._clock = max(self._clock, first.number)
            if not first.called.done():  # who gave up is told so a moment later, and leaves the slot then
                first.called.set_result(None)

    async def run(self, visitor: Visitor, work: Work) -> Any:
        """What `work.run` returns, when its turn has come, from a thread of ours."""
        over = threading.Event()

        def run() -> Any:
            giving_up.watch(over)
            giving_up.check()
            return work.run()

        async with self.turn(visitor, work.seconds):
            made = asyncio.get_running_loop().run_in_executor(self._threads, run)
            try:
                return await asyncio.shield(made)
            finally:  # who cancels it gives the slot back when the thread is through, and not before
                over.set()
                if not made.done():
                    await asyncio.wait([made])
                    made.exception()  # nobody wants to hear of it


TURNS = Turns()  # of this process: it has so many cores
