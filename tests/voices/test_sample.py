from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from tests.support.fakes import CALIBRATION
from voicematch.errors import EnrollmentError
from voicematch.types import Diarization, Embedding, Turn
from voicematch.voices.sample import Quality, Sample, check, quality
from voicematch.voices.score import Voiceprints, unit

CLEAN = Quality(peak=0.5, clipped=0.0, snr=40.0)
EMPTY = Voiceprints((), np.zeros((0, 2), dtype=np.float32), np.zeros(0, dtype=np.float32))


def clip(*voices: tuple[str, float, Sequence[float] | None]) -> Diarization:
    """A clip in which voices speak one after another: (label, seconds, vector or None for too little to embed)."""
    turns: list[Turn] = []
    embeddings: dict[str, tuple[Embedding, ...]] = {}
    at = 0.0
    for label, seconds, vector in voices:
        turns.append(Turn(at, at + seconds, label))
        if vector is not None:
            embeddings[label] = (Embedding(unit(np.array(vector)), seconds, at, at + seconds),)
        at += seconds
    return Diarization(tuple(turns), embeddings, at)


def checked(
    diarization: Diarization,
    measured: Quality = CLEAN,
    *,
    voiceprints: Voiceprints = EMPTY,
    speaker: str | None = None,
    may_differ: bool = False,
) -> Sample:
    return check(
        diarization,
        measured,
        name="Ada",
        calibration=CALIBRATION,
        voiceprints=voiceprints,
        speaker=speaker,
        may_differ=may_differ,
    )


def test_half_a_minute_of_one_clean_voice_has_nothing_against_it() -> None:
    sample = checked(clip(("SPEAKER_00", 30, (1, 0))))
    assert sample.warnings == ()
    assert sample.speakers == ("SPEAKER_00",)
    assert [e.seconds for e in sample.embeddings] == [30]


@pytest.mark.parametrize(
    ("diarization", "measured", "reason"),
    [
        (clip(), CLEAN, "Ada: nobody speaks in this clip; check the file and the span"),
        (clip(("SPEAKER_00", 30, (1, 0))), Quality(0.0001, 0, 0), "Ada: nobody speaks"),
        (clip(("SPEAKER_00", 30, (1, 0))), Quality(1, 0.2, 40), r"clipped beyond repair \(20% of the loud samples"),
        (clip(("SPEAKER_00", 4, (1, 0))), CLEAN, r"only 4\.0 s of speech, a voiceprint needs 5 s; use a longer clip"),
        (clip(("SPEAKER_00", 1, None)), CLEAN, r"only 0\.0 s of speech"),
        (
            clip(("SPEAKER_00", 70, (1, 0)), ("SPEAKER_01", 5, (0, 1))),
            CLEAN,
            "more than one voice: SPEAKER_00 at 0:00–1:10; SPEAKER_01 at 1:10–1:15; choose with --speaker",
        ),
    ],
)
def test_a_clip_that_makes_no_voiceprint_is_refused(diarization: Diarization, measured: Quality, reason: str) -> None:
    with pytest.raises(EnrollmentError, match=reason):
        checked(diarization, measured)


def test_one_voice_of_several_can_be_chosen() -> None:
    two = clip(("SPEAKER_00", 30, (1, 0)), ("SPEAKER_01", 20, (0, 1)))
    sample = checked(two, speaker="SPEAKER_01")
    assert sample.speakers == ("SPEAKER_01",)
    assert sample.turns == (Turn(30, 50, "SPEAKER_01"),)
    with pytest.raises(EnrollmentError, match="no SPEAKER_07 in this clip; its voices are SPEAKER_00, SPEAKER_01"):
        checked(two, speaker="SPEAKER_07")


def test_labels_that_sound_like_one_person_are_one_voice() -> None:
    sample = checked(clip(("SPEAKER_00", 20, (1, 0)), ("SPEAKER_01", 10, (0.9, 0.4))))
    assert sample.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert sum(e.seconds for e in sample.embeddings) == 30


def test_a_few_seconds_that_sound_different_are_left_out() -> None:
    sample = checked(clip(("SPEAKER_00", 20, (1, 0)), ("SPEAKER_01", 4, (0, 1))))
    assert sample.speakers == ("SPEAKER_00",)
    assert sample.warnings == ("left out 4 s that sound different, at 0:20–0:24",)


@pytest.mark.parametrize(("cosine", "refused"), [(0.45, False), (0.35, True)])
def test_a_long_rest_that_may_be_the_same_person_is_left_out(cosine: float, refused: bool) -> None:
    """It is refused only when it is rather somebody else's."""
    two = clip(("SPEAKER_00", 7, (1, 0)), ("SPEAKER_01", 6, (cosine, (1 - cosine**2) ** 0.5)))
    if refused:
        with pytest.raises(EnrollmentError, match="more than one voice"):
            checked(two)
    else:
        sample = checked(two)
        assert sample.speakers == ("SPEAKER_00",)
        assert sample.warnings[-1] == "left out 6 s that sound different, at 0:07–0:13"


def test_a_cough_is_no_second_voice() -> None:
    assert checked(clip(("SPEAKER_00", 20, (1, 0)), ("SPEAKER_01", 1, None))).speakers == ("SPEAKER_00",)


@pytest.mark.parametrize(
    ("seconds", "measured", "warning"),
    [
        (8, CLEAN, "only 8 s of speech; 15 s or more recognise a voice more surely"),
        (30, dataclasses.replace(CLEAN, snr=7), "the recording is noisy: speech is only 7 dB over the background"),
        (30, dataclasses.replace(CLEAN, clipped=0.01), "the recording is clipped in places (1.0% of the loud samples)"),
    ],
)
def test_a_weak_clip_is_taken_with_a_warning(seconds: float, measured: Quality, warning: str) -> None:
    assert checked(clip(("SPEAKER_00", seconds, (1, 0))), measured).warnings == (warning,)


def test_a_voice_very_close_to_another_profile_is_told() -> None:
    maya = Voiceprints(("Maya",), unit(np.array([[0.8, 0.6]])), np.array([30], dtype=np.float32))
    (warning,) = checked(clip(("SPEAKER_00", 30, (1, 0))), voiceprints=maya).warnings
    assert warning == "very close to Maya (95%); are they one person?"
    ada = dataclasses.replace(maya, profiles=("Ada",))
    assert checked(clip(("SPEAKER_00", 30, (1, 0))), voiceprints=ada).warnings == ()


def test_a_voice_unlike_the_one_enrolled_before_is_told() -> None:
    ada = Voiceprints(("Ada",), np.array([[0, 1]], dtype=np.float32), np.array([30], dtype=np.float32))
    with pytest.raises(EnrollmentError, match=r"Ada: does not sound like the Ada enrolled before; .* --force adds"):
        checked(clip(("SPEAKER_00", 30, (1, 0))), voiceprints=ada)
    (warning,) = checked(clip(("SPEAKER_00", 30, (1, 0))), voiceprints=ada, may_differ=True).warnings
    assert warning == "does not sound like the Ada enrolled before; is it the same person?"


def tone(amplitude: float, seconds: float = 1.0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return (amplitude * np.sin(2 * np.pi * 200 * np.arange(int(16_000 * seconds)) / 16_000)).astype(np.float32)


def test_level_and_noise_are_measured_over_all_blocks() -> None:
    measured = quality([tone(0.5), tone(0.005, seconds=0.5)])
    assert measured.peak == pytest.approx(0.5, abs=1e-3)
    assert measured.snr == pytest.approx(40, abs=0.5)
    assert measured.clipped == 0


def test_flat_tops_are_clipping() -> None:
    assert quality([np.clip(tone(3.0), -1, 1)]).clipped > 0.5
    assert quality([tone(1.0)]).clipped < 0.05


def test_a_soft_end_is_not_clipped() -> None:
    last_bit = np.full(8_000, -1 / 32_768, np.float32)
    assert quality([tone(0.4), last_bit]).clipped == quality([tone(0.4)]).clipped
    assert quality([tone(0.4)[:100]]).snr == 0  # shorter than what a level is measured over


def test_silence_has_no_level() -> None:
    assert quality([np.zeros(16_000, dtype=np.float32), np.zeros(0, dtype=np.float32)]) == Quality(0, 0, 0)
