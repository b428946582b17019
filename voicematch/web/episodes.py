"""The pages about episodes: all of them, one with its voices and words, and what was said anywhere."""

from __future__ import annotations

from ..errors import LibraryError, ProfileNotFound
from ..library.reading.episodes import EpisodeRow, SpeakerRow, key_of
from ..types import Verdict
from . import views
from .reading import Reading, cut, person, share

MOST_HITS = 1000  # counted; nobody reads further


def episodes(reading: Reading, *, query: str = "", page: int = 1) -> views.EpisodesPage:
    """The stored episodes, newest first, or those with the words of a query in their titles."""
    limit, offset = reading.limits(page)
    found, total = reading.library.listings.episodes(words=query, limit=limit, offset=offset)
    return views.EpisodesPage(query, tuple(map(card, found)), reading.paging(page, total))


def card(row: EpisodeRow) -> views.EpisodeCard:
    return views.EpisodeCard(
        key=key_of(row.sha256),
        title=row.title,
        show=row.show,
        date=row.date,
        duration=row.duration,
        num_speakers=row.num_speakers,
        num_unknown=row.num_unknown,
        num_lines=row.num_lines,
        people=tuple(map(person, row.people)),
    )


def episode(reading: Reading, key: str) -> views.EpisodePage:
    """One episode. Raises NothingThere when there is none of that key."""
    content = reading.library.listings.episode(key)
    row = content.row
    talk_seconds = sum(one.talk_seconds for one in content.speakers)
    speakers = tuple(
        _speaker(one, idx % views.NUM_COLORS, talk_seconds, public=not reading.live)
        for idx, one in enumerate(content.speakers)
    )
    by_label = {one.label: one for one in speakers}
    lines = []
    for start, end, label, text in content.lines:
        of = by_label.get(label or "")
        if of is None:
            lines.append(views.Line(start, end, text, label or ""))
        else:
            lines.append(views.Line(start, end, text, of.name, of.person, of.color))
    return views.EpisodePage(
        key=key_of(row.sha256),
        title=row.title,
        show=row.show,
        date=row.date,
        duration=row.duration,
        audio=reading.audio(row.sha256, row.source),
        speakers=speakers,
        turns=tuple(views.Turn(start, end, idx, speakers[idx].color) for start, end, idx in content.turns),
        lines=tuple(lines),
        names=reading.library.people.names() if reading.live else (),
    )


def _speaker(row: SpeakerRow, color: int, talk_seconds: float, *, public: bool) -> views.EpisodeSpeaker:
    """public : tell only who was accepted; what is in doubt is for the owner of the library to judge"""
    accepted = person(row.profile) if row.profile is not None and row.verdict is Verdict.ACCEPT else None
    suggested = person(row.profile) if row.profile is not None and row.verdict is Verdict.REVIEW else None
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
        guesses=() if public else guesses(row),
        reasons=() if public else row.reasons,
        unknown=None if public else row.unknown,
        confirmed=row.confirmed,
        talk_seconds=row.talk_seconds,
        share=share(row.talk_seconds, talk_seconds),
        num_turns=row.num_turns,
    )


def guesses(row: SpeakerRow) -> tuple[views.Guess, ...]:
    return tuple(views.Guess(views.Person(profile, name), value) for profile, name, value in row.candidates)


def search(reading: Reading, *, query: str = "", speaker: str = "", since: str = "", page: int = 1) -> views.SearchPage:
    """The lines that hold all words of a query, best first; what is wrong with the query is in ``error``."""
    found: tuple[views.Hit, ...] = ()
    total, error = 0, ""
    if query.strip():
        try:
            profile = reading.library.people.id(speaker) if speaker.strip() else None
            found, total = hits(reading, query, profile=profile, since=since or None, page=page)
        except (ProfileNotFound, LibraryError) as refused:
            error = str(refused)
    names = reading.library.people.names() if reading.live else ()
    return views.SearchPage(query, speaker, since, found, reading.paging(page, total), error, names)


def hits(
    reading: Reading, words: str, *, profile: int | None = None, since: str | None = None, page: int = 1
) -> tuple[tuple[views.Hit, ...], int]:
    """(a page of the lines that hold the words, how many there are, counted up to MOST_HITS)."""
    limit, offset = reading.limits(page)
    found, total = reading.library.people.said(
        words, profile=profile, since=since, limit=limit or MOST_HITS, offset=offset, most=MOST_HITS
    )
    ids = reading.library.people.ids({hit.speaker for hit in found if hit.speaker})
    numbers = reading.library.judging.numbers({(hit.audio_sha256, hit.speaker or "") for hit in found})
    shown = tuple(
        views.Hit(
            key=key_of(hit.audio_sha256),
            title=hit.title,
            date=hit.date,
            start=hit.start,
            end=hit.end,
            speaker=numbers.get((hit.audio_sha256, hit.speaker or ""), hit.speaker or ""),
            person=views.Person(ids[hit.speaker], hit.speaker) if hit.speaker in ids else None,
            parts=cut(hit.text, hit.marks),
            before=hit.before,
            after=hit.after,
            audio=reading.audio(hit.audio_sha256, hit.source),
        )
        for hit in found
    )
    return shown, total
