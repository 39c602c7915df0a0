"""The page: draw or type two handwritten numbers and watch one turn into the other.

    python app.py                                  serve on http://127.0.0.1:7860
    python app.py --host 0.0.0.0 --port 8080       for other machines
    python app.py --share                          with a public link, for a week
    python app.py --weights runs/NAME              with a model that train.py left there, or a preset
    python app.py --threads 2                      cores for one morph; 1 suits a busy server

Everything it needs lies in weights/: nothing is downloaded, and the page asks no other host for anything.
"""

from __future__ import annotations

import argparse
from typing import Any

import gradio as gr
import torch

import vae
from vae.request import loaded
from vae.ui import guard, outputs
from vae.ui.bench import bench
from vae.ui.endpoints import endpoints
from vae.ui.explore import explore
from vae.ui.theme import STATIC, head, static, theme


def build_demo(model: vae.VAE | None = None) -> gr.Blocks:
    """The page and its endpoints; `model` stands in for the shipped flagship. Warm when it returns."""
    demo = gr.Blocks(title="Digit Morph", analytics_enabled=False, delete_cache=(60, 600), fill_width=True)
    with demo:
        gr.HTML(
            html_template=static("header.html"),
            js_on_load="digitMorph.mountHeader(element)",
            apply_default_css=False,
        )
        bench(model)
        explore(model)
        gr.HTML(html_template=static("footer.html"), js_on_load=None, apply_default_css=False)
        endpoints(model)
    return demo


def page_settings() -> dict[str, Any]:
    """What `launch` needs for the look; `vae.ui.guard` has the rest."""
    return {"theme": theme(), "head": head(), "favicon_path": STATIC / "favicon.svg", "footer_links": []}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--share", action="store_true")
    parser.add_argument("--weights", help="a weights file, the folder of a run, or the name of a preset")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    outputs.start_sweeper()
    demo = build_demo(loaded(args.weights))  # the very model that typed digits come from, not a second one
    guard.launch(demo, host=args.host, port=args.port, share=args.share, **page_settings())


if __name__ == "__main__":
    main()
