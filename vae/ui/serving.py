"""Starts the app as a public one: bounded settings, the guard around it, a word on a shared link.

`launch(demo, ready=...)` is all that app.py needs.
"""

import asyncio
import contextlib
import io
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
from gradio import processing_utils
from gradio.processing_utils import sh as safehttpx
from gradio.utils import get_upload_folder

from vae.ui import connections
from vae.ui.guard import MAX_FILE, Guard, MiB

log = logging.getLogger("digit_morph.requests")

FETCH_SECONDS = 15.0  # for a picture that a client names by its address


def queue_settings() -> dict[str, Any]:
    """What `demo.queue(...)` gets: a bounded queue and no way around it."""
    return {"max_size": 32, "default_concurrency_limit": 2, "api_open": False}


def launch_settings() -> dict[str, Any]:
    """What `demo.launch(...)` gets: said in full, as defaults change and a Space sets its own."""
    return {
        "max_file_size": MAX_FILE,
        "show_error": False,  # a visitor sees only what is raised as gr.Error
        "enable_monitoring": False,  # None leaves /monitoring/summary open
        "run_history": False,
        "pwa": False,  # a Space would switch it on
        "ssr_mode": False,  # a Space would put a Node proxy in front of the guard
        "num_workers": 0,  # GRADIO_NUM_WORKERS would take uploads in processes beside the guard
        "state_session_capacity": 1000,
        "strict_cors": True,
        "mcp_server": True,
    }


class BoundedFetch(httpx.AsyncBaseTransport):
    """How gradio fetches a picture that a client names by its address: public hosts, `MAX_FILE`.

    Its own way checks that the host is public too, but reads whatever comes into memory, for as long
    as it keeps coming, and unpacks it (a small gzip makes gigabytes). Each redirect comes by here.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["accept-encoding"] = "identity"
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                address = await safehttpx.async_validate_url(request.url.host)
                async with safehttpx.AsyncSecureTransport(address) as transport:
                    return await self._read(await transport.handle_async_request(request))
        except gr.Error:  # a ValueError, as is what safehttpx raises
            raise
        except (ValueError, OSError, httpx.HTTPError) as error:  # a timeout is an OSError
            sentence = "The picture could not be fetched from that address."
            raise gr.Error(sentence, print_exception=False) from error

    async def _read(self, response: httpx.Response) -> httpx.Response:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_FILE:
                sentence = f"The picture at that address is larger than {MAX_FILE // MiB} MB."
                raise gr.Error(sentence, print_exception=False)
        kept = {name: response.headers[name] for name in ("location",) if name in response.headers}
        return httpx.Response(response.status_code, headers=kept, content=bytes(body))


def sweep(folder: str | os.PathLike[str], age_seconds: float, pattern: str = "tmp*") -> int:
    """Delete the files in `folder` that match and are older than `age_seconds`; returns how many.

    The pattern stands for what gradio writes an upload to before it is whole: one that is given up
    stays, and `delete_cache` knows nothing of it. Finished uploads have folders of their own.
    """
    swept = 0
    oldest = time.time() - age_seconds
    for path in Path(folder).glob(pattern):
        try:
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime < oldest:
                path.unlink()
                swept += 1
        except OSError:  # renamed or deleted while we looked, or not ours
            continue
    return swept


def sweep_regularly(
    folder: str | os.PathLike[str], age_seconds: float, every_seconds: float, pattern: str = "tmp*"
) -> Callable[[], None]:
    """Sweep now and then from a thread that ends with the program; call the result to end it sooner."""
    stopped = threading.Event()

    def run() -> None:
        while True:
            if swept := sweep(folder, age_seconds, pattern):
                log.info("swept %d abandoned files", swept)
            if stopped.wait(every_seconds):
                return

    threading.Thread(target=run, name="sweeper", daemon=True).start()
    return stopped.set


def guarded(
    ready: Callable[[], bool] = lambda: True, trust_proxy: bool | None = None, auth: str | None = None
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """A lifespan that guards the app it is given, for `launch(app_kwargs={"lifespan": ...})`."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        if app.middleware_stack is None:
            raise RuntimeError("the app has no middleware to guard: this version of starlette is unknown")
        app.middleware_stack = Guard(app.middleware_stack, ready=ready, trust_proxy=trust_proxy, auth=auth)
        processing_utils.async_transport = BoundedFetch()
        stop = sweep_regularly(get_upload_folder(), age_seconds=600, every_seconds=300)
        yield
        stop()

    return lifespan


def launch(
    demo: gr.Blocks,
    *,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
    auth: str | None = None,
    ready: Callable[[], bool] = lambda: True,
    **page: Any,
) -> Any:
    """`demo.queue(...).launch(...)` with the settings above and the guard around the app.

    `host` and `port` left out are gradio's (GRADIO_SERVER_NAME, as a Space sets it). `page` takes
    what else `launch` takes (theme, css, prevent_thread_lock, ...) and may override a setting.
    """
    # A shared link comes through gradio's tunnel, which sets X-Forwarded-*.
    trust_proxy = True if share else None
    # MCP calls the page's own address, and cannot be told a password.
    settings = {**launch_settings(), "mcp_server": not auth, **page}
    settings["app_kwargs"] = {"lifespan": guarded(ready, trust_proxy, auth)}
    demo.queue(**queue_settings())
    if not share:
        return connections.launch(demo, server_name=host, server_port=port, **settings)
    waits = not settings.pop("prevent_thread_lock", False)
    with contextlib.redirect_stdout(io.StringIO()):  # where it fails, gradio guesses at length
        started = connections.launch(
            demo, server_name=host, server_port=port, share=True, prevent_thread_lock=True, **settings
        )
    print(about_link(demo.local_url, demo.share_url, bool(auth)), flush=True)
    if waits:
        demo.block_thread()
    return started


def about_link(local_url: str, share_url: str | None, has_password: bool) -> str:
    """What whoever asked for a public link should know."""
    here = f"Running on {local_url}\n"
    if not share_url:
        return here + (
            "There is no public link: the tunnel of Gradio's share service cannot be had from here, which "
            "takes the internet and, the first time, a download; the local page goes on."
        )
    who = "knows the password" if has_password else "has it (add --auth user:password to ask for a password)"
    return here + (
        f"Public link: {share_url}\n"
        "It lives for up to a week, and only while this program runs. It shows this page and its API, and "
        f"no other file or program of this computer, to everybody who {who}; what they draw passes through "
        "Gradio's servers and this computer."
    )
