"""Bounds the log, whatever visitors send: how many lines of a kind a minute, and how long each is.

Seen on gradio 6.31 and uvicorn 0.54: a traceback for each connection that found no descriptor left, a
line for each byte soup on the port, and whole requests, of up to 12 MB, in tracebacks of gradio's.
"""

import logging
import time

from gradio import queueing, routes

log = logging.getLogger("digit_morph.errors")

# Lines of one kind a minute. Of requests, a class of 30 that makes a morph every ten seconds writes
# 720, which are to be there; of a warning or a traceback, the first few say it all.
REQUESTS = 1000
OTHERS = 10
LONGEST = 4000  # characters of a message, and of a traceback


class Bounded(logging.Filter):
    """Lets through so many records a minute of one kind, which is a line of code that logs, and shortens
    them. The next one to be let through says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, int], tuple[float, int]] = {}  # when its minute began, records in it

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now = (record.pathname, record.lineno), time.monotonic()
        most = REQUESTS if record.name == "digit_morph.requests" else OTHERS
        began, count = self._kinds.get(kind, (now, 0))
        left_out = 0
        if now - began >= 60:
            began, left_out, count = now, max(0, count - most), 0
        self._kinds[kind] = began, count + 1
        if count >= most:
            return False
        note = f"({left_out} lines like this one were left out) " if left_out else ""
        record.msg, record.args = note + shortened(record.getMessage()), None
        if record.exc_info and not record.exc_text:  # formatters take `exc_text` where there is one
            record.exc_text = shortened(logging.Formatter().formatException(record.exc_info))
        return True


def shortened(text: str) -> str:
    """`text`, or its beginning and its end."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"


class Logged:
    """Stands in for the module `traceback` where gradio prints what a function raised."""

    @staticmethod
    def print_exc() -> None:
        log.error("a function of the page failed", exc_info=True)


def bound() -> None:
    """Bound what the handlers of now write, and have gradio's printed tracebacks go through them."""
    handlers = [*logging.getLogger().handlers, *logging.getLogger("uvicorn").handlers, logging.lastResort]
    for handler in handlers:
        if handler and not any(isinstance(known, Bounded) for known in handler.filters):
            handler.addFilter(Bounded())
    queueing.traceback = routes.traceback = Logged
