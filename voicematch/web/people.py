"""The pages about people: all of them, one, and all that one says in an episode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..errors import NothingThere
from ..library.reading import people as stored
from ..library.reading.episodes import key_of
from ..voices.roles import role
from . import views
from .episodes import hits
from .reading import PER_PAGE, Reading, initials, person, share

NUM_PREVIEWED = 5  # lines of an appearance on the speaker page
APPEARANCES_PER_PAGE = 10  # half as many as of other things, for they are long


def speakers(reading: Reading, *, query: str = "", sort: str = "name", page: int = 1) -> views.SpeakersPage:
    """Everybody with a profile; ``sort`` is "name", "talk" or "recent", and anything else is "name"."""
    sort = sort if sort in ("talk", "recent") else "name"
    limit, offset = reading.limits(page)
    found, total = reading.library.people.find(words=query, sort=sort, limit=limit, offset=offset)
    return views.SpeakersPage(query, sort, tuple(map(card, found)), reading.paging(page, total))


def card(found: stored.Person) -> views.SpeakerCard:
    return views.SpeakerCard(
        id=found.id,
        name=found.name,
        initials=initials(found.name),
        color=found.id % views.NUM_COLORS,
        role=found.role,
        num_episodes=found.num_episodes,
        talk_seconds=found.talk_seconds,
        num_voiceprints=found.num_voiceprints,
        last_heard=found.last_heard,
    )


def speaker(reading: Reading, profile: int, *, query: str = "", page: int = 1) -> views.SpeakerPage:
    """One person; with a query, the lines that hold its words in place of the chart and a page of appearances.

    Raises ProfileNotFound.
    """
    people = reading.library.people
    found, heard = people.person(profile), people.heard(profile)
    per_page = len(heard) or 1 if reading.per_page is None else APPEARANCES_PER_PAGE
    at = 1 if query else page
    shown = () if query else heard[::-1][(at - 1) * per_page : at * per_page]
    lines, num_lines = hits(reading, query, profile=profile, page=page) if query else (None, 0)
    return views.SpeakerPage(
        person=card(found),
        note=(found.note or "") if reading.live else "",
        voice=_voice(people.sources(profile), public=not reading.live),
        chart=() if query else tuple(_point(one) for one in heard),
        appearances=_appearances(reading, profile, shown, most=NUM_PREVIEWED),
        paging=views.Paging(at, max(-(-len(heard) // per_page), 1), len(heard), per_page),
        co_speakers=tuple(
            views.CoSpeaker(views.Person(other, name), num) for other, name, num in people.co_speakers(profile)
        ),
        roles=_roles(heard, people.num_in_show()),
        query=query,
        hits=lines,
        hits_paging=reading.paging(page, num_lines) if query else None,
    )


def speaker_episode(reading: Reading, profile: int, key: str) -> views.SpeakerEpisodePage:
    """Every line that a person says in one episode. Raises ProfileNotFound, NothingThere."""
    found = reading.library.people.person(profile)
    heard = [one for one in reading.library.people.heard(profile) if key_of(one.sha256) == key]
    if not heard:
        raise NothingThere(f"{found.name} does not speak in this episode, as far as the library knows today")
    return views.SpeakerEpisodePage(card(found), _appearances(reading, profile, heard, most=None)[0])


def speaker_episodes(reading: Reading, profile: int) -> Iterator[views.SpeakerEpisodePage]:
    """`speaker_episode` of every episode of a person, oldest first."""
    found = card(reading.library.people.person(profile))
    heard = reading.library.people.heard(profile)
    for first in range(0, len(heard), PER_PAGE):
        for appearance in _appearances(reading, profile, heard[first : first + PER_PAGE], most=None):
            yield views.SpeakerEpisodePage(found, appearance)


def _voice(sources: Sequence[stored.Source], *, public: bool) -> views.VoiceProfile:
    """public : name no file, for how somebody calls their files is private"""
    return views.VoiceProfile(
        active=bool(sources),
        num_voiceprints=sum(source.num_voiceprints for source in sources),
        seconds=sum(source.seconds for source in sources),
        consents=tuple(sorted({source.consent for source in sources})),
        since=min((source.created[:10] for source in sources), default=None),
        sources=tuple(
            views.VoiceprintSource(
                title=source.title if source.sha256 is not None or not public else "a clip",
                key=key_of(source.sha256) if source.sha256 is not None else None,
                date=source.date,
                num_voiceprints=source.num_voiceprints,
                seconds=source.seconds,
                consent=source.consent,
                created=source.created[:10],
                ids=() if public else source.ids,
                numbers=() if public else source.numbers,
            )
            for source in sources
        ),
    )


def _point(heard: stored.Heard) -> views.Point:
    part = share(heard.talk_seconds, heard.episode_seconds)
    return views.Point(key_of(heard.sha256), heard.title, heard.date, heard.talk_seconds, part)


def _appearances(
    reading: Reading, profile: int, heard: Sequence[stored.Heard], *, most: int | None
) -> tuple[views.Appearance, ...]:
    ids = [one.episode_id for one in heard]
    lines, num_lines = reading.library.people.spoken(profile, ids, most=most)
    everybody = reading.library.people.accepted_in(ids)
    return tuple(
        views.Appearance(
            key=key_of(one.sha256),
            title=one.title,
            show=one.show,
            date=one.date,
            duration=one.duration,
            talk_seconds=one.talk_seconds,
            share=share(one.talk_seconds, one.episode_seconds),
            num_turns=one.num_turns,
            num_lines=num_lines.get(one.episode_id, 0),
            co_speakers=tuple(
                person(other) for other in everybody.get(one.episode_id, {}).items() if other[0] != profile
            ),
            lines=tuple(views.Line(line.start, line.end, line.text) for line in lines.get(one.episode_id, ())),
            audio=reading.audio(one.sha256, one.source),
        )
        for one in heard
    )


def _roles(heard: Sequence[stored.Heard], num_in_show: Mapping[str, int]) -> tuple[views.ShowRole, ...]:
    by_show: dict[str, list[stored.Heard]] = {}
    for one in heard:
        if one.show:
            by_show.setdefault(one.show, []).append(one)
    return tuple(
        views.ShowRole(
            show=show,
            role=role([(show, one.talk_seconds) for one in own], num_in_show),
            num_episodes=len(own),
            num_in_show=num_in_show[show],
            talk_seconds=sum(one.talk_seconds for one in own),
        )
        for show, own in sorted(by_show.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    )
