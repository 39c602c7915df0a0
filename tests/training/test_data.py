from pathlib import Path
from urllib.error import URLError

import made_up
import numpy as np
import pytest
import torch
from PIL import Image

from vae.training import data
from vae.training.data import Pictures

TRAIN, TEST = made_up.digits(40), made_up.digits(20, seed=1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ordered(pictures: Pictures) -> Pictures:
    """By label, as a labelled folder is read."""
    return pictures[pictures.labels.argsort(stable=True)]


@pytest.mark.parametrize("name", made_up.WRITERS)
@pytest.mark.parametrize("train", [True, False])
def test_pictures_come_back_as_they_were_written(name: str, train: bool, tmp_path: Path) -> None:
    made_up.WRITERS[name](tmp_path, TRAIN, TEST)
    found = data.load_pictures(name, tmp_path, train)
    expected = TRAIN if train else TEST
    expected = ordered(expected) if name == "folder" else expected
    assert found.images.dtype == torch.uint8
    assert found.labels.dtype == torch.int64
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.labels, expected.labels)


def test_cifar10_keeps_its_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    colours = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=generator())
    train, test = Pictures(colours, TRAIN.labels), Pictures(255 - colours[:20], TEST.labels)
    made_up.write_cifar10(tmp_path, train, test, monkeypatch)
    splits = data.load_splits("cifar10", tmp_path)
    assert torch.equal(torch.cat([splits.train.images, splits.validation.images]), colours)
    assert torch.equal(splits.test.images, test.images)
    assert torch.equal(splits.test.labels, TEST.labels)


def test_a_labelled_folder_takes_any_picture_at_any_size(tmp_path: Path) -> None:
    made_up.write_folder(tmp_path, TRAIN, TEST)
    wide = tmp_path / "train" / "7" / "zz.jpg"
    Image.new("RGB", (50, 40), "white").save(wide)
    found = data.load_pictures("folder", tmp_path, size=14)
    assert found.images.shape == (41, 1, 14, 14)
    (sevens,) = (found.images[found.labels == 7],)
    assert (sevens[-1] == 255).all()
    assert sevens[0].float().mean() == pytest.approx(TRAIN.images[7].float().mean().item(), abs=1)


@pytest.mark.parametrize(
    ("names", "labels"), [(("3", "8"), [3, 8]), (("cat", "dog"), [0, 1])], ids=["numbers", "words"]
)
def test_a_folder_named_by_a_number_has_it_for_a_label(
    names: tuple[str, ...], labels: list[int], tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / "test" / name).mkdir(parents=True)
        Image.new("L", (28, 28)).save(tmp_path / "test" / name / "1.png")
    assert data.load_pictures("folder", tmp_path, train=False).labels.tolist() == labels


@pytest.mark.parametrize("name", data.NAMES)
def test_data_that_are_not_there_are_named_and_not_downloaded(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        data.load_pictures(name, tmp_path)
    assert not list(tmp_path.rglob("*.gz"))


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "head": whole[:5], "half": whole[: len(whole) // 2], "noise": noise(whole)}[how])


def noise(whole: bytes) -> bytes:
    return np.random.default_rng(0).bytes(len(whole))


@pytest.mark.parametrize("name", ["mnist", "fashion", "kmnist", "emnist-digits", "qmnist"])
@pytest.mark.parametrize("how", ["empty", "head", "half", "noise"])
def test_damaged_files_are_said_to_be(name: str, how: str, tmp_path: Path) -> None:
    made_up.WRITERS[name](tmp_path, TRAIN, TEST)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    for path in files:
        whole = path.read_bytes()
        damage(path, how)
        for train in (True, False):
            try:
                data.load_pictures(name, tmp_path, train)
            except OSError as error:
                assert str(error).startswith(f"{name} in {tmp_path} is damaged")
                break
        else:
            raise AssertionError(f"{path.name} was taken")
        path.write_bytes(whole)
    data.load_splits(name, tmp_path)


def test_labels_and_pictures_have_to_fit(tmp_path: Path) -> None:
    some = TRAIN[:20]
    for wrong in (Pictures(some.images, some.labels[:19]), Pictures(some.images, some.labels + 1), some[:0]):
        made_up.write_mnist(tmp_path, wrong, TEST)
        with pytest.raises(OSError, match=r"mnist in .* is damaged"):
            data.load_splits("mnist", tmp_path)
    flat = Pictures(some.images[:, :, :20], some.labels)
    made_up.write_mnist(tmp_path, flat, flat)
    with pytest.raises(OSError, match=r"mnist in .* is damaged"):
        data.load_splits("mnist", tmp_path)
    small = Pictures(some.images[:, :, :20, :20], some.labels)
    for train in (small, some[:1]):
        made_up.write_mnist(tmp_path, train, TEST)
        with pytest.raises(OSError, match="too few pictures, or of different sizes"):
            data.load_splits("mnist", tmp_path)


def test_a_file_that_may_not_be_read_is_the_systems_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setitem(data.TORCHVISION, "mnist", refuse)
    with pytest.raises(PermissionError):
        data.load_pictures("mnist", tmp_path)


@pytest.mark.parametrize(
    ("error", "said"),
    [(URLError("no route"), "is there a network"), (ValueError("bits"), "delete it to have it downloaded again")],
)
def test_in_the_own_cache_a_download_is_the_way_out(
    error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.delenv("DIGIT_MORPH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(data.TORCHVISION, "mnist", fail)
    with pytest.raises(OSError, match=said):
        data.load_pictures("mnist")


def test_a_picture_of_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    made_up.write_folder(tmp_path, TRAIN, TEST)
    (tmp_path / "train" / "7" / "zz.png").write_text("no picture")
    with pytest.raises(OSError, match=r"zz\.png is no picture that can be read: remove it"):
        data.load_pictures("folder", tmp_path)


def test_an_unknown_data_set_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="emnist-digits"):
        data.load_pictures("imagenet", tmp_path)


def test_where_the_data_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIGIT_MORPH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data.data_root() == tmp_path / "digit-morph"
    monkeypatch.setenv("DIGIT_MORPH_DATA", str(tmp_path / "here"))
    assert data.data_root() == tmp_path / "here"
    assert data.data_root("there") == Path("there")


def test_the_last_tenth_of_a_small_set_validates(tmp_path: Path) -> None:
    made_up.write_mnist(tmp_path, TRAIN, TEST)
    splits = data.load_splits("mnist", tmp_path)
    assert torch.equal(splits.train.images, TRAIN.images[:36])
    assert torch.equal(splits.validation.images, TRAIN.images[36:])
    assert torch.equal(splits.test.images, TEST.images)


def test_all_for_training_validates_on_the_test_set(tmp_path: Path) -> None:
    made_up.write_mnist(tmp_path, TRAIN, made_up.digits(1010, seed=2))
    splits = data.load_splits("mnist", tmp_path, all_for_training=True)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (40, 1000, 1010)
    assert torch.equal(splits.validation.images, splits.test.images[:1000])


def test_mnist_is_split_55_5_10(mnist: Path) -> None:
    splits = data.load_splits("mnist", mnist)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (55_000, 5_000, 10_000)
    assert splits.test.labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_floats_are_ink_in_0_to_1() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8)[:, None, None, None]
    assert data.as_floats(images).flatten().tolist() == pytest.approx([0, 0.2, 1])
    assert images.flatten().tolist() == [0, 51, 255]


def test_jitter_changes_the_share_it_is_given_by_seed() -> None:
    x = data.as_floats(made_up.digits(200).images)
    before = x.clone()
    y, again, other = (data.jitter(x, 0.5, generator(seed)) for seed in (3, 3, 4))
    untouched = (y == x).flatten(1).all(1).double().mean()
    assert y.shape == x.shape
    assert 0 <= y.min() < y.max() <= 1
    assert 0.4 < untouched < 0.6
    assert torch.equal(y, again)
    assert not torch.equal(y, other)
    assert torch.equal(x, before)
    assert torch.equal(data.jitter(x, 0.0, generator()), x)
    assert not (data.jitter(x, 1.0, generator()) == x).flatten(1).all(1).any()


def test_augmented_strokes_are_other_hands_as_crisp_and_in_the_same_place() -> None:
    x = data.as_floats(made_up.digits(200).images)
    y, again = (data.augment_strokes(x, 0.5, generator(3)) for _ in range(2))
    assert 0.4 < (y == x).flatten(1).all(1).double().mean() < 0.6
    assert torch.equal(y, again)
    assert torch.equal(data.augment_strokes(x, 0.0, generator()), x)

    whole = data.augment_strokes(x, 1.0, generator(4))
    assert whole.shape == x.shape
    assert 0 <= whole.min() < whole.max() <= 1
    grey, moved = (((p > 0.04) & (p < 0.96)).double().mean().item() for p in (x, whole))
    assert moved < 1.25 * grey + 0.02
    at = torch.arange(28.0)
    places = [(p.sum((1, 2)) @ at) / p.sum((1, 2, 3)) for p in (x, whole)]
    assert (places[0] - places[1]).abs().max() < 0.7
    assert (x - whole).square().mean() < 0.5 * (x.roll(1, 0) - x).square().mean()


def test_jitter_is_mild_and_as_strong_as_it_is_told() -> None:
    x = data.as_floats(made_up.digits(50).images)
    change = [(data.jitter(x, 1.0, generator(), strength) - x).square().mean().item() for strength in (0, 0.5, 1, 2)]
    assert change[0] < 1e-8
    assert change == sorted(change)
    assert change[2] < 0.5 * (x.roll(1, 0) - x).square().mean().item()  # nearer than to another digit


def test_jitter_moves_pictures_aside_by_at_most_the_shift() -> None:
    x = torch.zeros(100, 1, 28, 28)
    x[:, :, 11:17, 11:17] = 1
    moved = data.jitter(x, 1.0, generator(), strength=0.0, shift=3.0)
    column = torch.arange(28.0)
    centre = (moved.sum((1, 2)) @ column) / moved.sum((1, 2, 3)) - 13.5
    assert centre.abs().max() == pytest.approx(3, abs=0.2)
    assert centre.min() < -2
    assert centre.max() > 2


def test_binarise_draws_pixels_from_their_grey() -> None:
    x = torch.full((400, 1, 8, 8), 0.3)
    y = data.binarise(x, 0.5, generator())
    drawn = ((y == 0) | (y == 1)).flatten(1).all(1)
    assert 0.4 < drawn.double().mean() < 0.6
    assert (y[~drawn] == np.float32(0.3)).all()
    assert y[drawn].mean() == pytest.approx(0.3, abs=0.01)
    assert torch.equal(y, data.binarise(x, 0.5, generator()))
    assert not torch.equal(y, data.binarise(x, 0.5, generator(1)))
    assert torch.equal(data.binarise(x, 0.0, generator()), x)
