"""Crossings and the decoder's metric, on the small model of made-up digits."""

import torch

from vae.bank import bank_of
from vae.classifier import load_classifier
from vae.model import VAE, build
from vae.training.crossings import choose_crossings, decoder_metric, edge_doubt, short_edges


def test_the_metric_of_a_linear_decoder_is_its_own() -> None:
    model = build("mlp", latent_dim=3, widths=(4,))
    matrix = torch.randn(784, 3, generator=torch.Generator().manual_seed(0))
    model.decode = lambda z: (z @ matrix.T).view(-1, 1, 28, 28)  # type: ignore[method-assign]
    metric = decoder_metric(model, torch.randn(5, 3))
    z = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))
    moved = (model.decode(z[:1]) - model.decode(z[1:])).norm()
    torch.testing.assert_close(((z[0] - z[1]) @ metric).norm(), moved, rtol=1e-3, atol=0)


def test_short_edges_are_the_shortest_and_do_not_crowd() -> None:
    distance = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 0]])
    rows, columns = short_edges(distance, count=4, each=2)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(2, 2), (0, 0), (0, 1), (1, 0)]
    rows, columns = short_edges(distance, count=9, each=1)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(2, 2), (0, 0), (1, 1)]


def test_an_edge_between_two_digits_is_in_less_doubt_than_one_past_a_third(small: VAE) -> None:
    reader, graph = load_classifier("reader"), bank_of(small).graph
    three, eight, one = (graph.z[graph.labels == d][0] for d in (3, 8, 1))
    still = torch.stack([torch.stack([three, three]), torch.stack([one, one]), torch.stack([three, eight])])
    doubt = edge_doubt(small, reader, still, (3, 8))
    assert doubt[0] < 0.2
    assert doubt[1] > 0.8
    assert doubt[0] <= doubt[2] <= 2


def test_crossings_join_two_classes_each_and_the_surest_are_kept(small: VAE) -> None:
    reader, bank = load_classifier("reader"), bank_of(small)
    labels = bank.graph.labels[bank.crossings]
    assert (labels[:, 0] < labels[:, 1]).all()
    assert len(labels.unique(dim=0)) == 45
    some = (bank.graph.labels == 3) | (bank.graph.labels == 8)
    z, own = bank.graph.z[some], bank.graph.labels[some]
    many, few = (choose_crossings(small, reader, z, own, bank.metric, kept) for kept in (30, 5))
    assert torch.equal(few, many[:5])
    doubt = edge_doubt(small, reader, z[many], (3, 8))
    assert torch.equal(doubt, doubt.sort().values)


def test_crossings_turn_with_the_direction(small: VAE) -> None:
    bank = bank_of(small)
    there, back = bank.crossings_between(3, 8), bank.crossings_between(8, 3)
    assert (there == back[:, ::-1]).all()
    pairs = bank.members[3][there[:, 0]], bank.members[8][there[:, 1]]
    assert (bank.graph.labels[pairs[0]] == 3).all()
    assert (bank.graph.labels[pairs[1]] == 8).all()
