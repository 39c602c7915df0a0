"""Explore: the map of a latent space, directions through another, and digits that nobody wrote.

The page asks for one thing at a time (an action, JSON with its name under "ask") and gets JSON back with
pictures that it draws itself; moving over the map or along a strip asks for nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr
import torch

from vae.errors import BadRequest, WeightsError
from vae.inspection import directions, latent_map, samples
from vae.model import VAE
from vae.morphing import SIDE, make_morph
from vae.pipeline import Pipeline
from vae.reading import read_number
from vae.request import is_number, read_numbers, whole
from vae.ui import permalink
from vae.ui.codec import pack, rounded
from vae.ui.messages import sentence
from vae.ui.player import ink_bytes
from vae.ui.server.turns import Work
from vae.ui.sides import number_from
from vae.ui.theme import static

PLANE = "conv2d"  # the model whose latent space is the map
TRAIL = 40  # frames of a morph whose places the map shows
NEW = 10
FARTHEST = 4.0  # standard deviations that a slider can be at: a start may lie outside its strip


def explore_tab() -> None:
    """Lay out the tab; nothing is computed before it is opened."""
    gr.HTML(
        html_template=static("explore.html"),
        js_on_load="digitMorph.mountExplore(element)",
        apply_default_css=False,
        elem_id="explore",
        elem_classes=["for-explore"],
    )


class Explorer:
    """Answers what the tab asks for, one action a method; the map and the directions are made once, when first asked
    for. Every method raises BadRequest."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def work(self, action: Any) -> Work:
        """{"ask": the name of an action, ...} -> what it gives."""
        actions: dict[Any, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "map": lambda _: self.chart,
            "trail": self.trail,
            "sheet": self.sheet,
            "new": self.new,
            "hand": self.hand,
        }
        name = action.get("ask") if isinstance(action, dict) else None
        if not isinstance(name, str) or name not in actions:
            raise BadRequest("The page asked for something unknown; please reload it.")
        shows_a_drawing = name == "trail" or "drawing" in action
        return Work(0.5, lambda: actions[name](action), not shows_a_drawing)

    @property
    def plane(self) -> VAE:
        """The model whose latent space is the map."""
        return self.pipeline.with_preset(PLANE).model

    @functools.cached_property
    def chart(self) -> dict[str, Any]:
        """The map as the page gets it: decoded cells, what they read as, and where handwriting lies."""
        try:
            scatter, note = latent_map.map_of(self.plane), ""
        except WeightsError as error:
            sentence(error)  # into the log: the map is worth seeing without its points
            scatter, note = None, "The points of handwriting are missing: their file belongs to other weights."
        made = latent_map.atlas(self.plane, self.pipeline.reader, scatter.points if scatter else None)
        return {
            "across": rounded(made.across),
            "up": rounded(made.up),
            "cells": pack(made.pictures, grid=True),
            "digits": made.digits.tolist(),
            "sure": rounded(made.certainty, 2),
            "points": rounded(scatter.points if scatter else torch.zeros(0, 2)),
            "labels": scatter.labels.tolist() if scatter else [],
            "note": note,
        }

    @functools.cached_property
    def directions(self) -> directions.Directions:
        return directions.find_directions(self.pipeline.require_bank().graph)

    def trail(self, action: dict[str, Any]) -> dict[str, Any]:
        """{"permalink"} -> the way of that morph over the map, a line for each place that all its numbers have:
        `lines[place][frame]` = [x, y]."""
        request = permalink.unpack(action.get("permalink"))
        own = self.pipeline.with_preset(request.model)
        readings = read_numbers(request, own)
        stacks, labels = [r.pictures for r in readings], [r.labels for r in readings]
        steps = min(request.steps, TRAIL)
        morph = make_morph(own, stacks, labels, steps, request.path, request.speed, request.refine)
        shared = min(map(len, labels))
        return {"lines": rounded(latent_map.trails(self.plane, morph.digits[:, -shared:]))}

    def sheet(self, action: dict[str, Any]) -> dict[str, Any]:
        """{"digit", "seed", "at"} -> a strip a direction through the latent that the digit of that hand has,
        taken to the scores `at` (None: its own)."""
        z = samples.written_latent(self.pipeline, digit_of(action), seed_of(action))
        at = scores(action.get("at"), self.directions.scores(z).tolist())
        strips = directions.contact_sheet(self.pipeline.model, self.directions, z, at)
        return {
            "dimensions": self.pipeline.model.config.latent_dim,
            "names": self.directions.names,
            "values": rounded(directions.values()),
            "at": [round(score, 3) for score in at],
            "strips": pack(strips),
        }

    def new(self, action: dict[str, Any]) -> dict[str, Any]:
        """{"digit", "seed"} -> ten of that digit that nobody wrote, and what the reader takes each for."""
        digit = digit_of(action)
        pictures = samples.class_samples(self.pipeline, digit, NEW, seed_of(action))
        read = self.pipeline.read(pictures)[0].tolist() if pictures.shape[-1] == SIDE else []
        return {"digit": digit, "cells": pack(pictures[None, :, 0]), "read": read}

    def hand(self, action: dict[str, Any]) -> dict[str, Any]:
        """{"drawing"} (a side, see `number_from`) or {"digit", "seed"} (an example) -> that hand's ten digits."""
        drawn = action.get("drawing")
        side = number_from(drawn) if drawn is not None else str(digit_of(action))
        reading = read_number(side, self.pipeline, seed_of(action))
        return {
            "digit": reading.digits[0],
            "drawn": drawn is not None,
            "ink": ink_bytes(reading.pictures[0]),
            "cells": pack(samples.ten_digits(self.pipeline, reading)[None, :, 0]),
        }


def digit_of(action: dict[str, Any]) -> int:
    return whole("The digit", action.get("digit"), 0, 9)


def seed_of(action: dict[str, Any]) -> int:
    return whole("The seed", action.get("seed", 0), 0, 2**31 - 1)


def scores(given: Any, own: list[float]) -> list[float]:
    """Where the sliders stand, as sent; `own` where nothing was. Raises BadRequest."""
    if given is None:
        return own
    if not isinstance(given, list) or len(given) != len(own) or not all(map(is_number, given)):
        raise BadRequest("The sliders did not arrive whole; please choose a digit again.")
    return [min(FARTHEST, max(-FARTHEST, float(score))) for score in given]
