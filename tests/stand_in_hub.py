"""A Hugging Face Hub on loopback, for tests: as much of its protocol as huggingface_hub speaks to download
weights and to upload them, without Xet.

    with StandIn() as hub:
        hub.commit("me/digits", {"model.safetensors": b"..."})
        ...                      # HF_ENDPOINT=hub.url
        hub.asked                # [("HEAD", "/me/digits/resolve/..."), ...]

`hub.fault` may answer a request in its stead, to play a Hub that is busy, broken or slow.

Run as a program it serves until it is stopped: python tests/stand_in_hub.py 8099
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_" + "x" * 34
LFS = (".safetensors", ".png", ".webp")
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
    def __init__(self, port: int = 0) -> None:
        bound = type("Bound", (Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", port), bound)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.storage = f"http://localhost:{self.server.server_address[1]}"  # large files lie on another host
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}  # of LFS, by sha256
        self.asked: list[tuple[str, str]] = []
        self.authorized: list[tuple[str, bool]] = []  # each path, and whether it came with the token
        self.fault: Callable[[Handler], bool] = lambda request: False

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def commit(self, name: str, files: Mapping[str, bytes | None], private: bool = False) -> str:
        """Add a commit in which `files` are changed (None: deleted); returns its hash."""
        repo = self.repos.setdefault(name, Repo(private))
        now = dict(repo.commits[-1][1]) if repo.commits else {}
        for path, content in files.items():
            if content is None:
                now.pop(path, None)
            else:
                now[path] = content
                self.objects[hashlib.sha256(content).hexdigest()] = content
        sha = hashlib.sha1(f"{name} {len(repo.commits)}".encode()).hexdigest()
        repo.commits.append((sha, now))
        return sha


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
        if not self.path.startswith("/api/agent"):  # asked once, in some surroundings, for statistics
            self.hub.asked.append((self.command, self.path))
            self.hub.authorized.append((self.path, self.authorized))
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.hub.fault(self):
            return None
        path = unquote(urlsplit(self.path).path)
        for pattern, method in ROUTES:
            if match := re.fullmatch(pattern, path):
                if method in WRITING and not self.authorized:
                    return self.refuse(401, message="Invalid username or password.")
                return method(self, *match.groups())
        return self.refuse(404)

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

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

    def refuse(self, status: int, code: str = "", message: str = "") -> None:
        named = {"X_Error_Code": code} if code else {}
        self.answer(b"{}", status, X_Error_Message=message or code or "Not found", **named)

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

    # --- reading ---

    def info(self, name: str, revision: str | None) -> None:
        if commit := self.found(name, revision or "main"):
            siblings = [{"rfilename": path} for path in commit[1]]
            private = self.hub.repos[name].private
            self.json({"id": name, "sha": commit[0], "private": private, "siblings": siblings, "tags": []})

    def tree(self, name: str, revision: str) -> None:
        if commit := self.found(name, revision):
            self.json([entry(path, content) for path, content in commit[1].items()])

    def resolve(self, name: str, revision: str, path: str) -> None:
        commit = self.found(name, revision)
        if commit is None:
            return None
        content = commit[1].get(path)
        if content is None:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        if not path.endswith(LFS):
            return self.answer(content, ETag=f'"{git_hash(content)}"', X_Repo_Commit=commit[0])
        sha256 = hashlib.sha256(content).hexdigest()
        return self.answer(
            status=302,
            Location=f"{self.hub.storage}/cdn/{sha256}",
            X_Repo_Commit=commit[0],
            X_Linked_ETag=f'"{sha256}"',
            X_Linked_Size=str(len(content)),
        )

    def content(self, sha256: str) -> None:
        self.answer(self.hub.objects[sha256], ETag=f'"{sha256}"')

    # --- writing ---

    def create(self) -> None:
        asked = json.loads(self.body)
        name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
        name = name if "/" in name else f"me/{name}"
        prefix = "spaces/" if asked.get("type") == "space" else ""
        there = name in self.hub.repos
        self.hub.repos.setdefault(name, Repo(private=asked.get("visibility") == "private"))
        self.json({"url": f"{self.hub.url}/{prefix}{name}", "name": name}, 409 if there else 200)

    def validate(self) -> None:
        content = json.loads(self.body)["content"]
        match = re.match(r"---\n(.*?)\n---\n", content, re.DOTALL)
        read = yaml.safe_load(match[1]) if match else None
        errors = [] if isinstance(read, dict) and read.get("license") else [{"message": "no license"}]
        self.json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def preupload(self, name: str, revision: str) -> None:
        commit = self.found(name, revision)
        if commit is None:
            return
        files = []
        for asked in json.loads(self.body)["files"]:
            path = asked["path"]
            mode = "lfs" if path.endswith(LFS) else "regular"
            known = entry(path, commit[1][path]) if path in commit[1] else {}
            there = {"oid": known.get("lfs", known)["oid"]} if known else {}
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, **there})
        self.json({"files": files})

    def batch(self, name: str) -> None:
        objects = []
        for asked in json.loads(self.body)["objects"]:
            upload = {"href": f"{self.hub.storage}/lfs/{asked['oid']}"}
            new = asked["oid"] not in self.hub.objects
            objects.append({**asked, **({"actions": {"upload": upload}} if new else {})})
        self.json({"transfer": "basic", "objects": objects})

    def store(self, sha256: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != sha256:
            return self.refuse(400)
        self.hub.objects[sha256] = self.body
        return self.answer()

    def commit(self, name: str, revision: str) -> None:
        lines = [json.loads(line) for line in self.body.splitlines()]
        files: dict[str, bytes | None] = {}
        for value in (line["value"] for line in lines if line["key"] == "file"):
            files[value["path"]] = base64.b64decode(value["content"])
        for value in (line["value"] for line in lines if line["key"] == "lfsFile"):
            files[value["path"]] = self.hub.objects[value["oid"]]
        for value in (line["value"] for line in lines if line["key"] == "deletedFile"):
            files[value["path"]] = None
        sha = self.hub.commit(name, files)
        self.json({"commitUrl": f"{self.hub.url}/{name}/commit/{sha}", "commitOid": sha, "success": True})


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def entry(path: str, content: bytes) -> dict[str, Any]:
    """A file in a tree listing."""
    plain = {"type": "file", "path": path, "size": len(content)}
    if not path.endswith(LFS):
        return {**plain, "oid": git_hash(content)}
    sha256 = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(content)}\n".encode()
    large = {"oid": sha256, "size": len(content), "pointerSize": len(pointer)}
    return {**plain, "oid": git_hash(pointer), "lfs": large}


NAME = r"([\w.-]+/[\w.-]+)"
ROUTES: tuple[tuple[str, Callable[..., None]], ...] = (
    (rf"/api/(?:models|spaces)/{NAME}/tree/([^/]+)", Handler.tree),
    (rf"/api/(?:models|spaces)/{NAME}/preupload/([^/]+)", Handler.preupload),
    (rf"/api/(?:models|spaces)/{NAME}/commit/([^/]+)", Handler.commit),
    (rf"/api/(?:models|spaces)/{NAME}(?:/revision/([^/]+))?", Handler.info),
    ("/api/repos/create", Handler.create),
    ("/api/validate-yaml", Handler.validate),
    (rf"(?:/spaces)?/{NAME}\.git/info/lfs/objects/batch", Handler.batch),
    ("/lfs/([0-9a-f]{64})", Handler.store),
    ("/cdn/([0-9a-f]{64})", Handler.content),
    (rf"(?:/spaces)?/{NAME}/resolve/([^/]+)/(.+)", Handler.resolve),
)
WRITING = {Handler.create, Handler.preupload, Handler.commit, Handler.batch}  # needs the token


if __name__ == "__main__":
    with StandIn(int(sys.argv[1]) if len(sys.argv) > 1 else 8099) as running:
        print(f"HF_ENDPOINT={running.url} HF_HUB_DISABLE_XET=1 HF_TOKEN={TOKEN}", flush=True)
        threading.Event().wait()
