"""Damaged pictures are read or refused, and what once broke stays mended."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from values import mutated

from tests.fuzz import pictures
from vae.picture_file import PNG, plain

MAGIC = [PNG, b"\xff\xd8", b"GIF87a", b"GIF89a", b"BM", b"RIFF\0\0\0\0WEBP"]
SMALL = st.sampled_from([data for data in pictures.wholes() if len(data) < 4000])


@given(mutated(SMALL) | st.builds(bytes.__add__, st.sampled_from(MAGIC), st.binary(max_size=400)))
@example(PNG + b"\xff\xff\xff\xffIHDR")
@example(b"GIF89a" + b"\xff" * 7 + b"!" * 3000)
def test_nothing_is_added_to_a_picture(data: bytes) -> None:
    try:
        left = plain(data)
    except (ValueError, IndexError, struct.error):
        return
    assert len(left) <= len(data) and left[:3] == data[:3]


@pytest.mark.parametrize("path", sorted(pictures.CRASHES.glob("*")), ids=lambda path: path.name)
def test_what_once_broke_stays_mended(path: Path) -> None:
    assert pictures.replayed(path) == ""


def test_pictures_that_break_the_reader_are_kept(tmp_path: Path) -> None:
    count, found = pictures.fuzz(seconds=300, most=5, kept=tmp_path, seed=1, breaks=True, patience=2)
    said = ["ZeroDivisionError", "MemoryError", "ended with -11", "took 2 seconds"]
    assert count == 5 and len(found) == len(said)
    for number, (line, fault) in enumerate(zip(found, said, strict=True), start=1):
        kept = tmp_path / f"seed-1-{number}"
        assert line.startswith(f"{kept}: {fault}") and kept.read_bytes() == pictures.mutant(1, number)
