import copy
from pathlib import Path

import made_up
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vae import weights
from vae.bank import bank_of, check_number, type_codes
from vae.classifier import load_classifier
from vae.errors import BadRequest, WeightsError
from vae.model import ACTIVE_UNIT_VARIANCE, VAE, build
from vae.morphing import handwritten_curve
from vae.reading import type_digits
from vae.style import measure_style
from vae.training import bank_builder
from vae.training.data import Pictures, as_floats
from vae.training.surrogates import Effort

NOT_A_NUMBER = [
    "",
    " ",
    "12345",
    "-1",
    "3.5",
    "3 2",
    "a",
    "٣",
    "\uff12",
    "²",
    "1e3",
    "0x1",
    "1\n2",
    None,
    3,
    3.0,
    b"3",
    ["3"],
    True,
]


@pytest.mark.parametrize("text", ["0", "7", "32", "0009", "9999", " 41 ", "8\n"])
def test_one_to_four_digits_are_a_number(text: str) -> None:
    assert check_number(text) == text.strip()


@pytest.mark.parametrize("text", NOT_A_NUMBER, ids=repr)
def test_anything_else_is_not(text: object) -> None:
    with pytest.raises(BadRequest, match="one to four digits"):
        check_number(text)


def test_a_bank_holds_the_codes_that_it_was_built_from(small: VAE, pictures: Pictures) -> None:
    bank = bank_of(small)
    assert bank is not None
    x = as_floats(pictures.images)
    z = small.encode(x)[0]
    for codes, part in ((bank.graph, slice(200)), (bank.typed, slice(200, 600))):
        step = (z[part].amax(0) - z[part].amin(0)) / 255
        used = z[:200].var(0) > ACTIVE_UNIT_VARIANCE
        assert ((codes.z - z[part]).abs() <= 0.51 * step + 1e-5)[:, used].all()
        assert not codes.z[:, ~used].any()
        assert torch.equal(codes.labels, pictures.labels[part])
        drawn = small.decode(z[part])
        for kept, measured in (
            (codes.ink[:, None], drawn.sum((1, 2, 3))[:, None]),
            (codes.style, measure_style(drawn)),
        ):
            step = (measured.amax(0) - measured.amin(0)) / 255
            assert ((kept - measured).abs() <= 0.51 * step + 1e-4).all()


def test_a_bank_of_other_weights_is_refused_with_what_to_do(small: VAE) -> None:
    assert small.path is not None
    other = copy.copy(small)
    other.fingerprint = "0" * 64
    with pytest.raises(WeightsError, match=r"bank\.safetensors was built from other weights.*python -m vae bank"):
        bank_of(other)


@pytest.mark.parametrize(
    "change",
    [
        "missing",
        "labels",
        "dimensions",
        "beyond",
        "below",
        "nan",
        "truncated",
        "type",
        "singular",
        "ten",
        "flaws",
        "layers",
    ],
)
def test_a_damaged_bank_is_refused(change: str, small: VAE, tmp_path: Path) -> None:
    path = tmp_path / "bank.safetensors"
    tensors, metadata, _ = weights.read_tensors(small.path.with_name("bank.safetensors"))
    if change == "missing":
        del tensors["typed.z.step"]
    elif change == "labels":
        tensors["typed.labels"] = tensors["typed.labels"][1:].clone()
    elif change == "dimensions":
        tensors["graph.z"] = tensors["graph.z"][:, 1:].contiguous()
    elif change == "nan":
        tensors["graph.z.step"][0] = torch.nan
    elif change == "beyond":
        tensors["used"][-1] = 8  # of 0 to 7
    elif change == "below":
        tensors["used"][0] = -1
    elif change == "type":
        tensors["used"] = tensors["used"].half()
    elif change == "singular":
        tensors["metric"].zero_()
    elif change == "flaws":
        tensors["flaws"] = tensors["flaws"][1:].clone()
    elif change == "layers":
        tensors["surrogate.1.weight"] = tensors["surrogate.1.weight"][:, 1:].contiguous()
    elif change == "ten":
        tensors["typed.labels"][0] = 10
    save_file(tensors, path, metadata)
    if change == "truncated":
        path.write_bytes(path.read_bytes()[:-10])
    beside = copy.copy(small)
    beside.path = tmp_path / "model.safetensors"
    with pytest.raises(WeightsError, match=r"bank\.safetensors"):
        bank_of(beside)


def test_latents_that_carry_nothing_are_left_out_of_a_bank(pictures: Pictures, tmp_path: Path) -> None:
    model = build("mlp", widths=(8,), latent_dim=4)
    with torch.no_grad():
        model.encoder[2].weight[1] = 0  # the second mean is the same for every picture
        model.encoder[2].weight[[0, 2, 3]] *= 10
    weights.save(model, tmp_path / "m.safetensors")
    model = weights.load(tmp_path / "m.safetensors")
    some = pictures[:50]
    effort = Effort(points=200, paths=4, width=8, steps=20)
    bank_builder.build_bank(model, load_classifier("reader"), some, some, tmp_path / "bank.safetensors", effort)
    assert weights.read_tensors(tmp_path / "bank.safetensors")[0]["used"].tolist() == [0, 2, 3]
    z = bank_of(model).graph.z
    assert z[:, 1].eq(0).all()
    torch.testing.assert_close(
        z[:, [0, 2, 3]], model.encode(as_floats(some.images))[0][:, [0, 2, 3]], atol=0.05, rtol=0
    )


def test_a_model_without_a_bank_of_its_own_has_none(small: VAE) -> None:
    assert bank_of(build("mlp")) is None  # never loaded from a file
    other = build("tiny")
    other.path = small.path  # beside it lies a bank, of the mlp
    assert bank_of(other) is None


def test_a_bank_loaded_in_inference_mode_still_makes_paths(small: VAE) -> None:
    """Paths are relaxed by gradients, which tensors made in inference mode would refuse."""
    with torch.inference_mode():
        bank = bank_of(small)
        curve = handwritten_curve(bank, (bank.graph.z[3], bank.graph.z[8]), (3, 8), bank.graph.ink[[3, 8]])
    assert torch.isfinite(curve(torch.linspace(0, 1, 5))).all()


def test_as_many_of_each_class_are_chosen() -> None:
    labels = torch.tensor([3, 3, 3, *range(10), *range(10)])
    chosen = bank_builder.choose(labels, 20)
    assert labels[chosen].bincount().tolist() == [2] * 10
    assert set(chosen[labels[chosen] == 3].tolist()) == {0, 1}


def test_legible_is_what_still_reads_as_its_label_when_drawn_again(small: VAE, pictures: Pictures) -> None:
    reader = load_classifier("reader")
    x, labels = as_floats(pictures.images[:100]), pictures.labels[:100]
    sure, read = reader(small.decode(small.encode(x)[0])).softmax(1).max(1)
    legible = bank_builder.legible(small, reader, x, labels)
    assert torch.equal(legible, (read == labels) & (sure > bank_builder.LEGIBLE))
    assert legible.any()
    assert not (legible & bank_builder.legible(small, reader, x, (labels + 1) % 10)).any()


def test_typed_codes_are_the_digits_by_seed(small: VAE) -> None:
    bank = bank_of(small)
    z, index = type_codes(bank, "3213", seed=4)
    once = type_codes(bank, "321", seed=4)[1]
    assert bank.typed.labels[index].tolist() == [3, 2, 1, 3]
    assert torch.equal(z, bank.typed.z[index])
    assert torch.equal(index[:3], once)  # what comes again changes nothing of what was there
    assert torch.equal(index, type_codes(bank, "3213", seed=4)[1])
    assert len({tuple(type_codes(bank, "3213", seed)[1].tolist()) for seed in range(20)}) > 5


def test_a_repeated_digit_is_written_alike_but_not_cloned(small: VAE) -> None:
    bank = bank_of(small)
    places = bank.typed.z @ bank.metric
    for seed in range(5):
        index = type_codes(bank, "9999", seed)[1]
        assert len(set(index.tolist())) == 4
        own = places[bank.typed.labels == 9]
        alike = (places[index[1:]] - places[index[:-1]]).norm(dim=1).mean()
        assert alike < 0.7 * torch.cdist(own, own).mean()


def test_the_digits_of_a_number_are_of_one_hand(small: VAE) -> None:
    bank = bank_of(small)
    style = bank.typed.style[:, :2]  # slant and pen
    style = (style - style.mean(0)) / style.std(0)
    within = torch.stack([style[type_codes(bank, "0253", seed)[1]].std(0).mean() for seed in range(20)])
    assert within.mean() < 0.8 * style.std(0).mean()


def test_typing_checks_the_number() -> None:
    with pytest.raises(BadRequest):
        type_digits("12345")


def test_style_measures_slant_pen_and_size() -> None:
    bars = torch.zeros(3, 1, 28, 28)
    bars[0, 0, 4:24, 13:15] = 1  # a thin upright bar
    bars[1, 0, 4:24, 11:17] = 1  # a thick one
    for y in range(4, 24):  # leaning to the right: the top is further right
        left = 18 - y // 2
        bars[2, 0, y, left : left + 2] = 1
    slant, pen, height, width = measure_style(bars).unbind(1)
    assert slant.tolist() == pytest.approx([0, 0, 0.5], abs=0.02)
    assert pen.tolist()[:2] == pytest.approx([2 * 20 / 22, 6 * 20 / 26])  # twice the area by the outline
    assert height.tolist() == [20, 20, 20]
    assert width.tolist() == [2, 6, 11]


def test_style_of_an_empty_picture_is_a_number() -> None:
    assert torch.isfinite(measure_style(torch.zeros(1, 1, 28, 28))).all()


def test_made_up_slants_are_seen() -> None:
    bars = np.stack([np.asarray(made_up.digit(1, slant).reduce(4)) for slant in (-0.3, 0.3)])
    left, right = measure_style(as_floats(torch.from_numpy(bars)[:, None]))[:, 0].tolist()
    assert left == pytest.approx(-right, abs=0.05)
    assert right > 0.2


@pytest.mark.parametrize("seed", range(3))
def test_typed_digits_read_as_they_were_typed(seed: int, flagship: VAE) -> None:
    reader = load_classifier("reader")
    pictures = torch.cat([type_digits(number, seed) for number in ("0123", "4567", "89")])
    read = reader(pictures).argmax(1)
    assert (read == torch.arange(10)).sum() >= 9, read


def test_typed_digits_are_pictures_of_their_own() -> None:
    x = type_digits("3232", seed=5)
    assert x.shape == (4, 1, 28, 28)
    assert 0 <= x.min() < x.max() <= 1
    again = type_digits("3232", seed=5)
    assert torch.equal(x, again)
    assert not torch.equal(x, type_digits("3232", seed=6))
    again.zero_()
    assert torch.equal(x, type_digits("3232", seed=5))
