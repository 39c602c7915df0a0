"""A file that somebody sent -> the same file with no more in it than its first picture: `plain`.

PIL reads what else may be in a file (notes, colour profiles, animations, many EXIF tags) before anybody can
ask it how large the picture is, and some of that it reads slowly or many times over: a few kilobytes could
keep it busy for minutes or fill gigabytes. None of it changes what is read, so none of it reaches PIL.
"""

import re
import struct

PNG = b"\x89PNG\r\n\x1a\n"
PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"IEND")
EXIF = b"Exif\0\0"
SCAN = re.compile(rb"\xff\xda\0[\x08\x0a\x0c\x0e]")  # within a picture, FF is followed by 00
MOST_SCANS = 30  # a progressive JPEG has ten, and each goes over the whole picture, however few its bytes
GIF_CONTROL = b"!\xf9\x04"  # of a frame: its transparent colour, and how it is taken away again
BMP_RUNS = (1, 2)  # compressions that PIL unpacks pixel by pixel, in Python


def plain(data: bytes) -> bytes:
    """Leave out of a PNG, JPEG, GIF or BMP what is not its first picture; any other file stays as it is.

    Raises:
        ValueError, IndexError, struct.error: a file that nobody draws, or no such file after all.
    """
    if data.startswith(PNG):
        return _png(data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(b"GIF8"):
        return _gif(data)
    if data.startswith(b"BM"):
        _check_bmp(data)
    return data


def _png(data: bytes) -> bytes:
    """Only the chunks that the picture is made of: no text, no colour profile, no animation."""
    parts, at = [PNG], len(PNG)
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])  # length, name, ..., checksum
        if data[at + 4 : at + 8] in PNG_CHUNKS:
            parts.append(data[at:end])
        at = end
    return b"".join(parts)


def _jpeg(data: bytes) -> bytes:
    """With one EXIF block at most: PIL joins them, and copies what each tag points at, be it all of them."""
    if len(SCAN.findall(data)) > MOST_SCANS:
        raise ValueError("too many scans")
    before, exif, after = data.partition(EXIF)
    return before + exif + after.replace(EXIF, EXIF.lower())


def _gif(data: bytes) -> bytes:
    """The header, and the first frame without what comes before it: comments, which PIL joins block by block,
    and word that it is to be cleared away again, for which PIL fills another of its size."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 128 else 0)  # after the colours that all frames share
    parts = [data[:at]]
    while data[at] != ord(","):
        start, at = at, at + 1
        if data[start] == ord("!"):  # what is neither this nor a frame, PIL skips
            at += 1
            while data[at]:
                at += 1 + data[at]
            at += 1
            if data[start : start + 3] == GIF_CONTROL:
                parts += [GIF_CONTROL, bytes([data[start + 3] & 0b11100011]), data[start + 4 : at]]
    return b"".join([*parts, data[at:]])


def _check_bmp(data: bytes) -> None:
    header, compression = struct.unpack_from("<I12xI", data, 14)
    if header > 12 and compression in BMP_RUNS:
        raise ValueError("a BMP of runs")
