"""The server's command line (`python app.py`, `digit-morph serve`): what is wrong with its options, its address
or its files is said in a line before Gradio, which takes seconds to import, is needed.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import re
import socket
import sys
import tempfile
from collections.abc import Mapping

import torch

from vae import weights
from vae.errors import WeightsError
from vae.model import PRESETS
from vae.pipeline import Pipeline, load_pipeline
from vae.settings import whole
from vae.ui.server import stopping

PORTS = (1, 65_535)
THREADS = (1, 1024)


def host_and_port(environ: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """Where to listen, unless the command line says: on a Space, at all addresses. Raises ValueError."""
    host = environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if environ.get("SPACE_ID") else "127.0.0.1")
    port = next((name for name in ("GRADIO_SERVER_PORT", "PORT") if environ.get(name)), None)
    try:
        return host, whole(*PORTS)(environ[port]) if port else 7860
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"environment variable {port}: {error}") from None


def report_to_zero_gpu(environ: Mapping[str, str] = os.environ) -> None:
    """A Space on ZeroGPU hardware is ended unless it marks a function for the GPU. Morphs need none: they
    are as quick on its CPU as a GPU is to be had."""
    if environ.get("SPACES_ZERO_GPU"):
        import spaces  # there, and only there

        spaces.GPU(lambda: None)


def parser(prog: str, manual: str | None) -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog=prog, description=manual, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--host", help="default: GRADIO_SERVER_NAME, else 127.0.0.1")
    p.add_argument("--port", type=whole(*PORTS), help="default: GRADIO_SERVER_PORT or PORT, else 7860")
    p.add_argument("--share", action="store_true", help="also through a public link of Gradio's")
    p.add_argument(
        "--auth",
        metavar="USER:PASSWORD",
        default=os.environ.get("DIGIT_MORPH_AUTH"),
        help="ask visitors for it; DIGIT_MORPH_AUTH is the same and shows in no list of processes",
    )
    p.add_argument("--weights", help="a weights file, a run's folder, a preset or a repo on the Hub")
    p.add_argument("--threads", type=whole(*THREADS), default=1)
    return p


def options(arguments: list[str] | None, prog: str, manual: str | None) -> argparse.Namespace:
    """What the command line asks for; exits with 2 where it cannot be."""
    p = parser(prog, manual)
    args = p.parse_args(arguments)
    if args.auth and not re.fullmatch(r"[^:]+:.+", args.auth):
        p.error("--auth takes a user name and a password, such as --auth ada:enigma")
    said = {} if args.port is None else {"GRADIO_SERVER_PORT": str(args.port)}
    try:
        host, args.port = host_and_port({**os.environ, **said})
    except ValueError as error:
        p.error(str(error))
    args.host = args.host or host
    return args


def check_address(host: str, port: int) -> None:
    """Raise OSError, saying what to do, where a server could not listen."""
    errors: list[OSError | UnicodeError] = []
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        places, errors = [], [error]
    for family, kind, _, _, address in places:
        try:
            with socket.socket(family, kind) as probe:
                if os.name == "posix":  # connections that have just ended do not count, as for the server itself
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen()
        except OSError as error:
            errors.append(error)
    taken = [error for error in errors if getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES)]
    if taken or len(errors) >= max(1, len(places)):  # `localhost` may have an address that a container has not
        why = getattr((taken or errors)[0], "strerror", None) or "no such name"
        raise OSError(
            f"cannot listen on port {port} of {host[:100]} ({why}): choose another by --port or --host, or end "
            "the program that uses it"
        )


def load(source: str | None) -> Pipeline:
    """The models and codes to serve with. Raises WeightsError."""
    pipeline = load_pipeline(source, PRESETS)
    if weights.FLAGSHIP in pipeline.presets:  # without it, a page of one's own model may do without a bank
        pipeline.require_typist()
    return pipeline


def make_folder() -> None:
    """The folder of this process's files. Raises OSError, saying what to do."""
    try:
        tempfile.gettempdir()  # uploads pass through it, and gradio cannot be imported where there is none
    except OSError as error:
        raise OSError(f"no temporary folder can be written ({error.strerror}): name one in TMPDIR") from None
    from vae.ui.server import files

    where = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
    try:
        files.own_folder()
    except OSError as error:
        raise OSError(
            f"no folder can be made in {where} ({error.strerror}): name one that can be written in GRADIO_TEMP_DIR"
        ) from None


def main(arguments: list[str] | None = None, prog: str = "app.py", manual: str | None = __doc__) -> None:
    """The server's command line; runs until it is stopped."""
    report_to_zero_gpu()
    # gradio asks matplotlib for its backend at every call; told, it need not load pyplot to find one,
    # which in a fresh container makes the first visitor wait while fonts are indexed.
    os.environ.setdefault("MPLBACKEND", "agg")
    args = options(arguments, prog, manual)
    stopping.listen()
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("digit_morph").setLevel(logging.INFO)  # a line a request
    torch.set_num_threads(args.threads)
    try:
        pipeline = load(args.weights)
        check_address(args.host, args.port)
        os.environ["GRADIO_SERVER_PORT"] = str(args.port)  # gradio reads it when it is imported, number or not
        make_folder()
        from vae.ui import page

        demo = page.build_demo(pipeline)
        check_address(args.host, args.port)  # as seconds have passed
    except (WeightsError, OSError) as error:
        sys.exit(f"{prog}: {error}")
    page.serve(pipeline, demo, host=args.host, port=args.port, share=args.share, auth=args.auth)
