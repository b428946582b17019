"""The pages about episodes: all of them, one with its voices and words, and what was said anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..errors import LibraryError, ProfileNotFound
from ..library.reading.episodes import EpisodeContent, EpisodeSummary, JudgedSpeaker, key_of
from ..library.reading.search import terms
from ..library.reading.voices import Stretch
from ..types import Verdict
from ..usecases.describe import Suggestion, likely
from ..usecases.fix import as_shown
from . import views
from .judging import REASONS, excerpt
from .reading import Reading, cut, share
from .telling import plain

IGNORED = {"ad": "Advertisement", "jingle": "Jingle"}
MOST_HITS = 1000  # counted; nobody reads further


def episodes(reading: Reading, *, query: str = "", page: int = 1) -> views.EpisodesPage:
    """Return the stored episodes, newest first, or those with the words of a query in their titles."""
    limit, offset = reading.limits(page)
    some, total = reading.library.listings.episodes(words=query, limit=limit, offset=offset)
    return views.EpisodesPage(query, tuple(map(card, some)), reading.paging(page, total))


def card(row: EpisodeSummary) -> views.EpisodeCard:
    return views.EpisodeCard(
        key=key_of(row.audio_sha256),
        title=row.shown_as,
        show=row.show,
        date=row.date,
        duration=row.duration,
        num_speakers=row.num_speakers,
        num_unknown=row.num_unknown,
        num_lines=row.num_lines,
        people=row.people,
    )


def episode(reading: Reading, key: str, *, is_fixing: bool = False, line: int = 0) -> views.EpisodePage:
    """Return one episode, to be read or to be fixed. Raises NothingThere when there is none of that key."""
    content = reading.library.listings.episode(key)
    summary = content.summary
    talk_seconds = sum(one.talk_seconds for one in content.speakers)
    colors = _colors(content.speakers)
    speakers = tuple(
        replace(
            _speaker(one, colors[idx], talk_seconds, public=not reading.live),
            is_like=colors[idx] in colors[:idx],
            excerpt=_longest(reading, content, idx) if reading.live else None,
            suggestions=_suggested(reading, content, one) if reading.live else (),
        )
        for idx, one in enumerate(content.speakers)
    )
    by_label = {one.label: one for one in speakers}
    lines = []
    for said in content.lines:
        of = by_label.get(said.speaker or "")
        whose = (said.speaker or "",) if of is None else (of.name, of.person, of.color)
        lines.append(views.TranscriptLine(said.start, said.end, said.text, *whose))
    return views.EpisodePage(
        key=key_of(summary.audio_sha256),
        title=summary.shown_as,
        show=summary.show,
        date=summary.date,
        duration=summary.duration,
        audio=reading.audio(summary.audio_sha256, summary.source),
        speakers=speakers,
        turns=tuple(views.TimelineTurn(start, end, idx, speakers[idx].color) for start, end, idx in content.turns),
        lines=tuple(lines),
        names=reading.library.people.names() if reading.live else (),
        figures=reading.library.figures.episode(key) if reading.live else (),
        is_fixing=reading.live and is_fixing,
        line=line if reading.live and is_fixing and line <= len(lines) else 0,
        seen=as_shown(content.lines) if reading.live else "",
        also=content.also,
    )


def _colors(speakers: Sequence[JudgedSpeaker]) -> list[int]:
    """The colours of an episode's voices: a person's own; for the others those that are left, in turn."""
    own = [
        one.profile.id % views.NUM_COLORS if one.profile is not None and one.verdict is Verdict.ACCEPT else None
        for one in speakers
    ]
    left = [color for color in range(views.NUM_COLORS) if color not in own] or list(range(views.NUM_COLORS))
    rest = itertools.cycle(left)
    return [next(rest) if color is None else color for color in own]


def _longest(reading: Reading, content: EpisodeContent, speaker: int) -> views.EpisodeExcerpt | None:
    """The longest turn of a voice of the episode, to know it by."""
    own = [(end - start, -start, end) for start, end, idx in content.turns if idx == speaker]
    if not own:
        return None
    of = content.summary
    _, start, end = max(own)
    return excerpt(reading, Stretch(of.audio_sha256, of.source, of.shown_as, of.date, -start, end))


def _suggested(reading: Reading, content: EpisodeContent, one: JudgedSpeaker) -> tuple[Suggestion, ...]:
    """Names that the episode's own text and feed have for a voice that has none."""
    if one.verdict is Verdict.ACCEPT or one.ignored_as is not None or one.confirmed:
        return ()
    persons = reading.library.jobs.persons(content.summary.audio_sha256)
    found = likely([(content.lines, one.label)], [persons])
    return tuple(replace(name, reason=REASONS.get(name.reason, name.reason)) for name in found)


def _speaker(row: JudgedSpeaker, color: int, talk_seconds: float, *, public: bool) -> views.EpisodeSpeaker:
    """public : tell only who was accepted; what is in doubt is for the owner of the library to judge"""
    accepted = row.profile if row.verdict is Verdict.ACCEPT else None
    suggested = row.profile if row.verdict is Verdict.REVIEW else None
    if public:
        suggested = None
    if accepted is not None:
        name = accepted.name
    elif suggested is not None:
        name = f"maybe {suggested.name}"
    elif row.ignored_as is not None:
        name = IGNORED.get(row.ignored_as, "Ignored voice")
    else:
        name = row.label if public or row.unknown is None else row.unknown
    return views.EpisodeSpeaker(
        label=row.label,
        name=name,
        color=color,
        person=accepted,
        suggested=suggested,
        verdict=str(row.verdict) if accepted or suggested else str(Verdict.UNKNOWN),
        probability=0.0 if public else row.probability,
        guesses=() if public else row.guesses,
        reasons=() if public else row.reasons,
        unknown=None if public else row.unknown,
        confirmed=row.confirmed,
        talk_seconds=row.talk_seconds,
        share=share(row.talk_seconds, talk_seconds),
        num_turns=row.num_turns,
        ignored_as=row.ignored_as,
    )


def search(reading: Reading, *, query: str = "", speaker: str = "", since: str = "", page: int = 1) -> views.SearchPage:
    """Find the lines that hold all words of a query, or words that begin so; what is wrong with it is in ``error``."""
    lines: tuple[views.FoundLine, ...] = ()
    total, error, loosely = 0, "", False
    meant: tuple[str, ...] = ()
    if query.strip():
        try:
            profile = reading.library.people.id(speaker) if speaker.strip() else None
            lines, total, loosely = hits(reading, query, profile=profile, since=since or None, page=page)
        except ProfileNotFound as refused:
            error, meant = f"Nobody here is called “{speaker}”", refused.close
        except LibraryError as refused:
            error = plain(str(refused))
    names = reading.library.people.names() if reading.live else ()
    return views.SearchPage(query, speaker, since, lines, reading.paging(page, total), error, names, meant, loosely)


def hits(
    reading: Reading, words: str, *, profile: int | None = None, since: str | None = None, page: int = 1
) -> tuple[tuple[views.FoundLine, ...], int, bool]:
    """Return a page of the lines that hold the words, how many there are (counted up to MOST_HITS), and if loosely.

    Where no line holds them, those that hold words which begin so are found: loosely.
    """
    limit, offset = reading.limits(page)
    search = reading.library.search
    total = search.count(words, profile=profile, since=since, most=MOST_HITS)
    loosely = not total
    if loosely:
        words = as_beginnings(words)
        total = search.count(words, profile=profile, since=since, most=MOST_HITS)
    some = search.lines(words, profile=profile, since=since, limit=limit or MOST_HITS, offset=offset) if total else ()
    shown = (
        views.FoundLine(
            key=key_of(hit.audio_sha256),
            title=hit.shown_as,
            date=hit.date,
            start=hit.start,
            end=hit.end,
            speaker=hit.unknown or hit.speaker or "",
            person=hit.person,
            parts=cut(hit.text, hit.marks),
            before=hit.before,
            after=hit.after,
            audio=reading.audio(hit.audio_sha256, hit.source),
            before_by=hit.before_by,
            after_by=hit.after_by,
        )
        for hit in some
    )
    return by_episode(shown), total, loosely and total > 0


def by_episode(found: Iterable[views.FoundLine]) -> tuple[views.FoundLine, ...]:
    """Put lines together by episode, in the order of the best line of each, and in one as they are said."""
    groups: dict[str, list[views.FoundLine]] = {}
    for line in found:
        groups.setdefault(line.key, []).append(line)
    return tuple(line for group in groups.values() for line in sorted(group, key=lambda line: line.start))


def as_beginnings(words: str) -> str:
    """Return a query for words that begin as these do.

    >>> as_beginnings('mos "north wal" ros*')
    'mos* "north wal"* ros*'
    """
    return " ".join(f'"{text}"*' if " " in text else f"{text}*" for text, _ in terms(words))
