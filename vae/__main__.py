"""The command line: python -m vae COMMAND, or, installed, digit-morph COMMAND.

python -m vae morph 32 41 -o out.mp4 --steps 60         typed numbers, in handwriting
python -m vae morph 3.png 41 -o out.gif                 a picture of a number (scan, photo, drawing)
python -m vae morph --source 3.png 2.png --target 41 -o out.mp4      one picture a digit, 41 in their hand
python -m vae morph 10 9 8 7 6 5 4 3 2 1 0 -o countdown.gif          any number of numbers
python -m vae morph test:7 test:1234 -o out.avi         images of the MNIST test set, by index
python -m vae morph random:3 random:8 -o out.mp4        a random 3 and a random 8 of it
python -m vae sample -o samples.png                     digits nobody wrote
python -m vae reconstruct 3.png -o seen.png             what the model sees in a picture
python -m vae evaluate --model all --data DIR           the figures of every model, and of the paths
python -m vae bank --data DIR                           build the bank of the flagship's weights, and the map
python -m vae figures                                   the pictures that README and docs show
python -m vae publish user/repo                         the flagship with its bank, to the Hugging Face Hub
python -m vae publish user/repo --weights runs/mlp      a run's weights
python -m vae sums                                      list in weights/SHA256SUMS what lies in weights/
python -m vae serve --port 8080                         the page, as python app.py serves it
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from vae import render, weights
from vae.errors import BadRequest, WeightsError
from vae.model import PRESETS
from vae.pipeline import load_pipeline
from vae.reading import NumberInput, read_number
from vae.request import MorphRequest, produce, whole
from vae.video import FORMATS

FROM_DATA = re.compile(r"(test|random):([0-9]+)")


def side_named(text: str, data_dir: str | None, seed: int) -> NumberInput:
    """A side of the command line: a typed number, a picture's file, `test:INDEX` or `random:DIGIT`."""
    if match := FROM_DATA.fullmatch(text):
        return from_test_set(match[1], int(match[2]), data_dir, seed)
    if text.isdigit() or not Path(text).suffix:
        return text
    path = Path(text)
    if not path.is_file():
        raise BadRequest(f"There is no picture {text}.")
    return path


def from_test_set(kind: str, number: int, data_dir: str | None, seed: int) -> torch.Tensor:
    """The test image of that index, or a random one of that digit, as it is: `(1, 1, 28, 28)`."""
    from vae.training.data import as_floats, load_pictures

    test = load_pictures(root=data_dir, train=False)
    if kind == "test":
        if number >= len(test):
            raise BadRequest(f"The test set has {len(test)} images: give an index from 0 to {len(test) - 1}.")
        return as_floats(test.images[number : number + 1])
    own = (test.labels == number).nonzero()[:, 0]
    if not len(own):
        raise BadRequest(f"There is no digit {number}: give one from 0 to 9.")
    pick = torch.randint(len(own), (1,), generator=torch.Generator().manual_seed(seed))
    return as_floats(test.images[own[pick]])


def morph_command(args: argparse.Namespace) -> None:
    given: list[NumberInput]
    if args.source or args.target:
        if not (args.source and args.target) or args.numbers:
            raise BadRequest("Give --source and --target, or two numbers or more without them.")
        given = [
            side_named(group[0], args.data, args.seed)
            if len(group) == 1
            else [side_named(name, args.data, args.seed) for name in group]
            for group in (args.source, args.target)
        ]
    else:
        given = [side_named(text, args.data, args.seed + i) for i, text in enumerate(args.numbers)]
    if len(given) < 2:
        raise BadRequest("Give two numbers to morph between, such as: python -m vae morph 32 41")
    suffix = args.out.suffix.lstrip(".").lower()
    request = MorphRequest(
        given[0],
        given[-1],
        tuple(given[1:-1]),
        steps=args.steps,
        seed=args.seed,
        path=args.path,
        speed=args.speed,
        refine=not args.no_refine,
        fps=args.fps,
        size=args.size,
        style=args.style,
        playback="bounce" if args.bounce else "once",
        hold=args.hold,
        formats=(suffix,),
        hand=args.hand,
    )
    result = produce(request, load_pipeline(args.weights))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with weights.replacing(args.out) as path:
        path.write_bytes(result.files[suffix])
    read = " -> ".join(reading.number for reading in result.readings)
    print(f"{args.out}: {read}, {len(result.frames)} frames")


def sample_command(args: argparse.Namespace) -> None:
    from vae.inspection.samples import prior_samples

    count = whole("The number of digits", args.count, 1, 400)
    columns = whole("The number of columns", args.columns, 1, 400)
    pictures = prior_samples(weights.load(args.weights), count, args.seed)
    save_picture(render.grid(pictures, columns=columns), args.out)
    print(f"{args.out}: {len(pictures)} digits")


def reconstruct_command(args: argparse.Namespace) -> None:
    from vae.morphing import decode_28, endpoints

    pipeline = load_pipeline(args.weights)
    reading = read_number(side_named(args.picture, args.data, args.seed), pipeline, args.seed)
    (end,) = endpoints(pipeline.model, [reading.pictures], [reading.digits], refine=args.refine)
    seen = decode_28(pipeline.model, end.z, end.labels if pipeline.model.config.classes else None)
    both = torch.cat([reading.pictures, seen])
    save_picture(render.grid(both, columns=len(seen)), args.out)
    certain = ", ".join(f"{d} ({c:.0%})" for d, c in zip(reading.digits, reading.certainty, strict=True))
    print(f"{args.out}: above what was read ({certain}), below what the model makes of it")


def save_picture(picture: render.Picture, path: Path) -> None:
    if path.suffix.lower() not in Image.registered_extensions():
        raise BadRequest(f"{path.suffix or 'No suffix'} is not a picture's; choose one such as .png.")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def bank_command(args: argparse.Namespace) -> None:
    from vae.training import bank_builder

    for path, content in bank_builder.build_beside(weights.find(args.weights), args.data, args.graph, args.typed):
        print(f"{path}: {content}, {path.stat().st_size / 1024:.0f} KiB")


def evaluate_command(args: argparse.Namespace) -> None:
    from vae.evaluation import evaluate, tables

    names = list(PRESETS) if args.model == "all" else [args.weights or args.model]
    extent = evaluate.QUICK if args.quick else evaluate.WHOLE
    if args.pairs:
        extent = replace(extent, pairs=args.pairs, drawn=min(extent.drawn, args.pairs))
    known = json.loads((args.out / "evaluation.json").read_text(encoding="utf-8")) if args.paths else None
    found = evaluate.evaluate_models(names, args.data, extent, args.split, known)
    tables.write(found, args.out)
    print(tables.markdown(found))
    print(f"\nleft in {args.out}: evaluation.json, evaluation.md")


def figures_command(args: argparse.Namespace) -> None:
    from vae.evaluation import figures

    for path in figures.make_all(args.out or figures.DOCS):
        print(path)


def publish_command(args: argparse.Namespace) -> None:
    from vae.training import publishing

    print(publishing.publish(args.repo, weights.load(args.weights), private=args.private))


def sums_command(args: argparse.Namespace) -> None:
    print(weights.write_sums(weights.SHIPPED))


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m vae", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        p = commands.add_parser(name, help=text, description=text)
        p.set_defaults(run=run)
        p.add_argument(
            "--weights",
            metavar="W",
            help="a file, a run's folder, a preset or a repo on the Hub (default: the flagship)",
        )
        p.add_argument("--data", metavar="DIR", help="a folder torchvision's MNIST reads")
        p.add_argument("--seed", type=int, default=0, help="of the handwriting, or of the draw (default: 0)")
        return p

    add_morph_options(command("morph", morph_command, "turn one number into another, in a video"))

    p = command("sample", sample_command, "draw digits from the prior")
    p.add_argument("-o", "--out", type=Path, default=Path("samples.png"))
    p.add_argument("--count", type=int, default=100)
    p.add_argument("--columns", type=int, default=10)

    p = command("reconstruct", reconstruct_command, "what the model sees in a picture")
    p.add_argument("picture", metavar="NUMBER", help="typed, a picture's file, test:INDEX or random:DIGIT")
    p.add_argument("-o", "--out", type=Path, default=Path("reconstruction.png"))
    p.add_argument("--refine", action="store_true", help="after the steps that bring the endpoint nearer")

    p = command("bank", bank_command, "build the bank of latent codes beside a model's weights, and conv2d's map")
    p.add_argument("--graph", type=int, default=24_000, help="training codes, for handwritten paths")
    p.add_argument("--typed", type=int, default=2_000, help="test codes, for typed digits")

    p = command("evaluate", evaluate_command, "the figures of every model, and of the paths between digits")
    p.add_argument("--model", default="flagship", help=f"all, or one of {', '.join(PRESETS)}")
    p.add_argument("--quick", action="store_true", help="fewer pictures and pairs")
    p.add_argument("--pairs", type=int, help="how many pairs a seed, and of drawings at most, in place of 500")
    p.add_argument(
        "--paths", action="store_true", help="the paths alone: those of models are kept as they are in --out"
    )
    p.add_argument(
        "--split",
        choices=("test", "validation"),
        default="test",
        help="whose digits the paths join: validation for tuning, test for reporting",
    )
    p.add_argument("-o", "--out", type=Path, default=Path("evaluation"), help="folder of the two files")

    p = command("figures", figures_command, "make the pictures that README and docs show")
    p.add_argument("-o", "--out", type=Path, help="a folder (default: docs)")

    p = command("publish", publish_command, "put a model, its bank and a model card on the Hugging Face Hub")
    p.add_argument("repo", metavar="USER/REPO", help="made if it is missing; a new commit if it is not")
    p.add_argument("--private", action="store_true", help="make a repo that only you see")

    command("sums", sums_command, "list in weights/SHA256SUMS what lies in weights/, after it was replaced")
    commands.add_parser("serve", help="serve the page; it has options of its own: serve --help")
    return top


def add_morph_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("numbers", nargs="*", metavar="NUMBER", help="typed, a picture's file, test:INDEX or random:DIGIT")
    p.add_argument("--source", nargs="+", metavar="FILE", help="pictures of the source, one a digit")
    p.add_argument("--target", nargs="+", metavar="FILE", help="the same of the target; or a typed number")
    p.add_argument("--hand", default="own", help="of typed digits beside a picture: own (its) or test")
    p.add_argument("-o", "--out", type=Path, default=Path("morph.mp4"), help=f"one of {', '.join(FORMATS)}")
    p.add_argument("--steps", type=int, default=60, help="frames from number to number (2 to 240)")
    p.add_argument("--fps", type=int, default=30)
    p.add_argument("--size", type=int, default=512, help="height in pixels")
    p.add_argument("--path", default="auto", help="auto, linear, slerp or handwritten")
    p.add_argument("--speed", default="turn", help="turn (even, with time for the turn), constant, eased or raw")
    p.add_argument("--style", default="ink", help="ink, pixels or chalk")
    p.add_argument("--hold", type=float, default=0.0, help="seconds that each number stands still")
    p.add_argument("--bounce", action="store_true", help="there and back")
    p.add_argument("--no-refine", action="store_true", help="the encoder's means as they are, no residual")


def main(arguments: list[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["serve"]:
        from vae.ui import serve  # no other command loads gradio

        return serve.main(arguments[1:], prog="vae serve")
    args = parser().parse_args(arguments)
    torch.set_num_threads(min(2, torch.get_num_threads()))
    try:
        args.run(args)
    except (BadRequest, WeightsError, OSError) as error:
        sys.exit(f"vae {args.command}: {error}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("torchvision", "matplotlib", "tqdm"):
            raise
        sys.exit(f"vae {args.command}: needs {missing}, which comes with: pip install 'digit-morph[train]'")


if __name__ == "__main__":
    main()
