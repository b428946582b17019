"""Files that are being written: under a name of their own until they are whole, so that nobody meets half a file.

The name says which process writes it. What a killed one left behind is told by that, and swept up by the next command.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = re.compile(r"\.voicematch-(\d+)-\d+\.part(?:-journal|-wal|-shm)?")
OLDEST = 86_400.0  # s; no file takes a day to write, so an older one is nobody's, whoever has its number now
PRIVATE = 0o600

_numbers = itertools.count()


@contextmanager
def writing(path: Path, *, private: bool = False, fresh: bool = False, durable: bool = True) -> Iterator[Path]:
    """Give a name to write under, empty and beside ``path``; it takes the place of ``path`` at the end, or is gone.

    private : readable for its owner alone, else as the umask has it
    durable : also a power cut leaves it whole
    fresh : raise FileExistsError at the end rather than take the place of a file

    Raises OSError.
    """
    partial = path.with_name(f".voicematch-{os.getpid()}-{next(_numbers)}.part")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, PRIVATE if private else 0o666))
        if private:
            partial.chmod(PRIVATE)  # one that was there already keeps its mode when it is opened
        yield partial
        if durable:
            with partial.open("rb+") as file:
                os.fsync(file.fileno())  # else a power cut may leave the new name with nothing behind it
        if fresh:
            _place(partial, path)
        else:
            partial.replace(path)
    except BaseException:
        with suppress(OSError):  # it may not even be there; the reason above is the one to tell
            partial.unlink()
        raise


def _place(partial: Path, path: Path) -> None:
    """Renames without overwriting. Where the file system knows no links, another writer may slip in between."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:
        if path.exists():
            raise FileExistsError(f"{path}") from None
        partial.replace(path)
    else:
        partial.unlink()


def sweep(folder: Path) -> None:
    """Remove what processes that are no more were writing in a folder."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            named = NAME.fullmatch(entry.name)
            if named and (_is_gone(int(named[1])) or _is_old(entry)):
                with suppress(OSError):
                    os.unlink(entry.path)


def sweep_folders(beside: Path) -> None:
    """Remove the hidden folders in which libraries used to be copied, once they are an hour old."""
    with suppress(OSError):
        for entry in os.scandir(beside.parent):
            is_ours = entry.name.startswith(f".{beside.name}.") and ".backup." in entry.name
            if is_ours and entry.is_dir(follow_symlinks=False) and _is_old(entry, 3600.0):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_old(entry: os.DirEntry[str], seconds: float = OLDEST) -> bool:
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > seconds


def _is_gone(pid: int) -> bool:
    if sys.platform == "win32":
        return False  # there is no harmless way to ask
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
