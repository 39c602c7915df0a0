"""Who asks: told apart by address, so that no visitor can take everybody's place.

The guard writes the address into a header of the request, where the events find it. A call by MCP reaches
them by a second request, which Gradio makes to its own page with the headers of the first: the secret in the
header says that it is one of ours, and to be kept.
"""

from __future__ import annotations

import ipaddress
import secrets
from typing import Any

import gradio as gr
from starlette.datastructures import Headers
from starlette.types import Scope

from vae.ui.server.turns import Visitor

HEADER = "x-digit-morph-visitor"
SECRET = secrets.token_urlsafe(16)


def address_of(scope: Scope, headers: Headers, trust_proxy: bool) -> str:
    """The visitor's address (of IPv6 the network, /64); "" for this computer's own, which says nothing: a
    proxy or a tunnel may stand there.

    Of what proxies wrote into X-Forwarded-For the last public address counts: what stands before it, the
    visitor may have made up.
    """
    peer = (scope.get("client") or ("",))[0]
    forwarded = ",".join(headers.getlist("x-forwarded-for")) if trust_proxy else ""  # some add a line
    for hop in reversed([*forwarded.split(","), peer]):
        try:
            address = ipaddress.ip_address(host_in(hop))
        except ValueError:
            continue
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_global:
            return str(ipaddress.ip_network((address, 64), strict=False) if address.version == 6 else address)
    try:
        own = ipaddress.ip_address(host_in(peer))
        return "" if own.is_loopback else str(own)
    except ValueError:  # a socket's name
        return ""


def host_in(hop: str) -> str:
    """An address as proxies write it, without its port, brackets and scope."""
    hop = hop.strip()
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    return hop.partition("%")[0]


def introduce(headers: Headers, address: str, is_mcp: bool) -> tuple[bytes, bytes]:
    """The header that says who asks; each call by MCP counts as a session of its own."""
    value = headers.get(HEADER, "")
    if not is_ours(headers):
        call = secrets.token_urlsafe(8) if is_mcp else ""
        value = f"{SECRET} {address} {call}"
    return HEADER.encode(), value.encode()


def is_ours(headers: Headers) -> bool:
    """Whether Gradio has sent this request to its own page."""
    return headers.get(HEADER, "").startswith(SECRET)


def visitor_in(headers: Any, session: str | None = None) -> Visitor:
    """Who the header says it is; `session` is that of a page, where the header names none."""
    _, address, call = headers.get(HEADER, "  ").split(" ")
    return Visitor(address, call or session or "")


def visitor_of(request: gr.Request | None) -> Visitor:
    """Who sent the request of an event."""
    return Visitor("", "") if request is None else visitor_in(request.headers, request.session_hash)
