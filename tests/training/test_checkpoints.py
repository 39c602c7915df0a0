"""Damaged checkpoints, two processes in one folder, what a killed one left."""

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import train
from vae.training import checkpoints
from vae.training.checkpoints import CHECKPOINT, KEYS, LOCK

ROOT = Path(__file__).resolve().parents[2]
STATE = {**dict.fromkeys(KEYS, 0), "model": {"w": torch.arange(300.0)}, "rows": [{"epoch": 1}]}
HOLDING = """
import sys
from pathlib import Path
from vae.training import checkpoints
with checkpoints.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    checkpoints.write(tmp_path / CHECKPOINT, STATE)
    return tmp_path / CHECKPOINT


def test_a_state_comes_back(path: Path) -> None:
    found = checkpoints.read(path)
    assert torch.equal(found.pop("model")["w"], STATE["model"]["w"])
    assert found == {name: value for name, value in STATE.items() if name != "model"}


def test_every_flipped_bit_is_noticed(path: Path) -> None:
    """torch itself loads most of these without a word."""
    whole = path.read_bytes()
    assert torch.load(path, weights_only=True)["model"]["w"].shape == (300,)  # it is still a file of torch's
    for place in [*range(0, len(whole), 23), *range(len(whole) - 600, len(whole))]:
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"checkpoint\.pt is damaged: put a copy"):
            checkpoints.read(path)


def test_an_older_checkpoint_has_the_sums_of_the_zip(path: Path) -> None:
    torch.save(STATE, path)
    assert checkpoints.read(path)["rows"] == STATE["rows"]
    content = bytearray(path.read_bytes())
    content[content.index(STATE["model"]["w"].numpy().tobytes()) + 7] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)["model"]["w"].shape == (300,)
    with pytest.raises(ValueError, match="is damaged"):
        checkpoints.read(path)


@pytest.mark.parametrize("damage", ["empty", "text", "half", "zip", "number", "other"])
def test_what_is_no_checkpoint_is_refused(damage: str, path: Path) -> None:
    whole = path.read_bytes()
    if damage == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a", "b")
    elif damage in ("number", "other"):
        torch.save(3 if damage == "number" else {"config": 1}, path)
    else:
        path.write_bytes({"empty": b"", "text": b"hello", "half": whole[: len(whole) // 2]}[damage])
    with pytest.raises(ValueError, match=r"checkpoint\.pt is damaged: put a copy of it back"):
        checkpoints.read(path)


def test_nothing_to_resume_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        checkpoints.read(tmp_path / CHECKPOINT)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds tmp_path / "run"."""
    command = [sys.executable, "-c", HOLDING, str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_folder_is_one_process_s_at_a_time(other: subprocess.Popen[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    with (
        pytest.raises(ValueError, match=rf"^process {other.pid} is training in .*run: wait until it ends"),
        checkpoints.held(out),
    ):
        raise AssertionError("both have it")
    with pytest.raises(ValueError, match=f"^process {other.pid} is training"):
        train.main(["--model", "mlp", "--out", str(out), "--resume"])
    other.send_signal(signal.SIGKILL)
    other.wait()
    (out / ".checkpoint.pt.0123abcd.pt").write_bytes(b"half")
    with checkpoints.held(out):
        assert (out / LOCK).read_text() == str(os.getpid())
        assert [path.name for path in out.iterdir()] == [LOCK]  # and nothing of what was killed
    assert list(out.iterdir()) == []


def test_a_folder_made_for_nothing_is_taken_away_and_no_other(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for out in (own, tmp_path / "new"):
        with pytest.raises(KeyError), checkpoints.held(out):
            raise KeyError
    assert list(tmp_path.iterdir()) == [own]
    with checkpoints.held(tmp_path / "new"):
        (tmp_path / "new" / "file").write_text("x")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_a_lock_that_was_taken_away_meanwhile_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not checkpoints.fcntl:
        pytest.skip("no locks here")
    real, calls = checkpoints.fcntl.flock, []

    def flock(file: int, how: int) -> None:
        real(file, how)
        calls.append(how)
        if len(calls) == 1:  # the process that had it has just ended
            (tmp_path / LOCK).unlink()

    monkeypatch.setattr(checkpoints.fcntl, "flock", flock)
    with checkpoints.held(tmp_path):
        assert (tmp_path / LOCK).read_text() == str(os.getpid())
    assert len(calls) == 2


@pytest.mark.parametrize("reason", ["no fcntl", "no locks"])
def test_where_there_are_no_locks_training_goes_on(
    reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason == "no fcntl":
        monkeypatch.setattr(checkpoints, "fcntl", None)
    else:

        def flock(*_: object) -> None:
            raise OSError("not supported")

        monkeypatch.setattr(checkpoints.fcntl, "flock", flock)
    with checkpoints.held(tmp_path), checkpoints.held(tmp_path):
        pass
