"""The page as HTML: what Gradio makes of it, without what a browser need not be sent, and with what can be seen
before Gradio's scripts are there.

Gradio puts all of the page into one value for its scripts (`window.gradio_config`), which draw it once they have
arrived. Here our own scripts and styles come as files beside Gradio's, whose chunks are named at once (`gradio_build`);
the frame of the page is HTML, painted as it arrives; and the values come after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from vae.ui import gradio_build
from vae.ui.server.compressed import FOR_EVER, Kept, digest
from vae.ui.theme import FIRST_STYLES, STYLES, bundle, static

VALUES = re.compile(
    r"<script>window\.gradio_config = (.*?);</script>\s*<script>window\.gradio_api_info = (.*?);</script>", re.DOTALL
)
ENTRY = re.compile(r'<script type="module"[^>]*></script>')
STYLE = re.compile(r'<link rel="stylesheet"[^>]*>')
FIRST = ("page.js", "opening.js")  # run before anything is painted
SIDES = {"source": ("first", "From", "32"), "target": ("second", "To", "41")}


class Document:
    """`config` is `Blocks.config`; `files` are what the page loads beside Gradio's own."""

    def __init__(self, config: dict[str, Any]) -> None:
        kinds = frozenset(component["type"] for component in without_api(config)["components"])
        self._frame, self._all = gradio_build.needed(kinds)
        ours_later = "".join(static(name) for name in STYLES if name not in FIRST_STYLES)
        texts = {
            "page.js": bundle(besides=FIRST),
            "frame.css": gradio_build.styles(self._frame),
            "parts.css": ours_later + gradio_build.styles(name for name in self._all if name not in self._frame),
        }
        self.files: dict[str, Kept] = {}
        self._paths = {name: self._add(name, text) for name, text in texts.items()}

    def _add(self, name: str, text: str) -> str:
        body, (stem, _, kind) = text.encode(), name.partition(".")
        path = f"/assets/digit-morph-{stem}-{digest(body)}.{kind}"  # beside Gradio's: relative addresses hold
        content_type = {"js": "text/javascript", "css": "text/css"}[kind]
        self.files[path] = Kept(body, f"{content_type}; charset=utf-8", FOR_EVER)
        return "." + path

    def dress(self, html: str, manual: bool = False) -> str:
        """The page that is sent instead of Gradio's `html`; `manual`: for Gradio's manual of the API, all of it.
        HTML of another build than is known here stays as it is."""
        values = VALUES.search(html)
        if manual or not values or not ENTRY.search(html) or "</gradio-app>" not in html:
            return html
        config = without_api(json.loads(values[1]))
        config["head"] = None
        html = ENTRY.sub("", STYLE.sub("", VALUES.sub("", html)))
        said = f"window.gradio_config = {as_script(config)};window.gradio_api_info = {values[2]};"
        late = f"{opening()}<script>{said}</script>{self._styles()}{self._scripts()}"
        html = html.replace("</head>", f"{self._head(config)}</head>", 1)
        return html.replace("</gradio-app>", f"</gradio-app>{late}", 1)

    def _head(self, config: dict[str, Any]) -> str:
        style = "".join(static(name) for name in (*FIRST_STYLES, "opening.css"))
        scripts = "".join(static(name) for name in FIRST)
        theme = f'<link rel="preload" as="style" href="./theme.css?v={config.get("theme_hash")}">'
        return (
            f'<meta name="color-scheme" content="light dark"><style id="page-style">{style}</style>'
            f"<script>{scripts}</script>{''.join(self._preloads())}{theme}"
        )

    def _preloads(self) -> Iterator[str]:
        yield f'<link rel="preload" as="script" href="{self._paths["page.js"]}">'
        for name in self._all:
            if name.endswith(".js"):
                yield f'<link rel="modulepreload" crossorigin href="./assets/{name}">'

    def _styles(self) -> str:
        """Gradio's styles in two files, our own between them, where they would come by Gradio's `head`. Its scripts
        load no style for which there is a link, and the disabled ones are never loaded."""
        ours = "this.after(document.getElementById('page-style'))"
        links = (
            f'<link rel="stylesheet" href="./assets/{name}" disabled>' for name in self._all if name.endswith("css")
        )
        return (
            f'<link rel="stylesheet" href="{self._paths["frame.css"]}" onload="{ours}">'
            f'<link rel="stylesheet" href="{self._paths["parts.css"]}">{"".join(links)}'
        )

    def _scripts(self) -> str:
        """Ours before Gradio's, which are our own copy for a shared link too: Gradio would take another site's."""
        entry = next(name for name in self._all if name.endswith(".js"))
        return (
            f'<script defer src="{self._paths["page.js"]}" onload="digitMorph.playOpening()"></script>'
            f'<script type="module" crossorigin src="./assets/{entry}"></script>'
        )


def without_api(config: dict[str, Any]) -> dict[str, Any]:
    """A config without what is never shown: the components of the API's endpoints, and these themselves."""
    shut = {part["id"] for part in config["components"] if part["props"].get("visible") is False}

    def below(node: dict[str, Any], hidden: bool) -> Iterator[int]:
        hidden = hidden or node["id"] in shut
        if hidden:
            yield node["id"]
        for child in node.get("children") or ():
            yield from below(child, hidden)

    gone = set(below(config["layout"], False))

    def pruned(node: dict[str, Any]) -> dict[str, Any]:
        children = [pruned(child) for child in node.get("children") or () if child["id"] not in gone]
        return {**node, "children": children} if "children" in node else node

    def is_kept(event: dict[str, Any]) -> bool:
        touched = {*event["inputs"], *event["outputs"], *(target for target, _ in event["targets"])}
        return not touched & gone

    events = [event for event in config["dependencies"] if is_kept(event)]
    page = {
        name: {
            **each,
            "layout": pruned(each["layout"]),
            "components": [part for part in each["components"] if part not in gone],
            "dependencies": [event["id"] for event in events if event["id"] in each["dependencies"]],
        }
        for name, each in config["page"].items()
    }
    parts = [part for part in config["components"] if part["id"] not in gone]
    return {**config, "components": parts, "dependencies": events, "layout": pruned(config["layout"]), "page": page}


def as_script(value: Any) -> str:
    """JSON that can stand in a script in HTML."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def opening() -> str:
    """The page's frame: its header, its pads, its stage, at the sizes they will have."""
    frame = static("opening.html").replace("{header}", static("header.html")).replace("{player}", static("player.html"))
    for side, (which, name, number) in SIDES.items():
        parts = static("opening_side.html")
        for part in ("pad", "upload"):
            parts = parts.replace(f"{{{part}}}", static(f"{part}.html"))
        given = {"which": which, "name": name, "number": number, "side": f"{side}-opening"}
        for key, text in given.items():
            parts = parts.replace(f"{{{key}}}", text)
        frame = frame.replace(f"{{{side}}}", parts)
    start = "<script>digitMorph.openPage(document.getElementById('opening'))</script>"
    return f'<div id="opening" class="gradio-container">{frame}</div>{start}'
