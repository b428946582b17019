"""The passphrase of a library at rest: who gives it, and the key it makes. SQLCipher does the encryption.

Given to this process (``give``), in the environment, in the system's keyring, or asked for, in that order. It is never
logged, and no program is started with it; workers of this process are handed it with their work.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import logging
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from .. import given
from ..errors import LibraryError

log = logging.getLogger(__name__)

VARIABLE = "VOICEMATCH_PASSPHRASE"
FILE_VARIABLE = "VOICEMATCH_PASSPHRASE_FILE"
SERVICE = "voicematch"  # in the system's keyring, with the library's path as the user
ITERATIONS = 256_000  # of PBKDF2-HMAC-SHA512, as SQLCipher 4 does by itself: its other programs open the file too
SALT_BYTES = 16  # with which the file begins
PAGE_BYTES = 4096
SHORTEST = 8  # characters
MOST_BYTES = 4096  # of a file with a passphrase in it
RANDOM = 240  # of 256 values that a random page has at least

_given: list[str] = []
_asked: set[Path] = set()
_ask: list[Callable[[Path], str | None]] = []


def give(*passphrases: str) -> None:
    """Let this process open what is under one of these."""
    _given.extend(cleaned for one in passphrases if (cleaned := clean(one)) not in _given)


def known() -> tuple[str, ...]:
    """Return what was given to this process or asked for in it, for its workers."""
    return tuple(_given)


def ask_with(ask: Callable[[Path], str | None] | None) -> None:
    """Have a person asked for the passphrase of a library, once for each; None asks nobody."""
    _ask[:] = [] if ask is None else [ask]


def forget() -> None:
    """Forget what was given and asked for."""
    _given.clear()
    _asked.clear()
    _ask.clear()


def clean(passphrase: str) -> str:
    """Return the passphrase in the one way that Unicode spells it, so that it is the same from any keyboard."""
    return unicodedata.normalize("NFC", passphrase)


def checked(passphrase: str) -> str:
    """Return a new passphrase, cleaned. Raises LibraryError when it is too short to keep anybody out."""
    if len(clean(passphrase)) < SHORTEST:
        raise LibraryError(f"a passphrase has at least {SHORTEST} characters; several words are best")
    return clean(passphrase)


def read(path: str | Path) -> str:
    """Return the first line of a file. Raises LibraryError."""
    try:
        lines = given.content(path, MOST_BYTES).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LibraryError(f"{path}: no passphrase can be read: {getattr(error, 'strerror', None) or error}") from error
    if not lines or not lines[0]:
        raise LibraryError(f"{path}: holds no passphrase; it belongs in the first line")
    return clean(lines[0])


def stated() -> str | None:
    """Return the passphrase that somebody states for this process; a library that it makes is put under it."""
    return next(iter(_stated()), (None, ""))[0]


def is_under_one(path: Path) -> bool:
    """Whether a file may be a library under a passphrase: nothing but random bytes, in whole pages."""
    with given.opened(path) as file:
        page = file.read(PAGE_BYTES)
        size = os.fstat(file.fileno()).st_size
    return len(page) == PAGE_BYTES and size % PAGE_BYTES == 0 and len(set(page)) >= RANDOM


def found_for(path: Path, opens: Callable[[str], bool]) -> str:
    """Return the passphrase that opens a file. Raises LibraryError: there is none, or it is wrong.

    opens : whether one does
    """
    tried = ""
    for passphrase, whence in _candidates(path.absolute()):
        if opens(passphrase):
            give(passphrase)
            return passphrase
        tried = whence
    if tried:
        raise LibraryError(f"{path}: the passphrase ({tried}) is wrong, or this is no voicematch library")
    how = f"give it with --passphrase-file or {FILE_VARIABLE}"
    raise LibraryError(f"{path}: not a voicematch library, or one under a passphrase: {how}")


@functools.lru_cache(maxsize=64)
def key(passphrase: str, salt: bytes) -> str:
    """Return the key and salt as SQLCipher takes them, hexadecimal."""
    made = hashlib.pbkdf2_hmac("sha512", passphrase.encode(), salt, ITERATIONS, 32)
    return (made + salt).hex()


@contextmanager
def keeping(path: Path, passphrase: str | None) -> Iterator[None]:
    """Keep in the system's keyring what the block puts a library under; None: nothing.

    What was kept before stays beside it until the block is done, so that the library can be opened wherever that ends.

    Raises LibraryError.
    """
    if passphrase is not None:
        keep(_to_be(path), passphrase)
    yield
    keep(path, passphrase)
    keep(_to_be(path), None)


def _to_be(path: Path) -> Path:
    """By what the passphrase is kept that a library is about to be under."""
    return path.with_name(f"{path.name} (to be)")


def keep(path: Path, passphrase: str | None) -> None:
    """Keep the passphrase of a library in the system's keyring; None takes it out. Raises LibraryError."""
    keyring = _keyring()
    if keyring is None:
        if passphrase is not None:
            raise LibraryError("the package keyring is missing: pip install 'voicematch[passphrase]'")
        return
    name = str(path.absolute())
    try:
        if passphrase is not None:
            keyring.set_password(SERVICE, name, passphrase)
        elif keyring.get_password(SERVICE, name) is not None:
            keyring.delete_password(SERVICE, name)
    except keyring.errors.KeyringError as error:
        if passphrase is not None:
            reason = str(error) or type(error).__name__
            raise LibraryError(f"the system's keyring takes no passphrase: {reason}") from error


def _candidates(path: Path) -> Iterator[tuple[str, str]]:
    yield from _stated()
    for place in (path, _to_be(path)):
        kept = _kept(place)
        if kept is not None:
            yield kept, "of the system's keyring"
    if _ask and path not in _asked:
        _asked.add(path)
        answer = _ask[0](path)
        if answer:
            give(answer)
            yield clean(answer), "given"


def _stated() -> Iterable[tuple[str, str]]:
    yield from ((one, "given") for one in tuple(_given))
    if os.environ.get(VARIABLE):
        yield clean(os.environ[VARIABLE]), f"of {VARIABLE}"
    if os.environ.get(FILE_VARIABLE):
        yield read(os.environ[FILE_VARIABLE]), f"of {FILE_VARIABLE}"


def _kept(path: Path) -> str | None:
    keyring = _keyring()
    if keyring is None:
        return None
    try:
        password: str | None = keyring.get_password(SERVICE, str(path))
    except keyring.errors.KeyringError as error:
        log.info("%s", error)
        return None
    return None if password is None else clean(password)


def _keyring() -> ModuleType | None:
    try:
        importlib.import_module("keyring.errors")
        return importlib.import_module("keyring")
    except ModuleNotFoundError:
        return None
