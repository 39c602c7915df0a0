"""Paths through latent space: from two endpoints to a curve.

A `Curve` maps `alpha` `(T,)` in [0, 1] to latents `(T, D)`; it begins at z0 and ends at z1 exactly.
Nothing here knows of models, files or pictures; latents are float32 tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

Curve = Callable[[Tensor], Tensor]

KNOTS = 25  # points of a handwritten path after resampling
NEIGHBOURS = 12  # of each node in the graph
POWER = 4.0  # of an edge's length, for its cost
SMOOTHING = 35.0  # of its knots against their places, within a class
HOLD = 60.0  # of a crossing, against 1 of any other knot
CANDIDATES = 16  # paths between two classes that are weighed
LOOSELY, LOOSE_HOLD = 20.0, 10.0  # smoothing and hold of these, as they are relaxed afterwards
ROUNDS = 4  # of relaxing
STEP = 0.5  # of a round down the potential
TENSION = 2.0  # between neighbouring points, against the slope of the potential


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
        direction = (torch.sin((1 - a) * omega) * (z0 / norm0) + torch.sin(a * omega) * (z1 / norm1)) / torch.sin(omega)
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


class Crossings(NamedTuple):
    """Edges between two graphs: a node of each, `nodes` `(M, 2)`, and how bad what lies between them is, `flaws`
    `(M,)`, as a factor of its length's cost beyond 1."""

    nodes: np.ndarray
    flaws: np.ndarray


@dataclass(frozen=True, eq=False)
class Graph:
    """Symmetric k-NN graph over `nodes` `(N, D)` in CSR form; edge cost = distance**POWER.

    Edges go from `start` to `end` at a `cost`, `(E,)` each; those of node i are indptr[i] to indptr[i + 1].
    """

    nodes: Tensor
    indptr: np.ndarray
    start: np.ndarray
    end: np.ndarray
    cost: np.ndarray


def knn_graph(nodes: Tensor, neighbours: int = NEIGHBOURS) -> Graph:
    """The graph that joins each of `nodes` `(N, D)` to its nearest `neighbours`.

    An edge of length d costs d**POWER, so many short steps between digits that people wrote are cheaper
    than a leap across empty space.
    """
    count = len(nodes)
    distance = torch.cdist(nodes, nodes).fill_diagonal_(torch.inf)
    near = distance.topk(min(neighbours, count - 1), largest=False)
    start = np.repeat(np.arange(count), near.indices.shape[1])
    cost = near.values.numpy().ravel() ** POWER + 1e-9  # a zero would be no edge
    edges = csr_array((cost, (start, near.indices.numpy().ravel())), shape=(count, count))
    edges = csr_array(edges.maximum(edges.T))
    edges.sort_indices()
    start = np.repeat(np.arange(count), np.diff(edges.indptr))
    return Graph(nodes, edges.indptr, start, edges.indices, edges.data)


def shortest_paths(z: Tensor, graph: Graph, penalty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cost of the shortest path from `z` `(D,)` to every node, and its predecessor there (-1: z itself).

    z enters the graph at its nearest nodes. An edge costs more by the mean `penalty` `(N,)` of its ends. The
    shortest path on a neighbourhood graph approximates a geodesic of the data's manifold: Tenenbaum, de Silva &
    Langford, Isomap, Science 290, 2000; for the latents of a VAE: Chen et al., Fast approximate geodesics for deep
    generative models, 2019, https://arxiv.org/abs/1904.03990.
    """
    count = len(graph.nodes)
    away = torch.cdist(z[None], graph.nodes)[0].numpy() ** POWER * (1 + penalty)
    entries = np.sort(np.argpartition(away, min(NEIGHBOURS, count) - 1)[:NEIGHBOURS])
    cost = np.concatenate([graph.cost * (1 + (penalty[graph.start] + penalty[graph.end]) / 2), away[entries] + 1e-9])
    end = np.concatenate([graph.end, entries.astype(graph.end.dtype)])
    indptr = np.append(graph.indptr, graph.indptr.dtype.type(len(end)))  # z comes last; no edge leads to it
    edges = csr_array((cost, end, indptr), shape=(count + 1, count + 1))
    total, before = dijkstra(edges, indices=count, return_predecessors=True)
    unreached = ~np.isfinite(total[:count])
    before = np.where((before == count) | (before < 0), -1, before)[:count]
    return np.where(unreached, away, total[:count]), before


def backtrack(predecessors: np.ndarray, node: int) -> list[int]:
    """The nodes of the shortest path to `node`, itself the last."""
    path = [node]
    while predecessors[path[-1]] >= 0:
        path.append(int(predecessors[path[-1]]))
    return path[::-1]


def smooth(
    points: Tensor, pins: Sequence[int] = (), *, amount: float = SMOOTHING, hold: float = HOLD, knots: int = KNOTS
) -> Tensor:
    """`points` `(M, D)` resampled to `knots` even ones and smoothed; the two ends stay.

    The q that minimises sum |q_k - p_k|^2 + amount * sum |q_k+1 - q_k|^2, a smoothing of Tikhonov's kind.
    The knots nearest to the points numbered in `pins` are held there, `hold` times as firmly as others.
    """
    return smooth_all([(points, pins)], amount=amount, hold=hold, knots=knots)[0]


def smooth_all(
    lines: Sequence[tuple[Tensor, Sequence[int]]], *, amount: float, hold: float, knots: int = KNOTS
) -> Tensor:
    """`smooth` of several lines, each points `(M, D)` and pins, at once: `(len(lines), knots, D)`."""
    wanted = np.empty((len(lines), knots, lines[0][0].shape[1]))
    weight = np.ones((len(lines), knots))
    for k, (points, pins) in enumerate(lines):
        line = points.double().numpy()
        position = np.concatenate([[0.0], np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum()])
        even = np.linspace(0, position[-1], knots)
        right = np.searchsorted(position, even).clip(1, len(line) - 1)
        share = (even - position[right - 1]) / np.maximum(position[right] - position[right - 1], 1e-12)
        wanted[k] = line[right - 1] + share[:, None].clip(0, 1) * (line[right] - line[right - 1])
        for pin in pins:
            knot = round(position[pin] / max(position[-1], 1e-9) * (knots - 1))
            wanted[k, knot], weight[k, knot] = line[pin], hold
        wanted[k, [0, -1]], weight[k, [0, -1]] = line[[0, -1]], 1e9
    step = np.diff(np.eye(knots), axis=0)
    matrices = weight[:, :, None] * np.eye(knots) + amount * step.T @ step
    smoothed = torch.from_numpy(np.linalg.solve(matrices, weight[:, :, None] * wanted)).float()
    for k, (points, _) in enumerate(lines):
        smoothed[k, 0], smoothed[k, -1] = points[0], points[-1]
    return smoothed


def path_within_class(z0: Tensor, z1: Tensor, graph: Graph, penalty: np.ndarray) -> Tensor:
    """From z0 to z1 by way of the nodes of one class: smoothed points `(KNOTS, D)`."""
    cost, before = shortest_paths(z0, graph, penalty)
    last = torch.cdist(z1[None], graph.nodes)[0].numpy() ** POWER * (1 + penalty)
    nodes = backtrack(before, int((cost + last).argmin()))
    return smooth(torch.cat([z0[None], graph.nodes[nodes], z1[None]]))


def paths_across_classes(
    z0: Tensor, z1: Tensor, graphs: tuple[Graph, Graph], crossings: Crossings, penalties: tuple[np.ndarray, np.ndarray]
) -> Tensor:
    """From z0 in one class to z1 in another: the cheapest few, smoothed, `(C, KNOTS, D)`, C at most CANDIDATES.

    Each goes by way of the nodes of the first class, over a crossing, by way of the nodes of the second; no two of
    them over the same node of a crossing. The constants were chosen on pairs of validation images; see
    docs/experiments.md.
    """
    (cost0, before0), (cost1, before1) = (
        shortest_paths(z, graph, penalty) for z, graph, penalty in zip((z0, z1), graphs, penalties, strict=True)
    )
    i, j = crossings.nodes.T
    leap = (graphs[0].nodes[i] - graphs[1].nodes[j]).norm(dim=1).numpy() ** POWER
    worse = (1 + (penalties[0][i] + penalties[1][j]) / 2) * (1 + crossings.flaws)
    total = cost0[i] + leap * worse + cost1[j]
    found: list[tuple[Tensor, Sequence[int]]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for best in total.argsort():
        here, there = int(i[best]), int(j[best])
        if here in taken[0] or there in taken[1]:
            continue
        taken[0].add(here)
        taken[1].add(there)
        way, back = backtrack(before0, here), backtrack(before1, there)[::-1]
        points = torch.cat([z0[None], graphs[0].nodes[way], graphs[1].nodes[back], z1[None]])
        found.append((points, (len(way), len(way) + 1)))
        if len(found) == CANDIDATES:
            break
    return smooth_all(found, amount=LOOSELY, hold=LOOSE_HOLD)


def cheapest(candidates: Tensor, potential: Callable[[Tensor], Tensor]) -> Tensor:
    """Of paths `(C, K, D)` the one that is shortest, what it passes being counted as longer by its `potential`
    (`(C, K)` of points `(C, K, D)`): `(K, D)`."""
    step = candidates.diff(dim=1).norm(dim=2)
    bad = potential(candidates)
    return candidates[(step * (1 + (bad[:, 1:] + bad[:, :-1]) / 2)).sum(1).argmin()]


def relaxed(points: Tensor, potential: Callable[[Tensor], Tensor], rounds: int | None = None) -> Tensor:
    """A path `(K, D)` drawn tight, and away from where its `potential` is high (`(K,)` of points `(K, D)`).

    Descent of the tension's energy (implicitly, so that its steps may be long) and of the potential (its slope cut
    to 1), the points spread evenly again now and then: the string method of E, Ren & Vanden-Eijnden, 2002,
    https://arxiv.org/abs/cond-mat/0205527, of a string that is elastic.
    """
    rounds = ROUNDS if rounds is None else rounds
    pull = _tension(len(points), TENSION * STEP)
    evenly = torch.linspace(0, 1, len(points))
    with torch.inference_mode(False), torch.enable_grad():
        points = points.detach().clone()
        for k in range(rounds):
            free = points.requires_grad_()
            slope = torch.autograd.grad(potential(free).sum(), free)[0]
            slope = slope / slope.norm(dim=1, keepdim=True).clamp_min(1)
            slope[[0, -1]] = 0
            points = pull @ (points.detach() - STEP * slope)
            if k % 3 == 2:
                points = torch.cat([points[:1], polyline(points)(evenly)[1:-1], points[-1:]])
    return points


@functools.cache
def _tension(count: int, amount: float) -> Tensor:
    """The matrix that moves points `(count, D)` as `amount` of tension between neighbours does; the ends stay."""
    step = torch.eye(count, dtype=torch.float64).diff(dim=0)
    matrix = torch.eye(count, dtype=torch.float64) + amount * step.T @ step
    matrix[[0, -1]] = torch.eye(count, dtype=torch.float64)[[0, -1]]
    return torch.linalg.inv(matrix).float()
