import made_up
import pytest
import torch
from made_up import untrained

from vae.bank import bank_of
from vae.classifier import load_classifier
from vae.errors import BadRequest
from vae.inspection import samples
from vae.model import VAE
from vae.pipeline import default_pipeline, pipeline_of
from vae.reading import read_number


def test_new_digits_read_as_what_was_wanted(small: VAE) -> None:
    reader = load_classifier("reader")
    for digit in (1, 7):
        pictures = samples.class_samples(pipeline_of(small), digit, 10, seed=2)
        assert pictures.shape == (10, 1, 28, 28)
        assert (reader(pictures).argmax(1) == digit).sum() >= 8


def test_new_digits_follow_the_seed_and_are_no_copies(small: VAE) -> None:
    one, same, other = (samples.class_samples(pipeline_of(small), 0, 4, seed) for seed in (5, 5, 6))
    assert torch.equal(one, same) and not torch.equal(one, other)
    bank = bank_of(small)
    written = small.decode(bank.graph.z[bank.graph.labels == 0])
    assert (torch.cdist(one.flatten(1), written.flatten(1)) > 0.1).all()


def test_a_model_without_a_bank_draws_from_its_prior() -> None:
    assert samples.class_samples(pipeline_of(untrained("cvae")), 4, 3).shape == (3, 1, 28, 28)


def test_ten_digits_of_a_drawn_one(small: VAE) -> None:
    picture = torch.from_numpy(made_up.digits(10).images[3:4].float().numpy() / 255)
    pipeline = pipeline_of(small)
    reading = read_number(picture, pipeline)
    pictures = samples.ten_digits(pipeline, reading)
    assert pictures.shape == (10, 1, 28, 28)
    assert reading.digits[0] == 3
    assert (load_classifier("reader")(pictures).argmax(1) == torch.arange(10)).sum() >= 6


def test_what_needs_a_bank_says_so(small: VAE) -> None:
    with pytest.raises(BadRequest, match="no bank of handwriting"):
        samples.ten_digits(pipeline_of(untrained("mlp")), read_number("3", default_pipeline()))
    with pytest.raises(BadRequest, match="no bank of handwriting"):
        samples.written_latent(pipeline_of(untrained("mlp")), 3)
    assert samples.ten_digits(pipeline_of(untrained("cvae")), read_number("3", default_pipeline())).shape == (
        10,
        1,
        28,
        28,
    )


def test_a_start_is_a_code_of_that_digit_by_seed(small: VAE) -> None:
    typed = bank_of(small).typed
    for seed in range(3):
        z = samples.written_latent(pipeline_of(small), 6, seed)
        (index,) = (typed.z == z).all(1).nonzero()[:1, 0]
        assert typed.labels[index] == 6
        assert torch.equal(z, samples.written_latent(pipeline_of(small), 6, seed))
    assert len({tuple(samples.written_latent(pipeline_of(small), 6, seed).tolist()) for seed in range(8)}) > 3
