"""The pages about episodes: all of them, one with its voices and words, and what was said anywhere."""

from __future__ import annotations

from ..errors import LibraryError, ProfileNotFound
from ..library.reading.episodes import EpisodeSummary, JudgedSpeaker, key_of
from ..types import Verdict
from . import views
from .reading import Reading, cut, share

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


def episode(reading: Reading, key: str) -> views.EpisodePage:
    """Return one episode. Raises NothingThere when there is none of that key."""
    content = reading.library.listings.episode(key)
    summary = content.summary
    talk_seconds = sum(one.talk_seconds for one in content.speakers)
    speakers = tuple(
        _speaker(one, idx % views.NUM_COLORS, talk_seconds, public=not reading.live)
        for idx, one in enumerate(content.speakers)
    )
    by_label = {one.label: one for one in speakers}
    lines = []
    for line in content.lines:
        of = by_label.get(line.speaker or "")
        whose = (line.speaker or "",) if of is None else (of.name, of.person, of.color)
        lines.append(views.TranscriptLine(line.start, line.end, line.text, *whose))
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
    )


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
    )


def search(reading: Reading, *, query: str = "", speaker: str = "", since: str = "", page: int = 1) -> views.SearchPage:
    """Find the lines that hold all words of a query, best first; what is wrong with the query is in ``error``."""
    lines: tuple[views.FoundLine, ...] = ()
    total, error = 0, ""
    if query.strip():
        try:
            profile = reading.library.people.id(speaker) if speaker.strip() else None
            lines, total = hits(reading, query, profile=profile, since=since or None, page=page)
        except (ProfileNotFound, LibraryError) as refused:
            error = str(refused)
    names = reading.library.people.names() if reading.live else ()
    return views.SearchPage(query, speaker, since, lines, reading.paging(page, total), error, names)


def hits(
    reading: Reading, words: str, *, profile: int | None = None, since: str | None = None, page: int = 1
) -> tuple[tuple[views.FoundLine, ...], int]:
    """Return (a page of the lines that hold the words, how many there are, counted up to MOST_HITS)."""
    limit, offset = reading.limits(page)
    search = reading.library.search
    some = search.lines(words, profile=profile, since=since, limit=limit or MOST_HITS, offset=offset)
    shown = tuple(
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
        )
        for hit in some
    )
    return shown, search.count(words, profile=profile, since=since, most=MOST_HITS)
