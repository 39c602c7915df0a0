"""What the picture of a latent would look like, told without decoding it: a small network beside the bank.

It was taught by decoding latents along paths, reading the pictures and measuring them (see
`vae.training.surrogates`), so that a path can be weighed, and moved to where it is better, in a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

DIGITS, TRAITS, HOLES = 10, 6, 3  # traits: thickness, slant, width, height, ink, grey
OUTPUTS = DIGITS + TRAITS + HOLES + 1

# What a path is asked to keep away from, in pixels of way that are as bad: along a pixel of it.
THIRD = 4.0  # that it reads as another digit than the two, for certain
UNSURE = 1.0  # that neither is certain
DOUBT = 0.3  # times -log of the probability of the two: it has a slope where they are all but lost
STYLE = (0.1, 0.1, 0.03, 0.03, 0.1)  # each trait but grey off the line between the ends, squared, in deviations
GREY = 0.5  # a deviation more of grey than on the line between the ends
HOLE, CRUMB = 1.0, 1.0  # a hole that neither end has; a crumb


@dataclass(frozen=True)
class Surrogate:
    """Dense layers `(weight, bias)` with SiLU between them: latents `(..., D)` -> `(..., OUTPUTS)`."""

    layers: Sequence[tuple[Tensor, Tensor]]

    def __call__(self, z: Tensor) -> Tensor:
        for k, (weight, bias) in enumerate(self.layers):
            z = F.linear(F.silu(z) if k else z, weight, bias)
        return z

    def fits(self, dimensions: int) -> bool:
        """Whether its layers follow from one another, from latents of so many dimensions to OUTPUTS, all finite."""
        for weight, bias in self.layers:
            if weight.ndim != 2 or weight.shape[1] != dimensions or bias.shape != weight.shape[:1]:
                return False
            if not bool(torch.isfinite(weight).all() and torch.isfinite(bias).all()):
                return False
            dimensions = len(bias)
        return bool(self.layers) and dimensions == OUTPUTS

    def between(self, ends: Tensor, digits: tuple[int, int], knots: int) -> Potential:
        """What weighs a path of `knots` points between two latents `(2, D)` of two `digits`."""
        seen = self(ends)
        traits, holes = seen[:, DIGITS : DIGITS + TRAITS], seen[:, DIGITS + TRAITS : -1].argmax(1)
        along = torch.linspace(0, 1, knots)[:, None]
        return Potential(self, digits, torch.lerp(traits[:1], traits[1:], along), int(holes.max()))


@dataclass(frozen=True)
class Potential:
    """How bad the points of a path are, latents `(..., knots, D)` -> `(..., knots)`; 0 is best.

    Its frames should be one of the two `digits` and surely so, of the style `traits` `(knots, TRAITS)`, of one
    piece, not grey, with no more holes than `holes`.
    """

    surrogate: Surrogate
    digits: tuple[int, int]
    traits: Tensor
    holes: int

    def __call__(self, z: Tensor) -> Tensor:
        seen = self.surrogate(z)
        reading = seen[..., :DIGITS].log_softmax(-1)[..., list(self.digits)]
        both = reading.logsumexp(-1)
        off = seen[..., DIGITS : DIGITS + TRAITS] - self.traits
        style = off[..., :-1].square() @ off.new_tensor(STYLE)
        grey = (off[..., -1] - 0.1).relu()
        more = seen[..., DIGITS + TRAITS : -1].softmax(-1)[..., self.holes + 1 :].sum(-1)
        return (
            THIRD * (1 - both.exp())
            + UNSURE * (1 - reading.amax(-1).exp())
            - DOUBT * both
            + style
            + GREY * grey
            + HOLE * more
            + CRUMB * seen[..., -1].sigmoid()
        )
