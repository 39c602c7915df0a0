"""What a flood does to a server that may open 1,024 files: vae.ui.connections and vae.ui.logs."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import free_port, until

from vae.ui.server import connections

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc, and uses 127.0.0.2")

LIMIT = 1024
SERVER = """
import logging, sys
import gradio as gr
from vae.ui.server import connections
from vae.ui.server import launch

connections.HEADER_SECONDS = connections.WRITE_SECONDS = 600.0  # what is closed here is closed by number
logging.basicConfig(format="%(asctime)s %(message)s")
logging.getLogger("digit_morph").setLevel(logging.INFO)
with gr.Blocks(analytics_enabled=False) as demo:
    gr.Button().click(lambda a, b: a, [gr.Textbox(), gr.Textbox()], gr.Textbox(), api_name="first")
launch.launch(demo, host="127.0.0.1", port=int(sys.argv[1]), quiet=True, prevent_thread_lock=True)
print("launched", flush=True)
demo.block_thread()
"""


class Flooded:
    """A small page in a process of its own that may open `LIMIT` files, and the clients that beset it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._log = folder / "log"
        self._clients: list[socket.socket] = []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVER, str(self.port)],
                cwd=Path(__file__).parents[2],
                env={**os.environ, "GRADIO_TEMP_DIR": str(folder)},
                stdout=log,
                stderr=log,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT)),
            )
        until(lambda: b"launched" in self._log.read_bytes() or self._process.poll() is not None, 300)
        assert self._process.poll() is None, self._log.read_text()
        self._seen = 0

    def client(self, request: bytes = b"", address: str = "127.0.0.1") -> socket.socket:
        """Connect from `address` and send `request`."""
        client = self.keep(socket.create_connection(("127.0.0.1", self.port), 60, (address, 0)))
        client.sendall(request)
        return client

    def keep(self, client: socket.socket) -> socket.socket:
        """Hold it until `rest`."""
        self._clients.append(client)
        return client

    def flood(self, count: int, request: bytes = b"", address: str = "127.0.0.1") -> list[socket.socket]:
        """`count` clients that send `request`, no quicker than the system's queue of newcomers takes them:
        one that overran it would take itself for connected while the server knows nothing of it."""
        clients: list[socket.socket] = []
        while len(clients) < count:
            clients += [self.client(request, address) for _ in range(min(50, count - len(clients)))]
            with self.client(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", address) as last:
                assert b" 200 " in last.recv(100)
        return clients

    def heartbeat(self, address: str = "127.0.0.1") -> socket.socket:
        """A page's stream, as it stays open with every visitor."""
        client = self.client(b"GET /gradio_api/heartbeat/x HTTP/1.1\r\nHost: x\r\n\r\n", address)
        assert b"200 OK" in client.recv(100)
        return client

    def page(self) -> int:
        """The status of the page, asked for by a new client."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=30) as answer:
            assert b"</html>" in answer.read()
            return answer.status

    def files(self) -> int:
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))

    def log(self) -> str:
        """What was logged since this was last asked."""
        text = self._log.read_text()[self._seen :]
        self._seen += len(text)
        return text

    def rest(self) -> None:
        """Leave, all of us, and wait until the server has noticed."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        until(lambda: self.files() < 100)
        self.log()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flooded]:
    connections.raise_limit()  # of the clients
    running = Flooded(tmp_path_factory.mktemp("flooded"))
    yield running
    running.close()


@pytest.fixture
def flooded(server: Flooded) -> Iterator[Flooded]:
    yield server
    server.rest()


def is_open(client: socket.socket) -> bool:
    """Whether the server has not closed it; reads what there is."""
    client.setblocking(False)
    try:
        while client.recv(2**16):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


# --- number ---------------------------------------------------------------------------------------


def test_silent_clients_do_not_shut_the_page(flooded: Flooded) -> None:
    stream = flooded.heartbeat()
    first, most = flooded.client(), LIMIT // 3
    silent = flooded.flood(1100)
    assert flooded.page() == 200
    last = flooded.client()
    assert is_open(stream) and is_open(last)
    assert not is_open(first)
    assert most // 2 < sum(map(is_open, silent)) <= most
    assert flooded.files() < LIMIT // 2
    log = flooded.log()
    assert "out of system resource" not in log
    assert len(log) < 10_000


def test_a_burst_leaves_descriptors(flooded: Flooded) -> None:
    for _ in range(1100):  # asyncio would accept them all before it looks at the first
        client = socket.socket()
        flooded.keep(client).setblocking(False)
        client.bind(("127.0.0.3", 0))
        client.connect_ex(("127.0.0.1", flooded.port))
    assert flooded.page() == 200
    assert "out of system resource" not in flooded.log()


def test_one_address_does_not_push_out_another(flooded: Flooded) -> None:
    streams, silent = [flooded.heartbeat() for _ in range(2)], flooded.client()
    ask = b"GET /gradio_api/heartbeat/y HTTP/1.1\r\nHost: x\r\n\r\n"
    theirs = flooded.flood(400, ask, address="127.0.0.2")
    newcomer = flooded.heartbeat()
    flooded.flood(400, address="127.0.0.2")
    assert flooded.page() == 200
    assert all(map(is_open, [*streams, silent, newcomer]))
    assert not all(map(is_open, theirs))


def test_files_of_uploads_are_had_back(flooded: Flooded) -> None:
    stream = flooded.heartbeat()
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nx\r\n'
    kind = b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n"
    upload = b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\n" + kind + 8 * part
    flooded.flood(120, upload, address="127.0.0.2")
    flooded.flood(200, address="127.0.0.2")
    assert flooded.page() == 200
    assert is_open(stream)
    assert len(flooded.log()) < 250_000


# --- the log --------------------------------------------------------------------------------------


def test_byte_soup_is_logged_a_few_times(flooded: Flooded) -> None:
    for _ in range(200):
        with flooded.client(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n") as client:
            assert b" 400 " in client.recv(100)
    assert 0 < flooded.log().count("Invalid HTTP request received.") <= 10


def test_requests_do_not_fill_the_log(flooded: Flooded) -> None:
    ask = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    with flooded.client() as client, client.makefile("rb") as answers:
        for _ in range(1100):
            client.sendall(ask)
            assert b" 404 " in answers.readline()
            length = 0
            while (line := answers.readline()) != b"\r\n":
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.read(length)
    assert 0 < flooded.log().count("GET /nowhere 404") <= 1000


def test_what_was_sent_is_not_logged_whole(flooded: Flooded) -> None:
    address = f"http://127.0.0.1:{flooded.port}/gradio_api/call/first"
    body = json.dumps({"data": ["x" * 10**6]}).encode()  # an argument is missing
    post = urllib.request.Request(address, body, {"content-type": "application/json"})
    with urllib.request.urlopen(post, timeout=60) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{address}/{event}", timeout=60) as answer:
        assert b"event: error" in answer.read()
    log = flooded.log()
    assert "didn't receive enough input values" in log
    assert len(log) < 10_000
