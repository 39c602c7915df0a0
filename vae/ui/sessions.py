"""Gradio's sessions, with nothing kept in them.

Gradio stores the last inputs and outputs of every component for each of the last thousands of visitors, so
that a page could be restored from them; a drawing, or a megabyte that was refused, stays in memory until so
many others have come. This page keeps all that a visitor has in the browser and no `gr.State` on the server.
"""

from __future__ import annotations

from typing import Any

from gradio import Blocks
from gradio.state_holder import SessionState, StateHolder


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
