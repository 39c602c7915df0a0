"""Stopping as containers and people do, by signals to processes of their own; and what dead ones leave."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from serving import free_port, until

from vae.ui.server import files, stopping

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")

SERVER = """
import logging, sys, time
from pathlib import Path
import gradio as gr
from gradio import networking
from vae import giving_up
from vae.ui.server import files, launch, stopping
from vae.ui.server.events import in_turn
from vae.ui.server.turns import Work

port, done = int(sys.argv[1]), Path(sys.argv[2])
stopping.DRAIN_SECONDS = 60.0
logging.basicConfig(format="%(message)s")
stopping.listen()
files.own_folder()

def work():
    files.keep(b"x", "begun.png")
    while not done.exists():
        giving_up.check()
        time.sleep(0.01)
    return "made"

async def wait(text):
    return await in_turn(lambda _: Work(1, work), [text])

ask = networking.url_ok
networking.url_ok = lambda url: (time.sleep(1), ask(url))[1]  # it serves for a while before `launch` is through

with gr.Blocks(analytics_enabled=False) as demo:
    gr.Button().click(wait, gr.Textbox(), gr.Textbox(), api_name="wait")
launch.launch(demo, host="127.0.0.1", port=port, quiet=True)
"""


# As a container's first process: one that says nothing of signals, the system never ends by them.
APART = [
    "unshare",
    *([] if getattr(os, "getuid", int)() == 0 else ["--user", "--map-root-user"]),
    "--pid",
    "--fork",
    "--kill-child",
]


def can_be_apart() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*APART, "true"], stderr=subprocess.DEVNULL).returncode == 0


class Process:
    """A small page in a process of its own, whose function waits for the file `done`; `before` stands before its
    command."""

    def __init__(self, folder: Path, before: Sequence[str] = ()) -> None:
        self.folder, self.done = folder, folder / "done"
        folder.mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [*before, sys.executable, "-c", SERVER, str(port), self.done],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "GRADIO_TEMP_DIR": str(folder)},
            stdout=self._log,
            stderr=self._log,
        )

    @property
    def own(self) -> list[Path]:
        """The folders of files."""
        return list(self.folder.glob(f"{files.PREFIX}*"))

    def health(self) -> tuple[int, str]:
        """The status of the answer, and the one that it names; 0 where nobody answers."""
        return self._ask("/healthz", "status")

    def page(self) -> int:
        return self._ask("/", "")[0]

    def call(self) -> tuple[int, str]:
        """Call the function: the status, and what it ends with or why it was refused."""
        status, event = self._ask("/gradio_api/call/wait", "event_id", json.dumps({"data": ["x"]}).encode())
        return self._ask(f"/gradio_api/call/wait/{event}", "") if status == 200 else (status, event)

    def _ask(self, path: str, name: str, body: bytes | None = None) -> tuple[int, str]:
        kind = {"content-type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, body, kind), timeout=60) as answer:
                text = answer.read().decode()
                return answer.status, json.loads(text)[name] if name else text
        except urllib.error.HTTPError as error:
            found = json.load(error)
            return error.code, found.get(name) or found["detail"]
        except OSError:
            return 0, ""

    def ready(self) -> None:
        until(lambda: self.health()[0] == 200 or self._process.poll() is not None, 300)
        assert self._process.poll() is None, self.log()

    def begun(self) -> None:
        """Return when the function runs."""
        until(lambda: any(path.name == "begun.png" for folder in self.own for path in folder.rglob("*")))

    def tell(self, number: int) -> None:
        self._process.send_signal(number)

    def inner(self) -> int:
        """The number, out here, of the process that `unshare` has started."""
        return int(Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text())

    def ended(self) -> int:
        return self._process.wait(60)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Process]]:
    """By name; they start side by side."""
    base = tmp_path_factory.mktemp("stopping")
    running = {name: Process(base / name) for name in ("patient", "hurried")}
    if can_be_apart():
        running["first"] = Process(base / "first", APART)

    def ready(name: str) -> Process:
        running[name].ready()
        return running[name]

    yield ready
    for process in running.values():
        with process:
            pass


def test_what_is_under_way_is_finished_and_nothing_begun(processes: Callable[[str], Process]) -> None:
    server = processes("patient")
    with ThreadPoolExecutor(1) as caller, server:  # killed if something fails, as the caller waits for it
        called = caller.submit(server.call)
        server.begun()
        assert server.health() == (200, "ok")
        server.tell(signal.SIGTERM)
        until(lambda: server.health() == (503, "stopping"))
        assert server.call() == (503, "This server is being restarted; please try again in a minute.")
        assert server.page() == 200 and not called.done()
        server.done.touch()
        status, said = called.result()
        assert server.ended() == 0
    assert status == 200 and 'event: complete\ndata: ["made"]' in said
    assert not server.own and "Traceback" not in server.log()


def test_who_asks_twice_is_not_kept_waiting(processes: Callable[[str], Process]) -> None:
    server = processes("hurried")
    with ThreadPoolExecutor(1) as caller, server:  # killed if something fails, as the caller waits for it
        called = caller.submit(server.call)
        server.begun()
        server.tell(signal.SIGINT)
        until(lambda: server.health() == (503, "stopping"))
        server.tell(signal.SIGINT)
        assert server.ended() == 0
        assert "This was given up; please ask again." in called.result()[1]
    assert not server.own


@pytest.mark.skipif("not can_be_apart()", reason="no process can be put apart here")
def test_a_containers_first_process_stops_too(processes: Callable[[str], Process]) -> None:
    server = processes("first")
    with ThreadPoolExecutor(1) as caller, server:
        assert Path(f"/proc/{server.inner()}/status").read_text().split("NSpid:")[1].splitlines()[0].split()[-1] == "1"
        called = caller.submit(server.call)
        server.begun()
        os.kill(server.inner(), signal.SIGTERM)
        until(lambda: server.health() == (503, "stopping"))
        server.done.touch()
        assert 'data: ["made"]' in called.result()[1] and server.ended() == 0
    assert not server.own and "Traceback" not in server.log()


HOLDER = """
import fcntl, os, sys, time
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


def test_what_dead_processes_have_left_is_removed_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("mcp", "routes"):
        monkeypatch.setattr(f"gradio.{module}.DEFAULT_TEMP_DIR", "")
    monkeypatch.setattr(files, "_own", None)
    monkeypatch.setattr(files.atexit, "register", lambda call: None)
    held = tmp_path / f"{files.PREFIX}abcdefgh"
    others = [held] + [tmp_path / name for name in ("digit-morph-main", "digit-morph-files", "gradio")]
    for other in others:
        other.mkdir()
    held.joinpath("file").write_bytes(b"x")
    (tmp_path / f"{files.PREFIX}link").symlink_to(tmp_path / "gradio")

    def start() -> Path:
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
        return files.own_folder()

    command = [sys.executable, "-c", HOLDER, str(held)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        first = start()
        assert all(other.is_dir() for other in others)
        assert first.is_dir() and not list(tmp_path.glob(".*"))
        holder.kill()
    second = start()  # of a process that has a folder already, as an example: both are held
    assert not held.exists() and all(other.is_dir() for other in others[1:])
    assert first.is_dir() and second.is_dir()
    files.remove_own()
    assert not second.exists()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_process_says_itself_what_signals_do() -> None:
    """A container's first process ignores those of which it says nothing."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for number in before:
            signal.signal(number, signal.SIG_DFL)
        stopping.listen()
        caught = int(Path("/proc/self/status").read_text().split("SigCgt:")[1].split()[0], 16)
        assert all(caught >> number - 1 & 1 for number in before)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_signal_while_it_loads_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "serving", threading.Event())
    with pytest.raises(SystemExit) as ended:
        stopping._on_signal(signal.SIGTERM, None)
    assert not ended.value.code


@pytest.mark.parametrize("closed", [False, True], ids=["its time is over", "somebody has closed it"])
def test_what_does_not_end_is_given_up(closed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in ("asked", "again"):
        monkeypatch.setattr(stopping, name, threading.Event())
    monkeypatch.setattr(stopping, "DRAIN_SECONDS", 0.01)
    monkeypatch.setattr(stopping, "_end", lambda: None)
    if not closed:
        stopping.asked.set()
    demo = SimpleNamespace(is_running=not closed, close=lambda verbose: done.append("closed"))
    stopping.serve(demo, lambda: False, lambda: done.append("given up"))  # type: ignore[arg-type]
    assert done == ([] if closed else ["given up", "closed"])
