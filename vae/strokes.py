"""Drawing and erasing a digit along its strokes, as a pen would, where fading would leave a ghost."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

INK = 0.15  # fainter pixels are paper
SOFT = 0.12  # length over which the end of the stroke fades, as a share of the whole


def stroke_order(picture: Tensor) -> Tensor:
    """When a pen would reach each pixel of `picture` `(S, S)`: `(S, S)` in [0, 1], 0 where it starts.

    The distance along the ink from the upper of its two far ends; separate strokes follow one
    another from top to bottom.
    """
    ink = picture.numpy()
    ys, xs = np.nonzero(ink > INK)
    order = np.ones_like(ink)
    if len(ys) == 0:
        return torch.from_numpy(order)
    number = np.full(ink.shape, -1)
    number[ys, xs] = np.arange(len(ys))
    rows, columns, costs = [], [], []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        ok = (ys + dy < ink.shape[0]) & (xs + dx < ink.shape[1]) & (xs + dx >= 0)
        here, there = number[ys[ok], xs[ok]], number[ys[ok] + dy, xs[ok] + dx]
        joined = there >= 0
        here, there = here[joined], there[joined]
        rows.append(here)
        columns.append(there)
        thin = 2 / (ink[ys[here], xs[here]] + ink[ys[there], xs[there]])
        costs.append(np.hypot(dy, dx) * thin)
    entries = (np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns)))
    graph = coo_array(entries, shape=(len(ys), len(ys))).tocsr()
    arrival = np.full(len(ys), np.inf)
    clock = 0.0
    for first in np.argsort(ys, kind="stable"):  # the topmost pixel of each stroke not yet reached
        if np.isfinite(arrival[first]):
            continue
        from_here = dijkstra(graph, directed=False, indices=first)
        one_end = int(np.argmax(np.where(np.isfinite(from_here), from_here, -1)))
        from_end = dijkstra(graph, directed=False, indices=one_end)
        other = int(np.argmax(np.where(np.isfinite(from_end), from_end, -1)))
        start = min((one_end, other), key=lambda n: (ys[n], xs[n]))
        along = dijkstra(graph, directed=False, indices=start) if start != one_end else from_end
        reached = np.isfinite(along)
        arrival[reached] = clock + along[reached]
        clock = arrival[reached].max()
    order[ys, xs] = arrival / max(clock, 1e-9)
    return torch.from_numpy(order.astype(np.float32))


def reveal(picture: Tensor, share: Tensor) -> Tensor:
    """`picture` `(S, S)` when a share `(T,)` in [0, 1] of its strokes is drawn: `(T, S, S)`; at 1, all."""
    front = share[:, None, None] * (1 + SOFT)
    return picture * ((front - stroke_order(picture)) / SOFT).clamp(0, 1)
