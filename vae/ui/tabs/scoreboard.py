"""What the models reached, as HTML: the tables of the evaluation and the curves of every training."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape
from typing import Any

from vae.evaluation.results import Epoch
from vae.evaluation.tables import MODEL_COLUMNS, PATH_COLUMNS, PUBLISHED_COLUMNS, Column
from vae.inspection.comparison import TITLES

MODELS_SHOWN = (
    "model",
    "latents",
    "parameters",
    "nelbo",
    "reconstruction",
    "kl",
    "elbo",
    "iw",
    "mse",
    "frechet",
    "decode_ms",
)
PATHS_SHOWN = (
    "frames",
    "precision",
    "low_confidence_rate",
    "third_class_rate",
    "frechet",
    "ink",
    "motion",
    "variation",
    "endpoint",
)
PATHS_SAID = {
    "precision": "lie among real digits; more is better",
    "low_confidence_rate": "read unsurely; fewer is better",
    "third_class_rate": "read as neither end; fewer is better",
    "frechet": "distance from real digits; less is better",
    "ink": "below 1, thinner than the ends",
    "motion": "how far the picture travels",
    "variation": "how uneven its steps are; less is better",
    "endpoint": "off from the two digits; less is better",
}
MODELS_SAID = {
    "latents": "numbers that a digit becomes",
    "nelbo": "how unexpected a new digit is; less is better",
    "reconstruction": "the part of its picture",
    "kl": "the part of its code",
    "elbo": "the same in black and white",
    "iw": "the same, measured more closely",
    "mse": "off from the digit; less is better",
    "frechet": "made-up digits from real ones; less is better",
    "decode_ms": "time to draw 120 digits",
}
WAYS = {"linear": "straight", "slerp": "spherical", "handwritten": "by handwriting"}
BEST = {"model": "flagship", "frames": "flagship: handwritten"}  # rows that are set off

LINK = re.compile(r"https://([^\s;,]+)")

WIDTH, HEIGHT = 340, 190  # of a chart's viewBox
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 8, 24
OVERSHOOT = 1.55  # times the lowest loss, at which a chart is cut: the first epochs would flatten the rest


def table(
    rows: Sequence[dict[str, Any]], columns: Sequence[Column], caption: str, said: dict[str, str] | None = None
) -> str:
    """A table that scrolls inside itself; what is missing or None is a dash. `said` has plain words for
    headings, by the column's key."""
    head = "".join(heading(column, (said or {}).get(column.key, "")) for column in columns)
    body = "".join(table_row(row, columns) for row in rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f'<table class="scores"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def heading(column: Column, said: str) -> str:
    words = f"<small>{escape(said)}</small>" if said else ""
    return f'<th scope="col"{alignment(column)}>{escape(column.heading)}{words}</th>'


def table_row(row: dict[str, Any], columns: Sequence[Column]) -> str:
    first, *others = columns
    name = str(row.get(first.key, ""))
    cells = "".join(f"<td{alignment(column)}>{cell(row.get(column.key), column)}</td>" for column in others)
    best = ' class="best"' if BEST.get(first.key) == name else ""
    return f'<tr{best}><th scope="row">{cell(called(name), first)}</th>{cells}</tr>'


def called(name: str) -> str:
    """The plain name of a row: of a model, or of its path ("mlp: linear, raw")."""
    preset, _, path = name.partition(": ")
    if preset not in TITLES:
        return name[:1].upper() + name[1:]
    way = WAYS.get(path.split(",")[0], path)
    return f"{TITLES[preset]}, {way}" if way else TITLES[preset]


def cell(value: Any, column: Column) -> str:
    if value is None:
        return '<span title="means nothing here">–</span>'  # noqa: RUF001
    return LINK.sub(r'<a href="\g<0>">\1</a>', escape(format(value, column.style)))


def alignment(column: Column) -> str:
    """Words stand left, figures right."""
    return "" if column.style else ' class="text"'


def picked(columns: Sequence[Column], keys: Sequence[str]) -> list[Column]:
    """The columns of these keys, in the order of the keys."""
    return [next(column for column in columns if column.key == key) for key in keys]


def path_table(found: dict[str, Any]) -> str:
    """How plausible the frames in between are; a sentence where nothing was evaluated."""
    made = found["settings"]
    if not found["paths"] or not made:
        return missing()
    note = (
        f"{made['seeds']} x {made['pairs']} pairs of {made['split']} digits, 60 frames; the middle half, in "
        "the eyes of a classifier that nothing was trained against. The row of real digits shows what can be "
        "had. The smaller models are not refined, nor paced; the flagship is, on every path."
    )
    shown = picked(PATH_COLUMNS, PATHS_SHOWN)
    return table(found["paths"], shown, "The frames in between", PATHS_SAID) + f'<p class="note">{note}</p>'


def model_table(found: dict[str, Any]) -> str:
    """The likelihoods of every model and the published ones; a sentence where nothing was evaluated."""
    made = found["settings"]
    if not found["models"] or not made:
        return missing()
    note = (
        f"NELBO, its parts, ELBO and IW are nats a picture. Grey NELBO: {made['images']:,} test pictures; "
        f"<b>ELBO</b> and <b>IW</b> (importance-weighted, k = {made['importance']:,}): {made['binarised']:,} "
        "of them in black and white. The autoencoder has no likelihood; the tiny VAE has 196 pixels, not "
        "784, and the conditional one is told the class, so their nats stand apart. Published figures are of "
        "black and white digits."
    )
    return (
        table(found["models"], picked(MODEL_COLUMNS, MODELS_SHOWN), "The models on the test set", MODELS_SAID)
        + f'<p class="note">{note}</p>'
        + table(found["published"], PUBLISHED_COLUMNS, "Published, for comparison")
    )


def missing() -> str:
    return '<p class="note">Nothing was evaluated yet: <code>python -m vae evaluate</code> does it.</p>'


def chart(name: str, title: str, epochs: Sequence[Epoch]) -> str:
    """The loss of one training, on its own digits and on validation digits, over the epochs: a figure whose
    chart can be read with pointer or arrow keys (`static/compare.js`)."""
    low, high = span(epochs)
    lines = "".join(
        f'<path class="{kind}" d="{line([getattr(e, kind) for e in epochs], low, high)}"/>'
        for kind in ("train", "validation")
    )
    best = min(epochs, key=lambda e: e.validation)
    said = f"{title}: validation loss falls to {best.validation:.1f} nats in {len(epochs)} epochs"
    data = json.dumps([[e.epoch, round(e.train, 2), round(e.validation, 2)] for e in epochs])
    clip = f"clip-{name}"
    return (
        f'<figure class="chart" data-epochs="{escape(data)}" data-range="{low:.3f} {high:.3f}">'
        f"<figcaption><b>{escape(title)}</b> <code>{escape(name)}</code></figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="slider" tabindex="0" aria-label="{escape(said)}; epoch" '
        f'aria-valuemin="1" aria-valuemax="{len(epochs)}" aria-valuenow="{len(epochs)}">'
        f'<clipPath id="{clip}"><rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" '
        f'height="{HEIGHT - TOP - BOTTOM}"/></clipPath>'
        f'{axes(len(epochs), low, high)}<g clip-path="url(#{clip})">{lines}</g>'
        f'<line class="hair" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/></svg>'
        '<p class="readout" aria-live="off"></p></figure>'
    )


def span(epochs: Sequence[Epoch]) -> tuple[float, float]:
    """The losses that a chart shows: from just below the lowest to OVERSHOOT times that."""
    values = [value for e in epochs for value in (e.train, e.validation)]
    low = min(values)
    return low * 0.98, max(low * 1.05, min(max(values), low * OVERSHOOT))


def place(i: float, count: int, value: float, low: float, high: float) -> tuple[float, float]:
    """Where epoch `i` of `count` (from 0) and a loss lie in the viewBox."""
    x = LEFT + i / max(1, count - 1) * (WIDTH - LEFT - RIGHT)
    return x, TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)


def line(values: Sequence[float], low: float, high: float) -> str:
    """The SVG path of a loss over the epochs."""
    points = (place(i, len(values), value, low, high) for i, value in enumerate(values))
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def axes(count: int, low: float, high: float) -> str:
    """Rules with their nats, and the first and last epoch."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if (high - low) / s <= 5)
    parts = []
    value = (low // step + 1) * step
    while value < high:
        y = place(0, count, value, low, high)[1]
        parts.append(
            f'<path class="rule" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
        value += step
    for i, anchor in ((0, "start"), (count - 1, "end")):
        x = place(i, count, low, low, high)[0]
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{i + 1}</text>')
    return "".join(parts)
