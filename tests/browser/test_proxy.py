"""The page of an installed package, behind a real nginx that ends TLS and serves it below a sub-path."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import await_health, client_of, free_port
from test_access import FILLED
from visit import ONE, SEVEN, after, assert_playing, draw, numbers

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # gradio_client's own
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def address(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where nginx serves the page of `digit-morph serve`, far from the source, for the address of other tests."""
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    openssl = shutil.which("openssl")
    if nginx is None or openssl is None:
        pytest.skip("there is no nginx or no openssl here")
    folder, port, inner = tmp_path_factory.mktemp("nginx"), free_port(), free_port()
    subprocess.run(
        [
            openssl,
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            folder / "key.pem",
            "-out",
            folder / "certificate.pem",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )
    text = (Path(__file__).parent / "nginx.conf").read_text()
    for name, value in (("FOLDER", folder), ("PORT", port), ("APP", inner)):
        text = text.replace(f"@{name}@", str(value))
    (folder / "nginx.conf").write_text(text)
    told = {**os.environ, "PYTHONPATH": str(installed), "GRADIO_ROOT_PATH": "/digits", "GRADIO_SERVER_PORT": str(inner)}
    proxy = subprocess.Popen([nginx, "-e", folder / "error.log", "-c", folder / "nginx.conf"])
    server = subprocess.Popen([installed / "bin" / "digit-morph", "serve"], cwd=folder, env=told)
    try:
        await_health(server, f"http://127.0.0.1:{inner}/healthz")
        assert proxy.poll() is None, (folder / "error.log").read_text()
        yield f"https://127.0.0.1:{port}/digits/"
    finally:
        for process in (proxy, server):
            process.terminate()
            process.wait(30)


@pytest.fixture
def open_there(open_page: Open) -> Open:
    return lambda fragment="": open_page(fragment, ignore_https_errors=True)


def test_drawing_typing_and_downloading_work_below_a_path(open_there: Open, tmp_path: Path) -> None:
    page = open_there()
    draw(page, "source", SEVEN)
    draw(page, "target", ONE)
    drawn = after(page, lambda: page.click("#morph"))
    assert numbers(drawn) == ["7", "1"]
    assert_playing(page)
    page = open_there("#type")
    page.fill("#type-source input", "32")
    page.fill("#type-target input", "41")
    assert numbers(after(page, lambda: page.click("#morph"))) == ["32", "41"]
    with page.expect_download() as download:
        page.click("[data-format=mp4]")
    download.value.save_as(tmp_path / "morph.mp4")
    assert b"ftyp" in (tmp_path / "morph.mp4").read_bytes()[:16]


def test_every_tab_of_an_installed_package_is_full(open_there: Open) -> None:
    page = open_there()
    page.click("#options > button")
    for tab, full in FILLED.items():
        page.click(f"nav.tabs a[href$='#{tab}']")
        page.wait_for_function(full)


def test_a_video_is_sought_by_ranges(open_there: Open, address: str) -> None:
    page = open_there()
    asked: list[int] = []
    page.on("response", lambda r: asked.append(r.status) if "/file=" in r.url else None)
    # The page's own video came with its answer; what the API makes is a file at an address.
    client = client_of(address, ssl_verify=False, download_files=False)
    url = client.predict("32", "41", api_name="/morph_numbers")[0]["url"]
    client.close()
    assert url.startswith(f"{address}gradio_api/file=")
    with page.expect_response(lambda r: "/file=" in r.url and r.status == 206):
        reached = page.evaluate(
            """url => new Promise((done, failed) => {
            const video = Object.assign(document.createElement("video"), {muted: true, preload: "metadata"});
            video.onerror = () => failed(video.error.message);
            video.onloadedmetadata = () => { video.currentTime = video.duration / 2; };
            video.onseeked = () => done(video.currentTime / video.duration);
            video.src = url;
        })""",
            url,
        )
    assert reached == pytest.approx(0.5, abs=0.02)
    assert set(asked) <= {200, 206}
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(url, headers={"Range": "bytes=100-199"})
    with urllib.request.urlopen(request, timeout=30, context=trusting) as part:
        assert part.status == 206 and len(part.read()) == 100
        assert part.headers["Content-Range"].startswith("bytes 100-199/")


def test_links_are_of_the_outer_address(address: str) -> None:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(f"{address}config", timeout=30, context=trusting) as answer:
        text = answer.read().decode()
    assert f'"root":"{address.rstrip("/")}"' in text.replace(" ", "")
