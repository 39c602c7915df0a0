import errno
import hashlib
import json
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import vae
from vae import __main__, weights
from vae.errors import WeightsError
from vae.model import PRESETS, build

Tensors = dict[str, Tensor]
FIRST = "encoder.0.weight"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a small model."""
    weights.save(build("mlp", widths=(8,), latent_dim=2), tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


@pytest.mark.parametrize("preset", PRESETS)
@torch.inference_mode()
def test_a_model_comes_back_the_same(preset: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build(preset).eval()
    for norm in model.modules():  # statistics are part of a model
        if isinstance(norm, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            norm.running_mean.normal_()
    weights.save(model, tmp_path / "m.safetensors", {"epochs": 3})
    again = vae.load(tmp_path / "m.safetensors")
    z = torch.randn(2, model.config.latent_dim)
    y = torch.tensor([1, 2]) if model.config.classes else None
    assert again.config == model.config
    torch.testing.assert_close(again.decode(z, y), model.decode(z, y), atol=1e-6, rtol=0)
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in model.state_dict().items())
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())
    assert again.path == tmp_path / "m.safetensors"
    assert again.fingerprint == hashlib.sha256(again.path.read_bytes()).hexdigest()


def drop(tensors: Tensors) -> None:
    del tensors[FIRST]


def add(tensors: Tensors) -> None:
    tensors["encoder.9.weight"] = torch.zeros(1)


def reshape(tensors: Tensors) -> None:
    tensors[FIRST] = tensors[FIRST][:, :-1].contiguous()


def retype(dtype: torch.dtype) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        tensors[FIRST] = tensors[FIRST].to(dtype)

    return change


def spoil(value: float) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        tensors[FIRST][0, 0] = value

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (drop, f"{FIRST} is missing"),
        (add, r"encoder\.9\.weight' .* expected nothing"),
        (reshape, rf"{FIRST} is float32 \(8, 783\), expected float32 \(8, 784\)"),
        (retype(torch.int64), rf"{FIRST} is int64 \(8, 784\), expected float32"),
        (retype(torch.float16), rf"{FIRST} is float16 \(8, 784\), expected float32"),
        (spoil(float("nan")), f"not finite, in {FIRST}"),
        (spoil(float("inf")), f"not finite, in {FIRST}"),
    ],
    ids=["missing", "extra", "shape", "integers", "halves", "nan", "inf"],
)
def test_nothing_loads_in_part(change: Callable[[Tensors], None], named: str, path: Path) -> None:
    tensors, metadata, _ = weights.read_tensors(path)
    change(tensors)
    save_file(tensors, path, metadata)
    with pytest.raises(WeightsError, match=rf"small\.safetensors .*{named}"):
        weights.load(path)


@pytest.mark.parametrize(
    "content",
    [random.Random(0).randbytes(4000), b"hello world\n", b"", b"0" * 64 + b" x\n", b"0" * 63 + b"  x\n", b"\xff\xfe"],
    ids=["binary", "words", "empty", "one space", "short", "utf-16"],
)
def test_sums_that_are_none_are_not_taken_for_nothing_to_compare(content: bytes, path: Path) -> None:
    sums = path.with_name(weights.SUMS)
    sums.write_bytes(content)
    with pytest.raises(WeightsError, match=r"SHA256SUMS is no list of sha256 sums: .*python -m vae sums"):
        weights.load(path)
    assert not weights.is_intact(path)
    sums.unlink()
    sums.mkdir()
    with pytest.raises(WeightsError, match=r"SHA256SUMS cannot be read \(Is a directory\)"):
        weights.load(path)


def test_sums_are_read_as_other_programs_write_them(path: Path) -> None:
    sha256 = weights.file_sha256(path)
    for line in (f"{sha256}  {path.name}\n", f"{sha256.upper()} *{path.name}\r\n\r\n"):
        path.with_name(weights.SUMS).write_bytes(line.encode())
        assert weights.read_sums(path.parent) == {path.name: sha256}
        weights.load(path)


def test_what_a_killed_writer_left_is_removed_and_nothing_else(path: Path, tmp_path: Path) -> None:
    kept = {path, tmp_path / ".hidden", tmp_path / ".model.safetensors", tmp_path / ".notes.txt.abcdefgh.md"}
    for file in kept - {path}:
        file.write_text("mine")
    for name in ("checkpoint.pt", "curves.png"):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Path, "unlink", lambda *_, **__: None)  # as when the process is killed
            with weights.replacing(tmp_path / name) as temporary:
                temporary.write_text("half")
                raise KeyboardInterrupt
    assert len(list(tmp_path.iterdir())) == 6
    weights.remove_temporaries(tmp_path)
    assert set(tmp_path.iterdir()) == kept


def test_a_full_disk_is_an_oserror_and_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        weights.save(build("mlp", widths=(9,)), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("metadata", [None, {}, {"format": "digit-morph/9"}], ids=["none", "empty", "other"])
def test_a_file_of_another_format_is_refused(metadata: dict[str, str] | None, path: Path) -> None:
    save_file(weights.read_tensors(path)[0], path, metadata)
    with pytest.raises(WeightsError, match=r"small\.safetensors is not of the format digit-morph/1"):
        weights.load(path)


@pytest.mark.parametrize("damage", ["empty", "text", "pickle", "head", "tail"])
def test_a_damaged_file_is_refused(damage: str, path: Path) -> None:
    whole = path.read_bytes()
    parts = {"empty": b"", "text": b"not weights at all", "head": whole[:50], "tail": whole[:-100]}
    if damage == "pickle":
        torch.save({"w": torch.zeros(1)}, path)
    else:
        path.write_bytes(parts[damage])
    with pytest.raises(WeightsError, match=r"small\.safetensors is damaged"):
        weights.load(path)


def test_what_is_not_there_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match=r"gone\.safetensors.*the folder of a run"):
        weights.load(tmp_path / "gone.safetensors")
    with pytest.raises(WeightsError, match="does not exist"):
        weights.read_tensors(tmp_path / "gone.safetensors")
    with pytest.raises(WeightsError, match="the folder of a run"):
        weights.load(tmp_path)  # a folder without a model
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    with pytest.raises(WeightsError, match=r"cvae\.safetensors is missing; .*train\.py --model cvae"):
        weights.load("cvae")


def test_a_source_is_a_file_a_folder_a_preset_or_the_environment(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIGIT_MORPH_WEIGHTS", raising=False)
    assert weights.find(str(path)) == path
    assert weights.find() == weights.find("flagship") == weights.SHIPPED / "flagship.safetensors"
    monkeypatch.setenv("DIGIT_MORPH_WEIGHTS", str(path))
    assert weights.find() == path
    assert weights.find("flagship") == weights.SHIPPED / "flagship.safetensors"
    run = path.rename(tmp_path / "model.safetensors")
    assert weights.find(tmp_path) == run


@pytest.mark.parametrize("name", sorted(p.stem for p in weights.SHIPPED.glob("*.safetensors")))
def test_what_is_shipped_says_what_it_is(name: str) -> None:
    if name in PRESETS:
        config, preset = vae.load(name).config, PRESETS[name]
        assert (config.preset, config.latent_dim, config.widths) == (name, preset.latent_dim, preset.widths)
    else:
        tensors, metadata, _ = weights.read_tensors(weights.SHIPPED / f"{name}.safetensors")
        assert metadata.keys() & {"classifier", "weights"}
        assert tensors


def test_how_it_was_trained_is_kept(tmp_path: Path) -> None:
    weights.save(build("mlp", widths=(8,)), tmp_path / "m.safetensors", {"epochs": 3})
    metadata = weights.read_tensors(tmp_path / "m.safetensors")[1]
    assert json.loads(metadata["training"]) == {"epochs": 3}


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), weights.replacing(path) as temporary:
        temporary.write_text("ne")
        assert path.read_text() == "old"
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    with weights.replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_shipped_files_are_those_that_are_listed() -> None:
    listed = weights.read_sums(weights.SHIPPED)
    assert set(listed) == {path.name for path in weights.SHIPPED.glob("*.safetensors")}
    for name, sha256 in listed.items():
        assert weights.file_sha256(weights.SHIPPED / name) == sha256, "run: python -m vae sums"


def test_a_file_that_is_not_the_listed_one_is_refused_until_it_is_listed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path.rename(tmp_path / "flagship.safetensors")
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    for listed, wrong in (("0" * 64, "is not the file"), ("no sum at all", "is no list")):
        (tmp_path / weights.SUMS).write_text(weights.sums_text({"flagship.safetensors": listed}))
        with pytest.raises(WeightsError, match=rf"{wrong} .*python -m vae sums"):
            vae.load("flagship")
    __main__.main(["sums"])
    assert capsys.readouterr().out.strip() == str(tmp_path / weights.SUMS)
    assert vae.load("flagship").config.latent_dim == 2
    checked = subprocess.run(["sha256sum", "-c", weights.SUMS], cwd=tmp_path, capture_output=True)  # noqa: S607
    assert checked.returncode == 0
