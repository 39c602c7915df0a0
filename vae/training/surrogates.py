"""Teaching the surrogate of a bank: what latents on the way between digits look like once they are decoded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from vae.bank import Bank
from vae.classifier import Classifier, probabilities
from vae.evaluation import looks
from vae.model import VAE, in_batches
from vae.morphing import decode_28, handwritten_curve
from vae.surrogate import DIGITS, HOLES, OUTPUTS, TRAITS, Surrogate

BATCH, RATE = 256, 5e-3
UNSURE, OFTEN = 0.97, 3.0  # latents of which the reader is less sure than this are seen so many times as often
JITTER = 0.1  # of latents, so that they lie beside the paths too


@dataclass(frozen=True)
class Effort:
    """How much it is taught: latents on straight lines at first, then on so many paths that it chose itself."""

    points: int = 80_000
    paths: int = 2_000
    width: int = 192
    steps: int = 5_000


WHOLE = Effort()


class Lesson(NamedTuple):
    """Latents `(N, D)` and what is true of their pictures: the reader's probabilities `(N, 10)`, TRAITS `(N, 6)`,
    the number of holes, at most two, and whether there is a crumb, `(N,)` each."""

    z: Tensor
    reading: Tensor
    traits: Tensor
    holes: Tensor
    crumbs: Tensor


def taught(model: VAE, reader: Classifier, bank: Bank, effort: Effort) -> Surrogate:
    """The surrogate of a bank that has none worth the name yet: taught twice, the second time also of the paths that
    are chosen by what it learnt the first time (Ross et al., DAgger, 2011, https://arxiv.org/abs/1011.0686)."""
    generator = Generator().manual_seed(0)
    first = lesson(model, reader, points_on_lines(bank, effort.points, generator))
    novice = fitted([first], effort, generator)
    paths = points_on_paths(replace(bank, surrogate=novice), effort.paths, generator)
    return fitted([first, lesson(model, reader, paths)], effort, generator)


def nothing_known(dimensions: int) -> Surrogate:
    """What a bank has before its own is taught."""
    return Surrogate([(torch.zeros(OUTPUTS, dimensions), torch.zeros(OUTPUTS))])


def points_on_lines(bank: Bank, count: int, generator: Generator) -> Tensor:
    """Latents `(count, D)` on lines between two digits of any kind, two of one class, and the ends of crossings, and
    between such a crossing and a digit of one of its classes."""
    z, quarter = bank.graph.z, count // 4

    def picked(rows: Tensor) -> Tensor:
        return rows[torch.randint(len(rows), (quarter,), generator=generator)]

    def between(a: Tensor, b: Tensor) -> Tensor:
        return torch.lerp(a, b, torch.rand(len(a), 1, generator=generator))

    one, edges = torch.arange(len(z)), bank.crossings
    any_two = between(z[picked(one)], z[picked(one)])
    own = picked(one)
    same = between(z[own], z[fellows(bank, own, generator)])
    parts = [any_two, same]
    if len(edges):
        edge, other = picked(edges), picked(edges)
        on_edge = between(z[other[:, 0]], z[other[:, 1]])
        parts += [between(z[edge[:, 0]], z[edge[:, 1]]), between(on_edge, z[fellows(bank, other[:, 0], generator)])]
    return jittered(torch.cat(parts), generator)


def fellows(bank: Bank, index: Tensor, generator: Generator) -> Tensor:
    """For each code of the graph some code of its class."""
    random = torch.rand(len(index), generator=generator)
    sizes = torch.tensor([len(own) for own in bank.members])
    first = sizes.cumsum(0) - sizes
    labels = bank.graph.labels[index]
    return torch.cat(bank.members)[first[labels] + (random * sizes[labels]).long()]


def points_on_paths(bank: Bank, count: int, generator: Generator, each: int = 24) -> Tensor:
    """Latents on `count` handwritten paths between digits of two classes, half of them about the turn."""
    z, labels, found = bank.graph.z, bank.graph.labels, []
    alpha = torch.linspace(0, 1, 60)
    for a, b in torch.randint(len(z), (count, 2), generator=generator).tolist():
        digits = int(labels[a]), int(labels[b])
        if digits[0] == digits[1]:
            continue
        curve = handwritten_curve(bank, (z[a], z[b]), digits, bank.graph.ink[[a, b]])
        sure = bank.surrogate(curve(alpha))[:, :DIGITS].softmax(1)[:, list(digits)].amax(1)
        about = alpha[sure.argmin()] + 0.06 * torch.randn(each // 2, generator=generator)
        found.append(curve(torch.cat([torch.rand(each // 2, generator=generator), about.clamp(0, 1)])))
    return jittered(torch.cat(found), generator)


def jittered(z: Tensor, generator: Generator) -> Tensor:
    """`z` `(N, D)`, every other one a little beside its place."""
    noise = JITTER * torch.randn(z.shape, generator=generator)
    noise[::2] = 0
    return z + noise


def lesson(model: VAE, reader: Classifier, z: Tensor) -> Lesson:
    """Decode latents `(N, D)` and look at the pictures."""

    def look(z: Tensor) -> Tensor:
        x = decode_28(model, z)
        flat = x[:, 0]
        measures = looks.measure_styles(flat), flat.sum((1, 2))[:, None], looks.grey_share(flat)[:, None]
        return torch.cat([probabilities(reader, x), *measures, looks.topology(flat)], 1)

    seen = in_batches(look, z).clone()
    reading, traits, pieces, holes = seen.split([DIGITS, TRAITS, 1, 1], 1)
    return Lesson(z, reading, traits, holes[:, 0].clamp(max=HOLES - 1).long(), (pieces[:, 0] > 1).float())


def fitted(lessons: list[Lesson], effort: Effort, generator: Generator) -> Surrogate:
    """A network of two hidden layers, taught `lessons` by AdamW under a one-cycle schedule."""
    known = Lesson(*(torch.cat(parts) for parts in zip(*lessons, strict=True)))
    scale = known.traits.std(0).clamp_min(1e-3)
    known = known._replace(traits=(known.traits - known.traits.mean(0)) / scale)
    sizes = [known.z.shape[1], effort.width, effort.width, OUTPUTS]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    net = nn.Sequential(layers[0], nn.SiLU(), layers[1], nn.SiLU(), layers[2])
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, effort.steps)
    often = torch.where(known.reading.amax(1) < UNSURE, OFTEN, 1.0)
    drawn = torch.multinomial(often, effort.steps * BATCH, replacement=True, generator=generator)
    for rows in drawn.view(effort.steps, BATCH):
        optimizer.zero_grad()
        loss(net(known.z[rows]), Lesson(*(part[rows] for part in known))).backward()
        optimizer.step()
        schedule.step()
    return Surrogate([(layer.weight.detach(), layer.bias.detach()) for layer in layers])


def loss(seen: Tensor, truth: Lesson) -> Tensor:
    """How far outputs `(B, OUTPUTS)` are from what is true: twice the Kullback-Leibler divergence of the reading, the
    squared error of the traits, the cross-entropies of holes and crumbs."""
    reading, traits, holes, crumbs = seen.split([DIGITS, TRAITS, HOLES, 1], 1)
    return (
        2 * F.kl_div(reading.log_softmax(1), truth.reading, reduction="batchmean")
        + F.mse_loss(traits, truth.traits)
        + F.cross_entropy(holes, truth.holes)
        + F.binary_cross_entropy_with_logits(crumbs[:, 0], truth.crumbs)
    )
