"""A file that somebody named is opened only when it is one: a pipe would be waited for, a device might never end."""

from __future__ import annotations

import errno
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

_KINDS = (
    (stat.S_ISDIR, "a directory; name a file in it"),
    (stat.S_ISFIFO, "a pipe; save what comes out of it to a file first"),
    (stat.S_ISSOCK, "a socket, not a file"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
)
_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)  # what says that nothing can be there
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def opened(path: str | Path) -> BufferedReader:
    """Open an ordinary file for reading bytes. Raises OSError, whose ``strerror`` says what else it is.

    A link to an ordinary file is one. What is swapped for a pipe in between is noticed too.
    """
    try:
        _check(os.stat(path).st_mode, path)
        file = os.open(path, os.O_RDONLY | _AT_ONCE)
    except ValueError as error:  # a zero byte
        raise OSError(errno.EINVAL, f"no name of a file: {error}", str(path)) from error
    try:
        _check(os.fstat(file).st_mode, path)
    except OSError:
        os.close(file)
        raise
    return os.fdopen(file, "rb")


def expanded(path: str | Path) -> Path:
    """Return the path with the home that a ~ at its beginning stands for. Raises OSError when there is no such home."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise OSError(errno.ENOENT, "~ stands for the home of nobody here; write the path out", str(path)) from error


def may_be_there(path: str | Path) -> bool:
    """Whether something is at a path, or may be: where nobody lets us look, or the disk does not answer."""
    try:
        os.stat(path)
    except ValueError:  # a zero byte
        return False
    except OSError as error:
        return error.errno not in _NOWHERE
    return True


def content(path: str | Path, most_bytes: int | None = None) -> bytes:
    """Return the bytes of an ordinary file, ``most_bytes`` at most. Raises OSError."""
    with opened(path) as file:
        return file.read() if most_bytes is None else file.read(most_bytes)


def text(path: str | Path, *, errors: str = "strict") -> str:
    """Return the text of an ordinary file in UTF-8. Raises OSError, and UnicodeDecodeError if ``errors`` are strict."""
    return content(path).decode("utf-8", errors)


def parsed(text: str | bytes) -> Any:
    """Return what a stranger's JSON says. Raises ValueError when it is none, or is nested too deep to be read."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _check(mode: int, path: str | Path) -> None:
    for is_kind, reason in _KINDS:
        if is_kind(mode):
            raise OSError(errno.EINVAL, reason, str(path))
