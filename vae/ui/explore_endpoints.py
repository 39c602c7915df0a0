"""The named endpoints of what the Explore tab writes: `/sample` and `/ten_digits`, each a PNG."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image
from torch import Tensor

from vae import render
from vae.errors import EmptyDrawing
from vae.inspection import samples
from vae.model import VAE
from vae.request import whole
from vae.ui.api import declare
from vae.ui.server import files
from vae.ui.server.pictures import picture
from vae.ui.server.turns import Work

COLUMNS = 10
CELL = 112  # px
MOST = 100


def explore_endpoints(model: VAE | None) -> None:
    """Declare `/sample` and `/ten_digits`."""

    def sample(digit: float = 7, count: float = 10, seed: float = 0) -> Work:
        """Draw new handwritten pictures of one digit, which nobody wrote, on a sheet.

        Args:
            digit: which digit to draw, a whole number from 0 to 9.
            count: how many pictures of it, a whole number from 1 to 100; ten stand in a row.
            seed: which ones, a whole number; the same seed gives the same picture.

        Returns:
            A PNG file: black ink on white, 112 pixels a digit.
        """
        wanted = whole("The digit", digit, 0, 9)
        number = whole("The number of pictures", count, 1, MOST)
        seed = whole("The seed", seed, 0, 2**31 - 1)

        def run() -> str:
            pictures = samples.new_digits(model, wanted, number, seed)
            return files.keep(sheet(pictures), f"new-{wanted}.png")

        return Work(0.2, run)

    def ten_digits(picture: Path | None) -> Work:
        """Write all ten digits, 0 to 9, in the handwriting of a drawn digit.

        Args:
            picture: a drawing, scan or photo of a handwritten digit (PNG, JPEG, WebP, BMP or GIF, at
                most 4 megapixels). Of several digits side by side, the first is taken.

        Returns:
            A PNG file of the digits 0 to 9 in a row, 112 pixels each, and as JSON the digit that was
            read and how sure the reader is of it.
        """
        if picture is None:
            raise EmptyDrawing("Send a picture of a handwritten digit.")

        def run() -> tuple[str, dict[str, Any]]:
            reading, pictures = samples.ten_digits(model, picture)
            read = {"digit": reading.digits[0], "certainty": round(reading.certainty[0], 4)}
            return files.keep(sheet(pictures), f"in-the-hand-of-{read['digit']}.png"), read

        return Work(0.2, run)

    with gr.Row(visible=False):
        numbers = [gr.Number(value, label=name) for name, value in (("digit", 7), ("count", 10), ("seed", 0))]
        file, read = gr.File(label="file"), gr.JSON(label="reading")
        declare(sample, numbers, [file])
        declare(ten_digits, [picture("picture")], [file, read])


def sheet(pictures: Tensor) -> bytes:
    """Pictures `(N, 1, S, S)` -> a PNG of them, ten in a row."""
    file = io.BytesIO()
    grid = render.grid(pictures, columns=min(COLUMNS, len(pictures)), size=CELL)
    Image.fromarray(grid).save(file, "PNG")
    return file.getvalue()
