"""What tests share: real data where it is to be had, and CI's rule that nothing is skipped there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path

import made_up
import pytest
import torch
from serving import ROOT, await_health, copied_by_the_dockerfile, free_port

from vae import weights
from vae.bank import bank_of
from vae.classifier import load_classifier
from vae.model import VAE, build
from vae.pipeline import Pipeline, default_pipeline
from vae.training import bank_builder, data, loop, surrogates, vaes

torch.set_num_threads(1)
LITTLE = surrogates.Effort(points=2_000, paths=30, width=48, steps=400)


def folder(variable: str) -> Path:
    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no folder")
    return Path(os.environ[variable])


@pytest.fixture(scope="session")
def mnist() -> Path:
    """A folder that torchvision's MNIST reads."""
    return folder("DIGIT_MORPH_DATA")


@pytest.fixture(scope="session")
def sketches() -> Path:
    """A folder of drawings, LABEL_NUMBER.png."""
    return folder("DIGIT_MORPH_SKETCHES")


@pytest.fixture(scope="session")
def pictures() -> data.Pictures:
    """Made-up digits, 28x28."""
    return made_up.digits(600)


@pytest.fixture(scope="session")
def stack(pictures: data.Pictures) -> Callable[..., torch.Tensor]:
    """stack("32"): a number of the made-up digits, (2, 1, 28, 28)."""
    x = data.as_floats(pictures.images)

    def number(text: str, seed: int = 0) -> torch.Tensor:
        return torch.stack([x[10 * ((i + 3 * seed) % 30) + int(digit)] for i, digit in enumerate(text)])

    return number


@pytest.fixture(scope="session")
def small(pictures: data.Pictures, tmp_path_factory: pytest.TempPathFactory) -> VAE:
    """A real model in small: trained on the made-up digits, loaded from its file, its bank beside it."""
    out = tmp_path_factory.mktemp("small")
    torch.manual_seed(0)
    model = build("mlp", widths=(64,), latent_dim=8)
    splits = data.Splits(pictures[:280], pictures[280:320], pictures[280:320])
    recipe = vaes.VAETrainConfig(epochs=25, batch_size=20, lr=4e-3, ema=0.9)
    vaes.fit_vae(loop.Run(model, recipe, splits, out, device="cpu"))
    model = weights.load(out)
    bank_builder.build_bank(
        model, load_classifier("reader"), pictures[:200], pictures[200:], out / "bank.safetensors", LITTLE
    )
    return model


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    """The shipped models, loaded once."""
    return default_pipeline()


@pytest.fixture(scope="session")
def small_pipeline(small: VAE, pipeline: Pipeline) -> Pipeline:
    """The same, to morph with the small model."""
    return replace(pipeline, model=small, bank=bank_of(small))


@pytest.fixture(scope="session")
def flagship(pipeline: Pipeline) -> VAE:
    """The shipped model, the very one that requests use, so that its bank is read once."""
    return pipeline.model


@pytest.fixture(scope="session")
def container(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what a container has: the files that the Dockerfile copies, alone."""
    folder = tmp_path_factory.mktemp("container")
    for name, target in copied_by_the_dockerfile():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / target)
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("built")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="session")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH, into which the wheel is installed; its command is bin/digit-morph."""
    folder = tmp_path_factory.mktemp("installed")
    install = ["install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", "--target", folder]
    subprocess.run([sys.executable, "-m", "pip", *install, *built.glob("*.whl")], check=True)
    return folder


@pytest.fixture(scope="session")
def served(container: Path) -> Iterator[tuple[str, int]]:
    """Where `python app.py` serves the page from what a container has, for all tests, and its process's number."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], cwd=container)
    try:
        await_health(server, f"http://127.0.0.1:{port}/healthz")
        yield f"http://127.0.0.1:{port}/", server.pid
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="session")
def address(served: tuple[str, int]) -> str:
    """Where `python app.py` serves the page."""
    return served[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("DIGIT_MORPH_NO_SKIP") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report
