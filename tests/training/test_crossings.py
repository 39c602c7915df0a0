"""Crossings and the decoder's metric, on the small model of made-up digits."""

import pytest
import torch

from vae.bank import bank_of
from vae.classifier import load_classifier
from vae.evaluation import looks
from vae.model import VAE, build
from vae.training.crossings import choose_crossings, decoder_metric, edge_flaws, near_edges


def test_the_metric_of_a_linear_decoder_is_its_own() -> None:
    model = build("mlp", latent_dim=3, widths=(4,))
    matrix = torch.randn(784, 3, generator=torch.Generator().manual_seed(0))
    model.decode = lambda z: (z @ matrix.T).view(-1, 1, 28, 28)  # type: ignore[method-assign]
    metric = decoder_metric(model, torch.randn(5, 3))
    z = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))
    moved = (model.decode(z[:1]) - model.decode(z[1:])).norm()
    torch.testing.assert_close(((z[0] - z[1]) @ metric).norm(), moved, rtol=1e-3, atol=0)


def test_edges_lead_to_the_nearest_of_the_other_class_shortest_first() -> None:
    distance = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 0]])
    assert near_edges(distance, each=1).tolist() == [[2, 2], [0, 0], [0, 1], [1, 0]]
    assert near_edges(distance, each=1, count=2).tolist() == [[2, 2], [0, 0]]
    assert len(near_edges(distance, each=9)) == 9


def test_an_edge_past_a_third_digit_or_over_a_hole_has_more_flaws(small: VAE) -> None:
    reader, graph = load_classifier("reader"), bank_of(small).graph
    three, eight, one = (graph.z[graph.labels == d][0] for d in (3, 8, 1))
    still = torch.stack([torch.stack([three, three]), torch.stack([one, one]), torch.stack([three, eight])])
    holes = looks.topology(small.decode(torch.stack([three, one, eight]))[:, 0])[:, 1]
    flaws = edge_flaws(small, reader, still, holes, (3, 8))
    assert flaws[1] > flaws[0] + 2
    assert flaws[0] <= flaws[2]
    alien = edge_flaws(small, reader, still[:1], holes[:1] - 1, (3, 8))
    assert alien == pytest.approx(float(flaws[0]) + 1)


def test_crossings_join_two_classes_each_and_the_cheapest_are_kept(small: VAE) -> None:
    reader, bank = load_classifier("reader"), bank_of(small)
    labels = bank.graph.labels[bank.crossings]
    assert (labels[:, 0] < labels[:, 1]).all()
    assert len(labels.unique(dim=0)) == 45
    some = (bank.graph.labels == 3) | (bank.graph.labels == 8)
    z, own = bank.graph.z[some], bank.graph.labels[some]
    (many, flaws), (few, _) = (choose_crossings(small, reader, z, own, bank.metric, kept) for kept in (30, 5))
    assert torch.equal(few, many[:5])
    cost = (z[many[:, 0]] @ bank.metric - z[many[:, 1]] @ bank.metric).norm(dim=1) * (1 + flaws)
    torch.testing.assert_close(cost, cost.sort().values, rtol=1e-4, atol=1e-4)


def test_crossings_turn_with_the_direction(small: VAE) -> None:
    bank = bank_of(small)
    there, back = bank.crossings_between(3, 8), bank.crossings_between(8, 3)
    assert (there.nodes == back.nodes[:, ::-1]).all()
    assert (there.flaws == back.flaws).all() and len(there.flaws) == len(there.nodes) > 0
    pairs = bank.members[3][there.nodes[:, 0]], bank.members[8][there.nodes[:, 1]]
    assert (bank.graph.labels[pairs[0]] == 3).all()
    assert (bank.graph.labels[pairs[1]] == 8).all()
