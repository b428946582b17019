"""An episode's files on disk: written whole, remembered by the library, and written anew when a name changes.

A file that somebody has changed since is theirs: it is left as it is, and the log says so.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from . import formats, outputs
from .errors import OutputExists, VoicematchError
from .library import Library
from .types import LabelledEpisode

log = logging.getLogger(__name__)


def write(library: Library, episode: LabelledEpisode, files: Sequence[tuple[Path, str]]) -> None:
    """Writes an episode to files, which follow its names from then on if the episode is stored.

    files : (path, format) of each

    Raises VoicematchError when one cannot be written.
    """
    texts = [(path, form, formats.FORMATS[form](episode)) for path, form in files]
    expected = [(path.absolute(), form, _digest(text.encode()), _digest_at(path)) for path, form, text in texts]
    library.outputs.expect(episode.audio_sha256, expected)
    for path, _, text in texts:
        outputs.write_atomically(path, text)


def refuse_changed(library: Library, paths: Sequence[Path]) -> None:
    """Raises OutputExists when one of these files was written by voicematch, and changed by somebody since."""
    for path, output in library.outputs.at([path.absolute() for path in paths]).items():
        digest = _digest_at(path)
        if digest is not None and not output.is_ours(digest):
            raise OutputExists(f"{path} was changed since voicematch wrote it; --force overwrites it")


def rewrite(library: Library, audio_sha256s: Sequence[str]) -> tuple[Path, ...]:
    """The files written again, with the names of today, of those that were written for these episodes.

    A file that is gone stays gone; one that was changed since, or cannot be written, is reported in the log, and the
    others follow.
    """
    written = []
    for sha256 in dict.fromkeys(audio_sha256s):
        files = [output for output in library.outputs.of(sha256) if output.format in formats.FORMATS]
        stale: list[tuple[Path, str]] = []
        for output in files:
            digest = _digest_at(output.path)
            if digest is not None and output.is_ours(digest):
                stale.append((output.path, output.format))
            elif output.path.exists():
                why = "was changed since it was written" if digest is not None else "cannot be read"
                log.warning("%s %s; it still shows the names of before", output.path, why)
        episode = library.episode(sha256) if stale else None
        for path, form in stale:
            assert episode is not None
            try:
                write(library, episode, [(path, form)])
            except VoicematchError as error:
                log.warning("%s; it still shows the names of before", error)
            else:
                written.append(path)
    return tuple(written)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_at(path: Path) -> str | None:
    """Of what is in a file; None when there is none that can be read."""
    try:
        return _digest(path.read_bytes())
    except OSError:
        return None
