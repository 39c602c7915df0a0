"""Weights from the Hub and to it, against a stand-in that speaks its protocol on loopback."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from serving import await_health, client_of, free_port, until
from stand_in_hub import TOKEN, Handler, StandIn, point_at

import vae
from vae import hub, weights
from vae.errors import WeightsError
from vae.model import build
from vae.training import publishing

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of huggingface_hub and gradio_client
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A Hub that huggingface_hub asks, with an empty cache and nobody logged in."""
    with StandIn() as running:
        point_at(running.url, tmp_path / "cache", monkeypatch)
        yield running


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A repo with the weights of a small model, and a bank that nobody opens."""
    path = tmp_path_factory.mktemp("tiny") / hub.MODEL
    torch.manual_seed(0)
    weights.save(build("mlp", widths=(8,), latent_dim=2), path)
    return {
        hub.MODEL: path.read_bytes(),
        hub.SUMS: weights.write_sums(path.parent).read_bytes(),
        "bank.safetensors": b"not opened",
        "pickle.bin": b"nobody fetches this",
    }


def fails(change: Callable[[Handler], None], method: str, part: str = hub.MODEL, times: int = 10**6) -> Callable:
    """A fault: `change` answers the first `times` requests of this method and part of the path."""
    count = itertools.count()

    def fault(request: Handler) -> bool:
        hit = request.command == method and part in request.path and next(count) < times
        if hit:
            change(request)
        return hit

    return fault


def refusal(repo: str = "me/digits") -> str:
    with pytest.raises(WeightsError) as caught:
        weights.find(repo)
    sentence = str(caught.value)
    assert "\n" not in sentence and "python train.py --model flagship --out runs/flagship" in sentence
    return sentence


def asked(stand_in: StandIn, method: str, part: str) -> int:
    return sum(verb == method and part in path for verb, path in stand_in.asked)


def test_a_repo_is_downloaded_once_and_then_read_from_the_cache(
    stand_in: StandIn, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.commit("me/digits", files)
    model = vae.load("me/digits")
    assert model.config.latent_dim == 2 and model.path is not None
    assert model.path.read_bytes() == files[hub.MODEL]
    assert sorted(p.name for p in model.path.parent.iterdir()) == sorted({*files} - {"pickle.bin"})
    stand_in.asked.clear()
    assert vae.load("me/digits").path == model.path
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert vae.load("me/digits").path == model.path
    monkeypatch.setenv("DIGIT_MORPH_WEIGHTS", "me/digits")
    assert weights.find() == model.path
    assert not stand_in.asked


def test_a_revision_is_that_revision(stand_in: StandIn, files: dict[str, bytes]) -> None:
    first = stand_in.commit("me/digits", files)
    assert weights.find("me/digits").parent.name == first
    second = stand_in.commit("me/digits", {"README.md": b"more"})
    assert weights.find(f"me/digits@{second}").parent.name == second
    assert weights.find(f"me/digits@{first}").parent.name == first
    assert weights.find("me/digits").parent.name == first  # what is in the cache is used
    assert "has no revision nightly" in refusal("me/digits@nightly")


def test_files_of_one_download_are_of_one_commit(stand_in: StandIn, files: dict[str, bytes]) -> None:
    first = stand_in.commit("me/digits", files)
    stand_in.fault = fails(lambda r: r.hub.commit("me/digits", {hub.MODEL: b""}) and r.refuse(500), "HEAD", "bank", 1)
    path = weights.find("me/digits")
    assert path.parent.name == first and path.with_name("bank.safetensors").exists()
    assert path.read_bytes() == files[hub.MODEL]


def test_offline_says_so_and_asks_nobody(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "me/digits is not in the Hub cache and HF_HUB_OFFLINE is set" in refusal()
    assert not stand_in.asked


def test_a_private_repo_needs_a_token(
    stand_in: StandIn, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.commit("me/secret", files, private=True)
    for missing in ("me/secret", "me/nothing"):  # the Hub tells the two apart to nobody
        assert f"the Hub has no {missing}, or it is private" in refusal(missing)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert weights.find("me/secret").read_bytes() == files[hub.MODEL]


def test_a_repo_without_a_model_is_said(stand_in: StandIn, files: dict[str, bytes]) -> None:
    stand_in.commit("me/empty", {"README.md": b"nothing here", hub.SUMS: files[hub.SUMS]})
    assert "me/empty holds no model.safetensors" in refusal("me/empty")


def content_of(request: Handler) -> bytes:
    name = request.path.rsplit("/", 1)[-1]
    return request.hub.repos["me/digits"].commits[-1][1][name]


def truncated(request: Handler) -> None:
    request.close_connection = True
    request.answer(content_of(request)[:100], Content_Length=str(len(content_of(request))))


def altered(request: Handler) -> None:
    content = content_of(request)
    request.answer(content[:-1] + bytes([content[-1] ^ 1]))


def broken(request: Handler) -> None:
    request.answer(b"<html>oops</html>", 500)


def gone(request: Handler, seconds: float = 0) -> None:
    time.sleep(seconds)
    request.close_connection = True
    request.connection.close()


FAULTS: dict[str, tuple[Callable[[Handler], None], str, str, str]] = {
    "gated": (lambda request: request.refuse(403, "GatedRepo"), "HEAD", hub.SUMS, "me/digits is gated"),
    "wrong token": (lambda request: request.refuse(403), "HEAD", hub.SUMS, "refuses the token for me/digits"),
    "a page": (lambda request: request.answer(b"<html>"), "HEAD", hub.SUMS, "what answers there is not the Hub"),
    "short": (lambda request: request.answer(b"short"), "GET", hub.MODEL, "the transfer broke off"),
    "altered": (altered, "GET", hub.MODEL, "model.safetensors came with a wrong sha256, twice"),
    "500": (broken, "HEAD", hub.SUMS, "it answered 500"),
    "500 for the bank": (broken, "GET", "bank", "it answered 500"),
    "gone": (gone, "HEAD", hub.SUMS, "it cannot be reached"),
    "silent": (lambda request: gone(request, 0.5), "HEAD", hub.SUMS, "it cannot be reached"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_said_and_leaves_nothing_behind(
    fault: str, stand_in: StandIn, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    change, method, part, sentence = FAULTS[fault]
    stand_in.commit("me/digits", files)
    stand_in.fault = fails(change, method, part)
    assert sentence in refusal()
    stand_in.fault = lambda request: False
    with monkeypatch.context() as offline:
        offline.setattr(constants, "HF_HUB_OFFLINE", True)
        assert "not in the Hub cache" in refusal()
    assert weights.find("me/digits").read_bytes() == files[hub.MODEL]


@pytest.mark.parametrize("repo", ["me/digits", "me/digits@main2"])
def test_a_hub_that_is_silent_for_long_is_given_up(
    repo: str, stand_in: StandIn, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """huggingface_hub itself waits for each answer, and asks for it again, for more than six minutes."""
    answers = threading.Event()
    stand_in.commit("me/digits", files)
    stand_in.fault = fails(lambda request: gone(request, not answers.wait(60)), "HEAD", hub.SUMS)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 60)
    monkeypatch.setattr(hub, "SECONDS", 0.3)
    began = time.monotonic()
    said = refusal(repo)
    assert f"did not send {repo} within 0 seconds" in said and time.monotonic() - began < 20
    assert ("run `hf download me/digits --revision main2`" if "@" in repo else "run `hf download me/digits`") in said
    answers.set()
    until(lambda: not any(thread.name.startswith("hub ") for thread in threading.enumerate()))


@pytest.mark.parametrize(("change", "method"), [(truncated, "GET"), (altered, "GET"), (broken, "HEAD")])
def test_a_fault_that_passes_is_overcome(
    change: Callable[[Handler], None], method: str, stand_in: StandIn, files: dict[str, bytes]
) -> None:
    stand_in.commit("me/digits", files)
    stand_in.fault = fails(change, method, times=1)
    assert weights.find("me/digits").read_bytes() == files[hub.MODEL]
    assert asked(stand_in, method, hub.MODEL) == 2


def test_a_file_that_the_repo_lists_otherwise_is_refused(stand_in: StandIn, files: dict[str, bytes]) -> None:
    stand_in.commit("me/digits", {**files, hub.SUMS: weights.sums_text({"bank.safetensors": "0" * 64}).encode()})
    for _ in range(2):  # the next start asks again
        assert "me/digits: bank.safetensors came with a wrong sha256, twice" in refusal()
    assert asked(stand_in, "GET", "bank") == 3  # at the first start, again, and at the next one again


def test_a_copy_in_the_cache_is_refused_once_it_was_altered(stand_in: StandIn, files: dict[str, bytes]) -> None:
    stand_in.commit("me/digits", {hub.MODEL: files[hub.MODEL]})
    path = weights.find("me/digits")
    blob = path.resolve()
    blob.symlink_to(blob.rename(blob.with_name("f" * 64)))  # as a store that several repos share has it
    assert vae.load("me/digits").path == path
    path.write_bytes(files[hub.MODEL][:-1] + b"?")
    with pytest.raises(WeightsError, match=r"model\.safetensors is not the file .*fetch it again"):
        vae.load("me/digits")


def test_no_hub_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at("http://127.0.0.1:9", tmp_path, monkeypatch)
    assert "it cannot be reached" in refusal()


def test_a_repo_is_told_from_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert hub.repo_named("me/digits") == ("me/digits", "main")
    assert hub.repo_named("me/digits@v1.0") == ("me/digits", "v1.0")
    (tmp_path / "runs").mkdir()
    for path in ("runs/mpl", "me/model.safetensors", "flagship", "/me/digits", "a/b/c", "../b", "me/digits@"):
        assert hub.repo_named(path) is None
    with pytest.raises(WeightsError, match=r"no weights at runs/mpl: .* train\.py --model flagship --out"):
        weights.find("runs/mpl")
    assert "no name that a repo can have" in refusal("me/digits--more..")


def test_nothing_of_the_hub_is_loaded_without_need() -> None:
    code = "import sys, vae; vae.load(); sys.exit('huggingface_hub' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_program_without_weights_morphs_with_those_of_the_hub(stand_in: StandIn, tmp_path: Path) -> None:
    files = publishing.contents("me/digits", weights.load("flagship"))
    stand_in.commit("me/digits", {k: v if isinstance(v, bytes) else v.read_bytes() for k, v in files.items()})
    empty = tmp_path / "empty"
    shutil.copytree(ROOT / "vae", empty / "vae", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", empty)
    port = free_port()
    told = {
        "HF_ENDPOINT": stand_in.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "DIGIT_MORPH_WEIGHTS": "me/digits",
        "GRADIO_SERVER_PORT": str(port),
        "PYTHONPATH": str(empty),
    }
    server = subprocess.Popen([sys.executable, "app.py"], cwd=empty, env={**os.environ, **told})
    try:
        await_health(server, f"http://127.0.0.1:{port}/healthz")
        client = client_of(f"http://127.0.0.1:{port}", download_files=tmp_path)
        path, read = client.predict("32", "41", steps=4, size=64, api_name="/morph_numbers")
        client.close()
    finally:
        server.terminate()
        server.wait(30)
    assert Path(path).stat().st_size > 0 and read["source"]["number"] == "32"
    same = vae.produce(vae.MorphRequest("32", "41", steps=4, size=64, speed="turn")).files["mp4"]
    assert Path(path).read_bytes() == same  # as with the shipped weights
    assert asked(stand_in, "GET", ".safetensors") == 4  # model, bank, reader and segmenter, once
