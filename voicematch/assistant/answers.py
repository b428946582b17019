"""What an assistant may ask of a library: the read model of the pages as plain values, a page at a time.

Whoever runs the assistant may be far away. So nothing is in an answer that a page for others would not show: no vector,
no path of this machine, no password or key of an address, no private note.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..errors import NothingThere, shown
from ..formats import prose
from ..formats.clock import clock
from ..library import EpisodeSummary, Library
from ..library.reading.episodes import KEY_DIGITS, JudgedSpeaker, key_of
from ..library.reading.figures import FiguresInEpisode
from ..library.reading.people import Profile, co_speakers
from ..transcript.figures import TalkFigures
from ..types import Verdict
from ..usecases.describe import describe
from ..usecases.fix import as_shown

Answer = dict[str, Any]

PER_PAGE = 20
LINES_PER_PAGE = 100  # of a transcript: some four minutes, 2,000 words
VOICES_PER_PAGE = 4  # unknown voices: the words of several episodes are read for each
MOST_HITS = 1000  # counted; nobody reads further
FIGURES_OF = 20  # latest episodes of a person


def search(
    library: Library, words: str, *, speaker: str | None = None, since: str | None = None, page: int = 1
) -> Answer:
    """Return the lines that hold all the words, best first, with who says each, and when."""
    profile = None if speaker is None else library.people.id(speaker)
    asked: dict[str, Any] = {"profile": profile, "since": since}
    hits = library.search.lines(words, **asked, limit=PER_PAGE, offset=_offset(page, PER_PAGE))
    lines = [
        {
            "episode": key_of(hit.audio_sha256),
            "title": hit.shown_as,
            "date": hit.date,
            **_time(hit.source, hit.start, hit.end),
            "speaker": hit.unknown or hit.speaker,
            "text": hit.text,
            "before": hit.before,
            "after": hit.after,
        }
        for hit in hits
    ]
    return {"lines": lines, **_paging(page, PER_PAGE, library.search.count(words, **asked, most=MOST_HITS))}


def people(library: Library, *, words: str = "", sort: str = "talk", page: int = 1) -> Answer:
    """Return people with names: who talks most first, or by "name", or whom was heard last ("recent")."""
    some, total = library.people.find(words=words, sort=sort, limit=PER_PAGE, offset=_offset(page, PER_PAGE))
    return {"people": [_person(one) for one in some], **_paging(page, PER_PAGE, total)}


def person(library: Library, name: str, *, page: int = 1) -> Answer:
    """Return one person and the episodes they speak in, newest first, with whom, and how much of the talk is theirs."""
    number = library.people.id(name)
    heard = library.people.appearances(number)[::-1]
    first = _offset(page, PER_PAGE)
    appearances = [
        {
            "episode": key_of(one.audio_sha256),
            "title": one.shown_as,
            "date": one.date,
            "show": one.show,
            "talk": clock(one.talk_seconds),
            "talk_seconds": one.talk_seconds,
            "share": one.talk_seconds / one.episode_seconds if one.episode_seconds else 0.0,
            "num_turns": one.num_turns,
            "with": [other.name for other in one.others],
            "audio": _audio(one.source),
        }
        for one in heard[first : first + PER_PAGE]
    ]
    company = {one.person.name: one.num_episodes for one in co_speakers(heard)[:PER_PAGE]}
    known = _person(library.people.profile(number))
    return {**known, "most_often_with": company, "appearances": appearances, **_paging(page, PER_PAGE, len(heard))}


def person_lines(library: Library, name: str, episode: str, *, page: int = 1) -> Answer:
    """Return what a person says in one episode, in order, with times.

    Raises NothingThere when they do not speak there.
    """
    number = library.people.id(name)
    heard = library.people.appearances(number, key=key(library, episode))
    if not heard:
        raise NothingThere(f"{name} does not speak in this episode, as far as the library knows today")
    only = heard[0]
    said, _ = library.people.spoken(number, [only.episode_id])
    lines = said.get(only.episode_id, [])
    first = _offset(page, LINES_PER_PAGE)
    return {
        "episode": key_of(only.audio_sha256),
        "title": only.shown_as,
        "date": only.date,
        "lines": [
            {**_time(only.source, line.start, line.end), "text": line.text}
            for line in lines[first : first + LINES_PER_PAGE]
        ],
        **_paging(page, LINES_PER_PAGE, len(lines)),
    }


def episodes(
    library: Library, *, words: str = "", speaker: str | None = None, since: str | None = None, page: int = 1
) -> Answer:
    """Return stored episodes, newest first: those with the words in their titles, or in which a person speaks."""
    profile = None if speaker is None else library.people.id(speaker)
    some, total = library.listings.episodes(
        words=words, profile=profile, since=since, limit=PER_PAGE, offset=_offset(page, PER_PAGE)
    )
    return {"episodes": [_summary(one) for one in some], **_paging(page, PER_PAGE, total)}


def episode(library: Library, episode: str) -> Answer:
    """Return one episode with its voices: who they are, how sure that is, and how they talk."""
    found = key(library, episode)
    content = library.listings.episode(found)
    figures = {label: one.figures for one in library.figures.episode(found) for label in one.labels}
    return {
        **_summary(content.summary),
        "speakers": [_speaker(one, figures.get(one.label)) for one in content.speakers],
    }


def transcript(library: Library, episode: str, *, page: int = 1) -> Answer:
    """Return what is said in an episode, a page at a time, each line with who says it, and when.

    ``seen`` stands for all its lines, for who fixes one by its number.
    """
    content = library.listings.episode(key(library, episode))
    called = {one.label: _called(one) for one in content.speakers}
    first = _offset(page, LINES_PER_PAGE)
    lines = [
        {
            "line": number,
            **_time(content.summary.source, line.start, line.end),
            "speaker": called.get(line.speaker or "", line.speaker),
            "label": line.speaker if line.speaker in called else None,
            "text": line.text,
        }
        for number, line in enumerate(content.lines[first : first + LINES_PER_PAGE], start=first)
    ]
    return {
        "episode": key_of(content.summary.audio_sha256),
        "title": content.summary.shown_as,
        "date": content.summary.date,
        "seen": as_shown(content.lines),
        "lines": lines,
        **_paging(page, LINES_PER_PAGE, len(content.lines)),
    }


def unknown_voices(library: Library, *, page: int = 1) -> Answer:
    """Return voices that nobody has named, those of most episodes first, with who each may be, and why."""
    some, total = library.voices.unknowns(limit=VOICES_PER_PAGE, offset=_offset(page, VOICES_PER_PAGE))
    voices = []
    for told in (describe(one, library=library) for one in some):
        latest = told.speakers[::-1][:PER_PAGE]
        voices.append(
            {
                "voice": told.id,
                "seems_to_be": told.role or None,
                "num_episodes": told.num_episodes,
                "talk": clock(told.talk_seconds),
                "shows": list(told.shows),
                "may_be": [asdict(one) for one in told.suggestions],
                "latest": [
                    {
                        "episode": key_of(one.audio_sha256),
                        "title": one.shown_as,
                        "date": one.date,
                        "label": one.speaker,
                        "talk": clock(one.talk_seconds),
                    }
                    for one in latest
                ],
            }
        )
    return {"voices": voices, **_paging(page, VOICES_PER_PAGE, total)}


def talk_figures(library: Library, name: str) -> Answer:
    """Return how a person talks, over their latest episodes and in each."""
    found = library.figures.person(library.people.id(name), most=FIGURES_OF)
    return {
        "name": found.person.name,
        "total": _figures(found.total) if found.total else None,
        "episodes": [_of_episode(one) for one in found.episodes[::-1]],
    }


def key(library: Library, episode: str) -> str:
    """Return the key of an episode, which may be meant by that, or by a title, a file's name or an address.

    Raises LibraryError when it means none, or several.
    """
    episode = episode.strip()
    if re.fullmatch(rf"[0-9a-f]{{{KEY_DIGITS},64}}", episode):
        return episode
    return key_of(library.episodes.get(episode).audio_sha256)


def _offset(page: int, per_page: int) -> int:
    return (max(page, 1) - 1) * per_page


def _paging(page: int, per_page: int, total: int) -> Answer:
    return {"page": max(page, 1), "num_pages": max(-(-total // per_page), 1), "total": total}


def _time(source: str, start: float, end: float) -> Answer:
    """When something is said, and a link to that second of the sound where it is at an address without a secret."""
    return {"at": clock(start), "start": round(start, 2), "end": round(end, 2), "link": _audio(source, start)}


def _audio(source: str, start: float | None = None) -> str | None:
    return prose.address_at(shown(source), start) or None


def _person(profile: Profile) -> Answer:
    return {
        "name": profile.name,
        "role": profile.role,
        "num_episodes": profile.num_episodes,
        "talk": clock(profile.talk_seconds),
        "talk_seconds": profile.talk_seconds,
        "last_heard": profile.last_heard,
        "num_voiceprints": profile.num_voiceprints,
        "consent": list(profile.consent),
    }


def _summary(one: EpisodeSummary) -> Answer:
    return {
        "episode": key_of(one.audio_sha256),
        "title": one.shown_as,
        "date": one.date,
        "show": one.show,
        "length": clock(one.duration),
        "people": [person.name for person in one.people],
        "num_speakers": one.num_speakers,
        "num_unknown": one.num_unknown,
        "num_lines": one.num_lines,
        "audio": _audio(one.source),
    }


def _speaker(one: JudgedSpeaker, figures: TalkFigures | None) -> Answer:
    return {
        "label": one.label,
        "name": one.profile.name if one.profile is not None and one.verdict is Verdict.ACCEPT else None,
        "may_be": [{"name": guess.person.name, "probability": round(guess.probability, 3)} for guess in one.guesses],
        "voice": one.unknown,
        "said_by_a_person": one.confirmed,
        "reasons": list(one.reasons),
        "talk": clock(one.talk_seconds),
        "figures": _figures(figures) if figures is not None else None,
    }


def _called(one: JudgedSpeaker) -> str:
    if one.profile is not None and one.verdict is Verdict.ACCEPT:
        return one.profile.name
    return one.unknown or one.label


def _of_episode(one: FiguresInEpisode) -> Answer:
    return {"episode": key_of(one.audio_sha256), "title": one.title, "date": one.date, **_figures(one.figures)}


def _figures(figures: TalkFigures) -> Answer:
    return {name: round(one, 3) if isinstance(one, float) else one for name, one in asdict(figures).items()}


def as_pairs(changes: Sequence[Any]) -> list[Answer]:
    """Return what changed its name, for an answer."""
    return [
        {"episode": key_of(one.audio_sha256), "label": one.speaker, "before": one.before, "after": one.after}
        for one in changes
    ]
