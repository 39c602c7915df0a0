"""How the page looks: ink on paper, by day and by night, in the fonts that the visitor's system has.

Gradio's own parts get their colours from `theme`; the layout and what is ours lies in `static/`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

import gradio as gr
from gradio.themes.utils.colors import Color

STATIC = Path(__file__).parent / "static"
FIRST_STYLES = ("page.css", "parts.css", "fields.css")  # what is seen first
STYLES = (*FIRST_STYLES, "compare.css", "how.css", "explore.css")

SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "sans-serif")
MONO = ("ui-monospace", "Consolas", "Liberation Mono", "monospace")

PAPER, SHEET, INK, SOFT, LINE, PEN = "#f3f4f1", "#ffffff", "#16181d", "#565b66", "#d3d6d0", "#2438b8"
NIGHT, SLATE, CHALK, DIM, EDGE, GLOW = "#121419", "#1a1d24", "#eceae4", "#a2a7b3", "#343945", "#a9b6ff"
ON_GLOW = "#0d1033"

GREYS = Color(
    "#f9faf8",
    "#f3f4f1",
    "#e4e6e1",
    "#d3d6d0",
    "#a2a7b3",
    "#7a7f8a",
    "#565b66",
    "#343945",
    "#22262e",
    "#1a1d24",
    "#121419",
    name="paper",
)
PENS = Color(
    "#eef0ff",
    "#dfe3ff",
    "#c3cbff",
    "#a9b6ff",
    "#8492f5",
    "#5566dd",
    "#2438b8",
    "#1d2d97",
    "#182577",
    "#131d5c",
    "#0d1033",
    name="pen",
)


PAIRS = {  # Gradio's variables: (day, night)
    "body_background_fill": (PAPER, NIGHT),
    "body_text_color": (INK, CHALK),
    "body_text_color_subdued": (SOFT, DIM),
    "background_fill_primary": (PAPER, NIGHT),
    "background_fill_secondary": (SHEET, SLATE),
    "border_color_primary": (LINE, EDGE),
    "border_color_accent": (PEN, GLOW),
    "color_accent_soft": ("*primary_50", "*neutral_800"),
    "link_text_color": (PEN, GLOW),
    "block_background_fill": ("transparent", "transparent"),
    "block_border_color": (LINE, EDGE),
    "block_label_background_fill": ("transparent", "transparent"),
    "block_label_text_color": (SOFT, DIM),
    "block_title_text_color": (INK, CHALK),
    "block_info_text_color": (SOFT, DIM),
    "panel_background_fill": ("transparent", "transparent"),
    "input_background_fill": (SHEET, SLATE),
    "input_background_fill_focus": (SHEET, SLATE),
    "input_border_color": ("#8b8f88", "#6c7280"),
    "input_border_color_focus": (PEN, GLOW),
    "input_placeholder_color": (SOFT, DIM),
    "slider_color": (PEN, GLOW),
    "button_primary_background_fill": (PEN, GLOW),
    "button_primary_background_fill_hover": ("*primary_700", "*primary_200"),
    "button_primary_text_color": ("#ffffff", ON_GLOW),
    "button_primary_text_color_hover": ("#ffffff", ON_GLOW),
    "button_secondary_background_fill": ("transparent", "transparent"),
    "button_secondary_background_fill_hover": (SHEET, SLATE),
    "button_secondary_text_color": (INK, CHALK),
    "button_secondary_text_color_hover": (INK, CHALK),
    "button_secondary_border_color": (LINE, EDGE),
    "checkbox_background_color": (SHEET, SLATE),
    "checkbox_background_color_selected": (PEN, GLOW),
    "checkbox_border_color": ("#8b8f88", "#6c7280"),
    "checkbox_border_color_selected": (PEN, GLOW),
    "checkbox_label_background_fill": ("transparent", "transparent"),
    "checkbox_label_background_fill_hover": ("transparent", "transparent"),
    "checkbox_label_background_fill_selected": ("transparent", "transparent"),
    "checkbox_label_text_color": (INK, CHALK),
    "checkbox_label_text_color_selected": (INK, CHALK),
    "error_background_fill": (SHEET, SLATE),
    "error_text_color": (INK, CHALK),
    "error_border_color": (LINE, EDGE),
    "error_icon_color": (PEN, GLOW),
}
PLAIN = {  # the same by day and by night
    "block_border_width": "0px",
    "block_padding": "0px",
    "block_shadow": "none",
    "block_label_border_width": "0px",
    "block_title_text_weight": "500",
    "block_title_text_size": "*text_sm",
    "panel_border_width": "0px",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "input_radius": "3px",
    "button_large_radius": "3px",
    "button_large_text_weight": "500",
    "button_medium_radius": "3px",
    "button_small_radius": "3px",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
    "button_transition": "background-color .12s, color .12s, border-color .12s",
    "checkbox_label_border_width": "0px",
    "checkbox_label_padding": "2px 0",
    "checkbox_label_shadow": "none",
    "checkbox_shadow": "none",
    "layout_gap": "16px",
    "form_gap_width": "0px",
}


@functools.cache
def static(name: str) -> str:
    """The text of a file in `static/`."""
    return (STATIC / name).read_text(encoding="utf-8")


def bundle(besides: Iterable[str] = ()) -> str:
    """The page's scripts as one; `page.js` first, as the others add to its object."""
    names = sorted((path.name for path in STATIC.glob("*.js")), key=lambda name: (name != "page.js", name))
    return "\n".join(static(name) for name in names if name not in besides)


def head() -> str:
    """What a page needs that some other site makes of this one's config; our own page has it as files
    (`vae.ui.document`).

    The style is here and not in Gradio's `css`, which would put a selector of its own before each of ours.
    """
    style = "".join(static(name) for name in STYLES)
    return f'<meta name="color-scheme" content="light dark"><style>{style}</style><script>{bundle()}</script>'


def gradio_theme() -> gr.themes.Base:
    """Gradio's base theme with our values."""
    values = {name: day for name, (day, _) in PAIRS.items()}
    values |= {f"{name}_dark": night for name, (_, night) in PAIRS.items()} | PLAIN
    base = gr.themes.Base(primary_hue=PENS, secondary_hue=PENS, neutral_hue=GREYS, font=SANS, font_mono=MONO)
    return base.set(**values)
