"""Paths through latent space: from two endpoints to a curve, and from a curve to even steps.

A `Curve` maps `alpha` `(T,)` in [0, 1] to latents `(T, D)`; it begins at z0 and ends at z1 exactly.
Nothing here knows of models, files or pictures; latents are float32 tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

Curve = Callable[[Tensor], Tensor]

KNOTS = 25  # points of a handwritten path after resampling
NEIGHBOURS = 12  # of each node in the graph
POWER = 4.0  # of an edge's length, for its cost
SMOOTHING = 60.0  # of its knots against their places
HOLD = 60.0  # of a crossing, against 1 of any other knot
CANDIDATES = 20  # paths between two classes that are weighed
LOOSELY, LOOSE_HOLD = 20.0, 10.0  # smoothing and hold of these, as they are relaxed afterwards
ROUNDS = 6  # of relaxing
STEP = 0.5  # of a round down the potential
TENSION = 2.0  # between neighbouring points, against the slope of the potential
MEASURED = 44  # pictures by which the length of a motion is measured at first
LOOKED_AT = 60  # even steps among which a turn is looked for
EASING = 0.1  # of the time, in which the speed changes before and after a turn
EDGE = 8  # pictures more at either end of it


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
    wanted = torch.stack([polyline(points)(torch.linspace(0, 1, knots)) for points, _ in lines]).double()
    weight = torch.ones(len(lines), knots, dtype=torch.float64)
    for k, (points, pins) in enumerate(lines):
        position = arc_length(points)
        for pin in pins:
            knot = int((position[pin] / position[-1].clamp_min(1e-9) * (knots - 1)).round())
            wanted[k, knot], weight[k, knot] = points[pin].double(), hold
        wanted[k, 0], wanted[k, -1] = points[0].double(), points[-1].double()
    weight[:, [0, -1]] = 1e9
    step = torch.eye(knots, dtype=torch.float64).diff(dim=0)
    smoothed = torch.linalg.solve(weight.diag_embed() + amount * step.T @ step, weight[:, :, None] * wanted).float()
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


def even_steps(picture_at: Callable[[Tensor], Tensor], spacing: Tensor) -> tuple[Tensor, Tensor]:
    """Values of alpha `(T,)` at which the motion of the picture has come as far as `spacing` `(T,)` says, as a share
    of its whole length, and the pictures there, `(T, ...)`: evenly spaced shares give steps of equal change.

    `picture_at` maps alpha to pictures. Arc-length reparameterisation, pictures being what takes time: the length
    is measured at a few, which tells roughly where those that are wanted lie; those are made and measured as well,
    and as they are near the right place already, between them a cubic is as good as making them again.
    """
    share = spacing.double().numpy()
    alpha = np.linspace(0, 1, max(MEASURED, len(share) // 2))
    length = arc_length(picture_at(torch.from_numpy(alpha).float())).double().numpy()
    if length[-1] <= 0:
        return spacing, picture_at(spacing)
    few = len(share) < MEASURED  # too few to measure by, or to draw a cubic through
    wanted = np.linspace(0, 1, MEASURED) if few else share
    fine = np.linspace(0, 1, 20 * len(alpha))  # the speed changes gradually from one measured step to the next
    speed = np.interp(fine, (alpha[1:] + alpha[:-1]) / 2, np.diff(length))
    come = np.concatenate([[0.0], np.cumsum(speed[1:] + speed[:-1])])
    alpha = np.interp(wanted * come[-1], come, fine)
    pictures = picture_at(torch.from_numpy(alpha).float())
    length = arc_length(pictures).double().numpy()
    place = np.interp(share * length[-1], length, np.arange(len(alpha)))
    there = torch.from_numpy(np.interp(place, np.arange(len(alpha)), alpha)).float()
    return there, picture_at(there) if few else between(pictures, torch.from_numpy(place))


def between(pictures: Tensor, place: Tensor) -> Tensor:
    """Of `pictures` `(M, ...)` those at `place` `(T,)`, 0 the first and M - 1 the last, by cubic convolution.

    Keys, Cubic convolution interpolation for digital image processing, 1981. Kept between the least and the most
    that the pictures hold.
    """
    left = place.floor().clamp(0, len(pictures) - 2)
    t = (place - left)[:, None]
    parts = [t * (t * (2 - t) - 1), t * t * (3 * t - 5) + 2, t * (t * (4 - 3 * t) + 1), t * t * (t - 1)]
    near = torch.cat(parts, 1) / 2  # shares of the two before the place and the two after it
    index = (left[:, None].long() + torch.arange(-1, 3)).clamp(0, len(pictures) - 1)
    weights = torch.zeros(len(place), len(pictures), dtype=near.dtype).scatter_add_(1, index, near)
    made = (weights.to(pictures.dtype) @ pictures.flatten(1)).view(len(place), *pictures.shape[1:])
    return made.clamp_(pictures.min(), pictures.max())


def ease(alpha: Any) -> Any:
    """Slow at both ends: 3 a^2 - 2 a^3."""
    return alpha * alpha * (3 - 2 * alpha)


def steps_with_turn(
    picture_at: Callable[[Tensor], Tensor], certainty: Callable[[Tensor], Tensor], time: Tensor, least: float
) -> Tensor:
    """Pictures at `time` `(T,)`, in even steps, but that the turn takes at least the share `least` of the time.

    `certainty` says of pictures `(M, ...)` how certain it is that each is the first thing and that it is the second,
    `(M, 2)`. The turn is found among even steps; where it begins and ends, more pictures are made to tell the place.
    """
    alpha, pictures = even_steps(picture_at, torch.linspace(0, 1, LOOKED_AT))
    first, last = turn_of(certainty(pictures))
    edges = {min(first, len(alpha) - 2), max(last - 1, 0)}
    inner = torch.linspace(0, 1, EDGE + 2)[1:-1]
    more = torch.cat([torch.lerp(alpha[k], alpha[k + 1], inner) for k in sorted(edges)])
    order = (alpha := torch.cat([alpha, more])).argsort(stable=True)
    alpha, pictures = alpha[order], torch.cat([pictures, picture_at(more)])[order]
    first, last = turn_of(certainty(pictures))
    length = arc_length(pictures).double().numpy()
    if length[-1] <= 0:
        return picture_at(time)
    length /= length[-1]
    wanted = linger(time, length[first], length[last], least)
    return picture_at(torch.from_numpy(np.interp(wanted.numpy(), length, alpha.numpy())).float())


def linger(time: Tensor, first: float, last: float, least: float) -> Tensor:
    """`time` `(T,)` in [0, 1] -> the share of the way there, such that the stretch from `first` to `last` takes
    at least the share `least` of the time.

    The speed is even in the stretch and away from it; it changes gradually, over EASING of the time on either
    side. Where the stretch takes so long anyway, nothing is changed.
    """
    if last - first >= least:
        return time
    grid, slow = np.linspace(0, 1, 1001), max(last - first, 1e-3) / least
    begins, ends = 0.0, 1 - least
    for _ in range(30):  # when the stretch has to begin, by bisection
        start = (begins + ends) / 2
        outside = np.maximum(start - grid, grid - start - least) / EASING
        near = 1 - ease(np.clip(outside, 0, 1))  # 1 in the stretch, 0 away from it
        speed = slow * near + (1 - slow * near.mean()) / (1 - near.mean()) * (1 - near)
        come = np.concatenate([[0.0], np.cumsum(speed[1:] + speed[:-1])])
        come /= come[-1]
        if np.interp(start, grid, come) < first:
            begins = start
        else:
            ends = start
    return torch.from_numpy(np.interp(time.double().numpy(), grid, come)).float()


def turn_of(certainty: Tensor, sure: float = 0.95) -> tuple[int, int]:
    """Where on the way one thing has turned into the other: from the last of T points that is surely the first to
    the next that is surely the second, by the `certainty` `(T, 2)` of the two (probabilities)."""
    first, last = (certainty[:, k] >= sure for k in (0, 1))
    begins = int(first.nonzero().max()) if first.any() else 0
    after = last[begins:].nonzero()
    return begins, begins + int(after.min()) if len(after) else len(certainty) - 1
