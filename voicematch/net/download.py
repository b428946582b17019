"""What an http(s) address holds, in memory or in a file: bounded, resumable, and never by way of another scheme."""

from __future__ import annotations

import base64
import errno
import hashlib
import http.client
import json
import logging
import os
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from .. import given
from ..errors import AudioError, FormatError, shown
from ..types import Progress
from .addresses import is_address, without_login
from .reach import Guard, Refused

log = logging.getLogger(__name__)

TIMEOUT = 30.0  # s without a byte from a server
ATTEMPTS = 4  # connections for one download that bring next to nothing
NEXT_TO_NOTHING = 1 << 16  # bytes; some servers give a large file in parts, however much is asked for
SLOWEST = 1024  # bytes per second; a server slower than this over PATIENCE would hold a worker for days
PATIENCE = 120.0  # s before the speed is judged
PIECE = 1 << 18  # bytes
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)  # what goes wrong here, not on the way
CHECK = "check the address"
AGAIN = "check the address and the network, then try again"

SourceError = type[AudioError] | type[FormatError]


@dataclass(frozen=True, slots=True)
class Document:
    """A small thing from the web.

    url : where it was in the end, after redirects
    nearby : its host, when that is this machine or in its network; "" for one of the public web
    """

    raw: bytes
    url: str
    nearby: str = ""


@dataclass(frozen=True, slots=True)
class _Version:
    """Which of the versions of an address a partial file belongs to: ``url`` is the address' sha256, for it may hold
    a password, ``validator`` its ETag or date, ``total`` its length in bytes, as far as known.
    """

    url: str
    validator: str
    total: int


def fetch(
    url: str,
    *,
    most_bytes: int,
    error: SourceError = FormatError,
    timeout: float = TIMEOUT,
    nearby: str | None = None,
) -> Document:
    """Return the content of an address that holds text, unpacked if it came as gzip. Raises ``error``.

    nearby : who in this machine's own network may be asked, as for ``reach.Guard``; None: a person gave the address
    """
    guard = Guard(nearby)
    try:
        with _open(url, {}, timeout, guard) as response:
            pieces, size, started = [], 0, time.monotonic()
            while piece := response.read1(PIECE):  # not read(), which waits until it has so much
                pieces.append(piece)
                size += len(piece)
                if size > most_bytes:
                    raise error(shown(url), f"larger than {most_bytes >> 20} MiB")
                _check_speed(size, started, PATIENCE)
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
            raw = _unpacked(b"".join(pieces), most_bytes)
            return Document(raw, response.url, guard.came_from)
    except Refused as problem:
        raise error(shown(url), str(problem)) from problem
    except urllib.error.HTTPError as problem:
        problem.close()
        raise error(shown(url), _answer(problem)) from problem
    except (OSError, http.client.HTTPException, ValueError, zlib.error) as problem:
        reason = getattr(problem, "reason", None) or problem
        raise error(shown(url), f"cannot be fetched: {reason}; check the address and the network") from problem


def download(
    url: str,
    path: Path,
    *,
    most_bytes: int,
    error: SourceError = AudioError,
    progress: Progress | None = None,
    timeout: float = TIMEOUT,
    patience: float = PATIENCE,
    nearby: str | None = None,
) -> None:
    """Put what an address holds under ``path``, whole or not at all.

    nearby : as for `fetch`

    A broken download leaves ``path`` with ``.part`` added, and the next one goes on from there if the server still
    has that version (Range with If-Range). Raises ``error``: (address, reason).
    """
    part = path.with_name(path.name + ".part")
    with _locked(part, url, error) as file:
        reason: object = ""
        num_left = ATTEMPTS
        while num_left:
            num_left -= 1
            before = file.seek(0, 2)
            try:
                if _receive(url, file, part, most_bytes, error, progress, timeout, patience, Guard(nearby)):
                    break
                reason = ""
                num_left += file.seek(0, 2) - before >= NEXT_TO_NOTHING
            except Refused as problem:
                raise error(shown(url), str(problem)) from problem
            except urllib.error.HTTPError as problem:
                problem.close()
                if problem.code == 416:  # the part is not a beginning of what is there now
                    _start_over(file, part)
                    continue
                if problem.code >= 500:
                    reason = problem
                    continue
                raise error(shown(url), _answer(problem)) from problem
            except (OSError, http.client.HTTPException, ValueError) as problem:
                if isinstance(problem, OSError) and problem.errno in DISK:
                    raise error(shown(url), f"cannot be kept as {part}: {problem.strerror}") from problem
                reason = getattr(problem, "reason", None) or problem
        else:
            raise error(shown(url), _how_far(file, part, reason))
        if os.name == "nt":
            file.close()  # Windows renames no open file
        part.replace(path)
        _note(part).unlink(missing_ok=True)


def _answer(problem: urllib.error.HTTPError) -> str:
    """What a server answers instead, and what to do."""
    is_passing = problem.code == 429 or problem.code >= 500
    return f"the server answers {problem.code} {problem.reason}; {'try again later' if is_passing else CHECK}"


def _how_far(file: BinaryIO, part: Path, reason: object) -> str:
    if isinstance(reason, urllib.error.HTTPError):
        return _answer(reason)
    done, known = file.seek(0, 2), _read_note(part)
    if done:
        whole = f" of {known.total}" if known and known.total else ""  # some servers do not say
        why = f" ({reason})" if isinstance(reason, TimeoutError) else ""
        return f"the connection broke after {done}{whole} bytes{why}; {AGAIN}"
    return f"cannot be reached ({getattr(reason, 'strerror', None) or reason or 'it gives nothing'}); {AGAIN}"


def _receive(
    url: str,
    file: BinaryIO,
    part: Path,
    most_bytes: int,
    error: SourceError,
    progress: Progress | None,
    timeout: float,
    patience: float,
    guard: Guard,
) -> bool:
    """One connection's worth, appended to the file; whether that was all of it."""
    done = file.seek(0, 2)
    headers = {}
    known = _read_note(part)
    if done and known is not None and known.url == _digest(url) and known.validator:
        headers = {"Range": f"bytes={done}-", "If-Range": known.validator}
    with _open(url, headers, timeout, guard) as response:
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        if response.status != 206 or not _continues(response.headers.get("Content-Range"), done):
            if response.status == 206:
                raise ValueError("the server gives another part of the file than was asked for")
            _start_over(file, part)  # the whole again: the first part may have been of another version
            done = 0
        elif known is not None and validator not in ("", known.validator):  # a server that does not heed If-Range
            _start_over(file, part)
            return False
        total = _total(response.headers.get("Content-Range")) if response.status == 206 else None
        if total is None:
            total = done + int(response.headers.get("Content-Length") or 0)
        _note(part).write_text(
            json.dumps({"url": _digest(url), "validator": validator, "total": total}), encoding="utf-8"
        )
        if total > most_bytes:
            raise error(shown(url), f"{total >> 20} MiB are more than the {most_bytes >> 20} MiB allowed")
        started, begun_at = time.monotonic(), done
        while piece := response.read1(PIECE):
            file.write(piece)
            done += len(piece)
            if done > most_bytes:
                _start_over(file, part)
                raise error(shown(url), f"goes on after {most_bytes >> 20} MiB; record a live stream to a file first")
            _check_speed(done - begun_at, started, patience)
            if progress is not None:
                progress("download", done, total)
    file.flush()
    return done >= total


def _check_speed(num_bytes: int, started: float, patience: float) -> None:
    elapsed = time.monotonic() - started
    if elapsed > patience and num_bytes < SLOWEST * elapsed:
        raise TimeoutError(f"only {num_bytes} bytes in {elapsed:.0f} s")


def _total(content_range: str | None) -> int | None:
    """How long the whole is of which an answer is a part; None where that is not said.

    >>> _total("bytes 100-199/1234"), _total("bytes 100-199/*")
    (1234, None)
    """
    _, _, total = (content_range or "").partition("/")
    return int(total) if total.strip().isdecimal() else None


def _continues(content_range: str | None, done: int) -> bool:
    return (content_range or "").strip().lower().startswith(f"bytes {done}-")


def _open(url: str, headers: Mapping[str, str], timeout: float, guard: Guard) -> http.client.HTTPResponse:
    """The answer to a GET. Only http and https are spoken, also after a redirect."""
    opener = urllib.request.OpenerDirector()  # unlike build_opener's, it knows no ftp:, file: or data:
    for name in ("Proxy", "HTTPDefaultError", "HTTPRedirect", "Unknown"):
        opener.add_handler(getattr(urllib.request, f"{name}Handler")())
    for handler in (*guard.handlers(), urllib.request.HTTPErrorProcessor()):
        opener.add_handler(handler)
    parts = urlsplit(url)
    if not is_address(url) or not parts.hostname:
        raise ValueError("not an http or https address")
    request = urllib.request.Request(_quoted(without_login(url)), headers={"User-Agent": "voicematch", **headers})
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        # Unredirected, so that another host that we are sent on to does not learn it.
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(secret).decode())
    response = opener.open(request, timeout=timeout)
    assert isinstance(response, http.client.HTTPResponse)
    return response


def _quoted(url: str) -> str:
    """The address with what HTTP does not allow in it (spaces, letters beyond ASCII) escaped."""
    parts = urlsplit(url)
    host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    path, query = (quote(part, safe="/%:@!$&'()*+,;=~?") for part in (parts.path, parts.query))
    return urlunsplit((parts.scheme, host, path, query, ""))


def _unpacked(raw: bytes, most_bytes: int) -> bytes:
    """Some servers send gzip to who has not asked for it."""
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    plain = zlib.decompressobj(wbits=31).decompress(raw, most_bytes + 1)
    if len(plain) > most_bytes:
        raise ValueError(f"unpacks to more than {most_bytes >> 20} MiB")
    return plain


@contextmanager
def _locked(part: Path, url: str, error: SourceError) -> Iterator[BinaryIO]:
    """The partial file, open at its end, for one process at a time. Its lock goes with the process."""
    try:
        part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = _open_locked(part)
    except BlockingIOError as problem:
        raise error(shown(url), "another process is downloading it; try again when that is done") from problem
    except OSError as problem:
        raise error(shown(url), f"cannot be kept as {part}: {problem.strerror}") from problem
    with file:
        yield file


def _open_locked(part: Path) -> BinaryIO:
    while True:
        file = os.fdopen(os.open(part, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab")  # what somebody hears
        try:
            import fcntl
        except ImportError:  # Windows
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if part.exists() and os.path.samestat(part.stat(), os.fstat(file.fileno())):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # renamed by its last holder between our opening and our locking it


def _start_over(file: BinaryIO, part: Path) -> None:
    file.seek(0)
    file.truncate()
    _note(part).unlink(missing_ok=True)


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_note(part: Path) -> _Version | None:
    try:
        kept = given.parsed(_note(part).read_text(encoding="utf-8"))
        return _Version(str(kept["url"]), str(kept["validator"]), int(kept["total"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
