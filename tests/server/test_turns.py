"""Who comes when, and who is sent away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from serving import run as in_thread

from vae.errors import Busy
from vae.ui.server import events
from vae.ui.server.turns import LONG_SECONDS, Turns, Visitor, Work


def visitor(address: str = "", session: str = "") -> Visitor:
    return Visitor(address, session)


class Trace:
    """Work that is done when it is told so, and in which order it began."""

    def __init__(self, turns: Turns) -> None:
        self.turns, self.began = turns, []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str, who: Visitor, seconds: float = 1.0) -> asyncio.Task[None]:
        self._ends[name] = asyncio.Event()

        async def wait() -> None:
            async with self.turns.place(who), self.turns.turn(who, seconds):
                self.began.append(name)
                await self._ends[name].wait()

        self._tasks[name] = asyncio.create_task(wait())
        await settle()
        return self._tasks[name]

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
            await self._tasks[name]
            await settle()

    async def end_all(self) -> list[str]:
        while len(self.began) < len(self._tasks):
            await self.end(*[name for name in self.began if not self._tasks[name].done()][:1])
        await self.end(*self.began)
        return self.began


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def scene(play: Callable[[Trace], Awaitable[Any]], **settings: int) -> Any:
    async def run() -> Any:
        return await play(Trace(Turns(**settings)))

    return in_thread(run())


def test_one_after_the_other_first_come_first_served() -> None:
    async def play(trace: Trace) -> None:
        for k in range(4):
            await trace.ask(str(k), visitor(session=str(k)))
        assert trace.began == ["0", "1"] and trace.turns.waiting == 2
        assert await trace.end_all() == ["0", "1", "2", "3"]

    scene(play)


def test_long_work_waits_behind_short() -> None:
    async def play(trace: Trace) -> None:
        await trace.ask("now", visitor(session="a"))
        for k, seconds in enumerate((10, 9, 0.3, 0.2)):
            await trace.ask(str(seconds), visitor(session=str(k)), seconds)
        assert await trace.end_all() == ["now", "0.2", "0.3", "9", "10"]

    scene(play, slots=1)


def test_long_work_never_has_every_slot() -> None:
    async def play(trace: Trace) -> None:
        await trace.ask("long", visitor(session="a"), LONG_SECONDS + 1)
        await trace.ask("longer", visitor(session="b"), LONG_SECONDS + 2)
        assert trace.began == ["long"]  # a slot is free, and stays so
        await trace.ask("short", visitor(session="c"), 0.3)
        assert trace.began == ["long", "short"]
        assert await trace.end_all() == ["long", "short", "longer"]

    scene(play, slots=2)


def test_everybodys_first_comes_before_anybodys_second() -> None:
    async def play(trace: Trace) -> None:
        await trace.ask("now", visitor(session="z"))
        for k in range(5):
            await trace.ask(f"a{k}", visitor("192.0.2.1", f"page {k}"))  # an address counts, not its pages
        await trace.ask("b", visitor("192.0.2.2", "b"))
        await trace.ask("c", visitor(session="c"))
        assert await trace.end_all() == ["now", "a0", "b", "c", "a1", "a2", "a3", "a4"]

    scene(play, slots=1)


def test_long_work_is_not_put_off_for_ever() -> None:
    async def play(trace: Trace) -> int:
        await trace.ask("now", visitor(session="z"))
        await trace.ask("long", visitor(session="long"), 5)
        for k in range(40):  # others keep coming
            await trace.ask(str(k), visitor(session=str(k)), 0.5)
            await trace.end(trace.began[-1])
            if trace.began[-1] == "long":
                return k
        raise AssertionError("never")

    assert scene(play, slots=1) == 9  # after as much short work as it takes itself, less what stood before


def test_a_page_has_its_share_and_others_have_theirs() -> None:
    async def play(trace: Trace) -> None:
        for k in range(3):
            await trace.ask(f"a{k}", visitor(session="a"))
        with pytest.raises(Busy, match="You have 3 requests under way"):
            await (await trace.ask("a3", visitor(session="a")))
        del trace._tasks["a3"]
        await trace.ask("b0", visitor(session="b"))
        await trace.end("a0")
        await trace.ask("a4", visitor(session="a"))
        assert set(await trace.end_all()) == {"a0", "a1", "a2", "a4", "b0"}

    scene(play, share=3)


@pytest.mark.parametrize(
    ("settings", "address", "sentence"),
    [({"places": 6}, "192.0.2.1", "your network"), ({"places": 4}, "", "Many people")],
)
def test_a_full_house_is_said_with_a_time(settings: dict[str, int], address: str, sentence: str) -> None:
    async def play(trace: Trace) -> None:
        for k in range(4):
            await trace.ask(str(k), visitor(address, str(k)), 3)
        with pytest.raises(Busy, match=f"{sentence}.* in about 6 seconds"):
            await (await trace.ask("more", visitor(address, "more")))
        del trace._tasks["more"]
        if address:
            await trace.ask("elsewhere", visitor("192.0.2.2", "more"))
        await trace.end_all()
        await trace.end(*[name for name in trace._tasks if not trace._tasks[name].done()])
        await (await trace.ask("later", visitor(address, "later")), trace.end("later"))[1]

    scene(play, **settings)


def test_who_gives_up_leaves_no_trace() -> None:
    async def play(trace: Trace) -> None:
        running = await trace.ask("running", visitor("192.0.2.1", "a"))
        waiting = await trace.ask("waiting", visitor("192.0.2.1", "b"))
        last = await trace.ask("last", visitor("192.0.2.1", "c"))
        waiting.cancel()
        running.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)
        await settle()
        assert trace.began == ["running", "last"]
        await trace.end("last")
        assert last.done() and not trace.turns.waiting
        assert not trace.turns._taken and not trace.turns._numbers and not trace.turns._running

    scene(play, slots=1)


def test_work_runs_in_its_turn_and_its_errors_come_out() -> None:
    async def play() -> None:
        turns = Turns(slots=2)
        who = visitor(session="a")
        assert await asyncio.gather(*(turns.run(who, Work(1, lambda k=k: k)) for k in range(6))) == list(range(6))
        with pytest.raises(ZeroDivisionError):
            await turns.run(who, Work(1, lambda: 1 / 0))
        assert await turns.run(who, Work(1, lambda: "still")) == "still"

    in_thread(play())


def test_work_that_is_cancelled_keeps_its_slot_until_it_is_through() -> None:
    """A thread cannot be stopped: somebody else's work would wait behind it, in a slot that looks free."""

    async def play() -> None:
        turns, goes_on = Turns(slots=1), threading.Event()
        long = asyncio.create_task(turns.run(visitor(session="a"), Work(1, lambda: goes_on.wait(60))))
        await asyncio.sleep(0.05)
        short = asyncio.create_task(turns.run(visitor(session="b"), Work(1, lambda: "done")))
        long.cancel()
        await asyncio.sleep(0.05)
        assert turns.waiting == 1 and not long.done() and not short.done()
        goes_on.set()
        assert await short == "done"
        with pytest.raises(asyncio.CancelledError):
            await long

    in_thread(play())


def echo(value: Any) -> Work:
    return Work(1, lambda: value)


def test_pictures_are_fetched_outside_the_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        arrived = asyncio.Event()

        async def slowly(values: list[Any]) -> list[Any]:
            if "address" in values:
                await arrived.wait()
            return values

        callers = (visitor(session=str(k)) for k in range(10))
        monkeypatch.setattr(events, "TURNS", Turns(slots=2))
        monkeypatch.setattr(events, "fetched", slowly)
        monkeypatch.setattr(events, "visitor_of", lambda request: next(callers))
        fetching = [asyncio.create_task(events.in_turn(echo, ["address"])) for _ in range(4)]
        await settle()
        assert await events.in_turn(echo, ["here"]) == "here"
        assert events.TURNS.waiting == 0
        arrived.set()
        assert await asyncio.gather(*fetching) == ["address"] * 4

    in_thread(play())


def test_places_are_held_while_pictures_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async def never(values: list[Any]) -> list[Any]:
            await asyncio.Event().wait()
            return values

        monkeypatch.setattr(events, "TURNS", Turns(share=3))
        monkeypatch.setattr(events, "fetched", never)
        monkeypatch.setattr(events, "visitor_of", lambda request: visitor(session="greedy"))
        asked = [asyncio.create_task(events.in_turn(echo, ["address"])) for _ in range(5)]
        await settle()
        refused = [str(one.exception()) for one in asked if one.done()]
        assert refused == ["You have 3 requests under way already; please wait for one of them."] * 2
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    in_thread(play())
