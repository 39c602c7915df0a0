import math
from collections.abc import Callable

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
    [([0.0, 0], [1.0, 2]), ([1.0, 2], [0.0, 0]), ([0.0, 0], [0.0, 0]),
     ([1.0, 2], [1.0, 2]), ([1.0, 2], [2.0, 4]), ([1.0, 2], [-1.0, -2])],
    ids=["from nothing", "to nothing", "nothing", "equal", "parallel", "opposite"],
)  # fmt: skip
def test_slerp_is_linear_where_no_arc_is_defined(z0: list[float], z1: list[float]) -> None:
    ends = torch.tensor(z0), torch.tensor(z1)
    torch.testing.assert_close(paths.slerp(*ends)(ALPHA), paths.linear(*ends)(ALPHA))


@pytest.mark.parametrize(
    "make",
    [
        paths.linear,
        paths.slerp,
        lambda a, b: paths.handwritten(a, b, latents(200, seed=1)),
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


def test_the_shortest_path_takes_the_ring_and_not_the_chord() -> None:
    nodes = ring()
    z0, z1 = torch.tensor([1.02, 0.0]), torch.tensor([-1.02, 0.0])
    way = paths.shortest_path(z0, z1, nodes, neighbours=4)
    assert torch.equal(way[0], z0)
    assert torch.equal(way[-1], z1)
    assert len(way) > 12
    assert way.norm(dim=1).min() > 0.99
    assert paths.arc_length(way)[-1] == pytest.approx(math.pi, abs=0.1)


def test_the_cost_of_a_leap_grows_with_its_power() -> None:
    nodes = ring()
    z0, z1 = nodes[0], nodes[30]
    leaps = [len(paths.shortest_path(z0, z1, nodes, power=power, neighbours=80)) for power in (1.0, 2.0)]
    assert leaps[0] == 2
    assert leaps[1] > 20


def test_without_a_way_the_shortest_path_is_the_line() -> None:
    here = ring(20)
    there = here + 100
    way = paths.shortest_path(here[0], there[0], torch.cat([here, there]), neighbours=3)
    assert torch.equal(way, torch.stack([here[0], there[0]]))


def test_a_handwritten_path_follows_the_nodes_smoothly() -> None:
    z0, z1 = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0])
    z = paths.handwritten(z0, z1, ring(400, 0, math.pi))(torch.linspace(0, 1, 60))
    assert z.norm(dim=1).min() > 0.8
    steps = (z[1:] - z[:-1]).norm(dim=1)
    assert steps.max() < 1.2 * steps.min()


def test_points_are_attracted_half_way_to_the_nodes_around_them() -> None:
    nodes = torch.tensor([[0.0, 2], [1, 2], [2, 2], [50, 50]])
    points = torch.tensor([[0.0, 0], [1, 0], [2, 0]])
    moved = paths.attracted(points, nodes, count=3)
    assert moved.tolist() == [[0, 0], [1, 1], [2, 0]]
    assert paths.attracted(points, nodes[:2], count=3)[1].tolist() == [0.75, 1]  # fewer nodes than asked for


def test_smoothing_keeps_the_ends_and_takes_off_corners() -> None:
    zigzag = torch.stack([torch.arange(9.0), torch.arange(9.0) % 2], dim=1)
    rough, smoothed = (paths.smooth(zigzag, passes, knots=65) for passes in (0, 30))
    assert torch.equal(smoothed[[0, -1]], zigzag[[0, -1]])

    def bend(p: Tensor) -> Tensor:
        return (p[2:] - 2 * p[1:-1] + p[:-2]).norm(dim=1).max()

    assert bend(smoothed) < 0.3 * bend(rough)


def test_nearest_to_both_is_an_ellipse() -> None:
    z0, z1 = torch.tensor([-1.0, 0]), torch.tensor([1.0, 0])
    nodes = torch.tensor([[0.0, 0], [0, 5], [1.1, 0], [-9, 0], [0, 0.5]])
    assert set(paths.nearest_to_both(z0, z1, nodes, 3).tolist()) == {0, 2, 4}
    assert paths.nearest_to_both(z0, z1, nodes, 9).tolist() == [0, 1, 2, 3, 4]


def uneven(alpha: Tensor) -> Tensor:
    """A blot whose motion is slow, quick and slow again: pictures (T, 20, 20)."""
    x = torch.arange(20.0)
    place = 4 + 12 * torch.sigmoid(10 * (alpha - 0.5))
    return torch.exp(-((x - place[:, None]) ** 2) / 8)[:, None, :].expand(-1, 20, -1)


@pytest.mark.parametrize("count", [10, 60, 240])
def test_even_steps_change_the_picture_evenly(count: int) -> None:
    alpha = paths.even_steps(uneven, torch.linspace(0, 1, count))
    change = paths.arc_length(uneven(alpha)).diff()
    assert change.std() / change.mean() < 0.02
    raw = paths.arc_length(uneven(torch.linspace(0, 1, count))).diff()
    assert raw.std() / raw.mean() > 0.3
    assert (alpha[0], alpha[-1]) == (0, 1)
    assert (alpha.diff() > 0).all()


def test_even_steps_follow_the_spacing_they_are_given() -> None:
    spacing = paths.ease(torch.linspace(0, 1, 40))
    length = paths.arc_length(uneven(paths.even_steps(uneven, spacing)))
    torch.testing.assert_close(length / length[-1], spacing, atol=0.01, rtol=0)


def test_a_still_picture_keeps_its_spacing() -> None:
    spacing = torch.linspace(0, 1, 5)
    assert torch.equal(paths.even_steps(lambda alpha: torch.zeros(len(alpha), 2, 2), spacing), spacing)


def test_ease_is_slow_at_both_ends() -> None:
    eased = paths.ease(torch.linspace(0, 1, 101))
    assert eased[[0, 50, 100]].tolist() == pytest.approx([0, 0.5, 1])
    assert eased.diff()[[0, -1]].max() < 0.1 * eased.diff().max()
    assert (eased.diff() > 0).all()
