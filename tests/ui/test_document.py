"""The page as HTML: what is left out, what is named at once, and what is painted first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from vae.ui import document, gradio_build
from vae.ui.document import Document, as_script, without_api

# gradio leaves event loops and sockets to the garbage collector
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def build_demo() -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False, title="A & B </script>") as demo:
        gr.HTML(value="shown", elem_id="player")
        field = gr.Textbox("</script><script>alert(1)</script> & \u2028", elem_id="field")
        with gr.Row(visible=False):
            number = gr.Number(label="of the API alone")
            button = gr.Button(visible=False)
        button.click(lambda x: x, number, gr.Audio(visible=False), api_name="double")
        field.submit(lambda x: x, field, field, api_name="page")
    return demo


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return build_demo().config


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


def values_in(html: str) -> dict[str, Any]:
    return json.loads(re.search(r"window\.gradio_config = (.*?);window\.gradio_api_info", html, re.DOTALL)[1])  # type: ignore[index]


def test_what_the_api_alone_needs_is_left_out(config: dict[str, Any]) -> None:
    found = without_api(config)
    kinds = {part["type"] for part in found["components"]}
    assert {"html", "textbox"} <= kinds and not kinds & {"number", "audio", "button"}
    assert [event["api_name"] for event in found["dependencies"]] == ["page"]
    ids = {part["id"] for part in found["components"]}
    assert set(re.findall(r'"id": (\d+)', json.dumps(found["layout"]))) <= {str(found["layout"]["id"]), *map(str, ids)}
    ours = found["page"][""]
    assert set(ours["components"]) == ids and ours["dependencies"] == [found["dependencies"][0]["id"]]
    assert ours["layout"] == found["layout"]
    assert len(config["dependencies"]) == 2  # of which the rest of Gradio goes on to know


def test_values_cannot_end_the_script_they_stand_in(config: dict[str, Any]) -> None:
    text = as_script(config)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == json.loads(json.dumps(config))


def test_a_files_name_changes_with_what_is_in_it(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    before = Document(config).files
    assert Document(config).files == before
    monkeypatch.setattr(document, "bundle", lambda besides: "// another")
    after = Document(config).files
    changed = sorted(set(before) ^ set(after))
    assert len(changed) == 2 and all(name.startswith("/assets/digit-morph-page-") for name in changed)


def test_html_of_another_build_stays_as_it_is(config: dict[str, Any]) -> None:
    for html in ("", "<html><head></head><body></body></html>", "<script>window.gradio_config = {};</script>"):
        assert Document(config).dress(html) == html


def test_a_build_that_is_written_otherwise_names_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradio_build, "FRONTEND", tmp_path)
    gradio_build.needed.cache_clear()
    gradio_build.text_of.cache_clear()
    try:
        (tmp_path / "index.html").write_text('<script type="module" src="./assets/index-1.js"></script>')
        assert gradio_build.needed(frozenset({"html"})) == (["index-1.js"], ["index-1.js"])
    finally:
        gradio_build.needed.cache_clear()
        gradio_build.text_of.cache_clear()


def test_the_build_names_every_kind_of_part_and_only_files_that_are_there(page: httpx.Client) -> None:
    kinds = {part["type"] for part in values_in(page.get("/").text)["components"]}
    assert {"html", "button", "slider"} <= kinds
    frame, everything = gradio_build.needed(frozenset(kinds))
    assert set(frame) < set(everything)
    core = next(name for name in frame if name.startswith("core-"))
    for kind in kinds:
        assert next(gradio_build.components(core, [kind])).endswith(".js")
    for name in everything:
        assert (gradio_build.FRONTEND / "assets" / name).is_file()


def test_the_page_is_small_and_paints_before_it_asks_for_anything(page: httpx.Client) -> None:
    answer = page.get("/", headers={"accept-encoding": "gzip"})
    html = answer.text
    assert answer.headers["content-encoding"] == "gzip" and int(answer.headers["content-length"]) < 60_000
    head, _, body = html.partition("<body")
    assert "<script src=" not in head and 'rel="stylesheet"' not in head  # nothing that painting waits for
    frame, data = body.index('id="opening"'), body.index("window.gradio_config")
    assert frame < data < body.index('rel="stylesheet"') < body.index("<script defer") < body.index('type="module"')
    assert "{" not in re.sub(r"<script>.*?</script>", "", body[frame : data - len("<script>")], flags=re.DOTALL)
    names = [part["props"].get("label") for part in values_in(html)["components"]]
    assert "Options" in names and not any(
        part["api_visibility"] == "public" for part in values_in(html)["dependencies"]
    )
    for path in re.findall(r'(?:href|src)="\.(/assets/[^"]+)"', html):
        assert page.head(path).status_code == 200


def test_gradios_manual_and_other_clients_get_all_of_it(page: httpx.Client) -> None:
    for whole in (page.get("/?view=api").text, page.get("/config").text, page.get("/gradio_api/info").text):
        assert "morph_numbers" in whole and "ten_digits" in whole
    again = page.get("/", headers={"if-none-match": page.get("/").headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "etag" in page.head("/").headers
