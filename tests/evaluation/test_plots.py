import subprocess
import sys
from pathlib import Path

import made_up
import numpy as np
import pytest
import torch
from PIL import Image
from small_models import untrained
from torch import Tensor

from vae.evaluation import plots
from vae.training.data import Splits
from vae.training.vaes import terms

PICTURES = made_up.digits(80)


def is_ink(x: Tensor) -> bool:
    return x.dtype == torch.float32 and bool((x >= 0).all()) and bool((x <= 1).all())


def test_manifold_is_even_in_probability_and_upright() -> None:
    model = untrained("conv2d")
    pictures = plots.manifold(model, side=5, extent=2.0)
    assert pictures.shape == (5, 5, 28, 28)
    assert is_ink(pictures)
    middle = model.decode(torch.zeros(1, 2))[0, 0]
    torch.testing.assert_close(pictures[2, 2], middle)
    corners = model.decode(torch.tensor([[-2.0, 2.0], [2.0, -2.0]]))[:, 0]
    torch.testing.assert_close(pictures[0, 0], corners[0], rtol=1e-3, atol=1e-5)  # left, up
    torch.testing.assert_close(pictures[-1, -1], corners[1], rtol=1e-3, atol=1e-5)
    quartile = torch.special.ndtri(torch.tensor(0.5 + (0.97725 - 0.5) / 2))
    torch.testing.assert_close(
        pictures[2, 3], model.decode(torch.tensor([[quartile, 0.0]]))[0, 0], rtol=1e-3, atol=1e-5
    )


def test_the_map_of_two_dimensions_is_the_latents_themselves() -> None:
    codes, labels = torch.randn(80, 2), torch.arange(80) % 10
    scatter = plots.scatter_of(codes, labels)
    assert scatter.points is codes and scatter.labels is labels and scatter.share == 1.0


def test_the_map_of_more_dimensions_shows_the_most_variance() -> None:
    codes = torch.randn(80, 5) @ torch.randn(5, 5)
    scatter = plots.scatter_of(codes, torch.arange(80) % 10)
    variances = torch.linalg.eigvalsh(codes.T.cov()).flip(0)
    torch.testing.assert_close(scatter.points.var(0), variances[:2], rtol=1e-3, atol=1e-5)
    assert scatter.share == pytest.approx(float(variances[:2].sum() / variances.sum()), rel=1e-3)


@pytest.mark.parametrize("preset", ("mlp", "autoencoder", "tiny", "cvae"))
@pytest.mark.parametrize("epochs", (1, 30))
def test_a_run_leaves_its_pictures(preset: str, epochs: int, tmp_path: Path) -> None:
    model = untrained(preset)
    kl = 25.0 if model.config.variational else 0.0
    rows = [
        {"epoch": e}
        | {f"train_{name}": value for name, value in terms(80 + 20 / e, kl).items()}
        | {f"validation_{name}": value for name, value in terms(82 + 20 / e, kl).items()}
        for e in range(1, epochs + 1)
    ]
    plots.save_run_pictures(model, Splits(PICTURES, PICTURES, PICTURES), rows, tmp_path)
    for name in ("curves", "reconstructions_training", "reconstructions_validation", "samples"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert np.asarray(picture.convert("L")).std() > 1, name
    assert {path.suffix for path in tmp_path.iterdir()} == {".png"}


def test_colour_pictures_keep_their_colours() -> None:
    red = torch.zeros(4, 3, 32, 32)
    red[:, 0] = 1.0
    sheet = plots.sheet(red, 2)
    assert sheet.shape[2] == 3
    assert sheet[10, 10].tolist() == [255, 0, 0]


def test_scatter_plot_is_drawn(tmp_path: Path) -> None:
    scatter = plots.Scatter(torch.randn(60, 2), torch.arange(60) % 10, 0.4)
    figure = plots.plot_scatter(scatter, "Latents")
    assert "40% of the variance" in figure.axes[0].get_title(loc="left")
    plots.save_plot(figure, tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as picture:
        assert min(picture.size) > 500


def test_views_alone_load_no_matplotlib() -> None:
    code = "import sys, vae.inspection.samples; sys.exit('matplotlib' in sys.modules or 'torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
