from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.fakes import CALIBRATION
from voicematch.types import Array, Embedding, Line, Turn
from voicematch.voices.clearest import clearest
from voicematch.voices.recognise import UnknownVoices, parts, recognise
from voicematch.voices.roles import role
from voicematch.voices.rules import ODDS_ELSEWHERE
from voicematch.voices.score import Voiceprints, unit
from voicematch.voices.suggest import credited, mentioned

ADA, MAYA, ZOE, LIAM = np.eye(4, dtype=np.float32)


def grouped(*vectors: Array, seconds: tuple[float, ...] = ()) -> list[list[int]]:
    return parts(np.stack(vectors), np.array(seconds or (30.0,) * len(vectors)), calibration=CALIBRATION)


def test_voices_that_sound_apart_are_parted_most_speech_first() -> None:
    near_ada = unit(ADA + 0.5 * ZOE)
    assert grouped(ADA, MAYA, near_ada, MAYA, MAYA) == [[1, 3, 4], [0, 2]]
    assert grouped(ADA, MAYA, near_ada, seconds=(10.0, 30.0, 15.0)) == [[1], [0, 2]]
    assert grouped(ADA, MAYA, ZOE) == [[0], [1], [2]]


def test_there_are_always_two_parts() -> None:
    assert grouped(ADA, unit(ADA + 0.1 * ZOE), unit(ADA + 0.5 * ZOE)) == [[0, 1], [2]]
    assert grouped(ADA, ADA) == [[0], [1]]
    assert grouped(ADA) == [[0]]


@pytest.mark.parametrize(
    ("heard", "num_in_show", "seems"),
    [
        ([("A", 900.0)], {"A": 2}, ""),
        ([("A", 900.0)] * 2, {"A": 2}, "host"),
        ([("A", 900.0)], {"A": 1}, ""),
        ([("A", 900.0)] * 4, {"A": 16}, "host"),
        ([("A", 900.0)] * 4, {"A": 17}, "guest"),
        ([("A", 900.0)] * 3, {"A": 12}, "guest"),
        ([("A", 30.0)] * 3, {"A": 3}, "ad"),
        ([("A", 61.0), ("A", 30.0), ("A", 30.0)], {"A": 3}, "host"),
        ([("A", 900.0)], {"A": 3}, "guest"),
        ([("A", 900.0)] * 2, {"A": 3}, "host"),
        ([("A", 900.0)] * 2, {"A": 4}, "guest"),
        ([("A", 30.0), ("B", 30.0)], {"A": 9, "B": 9}, "ad"),
        ([("A", 30.0), ("B", 90.0)], {"A": 9, "B": 9}, "guest"),
        ([("A", 30.0), ("A", 30.0)], {"A": 9}, "guest"),
        ([("A", 900.0), ("B", 900.0), ("B", 900.0)], {"A": 50, "B": 3}, "host"),
    ],
)
def test_what_a_voice_seems_to_be(heard: list[tuple[str, float]], num_in_show: dict[str, int], seems: str) -> None:
    assert role(heard, num_in_show) == seems


def remembered(*heard: tuple[str, int, bool], num_in_show: int = 0, steady: float | None = None) -> UnknownVoices:
    """heard : (voice's name, episode, whether of the show at hand)"""
    names = tuple(name for name, _, _ in heard)
    voices = Voiceprints(names, np.stack([ADA] * len(heard)), np.full(len(heard), 30.0, np.float32))
    episodes, own = tuple(episode for _, episode, _ in heard), tuple(here for _, _, here in heard)
    return UnknownVoices(voices, (steady,) * len(heard), episodes, own, num_in_show)


def test_the_odds_that_a_voice_returns() -> None:
    """Laplace: after n of N episodes (n + 1) : (N - n + 1), and no more than even."""
    once = ("U-0001", 1, True)
    assert remembered(once, num_in_show=1).odds("U-0001") == 1.0
    assert remembered(once, num_in_show=3).odds("U-0001") == pytest.approx(2 / 3)
    assert remembered(once, num_in_show=299).odds("U-0001") == pytest.approx(2 / 299)
    assert remembered(once, once, num_in_show=3).odds("U-0001") == pytest.approx(2 / 3), "two speakers of one episode"
    assert remembered(*(("U-0001", n, True) for n in range(200)), num_in_show=299).odds("U-0001") == 1.0
    assert remembered(("U-0001", 1, False), num_in_show=9).odds("U-0001") == ODDS_ELSEWHERE
    assert remembered(("U-0001", 1, False), once, num_in_show=1).odds("U-0001") == 1.0


def heard_as(voice: Array, known: UnknownVoices, steadiness: float = 0.0) -> dict[str, str]:
    embeddings = {"A": tuple(Embedding(voice, 10.0, 10.0 * n, 10.0 * n + 10.0) for n in range(3))}
    return recognise(embeddings, known, calibration=replace(CALIBRATION, steadiness=steadiness))


def test_the_steadier_of_two_voices_counts() -> None:
    """A voice that never varies has to be nearer: here a logit of 2 less where h is 1."""
    near = unit(0.8 * ADA + 0.6 * MAYA)  # logit 3, and 2.2 is 90 %
    home = ("U-0001", 1, True)
    assert heard_as(near, remembered(home)) == {"A": "U-0001"}
    assert heard_as(near, remembered(home), steadiness=-2.0) == {}
    varied = {"A": tuple(Embedding(unit(near + 0.5 * rest), 10.0, 0.0, 10.0) for rest in (ZOE, -ZOE, LIAM, -LIAM))}
    calibration = replace(CALIBRATION, steadiness=-2.0)
    assert recognise(varied, remembered(home, steady=0.7), calibration=calibration) == {"A": "U-0001"}
    assert recognise(varied, remembered(home, steady=1.0), calibration=calibration) == {}


def test_nobody_joins_a_voice_that_sounds_like_several() -> None:
    assert heard_as(ADA, remembered(("U-0001", 1, True), steady=0.49)) == {}
    assert heard_as(ADA, remembered(("U-0001", 1, True), steady=0.51)) == {"A": "U-0001"}


def test_a_voice_of_the_show_comes_before_a_nearer_one_of_another() -> None:
    here, elsewhere = unit(0.9 * ADA + 0.4359 * ZOE), ADA
    voices = Voiceprints(("U-0001", "U-0002"), np.stack([elsewhere, here]), np.full(2, 30.0, np.float32))
    known = UnknownVoices(voices, (None, None), (1, 2), (False, True), 1)
    assert heard_as(ADA, known) == {"A": "U-0002"}


def test_whom_feeds_name() -> None:
    host, guest = ("Ada", "host"), ("Liam", "guest")
    assert credited([[host, guest]], "guest") == [("Liam", "guest", 2.0)]
    assert credited([[host, guest]], "") == [("Ada", "host", 1.0), ("Liam", "guest", 1.0)]
    assert credited([[host, guest], [host, host], [host]], "host") == [("Ada", "host", 6.0)]
    assert credited([[guest], [host]], "") == []
    assert credited([[host, guest]], "ad") == []


def stretch(voice: Array, start: float, end: float) -> Embedding:
    return Embedding(voice, end - start, start, end)


def test_the_clearest_stretch_is_long_alone_and_like_the_voice() -> None:
    turns = (
        Turn(0.0, 9.0, "A"),
        Turn(8.0, 20.0, "B"),
        Turn(20.0, 40.0, "A"),
        Turn(24.0, 26.0, "B"),
        Turn(50.0, 70.0, "A"),
    )
    embeddings = (stretch(ADA, 0.0, 9.0), stretch(ADA, 20.0, 40.0), stretch(unit(ADA + MAYA), 50.0, 70.0))
    assert clearest(turns, "A", embeddings, ADA) == pytest.approx((26.0, 36.0, 10.0))
    assert clearest(turns, "A", embeddings, unit(ADA + MAYA)) == pytest.approx((50.0, 60.0, 10.0))


def test_a_speaker_never_heard_alone_has_no_clearest_stretch() -> None:
    assert clearest((Turn(1.0, 5.0, "A"), Turn(0.0, 6.0, "B")), "A", (stretch(ADA, 1.0, 5.0),), ADA) is None


def test_a_stretch_without_embeddings_will_do_when_there_is_no_other() -> None:
    assert clearest((Turn(1.0, 5.0, "A"),), "A", (), ADA) == pytest.approx((1.0, 5.0, 0.04))


def test_names_are_weighed_by_who_says_them_of_whom() -> None:
    lines = (
        Line(0.0, 1.0, "I'm Maya Lind. My guest is Liam Moss.", "SPEAKER_00"),
        Line(1.0, 2.0, "Thanks, Maya.", "SPEAKER_01"),
        Line(2.0, 3.0, "Sure.", "SPEAKER_00"),
    )

    def found(speaker: str, role: str = "") -> list[tuple[str, float]]:
        return [(mention.name, weight) for mention, weight in mentioned(lines, speaker, role)]

    assert found("SPEAKER_00") == [("Maya Lind", 3.0), ("Maya", 1.0)]
    assert found("SPEAKER_01") == [("Liam Moss", 2.0)]
    assert found("SPEAKER_01", "host") == []
