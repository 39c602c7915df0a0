"""An event's way: a place, the pictures that lie elsewhere, a turn, the work."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gradio.context import LocalContext

from vae.ui.messages import sentence
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


PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def connect(
    listen: Callable[..., Any],
    event: Callable[..., Any] | None,
    inputs: Any,
    outputs: Any,
    *,
    ask: str,
    arrived: str,
    failed: str = "",
    **more: Any,
) -> Any:
    """Have the page's script ask the server and be given the answer.

    `listen` is what starts it (`button.click`); `ask` is JavaScript that gives the inputs; `arrived` names the
    function of `digitMorph` that gets the outputs, and null where there is no answer, unless another one,
    `failed`, is to be called then. Returns the event, as Gradio does.
    """
    asked = listen(event, inputs, outputs, js=ask, **PRIVATE, **more)
    given = outputs if isinstance(outputs, list) else [outputs]
    asked.success(None, given, None, js=f"(...made) => digitMorph.{arrived}(...made)", api_visibility="private")
    otherwise = f"digitMorph.{failed}()" if failed else f"digitMorph.{arrived}(null)"
    asked.failure(None, None, None, js=f"() => {otherwise}", api_visibility="private")
    return asked
