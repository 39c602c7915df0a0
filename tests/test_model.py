import json
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from vae.model import (
    CERTAIN,
    PRESETS,
    VAE,
    VAEConfig,
    build,
    in_batches,
    kl_nats,
    posterior_means,
    reconstruction_nats,
    sample_posterior,
)
from vae.training.data import as_floats
from vae.weights import load


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def inputs(model: VAE, count: int = 3) -> tuple[Tensor, Tensor | None]:
    """Pictures of that model's size, and classes for one that takes them."""
    c = model.config
    return noise(count, c.channels, c.image_size, c.image_size).sigmoid(), (torch.arange(count) if c.classes else None)


@pytest.mark.parametrize("preset", PRESETS)
@torch.inference_mode()
def test_shapes_and_ranges(preset: str) -> None:
    model = build(preset).eval()
    x, y = inputs(model)
    mu, logvar = model.encode(x, y)
    assert mu.shape == logvar.shape == (3, model.config.latent_dim)
    pictures = model.decode(mu, y)
    assert pictures.shape == x.shape
    assert pictures.min() > 0
    assert pictures.max() < 1
    torch.testing.assert_close(pictures.logit(), model.decode_logits(mu, y), atol=1e-5, rtol=1e-4)
    logits, *posterior = model(x, y)
    assert logits.shape == x.shape
    assert torch.equal(posterior[0], mu)
    assert torch.equal(posterior[1], logvar)


@pytest.mark.parametrize("preset", ["mlp", "conv2d", "flagship"])
@torch.inference_mode()
def test_size_and_colour_come_from_the_config(preset: str) -> None:
    model = build(preset, channels=3, image_size=32, latent_dim=5).eval()
    mu, _ = model.encode(torch.rand(2, 3, 32, 32))
    assert mu.shape == (2, 5)
    assert model.decode(mu).shape == (2, 3, 32, 32)


def test_the_mlp_is_the_classic() -> None:
    sizes = [(m.in_features, m.out_features) for m in build("mlp").modules() if isinstance(m, nn.Linear)]
    assert sizes == [(784, 400), (400, 40), (20, 400), (400, 784)]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_config_survives_json(preset: str) -> None:
    config = PRESETS[preset]
    assert VAEConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    "wrong",
    [
        {"depth": 3},  # a key of another version
        {"architecture": "transformer"},
        {"latent_dim": 0},
        {"widths": [400, 0]},
        {"architecture": "conv", "widths": [8, 8], "hidden": 8, "image_size": 30},
        {"architecture": "conv", "widths": [8, 8], "hidden": 8, "classes": 10},
        {"architecture": "conv", "widths": [8, 8]},
        {"architecture": "conv", "widths": [8, 8, 8], "hidden": 8},
        {"architecture": "residual", "widths": [8, 8, 8, 8], "hidden": 8},
        {"latent_dim": 4097},
        {"latent_dim": 2.0},
        {"latent_dim": True},
        {"latent_dim": "2"},
        {"latent_dim": None},
        {"widths": "abc"},
        {"widths": 17 * [1]},
        {"widths": [-1]},
        {"blocks": [33]},
        {"hidden": -1},
        {"image_size": 100_000_000},
        {"refinements": 101},
        {"classes": -1},
        {"preset": 3},
        {"preset": "a\nb"},
        {"preset": 65 * "a"},
        {"variational": 1},
        {"activation": "sine"},
        {"activation": []},
        {17 * "unknown": 1},
    ],
    ids=repr,
)
def test_a_config_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="|".join([*wrong, "hidden", "widths", "not a model", "unknown settings"])):
        VAEConfig.from_dict(wrong)


@pytest.mark.parametrize("wrong", [None, [], 3, "mlp"])
def test_a_config_is_an_object(wrong: object) -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        VAEConfig.from_dict(wrong)  # type: ignore[arg-type]


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="flagship"):
        build("resnet")


def test_kl_is_that_of_two_normals() -> None:
    mu, logvar = noise(6, 4), noise(6, 4, seed=1)
    prior = Normal(torch.zeros(()), torch.ones(()))
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), prior)
    assert kl_nats(mu, logvar).shape == (6, 4)
    torch.testing.assert_close(kl_nats(mu, logvar), expected)
    assert kl_nats(torch.zeros(1), torch.zeros(1)) == 0


def test_reconstruction_is_the_cross_entropy_of_grey_pixels() -> None:
    logits, target = noise(2, 1, 3, 3) * 4, noise(2, 1, 3, 3, seed=1).sigmoid()
    by_hand = []
    for logit, t in zip(logits.flatten(1).tolist(), target.flatten(1).tolist(), strict=True):
        p = [1 / (1 + math.exp(-v)) for v in logit]
        terms = zip(p, t, strict=True)
        by_hand.append(-sum(b * math.log(a) + (1 - b) * math.log(1 - a) for a, b in terms))
    torch.testing.assert_close(reconstruction_nats(logits, target), torch.tensor(by_hand))


def test_the_posterior_is_sampled_with_its_mean_and_deviation_by_seed() -> None:
    mu, logvar = torch.full((20_000, 1), 3.0), torch.full((20_000, 1), math.log(0.25))
    z, again, other = (sample_posterior(mu, logvar, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert z.mean() == pytest.approx(3, abs=0.02)
    assert z.std() == pytest.approx(0.5, abs=0.02)
    assert torch.equal(z, again)
    assert not torch.equal(z, other)


@torch.inference_mode()
def test_a_plain_autoencoder_has_no_noise() -> None:
    model = build("autoencoder").eval()
    x, _ = inputs(model)
    logits, mu, logvar = model(x)
    assert (logvar == CERTAIN).all()
    torch.testing.assert_close(logits, model.decode_logits(mu), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_the_conditional_model_needs_the_class_hard_or_soft() -> None:
    model = build("cvae").eval()
    x, y = inputs(model)
    z = noise(3, 20)
    for call in (model.encode, model.decode):
        with pytest.raises(ValueError, match="needs the class"):
            call(x if call == model.encode else z)
    one_hot = nn.functional.one_hot(y, 10).float()
    hard, mixed = model.decode(z, y), model.decode(z, 0.5 * (one_hot + one_hot.roll(1, 1)))
    assert torch.equal(hard, model.decode(z, one_hot))
    assert not torch.allclose(hard, model.decode(z, y + 1), atol=1e-3)
    assert not torch.allclose(hard, mixed, atol=1e-3)
    assert torch.equal(model.encode(x, y)[0], model.encode(x, one_hot)[0])


@torch.inference_mode()
def test_other_models_do_not_look_at_the_class() -> None:
    model = build("mlp").eval()
    z = noise(2, 20)
    assert torch.equal(model.decode(z, torch.tensor([1, 2])), model.decode(z))


def test_tiny_reads_14_pixels_cut_at_128() -> None:
    tiny = build("tiny")
    greys = torch.tensor([0, 127, 128, 255], dtype=torch.uint8).repeat_interleave(4)
    flat = as_floats(greys[:, None, None, None].expand(-1, 1, 28, 28))
    seen = tiny.prepare(flat)
    assert seen.shape == (16, 1, 14, 14)
    assert torch.equal(seen[:, 0, 0, 0], torch.tensor([0.0, 0, 1, 1]).repeat_interleave(4))
    block = torch.zeros(2, 1, 28, 28)
    block[:, 0, :2, :2] = torch.tensor([[255.0, 255], [0, 1]]) / 255  # 127.75 of 255 on average
    block[1, 0, 1, 1] = 3 / 255  # 128.25
    assert tiny.prepare(block)[:, 0, 0, 0].tolist() == [0, 1]
    assert tiny.prepare(block)[:, 0, 1:].sum() == 0


def test_other_models_read_grey_as_it_is() -> None:
    x = noise(2, 1, 28, 28).sigmoid()
    assert torch.equal(build("mlp").prepare(x), x)


def energy(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """-log p(x, z) in nats, but for a constant."""
    return reconstruction_nats(model.decode_logits(z), x) + 0.5 * z.square().sum(1)


def test_refining_comes_nearer_and_never_further(small: VAE, stack: Callable[[str], Tensor]) -> None:
    x = stack("0123456789")
    mu, logvar = small.encode(x)
    assert (energy(small, x, small.refined(x, mu, logvar, steps=3)) <= energy(small, x, mu)).all()
    off = mu + noise(*mu.shape)
    assert (energy(small, x, small.refined(x, off, logvar, steps=3)) < energy(small, x, off) - 1).all()
    assert torch.equal(small.refined(x, mu, logvar, steps=0), mu)


def test_the_flagship_refines_what_its_encoder_says(flagship: VAE, stack: Callable[[str], Tensor]) -> None:
    assert flagship.config == PRESETS["flagship"] and flagship.config.refinements
    x = stack("0123456789")
    with torch.inference_mode():
        z, logvar = flagship.encode(x)
        mu, same = flagship.amortised(x)
    assert torch.equal(logvar, same)
    assert torch.equal(z, flagship.refined(x, mu, logvar, steps=flagship.config.refinements))
    assert (energy(flagship, x, z) < energy(flagship, x, mu)).all()


@pytest.mark.parametrize("kind", ["black", "noise", "inverted", "empty", "far off"])
def test_no_picture_leads_the_refining_astray(kind: str, flagship: VAE, stack: Callable[[str], Tensor]) -> None:
    x = stack("0123456789")
    x = {
        "black": torch.ones_like(x),
        "noise": noise(*x.shape).sigmoid(),
        "inverted": 1 - x,
        "empty": torch.zeros_like(x),
        "far off": x.roll(9, 3),
    }[kind]
    mu, logvar = flagship.amortised(x)
    for steps in (1, 2, 3):
        assert (energy(flagship, x, flagship.refined(x, mu, logvar, steps=steps)) < energy(flagship, x, mu)).all()


def test_in_training_the_gradient_passes_straight_through_to_the_encoder() -> None:
    model, plain = build("mlp", refinements=2), build("mlp")
    plain.load_state_dict(model.state_dict())
    x, to = noise(4, 1, 28, 28).sigmoid(), noise(4, 20, seed=1)
    for one in (model, plain):
        (one.train().encode(x)[0] * to).sum().backward()
    assert not torch.equal(model.encode(x)[0], plain.encode(x)[0])
    assert model.decoder.training and model.decoder[0][0].weight.grad is None
    for a, b in zip(model.encoder.parameters(), plain.encoder.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


def test_a_model_made_in_inference_mode_refines_too() -> None:
    with torch.inference_mode():
        model = load()
        x = noise(2, 1, 28, 28).sigmoid()
        assert model.encode(x)[0].isfinite().all() and build("flagship").eval().encode(x)[0].isfinite().all()


def test_batches_are_joined_and_what_is_none_is_passed_on() -> None:
    sizes: list[int] = []

    def double(x: Tensor, y: Tensor | None, z: Tensor) -> Tensor:
        assert y is None
        sizes.append(len(x))
        return 2 * x + z

    x = noise(7, 2)
    assert torch.equal(in_batches(double, x, None, x, size=3), 3 * x) and sizes == [3, 3, 1]
    assert in_batches(double, x[:0], None, x[:0]).shape == (0, 2)
    model = build("cvae").eval()
    pictures, y = noise(501, 1, 28, 28).sigmoid(), torch.arange(501) % 10
    with torch.inference_mode():
        torch.testing.assert_close(posterior_means(model, pictures, y), model.encode(pictures, y)[0])
