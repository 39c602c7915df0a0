"""The named endpoints, for `gradio_client`, curl and MCP. `MorphRequest` checks every argument.

An endpoint is a function of named arguments, each an `Argument` whose text is written once; Gradio and MCP get
its signature and a docstring made from them. The components are never shown. They are the loosest that Gradio has,
so that what is wrong with a value is said by the program's own validator, in a sentence, and not by a component.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import gradio as gr
from PIL import Image
from torch import Tensor

from vae import render, video
from vae.errors import BadRequest, EmptyDrawing
from vae.evaluation.results import evaluation
from vae.inspection.comparison import labelled_grid, line_up
from vae.inspection.samples import class_samples, ten_digits
from vae.morphing import hold_frames
from vae.pipeline import Pipeline
from vae.reading import NumberInput, read_number
from vae.request import MorphRequest, one_of, produce, read_numbers, whole
from vae.ui.messages import plain_errors
from vae.ui.server import files
from vae.ui.server.events import Prepare, in_turn
from vae.ui.server.pictures import picture
from vae.ui.server.turns import Work
from vae.ui.sides import listed
from vae.ui.tabs.compare import KINDS, figures

NEEDED = inspect.Parameter.empty  # the default of an argument that has none


class Argument(NamedTuple):
    """An argument of an endpoint: its name, its default, what it says, and the component that takes it."""

    name: str
    default: Any
    text: str
    component: Callable[..., Any]


def text(name: str, default: Any, text: str) -> Argument:
    value = {} if default is NEEDED else {"value": default}
    return Argument(name, default, text, lambda: gr.Textbox(label=name, **value))


def number(name: str, default: float, text: str) -> Argument:
    return Argument(name, default, text, lambda: gr.Number(default, label=name))


FROM = text("source", NEEDED, 'the number to start from, one to four digits, such as "32".')
TO = text("target", NEEDED, 'the number to end with, one to four digits, such as "41".')
KINDS_OF_FILE = "PNG, JPEG, WebP, BMP or GIF"
DRAWN = [
    Argument(
        "source",
        None,
        "a picture of the number to start from: a drawing, scan or photo of one to four handwritten digits side by "
        f"side ({KINDS_OF_FILE}, at most 4 megapixels).",
        partial(picture, "source"),
    ),
    Argument("target", None, "a picture of the number to end with.", partial(picture, "target")),
]
LISTED = [
    Argument(
        "source",
        None,
        "one to four pictures, one for each digit of the number to start from, left to right; a single picture may "
        f"show the whole number. {KINDS_OF_FILE}.",
        partial(picture, "source", several=True),
    ),
    Argument("target", None, "the pictures of the number to end with.", partial(picture, "target", several=True)),
]
PICTURE = Argument(
    "picture",
    NEEDED,
    f"a drawing, scan or photo of a handwritten digit ({KINDS_OF_FILE}, at most 4 megapixels). Of several digits side "
    "by side, the first is taken.",
    partial(picture, "picture"),
)
STEPS = number("steps", 60, "how many frames, first and last included; a whole number, 2 to 240.")
SEED = number("seed", 0, "whose handwriting the digits are in; the same seed gives the same video.")
PATH = [
    text("path", "auto", 'the path through the latent space: "auto", "linear", "slerp" or "handwritten".'),
    text("speed", "turn", '"turn" (even, with time for the turn), "constant", "eased" or "raw".'),
]
FILE = [
    number("fps", 30, "frames a second, 1 to 60."),
    number("size", 512, "height of the picture in pixels, 56 to 1024."),
    text("style", "ink", '"ink", "pixels" or "chalk".'),
    text("playback", "once", '"once" or "bounce" (there and back).'),
    text("format", "mp4", '"mp4", "avi", "webm", "gif", "webp", "png" (a filmstrip) or "zip" (the frames).'),
]
TYPED = [
    text("number", "", "a typed number of one to four digits, in place of one of the two, which is left out."),
    text("hand", "own", 'the handwriting of that number: "own", like the other\'s, or "test", of somebody else.'),
    number("seed", 0, 'selects the handwriting when hand="test".'),
]
SEQUENCE = [
    text(
        "numbers",
        NEEDED,
        'two to twenty-four numbers of one to four digits, separated by spaces, such as "10 9 8 7 6 5 4 3 2 1 0".',
    ),
    number("steps", 30, "frames from each number to the next, both included; a whole number, 2 to 240."),
    SEED,
    number("hold", 0.3, "how long each number stands still, in seconds, 0 to 3."),
]

COLUMNS, CELL, MOST = 10, 112, 100  # of a sheet of digits: in a row, px each, in all
COMPARED = ("mp4", "gif")
COMPARED_STEPS, COMPARED_FPS, COMPARED_HOLD = 40, 20, 0.6


def endpoints(pipeline: Pipeline) -> None:
    """Declare all of them."""
    with gr.Row(visible=False):
        declare_endpoint = partial(declare, {})
        file, reading = gr.File(label="file"), gr.JSON(label="reading")
        morph_endpoints(pipeline, partial(declare_endpoint, [file, reading]))
        digit_endpoints(pipeline, declare_endpoint, file, reading)


def morph_endpoints(pipeline: Pipeline, declare_morph: Callable[..., None]) -> None:
    """`/morph_numbers`, `/morph_drawings`, `/morph_images` and `/morph_sequence`."""

    def two(source: NumberInput | None, target: NumberInput | None, number: str, **options: Any) -> Work:
        if bool(source) + bool(target) + bool(number) != 2:
            raise BadRequest("Send two: a picture for source and one for target, or one of them and a number.")
        return morph_work(pipeline, source or number, target or number, **options)

    def sequence(numbers: str, **options: Any) -> Work:
        given = listed(numbers)
        if len(given) < 2:
            raise BadRequest("Give two numbers or more, such as 10 9 8 7.")
        return morph_work(pipeline, given[0], given[-1], via=given[1:-1], **options)

    read = "The file, and as JSON what each number was read as and how sure the reader is of each digit."
    declare_morph(
        "morph_numbers",
        "Turn one typed number into another, in handwriting, as a short video.",
        [FROM, TO, STEPS, SEED, *PATH, *FILE],
        read,
        partial(morph_work, pipeline),
    )
    drawn = "Turn one drawn number into another as a short video."
    declare_morph("morph_drawings", drawn, [*DRAWN, STEPS, *PATH, *FILE, *TYPED], read, two)
    listed_ = "Turn one number into another, each given as pictures of its digits, as a short video."
    declare_morph("morph_images", listed_, [*LISTED, STEPS, *PATH, *FILE, *TYPED], read, two)
    declare_morph(
        "morph_sequence",
        "Turn a typed number into the next, and that into the next: a countdown, say, as a short video.",
        [*SEQUENCE, *PATH, *FILE],
        "The file, and as JSON what the first and the last number were read as.",
        sequence,
    )


def digit_endpoints(pipeline: Pipeline, declare_endpoint: Callable[..., None], file: gr.File, reading: gr.JSON) -> None:
    """`/sample`, `/ten_digits` and `/compare`."""
    declare_endpoint(
        [file],
        "sample",
        "Draw new handwritten pictures of one digit, which nobody wrote, on a sheet.",
        [
            number("digit", 7, "which digit to draw, a whole number from 0 to 9."),
            number("count", 10, "how many pictures of it, a whole number from 1 to 100; ten stand in a row."),
            number("seed", 0, "which ones, a whole number; the same seed gives the same picture."),
        ],
        "A PNG file: black ink on white, 112 pixels a digit.",
        partial(sample_work, pipeline),
    )
    declare_endpoint(
        [file, reading],
        "ten_digits",
        "Write all ten digits, 0 to 9, in the handwriting of a drawn digit.",
        [PICTURE],
        "A PNG file of the digits 0 to 9 in a row, 112 pixels each, and as JSON the digit that was read and how sure "
        "the reader is of it.",
        partial(ten_digits_work, pipeline),
    )
    declare_endpoint(
        [file, gr.JSON(label="models")],
        "compare",
        "Morph one typed number into another by every shipped model, side by side in one labelled video.\n\n"
        "Shown are a crossfade of pixels, a plain autoencoder, four smaller VAEs along a straight line between the "
        "codes, and the flagship along a straight line and along its handwritten path.",
        [FROM, TO, SEED, text("format", "mp4", '"mp4" or "gif".')],
        "The file, and as JSON the name and kind of each model in reading order, with its scores.",
        partial(compare_work, pipeline),
    )


def declare(
    components: dict[Argument, Any],
    answer: list[Any],
    name: str,
    summary: str,
    arguments: Sequence[Argument],
    returns: str,
    prepare: Prepare,
) -> None:
    """Declare the endpoint `/name`; `prepare` gets the arguments by name.

    `components` has those of the arguments so far: endpoints share them.
    """
    names = [argument.name for argument in arguments]

    async def event(*values: Any) -> Any:
        with plain_errors():
            return await in_turn(lambda *given: prepare(**dict(zip(names, given, strict=True))), values)

    event.__name__ = name
    lines = "\n".join(f"    {argument.name}: {argument.text}" for argument in arguments)
    event.__doc__ = f"{summary}\n\nArgs:\n{lines}\n\nReturns:\n    {returns}"
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(argument.name, kind, default=argument.default) for argument in arguments]
    event.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    for argument in arguments:
        if argument not in components:
            components[argument] = argument.component()
    inputs = [components[argument] for argument in arguments]
    gr.Button(visible=False).click(event, inputs, answer, api_name=name, show_progress="hidden")


def morph_work(pipeline: Pipeline, source: NumberInput, target: NumberInput, format: str, **options: Any) -> Work:
    """The work of a morph: its file in one format, and what was read. Raises BadRequest."""
    request = MorphRequest(source, target, formats=(format,), **options)

    def run() -> tuple[str, dict[str, Any]]:
        result = produce(request, pipeline)
        sides = {"source": result.source, "target": result.target}
        read = {
            name: {"number": reading.number, "certainty": [round(p, 4) for p in reading.certainty]}
            for name, reading in sides.items()
        }
        return files.keep_morph(result, format), {**read, "frames": request.frames}

    return Work(request.seconds, run)


def sample_work(pipeline: Pipeline, digit: float, count: float, seed: float) -> Work:
    wanted = whole("The digit", digit, 0, 9)
    number = whole("The number of pictures", count, 1, MOST)
    seed = whole("The seed", seed, 0, 2**31 - 1)
    return Work(0.2, lambda: files.keep(sheet(class_samples(pipeline, wanted, number, seed)), f"new-{wanted}.png"))


def ten_digits_work(pipeline: Pipeline, picture: NumberInput | None) -> Work:
    if picture is None:
        raise EmptyDrawing("Send a picture of a handwritten digit.")

    def run() -> tuple[str, dict[str, Any]]:
        reading = read_number(picture, pipeline)
        read = {"digit": reading.digits[0], "certainty": round(reading.certainty[0], 4)}
        return files.keep(sheet(ten_digits(pipeline, reading)), f"in-the-hand-of-{read['digit']}.png"), read

    return Work(0.2, run)


def compare_work(pipeline: Pipeline, source: str, target: str, seed: float, format: str) -> Work:
    one_of("format", format, COMPARED)
    request = MorphRequest(source, target, seed=seed)  # type: ignore[arg-type]

    def run() -> tuple[str, dict[str, Any]]:
        ends = read_numbers(request, pipeline)
        panels = line_up(pipeline, ends[0], ends[1], COMPARED_STEPS)
        grid = labelled_grid(panels)
        there = hold_frames(len(grid), (0, len(grid) - 1), round(COMPARED_HOLD * COMPARED_FPS))
        data = video.encode(grid, format, COMPARED_FPS, grid.shape[1], "pixels", there=there)
        found = evaluation()
        models = [
            {
                "name": panel.entry.name,
                "kind": KINDS[panel.entry.key],
                "figures": ", ".join(figures(pipeline, panel.entry, found)),
            }
            for panel in panels
        ]
        return files.keep(data, f"{ends[0].number}-to-{ends[1].number}-compared.{format}"), {"models": models}

    return Work(1.5, run)


def sheet(pictures: Tensor) -> bytes:
    """Pictures `(N, 1, S, S)` -> a PNG of them, ten in a row."""
    file = io.BytesIO()
    Image.fromarray(render.grid(pictures, columns=min(COLUMNS, len(pictures)), size=CELL)).save(file, "PNG")
    return file.getvalue()
