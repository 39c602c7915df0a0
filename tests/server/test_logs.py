"""vae.ui.server.logs: what is left out of the log, and what is not."""

import logging
from collections.abc import Iterator

import pytest

from vae.ui.server import logs


class Kept(logging.Handler):
    """What a bounded handler writes."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(logs.Bounded())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds, as its only item."""
    now = [1000.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def kept(clock: list[float]) -> Iterator[Kept]:
    handler = Kept()
    loggers = [logging.getLogger(name) for name in ("digit_morph.requests", "test_logs")]
    for logger in loggers:
        logger.propagate = False
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    yield handler
    for logger in loggers:
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
        logger.removeHandler(handler)


def test_so_many_a_minute_and_how_many_were_left_out(kept: Kept, clock: list[float]) -> None:
    def warn(count: int) -> None:
        for number in range(count):
            logging.getLogger("test_logs").warning("soup %d", number)

    warn(logs.OTHERS + 5)
    assert kept.lines == [f"soup {number}" for number in range(logs.OTHERS)]
    logging.getLogger("test_logs").warning("of another kind")
    assert kept.lines.pop() == "of another kind"
    clock[0] += 60
    warn(2)
    assert kept.lines[logs.OTHERS :] == ["(5 lines like this one were left out) soup 0", "soup 1"]
    clock[0] += 60
    warn(1)
    assert kept.lines[-1] == "soup 0"


def test_busy_minutes_of_requests_are_logged_whole(kept: Kept, clock: list[float]) -> None:
    for _ in range(3):
        for _ in range(900):
            logging.getLogger("digit_morph.requests").info("GET / 200")
        clock[0] += 60
    assert kept.lines == ["GET / 200"] * 2700


def test_long_lines_are_shortened(kept: Kept) -> None:
    logger = logging.getLogger("test_logs")
    logger.warning("named %s here", "x" * 10**6)
    try:
        raise ValueError("sent " + "y" * 10**6)
    except ValueError:
        logger.exception("failed")
    message, failure = kept.lines
    assert len(message) < logs.LONGEST + 10 and message.startswith("named x") and message.endswith("x here")
    assert len(failure) < logs.LONGEST + 20 and failure.startswith("failed\nTraceback")
    assert "ValueError: sent y" in failure
