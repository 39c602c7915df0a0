"""The way of an event of the API: a place, the pictures that lie elsewhere, a turn, the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradio.context import LocalContext

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
