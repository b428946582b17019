"""What pages read of a library, on both databases: exact answers about a library of a few voices."""

from __future__ import annotations

import pytest

from tests.support.library_example import EMBEDDER
from tests.usecases.test_name import ADA, CALIBRATION, LIAM, MAYA, ZOE, hear, like, sha
from voicematch.errors import LibraryError, NothingThere, ProfileNotFound
from voicematch.library import Library, NewJob
from voicematch.library.reading.episodes import KEY_DIGITS, key_of
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
    assert library.people.person(maya.id) == maya
    assert library.people.names() == ("Ada", "maya lind", "Nobody yet")
    assert library.people.id(" MAYA lind") == maya.id
    assert library.people.ids(["Ada", "ada", "Zoe"]) == {"Ada": ada.id}
    with pytest.raises(ProfileNotFound, match="no such person"):
        library.people.person(99)


def test_where_voiceprints_come_from(library: Library) -> None:
    ada = library.people.id("Ada")
    found = {(one.title, one.sha256, one.consent, one.num_voiceprints) for one in library.people.sources(ada)}
    assert found == {("Ada.wav", None, "public", 1), ("Episode 1", sha(1), "permission", 1)}


def test_where_a_person_is_heard(library: Library) -> None:
    ada, maya = library.people.id("Ada"), library.people.id("maya lind")
    first, second = library.people.heard(ada)
    assert (first.sha256, first.title, first.date, first.show) == (sha(1), "Episode 1", "2026-01-01", "")
    assert (first.talk_seconds, first.episode_seconds, first.num_turns, first.duration) == (30.0, 60.0, 1, 60.0)
    assert (second.sha256, second.show) == (sha(2), "feeds.example.org")
    assert library.people.num_in_show() == {"": 2, "feeds.example.org": 1}
    assert library.people.co_speakers(ada) == ((maya, "maya lind", 1),)
    ids = [first.episode_id, second.episode_id]
    named = library.people.accepted_in(ids)
    assert named == {ids[0]: {ada: "Ada"}, ids[1]: {ada: "Ada", maya: "maya lind"}}
    lines, counted = library.people.spoken(ada, ids, most=1)
    assert {episode: [line.text for line in own] for episode, own in lines.items()} == {
        one: ["On continual learning."] for one in ids
    }
    assert counted == {ids[0]: 2, ids[1]: 2}
    assert len(library.people.spoken(ada, ids)[0][ids[0]]) == 2


def test_what_a_person_said(library: Library) -> None:
    maya = library.people.id("maya lind")
    found, total = library.people.said("learning")
    assert (len(found), total) == (4, 4)
    own, total = library.people.said("learning", profile=maya)
    assert ([(hit.text, hit.speaker, hit.before) for hit in own], total) == (
        [("Learning, that is.", "maya lind", "It never stops.")],
        1,
    )
    assert own[0].marks == ((0, 8),)
    assert library.people.said("learning", since="2026-01-02")[1] == 2
    assert library.people.said("learning", profile=maya, since="2026-01-03") == ((), 0)
    assert library.people.said("learning", most=3)[1] == 3
    paged = [library.people.said("learning", limit=1, offset=at)[0][0] for at in range(4)]
    assert len({(hit.audio_sha256, hit.start) for hit in paged}) == 4
    with pytest.raises(LibraryError, match="no word to search for"):
        library.people.said("...")


def test_episodes(library: Library) -> None:
    found, total = library.listings.episodes()
    assert [one.title for one in found] == ["Episode 3", "Episode 2", "Episode 1"]
    assert total == 3
    assert (found[1].num_speakers, found[1].num_unknown, found[1].num_lines) == (2, 0, 4)
    assert [name for _, name in found[1].people] == ["Ada", "maya lind"]
    assert (found[2].num_speakers, found[2].num_unknown) == (2, 1)
    assert library.listings.episodes(words="episode 2") == ((found[1],), 1)
    assert library.listings.episodes(limit=1, offset=1) == ((found[1],), 3)
    assert library.listings.episodes(offset=9) == ((), 3)


def test_one_episode(library: Library) -> None:
    content = library.listings.episode(key_of(sha(1)))
    assert content.row == library.listings.episodes(words="1")[0][0]
    ada, zoe = content.speakers
    assert (ada.label, ada.verdict, ada.profile, ada.unknown) == (
        "SPEAKER_00",
        Verdict.ACCEPT,
        (library.people.id("Ada"), "Ada"),
        None,
    )
    assert (zoe.verdict, zoe.profile, zoe.unknown, zoe.confirmed) == (Verdict.UNKNOWN, None, "U-0001", False)
    assert content.turns == ((0.0, 30.0, 0), (30.0, 60.0, 1))
    assert content.lines[2:] == ((30.0, 40.0, "SPEAKER_01", "Learning, that is."), (40.0, 41.0, None, "♪"))
    assert library.listings.source(sha(1)) == "/show/1.mp3"


@pytest.mark.parametrize("key", ["", "%", "0" * KEY_DIGITS, sha(1)[: KEY_DIGITS - 1], sha(1) + "0", "../1", "GG" * 8])
def test_no_such_episode(library: Library, key: str) -> None:
    for ask in (library.listings.episode, library.listings.source):
        with pytest.raises(NothingThere, match="no such episode"):
            ask(key)


def test_voices_without_a_name(library: Library) -> None:
    (zoe, likeness), total = library.judging.unknowns()
    assert total == 2
    assert (zoe.id, zoe.num_episodes, zoe.talk_seconds, zoe.ignored_as) == ("U-0001", 2, 60.0, None)
    assert [(one.sha256, one.label, one.show) for one in zoe.heard] == [
        (sha(3), "SPEAKER_01", "show"),
        (sha(1), "SPEAKER_01", "show"),
    ]
    assert library.judging.unknown("u-1") == zoe
    assert library.judging.unknowns(limit=1, offset=1) == ((likeness,), 2)
    assert library.judging.numbers({(sha(1), "SPEAKER_01"), (sha(2), "SPEAKER_00")}) == {
        (sha(1), "SPEAKER_01"): "U-0001"
    }
    assert library.judging.num_in_show() == {"show": 2, "feeds.example.org": 1}
    naming.ignore("U-0001", "ad", library=library)
    assert [one.id for one in library.judging.unknowns()[0]] == [likeness.id]
    assert [(one.id, one.ignored_as) for one in library.judging.unknowns(ignored=True)[0]] == [("U-0001", "ad")]
    for name in ("U-0099", "Ada"):
        with pytest.raises(NothingThere, match="no such unknown voice"):
            library.judging.unknown(name)


def test_matches_to_review(library: Library) -> None:
    (found,), total = library.judging.review(limit=20)
    assert total == 1
    assert (found.sha256, found.speaker.label) == (sha(3), "SPEAKER_00")
    assert found.speaker.verdict is Verdict.REVIEW
    assert found.speaker.profile == (library.people.id("Ada"), "Ada")
    assert found.voice is not None
    assert found.known is not None
    assert (found.voice.sha256, found.voice.start, found.voice.end) == (sha(3), 0.0, 30.0)
    assert (found.known.sha256, found.known.start, found.known.end) == (sha(1), 0.0, 30.0)
    naming.name(sha(2), "SPEAKER_00", "Ada", library=library)  # who was confirmed is the one to compare with
    known = library.judging.review(limit=20)[0][0].known
    assert known is not None
    assert known.sha256 == sha(2)
    naming.name(sha(3), "SPEAKER_00", "Ada", library=library)
    assert library.judging.review(limit=20) == ((), 0)


def test_what_waits(library: Library) -> None:
    assert library.judging.waiting() == {"unknowns": 2, "review": 1, "failed": 0}


def test_jobs(library: Library) -> None:
    assert library.listings.jobs(limit=5) == ((), 0)
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
    found, total = library.listings.jobs(limit=5)
    assert [(job.title, job.state) for job in found] == [
        ("Job 2", "running"),
        ("Job 1", "failed"),
        ("Job 3", "queued"),
        ("Job 0", "done"),
    ]
    assert total == 4
    assert [job.sha256 for job in found] == [None, None, None, sha(1)]
    assert [job.title for job in library.listings.jobs(state="failed", limit=5)[0]] == ["Job 1"]
    assert library.listings.jobs(limit=1, offset=3)[0] == found[3:]
    assert library.judging.waiting()["failed"] == 1
