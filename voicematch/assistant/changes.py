"""What an assistant may say of a library for a person, where that is allowed: the use cases of the commands."""

from __future__ import annotations

from ..errors import LibraryError
from ..library import Library
from ..usecases import fix as fixing
from ..usecases import name as naming
from ..usecases.learn import Enrollment
from ..voices.consent import CONSENT
from ..voices.rules import number_of
from .answers import Answer, as_pairs, key


def name(library: Library, voice: str, name: str, *, episode: str | None = None, consent: str | None = None) -> Answer:
    """Name a voice: one that nobody has named (U-0001), or a speaker (SPEAKER_01) of an episode."""
    _check(consent)
    if episode is not None:
        added, changes = naming.name(key(library, episode), voice, name, library=library, consent=consent)
    elif number_of(voice) is not None:
        added, changes = naming.name_unknown(voice, name, library=library, consent=consent)
    else:
        raise LibraryError(f"{voice!r} is no voice like U-0001; a speaker's label needs its episode")
    return {"named": name, "changes": as_pairs(changes), **_learned(added)}


def correct(library: Library, episode: str, speaker: str, name: str | None, *, consent: str | None = None) -> Answer:
    """Say who a wrongly named speaker of an episode is; None is nobody whom the library should name."""
    _check(consent)
    added, changes = naming.correct(key(library, episode), speaker, name, library=library, consent=consent)
    return {"corrected": speaker, "is": name, "changes": as_pairs(changes), **_learned(added)}


def fix_speaker(
    library: Library,
    episode: str,
    start: float,
    speaker: str,
    *,
    end: float | None = None,
    consent: str | None = None,
) -> Answer:
    """Give a line, or a stretch of an episode, to a speaker of it, to a person, or to somebody "new"."""
    _check(consent)
    found = key(library, episode)
    span = fixing.span_between(library.episodes.get(found), start, end)
    return _fixed(fixing.give(found, [span], speaker, library=library, consent=consent))


def fix_text(library: Library, episode: str, line: int, text: str, *, seen: str) -> Answer:
    """Change the words of a line, given by its number in the transcript.

    seen : what the transcript said that its lines are seen as, so that a number of other lines is refused; the answer
        has what to give with the next number of the same transcript
    """
    found = key(library, episode)
    with library.together():
        fixed = _fixed(fixing.reword(found, line, text, library=library, seen=seen))
        now = fixing.as_shown(library.episodes.get(found).lines)
    return fixed | {"seen": now}


def fix_merge(library: Library, episode: str, source: str, into: str) -> Answer:
    """Make two speakers of one episode one."""
    return _fixed(fixing.merge(key(library, episode), source, into, library=library))


def undo_fix(library: Library, episode: str, number: int | None = None) -> Answer:
    """Take back a fix of an episode, the latest where no number is given."""
    return _fixed(fixing.undo(key(library, episode), number, library=library))


def _fixed(fixed: fixing.Fixed) -> Answer:
    return {
        "done": fixed.text,
        "fix": fixed.number or None,
        "label": fixed.speaker or None,
        "changes": as_pairs(fixed.changes),
        "warnings": list(fixed.warnings),
    }


def _learned(added: Enrollment | None) -> Answer:
    return {"warnings": list(added.warnings) if added else [], "num_voiceprints": added.num_voiceprints if added else 0}


def _check(consent: str | None) -> None:
    if consent is not None and consent not in CONSENT:
        raise LibraryError(f"consent is one of {', '.join(CONSENT)}, as the person gave it; not {consent!r}")
