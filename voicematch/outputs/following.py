"""An episode's files on disk: written whole, remembered by the library, and written anew when a name changes.

A file that somebody has changed since is theirs: it is left as it is, and the log says so, as of one that is not there.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from .. import formats, given
from ..errors import LibraryError, OutputExists, VoicematchError, shown
from ..library import Library, Output
from ..library.keys import storable
from ..library.outputs import changed
from ..types import LabelledEpisode
from . import vault
from .paths import write_atomically

TRIES = 5  # to be the last who writes a file
AWAY = "is in a folder that is not there now"  # its disk may come back

Behind = tuple[Path, str]
"""A file that still shows the names of before, and why."""

log = logging.getLogger(__name__)


def write(library: Library, episode: LabelledEpisode, files: Sequence[tuple[Path, str]]) -> None:
    """Write an episode to files, which follow its names from then on if the episode is stored.

    A stored one is written with the names of this moment. Where another process changes them meanwhile, or writes the
    same file, it is written again, so that nobody's older names are the last to arrive.

    files : (path, format) of each

    Raises VoicematchError when one cannot be written; if it was written before, the next command tries again.
    """
    written_as = (episode.source, episode.title, episode.show)
    for _ in range(TRIES):
        with library.together():
            now = _as_stored(library, episode)
            texts = [(path, form, text_of(now, form, library=library)) for path, form in files]
            expected = [(path.absolute(), form, _digest(text.encode()), _digest_at(path)) for path, form, text in texts]
            first = _never_written(library, expected)
            mark = library.outputs.expect(episode.audio_sha256, expected, written_as)
        written: list[Path] = []
        try:
            for path, _, text in texts:
                write_atomically(path, text)
                written.append(path.absolute())
        except VoicematchError:
            library.outputs.given_up(first - set(written), mark)
            raise
        finally:
            is_last = library.outputs.written(written, mark)
        if is_last:
            return
    library.outputs.mark([episode.audio_sha256])  # the next command has more peace


def _never_written(library: Library, expected: Sequence[tuple[Path, str, str, str | None]]) -> set[Path]:
    """Those of the files that are not there and never were, as far as the library knows."""
    known = library.outputs.at([path for path, *_ in expected])
    absent = {path for path, _, _, digest in expected if digest is None}
    return {path for path in absent if path not in known or known[path].is_new}


def _as_stored(library: Library, episode: LabelledEpisode) -> LabelledEpisode:
    """Return the episode with its names of this moment, under the name it is given here."""
    try:
        stored = library.episodes.get(episode.audio_sha256)
        return replace(stored, source=episode.source, title=episode.title, show=episode.show)
    except LibraryError:
        return episode


def text_of(episode: LabelledEpisode, form: str, *, library: Library | None = None) -> str:
    """Return an episode in a format. A password or key in its address stays in the library.

    library : knows the roles of people, which the tags of a feed tell
    """
    told = replace(episode, source=storable(shown(episode.source)))
    if form == "tags" and library is not None:
        return formats.write_tags(told, roles=_roles(library, told))
    return formats.FORMATS[form](told)


def _roles(library: Library, episode: LabelledEpisode) -> dict[str, str]:
    """By name, the role of whom the library knows one."""
    names = {match.profile for match in episode.matches.values() if match.profile is not None}
    known = [profile for name in names if (profile := library.profiles.find(name)) is not None]
    return {profile.name: profile.role for profile in known if profile.role}


def refuse_changed(library: Library, paths: Sequence[Path]) -> None:
    """Raise OutputExists when one of these files was written by voicematch, and changed by somebody since."""
    for path, output in library.outputs.at([path.absolute() for path in paths]).items():
        digest = _digest_at(path)
        if digest is not None and not output.is_ours(digest):
            raise OutputExists(f"{path} was changed since voicematch wrote it; --force overwrites it")


@contextmanager
def following(library: Library) -> Iterator[list[Behind]]:
    """Make a transaction. The files of episodes that it changes are noted in it, and written when it is over.

    Whatever gives or takes a name runs in here. A process that is killed after the transaction has left a list of the
    files, and the next command writes them (`finish`). Gives what `finish` gives, once it is over.
    """
    behind: list[Behind] = []
    with library.together():
        before = library.outputs.sayings()
        yield behind
        other = changed(before, library.outputs.sayings())
        library.outputs.mark(other)
    behind += finish(library)
    away = sorted({path.parent for path, why in behind if why == AWAY})
    if other and away:
        more = f" and {len(away) - 1} other folders" if len(away) > 1 else ""
        log.warning("%s%s: not there, so that the files in it still show the names of before", away[0], more)


def finish(library: Library) -> tuple[Behind, ...]:
    """Write the files that are still to be written, with the names of today; within a transaction none: later.

    A file that is gone stays gone, and one that was changed since stays as it is, and is reported in the log. One that
    cannot be written stays on the list, and the others follow. Return those that still show the names of before.
    """
    if library.is_together:
        return ()
    behind: list[Behind] = []
    waiting = library.outputs.stale()
    files = (output for output in waiting if output.format != vault.FORMAT)
    for sha256, of_episode in groupby(files, key=lambda output: output.audio_sha256):
        episode: LabelledEpisode | None = None
        for output in of_episode:
            if _is_to_be_written(library, output, behind):
                episode = episode or library.episodes.get(sha256)
                try:
                    write(library, as_written(episode, output), [(output.path, output.format)])
                except VoicematchError as error:
                    if output.is_new:
                        log.warning("%s", error)
                        continue
                    log.warning("%s; it still shows the names of before, and the next command tries again", error)
                    behind.append((output.path, str(error)))
    notes = [output for output in waiting if output.format == vault.FORMAT]
    written = vault.follow(library, notes)
    behind += [
        (output.path, AWAY) for output in notes if output.path not in written and not os.path.exists(output.path)
    ]
    return tuple(behind)


def _is_to_be_written(library: Library, output: Output, behind: list[Behind]) -> bool:
    def stays(why: str) -> None:
        log.warning("%s %s; it still shows the names of before", output.path, why)
        behind.append((output.path, why))

    digest = _digest_at(output.path)
    if output.format not in formats.FORMATS:
        library.outputs.left_alone(output)
        return False
    if digest is not None:
        if output.is_ours(digest):
            return True
        known = library.outputs.at([output.path]).get(output.path)
        if known is None or known.stale is None or known.is_ours(digest):  # another process has just written it
            return known is not None and known.stale is not None
        stays("was changed since it was written")
        library.outputs.left_alone(output)
    elif given.may_be_there(output.path):
        stays("cannot be read")
        if os.path.isdir(output.path):
            library.outputs.left_alone(output)
    elif output.is_new:
        return True
    elif output.path.parent.is_dir():
        log.warning("%s is gone; if it was moved, the file still shows the names of before", output.path)
        behind.append((output.path, "is gone; it may have been moved"))
        library.outputs.forget(output.path)
    else:
        behind.append((output.path, AWAY))
    return False


def as_written(episode: LabelledEpisode, output: Output) -> LabelledEpisode:
    """Return the episode under the name that the file was written with, of the several that it may have."""
    if output.written_as is None:
        return episode
    source, title, show = output.written_as
    return replace(episode, source=source, title=title, show=show)


def is_own(library: Library, path: Path, source: str) -> bool:
    """Return whether voicematch wrote a file for the episode of this audio, and nobody has changed it since."""
    output = library.outputs.at([path.absolute()]).get(path.absolute())
    digest = _digest_at(path)
    if output is None or digest is None or not output.digests or not output.is_ours(digest):
        return False
    return output.source == source or Path(output.source).absolute() == Path(source).absolute()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_at(path: Path) -> str | None:
    """Of what is in a file; None when there is none that can be read."""
    try:
        return _digest(given.content(path))
    except OSError:
        return None
