"""Weights from the Hub and to it, against a stand-in that speaks its protocol on loopback."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import made_up
import pytest
import torch
from huggingface_hub import ModelCard, constants
from serving import await_health, client_of, free_port
from stand_in_hub import TOKEN, Handler, StandIn

import train
import vae
from vae import __main__, hub, sums, weights
from vae.errors import WeightsError
from vae.hub import Repo
from vae.model import VAE, build
from vae.training import publishing

ROOT = Path(__file__).resolve().parent.parent
ME = Repo("me/digits", "main")

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


def point_at(url: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment would have told huggingface_hub when it was imported."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(hub, "PAUSE", 0.01)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A repo with the weights of a small model."""
    path = tmp_path_factory.mktemp("tiny") / "model.safetensors"
    torch.manual_seed(0)
    weights.save(build("mlp", widths=(8,), latent_dim=2), path)
    digest = sums.fingerprint(path)
    return {
        hub.MODEL: path.read_bytes(),
        sums.NAME: sums.as_text({hub.MODEL: digest}).encode(),
        "README.md": b"# Digits",
        "pickle.bin": b"nobody fetches this",
    }


def fails(change: Callable[[Handler], None], method: str, part: str, times: int = 10**6) -> Callable:
    """A fault: `change` answers the first `times` requests of this method and part of the path."""
    count = itertools.count()

    def fault(request: Handler) -> bool:
        hit = request.command == method and part in request.path and next(count) < times
        if hit:
            change(request)
        return hit

    return fault


def refusal(repo: str, seconds: float = 10) -> str:
    with pytest.raises(WeightsError) as caught:
        hub.fetch(hub.repo_named(repo) or ME, seconds)
    sentence = str(caught.value)
    assert "\n" not in sentence and "Traceback" not in sentence
    return sentence


def asked(stand_in: StandIn, method: str, part: str) -> int:
    return sum(verb == method and part in path for verb, path in stand_in.asked)


# --- download -------------------------------------------------------------------------------------


def test_a_repo_is_downloaded_once_and_then_read_from_the_cache(
    stand_in: StandIn, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.commit("me/digits", files)
    model = vae.load("me/digits")
    assert model.config.latent_dim == 2 and model.path is not None
    assert model.path.read_bytes() == files[hub.MODEL]
    assert sorted(p.name for p in model.path.parent.iterdir()) == sorted([hub.MODEL, sums.NAME])
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


def test_offline_says_so_and_asks_nobody(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    sentence = refusal("me/digits")
    assert "me/digits is not in the Hub cache and HF_HUB_OFFLINE is set" in sentence
    assert "python train.py --model flagship --out runs/flagship" in sentence
    assert not stand_in.asked


def test_a_private_repo_needs_a_token(
    stand_in: StandIn, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.commit("me/secret", files, private=True)
    for missing in ("me/secret", "me/nothing"):  # the Hub tells the two apart to nobody
        assert f"the Hub has no {missing}, or it is private" in refusal(missing)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    stand_in.asked.clear(), stand_in.authorized.clear()
    assert weights.find("me/secret").read_bytes() == files[hub.MODEL]
    assert stand_in.authorized
    assert all(known != path.startswith("/cdn/") for path, known in stand_in.authorized)  # storage gets no token


def test_a_wrong_token_is_said(stand_in: StandIn, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.commit("me/digits", files)
    stand_in.fault = fails(lambda r: r.refuse(403, message="no"), "GET", "/api/models/")
    assert "refuses the token for me/digits" in refusal("me/digits")
    assert len(stand_in.asked) == 1


def test_a_repo_without_a_model_is_said(stand_in: StandIn) -> None:
    stand_in.commit("me/empty", {"README.md": b"nothing here"})
    assert "me/empty holds no model.safetensors" in refusal("me/empty")


def truncated(request: Handler) -> None:
    content = request.hub.objects[request.path.rsplit("/", 1)[-1]]
    request.close_connection = True
    request.answer(content[:100], Content_Length=str(len(content)))


def short(request: Handler) -> None:
    request.answer(request.hub.objects[request.path.rsplit("/", 1)[-1]][:100])


def altered(request: Handler) -> None:
    content = request.hub.objects[request.path.rsplit("/", 1)[-1]]
    request.answer(content[:-1] + bytes([content[-1] ^ 1]))


def page(request: Handler) -> None:
    request.answer(b"<html>Please log in to the hotel's network</html>", Content_Type="text/html")


def busy(seconds: int) -> Callable[[Handler], None]:
    return lambda request: request.answer(b"{}", 429, Retry_After=str(seconds))


def broken(request: Handler) -> None:
    request.answer(b"<html>oops</html>", 500)


def gone(request: Handler) -> None:
    request.close_connection = True
    request.connection.close()


FAULTS = {
    "truncated": (truncated, "GET", "/cdn/", "broke off|connection breaks"),
    "short": (short, "GET", "/cdn/", "broke off"),
    "altered": (altered, "GET", "/cdn/", "model.safetensors came with a wrong sha256"),
    "page for the file": (page, "GET", "/cdn/", "broke off"),
    "page for the answer": (page, "GET", "/revision/main", "what answers there is not the Hub"),
    "page for the head": (page, "HEAD", "/resolve/", "what answers there is not the Hub"),
    "500 at first": (broken, "GET", "/revision/main", "answered 500"),
    "500 for the file": (broken, "GET", "/cdn/", "answered 500"),
    "429": (busy(600), "GET", "/revision/main", r"answered 429 \(it asks to wait 600 seconds\)"),
    "gone": (gone, "GET", "/revision/main", "cannot be reached|broke off"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_overcome_or_said_after_three_tries(fault: str, stand_in: StandIn, files: dict[str, bytes]) -> None:
    change, method, part, sentence = FAULTS[fault]
    stand_in.commit("me/digits", files)
    stand_in.fault = fails(change, method, part)
    began = time.monotonic()
    with pytest.raises(WeightsError, match=f"the Hub did not send me/digits: .*({sentence}).*train.py"):
        hub.fetch(ME, 60)
    assert time.monotonic() - began < 50  # nobody waits in vain, for 429's ten minutes or to the deadline
    assert hub.cached(ME) is None
    most = max(asked(stand_in, method, path) for _, path in set(stand_in.asked))
    assert 1 <= most <= 3
    once = busy(0) if fault == "429" else change
    stand_in.fault = fails(once, method, part, times=1)  # and the next time it passes
    assert hub.fetch(ME).read_bytes() == files[hub.MODEL]


def test_what_the_hub_asks_to_wait_is_waited(
    stand_in: StandIn, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(hub, "time", types.SimpleNamespace(monotonic=time.monotonic, sleep=waited.append))
    stand_in.commit("me/digits", files)
    stand_in.fault = fails(busy(7), "GET", "/revision/main", times=1)
    hub.fetch(ME)
    assert waited == [7] and asked(stand_in, "GET", "/revision/main") == 2
    assert hub.wait_asked_for({"ratelimit": '"api";r=0;t=55'}) == 55
    assert hub.wait_asked_for({"ratelimit": '"api";r=3;t=55', "retry-after": "soon"}) == 0


def test_a_trickle_meets_the_deadline(stand_in: StandIn, files: dict[str, bytes]) -> None:
    over = threading.Event()

    def trickle(request: Handler) -> None:
        content = request.hub.objects[request.path.rsplit("/", 1)[-1]]
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        for byte in content:
            request.wfile.write(bytes([byte]))
            if over.wait(0.05):
                break
        request.close_connection = True

    stand_in.commit("me/digits", files)
    stand_in.fault = fails(trickle, "GET", "/cdn/")
    began = time.monotonic()
    assert "did not send me/digits within 3 seconds" in refusal("me/digits", 3)
    assert time.monotonic() - began < 60  # the whole would take minutes
    over.set()
    assert asked(stand_in, "GET", "/cdn/") == 1


def test_no_hub_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at("http://127.0.0.1:9", tmp_path, monkeypatch)
    assert "it cannot be reached" in refusal("me/digits")


def test_a_repo_is_told_from_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert hub.repo_named("me/digits") == ("me/digits", "main")
    assert hub.repo_named("me/digits@v1.0") == ("me/digits", "v1.0")
    (tmp_path / "runs").mkdir()
    for path in ("runs/mpl", "me/model.safetensors", "flagship", "/me/digits", "a/b/c", "../b", "me/digits@"):
        assert hub.repo_named(path) is None
    with pytest.raises(WeightsError, match=r"no weights at runs/mpl: .* train\.py --model flagship --out"):
        weights.find("runs/mpl")
    with pytest.raises(WeightsError, match="no name that a repo can have"):
        weights.find("me/digits--more..")


def test_nothing_of_the_hub_is_loaded_without_need() -> None:
    code = "import sys, vae; vae.load(); sys.exit('huggingface_hub' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


# --- sums -----------------------------------------------------------------------------------------


def test_shipped_files_are_those_that_are_listed() -> None:
    listed = sums.read(weights.SHIPPED)
    assert set(listed) == {path.name for path in weights.SHIPPED.glob("*.safetensors")}
    for name, digest in listed.items():
        assert sums.fingerprint(weights.SHIPPED / name) == digest, "run: python -m vae sums"


def test_a_file_that_is_not_the_listed_one_is_refused_until_it_is_listed(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "flagship.safetensors"
    path.write_bytes(files[hub.MODEL])
    (tmp_path / sums.NAME).write_text(sums.as_text({path.name: "0" * 64}))
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    with pytest.raises(WeightsError, match=r"flagship\.safetensors is not the file .*python -m vae sums"):
        vae.load("flagship")
    __main__.main(["sums"])
    assert capsys.readouterr().out.strip() == str(tmp_path / sums.NAME)
    assert vae.load("flagship").config.latent_dim == 2
    checked = subprocess.run(["sha256sum", "-c", sums.NAME], cwd=tmp_path, capture_output=True)
    assert checked.returncode == 0


# --- upload ---------------------------------------------------------------------------------------


def pixels(model: VAE) -> list[float]:
    source, target = torch.rand(2, 1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return vae.morph(model, source, target, steps=5).flatten().tolist()


def test_what_is_published_comes_back_the_same(
    stand_in: StandIn, small: VAE, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert small.path is not None
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    __main__.main(["publish", "me/small", "--weights", str(small.path.parent), "--private"])
    assert capsys.readouterr().out.strip() == f"{stand_in.url}/me/small"
    assert stand_in.repos["me/small"].private
    again = vae.load("me/small")
    assert again.path is not None and again.path != small.path
    for name in (hub.MODEL, "bank.safetensors"):
        assert again.path.with_name(name).read_bytes() == small.path.with_name(name).read_bytes()
    assert pixels(again) == pixels(small)  # by the handwritten path, so the bank is there and fits
    __main__.main(["publish", "me/small", "--weights", str(small.path.parent)])  # once more: nothing changes
    assert len(stand_in.repos["me/small"].commits) == 1


def test_the_card_says_what_it_is(
    stand_in: StandIn, small: VAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert small.path is not None
    run = shutil.copytree(small.path.parent, tmp_path / "run")
    (run / "report.json").write_text(json.dumps({"test": {"total": 12.345, "kl": 2.0}}))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    publishing.publish("me/small", weights.load(run))
    content = stand_in.repos["me/small"].commits[-1][1]
    card = ModelCard(content["README.md"].decode())
    assert card.data.license == "mit" and card.data.datasets == ["ylecun/mnist"]
    figures = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert figures == {"grey NELBO": 12.35, "KL": 2.0} or figures == {"grey NELBO": 12.34, "KL": 2.0}
    for said in ('vae.load("me/small")', "samples.png", "Limitations", '"latent_dim": 8', "built from them"):
        assert said in card.text
    assert content["samples.png"].startswith(b"\x89PNG")
    assert set(sums.from_text(content[sums.NAME].decode())) == {hub.MODEL, "bank.safetensors", "reader.safetensors"}


def test_a_training_publishes_what_came_out(stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up.write_mnist(tmp_path, made_up.digits(100), made_up.digits(30, seed=1))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    out = tmp_path / "run"
    quick = ["--epochs", "1", "--device", "cpu", "--threads", "1", "--latent-dim", "3"]
    train.main(["--model", "mlp", "--data", str(tmp_path), "--out", str(out), *quick, "--push-to-hub", "me/mlp"])
    content = stand_in.repos["me/mlp"].commits[-1][1]
    assert content[hub.MODEL] == (out / hub.MODEL).read_bytes()
    assert content["curves.png"] == (out / "curves.png").read_bytes()
    card = content["README.md"].decode()
    assert "| grey NELBO |" in card and "There is no bank of them" in card
    with pytest.raises(SystemExit, match="publishes a VAE"):
        train.main(["--model", "reader", "--out", str(tmp_path / "reader"), "--push-to-hub", "me/reader"])


def test_a_bank_of_other_weights_is_not_published(
    stand_in: StandIn, small: VAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert small.path is not None
    run = shutil.copytree(small.path.parent, tmp_path / "run")
    weights.save(build("mlp", widths=(64,), latent_dim=8), run / hub.MODEL)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(WeightsError, match="built from other weights"):
        publishing.publish("me/small", weights.load(run))
    assert not stand_in.asked


def test_who_may_not_write_is_told(stand_in: StandIn, small: VAE, monkeypatch: pytest.MonkeyPatch) -> None:
    for token in (None, "hf_" + "y" * 34):
        if token:
            monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(WeightsError, match="log in with `hf auth login`"):
            publishing.publish("me/small", small)
    with pytest.raises(WeightsError, match="no name that a repo can have"):
        publishing.publish("me//small", small)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        publishing.publish("me/small", small)


# --- a program that has no weights of its own -----------------------------------------------------


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
    same = vae.produce(vae.MorphRequest("32", "41", steps=4, size=64)).files["mp4"]
    assert Path(path).read_bytes() == same  # as with the shipped weights
    assert asked(stand_in, "GET", "/cdn/") == 3  # model, bank and reader, once
