"""Whatever a weights file holds, it is a whole model or refused in one line that names the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import save_file
from values import JSON, mutated

from vae import weights
from vae.errors import WeightsError
from vae.model import build

MODEL = build("mlp", widths=(2,), latent_dim=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    weights.save(MODEL, path)
    return path


def read(path: Path) -> None:
    """Load it; what is wrong is a WeightsError of one line that names the file."""
    try:
        model = weights.load(path)
    except WeightsError as error:
        assert str(path) in str(error) and "\n" not in str(error) and len(str(error)) < len(str(path)) + 300, error
    else:
        assert all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values())


@given(st.data())
def test_damaged_weights(whole: Path, data: st.DataObject) -> None:
    content = whole.read_bytes()
    length = int.from_bytes(content[:8], "little")
    damaged = data.draw(mutated(st.sampled_from([content[: 8 + length], content[:8], content[8 : 8 + length]])))
    path = whole.with_name("damaged.safetensors")
    path.write_bytes(damaged + content[8 + length :])
    read(path)


FORMATS = st.sampled_from(["F64", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "F8_E8M0", "F4", "C64", "U16"]) | JSON
ENTRIES = st.fixed_dictionaries(
    {"dtype": FORMATS, "shape": st.lists(st.integers(-1, 2**63)) | JSON, "data_offsets": st.lists(st.integers()) | JSON}
)


@given(st.dictionaries(st.text(max_size=5), ENTRIES | JSON, max_size=3), JSON)
@example({"a": {"dtype": "F8_E8M0", "shape": [0], "data_offsets": [0, 0]}}, {"format": weights.FORMAT})
@example({"a": {"dtype": "F4", "shape": [0], "data_offsets": [0, 0]}}, {"format": weights.FORMAT})
@example({"a": {"dtype": "U16", "shape": [0], "data_offsets": [0, 0]}}, {"format": weights.FORMAT})
def test_any_header(whole: Path, entries: dict[str, Any], metadata: Any) -> None:
    header = json.dumps({**entries, "__metadata__": metadata}).encode()
    path = whole.with_name("header.safetensors")
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    read(path)


CONFIGS = st.dictionaries(st.sampled_from(sorted(MODEL.config.to_dict())), st.integers(-1, 10**12) | JSON)


@given(CONFIGS)
@example({"latent_dim": 10**9})
@example({"widths": [10**6] * 6})
def test_any_architecture(whole: Path, changes: dict[str, Any]) -> None:
    tensors, metadata, _ = weights.read_tensors(whole)
    config = json.dumps({**MODEL.config.to_dict(), **changes})
    path = whole.with_name("config.safetensors")
    save_file(tensors, path, {**metadata, "config": config})
    read(path)
