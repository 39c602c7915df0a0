import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import made_up
import pytest
import torch
from PIL import Image

import vae.training.data
from train import explained, main
from vae import weights
from vae.evaluation.results import read_metrics
from vae.training.data import Pictures

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--epochs", "3", "--batch-size", "30", "--device", "cpu", "--threads", "1", "--latent-dim", "3")
LEFT = {
    "model.safetensors",
    "metrics.csv",
    "checkpoint.pt",
    "report.json",
    "curves.png",
    "samples.png",
    "reconstructions_training.png",
    "reconstructions_validation.png",
}
KILLED = """
import os, signal, sys
from vae.training import loop
record = loop.Run.record
def killing(run, terms):
    if run.step == 5:  # of 9, in the second epoch
        os.kill(os.getpid(), signal.SIGKILL)
    record(run, terms)
loop.CHECKPOINT_SECONDS = -1  # after every step
loop.Run.record = killing
import train
train.main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    made_up.write_mnist(folder, made_up.digits(100), made_up.digits(30, seed=1))
    return folder


def arguments(out: Path, data_dir: Path, *more: str, model: str = "mlp") -> list[str]:
    return ["--model", model, "--data", str(data_dir), "--out", str(out), *QUICK, *more]


def tensors(out: Path) -> dict[str, torch.Tensor]:
    return weights.read_tensors(out / "model.safetensors")[0]


@pytest.fixture(scope="module")
def run(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the mlp."""
    out = tmp_path_factory.mktemp("runs") / "mlp"
    main(arguments(out, data_dir))
    return out


def test_a_run_leaves_all_that_is_promised(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == LEFT
    for path in run.glob("*.png"):
        with Image.open(path) as picture:
            picture.load()
            assert min(picture.size) > 100
    assert [row["epoch"] for row in read_metrics(run / "metrics.csv")] == [1, 2, 3]
    report = json.loads((run / "report.json").read_text())
    assert (report["model"], report["dataset"], report["pictures"]) == ("mlp", "mnist", 90)
    assert report["train"]["batch_size"] == 30
    test = report["test"]
    assert test["total"] == pytest.approx(test["reconstruction"] + test["kl"])


def test_the_weights_load_and_morph(run: Path) -> None:
    model = vae.load(run)
    assert model.config.latent_dim == 3
    x = made_up.digits(2).images / 255
    frames = vae.morph(model, x[:1], x[1:], 4)
    assert frames.shape == (4, 28, 28)


def test_killed_in_the_middle_and_resumed_is_uninterrupted(run: Path, data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, *arguments(out, data_dir)]
    killed = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert b"step/s" in killed.stderr  # progress is shown
    (out / ".checkpoint.pt.a1b2c3d4.pt").write_bytes(b"half")  # as a kill while writing leaves one
    assert {p.name for p in out.iterdir()} >= {"model.safetensors", "metrics.csv", "checkpoint.pt"}
    assert len(read_metrics(out / "metrics.csv")) == 1
    main(arguments(out, data_dir, "--resume"))
    assert {path.name for path in out.iterdir()} == LEFT
    wanted, found = tensors(run), tensors(out)
    assert wanted.keys() == found.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    reports = [json.loads((folder / "report.json").read_text()) for folder in (run, out)]
    assert reports[0]["test"] == reports[1]["test"]


@pytest.mark.parametrize("model", ["conv2d", "autoencoder", "tiny", "cvae", "flagship"])
def test_every_preset_trains(model: str, data_dir: Path, tmp_path: Path) -> None:
    main(arguments(tmp_path / "run", data_dir, "--epochs", "1", model=model))
    assert vae.load(tmp_path / "run").config.preset == model
    assert {path.name for path in (tmp_path / "run").iterdir()} == LEFT
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["pictures"] == (100 if model == "tiny" else 90)
    assert (report["test"]["kl"] == 0) == (model == "autoencoder")


def test_colour_pictures_train_a_colour_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    colours = torch.randint(0, 256, (50, 3, 32, 32), dtype=torch.uint8, generator=torch.manual_seed(0))
    pictures = vae.training.data.Pictures(colours, torch.arange(50) % 10)
    made_up.write_cifar10(tmp_path, pictures, pictures[:20], monkeypatch)
    main(arguments(tmp_path / "run", tmp_path, "--epochs", "1", "--dataset", "cifar10"))
    config = vae.load(tmp_path / "run").config
    assert (config.channels, config.image_size) == (3, 32)


def test_a_folder_of_pictures_trains(tmp_path: Path) -> None:
    made_up.write_folder(tmp_path, made_up.digits(50), made_up.digits(20, seed=1))
    main(arguments(tmp_path / "run", tmp_path, "--epochs", "1", "--dataset", "folder"))
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert (report["dataset"], report["pictures"]) == ("folder", 45)


@pytest.mark.parametrize("name", ["weights", "weights/mine", "vae/../weights"])
def test_never_over_the_shipped_weights(name: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    before = {path: path.stat().st_mtime_ns for path in weights.SHIPPED.iterdir()}
    with pytest.raises(SystemExit, match="shipped weights; choose another --out"):
        main(arguments(Path(name), data_dir))
    assert {path: path.stat().st_mtime_ns for path in weights.SHIPPED.iterdir()} == before


def test_a_link_to_the_shipped_weights_is_seen_through(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(weights.SHIPPED)
    with pytest.raises(SystemExit, match="shipped weights"):
        main(arguments(tmp_path / "link", data_dir))


def test_a_run_is_not_begun_over_another(run: Path, data_dir: Path) -> None:
    before = (run / "checkpoint.pt").read_bytes()
    with pytest.raises(SystemExit, match="holds a run already: add --resume"):
        main(arguments(run, data_dir))
    assert (run / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("more", "error"), [(["--data", "nowhere"], "mnist is not in nowhere"), (["--resume"], "nothing to resume")]
)
def test_what_is_missing_is_said(more: list[str], error: str, data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=error):
        main(arguments(tmp_path / "run", data_dir, *more))


def trained(out: Path, data_dir: Path, *more: str, before: str = "") -> tuple[int, str]:
    """The exit status of a process that trains, and the last line it says; `before` is run in it first."""
    script = f"import runpy, sys\n{before}\nrunpy.run_path({str(ROOT / 'train.py')!r}, run_name='__main__')"
    command = [sys.executable, "-c", script, *arguments(out, data_dir, *more)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr.splitlines()[-1].rpartition("\r")[2] if ended.stderr else ""


def test_a_failing_process_says_one_sentence(data_dir: Path, tmp_path: Path) -> None:
    status, last = trained(tmp_path / "run", data_dir, "--lr", "1e30")
    assert status == 1
    assert last.startswith("train.py: the loss is")
    assert last.endswith("lower --lr")


FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))  # of any file: less than a checkpoint
"""


def test_on_a_full_disk_nothing_of_the_run_is_lost(run: Path, data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    main(arguments(out, data_dir, "--epochs", "2"))
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.name in ("checkpoint.pt", "metrics.csv")}
    status, last = trained(out, data_dir, "--resume", before=FULL)
    assert status == 1
    assert (
        last == "train.py: File too large: make room, then go on with --resume if there is a checkpoint, which is whole"
    )
    assert {name: (out / name).read_bytes() for name in before} == before
    assert {path.name for path in out.iterdir()} == LEFT


WRONG = [
    *(("--batch-size", value) for value in ("0", "-1", "x", "1.5", "10000000000", "1" + 5000 * "0")),
    *(("--epochs", value) for value in ("0", "-1", "1e9")),
    *(("--latent-dim", value) for value in ("0", "-3", "1000000000", "1e9")),
    *(("--lr", value) for value in ("0", "-1", "nan", "inf", "x")),
    *(("--kl-weight", value) for value in ("nan", "-1", "inf")),
    ("--kl-warmup", "-1"),
    *(("--redraw", value) for value in ("2", "-0.1", "nan")),
    ("--binarise", "nan"),
    ("--seed", "99999999999999999999"),
    *(("--threads", value) for value in ("0", "-1", "100000000")),
]


@pytest.mark.parametrize(("option", "value"), WRONG, ids=[f"{option}={value[:12]}" for option, value in WRONG])
def test_sizes_that_make_no_sense_are_wrong_options(
    option: str, value: str, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments(tmp_path / "run", data_dir, f"{option}={value}"))
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {option}: give a" in last and len(last) < 200
    assert not (tmp_path / "run").exists()


def test_a_damaged_checkpoint_is_refused_and_kept(data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    main(arguments(out, data_dir, "--epochs", "1"))
    content = bytearray((out / "checkpoint.pt").read_bytes())
    content[len(content) // 2] ^= 4
    (out / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint\.pt is damaged"):
        main(arguments(out, data_dir, "--resume"))
    assert (out / "checkpoint.pt").read_bytes() == content
    assert {path.name for path in out.iterdir()} == LEFT


def test_what_ends_a_training_is_said_in_a_line(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for error in (FileExistsError(17, "File exists", "f"), NotADirectoryError(20, "Not a directory", "f")):
        assert explained(error).startswith("f cannot be used (")
    for error in (MemoryError(), RuntimeError("CUDA out of memory"), RuntimeError("can't allocate memory")):
        assert "lower --batch-size" in explained(error)
    assert explained(ValueError("as it is")) == "as it is"
    with pytest.raises(NotADirectoryError):
        main(arguments(tmp_path / "file" / "run", data_dir))


def test_a_device_that_is_not_here_is_refused(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="torch finds no cuda on this machine: leave out --device"):
        main(arguments(tmp_path / "run", data_dir, "--device", "cuda"))


@pytest.mark.parametrize(("model", "size"), [("cvae", 28), ("reader", 28), ("judge", 32)])
def test_pictures_that_a_model_cannot_read_are_refused(model: str, size: int, tmp_path: Path) -> None:
    for half in ("train", "test"):
        for name in range(11 if size == 28 else 3):
            (tmp_path / half / str(name)).mkdir(parents=True)
            Image.new("L", (28, 28)).save(tmp_path / half / str(name) / "1.png")
    if size == 28:
        more = ("--dataset", "folder")
        data_dir = tmp_path
    else:
        more, data_dir = (), tmp_path / "wide"
        wide = made_up.digits(40)
        wide = Pictures(torch.nn.functional.pad(wide.images, (2, 2, 2, 2)), wide.labels)
        made_up.write_mnist(data_dir, wide, wide)
    with pytest.raises(ValueError, match="choose another --model"):
        main(arguments(tmp_path / "run", data_dir, *more, model=model))


def test_help_is_the_manual(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for option in ("--model", "--data", "--out", "--resume", "--latent-dim", "--kl-weight"):
        assert option in text
    assert "python train.py --model mlp" in text
