"""Work that nobody waits for any more is given up: long loops ask now and then, by `check`.

A thread cannot be stopped from outside. Who runs work in one that may have to end early calls `watch` there
first; nobody else need know of it, and `check` then does nothing.
"""

from __future__ import annotations

from contextvars import ContextVar
from threading import Event

from vae.errors import BadRequest

_over: ContextVar[Event | None] = ContextVar("over", default=None)


class GivenUp(BadRequest):
    """Whoever asked for the work has left."""

    def __init__(self) -> None:
        super().__init__("This was given up; please ask again.")


def watch(over: Event) -> None:
    """From now on, `check` in this thread looks at `over`."""
    _over.set(over)


def check() -> None:
    """Raises GivenUp if this thread's work is to end."""
    over = _over.get()
    if over is not None and over.is_set():
        raise GivenUp
