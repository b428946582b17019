from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fakes import CALIBRATION
from voicematch.types import Embedding, Match, Verdict
from voicematch.voices.match import EpisodeVoices, match, match_all, normalised_scores
from voicematch.voices.rules import Said, one_person
from voicematch.voices.score import Cohort, Voiceprints, unit

ADA, MAYA, ZOE = (1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)


def library(**vectors: Sequence[float]) -> Voiceprints:
    rows = unit(np.array(list(vectors.values()), dtype=np.float32)) if vectors else np.zeros((0, 4), dtype=np.float32)
    return Voiceprints(tuple(vectors), rows, np.full(len(vectors), 30.0, dtype=np.float32))


def toward(profile: Sequence[float], cosine: float, rest: Sequence[float] = (0, 0, 0, 1)) -> tuple[float, ...]:
    """A unit vector at this cosine from a profile, leaning towards `rest`."""
    mixed = cosine * np.array(profile) + np.sqrt(1 - cosine**2) * np.array(rest)
    return tuple(mixed.tolist())


def speech(*vectors: Sequence[float], seconds: float = 10.0) -> tuple[Embedding, ...]:
    return tuple(
        Embedding(unit(np.array(vector)), seconds, idx * seconds, (idx + 1) * seconds)
        for idx, vector in enumerate(vectors)
    )


def verdict(found: Match) -> tuple[Verdict, str | None]:
    return found.verdict, found.profile


def test_a_voice_that_fits_is_named_with_its_grounds() -> None:
    heard = speech(toward(ADA, 0.8), toward(ADA, 0.8))
    found = match({"SPEAKER_00": heard}, library(Ada=ADA, Maya=MAYA), calibration=CALIBRATION)["SPEAKER_00"]
    assert verdict(found) == (Verdict.ACCEPT, "Ada")
    assert found.probability == pytest.approx(1 / (1 + np.exp(-3)))
    assert found.reasons == (
        "Ada at 95% (score 0.80) over 20 s of speech",
        "next is Maya at 0.00",
        "100% of the speech fits Ada best",
    )
    assert [c.profile for c in found.candidates] == ["Ada", "Maya"]
    assert found.candidates[0].agreement == 1


def test_a_stranger_stays_unknown_and_the_nearest_profile_is_told() -> None:
    heard = speech(toward(MAYA, 0.41), seconds=6)
    found = match({"SPEAKER_00": heard}, library(Ada=ADA, Maya=MAYA), calibration=CALIBRATION)["SPEAKER_00"]
    assert verdict(found) == (Verdict.UNKNOWN, None)
    assert found.reasons == ("closest is Maya at 29% (score 0.41), needs 50%; only 6 s of speech",)
    assert found.candidates[0].profile == "Maya"


def test_between_the_thresholds_is_a_suggestion() -> None:
    heard = speech(toward(ADA, 0.6))
    found = match({"SPEAKER_00": heard}, library(Ada=ADA), calibration=CALIBRATION)["SPEAKER_00"]
    assert verdict(found) == (Verdict.REVIEW, "Ada")
    assert found.reasons == ("may be Ada, at 73%", "a name needs 90%", "only 10 s of speech")


def test_thresholds_can_be_given() -> None:
    heard = {"SPEAKER_00": speech(toward(ADA, 0.6))}
    assert match(heard, library(Ada=ADA), calibration=CALIBRATION, accept=0.7)["SPEAKER_00"].verdict is Verdict.ACCEPT
    assert match(heard, library(Ada=ADA), calibration=CALIBRATION, review=0.8)["SPEAKER_00"].verdict is Verdict.UNKNOWN


def test_two_profiles_nearly_as_close_leave_a_doubt() -> None:
    heard = speech(*[(0.75, 0.72, 0, 0)] * 20)
    sure = dataclasses.replace(CALIBRATION, bias=0.0)
    found = match({"SPEAKER_00": heard}, library(Ada=ADA, Maya=MAYA), calibration=sure)["SPEAKER_00"]
    assert verdict(found) == (Verdict.REVIEW, "Ada")
    assert found.reasons[1] == "Maya is nearly as close (0.72 and 0.69)"


def test_a_mixed_speaker_gets_no_name() -> None:
    # minutes#753: the centroid of a cluster of two voices scored high enough to name both.
    heard = speech(ADA, ADA, toward(ADA, 0.6, MAYA), toward(ADA, 0.6, MAYA), toward(ADA, 0.6, MAYA), seconds=20)
    found = match({"SPEAKER_00": heard}, library(Ada=ADA, Maya=MAYA), calibration=CALIBRATION)["SPEAKER_00"]
    assert verdict(found) == (Verdict.REVIEW, "Ada")
    assert "only 40% of the speech fits Ada best, needs 60%" in found.reasons


def test_two_people_taken_for_one_get_no_name() -> None:
    # Both are nearest to Ada among the library's voices, so agreement alone does not tell them apart.
    guest, stranger = toward(ADA, 0.95, ZOE), toward(ADA, 0.75)
    heard = speech(guest, stranger, guest, stranger, guest)
    found = match({"SPEAKER_00": heard}, library(Ada=ADA, Maya=MAYA), calibration=CALIBRATION)["SPEAKER_00"]
    assert verdict(found) == (Verdict.REVIEW, "Ada")
    assert found.reasons[1] == "sounds like more than one person"
    assert found.candidates[0].agreement == 1


def test_a_speaker_who_varies_more_than_one_voice_does_gets_no_name() -> None:
    heard = speech(toward(ADA, 0.9, ZOE), toward(ADA, 0.9, (0, 0, -1, 0)), toward(ADA, 0.6, (0, -1, 0, 0)))
    found = match({"SPEAKER_00": heard}, library(Ada=ADA), calibration=CALIBRATION)["SPEAKER_00"]
    assert found.probability > 0.9
    assert verdict(found) == (Verdict.ACCEPT, "Ada")
    strict = dataclasses.replace(CALIBRATION, least_steadiness=0.6)
    found = match({"SPEAKER_00": heard}, library(Ada=ADA), calibration=strict)["SPEAKER_00"]
    assert verdict(found) == (Verdict.REVIEW, "Ada")
    assert found.reasons[1] == "sounds like more than one person"


def test_a_profile_names_the_better_of_two_speakers() -> None:
    heard = {"SPEAKER_00": speech(toward(ADA, 0.75)), "SPEAKER_01": speech(toward(ADA, 0.9, ZOE))}
    found = match(heard, library(Ada=ADA), calibration=CALIBRATION)
    assert verdict(found["SPEAKER_01"]) == (Verdict.ACCEPT, "Ada")
    assert verdict(found["SPEAKER_00"]) == (Verdict.REVIEW, "Ada")
    assert found["SPEAKER_00"].reasons[1] == "SPEAKER_01 is closer to Ada"


def test_two_speakers_as_close_to_one_profile_are_both_in_doubt() -> None:
    heard = {"SPEAKER_00": speech(toward(ADA, 0.8)), "SPEAKER_01": speech(toward(ADA, 0.82, ZOE))}
    found = match(heard, library(Ada=ADA), calibration=CALIBRATION)
    assert {found[label].verdict for label in heard} == {Verdict.REVIEW}
    assert found["SPEAKER_01"].reasons[1] == "SPEAKER_00 is nearly as close to Ada"


def test_one_person_in_two_speakers_is_named_twice_and_merged() -> None:
    heard = {"SPEAKER_00": speech(toward(ADA, 0.9)), "SPEAKER_03": speech(toward(ADA, 0.95))}
    found = match(heard, library(Ada=ADA, Maya=MAYA), calibration=CALIBRATION)
    assert {verdict(found[label]) for label in heard} == {(Verdict.ACCEPT, "Ada")}
    assert one_person(found, {}, Said(), as_before=False) == {"SPEAKER_03": "SPEAKER_00"}


def test_a_stranger_who_sounds_like_a_guest_is_not_merged_with_them() -> None:
    # Both are probable, and either alone would be named; together they are two people, and the better one is Ada.
    heard = {
        "SPEAKER_00": speech(toward(ADA, 0.95), toward(ADA, 0.95)),
        "SPEAKER_01": speech(toward(ADA, 0.8, ZOE), toward(ADA, 0.8, ZOE)),
    }
    found = match(heard, library(Ada=ADA), calibration=CALIBRATION)
    assert verdict(found["SPEAKER_00"]) == (Verdict.ACCEPT, "Ada")
    assert verdict(found["SPEAKER_01"]) == (Verdict.REVIEW, "Ada")


def test_suggestions_merge_nobody() -> None:
    found = [Match(label, Verdict.REVIEW, "Ada", 0.7) for label in ("SPEAKER_00", "SPEAKER_01")]
    assert one_person({m.speaker: m for m in found}, {}, Said(), as_before=False) == {}


def test_an_empty_library_names_nobody_and_says_what_to_do() -> None:
    found = match({"SPEAKER_00": speech(ADA)}, library(), calibration=CALIBRATION)["SPEAKER_00"]
    assert verdict(found) == (Verdict.UNKNOWN, None)
    assert found.reasons == ("the library has no profiles yet: enroll a voice first",)


def test_a_speaker_without_embeddings_is_unknown() -> None:
    found = match(
        {"SPEAKER_00": speech(toward(ADA, 0.9))},
        library(Ada=ADA),
        calibration=CALIBRATION,
        talk_seconds={"SPEAKER_00": 10.0, "SPEAKER_01": 0.8},
    )
    assert list(found) == ["SPEAKER_00", "SPEAKER_01"]
    assert verdict(found["SPEAKER_01"]) == (Verdict.UNKNOWN, None)
    assert found["SPEAKER_01"].reasons == ("too little speech to recognise a voice (0.8 s)",)
    assert match({}, library(Ada=ADA), calibration=CALIBRATION, talk_seconds={"SPEAKER_00": 1.0})


def test_equal_profiles_are_ordered_by_name() -> None:
    found = match({"SPEAKER_00": speech(ADA)}, library(Zoe=ADA, Ada=ADA), calibration=CALIBRATION)["SPEAKER_00"]
    assert [c.profile for c in found.candidates] == ["Ada", "Zoe"]
    assert found.verdict is Verdict.REVIEW


@given(seed=st.integers(0, 500), num_speakers=st.integers(1, 5), num_profiles=st.integers(1, 6))
def test_the_order_of_speakers_and_profiles_changes_nothing(seed: int, num_speakers: int, num_profiles: int) -> None:
    rng = np.random.default_rng(seed)
    heard = {f"SPEAKER_{i:02d}": speech(*rng.normal(size=(3, 3))) for i in range(num_speakers)}
    profiles = {f"P{i}": tuple(rng.normal(size=3)) for i in range(num_profiles)}
    one = match(heard, library(**profiles), calibration=CALIBRATION)
    other = match(dict(reversed(heard.items())), library(**dict(reversed(profiles.items()))), calibration=CALIBRATION)
    assert {k: verdict(m) for k, m in one.items()} == {k: verdict(m) for k, m in other.items()}
    named = [m.profile for m in one.values() if m.verdict is Verdict.ACCEPT]
    assert len(named) - len(one_person(one, {}, Said(), as_before=False)) == len(set(named))


def test_who_was_ruled_out_gets_another_name_or_none_and_is_no_rival() -> None:
    voices = {"SPEAKER_00": speech(toward(ADA, 0.9)), "SPEAKER_01": speech(toward(ADA, 0.88, ZOE))}
    known = library(Ada=ADA, Maya=MAYA)
    found = match(voices, known, calibration=CALIBRATION, ruled_out={"SPEAKER_00": {"Ada", "Nobody"}})
    assert verdict(found["SPEAKER_00"]) == (Verdict.UNKNOWN, None)
    assert [candidate.profile for candidate in found["SPEAKER_00"].candidates] == ["Maya"]
    assert verdict(found["SPEAKER_01"]) == (Verdict.ACCEPT, "Ada")


def test_speech_that_fits_who_was_ruled_out_is_no_doubt() -> None:
    voices = {"SPEAKER_00": speech(toward(ADA, 0.9, MAYA))}
    known = library(Ada=toward(ADA, 0.95, MAYA), Twin=toward(ADA, 0.9, MAYA))
    found = match(voices, known, calibration=CALIBRATION, ruled_out={"SPEAKER_00": {"Twin"}})["SPEAKER_00"]
    assert verdict(found) == (Verdict.ACCEPT, "Ada")
    assert not any("Twin" in reason for reason in found.reasons)
    none = match(voices, known, calibration=CALIBRATION, ruled_out={"SPEAKER_00": {"Twin", "Ada"}})["SPEAKER_00"]
    assert (verdict(none), none.reasons) == (
        (Verdict.UNKNOWN, None),
        ("a person said that it is none of the known voices",),
    )


shares = st.lists(st.floats(-1, 1, width=16), min_size=4, max_size=4)
stretches = st.lists(st.tuples(shares, st.floats(1, 20)), max_size=6)
library_rows = st.lists(st.tuples(st.sampled_from(["Ada", "Maya", "Zoe", "Liam"]), shares), max_size=14)


def nonzero(values: list[float]) -> list[float]:
    return [value + 0.1 for value in values] if sum(v * v for v in values) < 0.01 else values


@given(st.lists(st.dictionaries(st.sampled_from("ABCD"), stretches), max_size=4), library_rows)
def test_many_episodes_at_once_are_matched_as_one_by_one(
    episodes: list[dict[str, list[tuple[list[float], float]]]], rows: list[tuple[str, list[float]]]
) -> None:
    vectors = unit(np.array([nonzero(row) for _, row in rows], dtype=np.float32).reshape(-1, 4))
    known = Voiceprints(tuple(name for name, _ in rows), vectors, np.full(len(rows), 30.0, dtype=np.float32))
    heard = [
        EpisodeVoices(
            {
                label: tuple(Embedding(unit(nonzero(row)), seconds, 0.0, seconds) for row, seconds in own)
                for label, own in episode.items()
            },
            dict.fromkeys((*episode, "E"), 12.0),
            {"A": ["Ada"]},
        )
        for episode in episodes
    ]
    together = list(match_all(heard, known, calibration=CALIBRATION))
    for one, found in zip(heard, together, strict=True):
        alone = match(
            one.embeddings, known, calibration=CALIBRATION, talk_seconds=one.talk_seconds, ruled_out=one.ruled_out
        )
        assert list(found) == list(alone)
        for label, own in alone.items():
            assert [c.probability for c in found[label].candidates] == pytest.approx(
                [c.probability for c in own.candidates], abs=1e-5
            )


def test_a_shortlist_of_a_large_library_agrees_with_comparing_all() -> None:
    generator = np.random.default_rng(5)
    people = unit(generator.standard_normal((3_000, 16)))
    known = Voiceprints(
        tuple(f"P{idx % 1_500:04d}" for idx in range(3_000)), people, np.full(3_000, 30.0, dtype=np.float32)
    )
    large = Voiceprints(
        (*known.profiles, *(f"Q{idx}" for idx in range(3_000))),
        np.concatenate([known.vectors, np.full((3_000, 16), -0.25, dtype=np.float32)]),
        np.full(6_000, 30.0, dtype=np.float32),
    )
    heard = {"A": speech(*(people[3] + 0.1 * generator.standard_normal(16) for _ in range(5)))}
    few = match(heard, known, calibration=CALIBRATION)["A"]
    many = match(heard, large, calibration=CALIBRATION)["A"]
    assert [c.profile for c in many.candidates] == [c.profile for c in few.candidates]
    assert [c.agreement for c in many.candidates] == pytest.approx([c.agreement for c in few.candidates])


def test_the_nearest_of_a_large_library_are_compared_on_the_axes() -> None:
    rng = np.random.default_rng(6)
    axes = rng.standard_normal((16, 8)).astype(np.float32)
    compared = dataclasses.replace(CALIBRATION, cohort=Cohort(unit(rng.standard_normal((60, 16))), axes))
    names = tuple(f"P{idx:04d}" for idx in range(5_001))
    known = Voiceprints(names, unit(rng.standard_normal((5_001, 16))), np.full(5_001, 30.0, np.float32))
    heard = known.vectors[[7, 4_000]]
    found = normalised_scores(heard, known, compared)
    assert found.argmax(axis=1).tolist() == [7, 4_000]
    few = normalised_scores(heard, known.only(["P0007", "P4000"]), compared)
    np.testing.assert_allclose(found[:, [7, 4_000]], few, atol=1e-5)


def test_a_score_that_is_usual_for_a_voice_counts_for_less() -> None:
    # The speaker is as near to a hundred strangers as to Ada.
    rng = np.random.default_rng(0)
    crowd = unit(np.array(toward(ADA, 0.8)) + 0.2 * rng.normal(size=(100, 4)))
    heard = {"SPEAKER_00": speech(toward(ADA, 0.8), toward(ADA, 0.8))}
    plain = match(heard, library(Ada=ADA), calibration=CALIBRATION)["SPEAKER_00"]
    normalised = dataclasses.replace(CALIBRATION, cohort=Cohort(crowd))
    among_alike = match(heard, library(Ada=ADA), calibration=normalised)["SPEAKER_00"]
    assert among_alike.candidates[0].score < plain.candidates[0].score - 0.01
    assert among_alike.probability < plain.probability


def test_one_person_through_two_channels_is_named_twice_where_nobody_else_is_near() -> None:
    """The two sound less alike than one voice does in one room, but both are far from every other profile."""
    telephone = toward(ADA, 0.8, (0, 0, 0, 1))
    heard = {"SPEAKER_00": speech(ADA, ADA), "SPEAKER_01": speech(telephone, telephone)}
    found = match(heard, library(Ada=ADA, Maya=MAYA), calibration=CALIBRATION)
    assert {verdict(one) for one in found.values()} == {(Verdict.ACCEPT, "Ada")}
    near = match(heard, library(Ada=ADA, Maya=toward(telephone, 0.7, MAYA)), calibration=CALIBRATION)
    assert verdict(near["SPEAKER_01"]) == (Verdict.REVIEW, "Ada")
    assert any("SPEAKER_00 is closer to Ada" in reason for reason in near["SPEAKER_01"].reasons)


@pytest.mark.parametrize(("cosine", "is_named"), [(0.6, False), (0.66, True)])
def test_who_is_probably_a_profile_and_one_person_with_who_surely_is_gets_its_name(
    cosine: float, is_named: bool
) -> None:
    """At 73 and 83 %, where a name needs 90; alone, neither would have it."""
    telephone = speech(*[toward(ADA, cosine, (0, 0, 0, 1))] * 2)
    known = library(Ada=ADA, Maya=MAYA)
    found = match({"SPEAKER_00": speech(ADA, ADA), "SPEAKER_01": telephone}, known, calibration=CALIBRATION)
    assert verdict(found["SPEAKER_00"]) == (Verdict.ACCEPT, "Ada")
    assert verdict(found["SPEAKER_01"]) == (Verdict.ACCEPT if is_named else Verdict.REVIEW, "Ada")
    assert ("one person with SPEAKER_00" in found["SPEAKER_01"].reasons) == is_named
    assert one_person(found, {}, Said(), as_before=False) == ({"SPEAKER_01": "SPEAKER_00"} if is_named else {})
    alone = match({"SPEAKER_01": telephone}, known, calibration=CALIBRATION)
    assert verdict(alone["SPEAKER_01"]) == (Verdict.REVIEW, "Ada")
    several = (*speech(ADA, ADA, toward(ADA, 0.7), toward(ADA, 0.7)),)
    found = match({"SPEAKER_00": several, "SPEAKER_01": telephone}, known, calibration=CALIBRATION)
    assert "sounds like more than one person" in found["SPEAKER_00"].reasons
    assert {one.verdict for one in found.values()} == {Verdict.REVIEW}


def test_two_who_take_turns_are_two_however_far_everybody_else_is() -> None:
    """As the two channels above, but by turns: nobody goes to another room for every answer."""
    telephone = toward(ADA, 0.8, (0, 0, 0, 1))
    alone = (speech(*[ADA] * 4), speech(*[telephone] * 4))
    known = library(Ada=ADA, Maya=MAYA)
    later = tuple(dataclasses.replace(one, start=one.start + 40, end=one.end + 40) for one in alone[1])
    found = match({"SPEAKER_00": alone[0], "SPEAKER_01": later}, known, calibration=CALIBRATION)
    assert {verdict(one) for one in found.values()} == {(Verdict.ACCEPT, "Ada")}
    between = tuple(dataclasses.replace(one, start=one.start + 1, end=one.end + 1) for one in alone[1])
    found = match({"SPEAKER_00": alone[0], "SPEAKER_01": between}, known, calibration=CALIBRATION)
    assert verdict(found["SPEAKER_00"]) == (Verdict.ACCEPT, "Ada")
    assert verdict(found["SPEAKER_01"]) == (Verdict.REVIEW, "Ada")
