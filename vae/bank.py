"""The bank: latent codes of real handwriting, for typed digits and for the graph of a handwritten path.

`weights/bank.safetensors` holds codes, not pictures: *training* digits for the graph, *test* digits
for typing, with labels, ink and a few measures of style, eight bits a number, of the latent
dimensions that the model uses. Its metadata name the weights it was built from; with any others it
is refused.
"""

from __future__ import annotations

import functools
import re
import reprlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from vae import paths, weights
from vae.errors import BadRequest, WeightsError
from vae.model import VAE
from vae.surrogate import Surrogate

STYLES = ("slant", "pen", "height", "width")
NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)


@dataclass(frozen=True)
class Codes:
    """Latents `z` `(N, D)` float32, `labels` `(N,)`, `ink` `(N,)` (sum of the picture's pixels) and `style`
    `(N, 4)` (STYLES) of decoded digits."""

    z: Tensor
    labels: Tensor
    ink: Tensor
    style: Tensor

    def __len__(self) -> int:
        return len(self.z)


@dataclass(frozen=True, eq=False)
class Bank:
    """Codes for paths (`graph`) and codes for typing (`typed`); the decoder's `metric` `(D, D)`, by which paths are
    measured; the `crossings` `(M, 2)` from class to class, indices into `graph`, and their `flaws` `(M,)` (see
    vae.training.crossings); and the `surrogate` that weighs paths."""

    graph: Codes
    typed: Codes
    metric: Tensor
    crossings: Tensor
    flaws: Tensor
    surrogate: Surrogate
    _graphs: dict[int, tuple[paths.Graph, Tensor] | None] = field(default_factory=dict, init=False, repr=False)
    _crossings: dict[tuple[int, int], paths.Crossings] = field(default_factory=dict, init=False, repr=False)

    @functools.cached_property
    @torch.inference_mode(False)  # paths are relaxed through it
    def inverse_metric(self) -> Tensor:
        return torch.linalg.inv(self.metric.double()).float()

    @functools.cached_property
    def members(self) -> list[Tensor]:
        """The indices of each digit's codes in `graph`, in order."""
        return [(self.graph.labels == digit).nonzero()[:, 0] for digit in range(10)]

    def class_graph(self, digit: int) -> tuple[paths.Graph, Tensor] | None:
        """The k-NN graph of one digit's codes, in the decoder's metric, and their ink; None of fewer than two codes.

        Made when it is first asked for (0.1 s) and kept: one morph needs two of the ten.
        """
        if digit not in self._graphs:
            own = self.members[digit]
            enough = len(own) >= 2
            self._graphs[digit] = (
                (paths.knn_graph(self.graph.z[own] @ self.metric), self.graph.ink[own]) if enough else None
            )
        return self._graphs[digit]

    def crossings_between(self, source: int, target: int) -> paths.Crossings:
        """The crossings from one digit to another as nodes of their two class graphs; looked up once, and kept."""
        if (source, target) not in self._crossings:
            self._crossings[source, target] = self._find_crossings(source, target)
        return self._crossings[source, target]

    def _find_crossings(self, source: int, target: int) -> paths.Crossings:
        low, high = min(source, target), max(source, target)
        labels = self.graph.labels[self.crossings]
        own = (labels[:, 0] == low) & (labels[:, 1] == high)
        rows = self.crossings[own]
        nodes = [torch.searchsorted(self.members[d], rows[:, k].contiguous()) for k, d in enumerate((low, high))]
        return paths.Crossings(torch.stack(nodes if source == low else nodes[::-1], 1).numpy(), self.flaws[own].numpy())


@torch.inference_mode(False)  # its tensors take part in what is differentiated, whoever loads it first
def bank_of(model: VAE) -> Bank | None:
    """The bank beside the model's weights file, or None where there is none of its preset."""
    if model.path is None or not (path := model.path.with_name("bank.safetensors")).exists():
        return None
    contents = weights.read_tensors(path)
    return _parse(model, path, contents) if contents.metadata.get("preset") == model.config.preset else None


def _parse(model: VAE, path: Path, contents: weights.Contents) -> Bank:
    tensors, metadata, _ = contents
    if metadata.get("weights") != model.fingerprint:
        raise WeightsError(
            f"{path} was built from other weights than {model.config.preset}'s; "
            "build it again with: python -m vae bank --data DIR"
        )
    for name, tensor in tensors.items():
        floats = name == "metric" or name.startswith("surrogate.") or name.endswith((".low", ".step"))
        if tensor.is_floating_point() != floats:
            raise WeightsError(f"{path} is no bank: {reprlib.repr(name)} is of another type")
    try:
        graph, typed = (_codes(model, tensors, name, path) for name in ("graph", "typed"))
        metric, pairs = tensors["metric"], tensors["crossings"].long()
        flaws, surrogate = tensors["flaws"].float() * tensors["flaws.step"], _surrogate(tensors)
    except KeyError as error:
        raise WeightsError(f"{path} is no bank: {error} is missing") from error
    if metric.shape != (model.config.latent_dim,) * 2 or not _invertible(metric):
        raise WeightsError(f"{path} is no bank of a model with {model.config.latent_dim} latents")
    if pairs.ndim != 2 or pairs.shape[1] != 2 or (len(pairs) and not 0 <= pairs.min() <= pairs.max() < len(graph)):
        raise WeightsError(f"{path} is no bank: its crossings lead nowhere")
    if flaws.shape != pairs.shape[:1] or not bool(torch.isfinite(flaws).all()):
        raise WeightsError(f"{path} is no bank: its crossings are not judged")
    if not surrogate.fits(model.config.latent_dim):
        raise WeightsError(f"{path} is no bank: its surrogate is of another kind")
    return Bank(graph, typed, metric, pairs, flaws, surrogate)


def _surrogate(tensors: dict[str, Tensor]) -> Surrogate:
    count = sum(name.startswith("surrogate.") for name in tensors) // 2
    return Surrogate(
        [(tensors[f"surrogate.{k}.weight"].float(), tensors[f"surrogate.{k}.bias"].float()) for k in range(count)]
    )


def _invertible(matrix: Tensor) -> bool:
    inverse, failed = torch.linalg.inv_ex(matrix.double())
    return not int(failed) and bool(torch.isfinite(inverse).all())


def _codes(model: VAE, tensors: dict[str, Tensor], name: str, path: Path) -> Codes:
    used, labels = tensors["used"].long(), tensors[f"{name}.labels"].long()
    if used.ndim != 1 or labels.ndim != 1 or not len(labels) or not 0 <= labels.min() <= labels.max() < 10:
        raise WeightsError(f"{path} is no bank: its {name} labels are no digits")
    values = []
    for part, width in (("z", len(used)), ("measures", 1 + len(STYLES))):
        whole, step, low = (tensors[f"{name}.{part}{end}"].float() for end in ("", ".step", ".low"))
        if whole.shape != (len(labels), width) or not step.shape == low.shape == (width,):
            raise WeightsError(f"{path} is no bank: its {name} {part} are {tuple(whole.shape)}")
        values.append(whole * step + low)
    z, measures = values
    if not len(used) or not 0 <= used.min() <= used.max() < model.config.latent_dim:
        raise WeightsError(f"{path} is no bank of a model with {model.config.latent_dim} latents")
    if not bool(torch.isfinite(z).all() and torch.isfinite(measures).all()):
        raise WeightsError(f"{path} holds numbers that are not finite, in {name}")
    latents = z.new_zeros(len(z), model.config.latent_dim)
    latents[:, used] = z
    return Codes(latents, labels, measures[:, 0], measures[:, 1:])


def check_number(text: object) -> str:
    """`text` as one to four ASCII digits; raises BadRequest otherwise."""
    number = text.strip() if isinstance(text, str) else ""
    if not NUMBER.fullmatch(number):
        raise BadRequest("Please type a number of one to four digits, such as 32.")
    return number


def type_codes(bank: Bank, number: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Latents `(N, D)` of the digits of `number` in one handwriting, and their indices in `bank.typed`.

    The seed picks a handwriting (slant, stroke width, size) from the test set's; of the twelve codes of a class
    nearest to it, one is picked by seed. A digit that comes again is written alike, but not cloned: by the code
    most like the one before, of those not used yet.
    """
    style = (bank.typed.style - bank.typed.style.mean(0)) / bank.typed.style.std(0).clamp_min(1e-6)
    generator = torch.Generator().manual_seed(seed)
    handwriting = style[int(torch.randint(len(style), (1,), generator=generator))].clamp(-0.8, 0.8)
    weight = torch.tensor([1.0, 1.0, 1.0, 0.0])  # a 1 is narrow in any handwriting: its width says nothing
    chosen: list[int] = []
    picks = torch.randint(12, (10,), generator=generator)
    for place, digit in enumerate(map(int, number)):
        own = (bank.typed.labels == digit).nonzero()[:, 0]
        if digit in map(int, number[:place]):
            before = bank.typed.z[chosen[number.rindex(number[place], 0, place)]]
            distance = ((bank.typed.z[own] - before) @ bank.metric).norm(dim=1)
            distance[torch.isin(own, torch.tensor(chosen))] = torch.inf
            chosen.append(int(own[distance.argmin()]))
        else:
            distance = ((style[own] - handwriting).square() * weight).sum(1)
            chosen.append(int(own[distance.argsort()[min(int(picks[digit]), len(own) - 1)]]))
    index = torch.tensor(chosen)
    return bank.typed.z[index], index
