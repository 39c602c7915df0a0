"""Edges from class to class of a bank, on which there is little amiss: where handwritten paths may cross.

Computed once, when the bank is built, as it takes longer than a visitor would wait.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from vae.classifier import Classifier, probabilities
from vae.evaluation import looks
from vae.model import VAE, in_batches
from vae.morphing import decode_28
from vae.style import symmetric_root

EACH = 4  # nearest digits of the other class to which edges from a digit are examined
CANDIDATES = 4000  # shortest edges between two classes that are examined
KEPT = 2000  # of these
EDGE_POINTS = 3  # examined between the ends of an edge
WEIGHTS = (3.0, 1.0, 2.0)  # of doubt, of a hole or a crumb, of greys
USUAL_GREY = 0.2  # share of the ink of a digit
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
) -> tuple[Tensor, Tensor]:
    """Pairs of codes `(M, 2)`, indices into `z` `(N, D)`, the first of the lower class, and their flaws `(M,)`: for
    every two classes the `kept` edges that are cheapest, being short and having few flaws."""
    chosen, flaws = [torch.zeros(0, 2, dtype=torch.long)], [torch.zeros(0)]
    holes = in_batches(lambda z: looks.topology(decode_28(model, z)[:, 0])[:, 1], z)
    for a, b in combinations(labels.unique().tolist(), 2):
        own = [(labels == label).nonzero()[:, 0] for label in (a, b)]
        distance = torch.cdist(z[own[0]] @ metric, z[own[1]] @ metric)
        short = near_edges(distance)
        edges = torch.stack([own[k][short[:, k]] for k in (0, 1)], 1)
        bad = edge_flaws(model, reader, z[edges], holes[edges].amax(1), (a, b))
        best = (distance[short[:, 0], short[:, 1]] * (1 + bad)).argsort()[:kept]
        chosen.append(edges[best])
        flaws.append(bad[best])
    return torch.cat(chosen), torch.cat(flaws)


def near_edges(distance: Tensor, each: int = EACH, count: int = CANDIDATES) -> Tensor:
    """Of the edges that lead from a row of `distance` `(N, M)` to its nearest `each` columns, or the other way round,
    the shortest `count`, shortest first: `(E, 2)`, row and column."""
    edges = []
    for way in (0, 1):
        near = (distance if way == 0 else distance.T).topk(min(each, distance.shape[1 - way]), largest=False).indices
        pair = torch.arange(len(near))[:, None].expand_as(near).flatten(), near.flatten()
        edges.append(torch.stack(pair if way == 0 else pair[::-1], 1))
    found = torch.cat(edges).unique(dim=0)
    return found[distance[found[:, 0], found[:, 1]].argsort(stable=True)[:count]]


@torch.inference_mode()
def edge_flaws(model: VAE, reader: Classifier, ends: Tensor, holes: Tensor, classes: tuple[int, int]) -> Tensor:
    """How bad the pictures between the ends of edges `(E, 2, D)` are: `(E,)`, 0 is best.

    The largest probability of any other digit and the mean lack of certainty, WEIGHTS[0] times each; WEIGHTS[1] for
    a hole more than the `holes` `(E,)` of the ends, and for a second piece; WEIGHTS[2] times the grey beyond what
    is usual.
    """
    alpha = torch.linspace(0, 1, EDGE_POINTS + 2)[1:-1, None]
    z = torch.lerp(ends[:, :1], ends[:, 1:], alpha).flatten(0, 1)

    def look(z: Tensor) -> Tensor:
        x = decode_28(model, z)
        measured = looks.topology(x[:, 0]), looks.grey_share(x[:, 0])[:, None]
        return torch.cat([probabilities(reader, x)[:, list(classes)], *measured], 1)

    seen = in_batches(look, z).view(len(ends), EDGE_POINTS, 5)
    doubt = (1 - seen[..., :2].sum(2)).amax(1) + (1 - seen[..., :2].amax(2)).mean(1)
    alien = (seen[..., 3] > holes[:, None]).any(1).float() + (seen[..., 2] > 1).any(1).float()
    grey = (seen[..., 4].amax(1) - USUAL_GREY).clamp_min(0)
    return WEIGHTS[0] * doubt + WEIGHTS[1] * alien + WEIGHTS[2] * grey
