"""Weights on the Hugging Face Hub: download and upload. The one home of huggingface_hub, which is imported
when a repo is named and not before.

A repo is `user/repo` or `user/repo@revision`. It holds FILES, of which only the model must be there. A
copy in the cache is used without asking the Hub; `hf download user/repo` fetches a newer one.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vae import sums
from vae.errors import WeightsError

log = logging.getLogger("digit_morph.hub")

MODEL = "model.safetensors"
FILES = (MODEL, "bank.safetensors", "reader.safetensors", sums.NAME)
DEADLINE = 120.0  # seconds that a download may take in all
TRIES = 3
PAUSE = 1.0  # seconds before the second try, twice that before the third
SILENCE = 10.0  # seconds without a byte after which a request has failed
REPO = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@([\w./-]+))?", re.ASCII)
SIGNED = re.compile(r"digit-morph-try/([0-9a-f]+)")
SHA256 = re.compile(r"[0-9a-f]{64}")
RESET = re.compile(r"\br=0;t=([0-9]+)")  # of the Hub's RateLimit header: nothing left, for so many seconds
INSTEAD = "name another one, or train your own: python train.py --model flagship --out runs/flagship"


class Repo(NamedTuple):
    name: str
    revision: str

    def __str__(self) -> str:
        return self.name if self.revision == "main" else f"{self.name}@{self.revision}"


class Failed(Exception):
    """A try failed in a way that may pass; `wait` is how many seconds the Hub asks to be left alone."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


def repo_named(source: str) -> Repo | None:
    """The repo that `source` names, or None where it reads as a path: a weights file, or one below a
    folder that is here."""
    match = REPO.fullmatch(source)
    if not match or source.endswith(".safetensors") or Path(source).parent.is_dir():
        return None
    return Repo(match[1], match[2] or "main")


def fetch(repo: Repo, seconds: float = DEADLINE) -> Path:
    """The model file of a repo, its bank and reader beside it: of the cache, else of the Hub.

    Takes at most `seconds`; raises WeightsError with one sentence that says what to do.
    """
    if path := cached(repo):
        return path
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise WeightsError(f"{repo} is not in the Hub cache and HF_HUB_OFFLINE is set: unset it, or {INSTEAD}")
    log.info("fetching %s from %s", repo, constants.ENDPOINT)
    # No option of the client bounds the whole of a download: a trickle resets every timeout that it has.
    until, outcome = time.monotonic() + seconds, list[Path | BaseException]()
    thread = threading.Thread(target=_into, args=(outcome, repo, until), name="hub", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise WeightsError(f"the Hub did not send {repo} within {seconds:g} seconds: try again, or {INSTEAD}")
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _into(outcome: list[Path | BaseException], repo: Repo, until: float) -> None:
    try:
        outcome.append(_fetch(repo, until))
    except BaseException as error:  # raised again by who waits
        outcome.append(error)


def cached(repo: Repo) -> Path | None:
    """The model file of a repo's copy in the Hub cache, where that copy is whole."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(repo.name, revision=repo.revision, allow_patterns=list(FILES), local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise WeightsError(f"{repo} is no name that a repo can have: {INSTEAD}") from error
    path = Path(folder) / MODEL
    return path if path.exists() else None


def _fetch(repo: Repo, until: float) -> Path:
    """Up to TRIES downloads, with pauses; raises WeightsError."""
    why, wait = "", 0.0
    for attempt in range(TRIES):
        if attempt:
            pause = max(wait, PAUSE * 2 ** (attempt - 1))
            if time.monotonic() + pause > until:
                break
            log.warning("%s: %s; trying again in %.0f s", repo, why, pause)
            time.sleep(pause)
        try:
            return _download(repo, until)
        except Failed as failure:
            why, wait = str(failure), failure.wait
    asked = f" (it asks to wait {wait:.0f} seconds)" if wait else ""
    raise WeightsError(f"the Hub did not send {repo}: {why}{asked}; try again later, or {INSTEAD}")


def _download(repo: Repo, until: float) -> Path:
    """One try. Raises Failed for what may pass, WeightsError for what will not."""
    import huggingface_hub as library
    from huggingface_hub import errors

    try:
        with signed_try(until) as agent:
            folder = Path(
                library.snapshot_download(
                    repo.name, revision=repo.revision, allow_patterns=list(FILES), user_agent=agent
                )
            )
    except (errors.HTTPError, OSError, ValueError) as error:
        raise explained(error, repo) from error
    if not (folder / MODEL).exists():
        raise WeightsError(f"{repo} holds no {MODEL}: {INSTEAD}")
    drop_damaged(folder)
    return folder / MODEL


def explained(error: BaseException, repo: Repo) -> WeightsError | Failed:
    """What an error of huggingface_hub means: Failed for what may pass, else a WeightsError."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ is not None:
        return explained(error.__cause__, repo)  # why it looked in the cache, in vain
    if isinstance(error, errors.GatedRepoError):
        return WeightsError(f"{repo} is gated: ask for access on its page and log in, or {INSTEAD}")
    if isinstance(error, errors.RepositoryNotFoundError):
        return WeightsError(
            f"the Hub has no {repo.name}, or it is private: check the name, log in with `hf auth login` or "
            f"set HF_TOKEN, or {INSTEAD}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return WeightsError(f"{repo.name} has no revision {repo.revision} on the Hub: {INSTEAD}")
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        if status in (401, 403):
            return WeightsError(f"the Hub refuses the token for {repo}: log in with `hf auth login`, or {INSTEAD}")
        return Failed(f"it answered {status}")
    if isinstance(error, errors.FileMetadataError | ValueError):
        return Failed("what answers there is not the Hub")
    if isinstance(error, errors.HTTPError):
        return Failed(f"it cannot be reached ({type(error).__name__})")
    return Failed(f"the transfer broke off ({type(error).__name__})")  # or came short


def drop_damaged(folder: Path) -> None:
    """Delete the files of a snapshot that are not what SHA256SUMS or the Hub says; raises Failed for any.

    In the cache each file is a link to one that is named by its sha256, if it is a large one.
    """
    listed, damaged = sums.read(folder), []
    for path in (folder / name for name in FILES):
        if not path.exists():
            continue
        blob = path.resolve()
        known = {listed.get(path.name), blob.name if SHA256.fullmatch(blob.name) else None} - {None}
        if known and known != {sums.fingerprint(path)}:
            damaged.append(path.name)
            for each in {path, blob}:
                each.unlink()
    if damaged:
        raise Failed(f"{' and '.join(damaged)} came with a wrong sha256")


class Try:
    """One try of a download: each address is asked for once, until its time is up."""

    def __init__(self, until: float) -> None:
        self.until = until
        self._seen: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def before(self, request: Any) -> None:
        left, asked = self.until - time.monotonic(), (request.method, str(request.url))
        with self._lock:
            if left <= 0 or asked in self._seen:
                raise Failed("it cannot be reached, or the connection breaks")
            self._seen.add(asked)
        wait = min(SILENCE, left)
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), wait)

    def after(self, response: Any) -> None:
        if response.status_code == 429 or response.status_code >= 500:
            raise Failed(f"it answered {response.status_code}", wait_asked_for(response.headers))


tries: dict[str, Try] = {}  # those under way, by the name with which their requests are signed


@contextlib.contextmanager
def signed_try(until: float) -> Iterator[dict[str, str]]:
    """The user agent of requests that are held to one `Try`.

    huggingface_hub's own retries, up to six for an address and as far apart as the Hub asks, cannot be
    set; when to try again, and until when, is decided in `_fetch`.
    """
    watch_requests()
    name = uuid.uuid4().hex
    tries[name] = Try(until)
    try:
        yield {"digit-morph-try": name}
    finally:
        del tries[name]


@functools.cache
def watch_requests() -> None:
    """Have huggingface_hub's client, whoever set it up, show the requests of a try to that `Try`."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    usual = _http._GLOBAL_CLIENT_FACTORY  # there is no public way to ask for it

    def of(request: Any) -> Try | None:
        match = SIGNED.search(request.headers.get("user-agent", ""))
        return tries.get(match[1]) if match else None

    def before(request: Any) -> None:
        if current := of(request):
            current.before(request)

    def after(response: Any) -> None:
        if current := of(response.request):
            current.after(response)

    def client() -> Any:
        made = usual()
        hooks = made.event_hooks
        made.event_hooks = {"request": [*hooks["request"], before], "response": [*hooks["response"], after]}
        return made

    set_client_factory(client)


def wait_asked_for(headers: Mapping[str, str]) -> float:
    """Seconds after which the Hub wants to be asked again; 0 where it does not say."""
    after = headers.get("retry-after", "")
    if after.isdecimal():
        return float(after)
    reset = RESET.search(headers.get("ratelimit", ""))
    return float(reset[1]) if reset else 0.0


def upload(name: str, files: Mapping[str, bytes | Path], message: str, private: bool = False) -> str:
    """Put files (`{path in the repo: content}`) into a model repo, in one commit, making the repo where it
    is missing; returns its address. Raises WeightsError with one sentence."""
    from huggingface_hub import CommitOperationAdd, HfApi, constants, errors

    if constants.HF_HUB_OFFLINE:
        raise WeightsError("nothing can be uploaded while HF_HUB_OFFLINE is set: unset it")
    api = HfApi()
    try:
        url = api.create_repo(name, private=private or None, exist_ok=True)
        operations = [CommitOperationAdd(path, content) for path, content in files.items()]
        api.create_commit(url.repo_id, operations, commit_message=message)
    except errors.HFValidationError as error:
        raise WeightsError(f"{name} is no name that a repo can have: give one such as user/repo") from error
    except errors.LocalTokenNotFoundError as error:
        raise WeightsError("the Hub wants to know who uploads: log in with `hf auth login`") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403, 404):
            raise WeightsError(
                f"the Hub does not let you write to {name}: log in with `hf auth login` and a token that may"
            ) from error
        raise WeightsError(f"the Hub did not take {name} (it answered {status}): try again later") from error
    except (errors.HTTPError, OSError, RuntimeError, ValueError) as error:  # RuntimeError: of a large file
        raise WeightsError(f"the upload to {name} broke off ({error}): try again later") from error
    return str(url)


def card(template: str, values: Mapping[str, Any], results: Mapping[str, float]) -> bytes:
    """A model card: `template` (Jinja) with `values`, and metadata that the Hub shows and searches by;
    `results` are figures on the MNIST test set, by name."""
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    metadata = ModelCardData(
        license="mit",
        library_name="digit-morph",
        pipeline_tag="unconditional-image-generation",
        tags=["vae", "mnist", "latent-space", "morphing", "handwriting"],
        datasets=["ylecun/mnist"],
        model_name=values["repo"].split("/")[-1],
        eval_results=[
            EvalResult(
                "unconditional-image-generation",
                "ylecun/mnist",
                "MNIST",
                name,
                round(value, 2),
                dataset_split="test",
                metric_name=f"{name}, nats",
            )
            for name, value in results.items()
        ]
        or None,
    )
    made = ModelCard.from_template(metadata, template_str=template, results=results, **values)
    return str(made).encode()
