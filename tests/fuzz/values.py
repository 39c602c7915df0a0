"""What strangers may send, and what they may be told."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

LONGEST_SENTENCE = 200  # characters
SECONDS = 10  # a guard against hanging, no promise
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 2**31, 2**63, 0.5, 1e308, -0.0, ""])
    | st.floats()
    | st.text(max_size=40)
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner, max_size=6)
)
ANYTHING: st.SearchStrategy[Any] = JSON | st.binary(max_size=60) | st.complex_numbers() | st.decimals() | st.fractions()


def check_sentence(text: str) -> None:
    """One line, short, no path, no traceback."""
    assert len(text) <= LONGEST_SENTENCE and text.endswith("."), text
    assert re.match(r"[A-Z\"]", text) and not re.search(r"[\n\r\\]|/\w+/|Error|Traceback|<class|object at", text), text


@contextlib.contextmanager
def refused_at_most(*documented: type[Exception]) -> Iterator[None]:
    """What is in the block ends soon, well or with one of these, whose words a visitor can read."""
    began = time.monotonic()
    try:
        yield
    except documented as refusal:
        check_sentence(str(refusal))
    assert time.monotonic() - began < SECONDS


@st.composite
def mutated(draw: Any, wholes: st.SearchStrategy[bytes]) -> bytes:
    """Bytes of a good file or message in which some are changed, put in, taken out or said twice."""
    data = bytearray(draw(wholes))
    for _ in range(draw(st.integers(1, 4))):
        at, end = (draw(st.integers(0, len(data))) for _ in range(2))
        kind = draw(st.sampled_from(["change", "insert", "delete", "repeat", "cut"]))
        if kind == "change" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif kind == "insert":
            data[at:at] = draw(st.binary(max_size=8))
        elif kind == "delete":
            del data[at:end]
        elif kind == "repeat":
            data[at:at] = data[at : min(end, at + 1000)]
        elif kind == "cut":
            del data[at:]
    return bytes(data)
