"""Says at once that there is no place, before Gradio has begun anything.

What `turns` refuses at its turn has by then cost as much as a tenth of a morph (looked at, queued, a task started;
by MCP also a thread, a client of Gradio's, and a request of that one's), and so the more are refused, the fewer are
served. Here the guard asks first. Each caller is told where he looks:

- who calls by hand (`/call/`) by a 503 with the seconds to wait;
- Gradio's own clients in the event's stream, as ever: with a 503 both would say words of their own in place of ours
  ("Queue is full! Please try again.");
- by MCP in the result of the tool, which the model reads.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Any

import gradio as gr
from gradio.queueing import Queue
from gradio.server_messages import ProcessCompletedMessage
from starlette.datastructures import Headers

from vae.errors import Busy
from vae.ui.server import refusals, visitors
from vae.ui.server.bodies import Refused
from vae.ui.server.turns import Turns

CALL, JOIN, MCP = (re.compile(f"/gradio_api/{rest}") for rest in ("call/.+", "queue/join/?", "mcp(/.*)?"))
MOST_SESSIONS, MOST_IN_A_SESSION = 2000, 64  # whose answers wait to be fetched: Gradio knows no such bound


class Early:
    """Looks at events before `queue` gets them; `turns` are those that they would wait for."""

    def __init__(self, turns: Turns, queue: Queue) -> None:
        self._turns, self._queue = turns, queue

    def answer(self, path: str, asked: Any, headers: Headers) -> dict[str, Any] | None:
        """The answer to a POST of the JSON `asked` for which there is no place now; None where there may be one, or it
        needs none. Raises Refused where the answer is no 200."""
        if not isinstance(asked, dict):
            return None
        session = asked.get("session_hash")
        by_hand, joins = CALL.fullmatch(path), JOIN.fullmatch(path) and session
        is_tool = MCP.fullmatch(path) and asked.get("method") == "tools/call" and "id" in asked
        if not (by_hand or joins or is_tool):
            return None
        try:
            self._turns.check(visitors.visitor_in(headers, session))
        except Busy as busy:
            if by_hand:
                raise self._refused(str(busy)) from None
            return self._in_stream(str(session), str(busy)) if joins else by_mcp(asked["id"], str(busy))
        return None

    def _refused(self, sentence: str) -> Refused:
        return Refused(503, sentence, [(b"retry-after", b"%d" % self._turns.seconds)])

    def _in_stream(self, session: str, sentence: str) -> dict[str, Any]:
        """Leave the sentence where the session's stream takes its messages from; what Gradio says to who joins."""
        messages, events = self._queue.pending_messages_per_session, self._queue.pending_event_ids_session
        if len(events) >= MOST_SESSIONS or len(events.get(session, ())) >= MOST_IN_A_SESSION:
            raise self._refused(sentence)
        if session not in messages:
            messages[session] = asyncio.Queue()
        event, content = uuid.uuid4().hex, refusals.payload(gr.Error(sentence), show_error=False)
        events.setdefault(session, set()).add(event)
        messages[session].put_nowait(
            ProcessCompletedMessage(output=content, title=content["title"], success=False, event_id=event)
        )
        return {"event_id": event}


def by_mcp(call: Any, sentence: str) -> dict[str, Any]:
    """The result of a tool that was not carried out."""
    result = {"content": [{"type": "text", "text": sentence}], "isError": True}
    return {"jsonrpc": "2.0", "id": call, "result": result}
