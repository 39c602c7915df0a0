"""Pictures that lie at an address: who is asked, for how long, and how much is taken."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import run as in_thread

from vae.errors import UnreadablePicture
from vae.ui.server import pictures
from vae.ui.server.pictures import Address, fetched, is_public

NOT_FETCHED = "The picture could not be fetched from that address."


class Elsewhere(ThreadingHTTPServer):
    """A server of pictures; `asked` are the paths and hosts that it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []
        self.goes_on = threading.Event()  # for what never ends


class Handler(BaseHTTPRequestHandler):
    server: Elsewhere

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["host"]))
        if self.path == "/slow":
            self.server.goes_on.wait(60)
            return
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Encoding", "gzip")  # as it comes: it is not unpacked
        self.end_headers()
        if self.path == "/endless":
            try:
                while not self.server.goes_on.is_set():
                    self.wfile.write(bytes(2**16))
            except OSError:  # they have had enough
                return
        self.wfile.write(b"picture of " + self.path.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(pictures, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(pictures, "client", functools.cache(pictures.client.__wrapped__))
    server = Elsewhere()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.goes_on.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def at(elsewhere: Elsewhere) -> Callable[[str], Address]:
    return lambda path: Address(f"http://localhost:{elsewhere.server_port}{path}")


def test_what_lies_elsewhere_comes_to_files(at: Callable[[str], Address], tmp_path: Path) -> None:
    here = tmp_path / "uploaded.png"
    values = in_thread(fetched([at("/a"), [at("/b"), here], "http://text.example", 60, None]))
    assert [path.read_bytes() for path in (values[0], values[1][0])] == [b"picture of /a", b"picture of /b"]
    assert values[1][1] == here and values[2:] == ["http://text.example", 60, None]
    assert values[0].is_relative_to(tmp_path)


def test_the_host_is_told_its_name(at: Callable[[str], Address], elsewhere: Elsewhere) -> None:
    in_thread(fetched([at("/to//a")]))
    host = f"localhost:{elsewhere.server_port}"
    assert elsewhere.asked == [("/to//a", host), ("/a", host)]


@pytest.mark.parametrize(
    "path", ["/missing", "/to/http://10.0.0.1/", "/to/file:///etc/passwd", "/to//to//to//to//to//to//a", "/to/"]
)
def test_what_cannot_be_fetched_is_said(path: str, at: Callable[[str], Address]) -> None:
    with pytest.raises(UnreadablePicture, match=NOT_FETCHED):
        in_thread(fetched([at(path)]))


@pytest.mark.parametrize(
    "address",
    ["http://", "http://[::1", "http://a..b/", "http://" + "a" * 300, "http://nobody.invalid/", "http://x:99999/"],
)
def test_an_address_that_is_none_is_said(address: str, elsewhere: Elsewhere) -> None:
    with pytest.raises(UnreadablePicture, match=NOT_FETCHED):
        in_thread(fetched([Address(address)]))


def test_a_picture_is_bounded(at: Callable[[str], Address], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_FILE", 2**20)
    with pytest.raises(UnreadablePicture, match="larger than 1 MB"):
        in_thread(fetched([at("/endless")]))


def test_all_of_a_request_have_one_time_limit(
    at: Callable[[str], Address], elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fetched one after the other, each with its own, eight would take eight times as long."""
    monkeypatch.setattr(pictures, "FETCH_SECONDS", 0.5)
    monkeypatch.setattr(pictures, "client", lambda: httpx.AsyncClient(transport=Counting()))
    with pytest.raises(UnreadablePicture, match=NOT_FETCHED):
        in_thread(fetched([[at("/slow")] * 4, [at("/slow")] * 4]))
    assert Counting.limits == pictures.AT_ONCE  # and no more were begun


class Counting(httpx.AsyncBaseTransport):
    """Never answers; counts the requests that were cut off."""

    limits = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            Counting.limits += 1
            raise
        raise AssertionError


def test_the_address_that_was_looked_at_is_the_one_connected_to(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public when asked first and private when asked again."""
    answers = ["127.0.0.1", "10.0.0.1"]

    def resolved(host: str) -> list[str]:
        assert host == "twice.example"
        return [answers.pop(0)]

    monkeypatch.setattr(pictures, "resolved", resolved)
    (path,) = in_thread(fetched([Address(f"http://twice.example:{elsewhere.server_port}/a")]))
    assert path.read_bytes() == b"picture of /a"
    assert elsewhere.asked[0][1].startswith("twice.example") and len(answers) == 1


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.254",
        "0.0.0.0",
        "192.0.2.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
        "::10.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:100.64.0.1",
        "2002:0a00:0001::1",
        "2002:6440:0001::1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    ],
)
def test_addresses_that_are_not_everybodys(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2a00:1450:4001:82a::200e", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


def test_nobody_else_is_asked_what_a_name_means(monkeypatch: pytest.MonkeyPatch) -> None:
    """safehttpx asks dns.google about what the computer's own resolver calls private."""
    began: list[str] = []

    async def connected(self: Any, request: httpx.Request) -> httpx.Response:
        began.append(request.url.host)
        raise httpx.ConnectError("not in a test")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", connected)
    monkeypatch.setattr(pictures, "client", functools.cache(pictures.client.__wrapped__))
    with pytest.raises(UnreadablePicture, match=NOT_FETCHED):
        in_thread(fetched([Address("http://localhost/a")]))
    assert began == []
