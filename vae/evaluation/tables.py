"""The tables of `python -m vae evaluate` as Markdown and JSON, and the published figures beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vae.weights import replacing


class Column(NamedTuple):
    key: str
    heading: str
    style: str  # of the figure, as in format()


MODEL_COLUMNS = (
    Column("model", "model", ""),
    Column("latents", "latents", "d"),
    Column("nelbo", "grey NELBO", ".2f"),
    Column("reconstruction", "= reconstruction", ".2f"),
    Column("kl", "+ KL", ".2f"),
    Column("elbo", "ELBO, binarised", ".2f"),
    Column("iw", "IW, binarised", ".2f"),
    Column("active", "active", "d"),
    Column("mse", "MSE", ".4f"),
    Column("noisy_mse", "MSE of noisy", ".4f"),
    Column("frechet", "Fréchet, samples", ".1f"),
    Column("sketches", "sketches kept", ".2f"),
    Column("parameters", "parameters", ",d"),
    Column("mflop", "MFLOP", ".1f"),
    Column("decode_ms", "ms for 120", ".1f"),
    Column("times_mlp", "x mlp", ".1f"),
)
PATH_COLUMNS = (
    Column("frames", "frames", ""),
    Column("precision", "precision", ".3f"),
    Column("spread", "±", ".3f"),
    Column("recall", "recall", ".3f"),
    Column("recall_apart", "recall, one a pair", ".3f"),
    Column("low_confidence_rate", "confidence < 0.7", ".3f"),
    Column("third_class_rate", "third digit", ".3f"),
    Column("frechet", "Fréchet", ".1f"),
    Column("ink", "ink / expected", ".2f"),
    Column("motion", "motion", ".1f"),
    Column("detour", "detour", ".2f"),
    Column("variation", "step variation", ".3f"),
    Column("largest", "largest / mean step", ".2f"),
    Column("endpoint", "endpoint MSE", ".5f"),
)
TURN_COLUMNS = (
    Column("frames", "frames", ""),
    Column("turn", "turn, frames", ".1f"),
    Column("stray", "stray", ".3f"),
    Column("crumbs", "crumbs", ".3f"),
    Column("holes", "alien holes", ".3f"),
    Column("grey", "grey excess", ".3f"),
    Column("greyest", "worst frame", ".3f"),
    Column("thickness", "thickness, px", ".3f"),
    Column("slant", "slant, rad", ".3f"),
    Column("width", "width, px", ".3f"),
    Column("height", "height, px", ".3f"),
)
TURN_NOTE = (
    "Turn: frames of 60 in which the judge gives neither digit 95%. Stray: in its features, distance to both ends over "
    "their own. Crumbs, alien holes: share of frames with more pieces of ink, or more holes, than either end. Grey: "
    "share of the ink in pixels between 0.2 and 0.8 beyond that of the ends. Thickness to height: drift from the line "
    "between the ends' values. Over all frames."
)
PUBLISHED_COLUMNS = (
    Column("model", "published", ""),
    Column("iw", "IW, binarised", ".2f"),
    Column("nets", "nets", ""),
    Column("source", "source", ""),
)
BURDA = "Burda et al. 2016, https://arxiv.org/abs/1509.00519"
VAMP = "Tomczak & Welling 2018, https://arxiv.org/abs/1705.07120"
LVAE = "model of Sønderby et al. 2016, https://arxiv.org/abs/1602.02282; as later quoted"
NVAE = "Vahdat & Kautz 2020, https://arxiv.org/abs/2007.03898"
PUBLISHED = [
    {"model": "VAE, 1 layer, d = 50", "iw": 86.76, "nets": "dense", "source": BURDA},
    {"model": "IWAE-50, 1 layer, d = 50", "iw": 84.78, "nets": "dense", "source": BURDA},
    {"model": "VampPrior, d = 40", "iw": 82.43, "nets": "dense", "source": VAMP},
    {"model": "HVAE + VampPrior", "iw": 81.24, "nets": "hierarchical, dense", "source": VAMP},
    {"model": "LVAE", "iw": 78.30, "nets": "hierarchical", "source": LVAE},
    {"model": "NVAE", "iw": 78.01, "nets": "hierarchical, convolutional", "source": NVAE},
]

NOTES = {
    "cvae": "`cvae` is told the class: its figures are of p(x | y), and bound -log p(x) only after "
    "log 10 = 2.30 nats are added; its samples are of all classes in equal shares.",
    "autoencoder": "`autoencoder` has no prior and no likelihood: n/a; its reconstruction is the "
    "cross-entropy alone, and its samples decode points of N(0, I), which it was never trained on.",
    "tiny": "`tiny` reads and draws 14x14 black and white: its nats and MSE are of 196 such pixels and "
    "not to be compared with the others'; its samples are enlarged for the judge.",
}


def table(rows: Sequence[dict[str, Any]], columns: Sequence[Column]) -> str:
    """A Markdown table; what is missing or None is shown as n/a."""

    def cell(value: Any, style: str) -> str:
        return "n/a" if value is None else format(value, style)

    lines = [[column.heading for column in columns], ["---" if c.style == "" else "--:" for c in columns]]
    lines += [[cell(row.get(column.key), column.style) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown(tables: dict[str, Any]) -> str:
    """All that `vae.evaluation.evaluate` found, as a page."""
    made, names = tables["settings"], {row["model"] for row in tables["models"]}
    notes = [
        f"Grey NELBO, MSE: the first {made['images']:,} test images, one posterior sample (MSE: the "
        f"posterior's mean). ELBO and IW (k = {made['importance']:,}): the first {made['binarised']:,}, "
        "binarised once with a fixed seed. Nats, lower is better.",
        "Grey NELBO bounds the likelihood of dynamically binarised images from above, with the posterior "
        "of the grey image: it reads higher than the binarised figures; compare it with its like only.",
        f"MSE of noisy: Gaussian noise of {made['noise']} added and cut to [0, 1]; against the clean "
        f"picture. Fréchet, samples: {made['samples']:,} of the prior in the judge's features; as many real "
        f"test digits score {made['frechet_of_test_digits']:.1f}. MFLOP (a multiply-add counts two) and ms "
        f"are of decoding, on {made['threads']} threads.",
    ]
    notes += [note for name, note in NOTES.items() if name in names]
    notes += [refined_note(row) for row in tables["models"] if "unrefined_nelbo" in row]
    return "\n\n".join(
        [
            "# Models",
            table(tables["models"], MODEL_COLUMNS),
            "\n".join(f"- {note}" for note in notes),
            "Published, on dynamically binarised MNIST (whole test set):",
            table(tables["published"], PUBLISHED_COLUMNS),
            "# Paths",
            f"{made['seeds']} x {made['pairs']} pairs of {made['split']} digits of different classes, 60 frames; "
            f"the middle half against {made['reals']:,} training digits, of which no path was built, "
            "in the judge's features; ± is the "
            "precision's, half of highest less lowest over the seeds.",
            table(tables["paths"], PATH_COLUMNS),
            TURN_NOTE,
            table(_moving(tables["paths"]), TURN_COLUMNS),
            *drawn_part(tables),
        ]
    )


def refined_note(row: dict[str, Any]) -> str:
    return (
        "`{model}` has a semi-amortised posterior: its encoder's mean is refined by a few gradient steps, in all its "
        "figures here. The encoder alone: {unrefined_nelbo:.2f} = {unrefined_reconstruction:.2f} + "
        "{unrefined_kl:.2f}, MSE {unrefined_mse:.4f}."
    ).format(**row)


def drawn_part(tables: dict[str, Any]) -> list[str]:
    if not tables.get("drawings"):
        return []
    return [
        "# Paths between drawings",
        f"{tables['settings']['drawn']} pairs of drawings of different digits, made with a mouse and seen "
        "in no training; all else as above. Drawings are fewer and of few hands, so their features lie in "
        "fewer places: compare rows.",
        table(tables["drawings"], PATH_COLUMNS),
        table(_moving(tables["drawings"]), TURN_COLUMNS),
    ]


def _moving(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that are morphs."""
    return [row for row in rows if row.get("motion") is not None]


def write(tables: dict[str, Any], out: Path) -> None:
    """Write evaluation.json and evaluation.md into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (("json", json.dumps(tables, indent=2) + "\n"), ("md", markdown(tables) + "\n")):
        with replacing(out / f"evaluation.{name}") as path:
            path.write_text(text)
