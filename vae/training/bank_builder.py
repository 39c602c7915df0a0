"""Building the bank of a model's weights: which digits, their codes, and the crossings between classes."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from vae import weights
from vae.bank import Bank, Codes
from vae.classifier import Classifier, load_classifier, probabilities
from vae.inspection.latent_map import build_map
from vae.model import ACTIVE_UNIT_VARIANCE, VAE, in_batches, posterior_means
from vae.style import measure_style
from vae.training import crossings, data, surrogates

METRIC_CODES = 400  # at which the decoder's metric is measured
LEGIBLE = 0.9  # the reader's confidence that a code of the bank draws its digit


def build_beside(
    path: Path, root: str | os.PathLike[str] | None, graph_count: int, typed_count: int
) -> list[tuple[Path, str]]:
    """Build the bank beside the weights at `path`, of so many training and test digits, and the map beside
    `conv2d`'s, if they are there too. Returns the files written, each with what is in it.

    A SHA256SUMS in the folder is brought up to date before, as new weights are meant to be there, and after.
    """
    listed = (path.parent / weights.SUMS).exists()
    if listed:
        weights.write_sums(path.parent)
    model, reader, splits = weights.load(path), load_classifier("reader"), data.load_splits(root=root)
    graph = choose_legible(model, reader, splits.train, graph_count)
    typed = choose_legible(model, reader, splits.test, typed_count)
    bank = path.with_name("bank.safetensors")
    build_bank(model, reader, graph, typed, bank)
    written = [(bank, f"{len(graph)} training and {len(typed)} test codes")]
    if (plane := path.with_name("conv2d.safetensors")).exists():
        points = splits.test[choose(splits.test.labels, typed_count)]
        build_map(weights.load(plane), points, path.with_name("map.safetensors"))
        written.append((path.with_name("map.safetensors"), f"{len(points)} test codes"))
    if listed:
        weights.write_sums(path.parent)
    return written


def choose_legible(model: VAE, reader: Classifier, pictures: data.Pictures, count: int) -> data.Pictures:
    """`count` digits that are legible once the model has drawn them, or as many as a quarter more offer."""
    pictures = pictures[choose(pictures.labels, 5 * count // 4)]
    pictures = pictures[legible(model, reader, data.as_floats(pictures.images), pictures.labels)]
    return pictures[choose(pictures.labels, count)]


def choose(labels: Tensor, count: int) -> Tensor:
    """Indices of `count` digits, as many of each class, the first ones of each."""
    share = count // 10
    return torch.cat([(labels == digit).nonzero()[:share, 0] for digit in range(10)])


def legible(model: VAE, reader: Classifier, x: Tensor, labels: Tensor) -> Tensor:
    """Which digits `(N, 1, 28, 28)` the reader still takes for what they are once the model has drawn
    them again: `(N,)` bool. A path through the others would pass what nobody can read."""
    confidence = in_batches(lambda x: probabilities(reader, model.decode(model.encode(x)[0])), x)
    return confidence.gather(1, labels[:, None])[:, 0] > LEGIBLE


def build_bank(
    model: VAE,
    reader: Classifier,
    graph: data.Pictures,
    typed: data.Pictures,
    path: Path,
    effort: surrogates.Effort = surrogates.WHOLE,
) -> None:
    """Encode digits of 28x28 pixels and write the bank of a model that was loaded from its weights."""
    tensors: dict[str, Tensor] = {}
    codes = []
    for name, digits in (("graph", graph), ("typed", typed)):
        z = posterior_means(model, data.as_floats(digits.images))
        pictures = in_batches(model.decode, z)
        if name == "graph":
            tensors["used"] = used = (z.var(0) > ACTIVE_UNIT_VARIANCE).nonzero()[:, 0]
        measures = torch.cat([pictures.sum((1, 2, 3))[:, None], measure_style(pictures)], dim=1)
        tensors[f"{name}.labels"] = digits.labels.to(torch.uint8)
        for what, values in (("z", z[:, used]), ("measures", measures)):
            low, step = values.amin(0), (values.amax(0) - values.amin(0)).clamp_min(1e-6) / 255
            tensors[f"{name}.{what}"] = ((values - low) / step).round().to(torch.uint8)
            tensors[f"{name}.{what}.low"], tensors[f"{name}.{what}.step"] = low, step
        codes.append(Codes(z, digits.labels, measures[:, 0], measures[:, 1:]))
    spread = torch.linspace(0, len(graph) - 1, min(len(graph), METRIC_CODES)).long()  # over all classes
    tensors["metric"] = metric = crossings.decoder_metric(model, codes[0].z[spread])
    pairs, flaws = crossings.choose_crossings(model, reader, codes[0].z, graph.labels, metric)
    tensors["crossings"] = pairs.short()
    tensors["flaws.step"] = step = flaws.amax().clamp_min(1e-6) / 255 if len(flaws) else torch.ones(())
    tensors["flaws"] = (flaws / step).round().to(torch.uint8)
    bank = Bank(codes[0], codes[1], metric, pairs, flaws, surrogates.nothing_known(model.config.latent_dim))
    for k, (weight, bias) in enumerate(surrogates.taught(model, reader, bank, effort).layers):
        tensors[f"surrogate.{k}.weight"], tensors[f"surrogate.{k}.bias"] = weight.half(), bias.half()
    metadata = {"weights": model.fingerprint, "preset": model.config.preset}
    weights.write_tensors(path, tensors, metadata)
