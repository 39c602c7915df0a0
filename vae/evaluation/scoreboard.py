"""The morph scoreboard: are the frames between two digits digits themselves?

A method is a function from two digits `(1, 1, 28, 28)` to frames `(T, 28, 28)`, all in [0, 1], ink = 1.
Its frames in the middle half of the way are compared with real digits in the feature space of the judge, a
classifier that nothing was ever optimised against. Two rows are references: *real digits* are the best
score to be had, and *pixel crossfade* needs no model.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from vae.classifier import Classifier
from vae.evaluation.looks import compared
from vae.inspection.comparison import crossfade
from vae.model import in_batches
from vae.style import symmetric_root
from vae.training.data import Pictures

Method = Callable[[Tensor, Tensor], Tensor]
Row = dict[str, float | str | None]

NEIGHBOURS = 3  # k of precision and recall
LOW_CONFIDENCE = 0.7
SURE = 0.95  # of one of the two digits; a frame in which neither has it belongs to the turn
CHUNK = 1024  # rows of a distance matrix at a time


@dataclass(frozen=True)
class Pairs:
    """Digits to morph between, of two different classes each: pictures `(N, 1, 28, 28)`, classes `(N,)`."""

    source: Tensor
    target: Tensor
    source_labels: Tensor
    target_labels: Tensor

    def __len__(self) -> int:
        return len(self.source)


def choose_pairs(pictures: Pictures, count: int, seed: int) -> Pairs:
    """`count` pairs of pictures of different classes, the same for the same seed."""
    if len(pictures.labels.unique()) < 2:
        raise ValueError("pairs need digits of two classes at least")
    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(len(pictures), (8 * count + 64,), generator=generator)
    second = torch.randint(len(pictures), (8 * count + 64,), generator=generator)
    apart = (pictures.labels[first] != pictures.labels[second]).nonzero()[:count, 0]
    if len(apart) < count:
        raise ValueError(f"found only {len(apart)} pairs of different classes, wanted {count}")
    one, other = pictures[first[apart]], pictures[second[apart]]
    return Pairs(one.images.float() / 255, other.images.float() / 255, one.labels, other.labels)


@torch.inference_mode()
def judge_features(judge: Classifier, x: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures `(N, 1, 28, 28)` -> the judge's features `(N, F)` and probabilities `(N, 10)`."""
    features = in_batches(judge.features, x)
    return features, judge.head(features).softmax(1)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Frechet distance of the Gaussians fitted to features `(N, F)` and `(M, F)`.

    |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a^1/2 S_b S_a^1/2)^1/2): Dowson & Landau 1982; of a classifier's
    features, Heusel et al. 2017, https://arxiv.org/abs/1706.08500.
    """
    a, b = a.double(), b.double()
    cov_a, cov_b = a.T.cov(), b.T.cov()
    root = symmetric_root(cov_a)
    cross = symmetric_root(root @ cov_b @ root).trace()
    distance = (a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(0.0, float(distance))


def knn_radii(points: Tensor, k: int = NEIGHBOURS) -> Tensor:
    """Distance of each point `(N, F)` to its k-th nearest other one: `(N,)`."""
    if len(points) <= k:
        raise ValueError(f"a manifold of {k} neighbours needs more than {k} points, not {len(points)}")
    return in_batches(lambda x: torch.cdist(x, points).topk(k + 1, largest=False).values[:, k], points, size=CHUNK)


def coverage(x: Tensor, points: Tensor, radii: Tensor) -> float:
    """Share of `x` `(M, F)` within the manifold of `points` `(N, F)`: in the ball of one of them at least.

    With real points it is the precision of x, with generated points the recall of real x
    (Kynkaanniemi et al., Improved Precision and Recall Metric, 2019, https://arxiv.org/abs/1904.06991).
    """
    inside = in_batches(lambda x: (torch.cdist(x, points) <= radii).any(1), x, size=CHUNK)
    return float(inside.double().mean())


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: a second one does not speed up the many small products of a morph, and on a busy
    machine the two wait for each other, up to a hundred times longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Reals:
    """Real digits as the judge sees them: features `(N, F)` and the radii `(N,)` of their manifold."""

    features: Tensor
    radii: Tensor

    @classmethod
    def of(cls, judge: Classifier, x: Tensor) -> Reals:
        features, _ = judge_features(judge, x)
        return cls(features, knn_radii(features))


def score_methods(methods: Mapping[str, Method], pairs: Sequence[Pairs], judge: Classifier, reals: Reals) -> list[Row]:
    """One row a method, the two references first; each figure is the mean over the sets of pairs, one a seed."""
    rows = [_mean("real digits", [_score_digits(some, judge, reals) for some in pairs])]
    for name, method in {"pixel crossfade": lambda a, b: crossfade(a, b, 60), **methods}.items():
        each = [score(method, some, judge, reals, name) for some in pairs]
        rows.append(_mean(name, each))
    return rows


@torch.no_grad()
def score(method: Method, pairs: Pairs, judge: Classifier, reals: Reals, name: str = "") -> dict[str, float]:
    """The figures of one method on one set of pairs: of the frames in the middle half (1/4 <= alpha <= 3/4)
    those of `_plausibility`, of all frames those of `_shape`, `_turn` and `vae.evaluation.looks.compared`."""
    shapes, middles = [], []
    for i in tqdm(range(len(pairs)), name, disable=None, dynamic_ncols=True, leave=False):
        source, target = pairs.source[i : i + 1], pairs.target[i : i + 1]
        with one_thread():
            frames = method(source, target).detach().float()
        labels = int(pairs.source_labels[i]), int(pairs.target_labels[i])
        shapes.append(
            _shape(frames, source[0, 0], target[0, 0])
            | _turn(*judge_features(judge, frames[:, None]), labels)
            | compared(frames)
        )
        middles.append(frames[_middle(len(frames))])
    count = len(middles[0])  # frames a pair
    features, probability = judge_features(judge, torch.cat(middles)[:, None])
    ends = torch.stack([pairs.source_labels, pairs.target_labels], 1).repeat_interleave(count, 0)
    picks = torch.randint(count, (len(pairs),), generator=torch.Generator().manual_seed(0))
    one_a_pair = features[torch.arange(len(pairs)) * count + picks]
    means = {name: sum(shape[name] for shape in shapes) / len(shapes) for name in shapes[0]}
    return {**_plausibility(features, one_a_pair, probability, ends, reals), **means}


def _score_digits(pairs: Pairs, judge: Classifier, reals: Reals) -> dict[str, float]:
    """The pairs' own digits, scored as if they were frames."""
    features, probability = judge_features(judge, torch.cat([pairs.source, pairs.target]))
    labels = torch.cat([pairs.source_labels, pairs.target_labels])
    return _plausibility(features, features[: len(pairs)], probability, labels[:, None], reals)


def _plausibility(
    features: Tensor, one_a_pair: Tensor, probability: Tensor, ends: Tensor, reals: Reals
) -> dict[str, float]:
    """Figures of frames that the judge sees as `features` `(N, F)` and `probability` `(N, 10)`, on the way
    between the digits `ends` `(N, 1 or 2)`; `one_a_pair` are the features of one frame a pair.

    `precision`; `recall`, of real digits by all frames (the balls are as small as the steps, so it is
    comparable only at equal steps) and, as `recall_apart`, by one frame a pair, so that no two lie on one
    path; `low_confidence_rate`; `third_class_rate` (read as none of the ends); `frechet`.
    """
    confidence, digit = probability.max(1)
    return {
        "precision": coverage(features, reals.features, reals.radii),
        "recall": coverage(reals.features, features, knn_radii(features)),
        "recall_apart": coverage(reals.features, one_a_pair, knn_radii(one_a_pair)),
        "low_confidence_rate": float((confidence < LOW_CONFIDENCE).double().mean()),
        "third_class_rate": float((digit[:, None] != ends).all(1).double().mean()),
        "frechet": frechet_distance(features, reals.features),
    }


def _middle(count: int) -> Tensor:
    alpha = torch.linspace(0, 1, count)
    return ((alpha >= 0.25) & (alpha <= 0.75)).nonzero()[:, 0]


def _shape(frames: Tensor, source: Tensor, target: Tensor) -> dict[str, float]:
    """How one morph `(T, 28, 28)` moves: `ink` of the two frames at the middle, over the mean of the two digits';
    `motion`, the sum of the L2 distances from frame to frame, `detour`, that over the distance from first to last,
    their `variation` (standard deviation over mean) and the `largest` (over mean); `endpoint`, the mean squared
    error of first and last frame."""
    steps = (frames[1:] - frames[:-1]).flatten(1).norm(dim=1)
    mean = steps.mean().clamp_min(1e-9)
    centre = frames[(len(frames) - 1) // 2 : len(frames) // 2 + 1]
    expected = (source.sum() + target.sum()) / 2
    endpoint = ((frames[0] - source).square().mean() + (frames[-1] - target).square().mean()) / 2
    return {
        "ink": float(centre.sum() / len(centre) / expected.clamp_min(1e-9)),
        "motion": float(steps.sum()),
        "detour": float(steps.sum() / (frames[-1] - frames[0]).norm().clamp_min(1e-9)),
        "variation": float(steps.std(correction=0) / mean),
        "largest": float(steps.max() / mean),
        "endpoint": float(endpoint),
    }


def _turn(features: Tensor, probability: Tensor, labels: tuple[int, int]) -> dict[str, float]:
    """How one morph goes from one digit to the other, in the judge's eyes (`features` `(T, F)`, `probability`
    `(T, 10)`): `turn`, the number of frames in which it is sure of neither; `stray`, the mean of a frame's distances
    to both ends over the distance of the ends, 1 where all lie on the line between them."""
    first, last = ((features - features[k]).norm(dim=1) for k in (0, -1))
    return {
        "turn": float((probability[:, list(labels)] < SURE).all(1).sum()),
        "stray": float((first + last).mean() / first[-1].clamp_min(1e-9)),
    }


def _mean(name: str, each: list[dict[str, float]]) -> Row:
    """The mean over seeds of each figure; `spread`, of precision, is half of highest less lowest."""
    row: Row = {"frames": name}
    row |= {key: sum(one[key] for one in each) / len(each) for key in each[0]}
    precision = [one["precision"] for one in each]
    return {**row, "spread": (max(precision) - min(precision)) / 2}
