import argparse
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import av
import made_up
import pytest
import torch
from PIL import Image

from vae import MorphRequest, __main__, produce, weights
from vae.bank import bank_of
from vae.classifier import load_classifier
from vae.inspection import latent_map
from vae.model import VAE, build
from vae.pipeline import default_pipeline
from vae.reading import read_number
from vae.request import read_numbers
from vae.training.data import as_floats

ROOT = Path(__file__).resolve().parent.parent
QUICK = ("--steps", "4", "--size", "56", "--path", "linear", "--speed", "raw")
TEST = made_up.digits(30, seed=1)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that torchvision's MNIST reads, of made-up digits."""
    folder = tmp_path_factory.mktemp("data")
    made_up.write_mnist(folder, made_up.digits(100), TEST)
    return folder


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A folder with drawings 3.png, 2.png, 17.png and empty.png."""
    for number in ("3", "2", "17"):
        made_up.drawing(number).save(tmp_path / f"{number}.png")
    Image.new("L", (100, 100), 255).save(tmp_path / "empty.png")
    return tmp_path


def requested(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> MorphRequest:
    """The request that a command line makes; it is carried out as well."""
    requests = []

    def record(request: MorphRequest, model: VAE | None) -> Any:
        requests.append(request)
        return produce(request, model)

    monkeypatch.setattr(__main__, "produce", record)
    __main__.main(arguments)
    return requests[0]


def failure(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence with which a command ends; nothing else is said."""
    with pytest.raises(SystemExit) as caught:
        __main__.main(list(arguments))
    assert isinstance(caught.value.code, str)  # printed to stderr, and exit status 1
    assert "\n" not in caught.value.code
    assert capsys.readouterr() == ("", "")
    return caught.value.code


def frame_count(path: Path) -> int:
    with av.open(str(path)) as file:
        return sum(1 for _ in file.decode(video=0))


@pytest.mark.parametrize("suffix", ["mp4", "avi", "gif", "webp", "png", "webm", "MP4"])
def test_typed_numbers_in_every_format(suffix: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "new" / f"out.{suffix}"
    __main__.main(["morph", "32", "41", "-o", str(out), *QUICK])
    assert capsys.readouterr().out.strip() == f"{out}: 32 -> 41, 4 frames"
    assert list(out.parent.iterdir()) == [out]
    if suffix in ("gif", "png", "webp"):
        with Image.open(out) as picture:
            assert getattr(picture, "n_frames", 1) == (1 if suffix == "png" else 4)
    else:
        assert frame_count(out) == 4


def test_options_become_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = "--steps 3 --seed 5 --path slerp --speed eased --fps 12 --size 60 --style chalk --hold 0.5 --bounce"
    arguments = ["morph", "10", "9", "8", "-o", str(tmp_path / "x.gif"), *options.split(), "--no-refine"]
    request = requested(arguments, monkeypatch)
    assert request.sides == ("10", "9", "8")
    assert (request.steps, request.seed, request.fps, request.size) == (3, 5, 12, 60)
    assert (request.path, request.speed, request.style) == ("slerp", "eased", "chalk")
    assert (request.playback, request.hold, request.refine) == ("bounce", 0.5, False)
    assert request.formats == ("gif",)


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        (["3.png", "8"], ("3", "8")),
        (["8", "17.png"], ("8", "17")),
        (["--source", "3.png", "2.png", "--target", "2.png", "3.png"], ("32", "23")),
        (["--source", "17.png", "--target", "5"], ("17", "5")),
    ],
    ids=["picture and typed", "two digits", "one picture a digit", "either"],
)
def test_pictures(arguments: list[str], read: tuple[str, str], drawn: Path, monkeypatch) -> None:
    monkeypatch.chdir(drawn)
    sides = requested(["morph", *arguments, "-o", "x.png", *QUICK], monkeypatch).sides
    shapes = [len(read_number(side, default_pipeline()).pictures) for side in sides]
    assert shapes == [len(number) for number in read]
    assert [side for side in sides if isinstance(side, str)] == [n for n in read if n in arguments]


def test_a_number_typed_beside_a_picture_is_in_its_hand_or_another(drawn: Path, monkeypatch) -> None:
    monkeypatch.chdir(drawn)
    arguments = ["morph", "--source", "17.png", "--target", "41", "-o", "x.png", *QUICK]
    own, test = (requested([*arguments, *more], monkeypatch) for more in ([], ["--hand", "test"]))
    assert (own.hand, test.hand) == ("own", "test")
    pictures = [read_numbers(request, default_pipeline())[1].pictures for request in (own, test)]
    assert not torch.equal(*pictures)


def test_images_of_the_test_set(data_dir: Path, tmp_path: Path, monkeypatch) -> None:
    data = ["--data", str(data_dir), "-o", str(tmp_path / "x.avi"), *QUICK]
    by_index = requested(["morph", "test:7", "test:12", *data], monkeypatch)
    for side, index in zip(by_index.sides, (7, 12), strict=True):
        assert torch.equal(side, as_floats(TEST.images[index : index + 1]))
    at_random = requested(["morph", "random:3", "random:8", *data], monkeypatch)
    again = requested(["morph", "random:3", "random:8", *data], monkeypatch)
    for side, digit, same in zip(at_random.sides, (3, 8), again.sides, strict=True):
        own = as_floats(TEST.images[TEST.labels == digit])
        assert (side == own).flatten(1).all(1).sum() == 1
        assert torch.equal(side, same)
    picks = {float(__main__.side_named("random:3", str(data_dir), seed).sum()) for seed in range(9)}
    assert len(picks) > 1
    twins = [requested(["morph", "random:3", "random:3", *data, "--seed", s], monkeypatch).sides for s in "01234"]
    assert not all(torch.equal(*sides) for sides in twins)  # each side draws for itself


def test_the_data_folder_may_be_in_the_environment(data_dir: Path, monkeypatch) -> None:
    monkeypatch.setenv("DIGIT_MORPH_DATA", str(data_dir))
    side = __main__.side_named("test:0", None, 0)
    assert torch.equal(side, as_floats(TEST.images[:1]))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["32"], "Give two numbers"),
        ([], "Give two numbers"),
        (["32", "12345"], "one to four digits"),
        (["32", "٣"], "one to four digits"),
        (["32", "-o", "x.mp4", "--source", "3.png"], "Give --source and --target"),
        (["--source", "3.png"], "Give --source and --target"),
        (["32", "none.png"], "no picture none.png"),
        (["--source", "3.png", "none.png", "--target", "3.png"], "no picture none.png"),
        (["32", "empty.png"], "no digit here"),
        (["3", "4", "--steps", "1"], "from 2 to 240"),
        (["3", "4", "--size", "5000"], "from 56 to 1024"),
        (["3", "4", "--hold", "nan"], "between 0 and 3"),
        (["3", "4", "--seed", "-1"], "The seed"),
        (["3", "4", "--path", "scenic"], "handwritten"),
        (["3.png", "4", "--hand", "left"], "own, test"),
        (["3", "4", "-o", "x.mov"], "format"),
        (["3", "4", "-o", "x"], "format"),
        (["3", "4", "-o", "folder.mp4"], "folder.mp4"),
        (["test:7", "test:30"], "from 0 to 29"),
        (["random:3", "random:11"], "from 0 to 9"),
        (["test:7", "4", "--data", "nowhere"], "mnist is not in nowhere"),
        (["3", "4", "--weights", "nowhere"], "no weights at nowhere"),
        (["3", "4", "--weights", "3.png"], "is damaged"),
    ],
    ids=lambda v: " ".join(v)[-24:] if isinstance(v, list) else "",
)
def test_what_is_wrong_is_said_in_a_sentence(arguments, sentence, drawn: Path, data_dir, monkeypatch, capsys) -> None:
    monkeypatch.chdir(drawn)
    monkeypatch.setenv("DIGIT_MORPH_DATA", str(data_dir))
    (drawn / "folder.mp4").mkdir()
    before = set(drawn.iterdir())
    said = failure("morph", *arguments, capsys=capsys)
    assert said.startswith("vae morph: ")
    assert re.search(sentence, said), said
    assert set(drawn.iterdir()) == before  # nothing half-made is left


@pytest.mark.parametrize(
    "arguments",
    [[], ["dance"], ["morph", "3", "8", "--steps", "many"], ["morph", "3", "8", "--speeed", "raw"]],
    ids=["nothing", "command", "value", "option"],
)
def test_a_wrong_command_line_gets_the_usage(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        __main__.main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m vae" in capsys.readouterr().err


def test_help_reads_well(capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        __main__.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "python -m vae morph 32 41 -o out.mp4 --steps 60" in text
    for name in ("morph", "sample", "reconstruct", "bank"):
        assert f"\n    {name}" in text
    assert "%(" not in text
    with pytest.raises(SystemExit):
        __main__.main(["morph", "--help"])
    assert "test:INDEX" in capsys.readouterr().out


def test_other_weights_may_be_named(small: VAE, tmp_path: Path) -> None:
    folder, outs = small.path.parent, [tmp_path / "a.png", tmp_path / "b.png"]
    __main__.main(["morph", "3", "8", "-o", str(outs[0]), "--weights", str(folder), *QUICK])
    __main__.main(["morph", "3", "8", "-o", str(outs[1]), *QUICK])
    assert outs[0].read_bytes() != outs[1].read_bytes()


def test_samples_are_drawn_by_seed(small: VAE, tmp_path: Path, capsys) -> None:
    def sheet(name: str, seed: str) -> bytes:
        out = tmp_path / name
        options = ["--count", "6", "--columns", "3", "--seed", seed, "-o", str(out)]
        __main__.main(["sample", "--weights", str(small.path), *options])
        return out.read_bytes()

    assert sheet("a.png", "1") == sheet("b.png", "1") != sheet("c.png", "2")
    assert "6 digits" in capsys.readouterr().out
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 1.4 * picture.height  # three columns, two rows


@pytest.mark.parametrize(
    "arguments", [["--count", "0"], ["--count", "401"], ["--columns", "-1"], ["-o", "x.doc"], ["-o", "x"]], ids=" ".join
)
def test_samples_that_cannot_be(arguments: list[str], small: VAE, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert failure("sample", "--weights", str(small.path), *arguments, capsys=capsys).endswith(".")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("refine", [[], ["--refine"]])
def test_a_reconstruction_stands_below_what_was_read(refine, small: VAE, drawn: Path, capsys) -> None:
    out = drawn / "seen.png"
    arguments = ["--weights", str(small.path), "-o", str(out), *refine]
    __main__.main(["reconstruct", str(drawn / "17.png"), *arguments])
    assert "1 (" in capsys.readouterr().out
    with Image.open(out) as picture:
        assert abs(picture.width - picture.height) < 10  # two by two


def test_a_bank_is_built_beside_its_weights(data_dir: Path, small: VAE, tmp_path: Path, capsys) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(small.path.read_bytes())
    arguments = ["--weights", str(tmp_path), "--data", str(data_dir), "--graph", "40", "--typed", "20"]
    __main__.main(["bank", *arguments])
    model = weights.load(path)
    bank = bank_of(model)
    for codes, most in ((bank.graph, 4), (bank.typed, 2)):
        assert 0 < codes.labels.bincount().max() <= most  # a made-up digit may be illegible
        assert torch.equal(load_classifier("reader")(model.decode(codes.z)).argmax(1), codes.labels)
    said = f"{len(bank.graph)} training and {len(bank.typed)} test codes"
    assert said in capsys.readouterr().out


def test_the_map_is_built_with_the_bank(
    data_dir: Path, small: VAE, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.safetensors").write_bytes(small.path.read_bytes())
    flat = build("conv2d", widths=(2, 3), hidden=8)
    weights.save(flat, tmp_path / "conv2d.safetensors")
    (tmp_path / weights.SUMS).write_text("")  # a folder whose files are listed
    __main__.main(["bank", "--weights", str(tmp_path), "--data", str(data_dir), "--graph", "40", "--typed", "20"])
    scatter = latent_map.map_of(weights.load(tmp_path / "conv2d.safetensors"))
    assert scatter is not None
    assert scatter.labels.bincount().tolist() == [2] * 10
    assert "20 test codes" in capsys.readouterr().out
    files = ("model", "conv2d", "bank", "map")
    paths = [tmp_path / f"{name}.safetensors" for name in files]
    assert weights.read_sums(tmp_path) == {path.name: weights.file_sha256(path) for path in paths}


def test_an_installed_package_makes_the_same_bytes_in_any_folder(installed: Path, tmp_path: Path) -> None:
    arguments = ["morph", "32", "41", "--steps", "8", "--size", "56", "--seed", "3"]
    __main__.main([*arguments, "-o", str(tmp_path / "here.mp4")])
    run = subprocess.run(
        [installed / "bin" / "digit-morph", *arguments, "-o", "there.mp4"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed), "PYTHONWARNINGS": "error", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert (tmp_path / "here.mp4").read_bytes() == (tmp_path / "there.mp4").read_bytes()


def test_what_an_extra_brings_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def without(_: argparse.Namespace) -> None:
        raise ModuleNotFoundError("No module named 'matplotlib.figure'", name="matplotlib.figure")

    monkeypatch.setattr(__main__, "figures_command", without)
    said = failure("figures", capsys=capsys)
    assert said == "vae figures: needs matplotlib, which comes with: pip install 'digit-morph[train]'"


def test_serving_has_a_command_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        __main__.main(["serve", "--auth", "half"])
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert "usage: vae serve" in said and "such as --auth ada:enigma" in said
