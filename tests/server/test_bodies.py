"""What a request may hold, and who it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from serving import run as in_thread
from starlette.datastructures import Headers

from vae.ui.server import bodies, exchange, files, visitors
from vae.ui.server.bodies import Parts, Refused, check_json
from vae.ui.server.turns import Visitor

META = {"meta": {"_type": "gradio.FileData"}}


def refused(body: bytes | Any, is_mcp: bool = False) -> Refused:
    with pytest.raises(Refused) as refusal:
        check_json(body if isinstance(body, bytes) else json.dumps(body).encode(), is_mcp)
    return refusal.value


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return files.keep(b"picture", "a.png")


def test_what_the_page_and_clients_send_passes(kept: str) -> None:
    drawing = "data:image/png;base64," + "A" * 60_000
    named = {"path": kept, "orig_name": "a.png", "url": None, **META}
    address = {"path": "https://example.org/a.png", **META}
    for data in (
        ["draw", drawing, {"number": "41"}, "32", "41", "", 0, "own", 60, 30, "auto"],
        [named, address, 60, "auto"],
        [[named] * 4, [address] * 4],
        [{"ask": "sheet", "at": [0.5] * 32, "digit": 3}],
        {"source": "3", "path": "auto"},  # the argument called path
    ):
        check_json(json.dumps({"data": data, "session_hash": "x"}).encode(), is_mcp=False)
    call = {"name": "morph_numbers", "arguments": {"source": "3", "target": "8", "path": "linear"}}
    check_json(json.dumps({"jsonrpc": "2.0", "method": "tools/call", "params": call}).encode(), is_mcp=True)


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[' + b"[]," * 3_900_000 + b"[]]}",
        b"[" * 12_000_000,
        b'{"a":' * 6_000,
        b"1," * 6_000,
        ("[" + "0," * 6_000 + "0]").encode("utf-16"),
    ],
    ids=["lists", "depth", "objects", "numbers", "utf-16"],
)
def test_too_many_values_are_not_even_read(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies.json, "loads", lambda _: pytest.fail("was read"))
    assert refused(body).status == 413


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\xff", b"{}x", b"[" * 3_000, b"nul", b'"\xe9"'])
def test_what_is_no_json_is_said(body: bytes) -> None:
    assert refused(body).sentence == "This request is no JSON that I can read."


def test_depth_is_bounded() -> None:
    deep: Any = 0
    for _ in range(bodies.MAX_DEPTH + 1):
        deep = [deep]
    assert refused(deep).status == 413
    check_json(json.dumps(deep[0]).encode(), is_mcp=False)


def test_pictures_are_counted_before_anything_is_read(kept: str) -> None:
    named = {"path": kept, **META}
    assert refused({"data": [[named] * 200]}).sentence == "At most 8 pictures can be sent at once."
    assert refused({"data": [[named] * 5, [named] * 4]}).status == 413


@pytest.mark.parametrize("path", ["/etc/passwd", ".", "", "a.png", "file:///etc/passwd", "ftp://a/b", "\0"])
def test_a_picture_is_a_file_that_was_uploaded(path: str, kept: str) -> None:
    sentence = "That picture is not here any more; please send it again."
    assert refused({"data": [{"path": path, **META}]}).sentence == sentence
    assert refused({"data": [{"path": str(Path(kept).parent), **META}]}).sentence == sentence
    assert refused({"data": [{"path": kept, "meta": "x"}]}).status == 400


def test_by_mcp_no_path_is_taken(kept: str) -> None:
    """Gradio's client, which runs on the server, would upload the server's own file of that name."""
    for path in ("/etc/passwd", kept, "https://example.org/a.png"):
        call = {"params": {"name": "morph_images", "arguments": {"source": [{"path": path, **META}]}}}
        assert refused(call, is_mcp=True).status == 400


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data; boundary=b; charset=punycode",
        "multipart/form-data; charset=idna; boundary=b",
        'multipart/form-data; boundary=b; charset="utf-7"',
    ],
)
def test_an_upload_is_in_utf_8(kind: str) -> None:
    with pytest.raises(Refused) as refusal:
        Parts(Headers({"content-type": kind}))
    assert refusal.value.status == 415


@pytest.mark.parametrize("kind", ["", "multipart/form-data", "multipart/mixed; boundary=b", "text/plain"])
def test_an_upload_is_multipart(kind: str) -> None:
    with pytest.raises(Refused) as refusal:
        Parts(Headers({"content-type": kind}))
    assert refusal.value.status == 400
    Parts(Headers({"content-type": "multipart/form-data; boundary=b; charset=UTF-8"}))


@pytest.mark.parametrize("name", ["a" * 65, 7, ["a"], {"a": "b"}])
def test_names_that_are_remembered_are_short(name: Any) -> None:
    for field in bodies.KEPT_NAMES:
        assert refused({"data": [], field: name}).status == 400
    check_json(json.dumps({"data": [], "session_hash": "a" * 64, "event_id": None}).encode(), is_mcp=False)


def test_bodies_in_memory_are_bounded_for_one_and_for_all() -> None:
    held, half = exchange.Held(), exchange.MAX_HELD_BY_ONE // 2
    for _ in range(2):
        held.take("192.0.2.1", half)
    with pytest.raises(Refused, match="in a minute"):
        held.take("192.0.2.1", 1)
    held.give_back("192.0.2.1", 1)
    others = (exchange.MAX_HELD - 2 * half) // 4
    for k in range(2, 6):
        held.take(f"192.0.2.{k}", others)
    with pytest.raises(Refused):
        held.take("192.0.2.9", 1)
    held.give_back("192.0.2.9", 1)
    held.give_back("192.0.2.1", 2 * half)
    held.take("", 2 * half)  # nobody knows whose


def test_what_is_refused_is_given_back_whole() -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": bytes(2**20), "more_body": True}

    async def send(message: Any) -> None:
        pass

    async def refuse(held: exchange.Held) -> None:
        one = exchange.Exchange(receive, send, "", held, "192.0.2.1")
        with pytest.raises(Refused, match="too large"):
            await one.body()
        one.close()

    held = exchange.Held()
    for _ in range(3):
        in_thread(refuse(held))
    assert held._all == 0 and not held._by


# --- who asks ---


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("8.8.8.8", "", False, "8.8.8.8"),
        ("8.8.8.8", "9.9.9.9", False, "8.8.8.8"),  # nobody's proxy: made up
        ("10.1.2.3", "9.9.9.9", True, "9.9.9.9"),
        ("10.1.2.3", "1.1.1.1, 9.9.9.9, 10.9.9.9", True, "9.9.9.9"),  # the first may be made up
        ("10.1.2.3", "unknown, nonsense", True, "10.1.2.3"),
        ("127.0.0.1", "", False, ""),
        ("::1", "", True, ""),
        ("192.168.1.7", "", False, "192.168.1.7"),
        ("2a00:1450:4001:82a::200e", "", False, "2a00:1450:4001:82a::/64"),
        ("testclient", "", False, ""),
        ("::ffff:9.9.9.9", "", False, "9.9.9.9"),
        ("fe80::1%a b", "", False, "fe80::1"),
        ("10.1.2.3", "9.9.9.9:5678", True, "9.9.9.9"),
        ("10.1.2.3", "[2a00:1450:4001:82a::200e]:443", True, "2a00:1450:4001:82a::/64"),
    ],
)
def test_a_visitor_is_known_by_address(peer: str, forwarded: str, trusted: bool, address: str) -> None:
    headers = Headers({"x-forwarded-for": forwarded} if forwarded else {})
    assert visitors.address_of({"client": (peer, 1234)}, headers, trusted) == address


def test_a_proxy_may_add_a_line_of_its_own() -> None:
    lines = Headers(raw=[(b"x-forwarded-for", b"8.8.8.8"), (b"x-forwarded-for", b"9.9.9.9")])
    assert visitors.address_of({"client": ("10.1.2.3", 1)}, lines, True) == "9.9.9.9"


def test_nobody_can_say_who_they_are() -> None:
    made_up = Headers({visitors.HEADER: "secret 9.9.9.9 x"})
    assert visitors.visitor_in(Headers(raw=[visitors.introduce(made_up, "8.8.8.8", False)]), "page") == Visitor(
        "8.8.8.8", "page"
    )


def test_a_call_by_mcp_keeps_its_visitor_through_the_second_request() -> None:
    first = Headers(raw=[visitors.introduce(Headers({}), "8.8.8.8", is_mcp=True)])
    second = Headers(raw=[visitors.introduce(first, "", is_mcp=False)])
    who, again = visitors.visitor_in(first), visitors.visitor_in(second, "of the client that all calls share")
    assert who == again and who.address == "8.8.8.8" and who.session
    other = Headers(raw=[visitors.introduce(Headers({}), "8.8.8.8", is_mcp=True)])
    assert visitors.visitor_in(other) != who
