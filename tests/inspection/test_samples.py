import made_up
import pytest
import torch
from small_models import SMALL, ByBrightness, untrained

from vae.bank import Bank, Codes, bank_of
from vae.classifier import load_classifier
from vae.errors import BadRequest
from vae.inspection import samples
from vae.model import VAE
from vae.pipeline import Pipeline, default_pipeline, pipeline_of
from vae.reading import read_number
from vae.surrogate import Surrogate


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


def with_codes(model: VAE, codes: torch.Tensor | None, labels: torch.Tensor | None = None) -> Pipeline:
    """A model with codes for a bank, read by brightness."""
    bank = None
    if codes is not None and labels is not None:
        own = Codes(codes, labels, torch.ones(len(codes)), torch.ones(len(codes), 4))
        bank = Bank(
            own, own, torch.eye(codes.shape[1]), torch.zeros(0, 2, dtype=torch.long), torch.zeros(0), Surrogate([])
        )
    return Pipeline(model, bank, ByBrightness())


@pytest.mark.parametrize("preset", SMALL)
def test_samples_of_the_prior(preset: str) -> None:
    model = untrained(preset)
    one, same, other = (samples.prior_samples(model, 12, seed) for seed in (0, 0, 1))
    assert one.shape == (12, 1, *(model.config.image_size,) * 2)
    assert one.dtype == torch.float32 and one.min() >= 0 and one.max() <= 1
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_samples_of_a_digit_are_those_the_reader_takes_for_it() -> None:
    pipeline = with_codes(untrained("mlp"), None)
    for digit in (3, 7):
        pictures = samples.class_samples(pipeline, digit, 20)
        assert pictures.shape == (20, 1, 28, 28)
        assert (pipeline.reader(pictures).argmax(1) == digit).all()
    assert samples.class_samples(pipeline, 5, 4).shape == (4, 1, 28, 28)  # there is none, the best go


def test_samples_of_a_digit_are_drawn_where_its_codes_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    model = untrained("mlp")
    codes = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(60) % 10
    codes[labels == 4] += 10
    pipeline = with_codes(model, codes, labels)
    one, same, other = (samples.class_samples(pipeline, 3, 5, seed) for seed in (0, 0, 1))
    assert one.shape == (5, 1, 28, 28) and torch.equal(one, same) and not torch.equal(one, other)
    assert (pipeline.reader(torch.cat([one, other])).argmax(1) == 3).all()
    few = samples.class_samples(pipeline, 7, 20)  # most there read as a 3
    read = pipeline.reader(few).argmax(1).tolist()
    assert read == sorted(read, reverse=True) and {3, 7} == set(read)  # those that read as a 7 come first
    monkeypatch.setattr(samples, "TEMPERATURE", 0.0)
    middle = model.decode(codes[labels == 4].mean(0, keepdim=True)).expand(3, -1, -1, -1)
    torch.testing.assert_close(samples.class_samples(pipeline, 4, 3), middle, rtol=1e-4, atol=1e-4)


def test_a_smaller_models_samples_are_enlarged_for_the_reader() -> None:
    assert samples.class_samples(with_codes(untrained("tiny"), None), 3, 5).shape == (5, 1, 14, 14)


def test_a_conditional_model_is_given_the_digit() -> None:
    model = untrained("cvae")
    pictures = samples.class_samples(with_codes(model, None), 4, 3, seed=2)
    z = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(pictures, model.decode(z, torch.full((3,), 4)))
