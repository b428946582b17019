"""Fixing one line, one turn, one word of a stored episode; nothing of it is changed by a later run. No audio is opened.

Each of these is one transaction, after which every file of the episode is written anew. It is taken back with `undo`,
in any order, and not by a library's ``recording``, which knows nothing of turns and lines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import ChangedSince, LibraryError
from ..formats.clock import clock
from ..library import AsHeard, FixRow, Library
from ..library.keys import RESERVED, key
from ..transcript.fixing import Fix, FixKind, free_label, word_times
from ..types import LabelledEpisode, Line, Turn, Verdict
from ..voices.consent import CONSENT, TODAY
from ..voices.rules import CONFIRMED
from ..voices.sample import MIN_SECONDS
from .learn import Enrollment, ensure_profile, learn, voice_of
from .name import Change, changing
from .recognise import blank, match_again
from .refold import folded

NEW = "new"  # asks for a speaker that the episode does not have yet
SLIVER = 0.5  # s of a turn beside a line that is given away: it goes with the line
NEAR = 1.0  # s; a time that a person reads off a clock means the edge of a line so near

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Fixed:
    """What a fix came to.

    number : by which `undo` takes it back; 0 for what was taken back, or was not kept
    speaker : the label of who has the words now; "" for a change of words
    changes : every label that changed in any episode
    learned : what a person's profile learned by it, or None
    """

    audio_sha256: str
    number: int
    speaker: str
    text: str
    changes: tuple[Change, ...] = ()
    learned: Enrollment | None = None
    warnings: tuple[str, ...] = ()


def give(
    episode_key: str,
    spans: Sequence[Span],
    speaker: str,
    *,
    library: Library,
    consent: str | None = None,
    consent_note: str = "",
    dry_run: bool = False,
) -> Fixed:
    """Give stretches of an episode to a speaker of it, to a person, or to somebody new; several are one fix.

    spans : seconds, as `span_of_lines` and `span_between` make them
    speaker : a label of the episode (SPEAKER_02), a person's name, or `NEW`
    consent : of a person whose voice the library may not keep yet: "self", "permission" or "public"
    consent_note : what else is to be kept of it: who said so, where, in what words

    A person is said to be the speaker whom the library takes for them, or is a new one; their profile learns from
    that, as from a naming. Raises LibraryError, EnrollmentError.
    """
    with changing(library, dry_run=dry_run) as changes:
        episode = _heard_by_this(library, episode_key)
        spans = [_inside(episode, span) for span in spans]
        label, person = _target(library, episode, speaker)
        fixes = [Fix(FixKind.GIVE, tuple(_with_slivers(episode, span, label) for span in spans), label)]
        row, learned, warnings = _do(library, episode, fixes, label, person, consent, consent_note)
    said = ", ".join(f"{clock(start)}-{clock(end)}" for start, end in spans)
    number = 0 if dry_run else row.batch
    return Fixed(episode.audio_sha256, number, label, f"{said} is {person or label}", tuple(changes), learned, warnings)


def split(
    episode_key: str,
    speaker: str,
    spans: Sequence[Span],
    *,
    library: Library,
    to: str = NEW,
    consent: str | None = None,
    consent_note: str = "",
    dry_run: bool = False,
) -> Fixed:
    """Take the marked stretches out of a speaker who is two people. Arguments as for `give`.

    Raises LibraryError when the speaker does not talk in one of them, or in nothing else.
    """
    episode = library.episodes.get(episode_key)
    _existing(episode, speaker)
    for start, end in spans:
        if not any(turn.start < end and turn.end > start for turn in episode.turns if turn.speaker == speaker):
            raise LibraryError(f"{speaker} does not talk at {clock(start)}-{clock(end)}")
    rest = [turn for turn in episode.turns if turn.speaker == speaker]
    if all(any(start <= turn.start and turn.end <= end for start, end in spans) for turn in rest):
        raise LibraryError(f"that is all that {speaker} says; voicematch correct EPISODE:{speaker} says who it is")
    return give(episode_key, spans, to, library=library, consent=consent, consent_note=consent_note, dry_run=dry_run)


def merge(episode_key: str, source: str, into: str, *, library: Library, dry_run: bool = False) -> Fixed:
    """Make two speakers of one episode one, called ``into``.

    Raises LibraryError when a person said that they are two people.
    """
    with changing(library, dry_run=dry_run) as changes:
        episode = _heard_by_this(library, episode_key)
        _existing(episode, source)
        _existing(episode, into)
        if source == into:
            raise LibraryError(f"{source} is one speaker already")
        said = _said(library, episode)
        if source in said and into in said and said[source] != said[into]:
            whom = " and ".join(f"{label} is {said[label] or 'nobody to be named'}" for label in (source, into))
            raise LibraryError(f"a person said that {whom}; voicematch correct one of them first")
        spans = tuple((turn.start, turn.end) for turn in episode.turns if turn.speaker == source)
        person = said.get(source) if into not in said else None
        row, learned, warnings = _do(library, episode, [Fix(FixKind.MERGE, spans, into, source)], into, person, None)
    number = 0 if dry_run else row.batch
    text = f"{source} and {into} are one, {into}"
    return Fixed(episode.audio_sha256, number, into, text, tuple(changes), learned, warnings)


def as_shown(lines: Sequence[Line]) -> str:
    """Return what stands for the lines of an episode, so that places counted among them mean the same lines later."""
    told = "\n".join(f"{line.start} {line.text}" for line in lines)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def check_seen(episode: LabelledEpisode, seen: str) -> None:
    """Raise ChangedSince when the episode has other lines than those that somebody saw.

    seen : what `as_shown` gave of these; "" does not ask
    """
    if seen and seen != as_shown(episode.lines):
        raise ChangedSince("the lines of this episode were changed since they were shown; load it again")


def reword(episode_key: str, line: int, text: str, *, library: Library, seen: str = "", dry_run: bool = False) -> Fixed:
    """Change the words of a line, which is given by its place among the episode's lines, from 0.

    seen : among which lines that is, as for `check_seen`

    Raises LibraryError when there is no such line, or no words are given; ChangedSince.
    """
    with changing(library, dry_run=dry_run) as changes:
        episode = _heard_by_this(library, episode_key)
        check_seen(episode, seen)
        before = _line(episode, line)
        text = " ".join(text.split())
        if not text or text == before.text:
            raise LibraryError("a line needs words, and others than it has")
        fix = Fix(FixKind.TEXT, ((before.start, before.end),), text=text, before=before.text)
        row, _, warnings = _do(library, episode, [fix], "", None, None)
    number = 0 if dry_run else row.batch
    done = f"the line at {clock(before.start)} says: {text}"
    return Fixed(episode.audio_sha256, number, "", done, tuple(changes), None, warnings)


def undo(episode_key: str, number: int | None = None, *, library: Library, dry_run: bool = False) -> Fixed:
    """Take back a fix of an episode, the latest when no number is given; the others stay.

    Raises LibraryError when there is none.
    """
    with changing(library, dry_run=dry_run) as changes:
        episode = _heard_by_this(library, episode_key)
        sha256 = episode.audio_sha256
        stored = library.fixes.of(sha256)
        numbers = {row.batch for row in stored}
        if not numbers or (number is not None and number not in numbers):
            which = f"no fix {number}" if numbers else "nothing was fixed"
            raise LibraryError(f"{episode.title or episode.source}: {which}; voicematch fix EPISODE --list")
        number = max(numbers) if number is None else number
        said = _said(library, episode)
        named = {row.profile for row in stored if row.batch == number and row.profile is not None}
        library.fixes.remove(sha256, number)
        after = _refold(library, episode)
        if not library.fixes.of(sha256):
            library.fixes.keep_heard(sha256, None)
        people = {name for name in said.values() if name} | named
        warnings = _teach(library, episode, after, people, None, None, "")[1]
        for name in sorted(named):
            library.profiles.remove_empty(name)
        match_again(library)
        library.outputs.mark([sha256])
    return Fixed(sha256, 0, "", f"fix {number} is taken back", tuple(changes), None, warnings)


def fixes(episode_key: str, *, library: Library) -> tuple[FixRow, ...]:
    """Return the fixes of an episode, in the order in which they were made; ``batch`` is what `undo` takes."""
    return library.fixes.of(library.episodes.get(episode_key).audio_sha256)


def span_of_lines(
    episode: LabelledEpisode, first: int, last: int | None = None, *, from_word: int = 0, to_word: int | None = None
) -> Span:
    """Return the span of lines, given by their places from 0.

    from_word : of the first line, the first word that is meant, from 0
    to_word : of the last line, the last word that is meant; None for all

    Raises LibraryError when there is no such line or word.
    """
    opening = _line(episode, first)
    closing = opening if last is None else _line(episode, last)
    return _before_word(opening, from_word), _after_word(closing, to_word)


def span_between(episode: LabelledEpisode, start: float, end: float | None = None) -> Span:
    """Return the span that a person means by times read off a clock: edges of lines that are near count.

    end : None means the one line that is said at ``start``

    Raises LibraryError when no line is said there, or the times are none.
    """
    if end is None:
        return span_of_lines(episode, line_at(episode, start))

    def meant(time: float, edges: Sequence[float]) -> float:
        near = min(edges, key=lambda edge: abs(edge - time), default=time)
        return near if time == int(time) and abs(near - time) <= NEAR else time

    since = meant(start, [line.start for line in episode.lines])
    until = meant(end, [line.end for line in episode.lines])
    return (since, until) if since < until else (start, end)


def line_at(episode: LabelledEpisode, seconds: float) -> int:
    """Return the place of the line that is said at a time, from 0. Raises LibraryError when there is none."""
    inside = [
        idx for idx, line in enumerate(episode.lines) if int(line.start) <= seconds < max(line.end, line.start + 0.01)
    ]
    if not inside:
        raise LibraryError(f"no line is said at {clock(seconds)}")
    return max(inside, key=lambda idx: (episode.lines[idx].start <= seconds, idx))


def _do(
    library: Library,
    episode: LabelledEpisode,
    made: Sequence[Fix],
    label: str,
    person: str | None,
    consent: str | None,
    consent_note: str = "",
) -> tuple[FixRow, Enrollment | None, tuple[str, ...]]:
    """Keep fixes, lay them over the answer, and teach whom they are about."""
    sha256, said = episode.audio_sha256, _said(library, episode)
    if library.fixes.heard(sha256) is None:
        heard = AsHeard(episode.turns, episode.lines, library.speakers.embeddings(sha256), {})
        library.fixes.keep_heard(sha256, heard)
    if person is not None:
        ensure_profile(library, person)
    row = library.fixes.add(sha256, made, profile=person if said.get(label, "") != person else None)
    after = _refold(library, episode)
    is_same = (after.turns, after.lines) == (episode.turns, episode.lines)
    if is_same and (person is None or said.get(label, "") == person):
        raise LibraryError(f"nothing to fix there: {label or 'the line'} has it already")
    if person is not None and said.get(label, "") != person:
        library.said.confirm(sha256, label, person)
        library.fixes.confirm(sha256, label, row)
    people = {name for name in said.values() if name}
    learned, warnings = _teach(library, episode, after, people, person, consent, consent_note)
    match_again(library)
    library.outputs.mark([sha256])
    return row, learned, warnings


def _refold(library: Library, episode: LabelledEpisode) -> LabelledEpisode:
    """Lay the stored fixes over the answer as it was heard, and store that; returns its turns and lines."""
    sha256 = episode.audio_sha256
    heard = library.fixes.heard(sha256)
    assert heard is not None  # kept with the first fix
    raw = replace(episode, turns=heard.turns, lines=heard.lines)
    made = [row.fix for row in library.fixes.of(sha256)]
    after, voices = folded(library, raw, heard.voices, made, library.windows.of(sha256))
    answer = (after.turns, after.lines)
    library.fixes.rewrite(sha256, answer, voices, blank(library, after), heard.unknowns)
    return after


def _teach(
    library: Library,
    before: LabelledEpisode,
    after: LabelledEpisode,
    people: set[str],
    person: str | None,
    consent: str | None,
    consent_note: str,
) -> tuple[Enrollment | None, tuple[str, ...]]:
    """Let each person who was said to talk in the episode learn from what they say there now, and from nothing else.

    people : who were said to before, and may have lost words
    person : who is said to by this fix
    """
    sha256, said = before.audio_sha256, _said(library, library.episodes.get(before.audio_sha256))
    learned, warnings = None, []
    for name in sorted(people | ({person} if person else set())):
        own = [row for row in library.voiceprints.of(name) if row.audio_sha256 == sha256 and row.clip is None]
        labels = [label for label, who in said.items() if who is not None and key(who) == key(name)]
        if name != person and (not own or not _differ(before.turns, after.turns, labels)):
            continue
        library.voiceprints.remove(name, [row.id for row in own])
        voices = [voice_of(library, library.episodes.get(sha256), label) for label in labels]
        if sum(voice.seconds for voice in voices) < MIN_SECONDS:
            if name == person:
                warnings.append(f"{' and '.join(labels)} says too little to learn from")
            continue
        kept = max(own, key=lambda row: CONSENT.index(row.consent), default=None)
        given = consent if name == person else None
        added, _ = learn(
            library,
            name,
            [voice for voice in voices if voice.embeddings],
            given or (kept.consent if kept else None),
            consent_date=kept.consent_date if kept and given in (None, kept.consent) else TODAY,
            consent_note=(consent_note if name == person else "") or (kept.consent_note if kept else None),
        )
        warnings += added.warnings
        learned = added if name == person else learned
    return learned, tuple(warnings)


def _differ(before: Sequence[Turn], after: Sequence[Turn], labels: Sequence[str]) -> bool:
    return not labels or any(
        [turn for turn in before if turn.speaker == label] != [turn for turn in after if turn.speaker == label]
        for label in labels
    )


def _target(library: Library, episode: LabelledEpisode, speaker: str) -> tuple[str, str | None]:
    """The label of who is meant, and their name when a person is."""
    if speaker in episode.matches:
        return speaker, None
    heard = library.fixes.heard(episode.audio_sha256)
    used = {*episode.matches, *(row.fix.label for row in library.fixes.of(episode.audio_sha256))}
    used |= {turn.speaker for turn in heard.turns} if heard else set()
    if key(speaker) == NEW:
        return free_label(used), None
    if RESERVED.match(speaker.strip()):
        _existing(episode, speaker)
    profile = library.profiles.find(speaker)
    name = profile.name if profile is not None else " ".join(speaker.split())
    seconds = episode.talk_seconds()
    own = [
        match
        for match in episode.matches.values()
        if match.verdict is Verdict.ACCEPT and match.profile is not None and key(match.profile) == key(name)
    ]
    if own:
        best = max(own, key=lambda match: (CONFIRMED in match.reasons, seconds.get(match.speaker, 0.0)))
        return best.speaker, name
    return free_label(used), name


def _heard_by_this(library: Library, episode_key: str) -> LabelledEpisode:
    """The episode. Raises LibraryError when it was heard by another embedder than the library's."""
    episode = library.episodes.get(episode_key)
    for label in list(episode.matches)[:1]:
        voice_of(library, episode, label)
    return episode


def _said(library: Library, episode: LabelledEpisode) -> dict[str, str | None]:
    """Who a person said that each speaker is."""
    return dict(library.said.of_episodes(episode.audio_sha256)[episode.audio_sha256].confirmed)


def _existing(episode: LabelledEpisode, speaker: str) -> None:
    if speaker not in episode.matches:
        has = ", ".join(episode.matches) or "none"
        raise LibraryError(f"{episode.title or episode.source}: no voice {speaker}; the episode has {has}")


def _inside(episode: LabelledEpisode, span: Span) -> Span:
    start, end = span
    if not 0 <= start < end or start >= episode.duration:
        raise LibraryError(f"{clock(start)}-{clock(end)} is no stretch of an episode of {clock(episode.duration)}")
    return start, min(end, episode.duration)


def _with_slivers(episode: LabelledEpisode, span: Span, label: str) -> Span:
    """The span with what little of a turn would be left beside it, where no other line is said."""
    start, end = span
    for turn in episode.turns:
        if turn.speaker == label:
            continue
        if turn.start < start < turn.end and start - turn.start <= SLIVER:
            start = turn.start if not _is_said(episode.lines, turn.start, span[0]) else start
        if turn.start < end < turn.end and turn.end - end <= SLIVER:
            end = turn.end if not _is_said(episode.lines, span[1], turn.end) else end
    return start, end


def _is_said(lines: Sequence[Line], start: float, end: float) -> bool:
    """Whether the middle of a word lies between the times."""
    near = (line for line in lines if line.start < end and line.end > start)
    return any(start < (word.start + word.end) / 2 < end for line in near for word in word_times(line))


def _line(episode: LabelledEpisode, line: int) -> Line:
    if not 0 <= line < len(episode.lines):
        raise LibraryError(f"{episode.title or episode.source}: no line {line}; it has {len(episode.lines)}")
    return episode.lines[line]


def _before_word(line: Line, word: int) -> float:
    words = word_times(line)
    if not 0 <= word < len(words):
        raise LibraryError(f"the line at {clock(line.start)} has {len(words)} words")
    return line.start if word == 0 else (words[word - 1].end + words[word].start) / 2


def _after_word(line: Line, word: int | None) -> float:
    words = word_times(line)
    if word is None or word == len(words) - 1:
        return max(line.end, line.start + 0.01)
    return _before_word(line, word + 1)
