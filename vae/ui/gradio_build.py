"""Gradio's own scripts and styles: which of them the page will import, found in the build that Gradio serves.

A browser learns of each only from the one that imports it, and waits for the answer every time. The build says it
all beforehand (Vite writes into each chunk what its dynamic imports need, `__vite__mapDeps`), so that the page can
name them at once. Where a build is written otherwise, less is found, and the page is only slower.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import gradio

FRONTEND = Path(gradio.__file__).parent / "templates" / "frontend"
ENTRY = re.compile(r"""(?:src|href)="\./assets/([\w.-]+\.(?:js|css))\"""")
LISTED = re.compile(r"m\.f=(\[.*?\])")
# import(`./Index-x.js`),__vite__mapDeps([0,1,2]), with what is made of the module in between
IMPORT = re.compile(r"import\(`\./([\w.-]+\.js)`\)(?:(?!import\().){0,80}?__vite__mapDeps\(\[([\d,]*)\]\)")


@functools.cache
def text_of(name: str) -> str:
    path = FRONTEND / "assets" / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def imports(chunk: str, within: str = "") -> Iterator[tuple[str, list[str]]]:
    """What a chunk imports later on, each with all that it needs; `within` a part of the chunk's text."""
    listed = LISTED.search(text_of(chunk))
    names = re.findall(r"\./([\w.-]+)", listed[1]) if listed else []
    for name, needs in IMPORT.findall(within or text_of(chunk)):
        yield name, [names[int(at)] for at in needs.split(",") if at and int(at) < len(names)]


def components(core: str, kinds: Iterable[str]) -> Iterator[str]:
    """The chunks of components, by the table that Gradio finds them in: kind:{component:()=>...}."""
    for kind in kinds:
        entry = re.search(
            rf"[,{{]\"?{re.escape(kind)}\"?:(\{{(?:base|component|example):.*?\}})(?:,\"?\w+\"?:\{{|\}};)",
            text_of(core),
        )
        found = re.search(r"component:.*", entry[1]) if entry else None
        for name, needs in imports(core, found[0]) if found else ():
            yield from (name, *needs)
            break


@functools.cache
def needed(kinds: frozenset[str]) -> tuple[list[str], list[str]]:
    """The files in /assets/ of a page with components of these kinds: those of Gradio's frame, and all."""
    entry = ENTRY.findall((FRONTEND / "index.html").read_text(encoding="utf-8"))
    script = next((name for name in entry if name.endswith(".js")), "")
    frame, rest = [*entry], []
    for name, needs in imports(script):
        if needs:  # what the frame is made of; other imports are for other places than browsers
            frame += [name, *needs]
    for chunk in [name for name in frame if name.startswith("Index-")]:
        for name, needs in imports(chunk):
            if name.startswith("Blocks-"):
                rest += [name, *needs]
    for core in [name for name in frame if name.startswith("core-")][:1]:
        rest += components(core, sorted(kinds))
    return list(dict.fromkeys(frame)), list(dict.fromkeys([*frame, *rest]))


def styles(names: Iterable[str]) -> str:
    """The text of those of these files that are styles."""
    return "\n".join(text_of(name) for name in names if name.endswith(".css"))
