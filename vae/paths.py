"""Paths through latent space: from two endpoints to a curve, and from a curve to even steps.

A `Curve` maps `alpha` `(T,)` in [0, 1] to latents `(T, D)`; it begins at z0 and ends at z1 exactly.
Nothing here knows of models, files or pictures; latents are float32 tensors.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

Curve = Callable[[Tensor], Tensor]

KNOTS = 33  # points of a handwritten path after resampling
NEIGHBOURS = 12  # of each node in the graph
NODES = 1500  # of the graph of one pair: what lies nearest to both ends


def linear(z0: Tensor, z1: Tensor) -> Curve:
    """z(alpha) = (1 - alpha) z0 + alpha z1."""

    def curve(alpha: Tensor) -> Tensor:
        alpha = alpha[:, None]
        return (1 - alpha) * z0 + alpha * z1

    return curve


def slerp(z0: Tensor, z1: Tensor) -> Curve:
    """The great arc between the directions, the norm changing evenly: samples of N(0, I) in many
    dimensions lie near a sphere, which a straight line leaves.

    White, Sampling Generative Networks, 2016, https://arxiv.org/abs/1609.04468. Falls back to the
    straight line where no arc is defined (an end at the origin, equal or opposite directions).
    """
    norm0, norm1 = z0.norm(), z1.norm()
    cosine = (z0 @ z1 / (norm0 * norm1).clamp_min(1e-12)).clamp(-1, 1)
    omega = torch.arccos(cosine)
    if min(norm0, norm1) < 1e-6 or omega < 1e-3 or omega > torch.pi - 1e-3:
        return linear(z0, z1)

    def curve(alpha: Tensor) -> Tensor:
        a = alpha[:, None]
        direction = (
            torch.sin((1 - a) * omega) * (z0 / norm0) + torch.sin(a * omega) * (z1 / norm1)
        ) / torch.sin(omega)
        z = ((1 - a) * norm0 + a * norm1) * direction
        z = torch.where(a <= 0, z0, z)
        return torch.where(a >= 1, z1, z)

    return curve


def polyline(points: Tensor) -> Curve:
    """The broken line through `points` `(M, D)`, alpha in proportion to its length."""
    position = arc_length(points)
    total = position[-1]
    if total <= 0:
        return linear(points[0], points[-1])
    position = position / total

    def curve(alpha: Tensor) -> Tensor:
        right = torch.searchsorted(position, alpha.clamp(0, 1).contiguous()).clamp(1, len(points) - 1)
        left = right - 1
        share = (alpha - position[left]) / (position[right] - position[left]).clamp_min(1e-12)
        return torch.lerp(points[left], points[right], share.clamp(0, 1)[:, None])

    return curve


def arc_length(points: Tensor) -> Tensor:
    """Length of the broken line up to each of its points `(M, ...)`: `(M,)`, the first 0."""
    steps = (points[1:] - points[:-1]).flatten(1).norm(dim=1)
    return torch.cat([steps.new_zeros(1), steps.cumsum(0)])


def shortest_path(
    z0: Tensor, z1: Tensor, nodes: Tensor, *, power: float = 4.0, neighbours: int = NEIGHBOURS
) -> Tensor:
    """The nodes `(M, D)` on the cheapest way from z0 to z1 over a graph of `nodes` `(N, D)`.

    Each node is joined to its nearest `neighbours`; an edge of length d costs d**power, so many
    short steps between digits that people wrote are cheaper than a leap across empty space. The
    shortest path on a neighbourhood graph approximates a geodesic of the data's manifold: Tenenbaum,
    de Silva & Langford, Isomap, Science 290, 2000; for the latents of a VAE: Chen et al., 2019,
    https://arxiv.org/abs/1904.03990 ("Fast approximate geodesics for deep generative models").
    Both ends are part of the result; where the graph has no way between them it is (z0, z1).
    """
    points = torch.cat([z0[None], z1[None], nodes])
    count = len(points)
    distance = torch.cdist(points, points)
    near = distance.topk(min(neighbours + 1, count), largest=False)
    rows = np.repeat(np.arange(count), near.indices.shape[1])
    costs = near.values.numpy().ravel() ** power + 1e-9  # SciPy takes a zero for "no edge"
    graph = csr_array((costs, (rows, near.indices.numpy().ravel())), shape=(count, count))
    _, before = dijkstra(graph, directed=False, indices=0, return_predecessors=True)
    way = [1]
    while way[-1] != 0:
        if before[way[-1]] < 0:
            return torch.stack([z0, z1])
        way.append(int(before[way[-1]]))
    return points[way[::-1]]


def smooth(points: Tensor, passes: int, knots: int = KNOTS) -> Tensor:
    """`points` `(M, D)` resampled to `knots` even ones and smoothed by passes of (1/4, 1/2, 1/4); the ends
    stay."""
    points = polyline(points)(torch.linspace(0, 1, knots))
    for _ in range(passes):
        middle = 0.25 * points[:-2] + 0.5 * points[1:-1] + 0.25 * points[2:]
        points = torch.cat([points[:1], middle, points[-1:]])
    return points


def nearest_to_both(z0: Tensor, z1: Tensor, nodes: Tensor, count: int = NODES) -> Tensor:
    """Indices of the `count` nodes with the smallest sum of distances to both ends (an ellipsoid)."""
    if len(nodes) <= count:
        return torch.arange(len(nodes))
    total = torch.cdist(torch.stack([z0, z1]), nodes).sum(0)
    return total.topk(count, largest=False).indices


def attracted(points: Tensor, nodes: Tensor, count: int = 8, share: float = 0.5) -> Tensor:
    """`points` `(M, D)`, all but the ends moved a `share` of the way to the mean of their `count` nearest
    nodes: a step of mean shift, which brings a smoothed path back to where digits lie.

    Comaniciu & Meer, Mean shift: a robust approach toward feature space analysis, 2002.
    """
    near = torch.cdist(points[1:-1], nodes).topk(min(count, len(nodes)), largest=False).indices
    return torch.cat([points[:1], torch.lerp(points[1:-1], nodes[near].mean(1), share), points[-1:]])


def handwritten(z0: Tensor, z1: Tensor, nodes: Tensor) -> Curve:
    """From z0 to z1 by way of latents of digits that people wrote (`nodes` `(N, D)`): the shortest path
    over their graph, smoothed so the motion is short, and drawn back to them so it stays plausible.

    The constants were chosen on pairs of validation images; see docs/experiments.md.
    """
    nodes = nodes[nearest_to_both(z0, z1, nodes)]
    points = smooth(shortest_path(z0, z1, nodes), passes=80)
    for _ in range(2):
        points = smooth(attracted(points, nodes), passes=30)
    return polyline(points)


def even_steps(picture_at: Callable[[Tensor], Tensor], spacing: Tensor, passes: int = 2) -> Tensor:
    """Values of alpha at which the motion of the picture has come as far as `spacing` `(T,)` says, as a
    share of its whole length: evenly spaced shares give steps of equal change.

    `picture_at` maps alpha `(T,)` to pictures `(T, ...)`; each pass decodes, measures the length of
    the motion so far, and inverts it (arc-length reparameterisation).
    """
    share = spacing.double().numpy()
    alpha = np.linspace(0, 1, max(len(share), 48))
    for i in range(passes):
        length = arc_length(picture_at(torch.from_numpy(alpha).float())).double().numpy()
        if length[-1] <= 0:
            return spacing
        wanted = share if i == passes - 1 else np.linspace(0, 1, len(alpha))
        alpha = np.interp(wanted * length[-1], length, alpha)
    return torch.from_numpy(alpha).float()


def ease(alpha: Tensor) -> Tensor:
    """Slow at both ends: 3 a^2 - 2 a^3."""
    return alpha * alpha * (3 - 2 * alpha)
