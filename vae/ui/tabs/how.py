"""How it works: the visitor's last morph, taken apart step by step."""

from __future__ import annotations

from typing import Any

import gradio as gr

from vae.errors import BadRequest
from vae.inspection.anatomy import Posterior, take_apart
from vae.morphing import PathName
from vae.pipeline import Pipeline
from vae.request import MorphRequest, read_numbers, whole
from vae.ui import permalink
from vae.ui.codec import pack, rounded
from vae.ui.downloads import all_typed
from vae.ui.player import ink_bytes
from vae.ui.server.turns import Work
from vae.ui.theme import static


def how_tab() -> None:
    """Lay out the tab."""
    gr.HTML(
        html_template=static("how.html"),
        js_on_load="digitMorph.mountHow(element)",
        apply_default_css=False,
        elem_classes=["for-how"],
    )


def explain(value: Any, pipeline: Pipeline) -> Work:
    """{"permalink", "place"} -> one digit's morph taken apart, see `explained`. Raises BadRequest."""
    if not isinstance(value, dict):
        raise BadRequest(permalink.UNREADABLE)
    request = permalink.unpack(value.get("permalink"))
    place = value.get("place", 0)
    return Work(0.3, lambda: explained(request, place, pipeline), all_typed(request))


def explained(request: MorphRequest, place: object, pipeline: Pipeline) -> dict[str, Any]:
    """One digit's morph taken apart, as JSON.

    Numbers are right-aligned; `place` counts the digits that both have, from the left. Of a sequence, the first and
    the last number. Raises BadRequest for what is no place of it.
    """
    pipeline = pipeline.with_preset(request.model)
    source, *_, target = read_numbers(request, pipeline)
    shared = min(len(source.digits), len(target.digits))
    place = whole("The place", place, 0, shared - 1)
    at = [len(reading.digits) - shared + place for reading in (source, target)]
    pictures = [reading.pictures[i : i + 1] for reading, i in zip((source, target), at, strict=True)]
    labels = [reading.labels[i] for reading, i in zip((source, target), at, strict=True)]
    found = take_apart(pipeline, pictures[0], pictures[1], labels, request.path)
    plane = found.plane
    return {
        "numbers": [source.number, target.number],
        "typed": [source.typed is not None, target.typed is not None],
        "hand": "the same hand" if request.in_drawn_handwriting else f"handwriting {request.seed}",
        "way": path_taken(pipeline, request.path),
        "place": place,
        "at": at,
        "places": shared,
        "latents": found.z.shape[1],
        "ends": [
            {"digit": label, "ink": ink_bytes(picture), **as_json(end)}
            for label, picture, end in zip(labels, pictures, (found.source, found.target), strict=True)
        ],
        "film": pack(found.frames[None]),
        "frames": len(found.frames),
        "alpha": rounded(found.alpha),
        "z": rounded(found.z, 2),
        "path": rounded(plane.path, 2),
        "codes": [rounded(plane.codes[plane.classes == digit], 2) for digit in dict.fromkeys(labels)],
    }


def path_taken(pipeline: Pipeline, path: PathName) -> PathName:
    """The path that `path` stands for with this model."""
    if path != "auto":
        return path
    return "slerp" if pipeline.bank is None else "handwritten"


def as_json(end: Posterior) -> dict[str, Any]:
    """A posterior and its bound, for the page."""
    return {
        "mu": rounded(end.mu, 2),
        "sigma": rounded(end.sigma, 2),
        "reconstruction": round(end.reconstruction, 1),
        "kl": round(end.kl, 1),
    }
