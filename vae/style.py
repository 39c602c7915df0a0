"""Style: slant, stroke width and size, measured, and carried from one digit to the others of its hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vae.bank import Codes
from vae.model import VAE

NEAREST = 5  # codes that a transported digit is drawn to


def measure_style(x: Tensor) -> Tensor:
    """Slant, pen width, height and width (in pixels; slant is a tangent) of digits `(N, 1, S, S)`: `(N, 4)`.

    Slant from the second moments, as in the deskewing of LeCun et al. 1998; the pen's width as
    twice the area over the length of the outline.
    """
    x = x[:, 0]
    size = x.shape[-1]
    axis = torch.arange(size, dtype=x.dtype)
    mass = x.sum((1, 2)).clamp_min(1e-6)
    cx, cy = (x.sum(1) @ axis) / mass, (x.sum(2) @ axis) / mass
    dx, dy = axis[None] - cx[:, None], axis[None] - cy[:, None]
    vertical = (x.sum(2) * dy.square()).sum(1).clamp_min(1e-6)
    mixed = torch.einsum("nyx,nx,ny->n", x, dx, dy)
    outline = (x[:, 1:] - x[:, :-1]).abs().sum((1, 2)) + (x[:, :, 1:] - x[:, :, :-1]).abs().sum((1, 2))
    span = [(x.amax(d) > 0.5).to(x.dtype) @ torch.ones(size) for d in (2, 1)]
    return torch.stack([-mixed / vertical, 2 * mass / outline.clamp_min(1e-6), *span], dim=1)


@torch.inference_mode()
def in_handwriting_of(
    model: VAE, x: Tensor, label: int, codes: Codes | None = None, digits: Sequence[int] = range(10)
) -> Tensor:
    """The digits `digits` as whoever wrote `x` `(1, C, S, S)`, a `label`, might write them: `(len(digits), C, S, S)`.

    A conditional model keeps the latent, which holds the style, and is given another class; of the others the
    latent is `transported`, by `codes` of every class.
    """
    if model.config.classes:
        wanted = torch.tensor(list(digits))
        mu, _ = model.encode(model.prepare(x), torch.tensor([label]))
        return model.decode(mu.expand(len(wanted), -1), wanted)
    if codes is None:
        raise ValueError(f"'{model.config.preset}' does not know classes: give codes and their labels")
    mu = model.encode(model.prepare(x))[0][0]
    return model.decode(transported(mu, label, codes, digits))


def transported(mu: Tensor, label: int, codes: Codes, digits: Sequence[int] = range(10)) -> Tensor:
    """The latent `mu` `(D,)` of a `label` taken to each of `digits`: `(len(digits), D)`.

    The codes of each class are taken for a Gaussian, and mu goes where optimal transport takes it from its
    class y to another, k:

        z' = m_k + A (z - m_y),   A = S_y^-1/2 (S_y^1/2 S_k S_y^1/2)^1/2 S_y^-1/2

    so a digit slanted for its class becomes one slanted for its new class (Peyre & Cuturi, Computational Optimal
    Transport, 2019, remark 2.31). Classes are no Gaussians, so outliers are first drawn in to the usual distance
    from their mean, and z' goes half way to the mean of the NEAREST codes of its new class.
    """
    mean, covariance = gaussian(codes.z[codes.labels == label])
    root = symmetric_root(covariance)
    inverse = torch.linalg.inv(root)
    white = inverse @ (mu.double() - mean)
    white = white * min(1.0, len(mu) ** 0.5 / float(white.norm().clamp_min(1e-6)))
    moved = []
    for digit in digits:
        own = codes.z[codes.labels == digit]
        mean_k, covariance_k = gaussian(own)
        z = (mean_k + inverse @ symmetric_root(root @ covariance_k @ root) @ white).to(mu.dtype)
        near = (own - z).norm(dim=1).topk(min(NEAREST, len(own)), largest=False).indices
        moved.append(mu if digit == label else (z + own[near].mean(0)) / 2)
    return torch.stack(moved)


def gaussian(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Mean `(D,)` and covariance `(D, D)` of codes `(N, D)`, in double precision, never singular."""
    if len(codes) < 2:
        raise ValueError("a digit's handwriting needs at least two codes of every class")
    codes = codes.double()
    ridge = 1e-4 * torch.eye(codes.shape[1], dtype=torch.float64)
    return codes.mean(0), codes.T.cov() + ridge


def symmetric_root(matrix: Tensor, floor: float = 0.0) -> Tensor:
    """The symmetric square root of a symmetric positive matrix, no eigenvalue taken for less than `floor` times
    the largest."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return vectors * values.clamp_min(floor * values[-1]).sqrt() @ vectors.T
