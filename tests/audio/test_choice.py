"""Channels that cancel, several tracks, and mp3 files stitched from parts."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from tests.audio.test_audio import everything, sound, write
from voicematch.audio import SAMPLE_RATE, Audio, Choice
from voicematch.audio.mp3 import announced
from voicematch.errors import AudioError
from voicematch.types import Array

HEARD_AS_ONE = "{}: 2 audio tracks are heard as one; if each is a person, --tracks tells them apart"


def level(samples: Array) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


@pytest.mark.parametrize(
    ("suffix", "codec"), [("wav", "pcm_s16le"), ("wav", "pcm_u8"), ("flac", "flac"), ("m4a", "aac")]
)
@pytest.mark.parametrize("right", [-1.0, -0.5])
def test_channels_in_opposite_phase_are_heard(tmp_path: Path, suffix: str, codec: str, right: float) -> None:
    one = sound(44_100, 1)
    kind = "s16" if codec == "flac" else None
    stereo = np.concatenate([one, one * np.float32(right)])
    heard = everything(write(tmp_path / f"a.{suffix}", codec, stereo, 44_100, sample_format=kind))
    assert level(heard) == pytest.approx(level(one) * (1 - right) / 2, rel=0.05)


def test_a_guest_in_opposite_phase_is_heard_too(tmp_path: Path) -> None:
    left = sound(16_000, 1)
    right = left.copy()
    right[:, 40_000:70_000] *= -1
    heard = everything(write(tmp_path / "a.wav", "pcm_f32le", np.concatenate([left, right]), 16_000))
    np.testing.assert_allclose(heard[50_000:60_000], left[0, 50_000:60_000], atol=1e-6)
    np.testing.assert_allclose(heard[90_000:], left[0, 90_000:], atol=1e-6)


def test_a_slice_is_mixed_as_the_whole_is(tmp_path: Path) -> None:
    left = sound(44_100, 1, 20.0)
    right = left * np.sign(np.sin(np.arange(left.shape[1]) / 50_000)).astype(np.float32)
    file = write(tmp_path / "a.flac", "flac", np.concatenate([left, right]), 44_100, sample_format="s16")
    whole = everything(file)
    for start in (6.3, 11.05, 17.9):
        np.testing.assert_array_equal(Audio(file).read(start, start + 1.5), whole[round(start * 16_000) :][:24_000])


def test_a_voice_in_the_centre_of_six_channels_is_heard(tmp_path: Path) -> None:
    silent = np.zeros_like(sound(48_000, 1))
    file = write(tmp_path / "a.m4a", "aac", np.concatenate([silent, silent, sound(48_000, 1), *[silent] * 3]), 48_000)
    assert level(everything(file)) == pytest.approx(level(sound(48_000, 1)) / 6, rel=0.05)


def test_one_channel_can_be_chosen(tmp_path: Path) -> None:
    one = sound(16_000, 1)
    file = write(tmp_path / "a.wav", "pcm_f32le", np.concatenate([one, 0.5 * one[:, ::-1]]), 16_000)
    right = Audio(file, choice=Choice(channel=2))
    np.testing.assert_allclose(np.concatenate(list(right.blocks())), 0.5 * one[0, ::-1], atol=1e-7)
    np.testing.assert_array_equal(right.read(1.0, 2.0), np.concatenate(list(right.blocks()))[16_000:32_000])
    assert right.sha256 != Audio(file).sha256
    with pytest.raises(AudioError, match="has no channel 3; there are 2"):
        list(Audio(file, choice=Choice(channel=3)).blocks())


def tracks(file: Path, *tracks: Array, about: tuple[dict[str, str], ...] = (), offset: float = 0.0) -> Path:
    """A file with several mono tracks of 16 kHz; the second begins ``offset`` seconds late."""
    with av.open(str(file), "w") as container:
        streams: list[AudioStream] = []
        for idx in range(len(tracks)):
            stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
            assert isinstance(stream, AudioStream)
            stream.metadata.update(
                {key: value for key, value in (about[idx] if about else {}).items() if key != "flag"}
            )
            if about and about[idx].get("flag"):
                stream.disposition |= av.stream.Disposition[about[idx]["flag"]]
            streams.append(stream)
        for at in range(0, max(track.shape[1] for track in tracks), 1600):
            for idx, (stream, track) in enumerate(zip(streams, tracks, strict=True)):
                piece = (track[:, at : at + 1600] * 32767).astype("<i2")
                if piece.shape[1]:
                    frame = av.AudioFrame.from_ndarray(piece, "s16", "mono")
                    frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
                    frame.pts = at + (round(offset * 16_000) if idx else 0)
                    container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return file


def host_and_guest() -> tuple[Array, Array]:
    host, guest = sound(16_000, 1).copy(), sound(16_000, 1).copy()
    host[:, 60_000:], guest[:, :60_000] = 0, 0
    return host, guest


@pytest.mark.parametrize("suffix", ["mkv", "mov"])
def test_all_tracks_of_one_conversation_are_heard(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    host, guest = host_and_guest()
    file = tracks(tmp_path / f"a.{suffix}", host, guest)
    heard = everything(file)
    np.testing.assert_allclose(heard, (host[0] + guest[0]) / 2, atol=1e-4)
    np.testing.assert_array_equal(Audio(file).read(3.0, 5.0), heard[48_000:80_000])
    assert Audio(file).sha256 != Audio(file, choice=Choice(track=1)).sha256
    np.testing.assert_allclose(np.concatenate(list(Audio(file, choice=Choice(track=2)).blocks())), guest[0], atol=1e-4)
    assert {record.getMessage() for record in caplog.records} == {HEARD_AS_ONE.format(file)}


def test_tracks_of_other_lengths_and_beginnings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    host, guest = host_and_guest()
    file = tracks(tmp_path / "a.mkv", host, guest[:, 60_000:90_000], offset=60_000 / SAMPLE_RATE)
    heard = everything(file)
    np.testing.assert_allclose(heard[60_000:90_000], guest[0, 60_000:90_000] / 2, atol=1e-3)
    assert len(heard) == pytest.approx(host.shape[1], abs=200)
    assert [record.getMessage() for record in caplog.records] == [HEARD_AS_ONE.format(file)]
    assert Audio(file, choice=Choice(track=2)).lost_seconds == 0.0


@pytest.mark.parametrize(
    ("about", "left_out"),
    [
        (({"language": "eng"}, {"language": "deu"}), "2 (deu)"),
        (({"language": "eng"}, {"title": "Director's commentary"}), "2 (Director's commentary)"),
        (({"language": "eng", "flag": "comment"}, {"language": "eng"}), "1 (eng)"),
        (({"language": "eng"}, {"language": "eng", "flag": "visual_impaired"}), "2 (eng)"),
    ],
)
def test_another_language_or_a_commentary_is_left_out_and_said(
    about: tuple[dict[str, str], ...], left_out: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host, guest = host_and_guest()
    file = tracks(tmp_path / "a.mkv", host, guest, about=about)
    heard = everything(file)
    expected = guest if left_out.startswith("1") else host
    np.testing.assert_allclose(heard, expected[0], atol=1e-4)
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"{file}: of 2 audio tracks, {left_out} is not heard; --track chooses: heard is "
    )


def test_a_track_that_is_not_there(tmp_path: Path) -> None:
    file = tracks(tmp_path / "a.mkv", *host_and_guest())
    with pytest.raises(AudioError, match="has no audio track 3; there are 1, 2"):
        list(Audio(file, choice=Choice(track=3)).blocks())


# Stitched files


def part(folder: Path, name: str, rate: int, channels: int, seconds: float, bits: int) -> bytes:
    file = folder / f"{name}.mp3"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout="mono" if channels == 1 else "stereo")
        assert isinstance(stream, AudioStream)
        stream.bit_rate = bits
        samples = sound(rate, channels, seconds)
        for at in range(0, samples.shape[1], 1152):
            frame = av.AudioFrame.from_ndarray(samples[:, at : at + 1152].copy(), "fltp", stream.layout.name)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.read_bytes()


@pytest.mark.parametrize("other", [(44_100, 2), (44_100, 1), (22_050, 1), (16_000, 2), (48_000, 2)])
def test_a_stitched_mp3_is_whole_and_one_cut_off_is_not(
    other: tuple[int, int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = part(tmp_path, "first", 44_100, 2, 5.0, 48_000)
    second = part(tmp_path, "second", *other, 8.0, 128_000)
    for name, content, lost in (
        ("ab", first + second, 0.0),
        ("ba", second + first, 0.0),
        ("aba", first + second + first, 0.0),
        ("cut", first + second[: len(second) // 2], 4.0),
        ("first cut", first[: len(first) // 2], 2.5),
    ):
        caplog.clear()
        file = tmp_path / f"{name}.mp3"
        file.write_bytes(content)
        audio = Audio(file)
        assert audio.lost_seconds == pytest.approx(lost, abs=0.4 if lost else 0.1), name
        assert [record.levelno for record in caplog.records] == [logging.WARNING] * bool(lost), name


def test_frames_that_announce_nothing() -> None:
    frame = bytes.fromhex("fffb9064") + bytes(32) + b"Info" + (1).to_bytes(4, "big") + (100).to_bytes(4, "big")
    assert announced(frame) == pytest.approx(100 * 1152 / 44_100)
    assert announced(b"ID3 tag" + frame) == announced(frame)
    assert announced(frame.replace(b"Info", b"none")) is None
    assert announced(b"tag Info" + bytes(50)) is None
    assert announced(frame[:36] + b"Info" + bytes(8)) is None


def conversation(*, aside: float) -> Array:
    """Two channels of 40 s, in which two people take turns of 4 s, each ``aside`` (of 1) in a channel of their own."""
    tone = sound(16_000, 1, 40.0)
    is_first = np.arange(tone.shape[1]) // 64_000 % 2 == 0
    first, second = tone * is_first, tone * ~is_first
    return np.concatenate([first + (1 - aside) * second, second + (1 - aside) * first]).astype(np.float32)


@pytest.mark.parametrize(("aside", "is_said"), [(1.0, True), (0.9, True), (0.3, False), (0.0, False)])
def test_channels_that_are_a_person_each_are_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, aside: float, is_said: bool
) -> None:
    file = write(tmp_path / "a.wav", "pcm_s16le", conversation(aside=aside), 16_000)
    with caplog.at_level(logging.WARNING):
        everything(file)
        list(Audio(file, choice=Choice(channel=1)).blocks())
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}: its two channels look like a person each; --channels tells them apart for sure"
    ] * is_said


def test_one_who_sits_to_the_left_is_no_second_person(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tone = sound(16_000, 1, 20.0)
    file = write(tmp_path / "a.wav", "pcm_s16le", np.concatenate([tone, 0.1 * tone]), 16_000)
    with caplog.at_level(logging.WARNING):
        everything(file)
    assert not caplog.records
