"""The variational autoencoders: their configuration, the presets, and the two terms of the ELBO.

One class, `VAE`, carries every model of the program; `VAEConfig` says how its encoder and decoder
are built. A model reads pictures `(B, C, S, S)` in [0, 1] (ink = 1) and gives a diagonal Gaussian
posterior over `D` latent dimensions; the prior is N(0, I).

Kingma & Welling, Auto-Encoding Variational Bayes, 2014, https://arxiv.org/abs/1312.6114
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae.settings import check_settings, known_settings

REFINE_RATE = 0.25  # of a step of refinement
REFINE_REACH = 1.5  # standard deviations of the posterior that a step may go at most
ACTIVE_UNIT_VARIANCE = 0.01  # of the posterior mean over data, above which a latent is in use (Burda et al. 2016)
CERTAIN = -30.0  # the logvar of a model without noise: exp(-15) of standard deviation, 0 in float32 sums

# The least and the most of the whole numbers in a VAEConfig: no file can ask for more than memory and time allow.
LIMITS = {
    "image_size": (1, 256),
    "channels": (1, 4),
    "latent_dim": (1, 4096),
    "widths": (1, 8192),
    "hidden": (0, 8192),
    "blocks": (0, 32),
    "classes": (0, 1000),
    "refinements": (0, 100),
}
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "silu": nn.SiLU}


@dataclass(frozen=True)
class VAEConfig:
    """What a model is; written into its weights file, from which it is built again.

    `widths` reads by architecture: hidden layers of the encoder (mirrored in the decoder) for
    `dense`, channels of the two strided convolutions for `conv`; for `residual` the encoder's channels
    at a half and a quarter of the resolution, then the decoder's at a quarter and a half.
    """

    preset: str = "mlp"
    architecture: Literal["dense", "conv", "residual"] = "dense"
    image_size: int = 28
    channels: int = 1
    latent_dim: int = 20
    widths: tuple[int, ...] = (400,)
    hidden: int = 0  # width of the dense trunk between the latents and the convolutions
    blocks: tuple[int, ...] = ()  # residual blocks at each of the stages that `widths` names
    activation: Literal["relu", "tanh", "silu"] = "relu"
    classes: int = 0  # > 0: the class is given beside the input (conditional VAE)
    variational: bool = True  # False: a plain autoencoder, no noise and no KL
    refinements: int = 0  # gradient steps from the encoder's mean towards the posterior's mode
    binarised: bool = False  # pictures are cut at 128 of 255 before they are read

    def __post_init__(self) -> None:
        check_settings(self, LIMITS)
        if self.architecture not in ("dense", "conv", "residual") or self.activation not in ACTIVATIONS:
            raise ValueError(f"not a model's configuration: {self.architecture}, {self.activation}")
        stages = {"dense": len(self.widths), "conv": 2, "residual": 4}[self.architecture]
        if len(self.widths) != stages or (self.architecture == "residual" and len(self.blocks) != stages):
            raise ValueError(f"widths and blocks have to name {stages} stages")
        if self.architecture != "dense" and self.hidden < 1:
            raise ValueError("hidden has to be at least 1 for convolutions")
        if self.architecture != "dense" and self.image_size % 4:
            raise ValueError(f"image_size must be a multiple of 4 for convolutions, not {self.image_size}")
        if self.classes and self.architecture != "dense":
            raise ValueError("only the dense architecture takes a class beside the picture")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> VAEConfig:
        """The configuration of a weights file. Raises ValueError, as it does for a key this version does not know."""
        return cls(**known_settings(cls, values))


PRESETS = {
    config.preset: config
    for config in (
        VAEConfig("mlp"),
        VAEConfig("conv2d", "conv", latent_dim=2, widths=(32, 64), hidden=128),
        VAEConfig("autoencoder", "conv", latent_dim=2, widths=(32, 64), hidden=128, variational=False),
        VAEConfig("tiny", image_size=14, latent_dim=8, widths=(128, 64), activation="tanh", binarised=True),
        VAEConfig("cvae", classes=10),
        VAEConfig(
            "flagship",
            "residual",
            latent_dim=32,
            widths=(32, 56, 32, 8),
            hidden=512,
            blocks=(0, 2, 1, 1),
            activation="silu",
            refinements=4,
        ),
    )
}


class Residual(nn.Module):
    """x + f(x), f two 3x3 convolutions (or two dense layers), each after norm and SiLU.

    He et al., Identity Mappings in Deep Residual Networks, 2016, https://arxiv.org/abs/1603.05027
    """

    def __init__(self, width: int, dense: bool = False) -> None:
        super().__init__()

        def layer() -> list[nn.Module]:
            if dense:
                return [nn.BatchNorm1d(width), nn.SiLU(), nn.Linear(width, width, bias=False)]
            return [nn.BatchNorm2d(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1, bias=False)]

        self.body = nn.Sequential(*layer(), *layer())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def dense_stack(sizes: list[int], activation: str) -> nn.Sequential:
    """Linear layers with the activation between them, none after the last."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def dense_nets(config: VAEConfig) -> tuple[nn.Module, nn.Module]:
    pixels = config.channels * config.image_size**2
    shape = (config.channels, config.image_size, config.image_size)
    encoder = dense_stack([pixels + config.classes, *config.widths, 2 * config.latent_dim], config.activation)
    decoder = dense_stack([config.latent_dim + config.classes, *reversed(config.widths), pixels], config.activation)
    return encoder, nn.Sequential(decoder, nn.Unflatten(1, shape))


def conv_nets(config: VAEConfig) -> tuple[nn.Module, nn.Module]:
    (half, quarter), grid = config.widths, config.image_size // 4
    encoder = nn.Sequential(
        nn.Conv2d(config.channels, half, 3, stride=2, padding=1),  # (B, half, S/2, S/2)
        nn.ReLU(),
        nn.Conv2d(half, quarter, 3, stride=2, padding=1),  # (B, quarter, S/4, S/4)
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(quarter * grid**2, config.hidden),
        nn.ReLU(),
        nn.Linear(config.hidden, 2 * config.latent_dim),
    )
    decoder = nn.Sequential(
        nn.Linear(config.latent_dim, config.hidden),
        nn.ReLU(),
        nn.Linear(config.hidden, quarter * grid**2),
        nn.ReLU(),
        nn.Unflatten(1, (quarter, grid, grid)),
        nn.ConvTranspose2d(quarter, half, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(half, config.channels, 4, stride=2, padding=1),
    )
    return encoder, decoder


def residual_nets(config: VAEConfig) -> tuple[nn.Module, nn.Module]:
    """Residual convolutions at a half and a quarter of the resolution, mirrored in the decoder, which
    goes up by pixel shuffles (Shi et al. 2016, https://arxiv.org/abs/1609.05158)."""
    (e_half, e_quarter, d_quarter, d_half), grid = config.widths, config.image_size // 4
    n_half, n_quarter, m_quarter, m_half = config.blocks
    encoder = nn.Sequential(
        nn.Conv2d(config.channels, e_half, 3, stride=2, padding=1),  # (B, e_half, S/2, S/2)
        *(Residual(e_half) for _ in range(n_half)),
        nn.BatchNorm2d(e_half),
        nn.SiLU(),
        nn.Conv2d(e_half, e_quarter, 3, stride=2, padding=1, bias=False),  # (B, e_quarter, S/4, S/4)
        *(Residual(e_quarter) for _ in range(n_quarter)),
        nn.BatchNorm2d(e_quarter),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(e_quarter * grid**2, 2 * config.latent_dim),
    )
    decoder = nn.Sequential(
        nn.Linear(config.latent_dim, config.hidden),
        Residual(config.hidden, dense=True),
        nn.BatchNorm1d(config.hidden),
        nn.SiLU(),
        nn.Linear(config.hidden, d_quarter * grid**2),
        nn.Unflatten(1, (d_quarter, grid, grid)),
        *(Residual(d_quarter) for _ in range(m_quarter)),
        nn.BatchNorm2d(d_quarter),
        nn.SiLU(),
        nn.Conv2d(d_quarter, 4 * d_half, 3, padding=1, bias=False),
        nn.PixelShuffle(2),  # (B, d_half, S/2, S/2)
        *(Residual(d_half) for _ in range(m_half)),
        nn.BatchNorm2d(d_half),
        nn.SiLU(),
        nn.Conv2d(d_half, 4 * config.channels, 3, padding=1),
        nn.PixelShuffle(2),  # (B, C, S, S)
    )
    return encoder, decoder


class VAE(nn.Module):
    """A model: `encode` to the posterior, `decode` to pictures.

    Shapes: pictures `(B, C, S, S)` float in [0, 1], ink = 1; latents `(B, D)`; classes `(B,)` int64
    (or `(B, K)` float, a mixture of them) for a conditional model only (`config.classes > 0`), which
    cannot do without them.
    """

    @torch.inference_mode(False)  # refining goes back through the weights, whatever mode they were made in
    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.path: Path | None = None  # of the file it was loaded from
        self.fingerprint = ""  # and its sha256: which bank belongs to it
        nets = {"dense": dense_nets, "conv": conv_nets, "residual": residual_nets}
        self.encoder, self.decoder = nets[config.architecture](config)

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Pictures -> mean and log variance of the posterior, `(B, D)` each.

        With `config.refinements` the encoder's mean is refined: a semi-amortised posterior.
        """
        mu, logvar = self.amortised(x, y)
        if self.config.refinements:
            mu = self.refined(x, mu, logvar, y, steps=self.config.refinements)
        return mu, logvar

    def amortised(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What the encoder alone says of the posterior: mean and log variance, `(B, D)` each.

        Of a plain autoencoder the log variance is a constant, very negative: no noise.
        """
        dense = self.config.architecture == "dense"
        mu, logvar = self.encoder(self._with_class(x.flatten(1), y) if dense else x).chunk(2, dim=1)
        return mu, logvar if self.config.variational else torch.full_like(logvar, CERTAIN)

    def refined(self, x: Tensor, mu: Tensor, logvar: Tensor, y: Tensor | None = None, *, steps: int) -> Tensor:
        """Means `(B, D)` nearer to the mode of p(z | x): a few steps down the energy -log p(x, z).

        Each is scaled by the posterior's own variance, which stands for the inverse curvature, so it is close
        to Newton's (Amari, Natural gradient works efficiently in learning, 1998), and is held to
        `REFINE_REACH` standard deviations, so that no picture, however strange, is led astray. This closes
        part of the amortisation gap of Cremer et al. 2018, https://arxiv.org/abs/1801.03558. In training the
        gradient passes straight through to the encoder (Kim et al., Semi-amortized variational autoencoders,
        2018, https://arxiv.org/abs/1802.02550, let it through the steps as well).
        """
        training = self.decoder.training
        if training:  # the norms take their running figures, as they do afterwards
            self.decoder.eval()
        with torch.inference_mode(False), torch.enable_grad():
            x, z, sigma = x.detach().clone(), mu.detach().clone(), (0.5 * logvar.detach()).exp()
            for _ in range(steps):
                z.requires_grad_()
                energy = reconstruction_nats(self.decode_logits(z, y), x) + 0.5 * z.square().sum(1)
                step = REFINE_RATE * sigma * torch.autograd.grad(energy.sum(), z)[0]  # in sigmas
                reach = (REFINE_REACH / step.norm(dim=1, keepdim=True)).clamp(max=1)
                z = z.detach() - sigma * reach * step
        self.decoder.train(training)
        return mu + (z - mu).detach()

    def decode_logits(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Latents `(B, D)` -> pixel logits `(B, C, S, S)`."""
        return self.decoder(self._with_class(z, y))

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Latents `(B, D)` -> pictures `(B, C, S, S)`: probabilities of ink."""
        return torch.sigmoid(self.decode_logits(z, y))

    def forward(
        self, x: Tensor, y: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures -> (logits, mu, logvar) through one sample of the posterior."""
        mu, logvar = self.encode(x, y)
        return self.decode_logits(sample_posterior(mu, logvar, generator), y), mu, logvar

    def prepare(self, x: Tensor) -> Tensor:
        """Pictures `(B, C, S', S')` of any size in [0, 1] -> as this model reads them (size, binarised)."""
        if x.shape[-1] != self.config.image_size:
            x = F.interpolate(x, size=(self.config.image_size,) * 2, mode="area")
        return (x >= 128 / 255).to(x.dtype) if self.config.binarised else x

    def _with_class(self, x: Tensor, y: Tensor | None) -> Tensor:
        if not self.config.classes:
            return x
        if y is None:
            raise ValueError(f"the model '{self.config.preset}' needs the class beside its input")
        given = y if y.is_floating_point() else F.one_hot(y, self.config.classes)
        return torch.cat([x, given.to(x.dtype)], dim=1)


def sample_posterior(mu: Tensor, logvar: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """z = mu + sigma * epsilon: the reparameterisation of Kingma & Welling 2014, section 2.4."""
    epsilon = torch.empty_like(mu).normal_(generator=generator)
    return mu + torch.exp(0.5 * logvar) * epsilon


def reconstruction_nats(logits: Tensor, target: Tensor) -> Tensor:
    """-log p(x | z) for Bernoulli pixels, in nats, `(B,)`; grey targets count as expected bits."""
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(1).sum(1)


def kl_nats(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(q(z | x) || N(0, I)) in nats, `(B, D)`: one term a latent dimension (Kingma & Welling, app. B)."""
    return 0.5 * (mu.square() + logvar.exp() - 1.0 - logvar)


@torch.inference_mode()
def in_batches(function: Callable[..., Tensor], first: Tensor, *more: Tensor | None, size: int = 500) -> Tensor:
    """`function` of tensors with `N` rows, `size` rows at a time, as one tensor; a None is passed on as it is."""
    starts = range(0, max(1, len(first)), size)
    return torch.cat([function(*(None if x is None else x[i : i + size] for x in (first, *more))) for i in starts])


def posterior_means(model: VAE, x: Tensor, y: Tensor | None = None) -> Tensor:
    """Pictures `(N, C, S, S)`, any number of them -> means of their posteriors, `(N, D)`."""
    return in_batches(lambda x, y: model.encode(x, y)[0], x, y)


def build(preset: str, **changes: Any) -> VAE:
    """A model of a preset, untrained, with some of its settings changed."""
    if preset not in PRESETS:
        raise ValueError(f"there is no model '{preset}'; choose one of {', '.join(PRESETS)}")
    return VAE(replace(PRESETS[preset], **changes))
