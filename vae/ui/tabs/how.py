"""How it works: the visitor's last morph, taken apart step by step."""

from __future__ import annotations

from typing import Any

import gradio as gr
from torch import Tensor

from vae.bank import bank_of
from vae.errors import BadRequest
from vae.inspection.anatomy import Posterior, take_apart
from vae.inspection.comparison import classes_of
from vae.model import VAE
from vae.morphing import PathName
from vae.request import loaded, read_sides, whole
from vae.ui import permalink
from vae.ui.codec import pack
from vae.ui.messages import sentence
from vae.ui.player import ink_bytes
from vae.ui.server.events import page_event, taking
from vae.ui.theme import static


def how(model: VAE | None) -> None:
    """Lay out the tab and connect it."""
    page = gr.HTML(
        html_template=static("how.html"),
        js_on_load="digitMorph.mountHow(element, trigger, ['explain'])",
        apply_default_css=False,
        elem_classes=["for-how"],
    )

    def answer(wish: Any) -> dict[str, Any]:
        try:
            return explained(wish, model)
        except Exception as error:
            return {"error": sentence(error)}

    made = page.explain(
        page_event(taking(0.3, answer)),
        page,
        page,
        js="() => digitMorph.explanation()",
        api_visibility="private",
        show_progress="hidden",
        trigger_mode="multiple",
    )
    made.success(None, [page], None, js="(made) => digitMorph.explained(made)", api_visibility="private")
    made.failure(None, None, None, js="() => digitMorph.explained(null)", api_visibility="private")


def explained(wish: Any, model: VAE | None = None) -> dict[str, Any]:
    """{"recipe", "place"} -> one digit's morph taken apart, as JSON.

    Numbers are aligned at their right ends; `place` counts the digits that both have, from the left. Of a
    sequence, the first and the last number. Raises BadRequest for what is no recipe or no place of it.
    """
    if not isinstance(wish, dict):
        raise BadRequest(permalink.UNREADABLE)
    request = permalink.unpack(wish.get("recipe"))
    if request.model is not None or model is None:
        model = loaded(request.model)
    source, *_, target = read_sides(request)
    shared = min(len(source.digits), len(target.digits))
    place = whole("The place", wish.get("place", 0), 0, shared - 1)
    at = [len(reading.digits) - shared + place for reading in (source, target)]
    pictures = [reading.pictures[i : i + 1] for reading, i in zip((source, target), at, strict=True)]
    labels = [classes_of(reading)[i] for reading, i in zip((source, target), at, strict=True)]
    found = take_apart(model, pictures[0], pictures[1], labels, request.path)
    plane = found.plane
    return {
        "numbers": [source.number, target.number],
        "typed": [source.typed is not None, target.typed is not None],
        "hand": "the same hand" if request.in_own_hand else f"handwriting {request.seed}",
        "way": way(model, request.path),
        "place": place,
        "at": at,
        "places": shared,
        "latents": found.z.shape[1],
        "ends": [
            {"digit": label, "ink": ink_bytes(picture), **told(end)}
            for label, picture, end in zip(labels, pictures, (found.source, found.target), strict=True)
        ],
        "film": pack(found.frames[None]),
        "frames": len(found.frames),
        "alpha": rounded(found.alpha, 3),
        "z": rounded(found.z),
        "path": rounded(plane.path),
        "codes": [rounded(plane.codes[plane.classes == digit]) for digit in dict.fromkeys(labels)],
    }


def way(model: VAE, path: PathName) -> PathName:
    """The path that `path` stands for with this model."""
    if path != "auto":
        return path
    return "slerp" if bank_of(model) is None else "handwritten"


def told(end: Posterior) -> dict[str, Any]:
    """A posterior and its bound, for the page."""
    return {
        "mu": rounded(end.mu),
        "sigma": rounded(end.sigma),
        "reconstruction": round(end.reconstruction, 1),
        "kl": round(end.kl, 1),
    }


def rounded(values: Tensor, digits: int = 2) -> list[Any]:
    """Nested lists of few decimals, since a picture shows no more."""
    if values.ndim > 1:
        return [rounded(row, digits) for row in values]
    return [round(value, digits) for value in values.tolist()]
