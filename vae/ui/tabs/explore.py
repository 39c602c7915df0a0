"""Explore: the map of a latent space, directions through another, and digits that nobody wrote.

The page asks one thing at a time (a "wish", JSON with what is wanted under "ask") and gets JSON back with
pictures that it draws itself; moving over the map or along a strip asks for nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from vae.classifier import probabilities
from vae.errors import BadRequest, WeightsError
from vae.inspection import directions, latent_map, samples
from vae.model import VAE
from vae.request import is_number, loaded, produce, whole
from vae.ui import permalink
from vae.ui.codec import pack
from vae.ui.explore_endpoints import explore_endpoints
from vae.ui.messages import sentence
from vae.ui.player import ink_bytes
from vae.ui.ribbon import parted, reader
from vae.ui.server.events import page_event, taking
from vae.ui.tabs.draw import drawing
from vae.ui.tabs.morph import PRIVATE, plain
from vae.ui.theme import static

FLAT = "conv2d"  # the model whose latent space is the map
TRAIL = 40  # frames of a morph whose places the map shows
NEW = 10
FARTHEST = 4.0  # standard deviations that a slider can be at: a start may lie outside its strip


def explore(model: VAE | None) -> None:
    """Lay out the tab and connect it; nothing is computed before it is opened."""
    page = gr.HTML(
        html_template=static("explore.html"),
        js_on_load="digitMorph.mountExplore(element, trigger, 'ask')",
        apply_default_css=False,
        elem_id="explore",
        elem_classes=["for-explore"],
    )
    answers = plain("")
    asked = page.ask(
        page_event(taking(0.5, answer(model))),
        answers,
        answers,
        js="() => digitMorph.wish()",
        trigger_mode="multiple",
        **PRIVATE,
    )
    asked.success(None, [answers], None, js="(made) => digitMorph.answered(made)", api_visibility="private")
    asked.failure(None, None, None, js="() => digitMorph.answered(null)", api_visibility="private")
    explore_endpoints(model)


def answer(model: VAE | None) -> Callable[[Any], Any]:
    """The tab's event: a wish -> what was wished for, or what to tell the visitor."""

    def run(wish: Any) -> dict[str, Any]:
        try:
            if not isinstance(wish, dict) or str(wish.get("ask")) not in WISHES:
                raise BadRequest("The page asked for something unknown; please reload it.")
            return WISHES[str(wish["ask"])](wish, model)
        except Exception as error:
            return {"error": sentence(error)}

    return run


@functools.lru_cache(maxsize=2)
def chart(flat: VAE) -> dict[str, Any]:
    """The map as the page gets it: decoded cells, what they read as, and where handwriting lies."""
    try:
        scatter, note = latent_map.map_of(flat), ""
    except WeightsError as error:
        sentence(error)  # into the log: the map is worth seeing without its points
        scatter, note = None, "The points of handwriting are missing: their file belongs to other weights."
    land = latent_map.atlas(flat, reader(), scatter.points if scatter else None)
    points = scatter.points if scatter else torch.zeros(0, 2)
    return {
        "across": rounded(land.across),
        "up": rounded(land.up),
        "cells": pack(land.pictures, grid=True),
        "digits": land.digits.tolist(),
        "sure": rounded(land.certainty, 2),
        "points": rounded(points),
        "labels": scatter.labels.tolist() if scatter else [],
        "note": note,
    }


def map_wish(wish: dict[str, Any], model: VAE | None) -> dict[str, Any]:
    return chart(loaded(FLAT))


def trail_wish(wish: dict[str, Any], model: VAE | None) -> dict[str, Any]:
    """{"recipe"} -> the way of that morph over the map, a line for each place that all its numbers have:
    `lines[place][frame]` = [x, y]."""
    request = permalink.unpack(wish.get("recipe"))
    request = replace(request, steps=min(request.steps, TRAIL), hold=0.0, formats=())
    result = produce(request, model)
    shared = min(len(reading.digits) for reading in result.readings)
    digits = torch.cat([part[:, -shared:] for _, part in parted(result.frames, result)])
    return {"lines": rounded(latent_map.trails(loaded(FLAT), digits))}


def sheet_wish(wish: dict[str, Any], model: VAE | None) -> dict[str, Any]:
    """{"digit", "seed", "at"} -> a strip a direction through the latent that the digit of that hand has,
    taken to the scores `at` (None: its own)."""
    model = model or loaded(None)
    z = samples.start(model, digit_of(wish), seed_of(wish))
    along = samples.directions_of(model)
    at = scores(wish.get("at"), along.scores(z).tolist())
    strips = directions.contact_sheet(model, along, z, at)
    return {
        "dimensions": model.config.latent_dim,
        "names": along.names,
        "values": rounded(directions.values()),
        "at": [round(score, 3) for score in at],
        "strips": pack(strips),
    }


def new_wish(wish: dict[str, Any], model: VAE | None) -> dict[str, Any]:
    """{"digit", "seed"} -> ten of that digit that nobody wrote, and what the reader takes each for."""
    digit = digit_of(wish)
    pictures = samples.new_digits(model, digit, NEW, seed_of(wish))
    read = probabilities(reader(), pictures).argmax(1).tolist() if pictures.shape[-1] == 28 else []
    return {"digit": digit, "cells": pack(pictures[None, :, 0]), "read": read}


def hand_wish(wish: dict[str, Any], model: VAE | None) -> dict[str, Any]:
    """{"drawing"} (the PNG of a pad) or {"digit", "seed"} (an example) -> that hand's ten digits."""
    drawn = wish.get("drawing")
    side = drawing(drawn) if drawn is not None else str(digit_of(wish))
    reading, pictures = samples.ten_digits(model, side, seed_of(wish))
    return {
        "digit": reading.digits[0],
        "drawn": drawn is not None,
        "ink": ink_bytes(reading.pictures[0]),
        "cells": pack(pictures[None, :, 0]),
    }


WISHES: dict[str, Callable[[dict[str, Any], VAE | None], dict[str, Any]]] = {
    "map": map_wish,
    "trail": trail_wish,
    "sheet": sheet_wish,
    "new": new_wish,
    "hand": hand_wish,
}


def digit_of(wish: dict[str, Any]) -> int:
    return whole("The digit", wish.get("digit"), 0, 9)


def seed_of(wish: dict[str, Any]) -> int:
    return whole("The seed", wish.get("seed", 0), 0, 2**31 - 1)


def scores(given: Any, own: list[float]) -> list[float]:
    """Where the sliders stand, as sent; `own` where nothing was. Raises BadRequest."""
    if given is None:
        return own
    if not isinstance(given, list) or len(given) != len(own) or not all(map(is_number, given)):
        raise BadRequest("The sliders did not arrive whole; please choose a digit again.")
    return [min(FARTHEST, max(-FARTHEST, float(score))) for score in given]


def rounded(values: Tensor, places: int = 3) -> Any:
    """A tensor as nested lists, short in JSON."""
    return (values.double() * 10**places).round().div(10**places).tolist()
