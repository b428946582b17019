"""Fixing an episode: lines to another speaker, two speakers one, one speaker two, other words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from ...errors import ChangedSince
from ...formats.amounts import plural
from ...library import Library
from ...types import LabelledEpisode
from ...usecases import fix
from ...usecases.fix import Fixed, Span
from ...usecases.name import Change
from ..drawing import voice
from ..journal import TakeBack
from ..telling import plain
from .action import CONSENT, EPISODE, SPEAKER, Action, ActionOutcome, Field, Fields, WrongFields

MOST_LINES = 2_000  # marked at once
LINES = Field("lines", "the lines, by their places in the episode from 1, with commas between: 12,13,14")
SEEN = Field("seen", "as the episode's page has it: refuses lines that are others since; empty: as they are", True)
_LINE = Field("lines", "the line, by its place in the episode from 1")
_TO = Field("to", 'whose they are: a label of the episode (SPEAKER_02), or "new" for somebody new', may_be_empty=True)
_PERSON = Field("name", "or the name of a person, who need not be in the library yet", may_be_empty=True)


def numbers(text: str, name: str = "lines") -> list[int]:
    """Return the places of lines, from 0, each once and in order. Raises WrongFields."""
    listed = [part.strip() for part in text.split(",") if part.strip()]
    if not listed or len(listed) > MOST_LINES or not all(part.isascii() and part.isdecimal() for part in listed):
        raise WrongFields(f"{name}: mark the lines that are meant")
    return sorted({int(part[:9]) - 1 for part in listed})


def episode_seen(library: Library, fields: Fields) -> LabelledEpisode:
    """Return the episode whose lines are meant. Raises ChangedSince when its lines are not those of the page."""
    episode = library.episodes.get(fields["episode"])
    fix.check_seen(episode, fields["seen"])
    return episode


def spans_of(episode: LabelledEpisode, lines: list[int]) -> list[Span]:
    """Return one span for each run of lines that follow each other."""
    runs = groupby(enumerate(lines), lambda pair: pair[1] - pair[0])
    ends = [[line for _, line in run] for _, run in runs]
    return [fix.span_of_lines(episode, run[0], run[-1]) for run in ends]


def _whose(fields: Fields) -> str:
    to = fields["name"] or fields["to"]
    if not to:
        raise WrongFields("say whose the lines are: choose a voice, or give a name")
    return to


def _give(library: Library, fields: Fields) -> ActionOutcome:
    episode = episode_seen(library, fields)
    lines = numbers(fields["lines"])
    to, consent = _whose(fields), fields["consent"] or None
    done = fix.give(fields["episode"], spans_of(episode, lines), to, library=library, consent=consent)
    return _outcome(library, done, f"{plural(len(lines), 'line')} given to {fields['name'] or voice(done.speaker)}")


def _split_line(library: Library, fields: Fields) -> ActionOutcome:
    episode = episode_seen(library, fields)
    line, words = numbers(fields["lines"])[0], numbers(fields["words"], "words")
    span = fix.span_of_lines(episode, line, from_word=words[0], to_word=words[-1])
    to, consent = _whose(fields), fields["consent"] or None
    done = fix.give(fields["episode"], [span], to, library=library, consent=consent)
    return _outcome(library, done, f"a part of a line given to {fields['name'] or voice(done.speaker)}")


def _split_voice(library: Library, fields: Fields) -> ActionOutcome:
    episode = episode_seen(library, fields)
    lines = numbers(fields["lines"])
    consent = fields["consent"] or None
    to = fields["name"] or fields["to"] or fix.NEW
    spans = spans_of(episode, lines)
    done = fix.split(fields["episode"], fields["speaker"], spans, library=library, to=to, consent=consent)
    return _outcome(library, done, f"{plural(len(lines), 'line')} taken out of {voice(fields['speaker'])}")


def _merge_voices(library: Library, fields: Fields) -> ActionOutcome:
    done = fix.merge(fields["episode"], fields["source"], fields["into"], library=library)
    return _outcome(
        library, done, f"{voice(fields['source'])} and {voice(fields['into'])} are one voice in this episode"
    )


def _reword(library: Library, fields: Fields) -> ActionOutcome:
    line = numbers(fields["lines"])[0]
    done = fix.reword(fields["episode"], line, fields["text"], library=library, seen=fields["seen"])
    return _outcome(library, done, "the words of a line changed")


def _outcome(library: Library, done: Fixed, text: str) -> ActionOutcome:
    warnings = tuple(plain(warning) for warning in done.warnings)
    name = done.learned.profile if done.learned is not None else None
    return ActionOutcome(text, done.changes, warnings, name, take_back=_take_back(library, done))


def _take_back(library: Library, done: Fixed) -> TakeBack:
    made = _marks(library, done)

    def take_back(library: Library) -> Sequence[Change]:
        if _marks(library, done) != made:
            raise ChangedSince("that fix was taken back already")
        return fix.undo(done.audio_sha256, done.number, library=library).changes

    return take_back


def _marks(library: Library, done: Fixed) -> list[tuple[str, tuple[Span, ...], str]]:
    """What tells a fix from a later one, which may have the number of one that was taken back."""
    rows = library.fixes.of(done.audio_sha256)
    return [(row.created, row.fix.spans, row.fix.text) for row in rows if row.batch == done.number]


def _fixes(summary: str, fields: tuple[Field, ...], run: Callable[[Library, Fields], ActionOutcome]) -> Action:
    return Action(summary, fields, run, keeps_its_own=True)


FIXING = {
    "give-lines": _fixes("Give lines to another voice.", (EPISODE, LINES, SEEN, _TO, _PERSON, CONSENT), _give),
    "split-line": _fixes(
        "Give a part of a line to another voice.",
        (EPISODE, _LINE, SEEN, Field("words", "its first and last word, from 1: 4,9"), _TO, _PERSON, CONSENT),
        _split_line,
    ),
    "split-voice": _fixes(
        "Take lines out of a voice that is two people.",
        (EPISODE, SPEAKER, LINES, SEEN, _TO, _PERSON, CONSENT),
        _split_voice,
    ),
    "merge-voices": _fixes(
        "Make one of two voices of an episode.",
        (EPISODE, Field("source", "the label that goes, SPEAKER_03"), Field("into", "the label that stays")),
        _merge_voices,
    ),
    "reword": _fixes(
        "Change the words of a line.", (EPISODE, _LINE, SEEN, Field("text", "the line as it is said")), _reword
    ),
}
