"""What goes wrong, in one sentence that a visitor may read; the rest goes to the log."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import gradio as gr

from vae.errors import BadRequest

NEUTRAL = "Something went wrong on our side. Please try again."

log = logging.getLogger("digit_morph")


def sentence(error: Exception) -> str:
    """What to tell the visitor; a defect of ours is logged with its traceback, never with the drawing."""
    if isinstance(error, BadRequest):
        return str(error)
    log.error("a request failed", exc_info=error)
    return NEUTRAL


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """For endpoints: whatever is raised inside reaches the client as a `gr.Error` of one sentence."""
    try:
        yield
    except Exception as error:
        raise gr.Error(sentence(error), print_exception=False) from None
