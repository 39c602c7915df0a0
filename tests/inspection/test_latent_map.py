import copy
from pathlib import Path

import made_up
import pytest
import torch
from safetensors.torch import save_file
from small_models import ByBrightness, untrained

from vae import weights
from vae.errors import WeightsError
from vae.inspection import latent_map
from vae.model import VAE

PICTURES = made_up.digits(80)


@pytest.fixture
def flat(tmp_path: Path) -> VAE:
    """A model of two latents, untrained, with its map beside it."""
    weights.save(untrained("conv2d"), tmp_path / "conv2d.safetensors")
    model = weights.load(tmp_path / "conv2d.safetensors")
    latent_map.build_map(model, PICTURES, tmp_path / "map.safetensors")
    return model


def test_a_map_holds_where_the_pictures_lie(flat: VAE) -> None:
    scatter = latent_map.map_of(flat)
    assert scatter is not None
    z = flat.encode(PICTURES.images.float() / 255)[0]
    torch.testing.assert_close(scatter.points, z, rtol=1e-3, atol=1e-4)
    assert torch.equal(scatter.labels, PICTURES.labels)


def test_a_model_without_a_map_has_none() -> None:
    assert latent_map.map_of(untrained("conv2d")) is None


def test_a_map_of_other_weights_is_refused_with_what_to_do(flat: VAE) -> None:
    other = copy.copy(flat)
    other.fingerprint = "0" * 64
    with pytest.raises(WeightsError, match=r"map\.safetensors was built from other weights.*python -m vae bank"):
        latent_map.map_of(other)


@pytest.mark.parametrize("change", ["points", "labels", "missing", "nan"])
def test_a_damaged_map_is_refused(change: str, flat: VAE) -> None:
    path = flat.path.with_name("map.safetensors")
    tensors, metadata, _ = weights.read_tensors(path)
    if change == "points":
        tensors["points"] = torch.cat([tensors["points"]] * 2, dim=1)
    elif change == "labels":
        tensors["labels"] = tensors["labels"][1:].clone()
    elif change == "missing":
        del tensors["labels"]
    else:
        tensors["points"][3, 1] = torch.nan
    save_file(tensors, path, metadata)
    with pytest.raises(WeightsError, match=r"map\.safetensors"):
        latent_map.load_map(flat, path)


def test_the_axes_are_even_in_probability() -> None:
    across, up = latent_map.axes(None, 5)
    assert across[0] == pytest.approx(-latent_map.REACH, abs=1e-3) and across[2] == pytest.approx(0, abs=1e-6)
    assert torch.equal(up, across.flip(0))  # the top row first
    share = torch.special.ndtr(across)
    torch.testing.assert_close(share.diff(), share.diff()[:1].expand(4))
    points = torch.tensor([[3.0, 0.0], [5.0, 8.0]])
    x, y = latent_map.axes(points, 5)
    assert x[2] == pytest.approx(4) and y[2] == pytest.approx(4)
    assert float(y[0] - y[2]) == pytest.approx(latent_map.REACH * float(points[:, 1].std()), rel=1e-3)


def test_an_atlas_is_decoded_at_its_axes_and_read(flat: VAE) -> None:
    made = latent_map.atlas(flat, ByBrightness(), cells=6)
    assert made.pictures.shape == (6, 6, 28, 28)
    assert made.digits.shape == made.certainty.shape == (3, 3)
    z = torch.stack([made.across[4], made.up[1]])[None]
    torch.testing.assert_close(made.pictures[1, 4], flat.decode(z)[0, 0])
    read = ByBrightness()(made.pictures[::2, ::2].reshape(-1, 1, 28, 28)).argmax(1)
    assert torch.equal(made.digits.flatten(), read)


def test_a_trail_is_where_each_place_of_each_frame_lies(flat: VAE) -> None:
    left, right = PICTURES.images[:3, 0].float() / 255, PICTURES.images[3:6, 0].float() / 255
    lines = latent_map.trails(flat, torch.stack([left, right], dim=1))
    assert lines.shape == (2, 3, 2)
    torch.testing.assert_close(lines[1], flat.encode(right[:, None])[0])


def test_only_a_plane_has_a_map() -> None:
    for preset in ("mlp", "cvae"):
        with pytest.raises(ValueError, match="two latent dimensions"):
            latent_map.atlas(untrained(preset), ByBrightness())


def test_the_shipped_map_belongs_to_the_shipped_weights() -> None:
    scatter = latent_map.map_of(weights.load("conv2d"))
    assert scatter is not None and len(scatter.labels) >= 1500
    assert set(scatter.labels.tolist()) == set(range(10))
    assert (weights.SHIPPED / "map.safetensors").stat().st_size < 40_000
