"""The page: its Blocks, and the command line that serves it (`python app.py`, `digit-morph serve`)."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

import gradio as gr
import torch

from vae.errors import WeightsError
from vae.model import PRESETS
from vae.pipeline import Pipeline, load_pipeline
from vae.ui.api import endpoints
from vae.ui.server import files, launch, stopping
from vae.ui.tabs.compare import compare_tab
from vae.ui.tabs.explore import explore_tab
from vae.ui.tabs.how import how_tab
from vae.ui.tabs.morph import morph_tab
from vae.ui.theme import STATIC, gradio_theme, head, static


def build_demo(pipeline: Pipeline) -> gr.Blocks:
    """The page and its endpoints. Warm when it returns."""
    demo = gr.Blocks(title="Digit Morph", analytics_enabled=False, fill_width=True)
    with demo:
        gr.HTML(
            html_template=static("header.html"), js_on_load="digitMorph.mountHeader(element)", apply_default_css=False
        )
        for tab in (morph_tab, explore_tab, compare_tab, how_tab):
            tab(pipeline)
        gr.HTML(html_template=static("footer.html"), js_on_load=None, apply_default_css=False)
        endpoints(pipeline)
    return demo


def page_settings() -> dict[str, Any]:
    """What `launch` needs for the look; `vae.ui.server.launch` has the rest."""
    return {"theme": gradio_theme(), "head": head(), "favicon_path": STATIC / "favicon.svg", "footer_links": []}


def host_and_port(environ: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """Where to listen, unless the command line says: on a Space, at all addresses."""
    host = environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if environ.get("SPACE_ID") else "127.0.0.1")
    return host, int(environ.get("GRADIO_SERVER_PORT") or environ.get("PORT") or 7860)


def report_to_zero_gpu(environ: Mapping[str, str] = os.environ) -> None:
    """A Space on ZeroGPU hardware is ended unless it marks a function for the GPU. Morphs need none: they
    are as quick on its CPU as a GPU is to be had."""
    if environ.get("SPACES_ZERO_GPU"):
        import spaces  # there, and only there

        spaces.GPU(lambda: None)


def main(arguments: list[str] | None = None, prog: str = "app.py", manual: str | None = __doc__) -> None:
    """The server's command line; runs until it is stopped."""
    report_to_zero_gpu()
    # gradio asks matplotlib for its backend at every call; told, it need not load pyplot to find one,
    # which in a fresh container makes the first visitor wait while fonts are indexed.
    os.environ.setdefault("MPLBACKEND", "agg")
    host, port = host_and_port()
    parser = argparse.ArgumentParser(
        prog=prog, description=manual, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default=host, help="default: %(default)s")
    parser.add_argument("--port", type=int, default=port, help="default: %(default)s")
    parser.add_argument("--share", action="store_true", help="also through a public link of Gradio's")
    parser.add_argument(
        "--auth",
        metavar="USER:PASSWORD",
        default=os.environ.get("DIGIT_MORPH_AUTH"),
        help="ask visitors for it; DIGIT_MORPH_AUTH is the same and shows in no list of processes",
    )
    parser.add_argument("--weights", help="a weights file, a run's folder, a preset or a repo on the Hub")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(arguments)
    if args.auth and not re.fullmatch(r"[^:]+:.+", args.auth):
        parser.error("--auth takes a user name and a password, such as --auth ada:enigma")
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("digit_morph").setLevel(logging.INFO)  # a line a request
    torch.set_num_threads(args.threads)
    stopping.listen()
    files.own_folder()
    try:
        pipeline = load_pipeline(args.weights, PRESETS)
    except WeightsError as error:
        sys.exit(f"{prog}: {error}")
    demo = build_demo(pipeline)
    launch.launch(demo, host=args.host, port=args.port, share=args.share, auth=args.auth, **page_settings())
