"""Work begun from the pages: files taken in, and the queue worked off by a process of its own."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from ..batch.feeds import SOUND
from ..errors import VoicematchError
from ..formats.file_names import file_name
from ..library import Library, default_location, partial

MOST_UPLOADED = 2 << 30  # bytes; ten hours of a good mp3 are 1 GiB
SECONDS_TO_STOP = 30.0  # for the stage in hand, when the pages end
COMMAND = (sys.executable, "-m", "voicematch", "batch", "run", "--quiet")
SUFFIX = re.compile(r"\.[a-z0-9]{2,5}$", re.IGNORECASE)


class QueueRun:
    """`voicematch batch run` on the library of the pages, begun and stopped from them. Threads may share one.

    It is a process of its own, so that its models do not weigh on the pages, and their end does not kill it half way.
    """

    def __init__(self, location: str | None, command: Sequence[str] = COMMAND) -> None:
        self._location = location
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._is_stopping = False

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def is_stopping(self) -> bool:
        """Whether it was told to stop, and still has a stage in hand."""
        return self._is_stopping and self.is_running()

    def problem(self) -> str:
        """Return why the last run could not work at all; "" when it could."""
        if self._process is None or self._process.poll() in (None, 0, 3, 130, -signal.SIGINT):
            return ""
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].removeprefix("Error: ") if lines else "the run ended before it began"

    def start(self) -> bool:
        """Begin, and return False when it runs already."""
        with self._lock:
            if self.is_running():
                return False
            self._log.seek(0)
            self._log.truncate()
            self._is_stopping = False
            # The place of the library may hold a password, which others can see in a command's arguments.
            environment = os.environ | {"VOICEMATCH_LIBRARY": self._location or default_location()}
            self._process = subprocess.Popen(
                self._command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                start_new_session=True,  # a ^C in the terminal is for the pages, which then stop this one
            )
            return True

    def stop(self) -> bool:
        """Have it stop after the stage in hand, what is not done queued again; False when nothing runs."""
        with self._lock:
            if self._process is None or not self.is_running():
                return False
            self._is_stopping = True
            self._process.send_signal(signal.SIGINT)
            return True

    def close(self) -> None:
        """Stop, and wait for it."""
        if self.stop() and self._process is not None:
            try:
                self._process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()


def folder_of(library: Library) -> Path:
    """Return where sound that is handed in on the pages is kept: beside the library."""
    beside = library.path.parent if library.path is not None else Path(default_location()).parent
    return beside / "recordings"


def sound_name(name: str) -> str:
    """Return a name for a file on this machine; what somebody else calls it is no path.

    >>> sound_name("../../Episode 1: hens.MP3"), sound_name("C:\\\\talk.wav")
    ('Episode 1 hens.mp3', 'talk.wav')

    Raises VoicematchError when it is not called as sound is.
    """
    last = re.split(r"[/\\]", name)[-1]
    if not SOUND.search(last):
        raise VoicematchError(
            f"{last[:60] or 'the file'}: no sound that is known by its name; .mp3, .m4a, .wav, .flac …"
        )
    suffix = SUFFIX.search(last)
    stem = last[: suffix.start()] if suffix else last
    return (file_name(stem) or "recording") + (suffix[0].lower() if suffix else "")


def keep(sound: Path, name: str, folder: Path) -> Path:
    """Move a file that was handed in to its place, whole; the same sound under the same name is one file.

    It may come from another disk: folders for what is temporary often lie in memory.

    Raises VoicematchError when it cannot be kept.
    """
    target = folder / name
    try:
        digest = _digest(sound)
        if target.exists() and _digest(target) != digest:
            target = target.with_stem(f"{target.stem} {digest[:6]}")
        folder.mkdir(parents=True, exist_ok=True)
        partial.sweep(folder)
        if not target.exists():
            with partial.writing(target, fresh=True) as made:
                shutil.move(sound, made)
    except OSError as error:
        raise VoicematchError(f"the file cannot be kept: {error.strerror or error}") from error
    return target


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
