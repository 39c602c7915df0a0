"""Texts as they go over the wire: Brotli or gzip, whichever the visitor's browser takes."""

import functools
import gzip
import hashlib
from dataclasses import dataclass, field

import brotli
from starlette.datastructures import Headers

TEXTS = ("text/", "application/javascript", "application/json", "application/manifest+json", "image/svg+xml")
FOR_EVER = "public, max-age=31536000, immutable"  # of an answer that its address names for good
STREAM = "text/event-stream"
SMALLEST = 500  # bytes; less fits one packet as it is


def encoding_for(headers: Headers) -> str:
    """The encoding to answer in, by Accept-Encoding: "br", "gzip", or "" for none."""
    accepted = {}
    for part in ",".join(headers.getlist("accept-encoding")).split(","):
        name, _, weight = part.partition(";")
        accepted[name.strip().lower()] = weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return next((name for name in ("br", "gzip") if accepted.get(name)), "")


def is_text(content_type: str, size: int) -> bool:
    """Whether compression is worth it; pictures and fonts are compressed already, and a stream must not wait."""
    return size >= SMALLEST and content_type.startswith(TEXTS) and not content_type.startswith(STREAM)


def compress(body: bytes, encoding: str, quality: int) -> bytes:
    """`body` in an encoding that `encoding_for` names; `quality` is Brotli's, 0 to 11."""
    if encoding == "br":
        return brotli.compress(body, mode=brotli.MODE_TEXT, quality=quality)
    return gzip.compress(body, min(quality, 9), mtime=0) if encoding else body


@dataclass(frozen=True)
class Kept:
    """An answer that is the same for everybody, compressed once in each encoding that somebody asked for."""

    body: bytes
    content_type: str
    cache: str  # the header Cache-Control
    quality: int = 9  # Brotli's, 0 to 11
    more: tuple[tuple[bytes, bytes], ...] = ()  # further headers
    encoded: dict[str, bytes] = field(default_factory=dict, compare=False)

    @functools.cached_property
    def digest(self) -> str:
        return digest(self.body)

    def encoding(self, headers: Headers) -> str:
        return encoding_for(headers) if is_text(self.content_type, len(self.body)) else ""

    def in_encoding(self, encoding: str) -> bytes:
        if encoding not in self.encoded:
            self.encoded[encoding] = compress(self.body, encoding, self.quality)
        return self.encoded[encoding]


def digest(body: bytes) -> str:
    """A name for some bytes, which changes with them."""
    return hashlib.sha256(body).hexdigest()[:16]
