"""vae.ui.server.connections: how long a client may dawdle, and how the bounds get into gradio's server."""

import gc
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
import uvicorn
from gradio import http_server
from serving import free_port, until
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from vae.ui.server import connections, launch

BIG = 40 * 2**20  # bytes, more than the system takes to send them later


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, whether or not the body is there: much at /big, nothing else elsewhere."""
    if scope["type"] == "http":
        body = b"x" * (BIG if scope["path"] == "/big" else 0)
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[uvicorn.Server]:
    """A server of `app` with little patience, in this process."""
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    monkeypatch.setattr(connections, "WRITE_SECONDS", 0.5)
    config = connections.Config(app=app, port=free_port(), log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield server
    server.should_exit = True
    thread.join(60)
    assert not thread.is_alive()


def is_closed_while_sending(client: socket.socket, more: bytes) -> bool:
    """Whether the server closes while a byte of `more` is sent now and then, and nothing is answered."""
    client.settimeout(0.1)
    for byte in more[:200]:
        try:
            client.sendall(bytes([byte]))
            if not client.recv(100):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize("begun", ["silent", "head", "second head", "body after the answer"])
def test_a_trickle_is_cut(quick: uvicorn.Server, begun: str) -> None:
    with socket.create_connection(("127.0.0.1", quick.config.port), 60) as client:
        if begun == "silent":
            assert client.recv(100) == b""
            return
        if begun == "second head":
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in client.recv(1000)
        if begun == "body after the answer":
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
            assert b" 200 " in client.recv(1000)
        assert is_closed_while_sending(client, b"GET / HTTP/1.1\r\nX: " + b"x" * 1000)


@pytest.mark.parametrize("times", [1, 3])  # with a next request, the first answer stays a running one
def test_an_answer_that_is_not_read_is_given_up(quick: uvicorn.Server, times: int) -> None:
    with socket.create_connection(("127.0.0.1", quick.config.port), 60) as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * times)
        until(lambda: len(quick.server_state.connections) == 1)
        until(lambda: not quick.server_state.connections)


def test_a_slow_reader_is_waited_for() -> None:
    class Transport:
        waiting, aborted = 100, False

        def get_write_buffer_size(self) -> int:
            return self.waiting

        def abort(self) -> None:
            self.aborted = True

    class Loop:
        running = 0

        def call_later(self, seconds: float, look: Callable[[], None]) -> Any:
            self.running += 1
            return SimpleNamespace(cancel=self.cancel)

        def cancel(self) -> None:
            self.running -= 1

    loop, transport = Loop(), Transport()
    config = connections.Config(app=app, interface="asgi3")
    config.loaded, config.loaded_app, config.ws_protocol_class = True, app, None
    connection = connections.Connection(config, ServerState(), {}, loop)  # type: ignore[arg-type]
    connection.transport = transport  # type: ignore[assignment]
    connection.flow, connection._running = FlowControl(connection.transport), True
    connection.pause_writing()
    for transport.waiting in (70, 69, 1):
        connection._look()
        assert (transport.aborted, loop.running) == (False, 1)
    connection.resume_writing()
    assert loop.running == 0  # what comes next may take its time
    connection.pause_writing()
    connection._look()
    assert transport.aborted


# --- how it gets there ----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_gradio_that_builds_its_server_otherwise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = SimpleNamespace(Config=uvicorn.Config)
    monkeypatch.setattr(http_server, "uvicorn", fixed)
    with gr.Blocks(analytics_enabled=False) as demo, pytest.raises(RuntimeError, match="no bounds"):
        launch.launch(demo, host="127.0.0.1", port=free_port(), prevent_thread_lock=True, quiet=True)
    assert not demo.is_running
    assert uvicorn.Config is fixed.Config
    gc.collect()  # gradio's leftovers, here and not in the next module


def test_the_limit_is_raised_where_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")

    def raised(soft: int, hard: int, allowed: bool = True) -> tuple[int, list[tuple[int, int]]]:
        asked: list[tuple[int, int]] = []

        def setrlimit(_: int, limits: tuple[int, int]) -> None:
            asked.append(limits)
            if not allowed:
                raise ValueError("not allowed to raise maximum limit")

        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", setrlimit)
        return connections.raise_limit(), asked

    most, unlimited = connections.FILES, resource.RLIM_INFINITY
    assert raised(256, 1024) == (1024, [(1024, 1024)])
    assert raised(256, 10**6) == (most, [(most, 10**6)])
    assert raised(256, unlimited) == (most, [(most, unlimited)])
    assert raised(256, unlimited, allowed=False) == (256, [(most, unlimited)])
    assert raised(10**6, 10**6) == (most, [])
    assert raised(unlimited, unlimited) == (most, [])
    monkeypatch.setattr(connections, "resource", None)  # Windows
    assert raised(256, 1024) == (most, [])
