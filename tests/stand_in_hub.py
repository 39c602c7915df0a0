"""A Hugging Face Hub on loopback, for tests: what huggingface_hub asks to download weights and to upload them,
where every file is small enough to travel within a request.

    with StandIn() as hub:
        point_at(hub.url, cache, monkeypatch)
        hub.commit("me/digits", {"model.safetensors": b"..."})
        ...
        hub.asked                # [("HEAD", "/me/digits/resolve/..."), ...]

`hub.fault` may answer a request in its stead, to play a Hub that is busy, broken or slow.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

import pytest
import yaml
from huggingface_hub import constants, file_download
from huggingface_hub.utils import _http

TOKEN = "hf_" + "x" * 34
Files = dict[str, bytes]


@dataclass
class Repo:
    private: bool = False
    commits: list[tuple[str, Files]] = field(default_factory=list)

    def at(self, revision: str) -> tuple[str, Files] | None:
        if revision == "main":
            return self.commits[-1] if self.commits else ("0" * 40, {})
        return next((commit for commit in self.commits if commit[0] == revision), None)


class StandIn:
    def __init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.repos: dict[str, Repo] = {}
        self.asked: list[tuple[str, str]] = []
        self.fault: Callable[[Handler], bool] = lambda request: False

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def commit(self, name: str, files: Mapping[str, bytes], private: bool = False) -> str:
        """Add a commit in which `files` are changed; returns its hash."""
        repo = self.repos.setdefault(name, Repo(private))
        before = repo.commits[-1][1] if repo.commits else {}
        sha = hashlib.sha1(f"{name} {len(repo.commits)}".encode()).hexdigest()
        repo.commits.append((sha, {**before, **files}))
        return sha


def point_at(url: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment would have told huggingface_hub when it was imported, and retries without pauses."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.2)
    monkeypatch.setattr(file_download, "_ETAG_RETRY_TIMEOUT", 0.2)
    for module in (_http, file_download):
        monkeypatch.setattr(module, "time", types.SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.delenv("HF_TOKEN", raising=False)


class Handler(BaseHTTPRequestHandler):
    hub: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # a client that gave up
            self.close_connection = True

    def do_GET(self) -> None:
        self.authorized = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        path = unquote(self.path.partition("?")[0])
        if not path.startswith("/api/agent"):  # asked once, in some surroundings, for statistics
            self.hub.asked.append((self.command, path))
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.hub.fault(self):
            return None
        for pattern, method in ROUTES:
            if match := re.fullmatch(pattern, path):
                if self.command == "POST" and not self.authorized:
                    return self.refuse(401, message="Invalid username or password.")
                return method(self, *match.groups())
        return self.refuse(404)

    do_HEAD = do_POST = do_GET  # noqa: N815

    def answer(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, content: Any, status: int = 200) -> None:
        self.answer(json.dumps(content).encode(), status, Content_Type="application/json")

    def refuse(self, status: int, code: str = "", message: str = "", **headers: str) -> None:
        named = {"X_Error_Code": code} if code else {}
        self.answer(b"{}", status, X_Error_Message=message or code or "Not found", **named, **headers)

    def found(self, name: str, revision: str) -> tuple[str, Files] | None:
        """The commit asked for; None once it was refused."""
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self.authorized):
            self.refuse(401 if not self.authorized else 404, "RepoNotFound", "Repository not found")
            return None
        commit = repo.at(revision)
        if commit is None:
            self.refuse(404, "RevisionNotFound", "Invalid rev id")
        return commit

    def resolve(self, name: str, revision: str, path: str) -> None:
        if (commit := self.found(name, revision)) is None:
            return None
        if (content := commit[1].get(path)) is None:
            return self.refuse(404, "EntryNotFound", "Entry not found", X_Repo_Commit=commit[0])
        large = path.endswith(".safetensors")
        etag = hashlib.sha256(content).hexdigest() if large else git_hash(content)
        return self.answer(content, ETag=f'"{etag}"', X_Repo_Commit=commit[0])

    def info(self, name: str, revision: str) -> None:
        if commit := self.found(name, revision):
            self.json({"id": name, "sha": commit[0], "private": self.hub.repos[name].private, "tags": []})

    def create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        there = name in self.hub.repos
        self.hub.repos.setdefault(name, Repo(private=asked.get("visibility") == "private"))
        self.json({"url": f"{self.hub.url}/{name}", "name": name}, 409 if there else 200)

    def validate(self) -> None:
        match = re.match(r"---\n(.*?)\n---\n", json.loads(self.body)["content"], re.DOTALL)
        read = yaml.safe_load(match[1]) if match else None
        errors = [] if isinstance(read, dict) and read.get("license") else [{"message": "no license"}]
        self.json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def preupload(self, name: str, revision: str) -> None:
        """How each file is to be sent, and what it is now."""
        if commit := self.found(name, revision):
            known = {path: {"oid": git_hash(content)} for path, content in commit[1].items()}
            paths = [asked["path"] for asked in json.loads(self.body)["files"]]
            plain = {"uploadMode": "regular", "shouldIgnore": False}
            self.json({"files": [{"path": path, **plain, **known.get(path, {})} for path in paths]})

    def commit(self, name: str, revision: str) -> None:
        lines = [json.loads(line) for line in self.body.splitlines()]
        files = [line["value"] for line in lines if line["key"] == "file"]
        sha = self.hub.commit(name, {file["path"]: base64.b64decode(file["content"]) for file in files})
        self.json({"commitUrl": f"{self.hub.url}/{name}/commit/{sha}", "commitOid": sha, "success": True})


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


NAME = r"([\w.-]+/[\w.-]+)"
ROUTES: tuple[tuple[str, Callable[..., None]], ...] = (
    (rf"/{NAME}/resolve/([^/]+)/(.+)", Handler.resolve),
    (rf"/api/models/{NAME}/revision/([^/]+)", Handler.info),
    ("/api/repos/create", Handler.create),
    ("/api/validate-yaml", Handler.validate),
    (rf"/api/models/{NAME}/preupload/([^/]+)", Handler.preupload),
    (rf"/api/models/{NAME}/commit/([^/]+)", Handler.commit),
)
