"""Training of the VAEs: `train.py --model mlp|conv2d|autoencoder|tiny|cvae|flagship`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import Generator

from vae import weights
from vae.evaluation.likelihoods import elbo_terms
from vae.model import VAE, kl_nats, reconstruction_nats
from vae.training import data
from vae.training.loop import Row, Run, TrainConfig


@dataclass(frozen=True)
class VAETrainConfig(TrainConfig):
    """How a VAE is trained; shares are of each batch."""

    beta2: float = 0.99
    kl_warmup: float = 1.0  # epochs over which the weight of the KL term rises to `kl_weight`
    kl_weight: float = 1.0
    redraw: float = 0.0  # share of pictures written a little differently; fades with the rate
    binarise: float = 0.0  # share of pictures whose pixels are drawn from Bernoulli(x)

    def beta(self, step: int, per_epoch: int) -> float:
        """Weight of the KL term at a step (warm-up after Soenderby et al. 2016, arXiv 1602.02282)."""
        return self.kl_weight * min(1.0, (step + 1) / max(1.0, self.kl_warmup * per_epoch))


# How each shipped model was trained; train.py's options change single entries.
RECIPES = {
    "mlp": VAETrainConfig(epochs=60, lr=1e-3),
    "conv2d": VAETrainConfig(epochs=15, lr=1e-3),
    "autoencoder": VAETrainConfig(epochs=15, lr=1e-3),
    "tiny": VAETrainConfig(epochs=40, lr=1e-3),
    "cvae": VAETrainConfig(epochs=25, lr=1e-3),
    "flagship": VAETrainConfig(epochs=91, lr=3e-3, weight_decay=1e-2, redraw=0.7, binarise=0.2),
}


def fit_vae(run: Run[VAE, VAETrainConfig]) -> list[Row]:
    """Train a model and leave its run in its folder; returns the rows of metrics.csv.

    The same seed on the same machine gives the same weights, resumed or not.
    """
    model, config = run.model, run.config
    noise = Generator(run.device)
    for epoch, first in run.epochs():
        for i, batch in enumerate(run.shuffled(run.generator(epoch), first), start=first):
            # A seed a step, so that a run resumed within an epoch goes on with the noise it would have had.
            seed = ((config.seed * 1_009 + epoch) << 24) + i
            generator, beta = Generator().manual_seed(seed), config.beta(run.step, run.batches)
            x = data.augment_strokes(data.as_floats(batch.images), config.redraw * run.rate / config.lr, generator)
            x = data.binarise(model.prepare(x), config.binarise, generator).to(run.device)
            logits, mu, logvar = model(x, batch.labels.to(run.device), noise.manual_seed(seed))
            reconstruction = reconstruction_nats(logits, x).mean()
            kl = kl_nats(mu, logvar).sum(1).mean() if model.config.variational else reconstruction.new_zeros(())
            run.gradient_step(reconstruction + beta * kl, reconstruction, kl)
            run.save_if_due()
        validation = elbo_terms(run.averaged, run.splits.validation, seed=config.seed)
        halves = {"train": run.means(), "validation": validation}
        row = {f"{half}_{name}": value for half, pair in halves.items() for name, value in terms(*pair).items()}
        total = row["validation_total"]
        text = f"train {row['train_total']:.2f}  validation {total:.2f} = {validation[0]:.2f} + {validation[1]:.2f}"
        run.finish_epoch({"beta": beta, **row}, (total,), partial(weights.save, run.averaged), text)
    return run.rows


def terms(reconstruction: float, kl: float) -> dict[str, float]:
    """The two terms of the negative ELBO and their sum, by name."""
    return {"reconstruction": reconstruction, "kl": kl, "total": reconstruction + kl}
