"""The ELBO of a model, its two terms, and a tighter bound on the likelihood; in nats an image."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Generator, Tensor

from vae.model import ACTIVE_UNIT_VARIANCE, VAE, kl_nats, reconstruction_nats, sample_posterior
from vae.training import data


@torch.inference_mode()
def elbo_terms(model: VAE, pictures: data.Pictures, seed: int = 0) -> tuple[float, float]:
    """Mean reconstruction and KL of a model in eval mode, one sample of the posterior each."""
    place = next(model.parameters()).device
    noise = Generator(place).manual_seed(seed)
    reconstruction = kl = 0.0
    for images, labels in zip(pictures.images.split(500), pictures.labels.split(500), strict=True):
        x = model.prepare(data.as_floats(images)).to(place)
        logits, mu, logvar = model(x, labels.to(place), noise)
        reconstruction += float(reconstruction_nats(logits, x).sum())
        kl += float(kl_nats(mu, logvar).sum()) if model.config.variational else 0.0
    return reconstruction / len(pictures), kl / len(pictures)


def importance_weighted(
    model: VAE, x: Tensor, y: Tensor | None = None, k: int = 1000, batch: int = 1000
) -> tuple[float, float]:
    """(ELBO, importance-weighted bound), both from the same k posterior samples.

    -log (1/k) sum_i p(x | z_i) p(z_i) / q(z_i | x) <= the mean of -log of the same terms (Jensen).
    `x` `(N, C, S, S)` binary, `y` `(N,)` for a conditional model.
    """
    generator = Generator().manual_seed(0)
    elbo = bound = 0.0
    mu, logvar = model.encode(x, y)
    for i in range(len(x)):
        terms = []
        for count in [batch] * (k // batch) + [k % batch] * (k % batch > 0):
            one, spread = mu[i].expand(count, -1), logvar[i].expand(count, -1)
            z = sample_posterior(one, spread, generator)
            logits = model.decode_logits(z, None if y is None else y[i].expand(count))
            log_likelihood = -reconstruction_nats(logits, x[i].expand_as(logits))
            # log p(z) - log q(z | x): the constants of the two Gaussians cancel
            ratio = 0.5 * ((z - one).square() / spread.exp() + spread - z.square()).sum(1)
            terms.append((log_likelihood + ratio).double())
        log_weights = torch.cat(terms)
        elbo -= float(log_weights.mean())
        bound -= float(log_weights.logsumexp(0)) - math.log(k)
    return elbo / len(x), bound / len(x)


def unrefined(model: VAE) -> VAE:
    """The same model without the steps that refine the encoder's mean."""
    plain = VAE(replace(model.config, refinements=0))
    plain.load_state_dict(model.state_dict())
    return plain.eval()


def active_units(mu: Tensor) -> int:
    """Latent dimensions whose posterior mean `(N, D)` varies over the data (Burda et al. 2016)."""
    return int((mu.var(0) > ACTIVE_UNIT_VARIANCE).sum())
