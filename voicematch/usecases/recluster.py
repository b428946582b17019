"""Another number of speakers in a stored episode, out of what is kept of it; the audio is not opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..engines import open_embedder
from ..engines.diarize import conclude
from ..engines.kept import heard_again
from ..engines.windows import Clock
from ..errors import LibraryError
from ..library import Library
from ..transcript.attribute import attribute
from ..types import Diarization, LabelledEpisode, Turn, Windows
from . import recognise, refold
from .keep_speakers import OF_TRANSCRIPT
from .learn import not_heard_again
from .name import Change, changing


@dataclass(frozen=True, slots=True, eq=False)
class Reclustered:
    """What came of it.

    number : by which `undo` takes it back; 0 for what was taken back, or was not kept
    warnings : sentences, when there are more speakers than were asked for
    """

    episode: LabelledEpisode
    changes: tuple[Change, ...]
    number: int = 0
    warnings: tuple[str, ...] = ()


def recluster(
    episode_key: str, speakers: tuple[int, int] | None, *, library: Library, dry_run: bool = False
) -> Reclustered:
    """Tell the voices of a stored episode apart anew, and return it with the names of today.

    speakers : (fewest, most); None finds the number

    What a person confirmed, and fixed, stays: two people whom a person named are never one, however few are asked for.
    `undo` takes it back, and not a library's ``recording``.
    Raises LibraryError when what was heard is not kept, ModelError when who heard it is not on this machine.
    """
    with changing(library, dry_run=dry_run) as changes:
        episode = library.episodes.get(episode_key)
        if episode.embedder != library.embedder:
            raise LibraryError(f"{episode.title or episode.source}: {not_heard_again(episode.embedder, library)}")
        windows = library.windows.of(episode.audio_sha256)
        if windows is None:
            raise LibraryError(
                f"{episode.title or episode.source}: what was heard in it is not kept; "
                "voicematch identify hears it again"
            )
        before = library.earlier.today(episode.audio_sha256)
        found = _told_anew(library, episode, windows, speakers)
        heard = refold.lines_heard(library, episode.audio_sha256)
        lines = attribute(heard, found.turns, exclusive=found.exclusive)
        diarizer = episode.diarizer.removesuffix(OF_TRANSCRIPT)
        answer = replace(episode, turns=found.turns, lines=lines, diarizer=diarizer)
        answer = recognise.store(library, answer, found.embeddings, windows)
        library.outputs.mark([episode.audio_sha256])
        number = library.earlier.keep(episode.audio_sha256, before)
    num_found = len(answer.talk_seconds())
    warnings = []
    if speakers is not None and num_found > speakers[1]:
        warnings.append(f"there are {num_found} speakers: whom a person named, or fixed, stays apart")
    return Reclustered(answer, tuple(changes), 0 if dry_run else number, tuple(warnings))


def undo(episode_key: str, number: int | None = None, *, library: Library, dry_run: bool = False) -> Reclustered:
    """Take back that the voices of an episode were told apart anew, the latest time when no number is given.

    Who speaks when, the names, what was fixed and the lines are those of before; other episodes are matched again.
    Raises LibraryError when there is nothing to take back, ChangedSince when the answer has been changed since.
    """
    with changing(library, dry_run=dry_run) as changes:
        sha256 = library.episodes.get(episode_key).audio_sha256
        library.earlier.put_back(sha256, number)
        recognise.match_again(library)
        library.outputs.mark([sha256])
        answer = library.episodes.get(sha256)
    return Reclustered(answer, tuple(changes))


def _told_anew(
    library: Library, episode: LabelledEpisode, windows: Windows, speakers: tuple[int, int] | None
) -> Diarization:
    """Who speaks when, with as many speakers as were asked for if those whom a person named leave room."""
    heard, embedder = heard_again(windows), open_embedder(windows.embedder)
    known = recognise.anchors(library) if windows.embedder == library.embedder else None
    fewest, most = speakers or (1, None)
    while True:
        number = None if most is None else (min(fewest, most), most)
        clustered = conclude(heard, embedder, Clock(), speakers=number, anchors=known)
        clustered = replace(clustered, windows=windows)
        found = recognise.told_apart(library, episode.audio_sha256, clustered)
        if speakers is None or most is None or most == 1 or _num_speakers(found.turns) <= speakers[1]:
            break
        most -= 1
    if windows.embedder == library.embedder:
        return found
    before = library.fixes.heard(episode.audio_sha256)
    turns = episode.turns if before is None else before.turns
    voices = library.speakers.embeddings(episode.audio_sha256) if before is None else before.voices
    return replace(found, embeddings=refold.shared_out(voices, turns, found.turns))


def _num_speakers(turns: Sequence[Turn]) -> int:
    return len({turn.speaker for turn in turns})
