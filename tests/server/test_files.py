"""The folder of what is uploaded and made, and its sweeping."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio.mcp
import gradio.routes
import pytest
from serving import run as in_thread

from vae.errors import Busy
from vae.ui.server import files, sessions

MB = 10**6


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def written(path: Path, size: int = 1) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def test_a_file_is_kept_where_nobody_can_guess(folder: Path) -> None:
    one, other = (Path(files.keep(b"data", "3-to-8.gif")) for _ in range(2))
    assert one != other and one.name == "3-to-8.gif" and one.read_bytes() == b"data"
    assert files.is_kept(str(one))


def test_only_files_of_the_folder_are_kept(folder: Path) -> None:
    inside, outside = written(folder / "a" / "b.png"), written(folder.parent / "secret")
    (folder / "link").symlink_to(outside)
    (folder / "within").symlink_to(inside)
    assert files.is_kept(str(inside)) and files.is_kept(str(folder / "x" / ".." / "a" / "b.png")) is False
    for path in (outside, folder, folder / "a", folder / "link", folder / "within", folder / "missing"):
        assert not files.is_kept(str(path))
    began = time.monotonic()
    assert not files.is_kept("/" + "../" * 4_000_000) and time.monotonic() - began < 60  # it took an hour
    for name in ("", ".", "\0", "a" * 10_000, "../secret", str(folder / "a" / ".." / ".." / "secret")):
        assert not files.is_kept(name)


def test_what_is_old_goes_wherever_it_lies(folder: Path) -> None:
    later = time.time() + 601
    paths = [written(folder / name) for name in ("tmpabc", "a/upload.png", "b/data", "b/more")]
    (folder / "c").mkdir()
    (folder / "link").symlink_to("/nowhere")
    assert files.sweep(folder, 600) == (0, sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()))
    assert all(path.exists() for path in paths)
    assert files.sweep(folder, 600, now=later) == (5, 0)
    assert list(folder.iterdir()) == []  # empty folders go as well, when nothing can be on its way into them
    assert files.sweep(folder / "missing", 600) == (0, 0)


def test_of_too_much_the_oldest_goes(folder: Path) -> None:
    for k in range(4):
        written(folder / str(k) / "file", 100)
        time.sleep(0.02)  # times of files are no finer everywhere
    assert files.sweep(folder, 600, most_bytes=250) == (2, 200)
    assert sorted(path.parent.name for path in folder.rglob("file")) == ["2", "3"]


def sweeping(sweeper: files.Sweeper, happened: Callable[[], object]) -> None:
    """Let it sweep until that has happened."""

    async def run() -> None:
        task = asyncio.create_task(sweeper.run())
        async with asyncio.timeout(60):
            while not happened():
                await asyncio.sleep(0.005)
        task.cancel()

    in_thread(run())


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SWEEP_SECONDS", 0.001)
    monkeypatch.setattr(files.gc, "collect", lambda: 0)  # here it takes a second: nothing is frozen


@pytest.mark.usefixtures("hasty")
def test_sweeping_outlives_what_goes_wrong(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Gradio's own ends for ever, without a word, at the first file that it cannot remove."""
    calls: list[Path] = []

    def failing_once(path: Path, age: float) -> tuple[int, int]:
        calls.append(path)
        if len(calls) == 1:
            raise IsADirectoryError("a folder")
        return 0, 7

    monkeypatch.setattr(files, "sweep", failing_once)
    sweeper = files.Sweeper()
    with caplog.at_level(logging.ERROR):
        sweeping(sweeper, lambda: len(calls) > 3)
    assert sweeper.bytes == 7
    assert "sweeping failed" in caplog.text and "IsADirectoryError" in caplog.text


@pytest.mark.usefixtures("hasty")
def test_a_sweeper_that_does_not_get_through_is_not_well(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[Any] = []
    monkeypatch.setattr(files.log, "exception", failed.append)
    monkeypatch.setattr(files, "sweep", lambda *_: 1 / 0)
    sweeper = files.Sweeper()
    last = sweeper._last
    sweeping(sweeper, lambda: len(failed) > 3)
    assert sweeper.is_well and sweeper._last == last
    monkeypatch.setattr(files, "UNWELL_SECONDS", 0)
    assert not sweeper.is_well
    monkeypatch.setattr(files, "UNWELL_SECONDS", 300)
    monkeypatch.setattr(files, "sweep", lambda *_: (0, 0))
    sweeping(sweeper, lambda: sweeper._last > last)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library keeps what it likes")
@pytest.mark.usefixtures("hasty")
def test_a_sweeper_hands_free_memory_back(folder: Path) -> None:
    """Holes between what stays: the library itself hands back only what is free at the end of its heap."""
    library = ctypes.CDLL(None)
    library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    blocks = [library.malloc(100_000) for _ in range(2000)]
    for block in blocks:
        ctypes.memset(block, 1, 100_000)
    for number, block in enumerate(blocks):
        if number % 20:
            library.free(block)
    full = resident()
    sweeping(files.Sweeper(), lambda: resident() < full - 100 * MB)
    for block in blocks[::20]:
        library.free(block)


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_nothing_is_taken_when_the_folder_is_full(folder: Path) -> None:
    sweeper = files.Sweeper()
    sweeper.expect(files.MOST_BYTES - 10)
    sweeper.expect(10)
    with pytest.raises(Busy, match="in a minute"):
        sweeper.expect(1)
    sweeper.came(10, 4)
    sweeper.expect(6)


@pytest.mark.usefixtures("hasty")
def test_gradio_forgets_what_is_gone_and_what_nobody_fetched(folder: Path) -> None:
    there = str(written(folder / "a" / "there"))
    lists = [{there, str(folder / "gone")}, {str(folder / "gone too")}]
    queue = SimpleNamespace(
        pending_messages_per_session={"old": 1, "new": 2, "busy": 3},
        pending_event_ids_session={"old": set(), "busy": {"x"}, "left": {"y"}},
        event_ids_to_events={"x": SimpleNamespace(session_hash="busy")},
    )
    abandoned = sessions.Abandoned(SimpleNamespace(_queue=queue, temp_file_sets=lists))
    abandoned._idle = dict.fromkeys(("old", "left", "gone"), time.monotonic() - 61)
    sweeping(files.Sweeper(abandoned.forget), lambda: lists == [{there}, set()])
    assert set(queue.pending_messages_per_session) == {"new", "busy"}
    assert set(queue.pending_event_ids_session) == {"busy"} and set(abandoned._idle) == {"new"}


def test_a_process_has_a_folder_of_its_own_and_takes_it_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_exit: list[Callable[[], object]] = []
    monkeypatch.setattr(files.atexit, "register", lambda *call, **how: at_exit.append(partial(*call, **how)))
    base = tmp_path / "not there yet"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(base))
    for module in (gradio.mcp, gradio.routes):
        monkeypatch.setattr(module, "DEFAULT_TEMP_DIR", "")
    folder = files.own_folder()
    assert folder.parent == base.resolve()
    assert gradio.mcp.DEFAULT_TEMP_DIR == gradio.routes.DEFAULT_TEMP_DIR == os.environ["GRADIO_TEMP_DIR"] == str(folder)
    assert Path(files.keep(b"x", "a.png")).parents[1] == folder
    for call in at_exit:
        call()
    assert list(base.iterdir()) == []
