"""Sound files of every kind, sound and damaged, made here with the same library that reads them."""

from __future__ import annotations

import functools
import gc
import http.server
import itertools
import logging
import math
import os
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.format import AudioFormat
from av.audio.stream import AudioStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicematch.audio import SAMPLE_RATE, Audio, decode_clip, encode_clip
from voicematch.errors import AudioError
from voicematch.types import Array

SECONDS = 8.0


@functools.cache
def sound(rate: int = 44_100, channels: int = 2, seconds: float = SECONDS) -> Array:
    """(channels, num_samples) of noise whose loudness and pitch change like speech; every stretch is recognisable."""
    rng = np.random.default_rng(7)
    num_samples = round(seconds * rate)
    time = np.arange(num_samples) / rate
    knots = np.linspace(0.0, seconds, round(seconds * 5))
    pitch = np.interp(time, knots, rng.uniform(120.0, 900.0, len(knots)))
    level = np.interp(time, knots, rng.uniform(0.02, 0.3, len(knots)))
    voice = level * np.sin(2 * np.pi * np.cumsum(pitch) / rate) + rng.normal(0.0, 0.003, num_samples)
    return np.tile(voice, (channels, 1)).astype(np.float32)


def write(
    file: Path,
    codec: str,
    samples: Array,
    rate: int,
    *,
    sample_format: str | None = None,
    pause: float = 0.0,
    **tags: str,
) -> Path:
    """A file in the format of its ending. ``pause`` leaves out that many seconds of packets from the middle on."""
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
    with av.open(str(file), "w") as container:
        container.metadata.update(tags)
        stream = container.add_stream(codec, rate=rate, layout=layout, options={"strict": "experimental"})
        assert isinstance(stream, AudioStream)
        stream.bit_rate = 128_000
        if sample_format is not None:
            stream.codec_context.format = AudioFormat(sample_format)
        size = stream.codec_context.frame_size or 1024
        middle = samples.shape[1] / 2 if pause else math.inf
        for at in range(0, samples.shape[1], size):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, at : at + size]), "fltp", layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = at + (round(pause * rate) if at > middle else 0)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file


def write_video(file: Path, *, with_sound: bool) -> Path:
    samples = sound(48_000, 2)
    with av.open(str(file), "w") as container:
        picture = container.add_stream("mpeg4", rate=5)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        speech = container.add_stream("aac", rate=48_000, layout="stereo") if with_sound else None
        for _ in range(round(SECONDS * 5)):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), "yuv420p")))
        container.mux(picture.encode(None))
        if speech is not None:
            frame = av.AudioFrame.from_ndarray(samples, "fltp", "stereo")
            frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), 0
            for piece in (frame, None):
                container.mux(speech.encode(piece))
    return file


MAKERS: dict[str, Callable[[Path], Path]] = {
    "mp3": lambda d: write(d / "a.mp3", "libmp3lame", sound(), 44_100),
    "mp3, 24 kHz mono": lambda d: write(d / "b.mp3", "libmp3lame", sound(24_000, 1), 24_000),
    "m4a": lambda d: write(d / "a.m4a", "aac", sound(), 44_100),
    "ogg vorbis": lambda d: write(d / "a.ogg", "vorbis", sound(), 44_100),
    "opus": lambda d: write(d / "a.opus", "libopus", sound(48_000), 48_000),
    "flac": lambda d: write(d / "a.flac", "flac", sound(), 44_100, sample_format="s16"),
    "flac, 24 bits": lambda d: write(d / "b.flac", "flac", sound(96_000), 96_000, sample_format="s32"),
    "wav": lambda d: write(d / "a.wav", "pcm_s16le", sound(), 44_100),
    "wav, 8 kHz": lambda d: write(d / "b.wav", "pcm_u8", sound(8_000, 1), 8_000),
    "wav, 16 kHz": lambda d: write(d / "c.wav", "pcm_f32le", sound(16_000, 1), 16_000),
    "wav, odd rate": lambda d: write(d / "d.wav", "pcm_s24le", sound(44_056, 1), 44_056),
    "webm": lambda d: write(d / "a.webm", "libopus", sound(48_000), 48_000),
    "mkv": lambda d: write(d / "a.mkv", "vorbis", sound(), 44_100),
    "mp4 video": lambda d: write_video(d / "a.mp4", with_sound=True),
    "mkv video": lambda d: write_video(d / "b.mkv", with_sound=True),
    "aac": lambda d: write(d / "a.aac", "aac", sound(), 44_100),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audio")


@pytest.fixture(scope="module")
def made(folder: Path) -> Callable[[str], Path]:
    """A recording of each kind, made when first asked for."""
    return functools.cache(lambda kind: MAKERS[kind](folder))


@pytest.fixture(scope="module", params=MAKERS)
def recording(request: pytest.FixtureRequest, made: Callable[[str], Path]) -> Path:
    return made(request.param)


@pytest.fixture(scope="module")
def mp3(made: Callable[[str], Path]) -> Path:
    return made("mp3")


@pytest.fixture(scope="module")
def mp3_samples(mp3: Path) -> Array:
    return everything(mp3)


@pytest.fixture(scope="module")
def wav(made: Callable[[str], Path]) -> Path:
    return made("wav, 16 kHz")


def everything(source: str | Path) -> Array:
    return np.concatenate(list(Audio(source).blocks()))


# Formats


def test_every_format_gives_its_sound_in_time(recording: Path) -> None:
    heard, said = everything(recording), sound(16_000, 1)[0]
    # A bare AAC stream, and Matroska as older FFmpegs write it, do not say how much at the start to leave out.
    delay = 400 if recording.suffix in (".aac", ".mkv") else 8
    assert abs(len(heard) - len(said)) < 0.07 * SAMPLE_RATE
    assert heard.dtype == np.float32
    middle = said[48_000:96_000]
    fit = [np.corrcoef(heard[48_000 + lag : 96_000 + lag], middle)[0, 1] for lag in range(-10, delay)]
    assert max(fit) > 0.98


def test_the_duration_is_the_number_of_samples(recording: Path) -> None:
    audio = Audio(recording)
    assert audio.duration == len(everything(recording)) / SAMPLE_RATE
    assert audio.lost_seconds == 0.0
    assert audio.estimate() == pytest.approx(audio.duration, abs=0.3)


def test_a_slice_is_what_the_blocks_give_there_sample_for_sample(recording: Path) -> None:
    whole = everything(recording)
    audio = Audio(recording)
    for start, end in ((0.0, 0.5), (2.9, 3.1), (3.3, 4.0), (5.123, 5.9), (7.5, 60.0)):
        np.testing.assert_array_equal(audio.read(start, end), whole[round(start * 16_000) : round(end * 16_000)])


def test_blocks_are_of_the_length_asked_and_the_same_samples_at_any_length(wav: Path) -> None:
    whole = everything(wav)
    blocks = list(Audio(wav).blocks(3.0))
    assert [len(block) for block in blocks] == [48_000, 48_000, 32_000]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    np.testing.assert_array_equal(np.concatenate(list(Audio(wav).blocks(0.0101))), whole)


@pytest.mark.parametrize(
    ("codec", "step"),
    [
        ("pcm_u8", 2**-7),
        ("pcm_s16le", 2**-15),
        ("pcm_s24le", 2**-23),
        ("pcm_s32le", 2**-24),
        ("pcm_f32le", 0.0),
        ("pcm_f64le", 0.0),
    ],
)
def test_full_scale_is_one_whatever_the_sample_format(tmp_path: Path, codec: str, step: float) -> None:
    samples = np.linspace(-0.9, 0.9, 16_000, dtype=np.float32)[np.newaxis]
    heard = everything(write(tmp_path / "a.wav", codec, samples, 16_000))
    np.testing.assert_allclose(heard, samples[0], rtol=0, atol=step)


@pytest.mark.parametrize(
    ("gains", "average"), [((1.0, 0.0), 0.5), ((1.0, -1.0), 1.0), ((0.3, 0.5), 0.4), ((0, 0, 1.0, 0, 0, 0), 1 / 6)]
)
def test_channels_are_averaged(tmp_path: Path, gains: tuple[float, ...], average: float) -> None:
    one = sound(16_000, 1)
    file = write(tmp_path / "a.wav", "pcm_f32le", np.concatenate([one * np.float32(g) for g in gains]), 16_000)
    np.testing.assert_allclose(everything(file), one[0] * average, rtol=0, atol=1e-7)


def test_samples_beyond_full_scale_or_not_numbers_are_made_harmless(tmp_path: Path) -> None:
    samples = np.array([[0.5, 1.5, -7.0, np.inf, -np.inf, np.nan, 0.25]], dtype=np.float32)
    heard = everything(write(tmp_path / "a.wav", "pcm_f32le", samples, 16_000))
    np.testing.assert_array_equal(heard, np.array([0.5, 1.0, -1.0, 0.0, 0.0, 0.0, 0.25], dtype=np.float32))


def test_a_change_of_sample_rate_in_the_middle_is_followed(tmp_path: Path, mp3: Path) -> None:
    other = write(tmp_path / "b.aac", "aac", sound(24_000, 1, 4.0), 24_000)
    first = write(tmp_path / "a.aac", "aac", sound(44_100, 2, 4.0), 44_100)
    joined = tmp_path / "joined.aac"
    joined.write_bytes(first.read_bytes() + other.read_bytes())
    heard = everything(joined)
    assert len(heard) / SAMPLE_RATE == pytest.approx(8.0, abs=0.2)
    np.testing.assert_array_equal(heard[:60_000], everything(first)[:60_000])


# Slices


def test_slices_come_in_the_order_asked_and_may_overlap(mp3: Path) -> None:
    whole = everything(mp3)
    spans = [(6.0, 7.0), (3.5, 4.0), (3.75, 6.5)]
    for (start, end), samples in zip(spans, Audio(mp3).slices(spans), strict=True):
        np.testing.assert_array_equal(samples, whole[round(start * 16_000) : round(end * 16_000)])
    assert Audio(mp3).slices([]) == []


def test_a_stretch_comes_in_blocks(mp3: Path) -> None:
    blocks = list(Audio(mp3).stretch(4.0, seconds=2.0))
    assert [len(block) for block in blocks] == [32_000, 32_000]
    np.testing.assert_array_equal(np.concatenate(blocks), everything(mp3)[64_000:])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.floats(0.0, 7.9), length=st.floats(0.001, 3.0))
def test_any_slice_of_an_mp3_is_exact(mp3: Path, mp3_samples: Array, start: float, length: float) -> None:
    first, last = round(start * 16_000), round((start + length) * 16_000)
    if first < last:
        np.testing.assert_array_equal(Audio(mp3).read(start, start + length), mp3_samples[first:last])


@pytest.mark.parametrize(("start", "end"), [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_a_slice_must_have_a_length(wav: Path, start: float, end: float) -> None:
    with pytest.raises(ValueError, match="no stretch of sound"):
        Audio(wav).read(start, end)


@pytest.mark.parametrize("start", [8.0, 500.0])
def test_a_slice_past_the_end_is_refused_with_the_length(mp3: Path, start: float) -> None:
    with pytest.raises(AudioError, match=rf"ends at 8\.0 s, before {start} s; give an earlier time"):
        Audio(mp3).read(start, 501.0)


# Identity


def test_new_tags_keep_the_identity_and_another_sound_has_another(tmp_path: Path) -> None:
    short = sound(16_000, 1, 1.0)
    plain = write(tmp_path / "a.mp3", "libmp3lame", short, 16_000)
    tagged = write(tmp_path / "b.mp3", "libmp3lame", short, 16_000, title="Episode 12", artist="Ada")
    other = write(tmp_path / "c.mp3", "libmp3lame", short * np.float32(0.5), 16_000)
    assert plain.read_bytes() != tagged.read_bytes()
    assert Audio(plain).sha256 == Audio(tagged).sha256 != Audio(other).sha256
    assert len(Audio(plain).sha256) == 64


def test_a_recording_is_named_after_its_file() -> None:
    assert Audio(Path("shows/ep 12.final.mp3")).name == "ep 12.final"
    assert Audio("https://example.org/a/ep%2012.mp3?token=x").name == "ep 12"
    assert Audio("https://example.org/").name == "audio"


def test_facts_are_there_without_asking_for_blocks_and_blocks_may_be_left_early(wav: Path) -> None:
    audio = Audio(wav)
    assert len(next(audio.blocks(1.0))) == 16_000
    gc.collect()  # a file left open would be an error here
    assert audio.duration == SECONDS


# Damage


def cut(content: bytes) -> bytes:
    return content[: round(len(content) * 0.6)]


def overwritten(content: bytes) -> bytes:
    a, b = round(len(content) * 0.3), round(len(content) * 0.4)
    return content[:a] + np.random.default_rng(5).bytes(b - a) + content[b:]


@pytest.mark.parametrize("kind", ["mp3", "flac", "wav", "webm", "mkv"])
def test_a_file_cut_off_is_read_as_far_as_it_goes_and_says_what_is_lost(
    kind: str, made: Callable[[str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = made(kind)
    broken = tmp_path / f"broken{whole.suffix}"
    broken.write_bytes(cut(whole.read_bytes()))
    audio = Audio(broken)
    heard = np.concatenate(list(audio.blocks()))
    assert audio.duration + audio.lost_seconds == pytest.approx(SECONDS, abs=0.1)
    assert 1.5 < audio.lost_seconds < 5.0
    np.testing.assert_array_equal(heard[:50_000], everything(whole)[:50_000])
    assert audio.sha256 != Audio(whole).sha256
    list(audio.blocks())
    assert [r.getMessage() for r in caplog.records] == [
        f"{broken}: damaged or cut off; {audio.lost_seconds:.1f} s of sound are lost"
    ]


@pytest.mark.parametrize("kind", ["m4a", "ogg vorbis", "opus", "flac", "webm", "mkv"])
def test_damage_in_the_middle_becomes_silence_and_times_stay_right(
    kind: str,
    made: Callable[[str], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    whole = made(kind)
    broken = tmp_path / f"broken{whole.suffix}"
    broken.write_bytes(overwritten(whole.read_bytes()))
    audio = Audio(broken)
    heard = np.concatenate(list(audio.blocks()))
    assert audio.duration == pytest.approx(Audio(whole).duration, abs=0.03)
    assert 0.5 < audio.lost_seconds < 4.0
    assert np.corrcoef(heard[-8_000:], everything(whole)[-8_000:])[0, 1] > 0.95
    np.testing.assert_array_equal(audio.read(6.9, 7.5), heard[round(6.9 * 16_000) : 120_000])
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert capfd.readouterr() == ("", "")  # FFmpeg says nothing of its own


def test_damage_in_the_middle_of_an_mp3_is_counted(tmp_path: Path, mp3: Path) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(overwritten(mp3.read_bytes()))
    audio = Audio(broken)
    whole = np.concatenate(list(audio.blocks()))
    assert audio.lost_seconds == pytest.approx(0.1 * SECONDS, abs=0.15)
    np.testing.assert_array_equal(audio.read(5.5, 6.0), whole[88_000:96_000])


def test_timestamps_that_jump_leave_a_pause(tmp_path: Path) -> None:
    file = write(tmp_path / "a.mkv", "flac", sound(), 44_100, sample_format="s16", pause=2.0)
    audio = Audio(file)
    heard = np.concatenate(list(audio.blocks()))
    assert audio.duration == pytest.approx(SECONDS + 2.0, abs=0.01)
    assert audio.lost_seconds == pytest.approx(2.0, abs=0.01)
    assert not heard[round(4.2 * 16_000) : round(5.9 * 16_000)].any()
    assert np.corrcoef(heard[-16_000:], sound(16_000, 1)[0, -16_000:])[0, 1] > 0.98


# Refusals


@dataclass
class Refused:
    content: bytes
    message: str
    name: str = "a.mp3"


def executable() -> bytes:
    return bytes(np.random.default_rng(3).integers(0, 256, 200_000, dtype=np.uint8)) + b"\xff\xfb\x90\x64" * 2000


REFUSED = {
    "empty": Refused(b"", "the file is empty; download or export it again"),
    "text": Refused(b"Dear listener, this is no sound. " * 3000, "is it really audio?"),
    "a few letters": Refused(b"hello", "is it really audio?"),
    "noise": Refused(executable(), "is it really audio?"),
    "noise called wav": Refused(executable(), "is it really audio?", "a.wav"),
    "zeros": Refused(bytes(300_000), "is it really audio?"),
    "picture": Refused(b"\x89PNG\r\n\x1a\n" + bytes(2000), "is not a sound file in any known format"),
    "web page": Refused(b"<!DOCTYPE html><html>404</html>", "is a web page or feed, not sound", "a.m4a"),
    "feed": Refused(b"<?xml version='1.0'?><rss></rss>", "give the audio file's own address", "a.xml"),
    "only a header": Refused(b"RIFF\x24\0\0\0WAVEfmt ", "is it really audio?", "a.wav"),
    "index missing": Refused(b"\0\0\0\x20ftypM4A " + bytes(5000), "cut off before its index; download", "a.m4a"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_sound_is_refused_in_one_line(case: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused = REFUSED[case]
    file = tmp_path / refused.name
    file.write_bytes(refused.content)
    with pytest.raises(AudioError) as caught:
        everything(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert refused.message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp3"])
@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{path}'\n",
        "[playlist]\nFile1={path}\n",
    ],
)
def test_a_playlist_does_not_open_what_it_points_to(tmp_path: Path, wav: Path, name: str, playlist: str) -> None:
    file = tmp_path / name
    file.write_text(playlist.format(path=wav))
    with pytest.raises(AudioError, match="is a playlist, not sound; give the audio file that it points to"):
        everything(file)


def test_a_video_without_sound(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no audio stream; is this a video without sound"):
        everything(write_video(tmp_path / "silent.mp4", with_sound=False))


def test_a_directory_a_missing_file_and_a_pipe(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="a directory; name a file in it"):
        Audio(tmp_path).estimate()
    with pytest.raises(AudioError, match="no such file; check the path"):
        Audio(tmp_path / "none.mp3").estimate()
    with pytest.raises(AudioError, match=r"cannot be opened: .*null"):
        Audio("a\0b").estimate()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(AudioError, match="a pipe; save what comes out"):
            Audio(tmp_path / "pipe").estimate()


@pytest.mark.parametrize("rate", [1, 1_999, 2_000_000_000])
def test_a_rate_that_no_sound_has(tmp_path: Path, rate: int) -> None:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate, 2, 16)
    sound = struct.pack("<4sI", b"data", 400_000) + bytes(400_000)
    body = b"WAVE" + form + sound
    (tmp_path / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(AudioError, match=rf"has {rate} samples a second, which is no sound"):
        everything(tmp_path / "a.wav")


def test_silence_without_end_in_place_of_damage(tmp_path: Path) -> None:
    file = tmp_path / "a.mka"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8_000, layout="mono")
        for number in range(20):  # each packet 59 minutes after the one before
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 8_000, number * 8_000 * 3_540, Fraction(1, 8_000)
            container.mux(stream.encode(frame))
    minutes = Audio(file).blocks(60.0)
    assert len(list(itertools.islice(minutes, 11 * 60))) == 11 * 60
    with pytest.raises(AudioError, match="nothing in it can be decoded"):
        list(itertools.islice(minutes, 2 * 60))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(b"RIFF")
    file.chmod(0)
    with pytest.raises(AudioError, match="no permission to read it; check the file's owner and mode"):
        Audio(file).estimate()


@pytest.mark.parametrize(
    "source", ["concat:{wav}", "concat:{wav}|{wav}", "file:{wav}", "subfile,,start,0,,:{wav}", "pipe:0"]
)
def test_what_looks_like_a_protocol_of_ffmpeg_is_a_path(source: str, wav: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        Audio(source.format(wav=wav)).estimate()


@pytest.mark.skipif(os.name == "nt", reason="no colons in names there")
@pytest.mark.parametrize("name", ["10:30 – call.wav", "concat:a|b.wav", "http:a.wav", "%03d.wav", "-.wav"])
def test_names_with_colons_and_other_signs_are_only_names(tmp_path: Path, wav: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(wav.read_bytes())
    assert Audio(file).duration == SECONDS


@pytest.mark.parametrize("scheme", ["file", "ftp", "rtmp", "s3", "HLS+http"])
def test_only_http_addresses_are_read(scheme: str) -> None:
    with pytest.raises(AudioError, match="addresses are not read; download the file and give its path"):
        Audio(f"{scheme}://example.org/a.mp3")


def test_an_address_that_is_none() -> None:
    with pytest.raises(AudioError, match="is not a valid address"):
        Audio("http://[::1/a.mp3")


# Addresses


@dataclass
class Site:
    """What the test's web server answers, and what it was asked."""

    url: str
    content: bytes = b""
    drops: list[int] = field(default_factory=list)  # after how many bytes the next connections break
    etag: str | None = '"one"'
    asked: list[str] = field(default_factory=list)  # the Range header of each request


class Handler(http.server.BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        asked = self.headers.get("Range", "")
        site.asked.append(asked)
        if self.path.startswith("/status/"):
            self.send_error(int(self.path.removeprefix("/status/")))
            return
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0) if self.headers.get("If-Range") == site.etag else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(site.content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(site.content) - 1}/{len(site.content)}")
        if site.etag:
            self.send_header("ETag", site.etag)
        self.end_headers()
        self.wfile.write(site.content[start : site.drops.pop(0) if site.drops else None])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    class SiteHandler(Handler):
        pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), SiteHandler) as server:
        SiteHandler.site = Site(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield SiteHandler.site
        server.shutdown()
        thread.join()


def test_an_address_gives_what_the_file_gives_and_is_asked_once(site: Site, mp3: Path) -> None:
    site.content = mp3.read_bytes()
    audio = Audio(f"{site.url}/shows/ep é 1.mp3?x=ü")
    np.testing.assert_array_equal(np.concatenate(list(audio.blocks())), everything(mp3))
    assert (audio.sha256, audio.name) == (Audio(mp3).sha256, "ep é 1")
    audio.read(4.0, 5.0)
    assert site.asked == [""]


def test_the_download_shows_its_progress_and_is_removed_in_the_end(site: Site, mp3: Path) -> None:
    site.content = mp3.read_bytes()
    seen: list[tuple[str, float, float]] = []
    audio = Audio(f"{site.url}/a.mp3")
    file = audio.fetch(lambda step, done, total: seen.append((step, done, total)))
    assert seen[-1] == ("download", len(site.content), len(site.content))
    assert file.read_bytes() == site.content
    del audio
    gc.collect()
    assert not file.exists()
    assert not file.parent.exists()


def test_progress_that_raises_cancels_the_download(site: Site, mp3: Path) -> None:
    site.content = mp3.read_bytes()

    def cancel(step: str, done: float, total: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Audio(f"{site.url}/a.mp3").fetch(cancel)


def test_a_broken_connection_is_taken_up_where_it_broke(site: Site, mp3: Path) -> None:
    site.content, site.drops = mp3.read_bytes(), [30_000, 50_000]
    assert Audio(f"{site.url}/a.mp3").sha256 == Audio(mp3).sha256
    assert site.asked == ["", "bytes=30000-", "bytes=50000-"]


def test_without_a_version_a_broken_download_begins_again(site: Site, mp3: Path) -> None:
    site.content, site.drops, site.etag = mp3.read_bytes(), [30_000], None
    assert Audio(f"{site.url}/a.mp3").sha256 == Audio(mp3).sha256
    assert site.asked == ["", ""]


def test_a_connection_that_keeps_breaking_is_an_error(site: Site) -> None:
    site.content, site.drops = bytes(9000), [1000, 2000, 3000, 4000]
    with pytest.raises(
        AudioError, match="the connection broke after 4000 of 9000 bytes; check the address and the net"
    ):
        Audio(f"{site.url}/a.mp3").estimate()


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (404, "404 Not Found; check the address"),
        (403, "403 Forbidden; check the address"),
        (500, "500 Internal Server Error; try again later"),
    ],
)
def test_the_servers_refusal_is_passed_on(site: Site, status: int, answer: str) -> None:
    with pytest.raises(AudioError, match=f"/status/{status}: the server answers {answer}"):
        Audio(f"{site.url}/status/{status}").estimate()


def test_redirects_lead_to_http_and_nowhere_else(site: Site, wav: Path) -> None:
    site.content = wav.read_bytes()
    assert Audio(f"{site.url}/to/{site.url}/b.wav").duration == SECONDS
    for elsewhere in (f"file://{wav}", "ftp://127.0.0.1/a.wav", "data:audio/wav;base64,UklGRg=="):
        with pytest.raises(AudioError, match=r"the server answers 302|cannot be reached"):
            Audio(f"{site.url}/to/{elsewhere}").estimate()


def test_nobody_answers(site: Site) -> None:
    with pytest.raises(AudioError, match=r"cannot be reached \(.*refused.*\); check the address and the network"):
        Audio("http://127.0.0.1:1/a.mp3").estimate()


def test_a_web_page_is_not_sound(site: Site) -> None:
    site.content = b"<html><body>Please sign in</body></html>"
    with pytest.raises(AudioError, match="is a web page or feed, not sound; give the audio file's own address"):
        Audio(f"{site.url}/a.mp3").estimate()


# Clips


def test_a_kept_clip_has_as_many_samples_and_the_same_sound() -> None:
    clip = sound(16_000, 1, 5.0)[0, :76_543]
    kept = encode_clip(clip)
    heard = decode_clip(kept)
    assert heard.shape == clip.shape
    assert len(kept) < 25_000
    power = [np.abs(np.fft.rfft(samples[:76_000].reshape(-1, 400), axis=1)) for samples in (clip, heard)]
    assert np.corrcoef(power[0].ravel(), power[1].ravel())[0, 1] > 0.98


def test_a_kept_clip_is_the_same_bytes_every_time() -> None:
    clip = sound(16_000, 1, 1.0)[0]
    assert encode_clip(clip) == encode_clip(clip.copy())


@pytest.mark.parametrize("content", [b"", b"no clip", encode_clip(np.zeros(1600, np.float32))[:60]])
def test_a_damaged_clip_is_refused(content: bytes) -> None:
    with pytest.raises(AudioError, match="a kept clip: is damaged; enroll the voice again from its recording"):
        decode_clip(content)
