"""The named endpoints, for `gradio_client`, curl and MCP. `MorphRequest` checks every argument.

Their components are never shown. They are the loosest that Gradio has, so that what is wrong with a value
is said by the program's own validator, in a sentence, and not by a component.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from vae.errors import BadRequest
from vae.model import VAE
from vae.request import MorphRequest, MorphResult, Side, produce
from vae.ui.server import files
from vae.ui.server.events import Prepare, endpoint
from vae.ui.server.pictures import picture
from vae.ui.server.turns import Work
from vae.ui.tabs.typed import listed


def endpoints(model: VAE | None) -> None:
    """Declare `/morph_numbers`, `/morph_drawings`, `/morph_images` and `/morph_sequence`."""

    def morph_numbers(
        source: str,
        target: str,
        steps: float = 60,
        seed: float = 0,
        path: str = "auto",
        speed: str = "constant",
        fps: float = 30,
        size: float = 512,
        style: str = "ink",
        playback: str = "once",
        format: str = "mp4",
    ) -> Work:
        """Turn one typed number into another, in handwriting, as a short video.

        Args:
            source: the number to start from, one to four digits, such as "32".
            target: the number to end with, one to four digits, such as "41".
            steps: how many frames, first and last included; a whole number, 2 to 240.
            seed: whose handwriting the digits are in; the same seed gives the same video.
            path: the way through the latent space: "auto", "linear", "slerp" or "handwritten".
            speed: "constant", "eased" or "raw".
            fps: frames a second, 1 to 60.
            size: height of the picture in pixels, 56 to 1024.
            style: "ink", "pixels" or "chalk".
            playback: "once" or "bounce" (there and back).
            format: "mp4", "avi", "webm", "gif", "webp", "png" (a filmstrip) or "zip" (the frames).

        Returns:
            The file, and as JSON what each number was read as and how sure the reader is of each digit.
        """
        return finished(
            model,
            source,
            target,
            format,
            steps=steps,
            seed=seed,
            path=path,
            speed=speed,
            fps=fps,
            size=size,
            style=style,
            playback=playback,
        )

    def morph_drawings(
        source: Path | None = None,
        target: Path | None = None,
        steps: float = 60,
        path: str = "auto",
        speed: str = "constant",
        fps: float = 30,
        size: float = 512,
        style: str = "ink",
        playback: str = "once",
        format: str = "mp4",
        number: str = "",
        hand: str = "own",
        seed: float = 0,
    ) -> Work:
        """Turn one drawn number into another as a short video.

        Args:
            source: a picture of the number to start from: a drawing, scan or photo of one to four
                handwritten digits side by side (PNG, JPEG, WebP, BMP or GIF, at most 4 megapixels).
            target: a picture of the number to end with.
            steps: how many frames, first and last included; a whole number, 2 to 240.
            path: the way through the latent space: "auto", "linear", "slerp" or "handwritten".
            speed: "constant", "eased" or "raw".
            fps: frames a second, 1 to 60.
            size: height of the picture in pixels, 56 to 1024.
            style: "ink", "pixels" or "chalk".
            playback: "once" or "bounce" (there and back).
            format: "mp4", "avi", "webm", "gif", "webp", "png" (a filmstrip) or "zip" (the frames).
            number: a typed number of one to four digits, in place of one of the two, which is left out.
            hand: whose hand it is written in: "own", like the other, or "test", of somebody else.
            seed: which somebody else.

        Returns:
            The file, and as JSON what each number was read as and how sure the reader is of each digit.
        """
        return finished(
            model,
            *both(source, target, number),
            format,
            steps=steps,
            path=path,
            speed=speed,
            fps=fps,
            size=size,
            style=style,
            playback=playback,
            hand=hand,
            seed=seed,
        )

    def morph_images(
        source: list[Path] | None = None,
        target: list[Path] | None = None,
        steps: float = 60,
        path: str = "auto",
        speed: str = "constant",
        fps: float = 30,
        size: float = 512,
        style: str = "ink",
        playback: str = "once",
        format: str = "mp4",
        number: str = "",
        hand: str = "own",
        seed: float = 0,
    ) -> Work:
        """Turn one number into another, each given as pictures of its digits, as a short video.

        Args:
            source: one to four pictures, one for each digit of the number to start from, left to right;
                a single picture may show the whole number. PNG, JPEG, WebP, BMP or GIF.
            target: the pictures of the number to end with.
            steps: how many frames, first and last included; a whole number, 2 to 240.
            path: the way through the latent space: "auto", "linear", "slerp" or "handwritten".
            speed: "constant", "eased" or "raw".
            fps: frames a second, 1 to 60.
            size: height of the picture in pixels, 56 to 1024.
            style: "ink", "pixels" or "chalk".
            playback: "once" or "bounce" (there and back).
            format: "mp4", "avi", "webm", "gif", "webp", "png" (a filmstrip) or "zip" (the frames).
            number: a typed number of one to four digits, in place of one of the two, which is left out.
            hand: whose hand it is written in: "own", like the other, or "test", of somebody else.
            seed: which somebody else.

        Returns:
            The file, and as JSON what each number was read as and how sure the reader is of each digit.
        """
        return finished(
            model,
            *both(source, target, number),
            format,
            steps=steps,
            path=path,
            speed=speed,
            fps=fps,
            size=size,
            style=style,
            playback=playback,
            hand=hand,
            seed=seed,
        )

    def morph_sequence(
        numbers: str,
        steps: float = 30,
        seed: float = 0,
        hold: float = 0.3,
        path: str = "auto",
        speed: str = "constant",
        fps: float = 30,
        size: float = 512,
        style: str = "ink",
        playback: str = "once",
        format: str = "mp4",
    ) -> Work:
        """Turn a typed number into the next, and that into the next: a countdown, say, as a short video.

        Args:
            numbers: two to twenty-four numbers of one to four digits, separated by spaces, such as
                "10 9 8 7 6 5 4 3 2 1 0".
            steps: frames from each number to the next, both included; a whole number, 2 to 240.
            seed: whose handwriting the digits are in; the same seed gives the same video.
            hold: how long each number stands still, in seconds, 0 to 3.
            path: the way through the latent space: "auto", "linear", "slerp" or "handwritten".
            speed: "constant", "eased" or "raw".
            fps: frames a second, 1 to 60.
            size: height of the picture in pixels, 56 to 1024.
            style: "ink", "pixels" or "chalk".
            playback: "once" or "bounce" (there and back).
            format: "mp4", "avi", "webm", "gif", "webp", "png" (a filmstrip) or "zip" (the frames).

        Returns:
            The file, and as JSON what the first and the last number were read as.
        """
        given = listed(numbers)
        if len(given) < 2:
            raise BadRequest("Give two numbers or more, such as 10 9 8 7.")
        return finished(
            model,
            given[0],
            given[-1],
            format,
            via=given[1:-1],
            steps=steps,
            seed=seed,
            hold=hold,
            path=path,
            speed=speed,
            fps=fps,
            size=size,
            style=style,
            playback=playback,
        )

    with gr.Row(visible=False):
        numbers = [gr.Textbox(label="source"), gr.Textbox(label="target")]
        pictures = [picture(name) for name in ("source", "target")]
        lists = [picture(name, several=True) for name in ("source", "target")]
        sequence = gr.Textbox(label="numbers")
        steps, legs, seed, hold, fps, size = (
            gr.Number(value, label=name)
            for name, value in (("steps", 60), ("steps", 30), ("seed", 0), ("hold", 0.3), ("fps", 30), ("size", 512))
        )
        path, speed, style, playback, format, number, hand = (
            gr.Textbox(value, label=name)
            for name, value in (
                ("path", "auto"),
                ("speed", "constant"),
                ("style", "ink"),
                ("playback", "once"),
                ("format", "mp4"),
                ("number", ""),
                ("hand", "own"),
            )
        )
        typed = [number, hand, seed]
        shared = [fps, size, style, playback, format]
        answer = [gr.File(label="file"), gr.JSON(label="reading")]
        declare(morph_numbers, [*numbers, steps, seed, path, speed, *shared], answer)
        declare(morph_drawings, [*pictures, steps, path, speed, *shared, *typed], answer)
        declare(morph_images, [*lists, steps, path, speed, *shared, *typed], answer)
        declare(morph_sequence, [sequence, legs, seed, hold, path, speed, *shared], answer)


def declare(prepare: Prepare, inputs: list[Any], answer: list[Any]) -> None:
    """Declare the endpoint `/name`, `name` being that of the function."""
    gr.Button(visible=False).click(endpoint(prepare), inputs, answer, api_name=prepare.__name__, show_progress="hidden")


def both(source: Side | None, target: Side | None, number: str) -> tuple[Side, Side]:
    """The two sides, `number` in place of one that has no picture. Raises BadRequest for one or three."""
    if bool(source) + bool(target) + bool(number) != 2:
        raise BadRequest("Send two: a picture for source and one for target, or one of them and a number.")
    return source or number, target or number


def finished(model: VAE | None, source: Side, target: Side, format: str, **options: Any) -> Work:
    """The work of a morph whose answer is its file in one format, and what was read. Raises BadRequest."""
    request = MorphRequest(source, target, formats=(format,), **options)

    def run() -> tuple[str, dict[str, Any]]:
        result = produce(request, model)
        return files.keep_morph(result, format), described(result)

    return Work(request.seconds, run)


def described(result: MorphResult) -> dict[str, Any]:
    """What was read, as JSON."""
    sides = {"source": result.source, "target": result.target}
    return {
        name: {"number": reading.number, "certainty": [round(p, 4) for p in reading.certainty]}
        for name, reading in sides.items()
    } | {"frames": len(result.frames)}
