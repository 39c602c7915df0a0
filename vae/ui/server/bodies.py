"""What the body of a request may hold, looked at before Gradio does anything with it.

Gradio decodes multipart text by any codec that the request names (Python's punycode takes quadratic time, and
the event loop stands still), builds whatever JSON says however many million lists that is, and takes any path
in the folder of uploads for a file.
"""

from __future__ import annotations

import json
from typing import Any

from gradio_client.utils import is_http_url_like
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers

from vae.ui.server import files

MAX_PARTS = 8  # of a multipart body; the page sends each picture in an upload of its own
MAX_VALUES = 5_000  # of a JSON body: some 70 are the most that the page sends
MAX_DEPTH = 16
KEPT_NAMES, MAX_NAME = ("session_hash", "event_id", "oauth_token"), 64  # Gradio remembers them for long
MAX_PICTURES = 8  # that one request may name: four digits a side


class Refused(Exception):
    """The request is not passed on: its status and one sentence that says why."""

    def __init__(self, status: int, sentence: str, headers: Any = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


class Parts:
    """Counts the parts of a multipart body as it comes. Raises Refused for what is none, or not UTF-8."""

    def __init__(self, headers: Headers) -> None:
        kind, options = parse_options_header(headers.get("content-type", ""))
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise Refused(400, "An upload is sent as multipart/form-data.")
        if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8"):
            raise Refused(415, "An upload is sent in UTF-8.")
        self._boundary = b"--" + boundary
        self._tail = b""  # a boundary may lie across two chunks
        self._count = 0

    def count(self, chunk: bytes) -> None:
        """Raises Refused when there are too many."""
        seen = self._tail + chunk
        self._count += seen.count(self._boundary)
        self._tail = seen[max(0, len(seen) - len(self._boundary) + 1) :]
        if self._count > MAX_PARTS + 1:  # one more closes the last part
            raise Refused(413, f"At most {MAX_PARTS} files can be sent at once.")


def check_json(body: bytes, is_mcp: bool) -> Any:
    """What a body says. Raises Refused where it is no JSON, has too much in it, or names what is no picture of ours."""
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:  # more than there are values: texts have commas
        raise Refused(413, "This request has too many values.")
    try:
        value = json.loads(body)
        pictures = pictures_in(value)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise Refused(400, "This request is no JSON that I can read.") from None
    names = [value.get(name) for name in KEPT_NAMES] if isinstance(value, dict) else []
    if not all(name is None or (isinstance(name, str) and len(name) <= MAX_NAME) for name in names):
        raise Refused(400, "This request has a name in it that is too long.")
    if len(pictures) > MAX_PICTURES:
        raise Refused(413, f"At most {MAX_PICTURES} pictures can be sent at once.")
    for picture in pictures:
        check_picture(picture, is_mcp)
    return value


def pictures_in(value: Any, depth: int = 0) -> list[dict[str, Any]]:
    """Every object in a value that Gradio would take for a file, or nearly so. Raises Refused."""
    if depth > MAX_DEPTH:
        raise Refused(413, "This request has too many values in each other.")
    if isinstance(value, dict):
        own = [value] if isinstance(value.get("path"), str) and "meta" in value else []
        return own + pictures_in(list(value.values()), depth + 1)
    if isinstance(value, list):
        return [picture for one in value for picture in pictures_in(one, depth + 1)]
    return []


def check_picture(picture: dict[str, Any], is_mcp: bool) -> None:
    """Raise Refused for what is neither an address nor a file that was uploaded.

    By MCP there are only addresses and `data:` URLs, which are texts: of an object with a path, Gradio's
    client, which runs on this side, would upload the file of that name.
    """
    if is_mcp:
        raise Refused(400, "By MCP a picture is given as an address or a data: URL.")
    if not isinstance(picture["meta"], dict):
        raise Refused(400, "This request is no JSON that I can read.")
    if not is_http_url_like(picture["path"]) and not files.is_kept(picture["path"]):
        raise Refused(400, "That picture is not here any more; please send it again.")
