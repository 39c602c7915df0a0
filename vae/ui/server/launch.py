"""Starts the app as a public one: bounded settings, the guard around it, a word on a shared link.

`launch(demo, ...)` is all that `vae.ui.page` needs.
"""

import asyncio
import contextlib
import gc
import io
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Any

import gradio as gr
import httpx
from gradio import processing_utils

from vae.ui.server import connections, refusals, stopping
from vae.ui.server.files import Sweeper
from vae.ui.server.guard import Guard
from vae.ui.server.page_events import Event, PageEvents
from vae.ui.server.pictures import MAX_FILE
from vae.ui.server.sessions import Abandoned, Forgetful, bound_uploads, keep_no_statistics, tell_who_leaves
from vae.ui.server.turns import TURNS


def queue_settings() -> dict[str, Any]:
    """What `demo.queue(...)` gets: no way around it, and no waiting in it, for that is done in `turns`."""
    return {"max_size": 32, "default_concurrency_limit": None, "api_open": False}


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
        "strict_cors": True,
        "mcp_server": True,
    }


class NoFetch(httpx.AsyncBaseTransport):
    """In place of Gradio's own way to fetch what an event names by an address; pictures have another."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise gr.Error("Only a picture can be given by its address.", print_exception=False)


def guarded(
    events: Mapping[str, Event], trust_proxy: bool | None = None, auth: str | None = None
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """A lifespan that guards the app it is given, for `launch(app_kwargs={"lifespan": ...})`."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        if app.middleware_stack is None:
            raise RuntimeError("the app has no middleware to guard: this version of starlette is unknown")
        demo = app.get_blocks()
        sweeper = Sweeper(Abandoned(demo).forget)
        app.middleware_stack = Guard(
            app.middleware_stack,
            trust_proxy=trust_proxy,
            auth=auth,
            sweeper=sweeper,
            turns=TURNS,
            events=PageEvents(events, TURNS),
        )
        app.state.loop = asyncio.get_running_loop()
        app.state_holder = Forgetful(demo)
        tell_who_leaves(demo, TURNS.leave)
        keep_no_statistics(demo)
        bound_uploads()
        refusals.put_right(demo)
        processing_utils.async_transport = NoFetch()
        # A call that fails leaves its inputs in a circle of frames and exceptions. Python looks for circles
        # among all objects only when there are a quarter more of them, and what was loaded so far is hundreds
        # of thousands: without those it looks soon, and in microseconds.
        gc.collect()
        gc.freeze()
        sweeping = asyncio.create_task(sweeper.run())
        yield
        sweeping.cancel()
        gc.unfreeze()  # what is frozen when Python ends, libraries take for leaks, and print it

    return lifespan


def launch(
    demo: gr.Blocks,
    *,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
    auth: str | None = None,
    events: Mapping[str, Event] = MappingProxyType({}),
    **page: Any,
) -> Any:
    """`demo.queue(...).launch(...)` with the settings above and the guard around the app.

    `host` and `port` left out are gradio's (GRADIO_SERVER_NAME, as a Space sets it). `events` are those that the page's
    own scripts ask for. `page` takes
    what else `launch` takes (theme, css, prevent_thread_lock, ...) and may override a setting.
    """
    # A shared link comes through gradio's tunnel, which sets X-Forwarded-*.
    trust_proxy = True if share else None
    # MCP calls the page's own address, and cannot be told a password.
    settings = {**launch_settings(), "mcp_server": not auth, **page}
    settings["app_kwargs"] = {"lifespan": guarded(events, trust_proxy, auth)}
    waits = not settings.pop("prevent_thread_lock", False)
    if waits:
        stopping.serving.set()
    demo.queue(**queue_settings())
    # where there is no link to be had, gradio guesses at length
    with contextlib.redirect_stdout(io.StringIO()) if share else contextlib.nullcontext():
        started = connections.launch(demo, server_name=host, server_port=port, share=share, **settings)
    if share:
        print(about_link(demo.local_url, demo.share_url, bool(auth)), flush=True)
    if waits:
        stopping.serve(demo, lambda: is_idle(demo), lambda: give_up(demo))
    return started


def is_idle(demo: gr.Blocks) -> bool:
    """Whether nobody waits for anything, and no answer for anybody."""
    unfetched = any(tuple(demo._queue.pending_event_ids_session.values()))
    return demo.app.middleware_stack.is_idle and not unfetched


def give_up(demo: gr.Blocks) -> None:
    """End what is under way; whoever waits for it is told so."""
    asyncio.run_coroutine_threadsafe(TURNS.clear(), demo.app.state.loop).result()


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
