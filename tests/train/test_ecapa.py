"""The embedders' recipes: a teacher's vectors and the losses, ways of speaking, batches, networks cut in two."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import NEEDS_TORCH

if importlib.util.find_spec("torch") is None or importlib.util.find_spec("pyworld") is None:
    pytest.skip(f"{NEEDS_TORCH}; and pyworld", allow_module_level=True)

import torch

RECIPE = Path(__file__).resolve().parents[2] / "models" / "train"
sys.path.insert(0, str(RECIPE))  # its files import each other by their own names, as scripts do

import campplus  # noqa: E402
import ecapa_export  # noqa: E402
import moves  # noqa: E402
from augment import Augmenter, Bank, rms, tilted  # noqa: E402
from ecapa import Ecapa  # noqa: E402
from ecapa_corpus import CHUNK, SPANS, SPEED_NAMES, Clip, Crops, Speech  # noqa: E402
from ecapa_export import write  # noqa: E402
from ecapa_losses import Losses, Teacher  # noqa: E402
from ecapa_teach import LONGEST, heard, steadied  # noqa: E402
from ecapa_train import spans_heard  # noqa: E402
from manner import CEILING, FLOOR, Manner, burst, emphasised, melodic, paced, spoken  # noqa: E402

from voicematch.engines.features import log_mel  # noqa: E402
from voicematch.types import Array  # noqa: E402


class Ruler:
    """An embedder whose vectors say how many samples it heard, and the first and last of them."""

    name, dimension, min_speech = "ruler", 3, 0.0

    def embed(self, samples: Array, windows: np.typing.NDArray[np.int64], features: Array | None = None) -> Array:
        return np.array([[end - start, samples[start], samples[end - 1]] for start, end in windows], np.float32)


def test_a_teacher_hears_the_middle_of_a_long_clip_and_all_of_a_short_one() -> None:
    samples = np.zeros(LONGEST + 500, np.int16)
    samples[[200, 199 + LONGEST]] = 16_384, -16_384  # the ends of the middle of the first clip
    bank = Bank(samples, np.array([0, LONGEST + 400, LONGEST + 500]))
    assert heard(bank, Ruler(), "speed_1.0").tolist() == [[LONGEST, 0.5, -0.5], [100, 0.0, 0.0]]


def test_half_of_a_teachers_vector_is_its_speakers_mean() -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    numbers = np.array([0, 0, 1, 1, 2, 3])
    rows = steadied(vectors, numbers)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    alone = steadied(vectors, np.arange(6))  # a speaker's only clip stays where it is
    np.testing.assert_allclose(rows[4:], alone[4:], atol=1e-6)
    for first, second in ((0, 1), (2, 3)):
        assert rows[first] @ rows[second] > alone[first] @ alone[second] + 0.1


def test_a_teachers_file_of_other_clips_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "teacher.npz"
    np.savez(file, **{name: np.eye(4, dtype=np.float32) for name in SPEED_NAMES})  # type: ignore[arg-type]
    assert Teacher.read(file, 4).vectors.shape == (3, 4, 4)
    with pytest.raises(SystemExit, match=r"teacher.npz: 4 vectors for 5 clips"):
        Teacher.read(file, 5)


def test_the_weights_scale_the_losses_one_by_one() -> None:
    teacher = Teacher(torch.nn.functional.normalize(torch.randn(3, 4, 8, generator=torch.manual_seed(0)), dim=-1))
    batch = torch.randn(4, 192), torch.tensor([0, 0, 3, 3]), torch.arange(4), torch.zeros(4, dtype=torch.int64)
    parts = []
    for weights in ((1.0, 1.0, 1.0, 1.0), (2.0, 3.0, 5.0, 7.0)):
        torch.manual_seed(1)
        parts.append(Losses(6, margin=0.2, teacher=teacher, weights=weights)(*batch, 1.0))
    ratios = {name: (value / parts[0][name]).item() for name, value in parts[1].items()}
    assert ratios == pytest.approx({"voice": 2, "pair": 3, "copy": 5, "arrange": 7})


def vowel(hertz: float, formant: float, seconds: float = 1.0) -> np.typing.NDArray[np.int16]:
    """A buzz of that pitch through one resonance."""
    times = np.arange(int(seconds * 16_000)) / 16_000
    harmonics = np.arange(hertz, 7_500, hertz)
    gains = 1 / (1 + ((harmonics - formant) / 150) ** 2)
    sound = (gains[:, None] * np.sin(2 * np.pi * harmonics[:, None] * times)).sum(axis=0)
    said: np.typing.NDArray[np.int16] = np.round(8_000 * sound / np.abs(sound).max()).astype(np.int16)
    return said


def pitch_of(samples: np.typing.NDArray[np.int16]) -> float:
    middle = samples[4_000:12_000].astype(np.float64)
    correlation = np.correlate(middle, middle, "full")[len(middle) :]
    lags = np.arange(30, 250)  # 64 to 533 Hz
    return float(16_000 / (lags[correlation[lags - 1].argmax()]))


def centre_of(samples: np.typing.NDArray[np.int16]) -> float:
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    return float((np.fft.rfftfreq(len(samples), 1 / 16_000) * power).sum() / power.sum())


@pytest.mark.filterwarnings("ignore:pkg_resources is deprecated")
def test_another_pitch_leaves_the_formants_where_they_are() -> None:
    random = np.random.default_rng(0)
    said = vowel(130, 1_000)
    same, higher = (spoken(said, Manner(semitones=semitones), random) for semitones in (0, 6))
    assert pitch_of(same) == pytest.approx(130, rel=0.02)
    assert pitch_of(higher) == pytest.approx(130 * 2**0.5, rel=0.02)
    assert centre_of(higher) == pytest.approx(centre_of(same), rel=0.1)
    assert rms(higher.astype(np.float32)) == pytest.approx(rms(said.astype(np.float32)), rel=0.02)
    slower = spoken(said, Manner(tempo=0.8), random)
    assert len(slower) == pytest.approx(len(said) / 0.8, rel=0.02)
    assert pitch_of(slower) == pytest.approx(130, rel=0.02)


@pytest.mark.filterwarnings("ignore:pkg_resources is deprecated")
def test_every_drawn_manner_makes_sound_and_the_same_one_from_the_same_seed() -> None:
    said = vowel(200, 700, 0.5)
    for seed in range(12):
        once, twice = (
            spoken(said, Manner.drawn(random), random) for random in (np.random.default_rng(seed) for _ in "ab")
        )
        assert len(once)
        assert np.abs(once).max() > 1_000
        np.testing.assert_array_equal(once, twice)
    silence = spoken(np.zeros(8_000, np.int16), Manner(semitones=3, laugh=1.0), np.random.default_rng(0))
    assert np.abs(silence).max() <= 1


def test_a_melody_widens_around_its_middle_and_keeps_to_what_people_can_sing() -> None:
    pitch = np.array([0, 100, 200, 400, 0], np.float64)
    np.testing.assert_allclose(melodic(pitch, Manner(melody=0.5)), [0, 200 / 2**0.5, 200, 200 * 2**0.5, 0])
    np.testing.assert_allclose(melodic(pitch, Manner(semitones=12)), [0, 200, 400, CEILING, 0])
    np.testing.assert_allclose(melodic(pitch, Manner(semitones=-24)), [0, FLOOR, FLOOR, 100, 0])
    assert melodic(np.zeros(3), Manner(melody=2)).tolist() == [0, 0, 0]


def test_a_pace_wanders_but_goes_on() -> None:
    order = paced(500, Manner(tempo=1.25, rubato=0.3), np.random.default_rng(0))
    assert (np.diff(order) >= 0).all()
    assert (order[0], order[-1]) == pytest.approx((0, 499), abs=2)
    assert len(order) == pytest.approx(400, rel=0.1)
    np.testing.assert_array_equal(paced(50, Manner(), np.random.default_rng(0)), np.arange(50))


def test_effort_tilts_and_makes_the_loud_louder() -> None:
    envelope = np.full((3, 257), 1e-4)
    envelope[2] *= 100
    np.testing.assert_allclose(emphasised(envelope, Manner()), envelope)
    changed = emphasised(envelope, Manner(level=6.0, tilt=2.0))
    at_1k, at_4k = 32, 128
    assert 10 * np.log10(changed[2, at_1k] / changed[1, at_1k]) == pytest.approx(26)
    assert 10 * np.log10(changed[1, at_4k] / changed[1, at_1k]) == pytest.approx(4)
    np.testing.assert_allclose(tilted(np.array([0.0, 100.0, 1_000.0, 2_000.0]), 6.0)[2:], [1, 10**0.3], rtol=1e-5)


def test_a_laugh_shakes_level_pitch_and_breath_and_only_for_a_while() -> None:
    pitch, envelope, breath = np.full(1_000, 200.0), np.ones((1_000, 5)), np.zeros((1_000, 5))
    shaken = burst(pitch, envelope, breath, 1.0, np.random.default_rng(0))
    moved = np.abs(shaken[0] - 200) > 1e-9
    assert 50 <= moved.sum() <= 300  # of 1,000 frames of 10 ms; half of it may lie beyond an end
    assert shaken[1].min() < 0.05
    assert shaken[2].max() > 0.7
    left = burst(pitch, envelope, breath, 0.0, np.random.default_rng(0))
    assert all(before is after for before, after in zip((pitch, envelope, breath), left, strict=True))


def tones(count: int) -> Speech:
    """Six seconds of a tone of its own for each of so many clips, two to a speaker, with noise at -50 dB."""
    random = np.random.default_rng(0)
    clips = [Clip(f"speaker {i // 2:02d}", f"corpus {i % 4 // 2}", Path()) for i in range(count)]
    sound = [
        np.round(6_000 * np.sin(2 * np.pi * (200 + 80 * i) * np.arange(96_000) / 16_000) + random.normal(0, 20, 96_000))
        for i in range(count)
    ]
    bank = Bank(np.concatenate(sound).astype(np.int16), np.arange(count + 1) * 96_000)
    return Speech(clips, (bank, bank, bank), None, (bank,), Augmenter(bank, bank, (0, 1), (), ()))


@pytest.mark.parametrize("chunks", [0.0, 1.0])
def test_two_spans_of_a_voice_are_beside_each_other_and_in_different_chunks(chunks: float) -> None:
    speech = tones(48)
    crops = Crops(speech, np.arange(48), frames_per_batch=4_000, seconds=(0.7, 3.0), chunks=chunks, seed=1)
    batches = iter(crops)
    for _ in range(4):
        batch = next(batches)
        rows, first, last = batch.spans.T
        assert len(set((last - first).tolist())) == 1
        assert first.min() >= 0
        assert last.max() <= batch.features.shape[1]
        assert torch.equal(batch.voices[0::2], batch.voices[1::2])
        assert (rows[0::2] != rows[1::2]).all()
        for voice in batch.voices.unique():
            assert len(rows[batch.voices == voice]) == (2 * SPANS if chunks else 2)
        assert (batch.features.shape[1] == CHUNK) == bool(chunks)
        vectors = spans_heard(Ecapa(32).eval(), batch, "cpu")
        assert vectors.shape == (len(rows), 192)


def test_the_spans_of_a_conversation_are_of_whom_they_say() -> None:
    """The loudest bin of a span, heard without its surroundings, is that of the clip's tone."""
    speech = tones(48)
    plain = Augmenter(speech.banks[0], speech.banks[0], (0,), (), ())
    speech = Speech(speech.clips, speech.banks, None, (), plain)
    crops = Crops(speech, np.arange(48), frames_per_batch=4_000, seconds=(1.0, 1.0), chunks=1.0, seed=3)
    crops._chunk = lambda parts, ends, random: drawn(speech, parts, ends)  # type: ignore[method-assign]
    batch = next(iter(crops))
    for (row, first, last), clip in zip(batch.spans.tolist(), batch.clips.tolist(), strict=True):
        heard_bin = int(batch.features[row, first:last].mean(dim=0).argmax())
        tone = speech.banks[0].clip(clip)[:16_000].astype(np.float32) / np.float32(32_768)
        alone = torch.from_numpy(log_mel(tone))
        assert abs(heard_bin - int(alone.mean(dim=0).argmax())) <= 1


def drawn(speech: Speech, parts: list[tuple[int, int]], ends: list[tuple[int, int]]) -> Array:
    sound = np.zeros(CHUNK * 160, np.float32)
    for (clip, speed), (first, last) in zip(parts, ends, strict=True):
        part = speech.banks[speed].crop(clip, (last - first) * 160, np.random.default_rng(0))
        sound[first * 160 : last * 160] = part
    return sound


def test_other_spans_of_a_voice_do_not_count_against_it() -> None:
    losses = Losses(6, margin=0.2)
    vectors = torch.nn.functional.normalize(torch.randn(8, 192, generator=torch.manual_seed(0)))
    vectors[2], vectors[3] = vectors[0], vectors[1]  # rows 0 to 3 are one voice
    known, unknown = (losses._pair(vectors, torch.tensor(voices)) for voices in ([0, 0, 0, 0, 1, 1, 2, 2], range(8)))
    assert known < unknown


def test_what_campplus_heard_can_be_pooled_apart_and_its_onnx_answers_as_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    net = campplus.Campplus().eval()
    torch.save(net.state_dict(), tmp_path / "weights.pt")
    again = campplus.read(tmp_path / "weights.pt")
    features = torch.randn(2, 333, 80)
    with torch.no_grad():
        assert again.hear(features).shape == (2, 512, 333)
        torch.testing.assert_close(again.pool(again.hear(features)), net(features))
    write(again, tmp_path / "campplus.onnx", None)
    assert float(capsys.readouterr().out.splitlines()[1].split()[0]) > 0.9999
    found = moves.opened(tmp_path / "campplus.onnx")(features.numpy())
    np.testing.assert_allclose(found, net(features).detach().numpy(), rtol=1e-3, atol=1e-3)


def test_in_int8_an_embedder_says_nearly_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    rows = torch.randn(4, 1, 200, 80).cumsum(dim=2).mul(0.2).numpy()
    monkeypatch.setattr(ecapa_export, "calibration_crops", lambda _, num: iter(rows - rows.mean(axis=2, keepdims=True)))
    write(Ecapa(64).eval(), tmp_path / "int8.onnx", tmp_path)
    assert 0.9 < float(capsys.readouterr().out.splitlines()[1].split()[0]) < 0.99999
    assert b"DequantizeLinear" in (tmp_path / "int8.onnx").read_bytes()
