"""Simulated shows: who takes part, and twins."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

RECIPE = Path(__file__).resolve().parents[2] / "models" / "train"
sys.path.insert(0, str(RECIPE))  # its files import each other by their own names, as scripts do

import shows  # noqa: E402
import synthetic_speech  # noqa: E402
from segmentation_pool import STEP, Clip  # noqa: E402
from segmentation_scenes import cosines_of  # noqa: E402
from simulate import Pool  # noqa: E402

RATE, SECONDS = 16_000, 14
PITCHES = {"ada": 200.0, "maya": 260.0, "otto": 110.0}


@pytest.fixture
def pool() -> Pool:
    times = np.arange(SECONDS * RATE) / RATE
    sound = [(8_000 * np.sin(2 * np.pi * pitch * times)).astype(np.int16) for pitch in PITCHES.values()]
    size = SECONDS * RATE
    clips = {name: [Clip(name, "corpus", idx * size, (idx + 1) * size)] for idx, name in enumerate(PITCHES)}
    active = np.ones(len(PITCHES) * size // STEP, bool)
    return Pool(np.concatenate(sound), active, clips, np.zeros(0, np.int16), {})


def pitch_of(pool: Pool, person: str) -> float:
    (clip,) = pool.clips[person]
    heard = np.abs(np.fft.rfft(pool.samples[clip.start : clip.end].astype(np.float64)))
    return float(heard.argmax() * RATE / (clip.end - clip.start))


def test_a_twin_is_the_same_speech_at_another_pitch(pool: Pool) -> None:
    twins = shows._with_twins(pool, seed=3)
    assert twins.speakers == sorted([*PITCHES, *(name + shows.TWIN for name in PITCHES)])
    for name, pitch in PITCHES.items():
        assert pitch_of(twins, name) == pytest.approx(pitch, abs=0.2)
        ratio = pitch_of(twins, name + shows.TWIN) / pitch
        assert round(100 * ratio) in shows.TWIN_PERCENT
        (clip,) = twins.clips[name + shows.TWIN]
        assert (clip.end - clip.start) / (SECONDS * RATE) == pytest.approx(1 / ratio, abs=0.01)


def test_twins_talk_with_each_other_where_voices_are_to_be_alike(pool: Pool) -> None:
    twins = shows._with_twins(pool, seed=3)
    for seed in range(5):
        first, second, third = shows._people(twins, np.random.default_rng(seed), 3, similar=True)
        assert second == first + shows.TWIN
        assert third not in (first, second)


def test_those_are_together_whom_an_embedder_has_near_each_other(pool: Pool, tmp_path: Path) -> None:
    rows = np.array([[1, 0], [1, 0], [0.7, 0.7], [0.7, 0.7], [0, 1], [0, 1]], np.float32)
    np.savez(tmp_path / "clips.npz", people=np.repeat(list(PITCHES), 2), vectors=rows)
    alike = cosines_of(pool, tmp_path / "clips.npz")
    assert alike["ada"]["maya"] == pytest.approx(0.707, abs=1e-3)
    assert alike["ada"]["otto"] == pytest.approx(0.0, abs=1e-6)
    assert shows._people(pool, np.random.default_rng(0), 1, True, ["ada"], alike) != ["ada"]


def test_only_some_people_take_part(pool: Pool) -> None:
    assert shows._only(pool, 0, set()).speakers == ["ada", "otto"]
    assert shows._only(pool, 1, {"corpus"}).speakers == ["maya"]
    assert shows._only(pool, None, {"another"}).speakers == []


def test_whom_a_corpus_counts_twice_takes_part_once(pool: Pool, tmp_path: Path) -> None:
    rows = np.array([[1, 0], [1, 0], [0.8, 0.6], [0.8, 0.6], [0, 1], [0, 1]], np.float32)
    np.savez(tmp_path / "clips.npz", people=np.repeat(list(PITCHES), 2), vectors=rows)
    again = shows._again(pool, tmp_path / "clips.npz")
    assert again == {"maya"}  # 0.8 from ada; otto is 0.6 from maya
    assert shows._only(pool, None, set(), again).speakers == ["ada", "otto"]
    assert shows._again(pool, None) == set()


def test_synthetic_voices_are_people_of_their_maker(tmp_path: Path) -> None:
    for clip in ("flite/slt/001.opus", "flite/slt/000.opus", "hts/slt/000.opus"):
        (tmp_path / clip).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / clip).touch()
    synthetic_speech.listed(tmp_path)
    rows = [line.split("\t") for line in (tmp_path / "clips.tsv").read_text(encoding="utf-8").splitlines()]
    assert rows == [
        ["corpus", "speaker", "path"],
        ["flite", "flite-slt", "flite/slt/000.opus"],
        ["flite", "flite-slt", "flite/slt/001.opus"],
        ["hts", "hts-slt", "hts/slt/000.opus"],
    ]


def test_a_show_on_a_table_is_short_and_people_talk_over_each_other(pool: Pool) -> None:
    table = shows.Kind(on_table=True)
    for seed in range(3):
        show = shows.show_of(pool, np.random.default_rng(seed), table)
        assert 30 <= len(show.samples) / RATE <= 240
        assert len({person for _, _, person in show.turns}) > 1
        again = shows.show_of(pool, np.random.default_rng(seed), table)
        assert np.array_equal(show.samples, again.samples)
    talk = sum(end - start for start, end, _ in show.turns)
    spoken = np.zeros(len(show.samples) // STEP + 1, bool)
    for start, end, _ in show.turns:
        spoken[round(100 * start) : round(100 * end)] = True
    assert talk > 1.02 * spoken.sum() / 100
