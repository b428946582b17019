"""Models of the Hugging Face hub, or of a folder: fetched when asked, checked, and kept whole or not at all.

A model's files are collected in a folder beside the one they will be in, checked there, and moved in one step, with
a record of their sums that `files.path` compares them with ever after.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from .. import given
from ..errors import ModelError
from ..types import Progress
from . import files, table
from .assemble import assemble
from .cut import is_model
from .files import RECORD
from .table import Source

if TYPE_CHECKING:
    from huggingface_hub.utils.tqdm import tqdm

LFS_POINTER = b"version https://git-lfs.github.com/spec/"  # how a file begins that was cloned without Git LFS
PARTIAL = ".partial"
ABANDONED_SECONDS = 86_400.0  # after which what a killed pull left behind is cleared away


@dataclass(frozen=True, slots=True)
class Offered:
    """One file to be had. ``sha256`` is what it must be, None where nobody has said."""

    name: str
    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What pulling a model would fetch.

    origin : the repository, or the folder
    revision : the commit of the repository; "" for a folder
    files : what is to be fetched; empty when everything is here and intact
    kept : what is here and intact already
    """

    name: str
    origin: str
    revision: str
    licence: str
    files: tuple[Offered, ...] = ()
    kept: tuple[Offered, ...] = ()
    folder: Path | None = None
    endpoint: str | None = None

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(file.size for file in self.files)


def offer(name: str, *, folder: Path | None = None, endpoint: str | None = None) -> Offer:
    """Ask the hub what pulling a model would fetch, with sizes and sums; download nothing.

    folder : take the files from there instead of the hub
    endpoint : another server that speaks the hub's language; else HF_ENDPOINT, else the hub itself

    Raises ModelError when the model is not one to pull, the hub cannot be asked, or files are not there.
    """
    card = table.card(name)
    if card.source is None:
        raise ModelError(f"model {name!r} comes with voicematch; there is nothing to pull")
    before = _before(name)
    if card.made_of and card.file not in before.get("files", {}):
        before = {}  # pulled by a version that kept it as it came
    pinned = card.source.revision
    is_other = before and before["revision"] and pinned not in (None, before["revision"])  # of an older voicematch
    kept = () if is_other or not before else _intact(name, card.source)
    if kept and len(kept) == len(before["files"]):
        return Offer(name, before["origin"], before["revision"], before["licence"], kept=kept)
    if folder is not None:
        return Offer(name, str(folder), "", card.licence, files=_in_folder(folder, card.source), folder=folder)
    endpoint = endpoint or os.environ.get("HF_ENDPOINT")
    revision = pinned or (before["revision"] if before else "") or None
    commit, licence, files = _on_hub(name, card.source, revision, endpoint)
    if not before or before["revision"] != commit:
        kept = ()
    missing = tuple(file for file in files if file.name not in {own.name for own in kept})
    return Offer(name, card.source.repository, commit, licence or card.licence, missing, kept, endpoint=endpoint)


def pull(wanted: Offer, *, progress: Progress | None = None) -> Path:
    """Fetch the files of an offer and return the model's folder; when anything fails it is as it was.

    Raises ModelError when a file cannot be had, is not the one expected, or there is no room for it.
    """
    folder = files.pulled_folder(wanted.name)
    if not wanted.files:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(folder)
        free = shutil.disk_usage(folder.parent).free
        if free < wanted.size:
            raise ModelError(f"{folder.parent}: {wanted.size / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free")
        partial = Path(tempfile.mkdtemp(prefix=f".{wanted.name}.", suffix=PARTIAL, dir=folder.parent))
        try:
            _collect(wanted, partial, folder, progress)
            _put_in_place(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise ModelError(f"{error.filename or folder}: {error.strerror or error}") from error
    return folder


def remove(name: str) -> int:
    """Delete a pulled model and return how many bytes became free. Raises ModelError when there is none."""
    if table.card(name).source is None:
        raise ModelError(f"model {name!r} comes with voicematch and cannot be removed")
    folder = files.pulled_folder(name)
    if not folder.is_dir():
        raise ModelError(f"model {name!r} is not on this machine; there is nothing to remove")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    try:
        with tempfile.TemporaryDirectory(prefix=f".{name}.", suffix=PARTIAL, dir=folder.parent) as gone:
            os.replace(folder, Path(gone) / name)  # in one step: half a model is not to be found
    except OSError as error:
        raise ModelError(f"{folder}: cannot be removed: {error.strerror}") from error
    return size


# -- what there is


def _before(name: str) -> dict[str, Any]:
    """The record of an earlier pull; empty when there is none, or none that can be read."""
    try:
        files.recorded(name)
        record: dict[str, Any] = json.loads((files.pulled_folder(name) / RECORD).read_text(encoding="utf-8"))
    except ModelError:
        return {}
    return {"origin": "", "revision": "", "licence": ""} | record


def _intact(name: str, source: Source) -> tuple[Offered, ...]:
    """The files of an earlier pull that are still what they were, and what this version of voicematch expects."""
    with suppress(ModelError):
        return tuple(
            Offered(file, size, sha256)
            for file, (sha256, size) in files.recorded(name).items()
            if source.sha256.get(file, sha256) == sha256
            and (path := files.pulled_folder(name) / file).is_file()
            and files.sha256_of(path) == sha256
        )
    return ()


def _in_folder(folder: Path, source: Source) -> tuple[Offered, ...]:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return tuple(
        Offered(name, (folder / name).stat().st_size, source.sha256.get(name))
        for name in _needed(names, source, str(folder))
    )


def _on_hub(
    name: str, source: Source, revision: str | None, endpoint: str | None
) -> tuple[str, str, tuple[Offered, ...]]:
    """(commit, licence, files) of a repository."""
    from huggingface_hub import HfApi

    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "on", "yes", "true"):
        raise ModelError(
            f"HF_HUB_OFFLINE is set, so {name} is not downloaded; "
            f"unset it, or give its files: voicematch models pull {name} --from FOLDER"
        )
    with _explained(name, source):
        repository = HfApi(endpoint=endpoint).model_info(source.repository, revision=revision, files_metadata=True)
    siblings = {sibling.rfilename: sibling for sibling in repository.siblings or ()}
    files = []
    for file in _needed(list(siblings), source, source.repository):
        sibling = siblings[file]
        sha256 = source.sha256.get(file) or (sibling.lfs.sha256 if sibling.lfs else None)
        files.append(Offered(file, sibling.size or 0, sha256))
    licence = repository.card_data.get("license") if repository.card_data else None
    return repository.sha or "", str(licence or ""), tuple(files)


def _needed(names: list[str], source: Source, origin: str) -> list[str]:
    """Those of the names that the source's patterns mean; ModelError when a pattern means none."""
    needed: list[str] = []
    for pattern in source.files:
        meant = [name for name in names if fnmatchcase(name, pattern)]
        if not meant:
            raise ModelError(f"{origin} has no {pattern}; is this {source.repository}?")
        needed += meant
    for name in needed:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise ModelError(f"{origin} names a file {name!r}, which is no place below a folder")
    return needed


# -- fetching


def _collect(wanted: Offer, partial: Path, folder: Path, progress: Progress | None) -> None:
    """Everything of the model in one folder, checked, with its record."""
    done = 0
    for file in wanted.files:
        if wanted.folder is not None:
            (partial / file.name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(wanted.folder / file.name, partial / file.name)
        else:
            _download(wanted, file, partial, done, progress)
        done += file.size
        _check(partial / file.name, file, wanted.origin)
    shutil.rmtree(partial / ".cache", ignore_errors=True)  # the hub's own notes on what it downloaded
    card = table.card(wanted.name)
    whole = [file.name for file in (*wanted.files, *wanted.kept)]
    if card.made_of:
        assemble(partial / card.made_of, partial / card.file)
        (partial / card.made_of).unlink()
        whole = [card.file]
    for file in wanted.kept:
        (partial / file.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / file.name, partial / file.name)
    record = {
        "model": wanted.name,
        "origin": wanted.origin,
        "revision": wanted.revision,
        "licence": wanted.licence,
        "pulled": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "files": {
            name: {"sha256": files.sha256_of(partial / name), "size": (partial / name).stat().st_size}
            for name in sorted(whole)
        },
    }
    (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    partial.chmod(0o755)


def _check(path: Path, file: Offered, origin: str) -> None:
    if given.content(path, len(LFS_POINTER)) == LFS_POINTER:
        raise ModelError(f"{origin}: {file.name} only says where the file is; run git lfs pull there; nothing was kept")
    if path.stat().st_size != file.size:
        raise ModelError(f"{origin}: {file.name} came with {path.stat().st_size} bytes, not {file.size}; try again")
    if file.sha256 is not None and files.sha256_of(path) != file.sha256:
        raise ModelError(
            f"{origin}: {file.name} is damaged or another file: its sha256 is {files.sha256_of(path)[:16]}…, "
            f"not {file.sha256[:16]}…; nothing was kept"
        )
    if path.suffix == table.LOCAL and not is_model(path.read_bytes()):
        raise ModelError(f"{origin}: {file.name} is no whole ONNX file; fetch it again; nothing was kept")


def _put_in_place(partial: Path, folder: Path) -> None:
    old = partial.with_suffix(".old" + PARTIAL)
    with suppress(FileNotFoundError):
        os.replace(folder, old)
    try:
        os.replace(partial, folder)
    except OSError:
        with suppress(OSError):
            os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _clear_abandoned(folder: Path) -> None:
    for left in folder.parent.glob(f".{folder.name}.*{PARTIAL}"):
        if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _download(wanted: Offer, file: Offered, into: Path, done: int, progress: Progress | None) -> None:
    from huggingface_hub import hf_hub_download

    source = table.card(wanted.name).source
    assert source is not None  # `offer` refuses others
    with _explained(wanted.name, source):
        hf_hub_download(
            source.repository,
            file.name,
            revision=wanted.revision,
            local_dir=into,
            endpoint=wanted.endpoint,
            tqdm_class=_reporter(done, wanted.size, progress),
        )


def _reporter(before: int, total: int, progress: Progress | None) -> type[tqdm]:
    """A progress bar that draws nothing and reports to ours."""
    from huggingface_hub.utils.tqdm import tqdm

    class Reporter(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options | {"disable": True})  # type: ignore[no-untyped-call]
            self._done = before

        def update(self, n: float | None = 1) -> bool | None:
            self._done += int(n or 0)
            if progress is not None:
                progress("download", min(self._done, total), total)
            return None

    return Reporter


@contextmanager
def _explained(name: str, source: Source) -> Iterator[None]:
    """Turn what the hub's client raises into a ModelError that says what to do."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    client_error = HfHubHTTPError.__mro__[1]  # of its HTTP client, which is httpx in one release and httpx2 in another
    assert issubclass(client_error, Exception)

    page = f"https://huggingface.co/{source.repository}"
    again = f"voicematch models pull {name}"
    try:
        yield
    except RepositoryNotFoundError as error:  # GatedRepoError is one of these
        if isinstance(error, GatedRepoError) or source.gated:
            log_in = "" if get_token() else "log in with `hf auth login` or set HF_TOKEN, then "
            reason = f"its terms have to be accepted: open {page}, accept them, {log_in}run {again}"
        else:
            reason = f"there is no such repository, or the token may not see it; look at {page}"
        raise ModelError(f"{source.repository}: {reason}") from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{source.repository}: the revision {source.revision} is gone; look at {page}") from error
    except EntryNotFoundError as error:
        raise ModelError(f"{source.repository}: cannot be reached, or lacks a file; then run {again}") from error
    except (client_error, OSError, HFValidationError) as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(f"{source.repository}: the hub cannot be reached ({said}); then run {again}") from error
