import made_up
import pytest
import torch
from torch import Tensor

from vae.classifier import Classifier, ClassifierConfig
from vae.evaluation.scoreboard import (
    Pairs,
    Reals,
    choose_pairs,
    coverage,
    frechet_distance,
    knn_radii,
    score,
    score_methods,
)
from vae.inspection.comparison import crossfade
from vae.training.data import Pictures

PICTURES = made_up.digits(120)
X = PICTURES.images.float() / 255


@pytest.fixture(scope="module")
def judge() -> Classifier:
    torch.manual_seed(0)
    return Classifier(ClassifierConfig("judge", "pooled", (4, 6, 8), 10)).eval().requires_grad_(False)


def test_frechet_distance_of_known_gaussians() -> None:
    torch.manual_seed(0)
    noise = torch.randn(200_000, 3)
    moved = torch.randn(200_000, 3) * torch.tensor([1.0, 2.0, 3.0]) + torch.tensor([0.0, 0.0, 2.0])
    # |m|^2 + sum (s_a - s_b)^2 for diagonal covariances
    assert frechet_distance(noise, moved) == pytest.approx(4 + 1 + 4, rel=0.02)
    assert frechet_distance(noise, noise) == pytest.approx(0, abs=1e-6)
    turn, _ = torch.linalg.qr(torch.randn(3, 3))
    assert frechet_distance(noise @ turn, moved @ turn) == pytest.approx(frechet_distance(noise, moved), rel=1e-3)


def test_frechet_distance_of_correlated_gaussians() -> None:
    """Against the formula with a general matrix square root (eigenvalues of the product)."""
    torch.manual_seed(1)
    a, b = (torch.randn(5_000, 4) @ torch.randn(4, 4) + torch.randn(4) for _ in range(2))
    cov_a, cov_b = a.double().T.cov(), b.double().T.cov()
    root = torch.linalg.eigvals(cov_a @ cov_b).real.clamp_min(0).sqrt().sum()
    mean = (a.double().mean(0) - b.double().mean(0)).square().sum()
    expected = float(mean + cov_a.trace() + cov_b.trace() - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_radii_are_distances_to_the_kth_other_point() -> None:
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert knn_radii(line, k=1).tolist() == pytest.approx([1, 1, 2, 4], abs=1e-3)
    assert knn_radii(line, k=2).tolist() == pytest.approx([3, 2, 3, 6], abs=1e-3)
    with pytest.raises(ValueError, match="more than 4 points"):
        knn_radii(line, k=4)


def test_precision_is_one_on_identical_sets_and_nought_far_away() -> None:
    points = torch.randn(300, 5)
    assert coverage(points, points, knn_radii(points)) == 1.0
    assert coverage(points + 100, points, knn_radii(points)) == 0.0
    half = torch.cat([points[:50], points[:50] + 100])
    assert coverage(half, points, knn_radii(points)) == 0.5


def test_pairs_are_of_two_classes_and_seeded() -> None:
    one, same, other = (choose_pairs(PICTURES, 50, seed) for seed in (0, 0, 1))
    assert len(one) == 50
    assert (one.source_labels != one.target_labels).all()
    assert torch.equal(one.source, same.source) and torch.equal(one.target, same.target)
    assert not torch.equal(one.source, other.source)
    with pytest.raises(ValueError, match="two classes"):
        choose_pairs(Pictures(PICTURES.images[:1], PICTURES.labels[:1]), 5, 0)


def test_shape_figures_of_a_crossfade_are_known(judge: Classifier) -> None:
    pairs = choose_pairs(PICTURES, 6, 0)
    figures = score(lambda a, b: crossfade(a, b, 60), pairs, judge, Reals.of(judge, X))
    assert figures["ink"] == pytest.approx(1, abs=1e-4)
    assert figures["endpoint"] == pytest.approx(0, abs=1e-9)
    assert figures["variation"] == pytest.approx(0, abs=1e-4)
    assert figures["largest"] == pytest.approx(1, abs=1e-4)
    motion = (pairs.target - pairs.source).flatten(1).norm(dim=1).mean()
    assert figures["motion"] == pytest.approx(float(motion), rel=1e-4)
    assert figures["detour"] == pytest.approx(1, rel=1e-4)


def test_shape_figures_tell_uneven_steps_thin_strokes_and_missed_ends(judge: Classifier) -> None:
    def cut(source: Tensor, target: Tensor) -> Tensor:
        """Half the ink, a jump in the middle."""
        return 0.5 * torch.cat([source[0].repeat(30, 1, 1), target[0].repeat(30, 1, 1)])

    pairs = choose_pairs(PICTURES, 4, 0)
    figures = score(cut, pairs, judge, Reals.of(judge, X))
    assert figures["largest"] == pytest.approx(59, rel=1e-3)
    assert figures["variation"] > 5
    assert figures["ink"] == pytest.approx(0.5, abs=1e-3)
    squares = torch.cat([pairs.source, pairs.target]).square().mean()
    assert figures["endpoint"] == pytest.approx(float(squares) / 4, rel=1e-4)


def test_third_digit_and_confidence_are_counted_in_the_middle_half(judge: Classifier) -> None:
    class Brightness(Classifier):
        """Reads a 9, for certain, where the picture is white, else the source's or target's 0, unsurely."""

        def forward(self, x: Tensor) -> Tensor:
            raise NotImplementedError

        def features(self, x: Tensor) -> Tensor:
            features = x.flatten(1)[:, :10].clone()
            features[:, 9] = x.flatten(1)[:, -1] * 50
            return features

    reader = Brightness(ClassifierConfig("judge", "pooled", (1, 1, 1), 10)).eval().requires_grad_(False)
    reader.head.weight.copy_(torch.eye(10))
    reader.head.bias.copy_(torch.tensor([0.1] + [0.0] * 9))
    some = Pictures(PICTURES.images, torch.arange(120) % 2)  # classes 0 and 1: a 9 is a third digit

    def flash(source: Tensor, target: Tensor) -> Tensor:
        frames = torch.rand(60, 28, 28) * 0.01
        frames[:, -1, -1] = 0.0
        frames[:25, -1, -1] = 1.0  # 15 to 24 of the middle half, 15 to 44
        return frames

    figures = score(flash, choose_pairs(some, 4, 0), reader, Reals(torch.randn(20, 10), torch.ones(20)))
    assert figures["third_class_rate"] == pytest.approx(10 / 30)
    assert figures["low_confidence_rate"] == pytest.approx(20 / 30)


def test_a_row_for_each_method_after_the_references(judge: Classifier) -> None:
    pairs, reals = [choose_pairs(PICTURES, 8, seed) for seed in (0, 1)], Reals.of(judge, X)
    rows = score_methods({"the source, still": still}, pairs, judge, reals)
    assert [row["frames"] for row in rows] == ["real digits", "pixel crossfade", "the source, still"]
    real, fade, unmoved = rows
    assert real["precision"] == 1.0  # the pairs are among the reals here
    assert unmoved["motion"] == 0
    assert unmoved["precision"] == 1.0
    assert fade["precision"] < 1.0
    single = score_methods({}, pairs[:1], judge, reals)[1]
    other = score_methods({}, pairs[1:], judge, reals)[1]
    assert fade["frechet"] == pytest.approx((single["frechet"] + other["frechet"]) / 2)


def still(source: Tensor, target: Tensor) -> Tensor:
    return source[0].repeat(60, 1, 1)


def test_the_turn_is_where_neither_digit_is_sure_and_straying_is_away_from_both() -> None:
    class ByInk(Classifier):
        """A 0 of little ink, a 1 of much, unsure in between; where the corner is of another grey, far from both."""

        def forward(self, x: Tensor) -> Tensor:
            raise NotImplementedError

        def features(self, x: Tensor) -> Tensor:
            features = torch.zeros(len(x), 10)
            features[:, 1] = x.flatten(1).mean(1)
            features[:, 5] = (x[:, 0, 0, 0] - x[:, 0, 5, 5]).abs() * 10
            return features

    reader = ByInk(ClassifierConfig("judge", "pooled", (1, 1, 1), 10)).eval().requires_grad_(False)
    reader.head.weight.zero_()
    reader.head.weight[0, 1], reader.head.weight[1, 1] = -40, 40
    reader.head.bias.fill_(-40)
    reader.head.bias[0], reader.head.bias[1] = 20, -20  # even at a half
    one, other = torch.zeros(4, 1, 28, 28), torch.ones(4, 1, 28, 28)
    pairs = Pairs(one, other, torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long))
    reals = Reals(torch.randn(20, 10), torch.ones(20))

    def fade(source: Tensor, target: Tensor) -> Tensor:
        return torch.linspace(0, 1, 41)[:, None, None] * torch.ones(28, 28)

    figures = score(fade, pairs, reader, reals)
    assert figures["turn"] == 3  # |ink - 1/2| < log(19) / 80
    assert figures["stray"] == pytest.approx(1, abs=1e-3)

    def astray(source: Tensor, target: Tensor) -> Tensor:
        frames = fade(source, target)
        frames[1:-1, 0, 0] = 1
        return frames

    assert score(astray, pairs, reader, reals)["stray"] > 5
