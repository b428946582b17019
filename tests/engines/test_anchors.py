"""Profiles that take part in telling voices apart, on voices that are axes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.engines.test_turns import heard_of
from tests.support.fakes import FakeEmbedder
from voicematch.engines.anchors import LEAST_WINDOWS, Anchors
from voicematch.engines.diarize import conclude
from voicematch.engines.windows import Clock
from voicematch.models import files
from voicematch.voices.score import Voiceprints, unit

ADA, MAYA, OTTO, NOISE = np.eye(8, dtype=np.float32)[:4]
TWIN = unit(0.7 * ADA + 0.7 * MAYA)  # what Ada and she share is more than half of a voice
CALIBRATION = replace(files.calibration("ecapa-small-4"), cohort=None)


def anchors(**people: np.ndarray) -> Anchors:
    vectors = np.stack(list(people.values())) if people else np.empty((0, 8), np.float32)
    return Anchors(Voiceprints(tuple(people), vectors, np.full(len(people), 20.0, np.float32)), CALIBRATION)


def said(*voices: tuple[np.ndarray, int]) -> np.ndarray:
    """Windows of each voice in turn, with a little noise that is the same each time."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.repeat(voice[None], number, axis=0) for voice, number in voices])
    return unit(rows + rng.normal(0, 0.03, rows.shape))


def part(known: Anchors, vectors: np.ndarray, most: int | None = None) -> list[int]:
    joined = np.ones(len(vectors) - 1, bool)
    labels: list[int] = known.part(vectors, np.zeros(len(vectors), np.int64), joined, most).tolist()
    return labels


def test_a_speaker_who_is_two_profiles_is_two() -> None:
    found = part(anchors(Ada=ADA, Twin=TWIN), said((ADA, 30), (TWIN, 20), (ADA, 10)))
    assert found == [0] * 30 + [1] * 20 + [0] * 10


def test_strangers_stay_who_they_are() -> None:
    assert set(part(anchors(Ada=ADA, Twin=TWIN), said((OTTO, 30), (NOISE, 20)))) == {0}


@pytest.mark.parametrize("people", [{}, {"Ada": ADA}, {"Ada": ADA, "Otto": OTTO}])
def test_it_takes_two_profiles_that_are_heard(people: dict[str, np.ndarray]) -> None:
    assert set(part(anchors(**people), said((ADA, 30), (TWIN, 20)))) == {0}


def test_a_few_windows_are_no_claim() -> None:
    few = LEAST_WINDOWS - 1
    assert set(part(anchors(Ada=ADA, Otto=OTTO), said((ADA, 40), (OTTO, few - 2), (ADA, 40)))) == {0}


def test_no_more_speakers_than_were_asked_for() -> None:
    assert set(part(anchors(Ada=ADA, Twin=TWIN), said((ADA, 30), (TWIN, 20)), most=1)) == {0}


def test_two_are_found_among_very_many_profiles() -> None:
    rng = np.random.default_rng(1)
    wide = unit(rng.normal(0, 1, (300, 64)))
    people = {f"P{idx:03d}": row for idx, row in enumerate(wide)}
    known = Anchors(Voiceprints(tuple(people), wide, np.full(300, 20.0, np.float32)), CALIBRATION)
    vectors = np.repeat(wide[[7, 250]], 20, axis=0)
    assert part(known, vectors) == [0] * 20 + [1] * 20


def test_the_answer_with_an_empty_library_is_the_answer_without_one() -> None:
    heard, _ = heard_of((20.0, ADA), (12.0, MAYA), (9.0, ADA))
    without, empty, known = (
        conclude(heard, FakeEmbedder(), Clock(), anchors=given)
        for given in (None, anchors(), anchors(Otto=OTTO, Noise=NOISE))
    )
    for other in (empty, known):
        assert other.turns == without.turns
        assert {label: [e.vector.tobytes() for e in own] for label, own in other.embeddings.items()} == {
            label: [e.vector.tobytes() for e in own] for label, own in without.embeddings.items()
        }
