"""Weights files that somebody made to do harm: refused in a sentence, before they take time or memory."""

import json
import os
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vae import weights
from vae.errors import WeightsError
from vae.model import build


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a small model."""
    weights.save(build("mlp", widths=(8,), latent_dim=2), tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


@pytest.mark.parametrize("preset", ["mlp", "cvae"])
def test_numbers_that_overflow_are_refused(preset: str, path: Path) -> None:
    model = build(preset, widths=(8,), latent_dim=2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1e38)
    weights.save(model, path)
    with pytest.raises(WeightsError, match=r"small\.safetensors draws no pictures"):
        weights.load(path)


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[]",
        "3",
        "null",
        '{"depth": 3}',
        '{"latent_dim": 0}',
        '{"latent_dim": "two"}',
        '{"activation": "sine"}',
        '{"architecture": "conv", "widths": [1, 2, 3]}',
        '{"latent_dim": 1000000000}',
        '{"latent_dim": 2, "latent_dim": 3}',
        '{"latent_dim": NaN}',
        '{"latent_dim": 1' + 5000 * "0" + "}",
        '{"widths": [' + ", ".join(3000 * ["1"]) + "]}",
        '{"widths": [1000000, 1000000]}',
        '{"preset": "' + 20_000 * "x" + '"}',
        5_000 * "[",
        4_000 * '{"a":' + "0" + 4_000 * "}",
        "",
    ],
    ids=lambda config: config[:30],
)
def test_a_file_must_say_which_model_it_holds(config: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors, metadata, _ = weights.read_tensors(path)
    save_file(tensors, path, {**metadata, "config": config})
    monkeypatch.setattr(weights, "VAE", None)  # nothing is built
    with pytest.raises(WeightsError, match=r"small\.safetensors does not say which model") as caught:
        weights.load(path)
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


def test_a_model_is_compared_with_its_file_before_it_takes_memory(path: Path) -> None:
    """That of this configuration would take 1 GB."""
    tensors, metadata, _ = weights.read_tensors(path)
    wide = json.dumps({"latent_dim": 2, "widths": [8192, 8192, 8192, 8192]})
    save_file(tensors, path, {**metadata, "config": wide})
    made: list[torch.device] = []

    class Watched(weights.VAE):
        def __init__(self, config: weights.VAEConfig) -> None:
            super().__init__(config)
            made.append(next(self.parameters()).device)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "VAE", Watched)
        with pytest.raises(WeightsError, match=r"does not fit its model: decoder\.0\.0\.bias is float32 \(8,\)"):
            weights.load(path)
    assert made == [torch.device("meta")]


def crafted(header: str, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file of a header as it is given."""
    return struct.pack("<Q", len(header) if length is None else length) + header.encode() + data


TENSOR = '"a": {"dtype": "%s", "shape": %s, "data_offsets": [0, %d]}'


@pytest.mark.parametrize(
    "content",
    [
        crafted("{}", length=2**62),
        crafted("{" + 2_000_000 * " " + "}"),
        crafted('{"__metadata__":' + 100_000 * "["),
        crafted('{"__metadata__": [1]}'),
        crafted('{"__metadata__": {"format": 1}}'),
        crafted("{" + TENSOR % ("F32", [1], 4) + ", " + TENSOR % ("F32", [1], 4) + "}", bytes(4)),
        crafted("{" + TENSOR % ("F32", [2**32, 2**32, 2**32], 0) + "}"),
        crafted("{" + TENSOR % ("F32", [2**63, 0], 0) + "}"),
        crafted("{" + TENSOR % ("F32", [-1], 4) + "}", bytes(4)),
        crafted("{" + TENSOR % ("F32", [2], 4) + "}", bytes(4)),
        crafted("{" + TENSOR % ("C64", [1], 8) + "}", bytes(8)),
        crafted("{" + TENSOR % ("F8_E8M0", [1], 1) + "}", bytes(1)),
        crafted('{"a": 3}'),
    ],
    ids=range(13),
)
def test_a_crafted_header_is_refused(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"small\.safetensors is damaged"):
        weights.load(path)


@pytest.mark.parametrize("header", ["{}", '{"__metadata__": null}', '{"__metadata__": {"format": "\\u001b[2J"}}'])
def test_what_a_header_says_is_not_printed_as_it_is(header: str, path: Path) -> None:
    path.write_bytes(crafted(header))
    with pytest.raises(WeightsError, match=r"is not of the format digit-morph/1") as caught:
        weights.load(path)
    assert str(caught.value).isprintable()


def test_only_files_of_a_bounded_size_are_read(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in ("/dev/zero", "a" * 5_000, tmp_path / "no\0name", "a\nb"):
        with pytest.raises(WeightsError, match="no weights at") as caught:
            weights.load(source)
        assert str(caught.value).isprintable() and len(str(caught.value)) < 500
    pipe = tmp_path / "model.safetensors"
    os.mkfifo(pipe)
    with pytest.raises(WeightsError, match=r"model\.safetensors is no file"):
        weights.load(tmp_path)
    pipe.unlink()
    pipe.mkdir()
    with pytest.raises(WeightsError, match=r"model\.safetensors cannot be read \(Is a directory\)"):
        weights.load(tmp_path)
    monkeypatch.setattr(weights, "LARGEST", 1000)
    with pytest.raises(WeightsError, match=r"small\.safetensors is larger than"):
        weights.load(path)
