"""Servers of their own processes, and what they are served from, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import random
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gradio_client import Client

ROOT = Path(__file__).resolve().parents[1]


def copied_by_the_dockerfile() -> Iterator[tuple[str, str]]:
    """What the Dockerfile copies into the image, and as what."""
    for line in re.findall(r"^COPY (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        *names, target = line.split()
        for name in names:
            yield name, target + Path(name).name if target.endswith("/") else target


def free_port() -> int:
    """A port of loopback that nobody listens on, and that is given to no outgoing connection while the
    server starts: systems take those from above 32768."""
    for port in random.SystemRandom().sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("a hundred ports are taken")


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """`asyncio.run` on a thread of its own: Playwright keeps a loop running on this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def until(happened: Callable[[], bool], seconds: float = 60) -> None:
    """Return when it has happened; fail when that takes too long."""
    deadline = time.monotonic() + seconds
    while not (done := happened()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert done


def await_health(server: subprocess.Popen[bytes], url: str, seconds: float = 300, every: float = 0.2) -> None:
    """Return when the server says it is ready; fail when it ends or takes too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert server.poll() is None, "the server ended before it was ready"
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except (OSError, http.client.HTTPException):
            time.sleep(every)
    raise TimeoutError(f"{url} did not answer")


def client_of(url: str, **more: Any) -> Client:
    """A client that waits for a busy machine; by itself it gives most requests five seconds."""
    return Client(url, verbose=False, httpx_kwargs={"timeout": 120}, **more)
