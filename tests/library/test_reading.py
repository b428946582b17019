"""What commands and pages read of a library, on both databases: exact answers about a library of a few voices."""

from __future__ import annotations

import pytest

from tests.support.library_example import EMBEDDER
from tests.usecases.test_name import ADA, CALIBRATION, LIAM, MAYA, ZOE, hear, like, sha
from voicematch.errors import LibraryError, NothingThere, ProfileNotFound
from voicematch.library import Library, NewJob
from voicematch.library.reading.episodes import KEY_DIGITS, Named, key_of
from voicematch.library.reading.people import CoSpeaker, co_speakers
from voicematch.types import Embedding, Line, Verdict
from voicematch.usecases import name as naming

LINES = (
    Line(0.0, 10.0, "On continual learning.", "SPEAKER_00"),
    Line(10.0, 20.0, "It never stops.", "SPEAKER_00"),
    Line(30.0, 40.0, "Learning, that is.", "SPEAKER_01"),
    Line(40.0, 41.0, "♪", None),
)


@pytest.fixture
def library(library: Library) -> Library:
    """Ada in episodes 1 and 2, Maya with her in 2, somebody like Ada in 3, Zoe unnamed in 1 and 3."""
    library.settings.set("calibration", CALIBRATION.to_json())
    for name, voice, role in (("Ada", ADA, "host"), ("maya lind", MAYA, None), ("Nobody yet", -LIAM, None)):
        library.profiles.create(name, role=role)
        for number, consent in ((7, "public"), (1, "permission")):
            library.voiceprints.add(
                name,
                [Embedding(voice, 30.0, 0.0, 30.0)],
                embedder=EMBEDDER,
                consent=consent,
                source=f"/home/somebody/{name}.wav",
                audio_sha256=sha(number),
            )
    hear(library, 1, ADA, ZOE, lines=LINES)
    hear(library, 2, ADA, MAYA, lines=LINES, show="https://feeds.example.org")
    hear(library, 3, like(ADA, 0.6), ZOE)
    naming.relabel(library=library)
    return library


def test_people(library: Library) -> None:
    found, total = library.people.find()
    assert [one.name for one in found] == ["Ada", "maya lind", "Nobody yet"]
    assert total == 3
    ada, maya, nobody = found
    assert (ada.num_episodes, ada.talk_seconds, ada.num_voiceprints, ada.last_heard) == (2, 60.0, 2, "2026-01-02")
    assert (nobody.num_episodes, nobody.talk_seconds, nobody.num_voiceprints, nobody.last_heard) == (0, 0.0, 2, None)
    assert library.people.find(words="LIND  maya") == ((maya,), 1)
    assert library.people.find(words="100%") == ((), 0)
    assert library.people.find(sort="talk")[0] == (ada, maya, nobody)
    assert library.people.find(sort="recent")[0] == (ada, maya, nobody)
    assert library.people.find(limit=1, offset=1) == ((maya,), 3)
    assert library.people.profile(maya.id) == maya
    assert library.people.names() == ("Ada", "maya lind", "Nobody yet")
    assert library.people.id(" MAYA lind") == maya.id
    with pytest.raises(ProfileNotFound, match="no such person"):
        library.people.profile(99)


def test_where_voiceprints_come_from(library: Library) -> None:
    ada = library.people.id("Ada")
    found = {(one.title, one.audio_sha256, one.consent, one.num_voiceprints) for one in library.people.origins(ada)}
    assert found == {("Ada.wav", None, "public", 1), ("Episode 1", sha(1), "permission", 1)}


def test_where_a_person_is_heard(library: Library) -> None:
    ada, maya = library.people.id("Ada"), library.people.id("maya lind")
    first, second = library.people.appearances(ada)
    assert (first.audio_sha256, first.title, first.date, first.show) == (sha(1), "Episode 1", "2026-01-01", "")
    assert (first.talk_seconds, first.episode_seconds, first.num_turns, first.duration) == (30.0, 60.0, 1, 60.0)
    assert (second.audio_sha256, second.show) == (sha(2), "feeds.example.org")
    assert library.people.num_in_show() == {"": 2, "feeds.example.org": 1}
    assert (first.others, second.others) == ((), (Named(maya, "maya lind"),))
    assert co_speakers((first, second, second)) == (CoSpeaker(Named(maya, "maya lind"), 2),)
    ids = [first.episode_id, second.episode_id]
    lines, counted = library.people.spoken(ada, ids, most=1)
    assert {episode: [line.text for line in own] for episode, own in lines.items()} == {
        one: ["On continual learning."] for one in ids
    }
    assert counted == {ids[0]: 2, ids[1]: 2}
    assert len(library.people.spoken(ada, ids)[0][ids[0]]) == 2


def test_what_a_person_said(library: Library) -> None:
    maya, search = library.people.id("maya lind"), library.search
    assert (len(search.lines("learning")), search.count("learning")) == (4, 4)
    own = search.lines("learning", profile=maya)
    assert [(hit.text, hit.speaker, hit.person, hit.unknown, hit.before) for hit in own] == [
        ("Learning, that is.", "maya lind", Named(maya, "maya lind"), None, "It never stops.")
    ]
    assert own[0].marks == ((0, 8),)
    assert search.count("learning", profile=maya) == 1
    assert [(hit.speaker, hit.person, hit.unknown) for hit in search.lines("that", since="2026-01-01", limit=9)] == [
        ("maya lind", Named(maya, "maya lind"), None),
        ("SPEAKER_01", None, "U-0001"),
    ]
    assert search.count("learning", since="2026-01-02") == 2
    assert (search.lines("learning", profile=maya, since="2026-01-03"), search.count("learning", since="2027")) == (
        (),
        0,
    )
    assert search.count("learning", most=3) == 3
    paged = [search.lines("learning", limit=1, offset=at)[0] for at in range(4)]
    assert len({(hit.audio_sha256, hit.start) for hit in paged}) == 4
    for ask in (search.lines, search.count):
        with pytest.raises(LibraryError, match="no word to search for"):
            ask("...")


def test_episodes(library: Library) -> None:
    found, total = library.listings.episodes()
    assert [one.title for one in found] == ["Episode 3", "Episode 2", "Episode 1"]
    assert total == 3
    assert (found[1].num_speakers, found[1].num_unknown, found[1].num_lines) == (2, 0, 4)
    assert [person.name for person in found[1].people] == ["Ada", "maya lind"]
    assert (found[2].num_speakers, found[2].num_unknown) == (2, 1)
    assert library.listings.episodes(words="episode 2") == ((found[1],), 1)
    assert library.listings.episodes(limit=1, offset=1) == ((found[1],), 3)
    assert library.listings.episodes(offset=9) == ((), 3)
    assert library.listings.episodes(since="2026-01-02")[0] == found[:2]
    assert library.listings.episodes(profile=library.people.id("maya lind")) == ((found[1],), 1)


def test_one_episode(library: Library) -> None:
    content = library.listings.episode(key_of(sha(1)))
    assert content.summary == library.listings.episodes(words="1")[0][0]
    ada, zoe = content.speakers
    assert (ada.label, ada.verdict, ada.profile, ada.unknown) == (
        "SPEAKER_00",
        Verdict.ACCEPT,
        Named(library.people.id("Ada"), "Ada"),
        None,
    )
    assert (zoe.verdict, zoe.profile, zoe.unknown, zoe.confirmed) == (Verdict.UNKNOWN, None, "U-0001", False)
    assert content.turns == ((0.0, 30.0, 0), (30.0, 60.0, 1))
    assert content.lines == LINES
    assert library.listings.source(sha(1)) == "/show/1.mp3"


@pytest.mark.parametrize("key", ["", "%", "0" * KEY_DIGITS, sha(1)[: KEY_DIGITS - 1], sha(1) + "0", "../1", "GG" * 8])
def test_no_such_episode(library: Library, key: str) -> None:
    for ask in (library.listings.episode, library.listings.source):
        with pytest.raises(NothingThere, match="no such episode"):
            ask(key)


def test_voices_without_a_name(library: Library) -> None:
    (zoe, likeness), total = library.voices.unknowns()
    assert total == 2
    assert (zoe.id, zoe.num_episodes, zoe.talk_seconds, zoe.ignored_as) == ("U-0001", 2, 60.0, None)
    assert [(one.audio_sha256, one.speaker, one.show) for one in zoe.speakers] == [
        (sha(1), "SPEAKER_01", "show"),
        (sha(3), "SPEAKER_01", "show"),
    ]
    assert zoe.num_in_show == {"show": 2}
    assert library.voices.unknown("u-1") == zoe
    assert library.voices.unknowns(limit=1, offset=1) == ((likeness,), 2)
    assert library.voices.num_episodes() == {"U-0001": 2, likeness.id: 1}
    naming.ignore("U-0001", "ad", library=library)
    assert [one.id for one in library.voices.unknowns()[0]] == [likeness.id]
    assert [(one.id, one.ignored_as) for one in library.voices.unknowns(ignored=True)[0]] == [("U-0001", "ad")]
    assert [one.id for one in library.voices.unknowns(ignored=None)[0]] == ["U-0001", likeness.id]
    for name in ("U-0099", "Ada"):
        with pytest.raises(NothingThere, match="no unknown voice"):
            library.voices.unknown(name)


def test_matches_to_review(library: Library) -> None:
    (found,), total = library.voices.review(limit=20)
    assert total == 1
    assert (found.audio_sha256, found.speaker.label) == (sha(3), "SPEAKER_00")
    assert found.speaker.verdict is Verdict.REVIEW
    assert found.speaker.profile == Named(library.people.id("Ada"), "Ada")
    assert found.voice is not None
    assert found.known is not None
    assert (found.voice.audio_sha256, found.voice.start, found.voice.end) == (sha(3), 0.0, 30.0)
    assert (found.known.audio_sha256, found.known.start, found.known.end) == (sha(1), 0.0, 30.0)
    naming.name(sha(2), "SPEAKER_00", "Ada", library=library)  # who was confirmed is the one to compare with
    known = library.voices.review(limit=20)[0][0].known
    assert known is not None
    assert known.audio_sha256 == sha(2)
    naming.name(sha(3), "SPEAKER_00", "Ada", library=library)
    assert library.voices.review(limit=20) == ((), 0)


def test_what_waits(library: Library) -> None:
    assert library.voices.waiting() == {"unknowns": 2, "review": 1, "failed": 0}


def test_jobs(library: Library) -> None:
    assert library.jobs.listed(limit=5) == ((), 0)
    library.jobs.add(
        NewJob(key=str(number), source=f"/show/{number}.mp3", title=f"Job {number}") for number in range(4)
    )
    for idx in range(3):
        job = library.jobs.claim("here")
        assert job is not None
        if idx == 0:
            library.jobs.finish(job, sha(1))
        elif idx == 1:
            library.jobs.fail(job, "no sound", unexpected=False)
    found, total = library.jobs.listed(limit=5)
    assert [(job.title, job.state) for job in found] == [
        ("Job 2", "running"),
        ("Job 1", "failed"),
        ("Job 3", "queued"),
        ("Job 0", "done"),
    ]
    assert total == 4
    assert [job.audio_sha256 for job in found] == [None, None, None, sha(1)]
    assert [job.title for job in library.jobs.listed(state="failed", limit=5)[0]] == ["Job 1"]
    assert library.jobs.listed(limit=1, offset=3)[0] == found[3:]
    assert library.voices.waiting()["failed"] == 1
