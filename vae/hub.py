"""Weights on the Hugging Face Hub: download and upload. The one home of huggingface_hub, which is imported
when a repo is named and not before; retries and timeouts are its own, but for the one of a whole download.

A repo is `user/repo` or `user/repo@revision`, of whose FILES only the model must exist. A copy in the cache
is used without asking the Hub; `hf download user/repo` fetches a newer one.
"""

import logging
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, NamedTuple

from vae.errors import WeightsError

log = logging.getLogger("digit_morph.hub")

MODEL, SUMS = "model.safetensors", "SHA256SUMS"
FILES = (SUMS, "bank.safetensors", "reader.safetensors", "segmenter.safetensors", MODEL)  # last; see `_download`
REPO = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@([\w./-]+))?", re.ASCII)
SECONDS = 120.0  # for a whole download: huggingface_hub's own times are for one answer, and it asks again and again
INSTEAD = "name another one, or train your own: python train.py --model flagship --out runs/flagship"


class Repo(NamedTuple):
    name: str
    revision: str

    def __str__(self) -> str:
        return self.name if self.revision == "main" else f"{self.name}@{self.revision}"


def repo_named(source: str) -> Repo | None:
    """The repo that `source` names; None where it is a weights file's name or lies in a folder that exists."""
    match = REPO.fullmatch(source)
    if not match or source.endswith(".safetensors") or Path(source).parent.is_dir():
        return None
    return Repo(match[1], match[2] or "main")


def fetch(repo: Repo, intact: Callable[[Path], bool]) -> Path:
    """The model file of a repo, its bank and classifiers beside it: from the cache, else from the Hub.

    A download in which a file is not `intact` is repeated once. Raises WeightsError with one sentence.
    """
    from huggingface_hub import constants, errors, try_to_load_from_cache

    try:
        if isinstance(found := try_to_load_from_cache(repo.name, MODEL, revision=repo.revision), str):
            return Path(found)
        if constants.HF_HUB_OFFLINE:
            raise WeightsError(f"{repo} is not in the Hub cache and HF_HUB_OFFLINE is set: unset it, or {INSTEAD}")
        log.info("fetching %s from %s", repo, constants.ENDPOINT)
        return _in_time(repo, lambda: _sound(repo, intact))
    except (errors.HTTPError, OSError, ValueError) as error:
        raise WeightsError(_explained(error, repo)) from error


def _in_time(repo: Repo, download: Callable[[], Path]) -> Path:
    """What `download` returns, and raises. A thread cannot be stopped: one that is late goes on, but no process waits
    for it when it ends."""
    done: Future[Path] = Future()

    def run() -> None:
        try:
            done.set_result(download())
        except Exception as error:
            done.set_exception(error)

    threading.Thread(target=run, name=f"hub {repo}", daemon=True).start()
    wait([done], SECONDS)
    if not done.done():
        slow = f"hf download {repo.name}" + (f" --revision {repo.revision}" if repo.revision != "main" else "")
        late = f"the Hub did not send {repo} within {SECONDS:.0f} seconds"
        raise WeightsError(f"{late}: over a slow line run `{slow}` before, or {INSTEAD}")
    return done.result()


def _sound(repo: Repo, intact: Callable[[Path], bool]) -> Path:
    """A download all of whose files are intact, at the second try at the latest."""
    for force in (False, True):
        path = _download(repo, force)
        damaged = [each for name in FILES if (each := path.with_name(name)).exists() and not intact(each)]
        if not damaged:
            return path
        for each in {*damaged, path}:
            each.unlink()  # nor does the next start find a model in the cache
    names = " and ".join(each.name for each in damaged)
    raise WeightsError(f"{repo}: {names} came with a wrong sha256, twice; try again later, or {INSTEAD}")


def _download(repo: Repo, force: bool) -> Path:
    """Download a repo's files, even those in the cache if `force`; returns the model's path there."""
    from huggingface_hub import errors, hf_hub_download

    revision = repo.revision
    # snapshot_download would ask for a listing first, with neither a timeout nor retries.
    for name in FILES:  # the model last: a copy that was broken off has none
        try:
            path = Path(hf_hub_download(repo.name, name, revision=revision, force_download=force))
            revision = path.parent.name  # the others come from the same commit
        except errors.RemoteEntryNotFoundError:
            if name == MODEL:
                raise
    return path


def _explained(error: BaseException, repo: Repo) -> str:
    """What an error of huggingface_hub means, in one sentence."""
    from huggingface_hub import errors

    if error.__cause__ and (isinstance(error, errors.LocalEntryNotFoundError) or type(error) is ValueError):
        return _explained(error.__cause__, repo)  # the reason why it looked in the cache, in vain
    match error:
        case errors.HFValidationError():
            return f"{repo} is no name that a repo can have: {INSTEAD}"
        case errors.GatedRepoError():
            return f"{repo} is gated: ask for access on its page and log in, or {INSTEAD}"
        case errors.RepositoryNotFoundError():
            log_in = "log in with `hf auth login` or set HF_TOKEN"
            return f"the Hub has no {repo.name}, or it is private: check the name, {log_in}, or {INSTEAD}"
        case errors.RevisionNotFoundError():
            return f"{repo.name} has no revision {repo.revision} on the Hub: {INSTEAD}"
        case errors.RemoteEntryNotFoundError():
            return f"{repo} holds no {MODEL}: {INSTEAD}"
        case errors.HfHubHTTPError() if error.response.status_code in (401, 403):
            return f"the Hub refuses the token for {repo}: log in with `hf auth login`, or {INSTEAD}"
        case errors.HfHubHTTPError():
            why = f"it answered {error.response.status_code}"
        case errors.HTTPError():
            why = f"it cannot be reached, or the connection breaks ({type(error).__name__})"
        case errors.FileMetadataError() | ValueError():
            why = "what answers there is not the Hub"
        case _:
            why = f"the transfer broke off ({type(error).__name__})"
    return f"the Hub did not send {repo}: {why}; try again later, or {INSTEAD}"


def upload(name: str, files: Mapping[str, bytes | Path], message: str, private: bool = False) -> str:
    """Commit files (`{path: content}`) to a model repo, created where it is missing; returns its address."""
    from huggingface_hub import CommitOperationAdd, HfApi, constants, errors

    if constants.HF_HUB_OFFLINE:
        raise WeightsError("nothing can be uploaded while HF_HUB_OFFLINE is set: unset it")
    try:
        url = HfApi().create_repo(name, private=private or None, exist_ok=True)
        operations = [CommitOperationAdd(path, content) for path, content in files.items()]
        HfApi().create_commit(url.repo_id, operations, commit_message=message)
    except (errors.HTTPError, OSError, RuntimeError, ValueError) as error:  # RuntimeError: of a large file
        status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else 0
        why = f"the upload to {name} broke off ({error}): try again later"
        if isinstance(error, errors.HFValidationError):
            why = f"{name} is no name that a repo can have: give one such as user/repo"
        elif isinstance(error, errors.LocalTokenNotFoundError):
            why = "the Hub wants to know who uploads: log in with `hf auth login`"
        elif status in (401, 403, 404):
            why = f"the Hub does not let you write to {name}: log in with `hf auth login` and a token that may"
        elif status:
            why = f"the Hub did not take {name} (it answered {status}): try again later"
        raise WeightsError(why) from error
    return str(url)


def card(template: str, about: Mapping[str, Any], results: Mapping[str, float], **values: Any) -> bytes:
    """A model card: `template` (Jinja) with `values`, and metadata (`about`, as ModelCardData has them) that
    the Hub shows and searches by; `results` are figures on the test set, by name."""
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    task, data_set = about["pipeline_tag"], about["datasets"][0]
    figures = [
        EvalResult(task, data_set, "MNIST", name, round(value, 2), dataset_split="test", metric_name=f"{name}, nats")
        for name, value in results.items()
    ]
    metadata = ModelCardData(**about, eval_results=figures or None)
    return str(ModelCard.from_template(metadata, template_str=template, results=results, **values)).encode()
