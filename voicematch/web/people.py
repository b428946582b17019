"""The pages about people: all of them, one, and all that one says in an episode."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ..errors import LibraryError, NothingThere
from ..library.reading.episodes import key_of
from ..library.reading.people import Appearance, Profile, VoiceprintOrigin, co_speakers
from ..types import Line, Verdict
from ..voices.roles import role
from . import views
from .episodes import hits
from .reading import PER_PAGE, Reading, initials, share
from .telling import plain

MOST_EMPTY = 50  # names without a voice, listed to be deleted
MOST_COMPANY = 50  # people named with a person
NUM_QUOTED = 12  # latest episodes that are looked through for quotes
MOST_QUOTES = 3
SHORTEST_QUOTE, LONGEST_QUOTE = 8, 45  # words
LEANS = frozenset(  # first words that lean on the line before
    {
        "and",
        "but",
        "so",
        "or",
        "because",
        "which",
        "that's",
        "it's",
        "this",
        "they",
        "he",
        "she",
        "well",
        "yeah",
        "no",
        "yes",
        "um",
        "uh",
        "okay",
    }
)
NUM_PREVIEWED = 5  # lines of an appearance on the speaker page
APPEARANCES_PER_PAGE = 10  # half as many as of other things, for they are long


def speakers(reading: Reading, *, query: str = "", sort: str = "name", page: int = 1) -> views.SpeakersPage:
    """Return everybody with a voice or an episode; ``sort`` is "name", "talk" or "recent", and any other is "name"."""
    sort = sort if sort in ("talk", "recent") else "name"
    limit, offset = reading.limits(page)
    find = reading.library.people.find
    some, total = find(words=query, sort=sort, empty=False, limit=limit, offset=offset)
    empty = find(words=query, empty=True, limit=MOST_EMPTY)[0] if reading.live else ()
    pictured = reading.library.portrayals.pictured()
    cards = tuple(card(one, pictured) for one in some)
    return views.SpeakersPage(query, sort, cards, reading.paging(page, total), tuple(map(card, empty)))


def card(profile: Profile, pictured: Collection[int] = ()) -> views.SpeakerCard:
    return views.SpeakerCard(
        id=profile.id,
        name=profile.name,
        initials=initials(profile.name),
        color=profile.id % views.NUM_COLORS,
        role=profile.role,
        num_episodes=profile.num_episodes,
        talk_seconds=profile.talk_seconds,
        num_voiceprints=profile.num_voiceprints,
        last_heard=profile.last_heard,
        has_picture=profile.id in pictured,
    )


def speaker(reading: Reading, profile: int, *, query: str = "", show: str = "", page: int = 1) -> views.SpeakerPage:
    """Return one person; with a query, the lines that hold its words in place of the chart and appearances.

    show : the one whose episodes the chart has, and no others

    Raises ProfileNotFound.
    """
    people = reading.library.people
    known, heard = people.profile(profile), people.appearances(profile)
    per_page = len(heard) or 1 if reading.per_page is None else APPEARANCES_PER_PAGE
    at = 1 if query else page
    shown = () if query else heard[::-1][(at - 1) * per_page : at * per_page]
    lines: tuple[views.FoundLine, ...] | None = () if query else None
    num_lines, loosely, error = 0, False, ""
    if query:
        try:
            lines, num_lines, loosely = hits(reading, query, profile=profile, page=page)
        except LibraryError as refused:
            error = plain(str(refused))
    shown_of = reading.library.portrayals.of(profile)
    in_feed = reading.library.jobs.picture_of(profile) if reading.live else None
    show = show if show in {one.show for one in heard} else ""
    charted = [one for one in heard if not show or one.show == show]
    return views.SpeakerPage(
        person=card(known, [profile] if shown_of.picture else ()),
        note=(known.note or "") if reading.live else "",
        voice=_voice(people.origins(profile), public=not reading.live),
        chart=() if query else tuple(_point(one) for one in charted),
        appearances=_appearances(reading, profile, shown, most=NUM_PREVIEWED),
        paging=views.Paging(at, max(-(-len(heard) // per_page), 1), len(heard), per_page),
        co_speakers=co_speakers(heard)[:MOST_COMPANY],
        roles=_roles(heard, people.num_in_show()),
        query=query,
        hits=lines,
        hits_paging=reading.paging(page, num_lines) if query else None,
        loosely=loosely,
        names=tuple(name for name in people.names() if name != known.name) if reading.live else (),
        about=shown_of.about,
        links=shown_of.links,
        quotes=() if query or not reading.live else _quotes(reading, profile, heard),
        show=show,
        picture_in_feed=in_feed.url if in_feed is not None else "",
        error=error,
    )


def _quotes(reading: Reading, profile: int, heard: Sequence[Appearance]) -> tuple[views.Quote, ...]:
    """The lines most worth quoting of the latest episodes: one an episode, each saying once, best first."""
    latest = heard[: -NUM_QUOTED - 1 : -1]
    placed = reading.library.people.placed(profile, [one.episode_id for one in latest])
    rated = [(*best, one) for one in latest for best in quotable(placed.get(one.episode_id, ()))[:MOST_QUOTES]]
    chosen: dict[str, tuple[int, Line, Appearance]] = {}
    for _, position, line, one in sorted(rated, key=lambda row: -row[0]):
        if line.text not in chosen and one not in [taken for _, _, taken in chosen.values()]:
            chosen[line.text] = (position, line, one)
    return tuple(
        quoted(reading, one.audio_sha256, one.source, one.shown_as, one.date, position, line)
        for position, line, one in list(chosen.values())[:MOST_QUOTES]
    )


def quotable(lines: Sequence[tuple[int, Line]]) -> list[tuple[float, int, Line]]:
    """Return (how much it is worth, its place, the line) of the lines worth quoting, best first.

    A whole sentence of some length that stands by itself: it begins and ends as one does, and points at nothing before.
    """
    rated = []
    for position, line in lines:
        words = line.text.split()
        is_whole = line.text[:1].isupper() and line.text.rstrip().endswith((".", "!", "?", "…", "。"))
        if not SHORTEST_QUOTE <= len(words) <= LONGEST_QUOTE or not is_whole or words[0].strip(",").lower() in LEANS:
            continue
        distinct = len({word.strip(".,!?").lower() for word in words})
        rated.append((distinct + sum(len(word) for word in words) / len(words), position, line))
    return sorted(rated, key=lambda one: (-one[0], one[1]))


def quoted(
    reading: Reading, sha256: str, source: str, title: str, date: str | None, position: int, line: Line
) -> views.Quote:
    audio = reading.audio(sha256, source)
    return views.Quote(key_of(sha256), title, date, position + 1, line.start, line.end, line.text, audio)


def quote(reading: Reading, key: str, line: int) -> views.QuotePage:
    """Return one line to be shared. Raises NothingThere when there is none."""
    content = reading.library.listings.episode(key)
    if not 1 <= line <= len(content.lines):
        raise NothingThere("no such line; the episode may have been heard again since")
    said, of = content.lines[line - 1], content.summary
    speaker = next((one for one in content.speakers if one.label == said.speaker), None)
    is_known = speaker is not None and speaker.verdict is Verdict.ACCEPT
    person = speaker.profile if speaker is not None and is_known else None
    shown = quoted(reading, of.audio_sha256, of.source, of.shown_as, of.date, line - 1, said)
    return views.QuotePage(shown, person.name if person else "", person, of.show)


def speaker_episode(reading: Reading, profile: int, key: str) -> views.SpeakerEpisodePage:
    """Return every line that a person says in one episode. Raises ProfileNotFound, NothingThere."""
    known = reading.library.people.profile(profile)
    heard = reading.library.people.appearances(profile, key=key)
    if not heard:
        raise NothingThere(f"{known.name} does not speak in this episode, as far as the library knows today")
    return views.SpeakerEpisodePage(card(known), _appearances(reading, profile, heard, most=None)[0])


def speaker_episodes(reading: Reading, profile: int) -> Iterator[views.SpeakerEpisodePage]:
    """Yield `speaker_episode` of every episode of a person, oldest first."""
    shown = card(reading.library.people.profile(profile))
    heard = reading.library.people.appearances(profile)
    for first in range(0, len(heard), PER_PAGE):
        for appearance in _appearances(reading, profile, heard[first : first + PER_PAGE], most=None):
            yield views.SpeakerEpisodePage(shown, appearance)


def _voice(origins: Sequence[VoiceprintOrigin], *, public: bool) -> views.VoiceProfile:
    """public : name no file, for how somebody calls their files is private"""
    return views.VoiceProfile(
        active=bool(origins),
        num_voiceprints=sum(origin.num_voiceprints for origin in origins),
        seconds=sum(origin.seconds for origin in origins),
        consents=tuple(sorted({origin.consent for origin in origins})),
        since=min((origin.created[:10] for origin in origins), default=None),
        sources=tuple(
            views.VoiceprintSource(
                title=origin.title if origin.audio_sha256 is not None or not public else "a clip",
                key=key_of(origin.audio_sha256) if origin.audio_sha256 is not None else None,
                date=origin.date,
                num_voiceprints=origin.num_voiceprints,
                seconds=origin.seconds,
                consent=origin.consent,
                created=origin.created[:10],
                ids=() if public else origin.ids,
                numbers=() if public else origin.numbers,
            )
            for origin in origins
        ),
    )


def _point(heard: Appearance) -> views.Point:
    part = share(heard.talk_seconds, heard.episode_seconds)
    return views.Point(key_of(heard.audio_sha256), heard.shown_as, heard.date, heard.talk_seconds, part)


def _appearances(
    reading: Reading, profile: int, heard: Sequence[Appearance], *, most: int | None
) -> tuple[views.AppearanceCard, ...]:
    ids = [one.episode_id for one in heard]
    lines, num_lines = reading.library.people.spoken(profile, ids, most=most)
    return tuple(
        views.AppearanceCard(
            key=key_of(one.audio_sha256),
            title=one.shown_as,
            show=one.show,
            date=one.date,
            duration=one.duration,
            talk_seconds=one.talk_seconds,
            share=share(one.talk_seconds, one.episode_seconds),
            num_turns=one.num_turns,
            num_lines=num_lines.get(one.episode_id, 0),
            co_speakers=one.others,
            lines=tuple(
                views.TranscriptLine(line.start, line.end, line.text) for line in lines.get(one.episode_id, ())
            ),
            audio=reading.audio(one.audio_sha256, one.source),
        )
        for one in heard
    )


def _roles(heard: Sequence[Appearance], num_in_show: Mapping[str, int]) -> tuple[views.ShowRole, ...]:
    by_show: dict[str, list[Appearance]] = {}
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
