"""The morph scoreboard: are the frames between two digits digits themselves?

A method is a function from two digits `(1, 1, 28, 28)` to frames `(T, 28, 28)`, all in [0, 1], ink = 1.
Its frames in the middle half of the way are held against real digits in the features of the judge, a
classifier that nothing was ever optimised against. The rows *real digits* and *pixel crossfade* are
what to compare with: the best that can be had, and what needs no model.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from vae.classifier import Classifier
from vae.training.data import Pictures

Method = Callable[[Tensor, Tensor], Tensor]
Row = dict[str, float | str | None]

NEIGHBOURS = 3  # k of precision and recall
UNSURE = 0.7
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
def judged(judge: Classifier, x: Tensor, batch_size: int = 500) -> tuple[Tensor, Tensor]:
    """Pictures `(N, 1, 28, 28)` -> the judge's features `(N, F)` and probabilities `(N, 10)`."""
    features = torch.cat([judge.features(part) for part in x.split(batch_size)])
    return features, judge.head(features).softmax(1)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Frechet distance of the Gaussians fitted to features `(N, F)` and `(M, F)`.

    |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a^1/2 S_b S_a^1/2)^1/2): Dowson & Landau 1982; of a classifier's
    features, Heusel et al. 2017, https://arxiv.org/abs/1706.08500.
    """
    a, b = a.double(), b.double()
    cov_a, cov_b = a.T.cov(), b.T.cov()
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(0.0, float(distance))


def radii(points: Tensor, k: int = NEIGHBOURS) -> Tensor:
    """Distance of each point `(N, F)` to its k-th nearest other one: `(N,)`."""
    if len(points) <= k:
        raise ValueError(f"a manifold of {k} neighbours needs more than {k} points, not {len(points)}")
    return torch.cat(
        [torch.cdist(part, points).topk(k + 1, largest=False).values[:, k] for part in points.split(CHUNK)]
    )


def covered(x: Tensor, points: Tensor, radius: Tensor) -> float:
    """Share of `x` `(M, F)` within the manifold of `points` `(N, F)`: in the ball of one of them at least.

    With real points it is the precision of x, with generated points the recall of real x
    (Kynkaanniemi et al., Improved Precision and Recall Metric, 2019, https://arxiv.org/abs/1904.06991).
    """
    inside = [(torch.cdist(part, points) <= radius).any(1) for part in x.split(CHUNK)]
    return float(torch.cat(inside).double().mean())


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """A morph is many small products: a second thread gains it nothing, and on a busy machine the two
    wait for each other, a hundred times longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def crossfade(frames: int = 60) -> Method:
    """The reference that needs no model: (1 - alpha) source + alpha target, pixel by pixel."""
    alpha = torch.linspace(0, 1, frames)[:, None, None]
    return lambda source, target: (1 - alpha) * source[0] + alpha * target[0]


@dataclass(frozen=True)
class Reals:
    """Real digits as the judge sees them: features `(N, F)` and the radii `(N,)` of their manifold."""

    features: Tensor
    radius: Tensor

    @classmethod
    def of(cls, judge: Classifier, x: Tensor) -> Reals:
        features, _ = judged(judge, x)
        return cls(features, radii(features))


def scoreboard(
    methods: Mapping[str, Method],
    pairs: Sequence[Pairs],
    judge: Classifier,
    reals: Tensor | Reals,
    *,
    quiet: bool = False,
) -> list[Row]:
    """One row a method, the two references first; each figure is the mean over the sets of pairs.

    `pairs`: one set a seed. `reals`: pictures `(N, 1, 28, 28)` that are not among the pairs.
    """
    known = reals if isinstance(reals, Reals) else Reals.of(judge, reals)
    rows: list[Row] = [_mean("real digits", [_real_digits(some, judge, known) for some in pairs])]
    for name, method in {"pixel crossfade": crossfade(), **methods}.items():
        each = [score(method, some, judge, known, name if not quiet else None) for some in pairs]
        rows.append(_mean(name, each))
    return rows


@torch.no_grad()
def score(
    method: Method, pairs: Pairs, judge: Classifier, reals: Reals, progress: str | None = None
) -> dict[str, float]:
    """The figures of one method on one set of pairs; see `PATH_COLUMNS` of vae.evaluation for their names.

    Of the frames in the middle half (1/4 <= alpha <= 3/4): `precision`, `recall` (of real digits, by
    all these frames; the balls are as small as the steps, so it is comparable only at equal steps),
    `recall_apart` (by one of them a pair, so that no two lie on one path), `unsure` (confidence below
    0.7), `third` (read as neither source nor target), `frechet`. Of the whole: `ink` (of the two
    frames at the middle, over the mean of the two digits'), `motion` (sum of L2 distances from frame
    to frame), `variation` (standard deviation over mean of those), `largest` (over mean), `endpoint`
    (mean squared error of first and last frame against the two digits).
    """
    features, counts = [], torch.zeros(3)  # unsure, third, all
    shapes: list[list[float]] = []
    some: list[Tensor] = []
    for i in tqdm(range(len(pairs)), progress, disable=progress is None, dynamic_ncols=True, leave=False):
        source, target = pairs.source[i : i + 1], pairs.target[i : i + 1]
        with one_thread():
            frames = method(source, target).detach().float()
        shapes.append(_shape(frames, source[0, 0], target[0, 0]))
        some.append(frames[_middle(len(frames))])
        if len(some) == 32 or i == len(pairs) - 1:
            seen, probability = judged(judge, torch.cat(some)[:, None])
            ends = torch.stack([pairs.source_labels, pairs.target_labels], 1)[i + 1 - len(some) : i + 1]
            ends = ends.repeat_interleave(torch.tensor([len(part) for part in some]), dim=0)
            sure, digit = probability.max(1)
            third = (digit[:, None] != ends).all(1)
            counts += torch.tensor([float((sure < UNSURE).sum()), float(third.sum()), float(len(sure))])
            features += seen.split([len(part) for part in some])
            some = []
    generator = torch.Generator().manual_seed(0)
    apart = torch.stack([part[int(torch.randint(len(part), (), generator=generator))] for part in features])
    middle = torch.cat(features)
    ink, motion, variation, largest, endpoint = torch.tensor(shapes).double().mean(0).tolist()
    return {
        "precision": covered(middle, reals.features, reals.radius),
        "recall": covered(reals.features, middle, radii(middle)),
        "recall_apart": covered(reals.features, apart, radii(apart)),
        "unsure": float(counts[0] / counts[2]),
        "third": float(counts[1] / counts[2]),
        "frechet": frechet_distance(middle, reals.features),
        "ink": ink,
        "motion": motion,
        "variation": variation,
        "largest": largest,
        "endpoint": endpoint,
    }


def _real_digits(pairs: Pairs, judge: Classifier, reals: Reals) -> dict[str, float]:
    """The pairs' own digits, scored as if they were frames."""
    features, probability = judged(judge, torch.cat([pairs.source, pairs.target]))
    sure, digit = probability.max(1)
    apart = features[: len(pairs)]
    return {
        "precision": covered(features, reals.features, reals.radius),
        "recall": covered(reals.features, features, radii(features)),
        "recall_apart": covered(reals.features, apart, radii(apart)),
        "unsure": float((sure < UNSURE).double().mean()),
        "third": float((digit != torch.cat([pairs.source_labels, pairs.target_labels])).double().mean()),
        "frechet": frechet_distance(features, reals.features),
    }


def _middle(count: int) -> Tensor:
    alpha = torch.linspace(0, 1, count)
    return ((alpha >= 0.25) & (alpha <= 0.75)).nonzero()[:, 0]


def _shape(frames: Tensor, source: Tensor, target: Tensor) -> list[float]:
    """Ink at the middle, length of the motion, variation of the steps, the largest, endpoint error."""
    steps = (frames[1:] - frames[:-1]).flatten(1).norm(dim=1)
    mean = steps.mean().clamp_min(1e-9)
    centre = frames[(len(frames) - 1) // 2 : len(frames) // 2 + 1]
    expected = (source.sum() + target.sum()) / 2
    endpoint = ((frames[0] - source).square().mean() + (frames[-1] - target).square().mean()) / 2
    return [
        float(centre.sum() / len(centre) / expected.clamp_min(1e-9)),
        float(steps.sum()),
        float(steps.std(correction=0) / mean),
        float(steps.max() / mean),
        float(endpoint),
    ]


def _mean(name: str, each: list[dict[str, float]]) -> Row:
    """The mean over seeds of each figure; `spread`, of precision, is half of highest less lowest."""
    row: Row = {"frames": name}
    row |= {key: sum(one[key] for one in each) / len(each) for key in each[0]}
    precision = [one["precision"] for one in each]
    return {**row, "spread": (max(precision) - min(precision)) / 2}
