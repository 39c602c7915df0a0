"""What visitors upload and what is made for them: in one folder of this process, for ten minutes.

Gradio writes uploads, fetched pictures and MCP's data to the folder that GRADIO_TEMP_DIR names, and deletes
them by itself (`delete_cache`) only if each is in one of its lists and a file: what is given up half-way or
comes by MCP stays for ever, and a folder in a list ends its sweeping without a word. So everything in the
folder is swept here, whoever wrote it.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gradio.mcp
import gradio.routes
from gradio.utils import get_upload_folder

from vae import giving_up
from vae.errors import Busy
from vae.request import MorphResult

try:
    import fcntl
except ImportError:  # Windows has no such locks: what dead processes left stays there
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("digit_morph.files")

KEPT_SECONDS = 600
LONGEST_PATH = 1024
SWEEP_SECONDS = 20
UNWELL_SECONDS = 300  # without a sweep that went through
MOST_BYTES = 2**30  # of all files together: nothing more is taken; beyond half of it the oldest are swept
SETTLED_SECONDS = 60  # an empty folder may be one that a file is just being put into
PREFIX = "digit-morph-files-"  # what is called so and nobody holds is deleted

_own: tuple[Path, int | None] | None = None  # the folder of this process, and the descriptor that locks it


def own_folder() -> Path:
    """A new folder for this process's files, removed when it ends; to be called before the page is built.
    Those that dead processes have left beside it are removed.

    Not the folder that all of Gradio's programs on a machine share: sweeping takes everything in it.
    """
    base = os.environ.get("GRADIO_TEMP_DIR") or None
    if base:
        Path(base).mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=base)).resolve()
    lock = _lock(made)
    folder = made.rename(made.with_name(made.name[1:]))  # only now others look at it
    global _own
    _own = folder, lock
    atexit.register(remove_own)
    _remove_left(folder)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)  # how Gradio is told
    for module in (gradio.mcp, gradio.routes):  # they looked at the environment when they were imported
        module.DEFAULT_TEMP_DIR = str(folder)
    return folder


def remove_own() -> None:
    """Remove this process's folder, if it has one."""
    if _own:
        shutil.rmtree(_own[0], ignore_errors=True)


def _remove_left(own: Path) -> None:
    """Remove the folders that processes which are gone have left beside our `own`."""
    for folder in own.parent.glob(f"{PREFIX}*"):
        lock = _lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
            log.info("removed the files that an ended process had left")


def _lock(folder: Path) -> int | None:
    """Lock a folder of ours for as long as this process lives, or the descriptor is open; None where another process
    has, or it is somebody else's.

    Not by the process's number: it is given again, and in every container the first is 1.
    """
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:  # it is taken, or locks are unknown here
        pass
    os.close(descriptor)
    return None


def new(name: str) -> Path:
    """Where a new file called `name` can be written: at an address that nobody can guess."""
    folder = Path(get_upload_folder()) / secrets.token_urlsafe(16)
    folder.mkdir(parents=True)
    return folder / name


def keep(data: bytes, name: str) -> str:
    """Write `data` to a new file called `name`; returns its path."""
    giving_up.check()
    path = new(name)
    path.write_bytes(data)
    return str(path)


def keep_morph(result: MorphResult, format: str) -> str:
    """Write one of a morph's files, named after its numbers; returns its path."""
    return keep(result.files[format], f"{name_of(result)}.{format}")


def name_of(result: MorphResult) -> str:
    """What a morph's files are called, without a suffix."""
    return "-to-".join(reading.number for reading in result.readings)


def is_kept(path: str) -> bool:
    """Whether `path` is a file, and no link or folder, in the folder of this process."""
    if len(path) > LONGEST_PATH or ".." in path.split("/"):  # to resolve it would take quadratic time
        return False
    given = Path(path)
    try:
        within = given.resolve(strict=True).is_relative_to(Path(get_upload_folder()).resolve())
        return within and given.is_file() and not given.is_symlink()
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return False


def sweep(
    folder: Path, age_seconds: float, most_bytes: int = MOST_BYTES // 2, now: float | None = None
) -> tuple[int, int]:
    """Delete the files in `folder` and its folders that are older than `age_seconds`, then the oldest while
    they are more than `most_bytes` together, and the folders that are empty.

    Returns how many files were deleted, and how many bytes are left. What cannot be deleted is logged.
    """
    now, found, left = time.time() if now is None else now, [], 0
    for path in [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]:
        try:
            status = path.lstat()
        except FileNotFoundError:  # renamed or deleted while we looked
            continue
        found.append((max(status.st_mtime, status.st_ctime), status.st_size, path))
        left += status.st_size
    swept = 0
    for written, size, path in sorted(found):
        if now - written <= age_seconds and left <= most_bytes:
            break
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("cannot delete a file: %s", error.strerror)
            continue
        swept, left = swept + 1, left - size
    folders = [path for path in folder.rglob("*") if path.is_dir()]
    for path in sorted(folders, reverse=True):  # inner ones first
        try:
            if now - path.stat().st_mtime > min(age_seconds, SETTLED_SECONDS):
                path.rmdir()
        except OSError:  # not empty, or gone
            continue
    return swept, left


class Sweeper:
    """Sweeps this process's folder now and then, whatever happens on the way; `tidy` is called each time."""

    def __init__(self, tidy: Callable[[], None] = lambda: None) -> None:
        self.folder = Path(get_upload_folder())
        self.bytes = 0  # in the folder: as of the last sweep, and what was announced since
        self._tidy = tidy
        self._last = time.monotonic()

    @property
    def is_well(self) -> bool:
        """Whether it swept lately."""
        return time.monotonic() - self._last < UNWELL_SECONDS

    def expect(self, size: int) -> None:
        """Something of about `size` bytes is going to be written. Raises Busy when there is no room."""
        if self.bytes + size > MOST_BYTES:
            raise Busy("Too many pictures are being sent just now; please try again in a minute.")
        self.bytes += size

    def came(self, expected: int, size: int) -> None:
        """Of `expected` bytes, `size` have come in the end."""
        self.bytes = max(0, self.bytes - expected + size)

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                swept, self.bytes = await asyncio.to_thread(sweep, self.folder, KEPT_SECONDS)
                self._tidy()
                gc.collect()  # circles that calls which failed have left
                self._last = time.monotonic()
                if swept:
                    log.info("swept %d files, %d bytes are left", swept, self.bytes)
            except Exception:  # a sweep that fails is one that failed: the next may do
                log.exception("sweeping failed")
            await asyncio.sleep(SWEEP_SECONDS)
