import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from vae import paths

ALPHA = torch.linspace(0, 1, 11)


def latents(count: int, dimensions: int = 16, seed: int = 0) -> Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


def ring(count: int = 80, start: float = 0.0, stop: float = 2 * math.pi) -> Tensor:
    """Points on the unit circle."""
    angle = torch.linspace(start, stop, count + 1)[:-1]
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def test_linear_is_its_formula() -> None:
    z0, z1 = latents(2)
    for alpha, z in zip(ALPHA, paths.linear(z0, z1)(ALPHA), strict=True):
        assert torch.equal(z, (1 - alpha) * z0 + alpha * z1)


def test_slerp_keeps_the_norm_and_turns_evenly() -> None:
    z0, z1 = torch.nn.functional.normalize(latents(2)) * 3
    z = paths.slerp(z0, z1)(ALPHA)
    torch.testing.assert_close(z.norm(dim=1), torch.full((11,), 3.0))
    turns = torch.arccos((z[1:] * z[:-1]).sum(1) / 9)
    torch.testing.assert_close(turns, torch.arccos(z0 @ z1 / 9).expand(10) / 10, atol=1e-3, rtol=0)


def test_slerp_changes_the_norm_evenly_where_the_ends_differ() -> None:
    z0, z1 = torch.tensor([2.0, 0]), torch.tensor([0.0, 6])
    torch.testing.assert_close(paths.slerp(z0, z1)(ALPHA).norm(dim=1), 2 + 4 * ALPHA)


@pytest.mark.parametrize(
    ("z0", "z1"),
    [
        ([0.0, 0], [1.0, 2]),
        ([1.0, 2], [0.0, 0]),
        ([0.0, 0], [0.0, 0]),
        ([1.0, 2], [1.0, 2]),
        ([1.0, 2], [2.0, 4]),
        ([1.0, 2], [-1.0, -2]),
    ],
    ids=["from nothing", "to nothing", "nothing", "equal", "parallel", "opposite"],
)
def test_slerp_is_linear_where_no_arc_is_defined(z0: list[float], z1: list[float]) -> None:
    ends = torch.tensor(z0), torch.tensor(z1)
    torch.testing.assert_close(paths.slerp(*ends)(ALPHA), paths.linear(*ends)(ALPHA))


@pytest.mark.parametrize(
    "make",
    [
        paths.linear,
        paths.slerp,
        lambda a, b: paths.polyline(
            paths.path_within_class(a, b, graph := paths.knn_graph(latents(200, seed=1)), free(graph))
        ),
        lambda a, b: paths.polyline(torch.stack([a, a * 0, b])),
    ],
    ids=["linear", "slerp", "handwritten", "polyline"],
)
def test_a_curve_ends_exactly_where_it_should(make: Callable[[Tensor, Tensor], paths.Curve]) -> None:
    z0, z1 = latents(2)
    z = make(z0, z1)(torch.tensor([0.0, 0.5, 1.0]))
    assert torch.equal(z[0], z0)
    assert torch.equal(z[2], z1)
    assert torch.isfinite(z).all()


def test_polyline_goes_by_length() -> None:
    corners = torch.tensor([[0.0, 0], [3, 0], [3, 0], [3, 1]])  # a corner twice does no harm
    assert paths.arc_length(corners).tolist() == [0, 3, 3, 4]
    found = paths.polyline(corners)(torch.tensor([0.0, 0.25, 0.75, 0.875, 1.0]))
    torch.testing.assert_close(found, torch.tensor([[0.0, 0], [1, 0], [3, 0], [3, 0.5], [3, 1]]))


def test_polyline_of_one_place_stays_there() -> None:
    point = torch.tensor([2.0, 3.0])
    torch.testing.assert_close(paths.polyline(point.expand(3, 2))(ALPHA), point.expand(11, 2))


def test_arc_length_takes_pictures_too() -> None:
    pictures = torch.zeros(3, 2, 2)
    pictures[1:] = 1
    assert paths.arc_length(pictures).tolist() == [0, 2, 2]


def free(graph: paths.Graph) -> np.ndarray:
    return np.zeros(len(graph.nodes))


def test_each_is_joined_to_its_nearest_both_ways() -> None:
    graph = paths.knn_graph(torch.tensor([[0.0, 0], [1, 0], [3, 0], [7, 0]]), neighbours=2)
    edges = list(zip(graph.start.tolist(), graph.end.tolist(), graph.cost.tolist(), strict=True))
    length = {(0, 1): 1, (0, 2): 3, (1, 2): 2, (1, 3): 6, (2, 3): 4}  # 3 is of nobody's nearest two
    both = {**length, **{(j, i): d for (i, j), d in length.items()}}
    assert edges == [(i, j, pytest.approx(both[i, j] ** paths.POWER)) for i, j in sorted(both)]
    assert [edges[first][0] for first in graph.indptr[:-1]] == [0, 1, 2, 3] and graph.indptr[-1] == len(edges)


def test_the_cheapest_way_takes_the_ring_and_not_the_chord() -> None:
    graph = paths.knn_graph(ring(), neighbours=4)
    z0, z1 = torch.tensor([1.02, 0.0]), torch.tensor([-1.02, 0.0])
    cost, before = paths.shortest_paths(z0, graph, free(graph))
    far = int((graph.nodes - z1).norm(dim=1).argmin())
    way = graph.nodes[paths.backtrack(before, far)]
    assert len(way) > 12
    assert way.norm(dim=1).min() > 0.99
    assert paths.arc_length(torch.cat([z0[None], way]))[-1] == pytest.approx(math.pi, abs=0.15)
    assert cost.argmax() == far or cost[far] > 0.9 * cost.max()


def test_a_toll_sends_the_way_round() -> None:
    graph = paths.knn_graph(ring(), neighbours=4)
    z0, far = torch.tensor([1.02, 0.0]), int((graph.nodes - torch.tensor([-1.0, 0])).norm(dim=1).argmin())
    for side in (-1, 1):
        penalty = 50 * (graph.nodes[:, 1] * side > 0.3).double().numpy()
        way = graph.nodes[paths.backtrack(paths.shortest_paths(z0, graph, penalty)[1], far)]
        assert (way[:, 1] * side).max() < 0.3


def test_what_no_edge_reaches_costs_a_leap() -> None:
    here, there = ring(20), ring(20) + 100
    graph = paths.knn_graph(torch.cat([here, there]), neighbours=3)
    cost, before = paths.shortest_paths(here[0], graph, free(graph))
    assert np.isfinite(cost).all()
    assert cost[25] == pytest.approx(float((here[0] - there[5]).norm()) ** paths.POWER, rel=1e-4)
    assert paths.backtrack(before, 25) == [25]


def test_a_path_within_a_class_follows_the_nodes_smoothly() -> None:
    z0, z1 = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0])
    graph = paths.knn_graph(ring(400, 0, math.pi))
    points = paths.path_within_class(z0, z1, graph, free(graph))
    assert torch.equal(points[[0, -1]], torch.stack([z0, z1]))
    z = paths.polyline(points)(torch.linspace(0, 1, 60))
    assert z.norm(dim=1).min() > 0.6
    assert z.norm(dim=1).max() < 1.1


def test_paths_across_go_over_crossings_the_cheapest_first() -> None:
    """Two half rings; from one to the other there is a crossing near the ends, and a dear one far away."""
    graphs = (paths.knn_graph(ring(200, 0, 3)), paths.knn_graph(ring(200, 0, 3) + torch.tensor([0, 0.5])))
    near, far = [100, 100], [190, 10]
    z0, z1 = graphs[0].nodes[60], graphs[1].nodes[140]
    penalties = free(graphs[0]), free(graphs[1])

    def across(*nodes: list[int], flaws: tuple[float, ...] = (0, 0)) -> Tensor:
        crossings = paths.Crossings(np.array(nodes), np.array(flaws[: len(nodes)]))
        return paths.paths_across_classes(z0, z1, graphs, crossings, penalties)

    for found in (across(near, far), across(far, near)):
        assert found.shape == (2, paths.KNOTS, 2)
        for path in found:
            assert torch.equal(path[[0, -1]], torch.stack([z0, z1]))
        for node, graph in zip(near, graphs, strict=True):
            assert (found[0] - graph.nodes[node]).norm(dim=1).min() < 0.3
        assert paths.arc_length(found[0])[-1] < paths.arc_length(found[1])[-1]
    assert len(across(near, [100, 120])) == 1  # the same node
    beside = across([100, 100], [101, 101], flaws=(1e6, 0))
    assert (beside[0] - graphs[0].nodes[101]).norm(dim=1).min() < (beside[1] - graphs[0].nodes[101]).norm(dim=1).min()


def hill(points: Tensor) -> Tensor:
    """High at (0.5, 0) and round about."""
    return 5 * torch.exp(-((points - torch.tensor([0.5, 0.0])).square().sum(-1)) / 0.05)


def arch(height: float) -> Tensor:
    x = torch.linspace(0, 1, 25)
    return torch.stack([x, height * torch.sin(math.pi * x)], 1)


def test_the_cheapest_path_is_short_and_keeps_off_what_is_bad() -> None:
    candidates = torch.stack([arch(0.05), arch(0.6), arch(1.5)])
    assert torch.equal(paths.cheapest(candidates, hill), candidates[1])
    assert torch.equal(paths.cheapest(candidates, lambda points: points.new_zeros(points.shape[:-1])), candidates[0])


def test_relaxing_draws_a_path_tight_but_round_a_hill() -> None:
    bent = arch(1.0) * 4  # a path of some length: steps are of about a pixel
    there = lambda points: hill(points / 4)  # noqa: E731
    over = paths.relaxed(bent, lambda points: points.sum(-1) * 0, rounds=40)
    around = paths.relaxed(bent, there, rounds=40)
    assert torch.equal(around[[0, -1]], bent[[0, -1]]) and torch.equal(over[[0, -1]], bent[[0, -1]])
    assert paths.arc_length(over)[-1] < 0.6 * paths.arc_length(bent)[-1]
    assert paths.arc_length(over)[-1] < paths.arc_length(around)[-1] < paths.arc_length(bent)[-1]
    assert there(around).max() < 0.7 * there(over).max()
    assert not around.requires_grad


def test_relaxing_works_on_what_was_made_in_inference_mode() -> None:
    with torch.inference_mode():
        points = arch(1.0) * 4
        assert torch.isfinite(paths.relaxed(points, hill, rounds=2)).all()


def test_smoothing_keeps_the_ends_and_the_pins_and_takes_off_corners() -> None:
    zigzag = torch.stack([torch.arange(9.0), torch.arange(9.0) % 2], dim=1)
    rough, smoothed = (paths.smooth(zigzag, amount=amount, knots=65) for amount in (0, 30))
    assert torch.equal(smoothed[[0, -1]], zigzag[[0, -1]])

    def bend(p: Tensor) -> Tensor:
        return (p[2:] - 2 * p[1:-1] + p[:-2]).norm(dim=1).max()

    assert bend(smoothed) < 0.3 * bend(rough)
    corner = torch.tensor([[0.0, 0], [1, 1], [2, 0]])
    loose, held = (paths.smooth(corner, pins, amount=100, hold=1e6) for pins in ((), (1,)))
    assert (loose - corner[1]).norm(dim=1).min() > 0.3
    assert (held - corner[1]).norm(dim=1).min() < 0.05


def test_smoothing_a_place_stays_there() -> None:
    assert paths.smooth(torch.ones(3, 2), (1,)).unique().tolist() == [1]
