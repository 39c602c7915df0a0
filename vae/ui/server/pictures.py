"""Pictures by API: a file that was uploaded, or an address it is fetched from.

Gradio fetches and reads what an event names while the event holds one of the few slots, one picture after the
other. With `picture` the function gets paths, and `fetched` brings what lies elsewhere to files before.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
from gradio_client.utils import is_http_url_like

from vae.errors import UnreadablePicture
from vae.reading import MOST_PLACES
from vae.ui.server import files

MiB = 2**20
MAX_FILE = 10 * MiB  # one uploaded picture, or one fetched from an address: a phone's photo fits
FETCH_SECONDS = 15.0  # for all pictures of a request
REDIRECTS = 5
UNICAST, NAT64 = ipaddress.ip_network("2000::/3"), ipaddress.ip_network("64:ff9b::/96")
AT_ONCE = 4  # fetches of a request; of all visitors, `turns` has so many places
RESOLVERS = ThreadPoolExecutor(8, thread_name_prefix="resolver")  # slow names keep nothing else waiting


class Address(str):
    """Where a picture is to be fetched."""


def picture(label: str, several: bool = False) -> gr.File:
    """The input of an endpoint; gives a path or an Address, or a list of at most MOST_PLACES of them.

    Two methods are replaced in the component itself: of a class that is derived from a component, Gradio
    writes a stub beside the source whenever it is imported.
    """
    file = gr.File(label=label, file_count="multiple" if several else "single")
    moved = file.async_move_resource_to_block_cache

    async def in_the_folder(place: Any) -> Any:
        return place if is_http_url_like(str(place)) else await moved(place)  # the others later, by `fetched`

    file.async_move_resource_to_block_cache = in_the_folder
    file.preprocess = places if several else place
    return file


def place(sent: Any) -> Path | Address | None:
    if sent is None:
        return None
    return Address(sent.path) if is_http_url_like(sent.path) else Path(sent.path)


def places(sent: Any) -> list[Path | Address | None] | None:
    found = None if sent is None else [place(file) for file in sent]
    if found and len(found) > MOST_PLACES:
        sentence = f"A number has one to {MOST_PLACES} digits; there are {len(found)} pictures."
        raise gr.Error(sentence, print_exception=False)
    return found


async def fetched(values: Sequence[Any]) -> list[Any]:
    """The same values, each Address among them or in a list of them replaced by the file fetched from it.

    All are fetched side by side, within FETCH_SECONDS. Raises UnreadablePicture.
    """

    at_once = asyncio.Semaphore(AT_ONCE)

    async def local(value: Any) -> Any:
        if isinstance(value, list):
            return await asyncio.gather(*map(local, value))
        if not isinstance(value, Address):
            return value
        async with at_once:
            return await fetch(value)

    try:
        async with asyncio.timeout(FETCH_SECONDS):
            return await asyncio.gather(*map(local, values))
    except (ValueError, OSError, httpx.HTTPError, httpx.InvalidURL) as error:  # a timeout is an OSError
        if isinstance(error, UnreadablePicture):
            raise
        raise UnreadablePicture("The picture could not be fetched from that address.") from None


async def fetch(address: str) -> Path:
    """Fetch a picture to a file of ours."""
    for _ in range(REDIRECTS + 1):
        # identity: a small gzip would make gigabytes
        request = client().build_request("GET", address, headers={"accept-encoding": "identity"})
        answer = await client().send(request, stream=True)
        try:
            if answer.has_redirect_location:
                address = str(httpx.URL(address).join(answer.headers["location"]))
                continue
            if answer.status_code != 200:
                raise ValueError(answer.status_code)
            return await saved(answer)
        finally:
            await answer.aclose()
    raise ValueError("too many redirects")


async def saved(answer: httpx.Response) -> Path:
    path, size = files.new("picture"), 0
    with path.open("wb") as file:
        async for chunk in answer.aiter_raw():
            size += len(chunk)
            if size > MAX_FILE:
                raise UnreadablePicture(f"The picture at that address is larger than {MAX_FILE // MiB} MB.")
            file.write(chunk)
    return path


@functools.cache
def client() -> httpx.AsyncClient:
    """No connection is kept: the next request to an address may be for another host there."""
    transport = PublicTransport(limits=httpx.Limits(max_keepalive_connections=0))
    return httpx.AsyncClient(transport=transport, trust_env=False)


class PublicTransport(httpx.AsyncHTTPTransport):
    """Connects to public addresses only, and to the very address that was looked at: a name may mean
    another one a moment later."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        found = await asyncio.get_running_loop().run_in_executor(RESOLVERS, resolved, host)
        public = next((address for address in found if is_public(address)), None)
        if public is None:
            raise ValueError("not a public address")
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=public)  # the header Host was written before
        return await super().handle_async_request(request)


def resolved(host: str) -> list[str]:
    """The addresses that a name stands for. Raises OSError, or UnicodeError for what is no name."""
    return [str(place[0]) for *_, place in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def is_public(address: str) -> bool:
    """Whether anybody on the internet could reach `address`. Of one that carries an IPv4 address within
    (mapped, 6to4, NAT64, Teredo), the address within counts as well."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv4Address):
        return found.is_global and not found.is_multicast and not found.is_reserved
    if found.ipv4_mapped or found in NAT64:
        return is_public(str(found.ipv4_mapped or ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    inner = found.sixtofour or (found.teredo and found.teredo[1])
    return found.is_global and found in UNICAST and (inner is None or is_public(str(inner)))
