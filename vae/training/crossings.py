"""Edges from class to class of a bank, along which no third digit shows: where handwritten paths may cross.

Computed once, when the bank is built, as it takes longer than a visitor would wait.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from vae.classifier import Classifier, probabilities
from vae.model import VAE, in_batches
from vae.style import symmetric_root

CANDIDATES = 500  # shortest edges between two classes that are examined
KEPT = 150  # of these
PER_DIGIT = 3  # candidates that may share a digit, so that they do not all lie in one place
EDGE_POINTS = 9  # examined between the ends of an edge
JACOBIAN_STEP = 0.02  # in latents, to either side: central differences
EIGENVALUE_FLOOR = 1e-3  # of the metric, relative to its largest


@torch.inference_mode()
def decoder_metric(model: VAE, z: Tensor) -> Tensor:
    """The matrix `(D, D)` that makes distances of latents those of their pictures, on average.

    The root of E[J^T J] over latents `z` `(N, D)`, J the decoder's Jacobian: the pullback metric of
    Arvanitidis et al., Latent space oddity, 2018, https://arxiv.org/abs/1710.11379, taken as constant, so
    that distances in `z @ metric` cost no more than others. Directions that draw nothing keep a little length,
    as the metric is inverted later.
    """
    rows = []
    for step in JACOBIAN_STEP * torch.eye(z.shape[1]):
        change = model.decode(z + step) - model.decode(z - step)
        rows.append(change.flatten(1) / (2 * JACOBIAN_STEP))
    jacobian = torch.stack(rows, 2)  # (N, pixels, D)
    pullback = torch.einsum("npd,npe->de", jacobian, jacobian) / len(z)
    return symmetric_root(pullback.double(), EIGENVALUE_FLOOR).float()


def choose_crossings(
    model: VAE, reader: Classifier, z: Tensor, labels: Tensor, metric: Tensor, kept: int = KEPT
) -> Tensor:
    """Pairs of codes `(M, 2)`, indices into `z` `(N, D)`, the first of the lower class: for every two classes
    the `kept` edges on which the reader is surest to see one of the two, and nothing else, all along."""
    chosen = [torch.zeros(0, 2, dtype=torch.long)]
    for a, b in combinations(labels.unique().tolist(), 2):
        own = [(labels == label).nonzero()[:, 0] for label in (a, b)]
        distance = torch.cdist(z[own[0]] @ metric, z[own[1]] @ metric)
        edges = torch.stack([own[k][index] for k, index in enumerate(short_edges(distance))], 1)
        doubt = edge_doubt(model, reader, z[edges], (a, b))
        chosen.append(edges[doubt.argsort()[:kept]])
    return torch.cat(chosen)


def short_edges(distance: Tensor, count: int = CANDIDATES, each: int = PER_DIGIT) -> tuple[Tensor, Tensor]:
    """Rows and columns of the `count` smallest of `distance` `(N, M)`, at most `each` of a row or column."""
    shortest = distance.flatten().topk(min(40 * count, distance.numel()), largest=False).indices
    rows, columns = (shortest // distance.shape[1]).tolist(), (shortest % distance.shape[1]).tolist()
    used = [[0] * n for n in distance.shape]
    edges: list[tuple[int, int]] = []
    for row, column in zip(rows, columns, strict=True):
        if used[0][row] < each and used[1][column] < each and len(edges) < count:
            used[0][row] += 1
            used[1][column] += 1
            edges.append((row, column))
    found = torch.tensor(edges, dtype=torch.long).view(-1, 2)
    return found[:, 0], found[:, 1]


def edge_doubt(model: VAE, reader: Classifier, ends: Tensor, classes: tuple[int, int]) -> Tensor:
    """How far the reader is, along edges `(E, 2, D)`, from seeing one of the two classes: `(E,)`.

    The largest probability of any other digit, plus the mean lack of certainty.
    """
    alpha = torch.linspace(0, 1, EDGE_POINTS + 2)[1:-1, None]
    z = torch.lerp(ends[:, :1], ends[:, 1:], alpha)  # (E, EDGE_POINTS, D)
    seen = in_batches(lambda z: probabilities(reader, model.decode(z)), z.flatten(0, 1))
    one_of_two = seen.view(len(ends), EDGE_POINTS, -1)[..., list(classes)]
    return (1 - one_of_two.sum(2)).amax(1) + (1 - one_of_two.amax(2)).mean(1)
