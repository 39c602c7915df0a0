"""Gradio's sessions, with nothing kept in them.

Gradio stores the last inputs and outputs of every component for each of the last thousands of visitors, so
that a page could be restored from them; a drawing, or a megabyte that was refused, stays in memory until so
many others have come. This page keeps all that a visitor has in the browser and no `gr.State` on the server.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gradio import Blocks, routes
from gradio.state_holder import SessionState, StateHolder

ABANDONED_SECONDS = 60  # after which nobody comes for an answer any more
MOST_UPLOADS = 256  # whose progress is told


class NothingKept(SessionState):
    """A session that takes no notice of what passes through it, and so can be everybody's."""

    def __setitem__(self, key: int, value: Any) -> None:
        pass

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class Forgetful(StateHolder):
    """Stands in for Gradio's holder of sessions: there is one, and it is empty."""

    def __init__(self, blocks: Blocks) -> None:
        super().__init__()
        self.set_blocks(blocks)
        self._everybody = NothingKept(blocks)

    def __getitem__(self, session_id: str) -> SessionState:
        return self._everybody

    def __contains__(self, session_id: str) -> bool:
        return False


class Abandoned:
    """What Gradio keeps of events whose answer nobody fetched, and of files that are gone, for ever or for
    thousands of others."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._idle: dict[str, float] = {}  # sessions without an event under way, and since when

    def forget(self) -> None:
        """To be called in the event loop, now and then."""
        queue, now = self._blocks._queue, time.monotonic()
        sessions = {*queue.pending_messages_per_session, *queue.pending_event_ids_session}
        busy = {event.session_hash for event in tuple(queue.event_ids_to_events.values())}
        self._idle = {session: self._idle.get(session, now) for session in sessions - busy}
        for session in [session for session, since in self._idle.items() if now - since > ABANDONED_SECONDS]:
            queue.pending_messages_per_session.pop(session, None)
            queue.pending_event_ids_session.pop(session, None)
            del self._idle[session]
        for files in self._blocks.temp_file_sets:
            files -= {file for file in tuple(files) if not Path(file).exists()}


def keep_no_statistics(blocks: Blocks) -> None:
    """Gradio keeps times of the last 10,000 events and, after each, makes a table of all of them with pandas, for
    estimates that this page does not show: every event made the next one slower, and memory grow."""
    queue = blocks._queue
    queue.ANALYTICS_MAX_EVENTS = 1
    queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize  # its own spelling; how many events come between two tables


def tell_who_leaves(blocks: Blocks, leave: Callable[[str], None]) -> None:
    """Have Gradio's queue call `leave` with a session that ends its stream before the last answer has come, and
    keep nothing for it: Gradio itself lets the work go on and keeps what it comes to."""
    queue = blocks._queue
    clean = queue.clean_events

    async def clean_events(*, session_hash: str | None = None, event_id: str | None = None) -> None:
        await clean(session_hash=session_hash, event_id=event_id)
        if session_hash:
            leave(session_hash)
            queue.pending_messages_per_session.pop(session_hash, None)
            queue.pending_event_ids_session.pop(session_hash, None)

    queue.clean_events = clean_events


class Latest(defaultdict[str, Any]):
    """Keeps the latest MOST_UPLOADS entries."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        while len(self) > MOST_UPLOADS:
            del self[next(iter(self))]


def bound_uploads() -> None:
    """Gradio keeps every upload's id for ever, and any id whose progress somebody asks for."""
    statuses = routes.file_upload_statuses
    statuses._statuses, statuses._signals = Latest(), Latest(asyncio.Event)
