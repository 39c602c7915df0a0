"""Every hole that vae/ui/guard.py closes, asked of a running server, and the flow that must stay open."""

import asyncio
import base64
import contextlib
import gc
import io
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import handle_file
from PIL import Image
from serving import client_of, free_port, run, until
from starlette.requests import ClientDisconnect

from vae.ui.server import bodies, exchange, files, guard, launch, pictures, visitors

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


def build_demo() -> gr.Blocks:
    """A pad, a picture and four small functions: what the page consists of, as seen from outside."""

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

    def echo(text: str) -> str:
        """The same again."""
        return text

    def side(picture: np.ndarray) -> int:
        """The height of a picture."""
        return len(picture)

    with gr.Blocks(analytics_enabled=False) as demo:
        pad = gr.Sketchpad(image_mode="L", canvas_size=(280, 280), fixed_canvas=True, layers=False)
        picture, number, out = gr.Image(), gr.Number(), gr.Textbox()
        gr.Button("Count").click(ink, [pad, picture], out, api_name="ink")
        gr.Button("Double").click(double, number, gr.Number(), api_name="double")
        gr.Button("Echo").click(echo, out, out, api_name="echo")
        gr.Button("Side").click(side, picture, gr.Number(), api_name="side")
    return demo


class Server:
    """The demo on a free port."""

    def __init__(self) -> None:
        self.demo = build_demo()
        port = free_port()
        launch.launch(self.demo, host="127.0.0.1", port=port, prevent_thread_lock=True, quiet=True)
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
        patch.setattr("gradio.mcp.DEFAULT_TEMP_DIR", os.environ["GRADIO_TEMP_DIR"])
        patch.setattr(files, "SWEEP_SECONDS", 0.2)
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


def picture(side: int) -> bytes:
    """A black PNG."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def ask_mcp(server: Server, method: str, params: dict) -> dict:
    """The whole JSON-RPC answer."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    accepted = {"accept": "application/json, text/event-stream"}
    answer = server.http.post(f"{API}/mcp/", json=body, headers=accepted)
    return json.loads(answer.text.split("data: ", 1)[1])


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
    url = "data:image/png;base64," + base64.b64encode(picture(20)).decode()
    assert "0 (20, 20, 3)" in result_of(server, "ink", [None, {"url": url}])


def test_mcp_lists_and_calls_tools(server: Server) -> None:
    names = [tool["name"] for tool in ask_mcp(server, "tools/list", {})["result"]["tools"]]
    double = next(name for name in names if name.endswith("double"))
    called = ask_mcp(server, "tools/call", {"name": double, "arguments": {"number": 21}})
    assert "42" in called["result"]["content"][0]["text"]


def test_healthz_says_that_all_is_well(server: Server) -> None:
    answer = server.http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "waiting": 0})


def test_settings_are_names_gradio_knows_and_took(server: Server) -> None:
    demo = server.demo
    assert demo.max_file_size == pictures.MAX_FILE
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
        ("GET", f"{API}/mcp/sse"),
        ("POST", f"{API}/mcp/messages/?session_id=1"),
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
    half = b"A" * (exchange.MAX_BODY // 2)  # each file of the upload is within max_file_size
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

    assert post(bodies.MAX_PARTS).status_code == 200
    refused = post(bodies.MAX_PARTS + 1)
    assert (refused.status_code, refused.json()["detail"]) == (413, "At most 8 files can be sent at once.")


def test_plain_ranges_are_answered(server: Server, uploaded: str) -> None:
    whole = bytes(range(256))
    for wanted, expected in {"0-9": whole[:10], "250-": whole[250:], "-6": whole[-6:]}.items():
        answer = server.http.get(uploaded, headers={"range": f"bytes={wanted}", "x-mine": "1"})
        assert (answer.status_code, answer.content) == (206, expected)
        assert "x-mine" not in answer.headers  # gradio's own answer sends the request's headers back
    assert server.http.get(uploaded, headers={"range": "bytes=256-300"}).status_code == 416


@pytest.mark.parametrize("wanted", ["bytes=0-0-0", "bytes=0-1,2-3", b"bytes=\xb2-\xb2", "bytes=-", "lines=1-2"])
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
    for answer in (server.http.get("/config", headers=elsewhere), server.http.options("/config", headers=preflight)):
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


def test_gradio_itself_fetches_nothing(server: Server) -> None:
    """What a text, say, names by its address would be fetched as well; pictures have a way of their own."""
    named = {"path": f"{server.url}/config", "meta": {"_type": "gradio.FileData"}}
    assert "Only a picture can be given by its address." in result_of(server, "ink", [None, named])


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

    # A line is written after the last byte was sent: it may be a moment behind its answer, and one of
    # an earlier test's requests may still come.
    until(lambda: expected <= {message.rsplit(" ", 2)[0] for message in caplog.messages})
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
    body = part * (bodies.MAX_PARTS + 2)
    kind = {"content-type": 'multipart/form-data; boundary="cut"'}
    pieces = [body[i : i + 3] for i in range(0, len(body), 3)]
    assert through_guard(pieces, kind, path=f"{API}/upload")[0] == 413


def test_a_trickle_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "BODY_SECONDS", 0.05)
    status, body, _ = through_guard([b"a", b"b"], {})
    assert (status, json.loads(body)["detail"]) == (408, "The request took too long to arrive.")


def test_a_proxy_is_trusted_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    forwarded = {"x-forwarded-host": "me-digits.hf.space", "x-forwarded-proto": "https"}

    def passed() -> set[bytes]:
        """Names of the headers that reach the app."""
        monkeypatch.setattr(exchange, "BODY_SECONDS", 0.01)
        names = {name for name, _ in through_guard([], forwarded, method="GET")[2]["headers"]}
        return names - {visitors.HEADER.encode()}

    assert passed() == set()
    for name in ("SPACE_ID", "SPACE_HOST", "GRADIO_ROOT_PATH", "DIGIT_MORPH_TRUST_PROXY"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            assert passed() == {b"x-forwarded-host", b"x-forwarded-proto"}
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


def test_nothing_of_a_call_stays_after_its_answer(server: Server) -> None:
    """Neither of one that went well nor of one that failed, of a page's session or of none."""

    def holders() -> list[type]:
        gc.collect()
        held = (each for each in gc.get_objects() if isinstance(each, dict | list | tuple))
        values = ((each, list(each.values()) if isinstance(each, dict) else each) for each in held)
        return [type(each) for each, inner in values if any(type(v) is str and len(v) > 10**6 for v in inner)]

    functions = {found["api_name"]: found["id"] for found in server.http.get("/config").json()["dependencies"]}
    assert holders() == []
    large = b'"' + b"1" * 10**6 + b'0"'
    for name in ("echo", "double"):  # what doubles takes no text
        for session in (b"", b', "session_hash": "mine", "fn_index": %d' % functions[name]):
            route = "queue/join" if session else f"call/{name}"
            body = b'{"data": [' + large + b"]" + session + b"}"
            event = server.http.post(f"{API}/{route}", content=body, headers=JSON).json()["event_id"]
            answer = f"{API}/queue/data?session_hash=mine" if session else f"{API}/{route}/{event}"
            assert server.http.get(answer).status_code == 200
    # Gradio's loops have the last event that they saw in a variable: others must come.
    until(lambda: "2" in result_of(server, "double", [1]) and holders() == [])


def test_what_brings_no_file_takes_no_room(server: Server) -> None:
    sweeper = server.demo.app.middleware_stack._sweeper
    before = sweeper.bytes
    for method, path in (("GET", "upload"), ("GET", "mcp/schema"), ("DELETE", "mcp/"), ("POST", "upload")) * 30:
        server.http.request(method, f"{API}/{path}")
    assert server.http.post(f"{API}/upload", files={"files": ("a.png", b"x")}).status_code == 200
    until(lambda: sweeper.bytes <= before + 10_000)


def test_uploads_under_way_are_bounded(server: Server) -> None:
    """Each may hold nine open files: a hundred that never end would leave none."""
    address = httpx.URL(server.url)
    head = f"POST {API}/upload HTTP/1.1\r\nHost: {address.host}\r\nContent-Length: 1000\r\n"
    begun = (head + "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n").encode()
    with contextlib.ExitStack() as clients:

        def begin() -> None:
            client = clients.enter_context(socket.create_connection((address.host, address.port or 80)))
            client.sendall(begun)

        def refused() -> bool:
            answer = server.http.post(f"{API}/upload", files={"files": ("a.png", b"x")})
            return answer.status_code == 503 and "requests under way already" in answer.text

        for _ in range(guard.UPLOADS - 1):
            begin()
        until(lambda: begin() or refused())  # one that came while ours was under way has no place
    until(lambda: not refused())


# --- files left behind ----------------------------------------------------------------------------


def test_an_upload_given_up_is_swept(server: Server) -> None:
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    address = httpx.URL(server.url)
    head = f"POST {API}/upload HTTP/1.1\r\nHost: {address.host}\r\nContent-Length: 1000\r\n"
    kind = "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    part = '--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nhalf a picture'
    files.sweep(folder, 600, now=time.time() + 601)  # what other tests left
    with socket.create_connection((address.host, address.port or 80)) as visitor:
        visitor.sendall((head + kind + part).encode())
        until(lambda: any(folder.glob("tmp*")))
    until(lambda: files.sweep(folder, 600, now=time.time() + 601)[0] > 0)
    assert not any(folder.glob("tmp*"))


def test_what_comes_by_mcp_is_swept(server: Server) -> None:
    """Gradio writes it before the call has a place in any queue, and has it in no list of its own."""
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    data = "data:image/png;base64," + base64.b64encode(picture(40)).decode()
    said = ask_mcp(server, "tools/call", {"name": "side", "arguments": {"picture": data}})
    assert said["result"]["content"][0]["text"] == "40"
    assert any(path.read_bytes() == picture(40) for path in folder.rglob("*") if path.is_file())
    files.sweep(folder, 600, now=time.time() + 601)
    assert not any(path.is_file() for path in folder.rglob("*"))


def test_a_folder_named_as_a_file_is_refused_and_sweeping_goes_on(server: Server) -> None:
    path = server.http.post(f"{API}/upload", files={"files": ("b.png", picture(8))}).json()[0]
    for name in (str(Path(path).parent), os.environ["GRADIO_TEMP_DIR"], "/etc/passwd", path + "\0", "."):
        named = {"path": name, "meta": {"_type": "gradio.FileData"}}
        answer = server.http.post(f"{API}/call/ink", json={"data": [None, named]})
        assert answer.status_code == 400
        assert answer.json()["detail"] == "That picture is not here any more; please send it again."
    gone = Path(path)
    server.demo.temp_file_sets[0].update([path, str(gone.parent)])
    gone.unlink()
    until(lambda: path not in server.demo.temp_file_sets[0])
    assert server.http.get("/healthz").status_code == 200


def test_no_table_is_made_of_all_events_so_far(server: Server) -> None:
    for number in range(3):
        event = server.http.post(f"{API}/call/double", json={"data": [number]}).json()["event_id"]
        assert f"[{2 * number}" in server.http.get(f"{API}/call/double/{event}").text
    queue = server.demo._queue
    assert len(queue.event_analytics) <= 1
    assert queue.cached_event_analytics_summary == {"functions": {}}
