"""Every hole that vae/ui/guard.py closes, asked of a running server, and the flow that must stay open."""

import asyncio
import base64
import gc
import io
import json
import logging
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import handle_file
from PIL import Image
from serving import client_of, free_port
from starlette.requests import ClientDisconnect

from vae.ui import guard, serving

API = "/gradio_api"
JSON = {"content-type": "application/json"}
WHITE = np.full((280, 280), 255, np.uint8)

# gradio and gradio_client leave event loops and sockets to the garbage collector, and its queue
# uses what pandas deprecates.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::ResourceWarning",
    "ignore::DeprecationWarning:gradio.queueing",
)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """`asyncio.run` on a thread of its own: Playwright keeps a loop running on this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def build_demo() -> gr.Blocks:
    """A pad, a picture and two small functions: what the page consists of, as seen from outside."""

    def ink(pad: dict | None, picture: np.ndarray | None) -> str:
        """Count what was drawn."""
        drawn = int((255 - pad["composite"]).sum()) if pad else 0
        return f"{drawn} {None if picture is None else picture.shape}"

    def double(number: float) -> float:
        """Double a number.

        Args:
            number: Any number.
        """
        return 2 * number

    with gr.Blocks(analytics_enabled=False, delete_cache=(60, 600)) as demo:
        pad = gr.Sketchpad(image_mode="L", canvas_size=(280, 280), fixed_canvas=True, layers=False)
        picture, number, out = gr.Image(), gr.Number(), gr.Textbox()
        gr.Button("Count").click(ink, [pad, picture], out, api_name="ink")
        gr.Button("Double").click(double, number, gr.Number(), api_name="double")
    return demo


class Server:
    """The demo on a free port; `ready` is what /healthz asks."""

    def __init__(self) -> None:
        self.ready = False
        self.demo = build_demo()
        port = free_port()
        serving.launch(
            self.demo,
            host="127.0.0.1",
            port=port,
            ready=lambda: self.ready,
            prevent_thread_lock=True,
            quiet=True,
        )
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=120)

    def close(self) -> None:
        self.http.close()
        self.demo.close(verbose=False)
        gc.collect()  # gradio's leftovers, here and not in the next module


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        for name in ("SPACE_ID", "SPACE_HOST", "GRADIO_ROOT_PATH", "DIGIT_MORPH_TRUST_PROXY"):
            patch.delenv(name, raising=False)
        running = Server()
        yield running
        running.close()


@pytest.fixture(scope="module")
def uploaded(server: Server) -> str:
    """The address of a file of the bytes 0..255."""
    answer = server.http.post(f"{API}/upload", files={"files": ("a.png", bytes(range(256)))})
    return f"{API}/file={answer.json()[0]}"


def result_of(server: Server, endpoint: str, data: list) -> str:
    """What the simple API answers, as its event stream."""
    event = server.http.post(f"{API}/call/{endpoint}", json={"data": data}).json()["event_id"]
    return server.http.get(f"{API}/call/{endpoint}/{event}").text


# --- what must work -------------------------------------------------------------------------------


def test_drawing_and_picture_go_through(server: Server, tmp_path: Path) -> None:
    drawing, picture = tmp_path / "drawing.png", tmp_path / "picture.png"
    Image.fromarray(np.where(np.eye(280, dtype=bool), 0, WHITE).astype(np.uint8)).save(drawing)
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(picture)
    client = client_of(server.url)
    pad = {"background": None, "layers": [], "composite": handle_file(str(drawing))}
    assert client.predict(pad, handle_file(str(picture)), api_name="/ink") == f"{280 * 255} (20, 30, 3)"
    client.close()


def test_page_and_its_assets_are_served(server: Server) -> None:
    page = server.http.get("/")
    script = page.text.split('src="./assets/')[1].split('"')[0]
    assert page.status_code == 200
    assert server.http.get(f"/assets/{script}").status_code == 200
    assert server.http.get("/config").json()["components"]


def test_data_url_within_the_cap_is_read(server: Server) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(file, "PNG")
    url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    assert "0 (20, 30, 3)" in result_of(server, "ink", [None, {"url": url}])


def test_mcp_lists_and_calls_tools(server: Server) -> None:
    def ask(method: str, params: dict) -> dict:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        accepted = {"accept": "application/json, text/event-stream"}
        answer = server.http.post(f"{API}/mcp/", json=body, headers=accepted)
        return json.loads(answer.text.split("data: ", 1)[1])["result"]

    names = [tool["name"] for tool in ask("tools/list", {})["tools"]]
    double = next(name for name in names if name.endswith("double"))
    called = ask("tools/call", {"name": double, "arguments": {"number": 21}})
    assert "42" in called["content"][0]["text"]


def test_healthz_says_whether_the_model_is_there(server: Server) -> None:
    server.ready = False
    assert server.http.get("/healthz").status_code == 503
    server.ready = True
    answer = server.http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_settings_are_names_gradio_knows_and_took(server: Server) -> None:
    demo = server.demo
    assert demo.max_file_size == guard.MAX_FILE
    assert (demo.api_open, demo._queue.max_size) == (False, 32)
    assert not (demo.enable_monitoring or demo.run_history or demo.pwa or demo.ssr_mode or demo.show_error)


# --- what must not --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/monitoring"),
        ("GET", "/monitoring/summary"),
        ("POST", "/login"),
        ("GET", "/logout"),
        ("POST", f"{API}/component_server"),
        ("POST", f"{API}/component_server/"),
        ("POST", f"{API}/process_recording"),
        ("GET", f"{API}/file=https://example.com/a.png"),
        ("GET", f"{API}/file=/https://example.com/a.png"),
        ("GET", f"{API}/file%3DHTTPS%3A//example.com/a.png"),
        ("GET", f"{API}/file/https://example.com/a.png"),
        ("GET", f"{API}/proxy=https://example.hf.space/"),
        ("GET", f"{API}/deep_link?session_hash=x"),
        ("GET", f"{API}/runs"),
        ("GET", f"{API}/run-history/buckets"),
        ("GET", f"{API}/custom_component/x/client/component/index.js"),
        ("GET", f"{API}/dev/reload"),
        ("POST", f"{API}/vibe-edit"),
        ("GET", f"{API}/token"),
        ("POST", f"{API}/api/double"),
        ("POST", f"{API}/run/double"),
    ],
)
def test_route_is_shut(server: Server, method: str, path: str) -> None:
    body = {"json": {"data": [1]}} if method == "POST" else {}
    assert server.http.request(method, path, **body).status_code == 404


def test_huge_blob_index_allocates_nothing(server: Server) -> None:
    pad = next(block for block in server.demo.blocks.values() if isinstance(block, gr.Sketchpad))
    fields = {"component_id": str(pad._id), "fn_name": "accept_blobs", "session_hash": "s"}
    blob = {"file": ("a.png", b"x")}
    index = {"type": "layer", "id": "i", "index": "3000000"}
    assert server.http.post(f"{API}/component_server/", data=fields | index, files=blob).status_code == 404
    assert not pad.blob_storage


@pytest.mark.parametrize(
    ("path", "announced"),
    [
        ("/upload", True),
        ("/upload", False),
        ("/call/ink", True),
        ("/call/ink", False),
        ("/queue/join", False),
        ("/mcp/", True),  # unannounced, MCP's own limit of 4 MiB is met first
    ],
)
def test_body_is_capped(server: Server, path: str, announced: bool) -> None:
    half = b"A" * (guard.MAX_BODY // 2)  # each file of the upload is within max_file_size
    form = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + half + b"\r\n"
    body = form * 2 + b"--b--" if path == "/upload" else b'"data:image/png;base64,' + half * 2 + b'"'
    kind = {"content-type": "multipart/form-data; boundary=b"} if path == "/upload" else JSON
    pieces = (body[start : start + 2**18] for start in range(0, len(body), 2**18))
    answer = server.http.post(API + path, content=body if announced else pieces, headers=kind)
    assert answer.status_code == 413
    assert answer.json()["detail"] == "This is too large: at most 12 MB can be sent."


def test_number_of_files_is_bounded(server: Server) -> None:
    def post(count: int) -> httpx.Response:
        return server.http.post(f"{API}/upload", files=[("files", (f"{n}.png", b"x")) for n in range(count)])

    assert post(guard.MAX_PARTS).status_code == 200
    refused = post(guard.MAX_PARTS + 1)
    assert (refused.status_code, refused.json()["detail"]) == (413, "At most 8 files can be sent at once.")


def test_plain_ranges_are_answered(server: Server, uploaded: str) -> None:
    whole = bytes(range(256))
    for wanted, expected in {"0-9": whole[:10], "250-": whole[250:], "-6": whole[-6:]}.items():
        answer = server.http.get(uploaded, headers={"range": f"bytes={wanted}", "x-mine": "1"})
        assert (answer.status_code, answer.content) == (206, expected)
        assert "x-mine" not in answer.headers  # gradio's own answer sends the request's headers back
    assert server.http.get(uploaded, headers={"range": "bytes=256-300"}).status_code == 416


@pytest.mark.parametrize(
    "wanted", ["bytes=0-0-0", "bytes=0-1,2-3", b"bytes=\xb2-\xb2", "bytes=-", "lines=1-2"]
)
def test_malformed_range_is_dropped(server: Server, uploaded: str, wanted: str | bytes) -> None:
    answer = server.http.get(uploaded, headers=[("range", wanted)])  # type: ignore[list-item]
    assert (answer.status_code, answer.content) == (200, bytes(range(256)))


@pytest.mark.parametrize("name", ["x-forwarded-host", "x-gradio-server"])
@pytest.mark.parametrize("path", ["/", "/config", f"{API}/info", f"{API}/mcp/"])
def test_forged_host_reaches_no_link(server: Server, path: str, name: str) -> None:
    forged = {name: "http://evil.example" if name == "x-gradio-server" else "evil.example"}
    assert "evil.example" not in server.http.get(path, headers=forged).text


def test_other_sites_get_no_credentials(server: Server) -> None:
    elsewhere = {"origin": "https://evil.example", "host": "192.0.2.1:7860"}
    preflight = {**elsewhere, "access-control-request-method": "POST"}
    for answer in (
        server.http.get("/config", headers=elsewhere),
        server.http.options("/config", headers=preflight),
    ):
        assert answer.status_code == 200
        assert "access-control-allow-credentials" not in answer.headers
    at_home = server.http.get("/config", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in at_home.headers


def test_every_answer_has_the_security_headers(server: Server, uploaded: str) -> None:
    for path in ("/", "/config", "/healthz", "/monitoring", "/nowhere", uploaded):
        headers = server.http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert "frame-ancestors 'self' https://huggingface.co" in headers["content-security-policy"]


def test_long_target_is_refused(server: Server) -> None:
    assert server.http.get("/config", params={"upload_id": "x" * guard.MAX_TARGET}).status_code == 414


def test_private_address_of_a_picture_is_refused_in_words(server: Server) -> None:
    picture = {"path": f"{server.url}/config", "meta": {"_type": "gradio.FileData"}}
    assert "The picture could not be fetched from that address." in result_of(server, "ink", [None, picture])


def test_a_request_is_logged_without_its_data(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=guard.log.name)
    server.http.get("/config?secret=1")
    server.http.get(f"{API}/file=/secret-name.png")
    server.http.get("/config%0aforged")
    server.http.get("/assets/nothing.js")
    result_of(server, "double", [1])
    expected = {
        "GET /config 200",
        f"GET {API}/file 403",
        "GET /config%0Aforged 404",
        f"POST {API}/call/double 200",
        f"GET {API}/call/double 200",
    }

    def told() -> set[str]:
        return {message.rsplit(" ", 2)[0] for message in caplog.messages}

    # A line is written after the last byte was sent: it may be a moment behind its answer, and one of
    # an earlier test's requests may still come.
    deadline = time.monotonic() + 60
    while not expected <= told() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert expected <= told()
    assert not any("secret" in line or "/assets" in line or "\n" in line for line in caplog.messages)


# --- the guard by itself --------------------------------------------------------------------------


def through_guard(chunks: list[bytes], headers: dict[str, str], **scope: object) -> tuple[int, bytes, dict]:
    """Post `chunks` through a Guard around an app that reads the body: status, answer, scope as seen."""
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    sent: list[dict] = []
    seen: dict = {}

    async def app(inner, receive, send):  # type: ignore[no-untyped-def]
        seen.update(inner)
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"read"})

    async def receive():  # type: ignore[no-untyped-def]
        if not waiting:
            await asyncio.Event().wait()  # the visitor sends no more, but stays
        return waiting.pop(0)

    async def send(message):  # type: ignore[no-untyped-def]
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    request = {"type": "http", "method": "POST", "path": "/", "headers": raw, **scope}
    run(guard.Guard(app)(request, receive, send))
    return sent[0]["status"], sent[1]["body"], seen


def test_boundaries_are_counted_across_chunks() -> None:
    part = b'--cut\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nx\r\n'
    body = part * (guard.MAX_PARTS + 2)
    kind = {"content-type": 'multipart/form-data; boundary="cut"'}
    assert through_guard([body[i : i + 3] for i in range(0, len(body), 3)], kind)[0] == 413


def test_a_trickle_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)
    status, body, _ = through_guard([b"a", b"b"], {})
    assert (status, json.loads(body)["detail"]) == (408, "The request took too long to arrive.")


def test_a_proxy_is_trusted_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.01)
    forwarded = {"x-forwarded-host": "me-digits.hf.space", "x-forwarded-proto": "https"}
    assert not through_guard([], forwarded)[2]["headers"]
    for name in ("SPACE_ID", "SPACE_HOST", "GRADIO_ROOT_PATH", "DIGIT_MORPH_TRUST_PROXY"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            assert len(through_guard([], forwarded)[2]["headers"]) == 2
    assert not guard.proxy_is_trusted({"DIGIT_MORPH_TRUST_PROXY": "0"})


def test_shut_pages_are_found_below_a_root_path() -> None:
    with pytest.raises(guard.Refused):
        guard.check_target("/digits/monitoring/summary", b"", "/digits")
    guard.check_target("/digits/", b"", "/digits")
    guard.check_target(f"{API}/file=C:/digits/a.png", b"")


def test_policy_admits_the_hub_only_on_a_space() -> None:
    assert "img-src 'self' data: blob:;" in guard.content_security_policy({})
    assert "img-src 'self' data: blob: https://huggingface.co" in guard.content_security_policy(
        {"SPACE_ID": "me/digits"}
    )
    framed = guard.content_security_policy({"DIGIT_MORPH_FRAMES": "https://school.example; sandbox"})
    assert framed.endswith("https://school.example  sandbox")  # an ill-meant value opens no new directive


def test_fetched_picture_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def public(host: str) -> str:
        return "192.0.2.1"

    def answering(size: int) -> type[httpx.MockTransport]:
        class Fake(httpx.MockTransport):
            def __init__(self, address: str) -> None:
                super().__init__(lambda request: httpx.Response(200, stream=Pieces(size)))

        return Fake

    class Pieces(httpx.AsyncByteStream):
        def __init__(self, size: int) -> None:
            self.size = size

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"x" * self.size

    async def fetch() -> int:
        async with httpx.AsyncClient(transport=serving.BoundedFetch()) as client:
            return len((await client.get("https://pictures.example/a.png")).content)

    monkeypatch.setattr(serving.safehttpx, "async_validate_url", public)
    monkeypatch.setattr(serving.safehttpx, "AsyncSecureTransport", answering(guard.MAX_FILE))
    assert run(fetch()) == guard.MAX_FILE
    monkeypatch.setattr(serving.safehttpx, "AsyncSecureTransport", answering(guard.MAX_FILE + 1))
    with pytest.raises(gr.Error, match="larger than 10 MB"):
        run(fetch())


# --- files left behind ----------------------------------------------------------------------------


def age(path: Path, seconds: float) -> Path:
    path.write_bytes(b"x")
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_sweep_takes_only_what_is_old_and_matches(tmp_path: Path) -> None:
    old, young = age(tmp_path / "tmpold", 700), age(tmp_path / "tmpyoung", 10)
    other = age(tmp_path / "kept.png", 700)
    (tmp_path / "tmpfolder").mkdir()
    inside = age(tmp_path / "tmpfolder" / "tmpinside", 700)
    (tmp_path / "tmplink").symlink_to(other)
    assert serving.sweep(tmp_path, 600) == 1
    assert not old.exists()
    assert young.exists() and other.exists() and inside.exists()
    assert serving.sweep(tmp_path / "missing", 600) == 0


def test_an_upload_given_up_is_swept(server: Server) -> None:
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    address = httpx.URL(server.url)
    head = f"POST {API}/upload HTTP/1.1\r\nHost: {address.host}\r\nContent-Length: 1000\r\n"
    kind = "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    part = '--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nhalf a picture'

    def until(happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not (done := happened()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert done

    with socket.create_connection((address.host, address.port or 80)) as visitor:
        visitor.sendall((head + kind + part).encode())
        until(lambda: any(folder.glob("tmp*")))
    assert serving.sweep(folder, 600) == 0
    until(lambda: serving.sweep(folder, -1) > 0)
    assert not any(folder.glob("tmp*"))


def test_sweeping_goes_on_until_it_is_stopped(tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    stop = serving.sweep_regularly(tmp_path, 600, every_seconds=0.01)
    begun = set(threading.enumerate()) - threads
    (sweeper,) = (thread for thread in begun if thread.name == "sweeper")
    for name in ("tmpfirst", "tmpsecond"):
        path = age(tmp_path / name, 700)
        deadline = time.monotonic() + 60
        while path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not path.exists()
    stop()
    sweeper.join(60)
    assert not sweeper.is_alive()
    assert sweeper.daemon
