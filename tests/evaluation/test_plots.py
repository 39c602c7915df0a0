import subprocess
import sys
from pathlib import Path

import made_up
import numpy as np
import pytest
import small_models
import torch
from PIL import Image
from torch import Tensor, nn

from vae import style
from vae.classifier import Classifier, ClassifierConfig
from vae.evaluation import plots
from vae.inspection import samples
from vae.model import VAE
from vae.training.data import Splits
from vae.training.vaes import terms

PICTURES = made_up.digits(80)


def small(preset: str) -> VAE:
    return small_models.small(preset).eval().requires_grad_(False)


def is_ink(x: Tensor) -> bool:
    return x.dtype == torch.float32 and bool((x >= 0).all()) and bool((x <= 1).all())


class ByBrightness(Classifier):
    """Sure of a 3 where more than half of the pixels are bright, of a 7 elsewhere."""

    def __init__(self) -> None:
        super().__init__(ClassifierConfig("reader", "strided", (1, 1, 1), 1))

    def forward(self, x: Tensor) -> Tensor:
        bright = (x.flatten(1) > 0.5).float().mean(1) > 0.5
        return 20 * nn.functional.one_hot(torch.where(bright, 3, 7), 10).float()


@pytest.mark.parametrize("preset", small_models.SMALL)
def test_samples(preset: str) -> None:
    model = small(preset)
    one, same, other = (samples.samples(model, 12, seed) for seed in (0, 0, 1))
    assert one.shape == (12, 1, *(model.config.image_size,) * 2)
    assert is_ink(one)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_temperature_of_zero_decodes_the_middle_of_the_prior() -> None:
    model = small("mlp")
    pictures = samples.samples(model, 3, temperature=0.0)
    torch.testing.assert_close(pictures, model.decode(torch.zeros(3, 5)))


def test_samples_of_a_digit_are_those_the_reader_takes_for_it() -> None:
    model, reader = small("mlp"), ByBrightness()
    for digit in (3, 7):
        pictures = samples.samples_of(model, digit, 20, reader=reader)
        assert pictures.shape == (20, 1, 28, 28)
        assert (reader(pictures).argmax(1) == digit).all()
    assert samples.samples_of(model, 5, 4, reader=reader).shape == (4, 1, 28, 28)  # there is none, the best go


def test_new_digits_are_drawn_where_the_codes_of_the_digit_lie() -> None:
    model, reader = small("mlp"), ByBrightness()
    codes = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(60) % 10
    codes[labels == 4] += 10
    pictures = samples.class_samples(model, 4, 3, codes, labels, temperature=0.0, reader=reader)
    middle = model.decode(codes[labels == 4].mean(0, keepdim=True))
    torch.testing.assert_close(pictures, middle.expand(3, -1, -1, -1), rtol=1e-4, atol=1e-4)
    one, same, other = (samples.class_samples(model, 3, 5, codes, labels, seed, reader=reader) for seed in (0, 0, 1))
    assert one.shape == (5, 1, 28, 28) and torch.equal(one, same) and not torch.equal(one, other)
    assert (reader(torch.cat([one, other])).argmax(1) == 3).all()
    few = samples.class_samples(model, 7, 20, codes, labels, reader=reader)  # most there read as a 3
    read = reader(few).argmax(1).tolist()
    assert read == sorted(read, reverse=True) and {3, 7} == set(read)  # those that read as a 7 come first


def test_a_smaller_models_samples_are_enlarged_for_the_reader() -> None:
    pictures = samples.samples_of(small("tiny"), 3, 5, reader=ByBrightness())
    assert pictures.shape == (5, 1, 14, 14)


def test_a_conditional_model_is_given_the_digit() -> None:
    model = small("cvae")
    pictures = samples.samples_of(model, 4, 3, seed=2)
    z = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(pictures, model.decode(z, torch.full((3,), 4)))


def test_manifold_is_even_in_probability_and_upright() -> None:
    model = small("conv2d")
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


def test_one_hand_keeps_the_latent_of_a_conditional_model() -> None:
    model = small("cvae")
    x, label = PICTURES.images[3:4].float() / 255, 3
    pictures = style.in_the_hand_of(model, x, label, digits=(3, 8))
    mu, _ = model.encode(x, torch.tensor([3]))
    torch.testing.assert_close(pictures, model.decode(mu.repeat(2, 1), torch.tensor([3, 8])))


def test_one_hand_is_carried_from_class_to_class() -> None:
    """Classes that differ in mean and scale: a latent one deviation out stays one deviation out."""

    class Plain(VAE):
        def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
            return torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2)

        def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            return z

    torch.manual_seed(0)
    noise = torch.randn(40_000, 2)
    codes = torch.cat([noise, 3 * noise + 10])
    labels = torch.arange(2).repeat_interleave(40_000)
    model = Plain(small("conv2d").config)
    own, other = style.in_the_hand_of(model, torch.zeros(1, 1, 28, 28), 0, codes, labels, digits=(0, 1))
    torch.testing.assert_close(own, torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(other, torch.tensor([13.0, 10.0]), rtol=0, atol=0.2)


def test_one_hand_needs_codes_of_a_model_without_classes() -> None:
    with pytest.raises(ValueError, match="give codes"):
        style.in_the_hand_of(small("mlp"), torch.zeros(1, 1, 28, 28), 0)


@pytest.mark.parametrize("preset", ("mlp", "autoencoder", "tiny", "cvae"))
@pytest.mark.parametrize("epochs", (1, 30))
def test_a_run_leaves_its_pictures(preset: str, epochs: int, tmp_path: Path) -> None:
    model = small(preset)
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
