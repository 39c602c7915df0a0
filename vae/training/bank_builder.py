"""Building the bank of a model's weights: which digits, their codes, and the crossings between classes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vae import weights
from vae.bank import USED
from vae.classifier import Classifier, probabilities
from vae.model import VAE
from vae.style import measure_style
from vae.training import crossings

MEASURED = 400  # codes at which the decoder's metric is taken
LEGIBLE = 0.9  # certainty of the reader that a code of the bank draws its digit


def choose(labels: Tensor, count: int) -> Tensor:
    """Indices of `count` digits, as many of each class, the first ones of each."""
    share = count // 10
    return torch.cat([(labels == digit).nonzero()[:share, 0] for digit in range(10)])


@torch.inference_mode()
def legible(model: VAE, reader: Classifier, x: Tensor, labels: Tensor) -> Tensor:
    """Which digits `(N, 1, 28, 28)` the reader still takes for what they are once the model has drawn
    them again: `(N,)` bool. A path through the others would pass what nobody can read."""
    certainty = torch.cat([probabilities(reader, model.decode(model.encode(part)[0])) for part in x.split(500)])
    return certainty.gather(1, labels[:, None])[:, 0] > LEGIBLE


def build_bank(
    model: VAE, reader: Classifier, train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, path: Path
) -> None:
    """Encode digits `(N, 1, 28, 28)` and write the bank of a model that was loaded from its weights."""
    tensors: dict[str, Tensor] = {}
    for name, x, labels in (("graph", train, train_labels), ("typed", test, test_labels)):
        with torch.inference_mode():
            z = torch.cat([model.encode(part)[0] for part in x.split(500)])
            pictures = torch.cat([model.decode(part) for part in z.split(500)])
        if name == "graph":
            tensors["used"] = used = (z.var(0) > USED).nonzero()[:, 0]
            spread = torch.linspace(0, len(z) - 1, min(len(z), MEASURED)).long()  # over all classes
            tensors["metric"] = metric = crossings.decoder_metric(model, z[spread])
            tensors["crossings"] = crossings.choose_crossings(model, reader, z, labels, metric).short()
        measures = torch.cat([pictures.sum((1, 2, 3))[:, None], measure_style(pictures)], dim=1)
        tensors[f"{name}.labels"] = labels.to(torch.uint8)
        for what, values in (("z", z[:, used]), ("measures", measures)):
            low, step = values.amin(0), (values.amax(0) - values.amin(0)).clamp_min(1e-6) / 255
            tensors[f"{name}.{what}"] = ((values - low) / step).round().to(torch.uint8)
            tensors[f"{name}.{what}.low"], tensors[f"{name}.{what}.step"] = low, step
    metadata = {"weights": model.fingerprint, "preset": model.config.preset}
    weights.write_tensors(path, tensors, metadata)
