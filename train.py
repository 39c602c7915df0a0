"""Train a model: the command line of `vae.training`.

    python train.py --model mlp --data DIR --out runs/mlp          # DIR: what torchvision's MNIST reads
    python train.py --model flagship --out runs/flagship           # downloads MNIST to a cache of yours
    python train.py --model flagship --out runs/flagship --resume  # goes on where it was stopped
    python train.py --model reader --out runs/reader               # a classifier: reader, judge or segmenter
    python train.py --model mlp --out runs/mlp --push-to-hub user/repo    # and publish what came out
    python app.py --weights runs/flagship                          # train once, reuse

What each of them takes on one core of two, with other work beside it, and reaches on the test set, in nats
of grey NELBO (no GPU was at hand; there, expect minutes):

    --model mlp           60 epochs   10 minutes   100.65
    --model cvae          25 epochs    6 minutes    98.36   of p(x | class)
    --model conv2d        15 epochs   11 minutes   145.04   two latents
    --model autoencoder   15 epochs   18 minutes   134.82   reconstruction alone
    --model tiny          40 epochs   11 minutes    32.64   of 14x14 pixels; held out: 1,000 test images
    --model flagship      91 epochs  164 minutes    90.70   both cores, other work beside it
    --model reader        10 epochs    9 minutes   99.56%   right
    --model judge          8 epochs    6 minutes   99.52%   right
    --model segmenter      1 epoch    28 minutes   95.89%   of parts of numbers right; begun from the reader

55,000 training and 5,000 validation pictures; the weights that are best on validation are kept, and
the test set is looked at once, for the figures in `runs/NAME/report.json`. Beside the weights a run
leaves metrics.csv, curves.png, reconstructions_training.png, reconstructions_validation.png and
samples.png. The recipe of each model stands in `vae.training.vaes` or `.classifiers`; every option
below changes it.
"""

from __future__ import annotations

import argparse
import errno
import math
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TypeVar

import torch

from vae import weights
from vae.classifier import KINDS, Classifier, load_classifier
from vae.errors import WeightsError
from vae.evaluation import plots
from vae.evaluation.likelihoods import elbo_terms
from vae.model import LIMITS, PRESETS, build
from vae.settings import whole
from vae.training import checkpoints, classifiers, data, numbers, publishing, vaes
from vae.training.loop import Run, TrainConfig, write_report

LARGEST_SEED = 500_000_000  # from which the seeds of all steps still fit into 64 bits

Recipe = TypeVar("Recipe", bound=TrainConfig)


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "--model",
        choices=(*PRESETS, *KINDS),
        default="flagship",
        help="a preset, or the classifier `reader`, `judge` or `segmenter` (default: %(default)s)",
    )
    p.add_argument("--dataset", choices=data.NAMES, default="mnist", help="default: %(default)s")
    p.add_argument("--data", metavar="DIR", help="its folder; else DIGIT_MORPH_DATA; else a cache of yours")
    p.add_argument("--out", metavar="DIR", type=Path, help="the run's folder (default: runs/MODEL)")
    p.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    p.add_argument("--push-to-hub", metavar="USER/REPO", help="publish the model on the Hugging Face Hub")
    p.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    p.add_argument("--threads", type=whole(1, 1024), default=os.cpu_count(), help="of torch, on a CPU")
    p.add_argument("--latent-dim", type=whole(*LIMITS["latent_dim"]), metavar="D", help="latent dimensions")
    for name, kind, text in (
        ("epochs", whole(1, 1_000_000), "passes over the training pictures"),
        ("batch-size", whole(1, 1_000_000), "pictures a step"),
        ("lr", number(0, above=True), "highest learning rate"),
        ("kl-weight", number(0), "weight of the KL term (beta)"),
        ("kl-warmup", number(0), "epochs over which it rises"),
        ("redraw", number(0, 1), "share of pictures written a little differently"),
        ("binarise", number(0, 1), "share of pictures drawn as black and white"),
        ("seed", whole(-LARGEST_SEED, LARGEST_SEED), "of weights, order and noise"),
    ):
        p.add_argument(f"--{name}", type=kind, metavar="N", help=f"{text} (default: the model's recipe)")
    return p


def number(low: float, high: float = math.inf, above: bool = False) -> Callable[[str], float]:
    """For argparse: a finite number from `low` (or above it) to `high`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low <= value <= high) or math.isinf(value) or (above and value == low):
            bounds = f"above {low}" if above else f"from {low} on" if math.isinf(high) else f"from {low} to {high}"
            raise argparse.ArgumentTypeError(f"give a number {bounds}, not '{text[:40]}'")
        return value

    return read


def main(arguments: list[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    out: Path = args.out or Path("runs") / args.model
    if out.resolve().is_relative_to(weights.SHIPPED):
        sys.exit(f"{out} holds the shipped weights; choose another --out, such as runs/{args.model}")
    if args.model in KINDS and args.push_to_hub:
        sys.exit("--push-to-hub publishes a VAE; the reader goes with each of them")
    with checkpoints.held(out):
        if (out / checkpoints.CHECKPOINT).exists() and not args.resume:
            sys.exit(f"{out} holds a run already: add --resume to go on with it, or choose another --out")
        torch.set_num_threads(args.threads)
        (train_classifier if args.model in KINDS else train_vae)(args, out)


def train_vae(args: argparse.Namespace, out: Path) -> None:
    recipe = chosen(vaes.RECIPES[args.model], args)
    torch.manual_seed(recipe.seed)
    tiny, size = args.model == "tiny", PRESETS[args.model].image_size
    splits = data.load_splits(args.dataset, args.data, all_for_training=tiny, size=size)
    changes: dict[str, int] = {"latent_dim": args.latent_dim} if args.latent_dim else {}
    if not tiny:  # which reads what it is given at 14x14
        changes |= {"channels": splits.train.images.shape[1], "image_size": splits.train.images.shape[2]}
    notes = {"dataset": args.dataset, "pictures": len(splits.train)}
    model = build(args.model, **changes)
    if model.config.classes:
        data.require_digits(splits, model.config.classes)
    rows = vaes.fit_vae(Run(model, recipe, splits, out, device=args.device, resume=args.resume, **notes))

    best = weights.load(out)
    plots.save_run_pictures(best, splits, rows, out)
    test = vaes.terms(*elbo_terms(best, splits.test))
    report = {"model": args.model, **notes, "train": asdict(recipe), "seconds": rows[-1]["seconds"], "test": test}
    write_report(out, report)
    print("test: {total:.2f} nats = {reconstruction:.2f} reconstruction + {kl:.2f} KL".format(**test))
    print(f"left in {out}; use it with: python app.py --weights {out}")
    if args.push_to_hub:
        print(f"published at {publishing.publish(args.push_to_hub, best)}")


def train_classifier(args: argparse.Namespace, out: Path) -> None:
    recipe = chosen(classifiers.RECIPES[args.model], args)
    torch.manual_seed(recipe.seed)
    splits = data.load_splits(args.dataset, args.data)
    data.require_digits(splits, shape=(1, 28, 28))
    model = Classifier(KINDS[args.model])
    if recipe.numbers:
        model = classifiers.begun_as_reader(KINDS[args.model])
        splits = numbers.part_splits(splits, recipe.numbers, recipe.seed, numbers.drawings(numbers.LEARNT_FROM))
    rows = classifiers.fit_classifier(Run(model, recipe, splits, out, device=args.device, resume=args.resume))
    right = classifiers.logits_of(load_classifier(out), splits.test).argmax(1) == splits.test.labels
    score = float(right.double().mean())
    write_report(out, {"model": args.model, "train": asdict(recipe), "seconds": rows[-1]["seconds"], "test": score})
    print(f"test: {100 * score:.2f}% right; left in {out}")


def chosen(recipe: Recipe, args: argparse.Namespace) -> Recipe:
    """The recipe with what was chosen on the command line; an option that it does not know has no effect."""
    options = {field.name: getattr(args, field.name, None) for field in fields(recipe)}
    return replace(recipe, **{name: value for name, value in options.items() if value is not None})


def explained(error: BaseException) -> str:
    """What ended a training, in a line that says what to do."""
    if isinstance(error, OSError) and error.strerror:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return f"{error.strerror}: make room, then go on with --resume if there is a checkpoint, which is whole"
        return f"{error.filename or 'a file'} cannot be used ({error.strerror}): choose another, or allow it"
    if isinstance(error, MemoryError | RuntimeError) and not isinstance(error, WeightsError):
        return "there is not enough memory: lower --batch-size and go on with --resume"
    return str(error)


if __name__ == "__main__":
    try:
        main()
    except (WeightsError, OSError, ValueError, FloatingPointError, MemoryError) as error:
        sys.exit(f"train.py: {explained(error)}")
    except RuntimeError as error:
        if "memory" not in str(error):  # torch has no word of its own for it on a CPU
            raise
        sys.exit(f"train.py: {explained(error)}")
    except KeyboardInterrupt:
        sys.exit("\nstopped; add --resume to go on")
