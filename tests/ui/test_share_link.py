"""A public link and a password: `python app.py --share --auth user:password`."""

from __future__ import annotations

import base64
import gc
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import gradio_client.exceptions
import httpx
import pytest
from gradio import networking
from serving import client_of, free_port

import app
from vae.ui.server import launch

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::ResourceWarning",
    "ignore::DeprecationWarning:gradio.queueing",
)
KEY = {"authorization": "Basic " + base64.b64encode(b"ada:enigma").decode()}


@pytest.fixture
def serve(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[str, str]]]:
    """`serve(**settings)` -> the local address of a small app, and what was printed at its start."""
    demos: list[gr.Blocks] = []

    def started(**settings: Any) -> tuple[str, str]:
        def double(number: float) -> float:
            return 2 * number

        with gr.Blocks(analytics_enabled=False) as demo:
            gr.Button().click(double, gr.Number(), gr.Number(), api_name="double")
        demos.append(demo)
        port = free_port()
        capsys.readouterr()
        launch.launch(demo, host="127.0.0.1", port=port, prevent_thread_lock=True, **settings)
        return f"http://127.0.0.1:{port}", capsys.readouterr().out

    yield started
    for demo in demos:
        demo.close(verbose=False)
    gc.collect()


def test_a_password_is_asked_for_and_opens(serve: Callable[..., tuple[str, str]]) -> None:
    url, _ = serve(auth="ada:enigma", quiet=True)
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/call/double", "/gradio_api/file=/etc/hosts"):
        for headers in (
            {},
            {"authorization": "Basic " + base64.b64encode(b"ada:guess").decode()},
            {"authorization": "Bearer ada:enigma"},
        ):
            answer = httpx.get(url + path, headers=headers, timeout=60)
            assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Basic ")
            assert answer.json()["detail"] == "This page asks for a user name and a password."
    assert httpx.get(f"{url}/", headers=KEY, timeout=60).status_code == 200
    assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
    assert httpx.get(f"{url}/login", headers=KEY, timeout=60).status_code == 404
    with pytest.raises(gradio_client.exceptions.AuthenticationError, match="credentials"):
        client_of(url)
    client = client_of(url, headers=KEY)
    assert client.predict(3, api_name="/double") == 6
    client.close()


def test_a_link_says_what_it_shows_and_for_how_long(
    serve: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networking, "setup_tunnel", lambda **_: "http://abc.gradio.live")
    url, said = serve(share=True)
    assert f"Running on {url}/\nPublic link: https://abc.gradio.live\n" in said
    assert "up to a week" in said and "no other file" in said and "add --auth user:password" in said
    assert "knows the password" in serve(share=True, auth="ada:enigma")[1]


def test_without_a_tunnel_the_local_page_goes_on(
    serve: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(**_: Any) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(networking, "setup_tunnel", nowhere)
    url, said = serve(share=True)
    lines = said.strip().splitlines()
    assert lines[0] == f"Running on {url}/" and len(lines) == 2
    assert lines[1].startswith("There is no public link: ") and lines[1].endswith("the local page goes on.")
    assert httpx.get(url, timeout=60).status_code == 200


@pytest.mark.parametrize("auth", ["ada", "ada:", ":enigma"])
def test_half_a_password_is_refused_at_the_start(
    auth: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["app.py", "--auth", auth])
    with pytest.raises(SystemExit):
        app.main()
    assert "such as --auth ada:enigma" in capsys.readouterr().err


def test_weights_that_are_not_there_end_the_start_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIGIT_MORPH_WEIGHTS", "")
    monkeypatch.setattr("sys.argv", ["app.py", "--weights", "/nowhere"])
    with pytest.raises(SystemExit, match=r"app\.py: no weights at /nowhere: .*train\.py"):
        app.main()
