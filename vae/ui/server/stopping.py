"""Stopping as whoever runs the program asks, by SIGTERM or Ctrl+C: what is under way is finished, nothing is begun.

A process that is a container's first ignores SIGTERM unless it says what to do, so `listen` says it, first of all:
Gradio, which takes seconds to import, comes later.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradio import Blocks

log = logging.getLogger("digit_morph.stopping")

DRAIN_SECONDS = 8.0  # for what is under way; containers wait for 10 before they kill
CLOSE_SECONDS = 2.0  # for the rest, whatever hangs

asked, again = threading.Event(), threading.Event()  # to stop; at once
serving = threading.Event()  # or about to: from then on there may be work, which Python itself would wait for


def listen() -> None:
    """Stop by signals from now on; to be called in the main thread."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _on_signal)


def _on_signal(number: int, frame: Any) -> None:
    if not serving.is_set():  # still loading
        sys.exit(0)
    (again if asked.is_set() else asked).set()


def serve(demo: Blocks, is_idle: Callable[[], bool], give_up: Callable[[], None]) -> None:
    """Wait until stopping is asked for, and do it: when the page is idle, or else `give_up` what there is."""
    try:
        while demo.is_running and not asked.wait(0.2):  # a wait without an end is deaf to Ctrl+C on Windows
            pass
    except KeyboardInterrupt:  # nobody called `listen`
        asked.set()
    if asked.is_set():
        log.info("stopping: what is under way has %.0f seconds", DRAIN_SECONDS)
        until = time.monotonic() + DRAIN_SECONDS
        while not is_idle() and time.monotonic() < until and not again.wait(0.05):
            pass
        from vae.ui.server import files

        last = threading.Timer(CLOSE_SECONDS, _end)  # a thread that looks a name up, say, cannot be stopped
        last.daemon = True
        last.start()
        give_up()
        demo.close(verbose=False)
        files.remove_own()


def _end() -> None:
    from vae.ui.server import files

    files.remove_own()
    logging.shutdown()
    os._exit(0)
