"""The models and codes that requests are carried out with, loaded once and passed on.

Whoever starts the program makes a `Pipeline` (`load_pipeline`) and hands it down; nothing below it loads or looks
up anything. `default_pipeline` and `pipeline_of` are for Python code that passes none, or only a model.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from vae import weights
from vae.bank import Bank, bank_of
from vae.classifier import Classifier, load_classifier, log_probabilities
from vae.errors import BadRequest, WeightsError
from vae.model import PRESETS, VAE


class Typist(NamedTuple):
    """Writes typed digits: a model, and the bank whose codes it decodes."""

    model: VAE
    bank: Bank


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Loaded models, shared by threads; nobody alters them.

    Attributes:
        model: the VAE that morphs.
        bank: its latent codes, for handwritten paths; None where it has none.
        reader: says which digit a picture shows.
        typist: writes typed digits: the shipped flagship, else `model`; None where neither has a bank.
        presets: the shipped models that were asked for and are here, by name.
        segmenter: tells digits from other ink, to part a number; None stands for the shipped one.
    """

    model: VAE
    bank: Bank | None
    reader: Classifier
    typist: Typist | None = None
    presets: Mapping[str, VAE] = field(default_factory=dict)
    segmenter: Classifier | None = None

    def with_preset(self, preset: str | None) -> Pipeline:
        """The same with another model to morph with; None leaves it as it is. Raises WeightsError."""
        if preset is None:
            return self
        model = self.presets.get(preset) or weights.load(preset)
        return replace(self, model=model, bank=self.typist.bank if self.typist and self.typist.model is model else None)

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What digits `(N, 1, 28, 28)` read as, `(N,)`, and how certain the reader is of each (a probability)."""
        certainty, digit = self.log_probabilities(x).exp().max(1)
        return digit, certainty

    def log_probabilities(self, x: Tensor) -> Tensor:
        """What the reader takes digits `(N, 1, 28, 28)` for: `(N, 10)`."""
        with torch.inference_mode():
            return log_probabilities(self.reader, x)

    def require_bank(self) -> Bank:
        """The model's bank. Raises BadRequest without one."""
        if self.bank is None:
            raise BadRequest("The model that this page was started with has no bank of handwriting, which this needs.")
        return self.bank

    def require_typist(self) -> Typist:
        """Who writes typed digits. Raises WeightsError where nobody can."""
        if self.typist is None:
            raise WeightsError("weights/bank.safetensors is missing; build it with: python -m vae bank --data DIR")
        return self.typist


def load_pipeline(source: weights.Source = None, presets: Iterable[str] = ()) -> Pipeline:
    """Load the model that `source` names (see `vae.weights.load`) and all that goes with it.

    `presets`: shipped models to load as well; those that are not here are left out. Raises WeightsError.
    """
    model = weights.load(source)
    loaded = {weights.FLAGSHIP: model} if model.path == _shipped(weights.FLAGSHIP) else {}
    for preset in dict.fromkeys([weights.FLAGSHIP, *presets]):
        if preset not in loaded and _shipped(preset).exists():
            loaded[preset] = weights.load(preset)
    bank, flagship = bank_of(model), loaded.get(weights.FLAGSHIP, model)
    codes = bank if flagship is model else bank_of(flagship)
    typist = Typist(flagship, codes) if codes else None
    return Pipeline(model, bank, _reader_for(model), typist, loaded, _segmenter_for(model))


def _shipped(name: str) -> Path:
    return weights.SHIPPED / f"{name}.safetensors"


def _reader_for(model: VAE) -> Classifier:
    """The shipped reader, or, in a program without weights/, the one beside the model."""
    return load_classifier(_beside(model, "reader") or "reader")


def _segmenter_for(model: VAE) -> Classifier | None:
    """Likewise; None where there is neither, and only typed numbers can be read."""
    path = _beside(model, "segmenter")
    return load_classifier(path or "segmenter") if path or _shipped("segmenter").exists() else None


def _beside(model: VAE, name: str) -> Path | None:
    """The classifier's file beside a model, if it is not shipped."""
    beside = model.path.with_name(f"{name}.safetensors") if model.path else None
    return beside if beside and beside.exists() and not _shipped(name).exists() else None


@functools.cache
def default_pipeline() -> Pipeline:
    """All shipped models, and the flagship (or what DIGIT_MORPH_WEIGHTS names) to morph with."""
    return load_pipeline(presets=PRESETS)


_BY_MODEL: weakref.WeakKeyDictionary[VAE, Pipeline] = weakref.WeakKeyDictionary()


def pipeline_of(model: VAE) -> Pipeline:
    """The pipeline to morph with a model that somebody loaded; it types nothing. Made once for each model."""
    if model not in _BY_MODEL:
        _BY_MODEL[model] = Pipeline(model, bank_of(model), _reader_for(model), segmenter=_segmenter_for(model))
    return _BY_MODEL[model]
