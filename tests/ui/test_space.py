"""What the README tells the Hugging Face Hub, the container's files, and where the app listens."""

from __future__ import annotations

import ast
import re
import sys
import tarfile
import tomllib
import types
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from PIL import Image
from serving import ROOT, copied_by_the_dockerfile

import app

COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
# https://huggingface.co/docs/hub/spaces-config-reference
KEYS = {
    "title",
    "emoji",
    "colorFrom",
    "colorTo",
    "sdk",
    "python_version",
    "sdk_version",
    "suggested_hardware",
    "suggested_storage",
    "app_file",
    "app_build_command",
    "app_port",
    "base_path",
    "fullWidth",
    "header",
    "short_description",
    "models",
    "datasets",
    "tags",
    "thumbnail",
    "pinned",
    "hf_oauth",
    "hf_oauth_scopes",
    "hf_oauth_expiration_minutes",
    "disable_embedding",
    "startup_duration_timeout",
    "custom_headers",
    "preload_from_hub",
    "license",
}


@pytest.fixture(scope="module")
def front() -> dict[str, Any]:
    match = re.match(r"---\n(.*?)\n---\n\n# Digit Morph\n", (ROOT / "README.md").read_text(), re.DOTALL)
    assert match
    return yaml.safe_load(match[1])


def test_front_matter_is_what_the_hub_documents(front: dict[str, Any]) -> None:
    assert not set(front) - KEYS
    assert {front["colorFrom"], front["colorTo"]} <= COLOURS
    assert (front["sdk"], front["license"]) == ("gradio", "mit")
    assert len(front["title"]) <= 60 and len(front["short_description"]) <= 60
    assert re.fullmatch(r"[^\w\s]", front["emoji"])
    assert re.fullmatch(r"3\.\d+", front["python_version"])
    assert isinstance(front["pinned"], bool) and isinstance(front["fullWidth"], bool)
    assert all(isinstance(front[key], list) for key in ("models", "datasets", "tags"))
    assert (ROOT / front["app_file"]).is_file()


def locked() -> dict[str, str]:
    """The version of every package in the lock, under its name as requirements write it."""
    lines = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    return {name.lower().replace("_", "-"): version for name, version in lines}


def test_the_space_gets_the_gradio_that_is_tested(front: dict[str, Any]) -> None:
    pinned = locked()["gradio"]
    asked = re.search(r"^gradio\[mcp\]>=(\S+),<([\d.]+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert asked and pinned == front["sdk_version"]

    def parts(version: str) -> tuple[int, ...]:
        return tuple(map(int, version.split(".")))

    assert parts(asked[1]) <= parts(front["sdk_version"]) < parts(asked[2])


def test_the_space_installs_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = (line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#"))
    assert sorted(asked) == sorted(project["dependencies"] + project["optional-dependencies"]["train"])


def test_what_the_program_imports_is_asked_for_and_pinned() -> None:
    """Not left to come along with another package; and the lock file leaves none of it open."""
    imported = set()
    for path in [*(ROOT / "vae").rglob("*.py"), ROOT / "app.py", ROOT / "train.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    imported -= set(sys.stdlib_module_names) | {"vae", "spaces"}  # `spaces` is there on a Space alone
    packages = {"PIL": "pillow", "cv2": "opencv-python-headless", "python_multipart": "python-multipart"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked, tests = (
        {re.match(r"[\w.-]+", line)[0].lower() for line in lines}  # type: ignore[index]
        for lines in (
            project["dependencies"] + project["optional-dependencies"]["train"],
            project["optional-dependencies"]["test"],
        )
    )
    assert {packages.get(name, name) for name in imported} == asked
    assert {name.replace("_", "-") for name in asked | tests} <= locked().keys()


def test_what_is_installed_by_the_lock_is_what_was_tested() -> None:
    """Every package has hashes, of which pip wants one; the image takes the lock's torch, of another index."""
    lock = (ROOT / "requirements.lock").read_text()
    packages = re.split(r"^(?=\w)", lock, flags=re.MULTILINE)[1:]
    assert len(packages) == len(locked()) > 100
    assert all(re.search(r" --hash=sha256:[0-9a-f]{64}$", package, re.MULTILINE) for package in packages)
    patterns = re.findall(r"grep -oE '([^']+)' /tmp/requirements\.lock", (ROOT / "Dockerfile").read_text())
    taken = [match[0] for pattern in patterns for match in re.finditer(pattern, lock, re.MULTILINE)]
    versions = locked()
    assert sorted(taken) == [f"{name}=={versions[name]}" for name in ("pip", "torch", "torchvision")]
    assert "--require-hashes -r requirements.lock" in (ROOT / ".ci" / "run").read_text()


def test_the_thumbnail_is_one(front: dict[str, Any]) -> None:
    url = urlsplit(front["thumbnail"])
    assert url.scheme == "https" and url.path.endswith("/resolve/main/docs/thumbnail.png")
    with Image.open(ROOT / "docs" / "thumbnail.png") as picture:
        assert picture.size == (1200, 630)


def test_where_it_listens() -> None:
    assert app.host_and_port({}) == ("127.0.0.1", 7860)
    assert app.host_and_port({"SPACE_ID": "me/digits"}) == ("0.0.0.0", 7860)
    told = {"GRADIO_SERVER_NAME": "127.0.0.2", "GRADIO_SERVER_PORT": "8000", "SPACE_ID": "me/digits"}
    assert app.host_and_port(told) == ("127.0.0.2", 8000)
    assert app.host_and_port({"PORT": "9000"}) == ("127.0.0.1", 9000)


def test_zero_gpu_is_told_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    marked: list[Any] = []
    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=marked.append))
    app.report_to_zero_gpu({})
    assert not marked
    app.report_to_zero_gpu({"SPACES_ZERO_GPU": "true"})
    assert len(marked) == 1


def test_the_image_gets_all_it_needs_and_no_more() -> None:
    """It cannot be built here: what it copies must be let through."""
    let = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {name for name, _ in copied_by_the_dockerfile()}
    mounted = set(re.findall(r"source=(\S+?),", dockerfile))
    assert copied | mounted == let
    assert "\nUSER 1000\n" in dockerfile and "/healthz" in dockerfile


def test_a_container_has_what_evaluation_and_training_left(address: str) -> None:
    """What other tests see of the page comes from a container's files as well; this may be missed in silence."""
    page = " ".join(str(part["props"]) for part in httpx.get(f"{address}config", timeout=60).json()["components"])
    assert page.count('class="validation"') == len(list((ROOT / "docs" / "training").iterdir())) == 6
    assert page.count('class="scores"') == 3


def test_the_package_holds_what_the_program_needs_and_no_more(built: Path, installed: Path) -> None:
    def files(folder: Path, inside: str = "") -> set[str]:
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return {inside + path.as_posix() for path in found if "__pycache__" not in path.parts}

    shipped = files(ROOT / "weights", "assets/weights/") | files(ROOT / "docs" / "training", "assets/docs/training/")
    assert files(installed / "vae") == files(ROOT / "vae") | shipped | {"assets/docs/evaluation.json"}
    assert {path.suffix or path.name for path in installed.iterdir()} == {"bin", "vae", ".dist-info"}
    with tarfile.open(*built.glob("*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"vae/{name}" for name in files(ROOT / "vae")} | {"app.py", "weights/SHA256SUMS"} <= names
    assert not [name for name in names if name.startswith(("tests", "runs", ".ci")) or "ubyte" in name]


def test_the_workflow_tests_before_it_uploads() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/space.yml").read_text())
    test, deploy = workflow["jobs"]["test"], workflow["jobs"]["deploy"]
    assert test["steps"][-1]["run"].startswith(".ci/run ")
    assert test["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert deploy["needs"] == "test" and "hf upload" in deploy["steps"][-1]["run"]
    documented = (ROOT / "docs" / "deploying.md").read_text()
    (excluded,) = re.findall(r"hf upload user/digit-morph \. \. --repo-type space (.+)", documented)
    assert deploy["steps"][-1]["run"].strip().endswith(excluded)
    assert "\n.ci/run\n" in (ROOT / "README.md").read_text()
    secrets = re.findall(r"secrets\.(\w+)", (ROOT / ".github/workflows/space.yml").read_text())
    assert secrets == ["HF_TOKEN"]
