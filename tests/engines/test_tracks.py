"""Who speaks when, out of a track a person: bleed, offsets, and tracks that do not belong together."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import numpy as np
import pytest

from tests.support.fakes import FakeDetector, FakeEmbedder
from tests.support.talk import RATE, Spans, tracks_of
from voicematch.audio.spans import Samples
from voicematch.engines.bleed import Leak, offsets_of, takes_turns
from voicematch.engines.tracks import Apart, diarize_tracks
from voicematch.errors import AudioError
from voicematch.types import Array

ADA: Spans = [(1.0, 7.0), (14.0, 20.0), (27.0, 33.0)]
BEN: Spans = [(7.5, 13.5), (16.0, 16.6), (21.0, 26.5)]  # the second one while Ada talks
SECONDS = 35.0


class Keen(FakeDetector):
    """Hears everything louder than a microphone's noise as speech, bleed too."""

    def process(self, samples: Array, features: Array) -> Array:
        return super().process(20 * samples, features)


def apart(tracks: Sequence[Array], *, together: bool = False) -> Apart:
    names = [f"{chr(97 + at)}.wav" for at in range(len(tracks))]
    sounds = [Samples(track) for track in tracks]
    return diarize_tracks(sounds, FakeEmbedder(), called=names, together=together, detector_of=Keen)


def spans_of(answer: Apart, track: int) -> list[tuple[float, float]]:
    return [(turn.start, turn.end) for turn in answer.diarization.turns if turn.speaker == answer.speakers[track]]


@pytest.mark.parametrize(("bleed", "late"), [(-25.0, 0.3), (-12.0, 0.003), (-40.0, 0.15), (-np.inf, 0.0)])
def test_each_track_has_its_own_speaker_and_none_of_the_others(bleed: float, late: float) -> None:
    answer = apart(tracks_of(SECONDS, [ADA, BEN], bleed=bleed, late=late))
    assert answer.speakers == ("SPEAKER_00", "SPEAKER_01")
    for track, spans in enumerate((ADA, BEN)):
        assert np.array(spans_of(answer, track)) == pytest.approx(np.array(spans), abs=0.12)
    assert answer.offsets == pytest.approx((0.0, 0.0), abs=0.02)
    assert set(answer.diarization.embeddings) == {"SPEAKER_00", "SPEAKER_01"}


def test_a_track_of_hardly_any_sound_is_named() -> None:
    with pytest.raises(AudioError, match=r"b\.wav: holds hardly any sound; leave it out"):
        apart([tracks_of(SECONDS, [ADA])[0], np.zeros(1, np.float32)])


def test_tracks_that_begin_at_different_times_are_put_together(caplog: pytest.LogCaptureFixture) -> None:
    tracks = tracks_of(SECONDS, [ADA, BEN, [(33.5, 34.5)]], late=0.05)
    with caplog.at_level(logging.WARNING):
        answer = apart([tracks[0][round(0.5 * RATE) :], tracks[1][4 * RATE :], tracks[2]])
    assert answer.offsets[:2] == pytest.approx((0.5, 4.0), abs=0.03)
    assert re.search(r"do not begin together; moved a\.wav by 0\.\d+ s, b\.wav by [34]\.\d+ s", caplog.text)
    assert np.array(spans_of(answer, 1)) == pytest.approx(np.array(BEN), abs=0.12)
    assert answer.diarization.duration == pytest.approx(SECONDS, abs=0.03)


def test_channels_begin_together_whatever_is_heard_late_in_them() -> None:
    tracks = tracks_of(SECONDS, [ADA, BEN])
    assert apart([tracks[0][RATE:], tracks[1]], together=True).offsets == (0.0, 0.0)


def test_a_track_in_which_nobody_speaks_has_no_speaker() -> None:
    answer = apart(tracks_of(SECONDS, [ADA, BEN, []]))
    assert answer.speakers == ("SPEAKER_00", "SPEAKER_01", None)


def test_people_heard_in_a_third_track_alone_do_not_hear_each_other() -> None:
    """Two who hardly talk hear the same of a third, at the same time."""
    answer = apart(tracks_of(SECONDS, [[(1.0, 30.0)], [(31.0, 32.5)], [(33.0, 34.5)]]))
    assert answer.offsets == pytest.approx((0.0, 0.0, 0.0), abs=0.02)
    assert spans_of(answer, 1) == [pytest.approx((31.0, 32.5), abs=0.12)]


def test_a_mix_among_the_tracks_is_refused() -> None:
    first, second = tracks_of(SECONDS, [ADA, BEN], bleed=-np.inf)
    with pytest.raises(AudioError, match=r"c\.wav: has all of [ab]\.wav at full level: a mix"):
        apart([first, second, first + second])


def test_the_same_track_twice_is_refused() -> None:
    first, second = tracks_of(SECONDS, [ADA, BEN])
    with pytest.raises(AudioError, match=r"has the very sound of [ac]\.wav; give it once"):
        apart([first, second, first])


def conversation(seed: int, seconds: float = 300.0) -> tuple[Spans, Spans]:
    """Two people who take turns of a few seconds."""
    rng = np.random.default_rng(seed)
    at, spans = 0.5, ([], [])  # type: tuple[float, tuple[list[tuple[float, float]], list[tuple[float, float]]]]
    while at < seconds - 12:
        for of_person in spans:
            end = at + float(rng.uniform(2, 8))
            of_person.append((at, min(end, seconds - 1)))
            at = end + 0.2
    return spans


def test_tracks_of_two_conversations_are_refused() -> None:
    first, _ = tracks_of(300.0, conversation(1), bleed=-np.inf)
    _, other = tracks_of(300.0, conversation(2), bleed=-np.inf)
    with pytest.raises(AudioError, match="does not belong to the other tracks"):
        apart([first, other])


def test_people_in_one_conversation_give_way_to_each_other() -> None:
    frames = [np.zeros(15_000, np.bool_) for _ in range(2)]
    for flags, spans in zip(frames, conversation(3), strict=True):
        for start, end in spans:
            flags[round(start * 50) : round(end * 50)] = True
    assert takes_turns(*frames) is True
    assert takes_turns(frames[0], np.roll(frames[1], 4_000)) is False
    assert takes_turns(frames[0][:1000], frames[1][:1000]) is None  # too little to tell


def test_what_nothing_lines_up_is_said_to_begin_together(caplog: pytest.LogCaptureFixture) -> None:
    first, second = tracks_of(SECONDS, [ADA, BEN], bleed=-np.inf)
    with caplog.at_level(logging.WARNING):
        assert apart([first, second[: 30 * RATE]]).offsets == (0.0, 0.0)
    assert "b.wav: nothing tells when it begins, and it is 0:30 long, not 0:35" in caplog.text


def test_half_the_difference_of_two_lags_is_the_offset() -> None:
    """By hand: b begins 2 s after a and sound is 0.3 s late: a hears b 2.3 s later by its clock, b hears a -1.7 s."""
    gain = np.zeros(16, np.float32)
    both = [Leak(1, 0, 115, gain, 9.0), Leak(0, 1, -85, gain, 9.0)]
    assert offsets_of(both, 2)[0] == pytest.approx([0.0, 2.0])
    assert offsets_of([Leak(1, 0, 15, gain, 9.0)], 2)[0] == pytest.approx([0.0, 0.0])  # the way of the sound
    assert offsets_of([Leak(1, 0, -50, gain, 9.0)], 2)[0] == pytest.approx([1.0, 0.0])


def test_tracks_that_contradict_each_other_are_said(caplog: pytest.LogCaptureFixture) -> None:
    gain = np.zeros(16, np.float32)
    ring = [Leak(1, 0, 50, gain, 30.0), Leak(2, 1, 50, gain, 20.0), Leak(2, 0, 50, gain, 10.0)]
    begins, off = offsets_of(ring, 3)
    assert begins == pytest.approx([0.0, 1.0, 2.0])
    assert off == [(2, 0)]
    tracks = tracks_of(60.0, [ADA, BEN, [(35.0, 45.0), (47.0, 57.0)]])
    cut = tracks[2].copy()
    cut[: 32 * RATE] = tracks[2][2 * RATE : 34 * RATE]  # what it hears of the others is two seconds early
    with caplog.at_level(logging.WARNING):
        apart([tracks[0], tracks[1], cut])
    assert "do not lie to each other as the other tracks say" in caplog.text
