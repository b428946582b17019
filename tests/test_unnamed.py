from __future__ import annotations

import numpy as np
import pytest

from voicematch.score import Calibration, unit
from voicematch.types import Array, Embedding, Line, Turn
from voicematch.unnamed import clearest, mentioned, parts, role

# A cosine of 0.5 is even odds, 0.72 is 90 %.
CALIBRATION = Calibration(
    embedder="fake",
    bias=-5.0,
    score=10.0,
    steadiness=0.0,
    power=12.0,
    unknown_steadiness=0.0,
    accept=0.9,
    review=0.5,
    margin=0.05,
    agreement=0.6,
)
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
