"""Files made for downloads and for the API: in a folder of our own, for ten minutes.

Gradio copies what a function returns into its cache and clears that by itself (`delete_cache`); the
originals lie here, under names nobody can guess, until `sweep` removes them.
"""

from __future__ import annotations

import atexit
import functools
import secrets
import shutil
import tempfile
import threading
import time
from pathlib import Path

KEPT_SECONDS = 600
SWEEP_SECONDS = 60


@functools.cache
def folder() -> Path:
    """This process's folder; removed when it ends."""
    path = Path(tempfile.mkdtemp(prefix="digit-morph-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def keep(data: bytes, name: str) -> str:
    """Write `data` to a new file called `name` in a folder of a random name; returns its path."""
    own = folder() / secrets.token_urlsafe(16)
    own.mkdir()
    path = own / name
    path.write_bytes(data)
    return str(path)


def sweep(now: float | None = None) -> int:
    """Remove what is older than KEPT_SECONDS; returns how many files' folders went."""
    limit = (time.time() if now is None else now) - KEPT_SECONDS
    old = [path for path in folder().iterdir() if path.stat().st_mtime < limit]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return len(old)


@functools.cache
def start_sweeper() -> threading.Thread:
    """Sweep once a minute for as long as the program runs."""

    def forever() -> None:
        while True:
            time.sleep(SWEEP_SECONDS)
            sweep()

    thread = threading.Thread(target=forever, name="sweeper", daemon=True)
    thread.start()
    return thread
