"""What is wrong with options, address, files or folders when the server starts: a line, and the way out."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import ROOT, free_port

from vae import weights
from vae.errors import WeightsError
from vae.ui import serve


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "DIGIT_MORPH_WEIGHTS",
        "DIGIT_MORPH_AUTH",
        "GRADIO_SERVER_NAME",
        "GRADIO_TEMP_DIR",
        "PORT",
        "SPACE_ID",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRADIO_SERVER_PORT", str(free_port()))
    monkeypatch.setenv("MPLBACKEND", "agg")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(source: str | None) -> None:
        raise AssertionError("there is no need to load anything")

    monkeypatch.setattr(serve, "load", load)


def refusal(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The line that wrong options end in, after the usage."""
    with pytest.raises(SystemExit) as caught:
        serve.main(list(arguments))
    assert caught.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert len(line) < 200
    return line


def sentence(*arguments: str) -> str:
    """The line that a start which fails ends in: with exit status 1, as Python does for a text."""
    with pytest.raises(SystemExit) as caught:
        serve.main(list(arguments))
    assert isinstance(caught.value.code, str) and "\n" not in caught.value.code
    return caught.value.code


@pytest.mark.usefixtures("nothing_is_loaded")
@pytest.mark.parametrize("option", ["--port", "--threads"])
@pytest.mark.parametrize("value", ["0", "-1", "70000", "x", "", "1.5", "1e3", "٣", "1" + 5000 * "0"], ids=range(9))
def test_numbers_that_make_no_sense(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(f"{option}={value}", capsys=capsys)
    assert f"argument {option}: give a whole number from 1 to " in line


@pytest.mark.usefixtures("nothing_is_loaded")
@pytest.mark.parametrize("name", ["GRADIO_SERVER_PORT", "PORT"])
@pytest.mark.parametrize("value", ["x", "0", "99999", "-3", "tcp://10.0.0.1:80"])
def test_a_port_of_the_environment_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GRADIO_SERVER_PORT")
    monkeypatch.setenv(name, value)
    assert f"environment variable {name}: give a whole number from 1 to 65535" in refusal(capsys=capsys)


def test_a_port_of_the_environment_does_not_matter_beside_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SERVER_PORT", "x")
    args = serve.options(["--port", "8080"], "app.py", None)
    assert (args.host, args.port) == ("127.0.0.1", 8080)
    monkeypatch.setenv("GRADIO_SERVER_PORT", "")
    monkeypatch.setenv("PORT", "9000")
    assert serve.options(["--host", "0.0.0.0"], "app.py", None).port == 9000


def test_where_nobody_can_listen(taken: int) -> None:
    for host, port in (("127.0.0.1", taken), ("0.0.0.0", taken), ("192.0.2.1", free_port()), ("a" * 300, 8080)):
        with pytest.raises(OSError, match=rf"cannot listen on port {port} of .*: choose another by --port") as caught:
            serve.check_address(host, port)
        assert len(str(caught.value)) < 300
    serve.check_address("127.0.0.1", free_port())
    serve.check_address("localhost", free_port())


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights as they are shipped, to do without or to damage."""
    folder = tmp_path / "weights"
    shutil.copytree(weights.SHIPPED, folder)
    monkeypatch.setattr(weights, "SHIPPED", folder)
    return folder


def remove(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fill_with_noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("bank", remove, "is missing; build it with: python -m vae bank --data DIR"),
        ("bank", cut, "is damaged or is no safetensors file: fetch it again or train it again"),
        ("bank", make_folder, "cannot be read (Is a directory)"),
        ("reader", remove, "is missing; train it with: python train.py --model reader --out runs/reader"),
        ("reader", fill_with_noise, "is damaged or is no safetensors file: fetch it again or train it again"),
        ("flagship", remove, "is missing; train it with: python train.py --model flagship --out runs/flagship"),
        ("cvae", cut, "is damaged or is no safetensors file: fetch it again or train it again"),
    ],
)
def test_shipped_files_that_are_missing_or_damaged(
    name: str, damage: Callable[[Path], None], said: str, shipped: Path
) -> None:
    (shipped / weights.SUMS).unlink()
    damage(shipped / f"{name}.safetensors")
    line = sentence()
    assert line.startswith("app.py: ") and f"{name}.safetensors {said}" in line


def test_files_that_are_not_the_listed_ones(shipped: Path) -> None:
    fill_with_noise(shipped / "reader.safetensors")
    assert "reader.safetensors is not the file that SHA256SUMS" in sentence()
    fill_with_noise(shipped / weights.SUMS)
    assert "SHA256SUMS is no list of sha256 sums: fetch it again" in sentence()


def test_a_page_of_ones_own_model_alone_needs_no_bank(small: object, shipped: Path, tmp_path: Path) -> None:
    shutil.copy(small.path, tmp_path / "model.safetensors")  # type: ignore[attr-defined]
    for name in ("flagship", "bank"):
        (shipped / f"{name}.safetensors").unlink()
    assert serve.load(str(tmp_path)).typist is None
    with pytest.raises(WeightsError, match=r"flagship\.safetensors is missing"):
        serve.load(None)


@pytest.mark.parametrize("base", ["file", "file/below", "/proc/nowhere"])
def test_a_folder_that_cannot_be_written(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(serve, "load", lambda _: None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / base))
    line = sentence()
    assert line.startswith(f"app.py: no folder can be made in {tmp_path / base} (")
    assert line.endswith("): name one that can be written in GRADIO_TEMP_DIR")


def test_no_temporary_folder_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "load", lambda _: None)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "nowhere")])
    line = sentence()
    assert line.startswith("app.py: no temporary folder can be written (") and line.endswith("name one in TMPDIR")


@pytest.mark.parametrize("command", [["app.py"], ["-m", "vae", "serve"]])
def test_a_process_that_cannot_start_says_so_in_a_line(command: list[str], taken: int) -> None:
    """With a variable that gradio itself cannot read."""
    environment = {**os.environ, "GRADIO_SERVER_PORT": "", "PORT": str(taken), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert f"cannot listen on port {taken} of 127.0.0.1 (Address already in use)" in line
