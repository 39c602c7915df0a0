"""Whatever a stranger's request has in it, the guard passes it on or refuses it in a sentence."""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from values import JSON, mutated, refused_at_most

from vae.ui.server import exchange, files, visitors
from vae.ui.server.bodies import MAX_PARTS, Parts, Refused, check_json
from vae.ui.server.exchange import Held
from vae.ui.server.guard import (
    API,
    DROPPED,
    FORWARDED,
    check_password,
    check_target,
    cleaned_headers,
    content_security_policy,
    logged_path,
)
from vae.ui.server.pictures import is_public
from vae.ui.server.turns import Visitor

LATIN = st.text(st.characters(max_codepoint=255), max_size=40)
ADDRESSES = st.ip_addresses().map(str)
META = {"_type": "gradio.FileData"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("files")
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        files.keep(b"picture", "a.png")
        yield folder


# --- bodies ---

FILES = st.fixed_dictionaries(
    {"path": st.sampled_from(["/etc/passwd", "..", "https://a/b.png", "\ud800", "a\0b", "/" * 2000]) | JSON},
    optional={"meta": st.just(META) | JSON, "url": JSON},
)
BODIES = st.fixed_dictionaries(
    {"data": st.lists(FILES | JSON, max_size=12) | JSON}, optional={"session_hash": JSON, "event_id": JSON}
)


@given(
    st.binary(max_size=300)
    | (BODIES | JSON).map(lambda body: json.dumps(body).encode())
    | mutated(BODIES.map(lambda body: json.dumps(body).encode())),
    st.booleans(),
)
@example(b"9" * 5000, False)
@example(b'{"data":[' + b'{"path":"a","meta":{}},' * 2000 + b"{}]}", False)
@example(json.dumps({"data": [{"path": "\ud800", "meta": META}]}).encode(), False)
def test_json_bodies(folder: Path, body: bytes, is_mcp: bool) -> None:
    with refused_at_most(Refused):
        check_json(body, is_mcp)
        for path in re.findall(rb'"path": "(/[^"]+)"', body):
            assert not is_mcp or not path.startswith(bytes(folder))


KINDS = st.builds(
    "{}; {}={}; {}={}".format,
    st.sampled_from(["multipart/form-data", "multipart/mixed", ""]) | LATIN,
    *[st.sampled_from(["boundary", "charset", "boundary*", "BOUNDARY"]) | LATIN, LATIN | st.just("utf-8")] * 2,
)


@given(KINDS | LATIN, st.lists(st.binary(max_size=50) | st.just(b"--b\r\n"), max_size=30))
@example("multipart/form-data; boundary=b", [b"--b\r\n"] * (MAX_PARTS + 2))
@example("multipart/form-data; boundary=b", [b"-"] * 5000)
def test_uploads(kind: str, chunks: list[bytes]) -> None:
    with refused_at_most(Refused):
        parts = Parts(Headers(raw=[(b"content-type", kind.encode("latin-1"))]))
        for chunk in chunks:
            parts.count(chunk)
        assert b"".join(chunks).count(parts._boundary) <= MAX_PARTS + 1


@given(st.lists(st.tuples(st.sampled_from(["", "192.0.2.1", "192.0.2.2"]), st.integers(0, 100 * 2**20)), max_size=20))
def test_what_is_held_is_given_back_to_the_last_byte(taken: list[tuple[str, int]]) -> None:
    held, by = Held(), Counter[str]()
    for address, size in taken:
        by[address] += size
        much = by.total() > exchange.MAX_HELD or (address and by[address] > exchange.MAX_HELD_BY_ONE)
        try:
            held.take(address, size)
            assert not much
        except Refused:
            assert much
    for address, size in taken:
        held.give_back(address, size)
    assert held._all == 0 and not held._by


# --- the guard's rules ---

PATHS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", API, "/digits" + API, "/", "//"]),
    st.sampled_from(["file=", "file/", "mcp", "mcp/", "call/", "upload", "component_server", ""])
    | st.text(max_size=10),
    st.text(max_size=60),
)


@given(PATHS | mutated(PATHS.map(str.encode)).map(lambda path: path.decode(errors="replace")), st.binary(max_size=30))
def test_targets(path: str, query: bytes) -> None:
    with refused_at_most(Refused):
        check_target(path, query)
        check_target(path, query, "/digits")
    shown = logged_path(path)
    assert shown.isascii() and shown.isprintable() and len(shown) <= 1200


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"range", b"host", *DROPPED, *FORWARDED]) | st.binary(max_size=10),
        st.sampled_from([b"bytes=0-9", b"bytes=0-0-0", b"bytes=-5"]) | st.binary(max_size=30),
    ),
    max_size=8,
)


@given(HEADERS, st.booleans())
def test_headers(raw: list[tuple[bytes, bytes]], trust_proxy: bool) -> None:
    kept = cleaned_headers(Headers(raw=raw), trust_proxy)
    names = {name for name, _ in kept}
    assert not names & DROPPED and (trust_proxy or not names & FORWARDED)
    assert all(re.fullmatch(rb"Bytes=\d*-\d*", value) for name, value in kept if name == b"range")
    assert [header for header in raw if header[0] not in {*DROPPED, *FORWARDED, b"range"}] == [
        header for header in kept if header[0] not in {*FORWARDED, b"range"}
    ]


@given(st.text(max_size=60), st.text(max_size=8))
@example("https://schule.example;script-src *", "")
@example("https://пример.рф\0", "1")
def test_the_policy_is_one_header_of_twelve_rules(frames: str, space: str) -> None:
    policy = content_security_policy({"DIGIT_MORPH_FRAMES": frames, "SPACE_ID": space})
    assert policy.isascii() and policy.isprintable()
    assert policy.count(";") == 11 and "," not in policy


@given(LATIN, LATIN.filter(lambda auth: ":" in auth) | st.just("user:password"))
def test_passwords(sent: str, auth: str) -> None:
    with refused_at_most(Refused):
        check_password("/", Headers(raw=[(b"authorization", sent.encode("latin-1"))]), auth)
        assert sent.lower().startswith("basic ")


# --- who asks, and what may be fetched ---

HOPS = st.builds(
    "{}{}{}".format, st.sampled_from(["", "[", " "]), ADDRESSES | LATIN, st.sampled_from(["", "]:80", ":80"])
)


@given(st.none() | st.tuples(ADDRESSES | st.text(max_size=20), st.integers(0, 65535)), st.lists(HOPS), st.booleans())
def test_addresses_of_visitors(client: Any, hops: list[str], trust_proxy: bool) -> None:
    lines = Headers(raw=[(b"x-forwarded-for", hop.encode("latin-1")) for hop in hops])
    address = visitors.address_of({"client": client}, lines, trust_proxy)
    assert not address or ipaddress.ip_network(address)
    assert trust_proxy or address == visitors.address_of({"client": client}, Headers(), False)
    forged = Headers(raw=[(visitors.HEADER.encode(), hop.encode("latin-1")) for hop in hops])
    introduced = Headers(raw=[visitors.introduce(forged, address, is_mcp=False)])
    assert visitors.visitor_in(introduced, "page") == Visitor(address, "page")


@given(st.ip_addresses())
@example(ipaddress.ip_address("2002:7f00:1::"))
@example(ipaddress.ip_address("64:ff9b::a00:1"))
@example(ipaddress.ip_address("::ffff:192.168.0.1"))
def test_only_global_addresses_are_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if is_public(str(address)):
        assert (
            address.is_global or inner or address in ipaddress.ip_network("64:ff9b::/96")
        ) and not address.is_multicast
        assert inner is None or inner.is_global
    assert is_public(f"{address}%eth0") == is_public(str(address))


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_looked_at(address: ipaddress.IPv4Address) -> None:
    for outer in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert is_public(outer) == is_public(str(address))
