"""An event's way: a place, the pictures that lie elsewhere, a turn, the work."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gradio.context import LocalContext

from vae.ui.messages import plain_errors, sentence
from vae.ui.server.pictures import fetched
from vae.ui.server.turns import TURNS, Work
from vae.ui.server.visitors import visitor_of

Prepare = Callable[..., Work]
"""An event's values -> the work. It is quick: it looks at the values, so that what is wrong with them is said
at once, and computes nothing."""


async def in_turn(prepare: Prepare, values: Sequence[Any]) -> Any:
    """What the work comes to. Raises Busy, and what `prepare` and the work raise."""
    visitor = visitor_of(LocalContext.request.get(None))
    async with TURNS.place(visitor):
        return await TURNS.run(visitor, prepare(*await fetched(values)))


def endpoint(prepare: Prepare) -> Callable[..., Any]:
    """For the API: the same name, arguments and docstring; what is wrong is raised as a `gr.Error`."""

    @functools.wraps(prepare)
    async def event(*values: Any) -> Any:
        with plain_errors():
            return await in_turn(prepare, values)

    return event


def page_event(prepare: Prepare, told: Callable[[str], Any] = lambda words: {"error": words}) -> Callable[..., Any]:
    """For the page's own events: what is wrong is `told` in the answer, which the page's script shows."""

    async def event(*values: Any) -> Any:
        try:
            return await in_turn(prepare, values)
        except Exception as error:
            return told(sentence(error))

    return event


def taking(seconds: float, run: Callable[..., Any]) -> Prepare:
    """The call of `run`, which always takes about so many seconds."""
    return lambda *values: Work(seconds, functools.partial(run, *values))
