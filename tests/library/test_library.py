"""What a library does, wherever it is kept: SQLite always, PostgreSQL where VOICEMATCH_TEST_POSTGRESQL names one."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.library_example import ANN, CLIP, DIMENSION, EMBEDDER, NOBODY, embedding, episode, voices
from voicematch.errors import EmbedderMismatch, LibraryError, ProfileExists, ProfileNotFound
from voicematch.library import Library, Profile
from voicematch.types import Candidate, Embedding, LabelledEpisode, Line, Match, Turn, Verdict, Word

# -- profiles


def test_a_new_profile_has_nothing_yet(library: Library) -> None:
    made = library.profiles.create("Ann Lee", role="host")
    assert made == Profile(made.id, "Ann Lee", "host", None, made.created, EMBEDDER)
    assert made.created.endswith("Z")
    assert library.profiles.get("Ann Lee") == made


@pytest.mark.parametrize("spelling", ["ann lee", "  ANN \t lee ", "Ann Lee"])
def test_a_name_is_found_in_any_spelling(filled: Library, spelling: str) -> None:
    assert filled.profiles.get(spelling).name == "Ann Lee"


def test_composed_and_decomposed_names_are_one(library: Library) -> None:
    library.profiles.create("Zoe\u0308 Straße")
    assert library.profiles.get("zo\u00eb STRASSE").name == "Zo\u00eb Straße"


@pytest.mark.parametrize("name", ["ann lee", "Ann  Lee"])
def test_a_name_is_given_once(filled: Library, name: str) -> None:
    with pytest.raises(ProfileExists, match="'Ann Lee' already; voicematch profiles merge FROM INTO joins two"):
        filled.profiles.create(name)
    with pytest.raises(ProfileExists):
        filled.profiles.rename("Bob", name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (" ", "needs a name"),
        ("x" * 201, "at most 200"),
        ("a\x00b", "control"),
        ("SPEAKER_00", "unnamed voices"),
        ("u-0001", "unnamed voices"),
    ],
)
def test_what_is_no_name(library: Library, name: str, reason: str) -> None:
    with pytest.raises(LibraryError, match=reason):
        library.profiles.create(name)
    assert library.people.find()[0] == ()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("An Lee", "did you mean Ann Lee?"),
        ("lee", "did you mean Ann Lee?"),
        ("Quixote", "voicematch profiles list shows them"),
    ],
)
def test_an_unknown_name_suggests(filled: Library, name: str, hint: str) -> None:
    assert filled.profiles.find(name) is None
    with pytest.raises(ProfileNotFound, match=hint.replace("?", r"\?")):
        filled.profiles.get(name)


def test_an_empty_library_says_how_to_begin(library: Library) -> None:
    with pytest.raises(ProfileNotFound, match="the library is empty: voicematch enroll NAME FILE"):
        library.profiles.get("Ann")


def test_profiles_are_sorted_and_counted(filled: Library) -> None:
    ann, bob = filled.people.find()[0]
    assert (ann.name, ann.role, ann.note, ann.consent) == ("Ann Lee", "host", "met in 2024", ("permission",))
    assert (ann.num_voiceprints, ann.speech_seconds) == (2, 16.0)
    assert (ann.num_episodes, ann.talk_seconds, ann.last_heard) == (1, 25.0, "2026-01-01")
    assert (bob.num_voiceprints, bob.num_episodes, bob.talk_seconds, bob.last_heard) == (1, 0, 0.0, None)


def test_describing_sets_what_is_given(filled: Library) -> None:
    changed = filled.profiles.describe("ann lee", role="guest")
    assert (changed.role, changed.note) == ("guest", "met in 2024")
    assert filled.profiles.describe("ann lee", note="").note == ""
    assert filled.profiles.describe("ann lee").role == "guest"


def test_renaming_reaches_every_episode(filled: Library) -> None:
    assert filled.profiles.rename("ann lee", "Anna Leigh").name == "Anna Leigh"
    match = filled.episodes.get("Episode 1").matches["SPEAKER_00"]
    assert match.profile == match.candidates[0].profile == "Anna Leigh"
    assert match.reasons == ("Anna Leigh fits at 0.97", "Bob is second at 0.03")
    assert filled.profiles.rename("Anna Leigh", "ANNA Leigh").name == "ANNA Leigh"


def test_merging_moves_everything(filled: Library) -> None:
    filled.profiles.create("Annie")
    as_annie = replace(ANN, profile="Annie", candidates=(Candidate("Annie", 0.8, 0.95, 1.0), *ANN.candidates))
    filled.episodes.store(episode(2, date="2026-02-02", matches={"SPEAKER_00": as_annie}), voices(2))
    filled.voiceprints.add(
        "Annie",
        [embedding(2, start=1.0, end=11.0), embedding(2, start=90.0, end=99.0)],
        embedder=EMBEDDER,
        consent="public",
        source="ann.wav",
        audio_sha256="aa" * 32,
        clip=b"Annie's",
    )
    merged = filled.profiles.merge("annie", "ann lee")
    # the span that both had is kept once, as it was in the profile that stays
    assert (merged.num_voiceprints, merged.num_episodes, merged.consent) == (3, 2, ("permission", "public"))
    assert [row.start for row in filled.voiceprints.rows("Ann Lee")] == [1.0, 11.0, 90.0]
    assert sorted(clip for _, clip in filled.voiceprints.clips("Ann Lee")) == sorted([b"Annie's", CLIP])
    match = filled.episodes.get("Episode 2").matches["SPEAKER_00"]
    assert [candidate.profile for candidate in match.candidates] == ["Ann Lee", "Bob"]
    assert match.candidates[0].score == 0.8
    assert filled.profiles.find("Annie") is None


def test_merging_takes_two(filled: Library) -> None:
    with pytest.raises(LibraryError, match="are one profile already"):
        filled.profiles.merge("Ann Lee", "ANN LEE")


def test_forgetting_leaves_nothing_of_a_person(filled: Library) -> None:
    filled.episodes.store(episode(2, matches={"SPEAKER_00": replace(ANN, verdict=Verdict.REVIEW)}), voices())
    forgotten = filled.profiles.forget("ann lee")
    assert (forgotten.num_voiceprints, forgotten.num_clips, forgotten.num_candidates) == (2, 1, 2)
    assert (forgotten.num_speakers, forgotten.num_speaker_embeddings, forgotten.compacted) == (2, 1, True)
    assert [profile.name for profile in filled.people.find()[0]] == ["Bob"]
    assert filled.voiceprints.all().names == ("Bob",)
    match = filled.episodes.get("Episode 1").matches["SPEAKER_00"]
    assert (match.verdict, match.profile, match.probability) == (Verdict.UNKNOWN, None, 0.0)
    assert match.reasons == ("was matched to a forgotten profile",)
    assert list(filled.speakers.embeddings("01" * 32)) == ["SPEAKER_01"]
    assert list(filled.speakers.embeddings("02" * 32)) == ["SPEAKER_00", "SPEAKER_01"]  # only ever suggested
    with pytest.raises(ProfileNotFound):
        filled.profiles.forget("Ann Lee")


def test_a_forgotten_name_goes_from_the_reasons_of_others(filled: Library) -> None:
    as_bob = replace(ANN, profile="Bob", reasons=("Ann Lee is second", "ann lee said so"))
    filled.speakers.set_matches({"01" * 32: {"SPEAKER_00": as_bob}})
    filled.profiles.forget("Ann Lee")
    match = filled.episodes.get("Episode 1").matches["SPEAKER_00"]
    assert match.reasons == ("a forgotten profile is second", "a forgotten profile said so")
    assert match.profile == "Bob"


@pytest.mark.parametrize("name", ["Ed", "May"])
def test_a_short_name_is_not_taken_out_of_the_words_of_reasons(filled: Library, name: str) -> None:
    filled.profiles.create(name)
    reasons = ("confirmed by a person", "may be Bob, at 60%", f"one person with {name}", f"{name.upper()} is near")
    filled.speakers.set_matches({"01" * 32: {"SPEAKER_00": replace(ANN, profile="Bob", reasons=reasons)}})
    filled.profiles.forget(name)
    left = filled.episodes.get("Episode 1").matches["SPEAKER_00"].reasons
    assert left == (*reasons[:2], "one person with a forgotten profile", "a forgotten profile is near")


def test_a_forgotten_name_goes_from_words_in_any_script(library: Library) -> None:
    """SQLite knows upper and lower case of plain letters alone."""
    library.profiles.create("Élodie")
    lines = (
        Line(0.0, 2.0, "Hi", None, (Word(0.0, 1.0, "Hi", "ÉLODIE"),)),
        Line(2.0, 3.0, "Bye", None, (), ("élodie",)),
    )
    library.episodes.store(replace(episode(), lines=lines, matches={}), {})
    library.profiles.forget("Élodie")
    assert library.episodes.get("Episode 1").lines == (
        Line(0.0, 2.0, "Hi", None, (Word(0.0, 1.0, "Hi", None),)),
        Line(2.0, 3.0, "Bye", None),
    )


def test_a_forgotten_name_goes_from_the_lines_as_speaker_but_not_from_what_was_said(library: Library) -> None:
    library.profiles.create("Ann Lee")
    words = (Word(0.0, 1.0, "Ann", "ann lee"), Word(1.0, 2.0, "Lee", "Bob"))
    lines = (Line(0.0, 2.0, "Ann Lee here", "Ann Lee", words, ("Bob", "ANN LEE")), Line(2.0, 3.0, "Hi", "Bob"))
    library.episodes.store(replace(episode(), lines=lines, matches={}), {})
    assert library.profiles.forget("Ann Lee").num_lines == 1
    scrubbed = (Word(0.0, 1.0, "Ann", None), Word(1.0, 2.0, "Lee", "Bob"))
    assert library.episodes.get("Episode 1").lines == (
        Line(0.0, 2.0, "Ann Lee here", None, scrubbed, ("Bob",)),
        lines[1],
    )


def test_the_id_of_a_forgotten_profile_is_not_given_again(library: Library) -> None:
    library.profiles.create("Ann Lee")
    library.profiles.create("Bob")
    library.episodes.store(episode(matches={"SPEAKER_00": replace(ANN, profile="Ann Lee")}), {})
    library.profiles.forget("Bob")  # the highest id
    library.profiles.create("Cy")
    assert library.episodes.get("Episode 1").matches["SPEAKER_00"].reasons[1] == "a forgotten profile is second at 0.03"


# -- voiceprints


def test_voiceprints_come_back_as_they_went_in(filled: Library) -> None:
    stored = filled.voiceprints.all()
    assert stored.profiles == ("Ann Lee", "Ann Lee", "Bob")
    assert stored.vectors.dtype == np.float32
    np.testing.assert_array_equal(stored.vectors, np.eye(DIMENSION)[[0, 3, 1]])
    np.testing.assert_array_equal(stored.seconds, [8.0, 8.0, 8.0])


def test_voiceprint_rows_say_where_from(filled: Library) -> None:
    first, second = filled.voiceprints.rows("ann lee")
    assert (first.source, first.audio_sha256, first.start, first.end) == ("ann.wav", "aa" * 32, 1.0, 11.0)
    assert (first.seconds, first.consent, first.embedder, first.has_clip) == (8.0, "permission", EMBEDDER, True)
    assert second.start == 11.0
    assert not filled.voiceprints.rows("Bob")[0].has_clip


def test_a_clip_is_kept_once_for_its_voiceprints(filled: Library) -> None:
    first = filled.voiceprints.rows("Ann Lee")[0].id
    assert list(filled.voiceprints.clips("Ann Lee")) == [(first, CLIP)]
    assert list(filled.voiceprints.clips("Bob")) == []


def test_the_same_span_is_replaced(filled: Library) -> None:
    again = [embedding(2, start=1.0, end=11.0), embedding(2, start=11.0, end=21.0), embedding(2, start=30.0, end=40.0)]
    num_new = filled.voiceprints.add(
        "Ann Lee", again, embedder=EMBEDDER, consent="self", source="ann.wav", audio_sha256="aa" * 32, clip=b"new clip"
    )
    assert num_new == 1
    assert filled.profiles.get("Ann Lee").num_voiceprints == 3
    assert [clip for _, clip in filled.voiceprints.clips("Ann Lee")] == [b"new clip"]
    np.testing.assert_array_equal(filled.voiceprints.all().only(["Ann Lee"]).vectors, np.eye(DIMENSION)[[2, 2, 2]])


def test_one_span_makes_one_voiceprint(filled: Library) -> None:
    twice = [embedding(0), embedding(1)]
    add_to_bob = partial(
        filled.voiceprints.add, "Bob", embedder=EMBEDDER, consent="self", source="b.wav", audio_sha256="cc" * 32
    )
    with pytest.raises(LibraryError, match="two embeddings of one span"):
        add_to_bob(twice)
    assert add_to_bob([]) == 0
    assert filled.profiles.get("Bob").num_voiceprints == 1


def bad(**changes: object) -> Embedding:
    return replace(embedding(0), **changes)  # type: ignore[arg-type]  # the values are wrong on purpose


@pytest.mark.parametrize(
    ("embedder", "consent", "offered", "error", "reason"),
    [
        (EMBEDDER, "self", bad(vector=np.ones(3, np.float32)), EmbedderMismatch, "dimension 4, but 'tiny' now gives 3"),
        (EMBEDDER, "self", bad(vector=np.full(4, np.nan, np.float32)), LibraryError, "not finite"),
        (EMBEDDER, "self", bad(vector=np.ones(4, np.float32)), LibraryError, "not of unit length"),
        (EMBEDDER, "self", bad(start=5.0, end=4.0), LibraryError, "spans 5.0 to 4.0 s"),
        (EMBEDDER, "self", bad(seconds=float("nan")), LibraryError, "no span"),
        (EMBEDDER, "heard it", embedding(0), LibraryError, "one of self, permission, public"),
        ("other", "self", embedding(0), EmbedderMismatch, "voices of 'tiny', not of 'other'"),
    ],
)
def test_what_is_no_voiceprint(
    filled: Library, embedder: str, consent: str, offered: Embedding, error: type[LibraryError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        filled.voiceprints.add(
            "Bob", [offered], embedder=embedder, consent=consent, source="b.wav", audio_sha256="cc" * 32
        )
    assert filled.profiles.get("Bob").num_voiceprints == 1


def test_vectors_of_one_call_agree(filled: Library) -> None:
    mixed = [embedding(0), bad(vector=np.ones(1, np.float32))]
    with pytest.raises(EmbedderMismatch, match="dimension 4"):
        filled.voiceprints.add("Bob", mixed, embedder=EMBEDDER, consent="self", source="b.wav", audio_sha256="cc" * 32)


def test_no_vector_shows_in_a_repr(filled: Library) -> None:
    assert repr(filled) == f"<Library {filled.location}>"


# -- episodes


def test_an_episode_comes_back_equal(filled: Library) -> None:
    assert filled.episodes.get("Episode 1") == episode(1)


label = st.sampled_from(["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"])
seconds = st.floats(0.0, 36_000.0)
# what a transcript can hold: no NUL, and no half of a surrogate pair
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
words = st.builds(Word, seconds, seconds, text, st.none() | label)
candidate = st.builds(
    Candidate, st.sampled_from(["Ann Lee", "Bob"]), st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1)
)


@st.composite
def labelled_episodes(draw: st.DrawFn) -> LabelledEpisode:
    turns = draw(st.lists(st.builds(Turn, seconds, seconds, label), max_size=8))
    matches = {}
    for speaker in sorted({turn.speaker for turn in turns}):
        offered = draw(st.lists(candidate, max_size=2, unique_by=lambda c: c.profile))
        verdict = draw(st.sampled_from(Verdict)) if offered else Verdict.UNKNOWN
        profile = offered[0].profile if verdict is not Verdict.UNKNOWN else None
        reasons = tuple(draw(st.lists(text, max_size=2)))
        matches[speaker] = Match(speaker, verdict, profile, draw(st.floats(0, 1)), tuple(offered), reasons)
    return LabelledEpisode(
        source=draw(text),
        audio_sha256="ab" * 32,
        duration=draw(seconds),
        turns=tuple(turns),
        matches=matches,
        lines=tuple(draw(st.lists(st.builds(Line, seconds, seconds, text, st.none() | label | text,
                                            st.lists(words, max_size=3).map(tuple),
                                            st.lists(label, max_size=2).map(tuple)), max_size=5))),
        title=draw(text),
        date=draw(st.none() | st.dates().map(str)),
        embedder=EMBEDDER,
        diarizer=draw(text),
        lost_seconds=draw(seconds),
    )  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(stored=labelled_episodes())
def test_any_episode_comes_back_equal(filled: Library, stored: LabelledEpisode) -> None:
    filled.episodes.store(stored, {})
    assert filled.episodes.get("ab" * 32) == stored
    assert len(filled.listings.episodes()[0]) == 2


def test_a_file_name_that_is_not_unicode_is_kept_readable(library: Library) -> None:
    library.episodes.store(replace(episode(matches={}), source="/shows/caf\udce9.mp3", title="a\x00b"), {})
    stored = library.episodes.get("/shows/caf\udce9.mp3")
    assert (stored.source, stored.title) == ("/shows/caf\\udce9.mp3", "ab")


def test_storing_again_replaces(filled: Library) -> None:
    again = replace(episode(1, matches={}), turns=(Turn(0.0, 1.0, "SPEAKER_00"),), lines=(), title="Cut")
    filled.episodes.store(again, {"SPEAKER_00": (embedding(2),)})
    assert filled.episodes.get("Cut") == again
    assert [summary.title for summary in filled.listings.episodes()[0]] == ["Cut"]
    assert filled.upkeep.stats().num_lines == 0
    np.testing.assert_array_equal(filled.speakers.embeddings("01" * 32)["SPEAKER_00"][0].vector, [0, 0, 1, 0])


def test_voices_come_back_as_they_went_in(filled: Library) -> None:
    stored = filled.speakers.embeddings("01" * 32)
    assert list(stored) == ["SPEAKER_00", "SPEAKER_01"]
    second = stored["SPEAKER_00"][1]
    assert (second.seconds, second.start, second.end) == (8.0, 10.0, 20.0)
    np.testing.assert_array_equal(second.vector, [1, 0, 0, 0])
    assert filled.speakers.embeddings("ff" * 32) == {}


def test_what_a_person_confirmed_survives_another_diarization(filled: Library) -> None:
    filled.said.confirm("Episode 1", "SPEAKER_01", "bob")
    swapped = replace(
        episode(1, matches={"SPEAKER_00": NOBODY, "SPEAKER_01": ANN}),
        turns=(Turn(0.0, 19.0, "SPEAKER_01"), Turn(20.0, 30.0, "SPEAKER_00"), Turn(31.0, 35.0, "SPEAKER_01")),
    )
    filled.episodes.store(swapped, voices(1, 0))
    matches = filled.episodes.get("Episode 1").matches
    assert (matches["SPEAKER_00"].verdict, matches["SPEAKER_00"].profile) == (Verdict.ACCEPT, "Bob")
    assert matches["SPEAKER_00"].reasons == ("confirmed by a person",)
    assert matches["SPEAKER_01"].profile == "Ann Lee"


def test_a_confirmation_whose_speaker_is_gone_waits_for_another_answer(
    filled: Library, caplog: pytest.LogCaptureFixture
) -> None:
    filled.said.confirm("Episode 1", "SPEAKER_01", "Bob")
    filled.episodes.store(replace(episode(1), turns=(Turn(0.0, 20.0, "SPEAKER_00"),)), {})
    assert "a person said that 20-30 s is Bob, but no speaker there is that one alone" in caplog.text
    assert filled.episodes.get("Episode 1").matches["SPEAKER_01"] == NOBODY
    filled.episodes.store(episode(1), {})
    match = filled.episodes.get("Episode 1").matches["SPEAKER_01"]
    assert (match.profile, match.reasons) == ("Bob", ("confirmed by a person",))


def test_people_who_were_told_apart_are_never_one(filled: Library, caplog: pytest.LogCaptureFixture) -> None:
    filled.said.confirm("Episode 1", "SPEAKER_00", "Ann Lee")
    filled.said.confirm("Episode 1", "SPEAKER_01", "Bob")
    for _ in range(2):  # another run keeps what waits
        filled.episodes.store(replace(episode(1), turns=(Turn(0.0, 35.0, "SPEAKER_00"),)), {})
        assert filled.episodes.get("Episode 1").matches["SPEAKER_00"].reasons != ("confirmed by a person",)
    filled.episodes.store(episode(1), {})
    matches = filled.episodes.get("Episode 1").matches
    assert [matches[label].profile for label in ("SPEAKER_00", "SPEAKER_01")] == ["Ann Lee", "Bob"]


def test_a_merged_profile_keeps_what_waits_for_it(filled: Library) -> None:
    filled.said.confirm("Episode 1", "SPEAKER_01", "Bob")
    filled.episodes.store(replace(episode(1), turns=(Turn(0.0, 20.0, "SPEAKER_00"),)), {})
    filled.profiles.merge("Bob", "Ann Lee")
    filled.episodes.store(episode(1), {})
    assert filled.episodes.get("Episode 1").matches["SPEAKER_01"].profile == "Ann Lee"


def test_the_same_sound_under_another_name_is_found_by_both(filled: Library) -> None:
    filled.episodes.store(replace(episode(1), source="/copies/other.mp3", title="Another title"), {})
    for key in (
        "episode-1.mp3",
        "/shows/episode-1.mp3",
        "Episode 1",
        "other.mp3",
        "/copies/other.mp3",
        "Another title",
    ):
        assert filled.episodes.get(key).audio_sha256 == "01" * 32


@pytest.mark.parametrize(
    "key", ["01" * 3, "01" * 32, "/shows/episode-1.mp3", "episode-1", "episode-1.mp3", "Episode 1"]
)
def test_an_episode_is_found_by(filled: Library, key: str) -> None:
    assert filled.episodes.get(key).audio_sha256 == "01" * 32


def test_an_address_is_found_as_it_is_shown_and_no_other_of_that_name(filled: Library) -> None:
    address = "https://example.org/feed/one.mp3"
    filled.episodes.store(replace(episode(2), source=f"{address}?token=s3cr3t"), {})
    for key in (f"{address}?token=s3cr3t", f"{address}?token=…", "one.mp3"):
        assert filled.episodes.get(key).audio_sha256 == "02" * 32
    with pytest.raises(LibraryError, match=r"no episode 'https://example\.org/other/one\.mp3'"):
        filled.episodes.get("https://example.org/other/one.mp3")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("/no/such/folder/episode-1.mp3", "no episode '/no/such/folder/episode-1.mp3'; did you mean episode-1"),
        ("other/episode-1", "no episode 'other/episode-1'; did you mean episode-1"),
        ("episode-9", "no episode 'episode-9'; did you mean episode-1"),
        ("0101", "at least 6 digits"),
        ("", "voicematch episodes list"),
        ("quux", "voicematch episodes list"),
    ],
)
def test_an_episode_that_is_not_there(filled: Library, key: str, reason: str) -> None:
    with pytest.raises(LibraryError, match=reason):
        filled.episodes.get(key)


@pytest.mark.parametrize("key", ["", "  ", "\x00", "\x00 ", "/", "."])
def test_nothing_is_not_what_an_episode_without_a_title_is_called(library: Library, key: str) -> None:
    library.episodes.store(replace(episode(matches={}), title=""), {})
    with pytest.raises(LibraryError, match="no episode"):
        library.episodes.remove(key)


def test_no_episode_at_all(library: Library) -> None:
    with pytest.raises(LibraryError, match="none is stored yet: voicematch identify FILE"):
        library.episodes.get("episode-1")


def test_two_episodes_of_one_source_are_told_apart_by_number(filled: Library) -> None:
    filled.episodes.store(replace(episode(2), source=episode(1).source, title=""), {})
    with pytest.raises(LibraryError, match="is 2 episodes, name one by its number: 010101010101 Episode 1; 0202"):
        filled.episodes.get("/shows/episode-1.mp3")
    assert filled.episodes.get("020202").title == ""


def test_summaries_are_newest_first(filled: Library) -> None:
    filled.episodes.store(episode(2, date="2026-03-01", matches={}), {})
    filled.episodes.store(episode(3, date="2025-01-01", matches={"SPEAKER_01": replace(ANN, speaker="SPEAKER_01")}), {})
    newest, first, oldest = filled.listings.episodes()[0]
    assert [newest.title, first.title, oldest.title] == ["Episode 2", "Episode 1", "Episode 3"]
    assert (first.num_speakers, first.num_unknown, first.num_lines) == (2, 1, 3)
    assert [person.name for person in first.people] == ["Ann Lee"]
    assert (newest.num_unknown, newest.people) == (2, ())
    of_ann, num_of_ann = filled.listings.episodes(profile=filled.people.id("ann lee"))
    assert ([summary.title for summary in of_ann], num_of_ann) == (["Episode 1", "Episode 3"], 2)
    since, num_since = filled.listings.episodes(since="2026-01-01", limit=1)
    assert ([summary.title for summary in since], num_since) == (["Episode 2"], 2)


def test_appearances_are_oldest_first(filled: Library) -> None:
    both = {"SPEAKER_00": ANN, "SPEAKER_01": replace(NOBODY, verdict=Verdict.ACCEPT, profile="Bob")}
    filled.episodes.store(episode(2, date="2025-05-05", matches=both), {})
    earlier, later = filled.people.appearances(filled.people.id("Ann Lee"))
    assert (earlier.title, earlier.date, earlier.talk_seconds, earlier.num_turns) == (
        "Episode 2",
        "2025-05-05",
        25.0,
        2,
    )
    assert ([person.name for person in earlier.others], later.others) == (["Bob"], ())
    assert [appearance.talk_seconds for appearance in filled.people.appearances(filled.people.id("bob"))] == [10.5]


def test_removing_an_episode(filled: Library) -> None:
    filled.episodes.remove("Episode 1")
    assert filled.listings.episodes()[0] == ()
    stats = filled.upkeep.stats()
    assert (stats.num_speakers, stats.num_turns, stats.num_lines, stats.num_voiceprints) == (0, 0, 0, 3)


def test_an_episode_of_another_embedder_is_refused(filled: Library) -> None:
    with pytest.raises(EmbedderMismatch, match="not of 'other'"):
        filled.episodes.store(replace(episode(2), embedder="other"), {})
    assert len(filled.listings.episodes()[0]) == 1


def test_a_failed_write_leaves_everything_as_it_was(filled: Library) -> None:
    with pytest.raises(LibraryError, match="SPEAKER_01: an embedding is not of unit length"):
        filled.episodes.store(replace(episode(1), title="half"), {"SPEAKER_01": (bad(vector=np.ones(4, np.float32)),)})
    assert filled.episodes.get("Episode 1") == episode(1)


# -- matches


def test_matches_are_replaced_in_bulk(filled: Library) -> None:
    filled.episodes.store(episode(2), voices())
    as_bob = Match("SPEAKER_01", Verdict.REVIEW, "Bob", 0.6, (Candidate("Bob", 0.5, 0.6, 1.0),), ("close",))
    assert filled.speakers.set_matches({"01" * 32: {"SPEAKER_01": as_bob}, "02" * 32: {"SPEAKER_01": as_bob}}) == 2
    for number in (1, 2):
        assert filled.episodes.get(f"Episode {number}").matches == {"SPEAKER_00": ANN, "SPEAKER_01": as_bob}


def test_a_machine_does_not_change_what_a_person_said(filled: Library) -> None:
    filled.said.confirm("Episode 1", "SPEAKER_00", None)
    assert filled.speakers.set_matches({"01" * 32: {"SPEAKER_00": ANN}}) == 0
    match = filled.episodes.get("Episode 1").matches["SPEAKER_00"]
    assert (match.verdict, match.profile, match.reasons) == (Verdict.UNKNOWN, None, ("confirmed by a person",))


def test_confirming_needs_a_speaker_that_is_there(filled: Library) -> None:
    with pytest.raises(LibraryError, match="no speaker SPEAKER_07; it has SPEAKER_00, SPEAKER_01"):
        filled.said.confirm("Episode 1", "SPEAKER_07", "Bob")


def test_a_match_needs_a_speaker_that_is_there(filled: Library) -> None:
    with pytest.raises(LibraryError, match="episode 010101010101 has no speaker SPEAKER_07"):
        filled.speakers.set_matches({"01" * 32: {"SPEAKER_00": NOBODY, "SPEAKER_07": ANN}})
    assert filled.episodes.get("Episode 1").matches["SPEAKER_00"] == ANN


def test_a_profile_forgotten_meanwhile_leaves_the_speaker_unknown(filled: Library) -> None:
    filled.profiles.forget("Ann Lee")
    filled.episodes.store(episode(2), {})
    match = filled.episodes.get("Episode 2").matches["SPEAKER_00"]
    assert (match.verdict, match.profile, match.probability) == (Verdict.UNKNOWN, None, 0.0)
    assert match.candidates == (Candidate("Bob", 0.2, 0.03, 0.1),)
    assert match.reasons == ("a forgotten profile fits at 0.97", "Bob is second at 0.03")


def test_a_name_inside_a_longer_word_stays(library: Library) -> None:
    library.profiles.create("Al")
    library.profiles.create("Al Green")
    offered = (Candidate("Al", 0.5, 0.5, 0.5), Candidate("Al Green", 0.4, 0.4, 0.4))
    reasons = ("Al fits, Al Green also, Alice not",)
    library.episodes.store(
        episode(matches={"SPEAKER_00": Match("SPEAKER_00", Verdict.REVIEW, "Al", 0.5, offered, reasons)}), {}
    )
    library.profiles.rename("Al", "Bo")
    assert library.episodes.get("Episode 1").matches["SPEAKER_00"].reasons == ("Bo fits, Al Green also, Alice not",)


def test_all_voices_are_one_matrix(filled: Library) -> None:
    filled.episodes.store(episode(2, matches={}), voices(2, 3))
    filled.said.confirm("Episode 2", "SPEAKER_01", "Bob")
    stored = filled.speakers.all_embeddings()
    assert stored.speakers == tuple((f"{n:02x}" * 32, label) for n in (1, 2) for label in ("SPEAKER_00", "SPEAKER_01"))
    np.testing.assert_array_equal(stored.vectors, np.eye(DIMENSION)[[0, 0, 1, 2, 2, 3]])
    np.testing.assert_array_equal(stored.speaker_idx, [0, 0, 1, 2, 2, 3])
    np.testing.assert_array_equal(stored.start, [0, 10, 20, 0, 10, 20])
    np.testing.assert_array_equal(stored.end, [10, 20, 30, 10, 20, 30])
    np.testing.assert_array_equal(stored.seconds, np.full(6, 8.0))
    np.testing.assert_array_equal(stored.talk_seconds, [25.0, 10.5, 25.0, 10.5])
    assert stored.names == ("Ann Lee", None, None, "Bob")
    assert stored.confirmed.tolist() == [False, False, False, True]


def test_all_voices_one_episode_after_the_other(filled: Library) -> None:
    filled.episodes.store(episode(2, matches={}), voices(2, 3))
    first, second = filled.speakers.all_embeddings().episodes()
    assert (first.audio_sha256, first.names, first.confirmed) == ("01" * 32, {"SPEAKER_00": "Ann Lee"}, frozenset())
    assert second.talk_seconds == {"SPEAKER_00": 25.0, "SPEAKER_01": 10.5}
    assert [len(of_label) for of_label in second.embeddings.values()] == [2, 1]
    np.testing.assert_array_equal(second.embeddings["SPEAKER_01"][0].vector, [0, 0, 0, 1])


def test_a_new_library_has_no_voices(library: Library) -> None:
    assert library.voiceprints.all().vectors.shape == (0, DIMENSION)
    assert library.speakers.all_embeddings().vectors.shape == (0, DIMENSION)
    assert list(library.speakers.all_embeddings().episodes()) == []
    assert library.speakers.set_matches({}) == 0


# -- settings, figures, threads


def test_settings_belong_to_the_embedder(library: Library) -> None:
    assert library.settings.get("accept") is None
    library.settings.set("accept", "0.9")
    library.settings.set("accept", "0.95")
    assert library.settings.get("accept") == "0.95"
    library.settings.set("accept", None)
    assert library.settings.get("accept") is None
    library.settings.set("embedder", "mine")  # no setting can reach the pin
    assert library.embedder == EMBEDDER


def test_what_is_to_be_remembered_stays_set_with_another_embedder(library: Library) -> None:
    library.settings.remember_unknowns(False)
    library.settings.keep_windows(False)
    library.keep_to("another", 4)
    assert library.embedder == "another"
    assert (library.settings.remembers_unknowns, library.settings.keeps_windows) == (False, False)


def test_stats_count(filled: Library) -> None:
    stats = filled.upkeep.stats()
    assert (stats.num_profiles, stats.num_voiceprints, stats.num_clips, stats.num_episodes) == (2, 3, 1, 1)
    assert (stats.num_speakers, stats.num_turns, stats.num_lines, stats.audio_seconds) == (2, 3, 3, 60.0)
    assert (stats.embedder, stats.dimension, stats.location) == (EMBEDDER, DIMENSION, filled.location)


def test_postgresql_backs_itself_up(library: Library, tmp_path: Path) -> None:
    if library.path is not None:
        pytest.skip("an SQLite library is a file: test_library_file.py")
    with pytest.raises(LibraryError, match="pg_dump"):
        library.upkeep.backup(tmp_path / "copy.db")


def test_a_filled_library_is_sound(filled: Library) -> None:
    assert filled.upkeep.check() == ()


def test_threads_may_share_a_library(filled: Library) -> None:
    def store(first: int) -> None:
        for number in range(first, first + 5):
            filled.episodes.store(episode(number), voices())

    threads = [threading.Thread(target=store, args=(10 * n,)) for n in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(filled.listings.episodes()[0]) == 21
