"""Teaching CAM++ rooms and noise: what is heard, whose it is, and that a step goes towards the clean voice."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import NEEDS_TORCH

if importlib.util.find_spec("torch") is None:
    pytest.skip(NEEDS_TORCH, allow_module_level=True)

import torch

RECIPE = Path(__file__).resolve().parents[2] / "models" / "train"
sys.path.insert(0, str(RECIPE))  # its files import each other by their own names, as scripts do

import campplus_train  # noqa: E402
from campplus import Campplus  # noqa: E402
from campplus_train import Caster, Run, talk  # noqa: E402
from segmentation_pool import STEP, Clip  # noqa: E402
from simulate import Pool  # noqa: E402

RATE, SECONDS = 16_000, 20


@pytest.fixture
def pool() -> Pool:
    """Twelve people, each of one noise that comes and goes."""
    rng = np.random.default_rng(0)
    size = SECONDS * RATE
    swell = 1 + np.sin(2 * np.pi * 3 * np.arange(size) / RATE)
    sound = [np.convolve(rng.standard_normal(size), rng.standard_normal(30), "same") * swell * 500 for _ in range(12)]
    clips = {f"p{idx:02}": [Clip(f"p{idx:02}", "corpus", idx * size, (idx + 1) * size)] for idx in range(12)}
    active = np.ones(12 * size // STEP, bool)
    return Pool(np.concatenate(sound).astype(np.int16), active, clips, np.zeros(0, np.int16), {})


@pytest.mark.parametrize("on_table", [0.0, 1.0])
def test_spans_of_a_talk_are_of_whoever_speaks_there_alone(pool: Pool, on_table: float) -> None:
    allowed = np.arange(12) % 2 == 0
    caster = Caster(pool, pool.speakers, allowed)
    found = 0
    for seed in range(8):
        rows, spans = talk(pool, np.random.default_rng(seed), caster, 6, on_table)
        assert rows.shape == (600, 80)
        assert np.abs(rows.mean(axis=0)).max() < 1e-3
        assert all(0 <= first < last <= 600 and allowed[person] for first, last, person in spans)
        found += len(spans)
    assert found > 8


def test_a_step_goes_towards_the_clean_voices(pool: Pool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Campplus().eval()
    targets = campplus_train._targets(net, pool, pool.speakers, tmp_path / "targets.npy")
    assert targets.shape == (12, 192)
    assert torch.equal(campplus_train._targets(net, pool, pool.speakers, tmp_path / "targets.npy"), targets)
    caster = Caster(pool, pool.speakers, np.ones(12, bool))
    talks = [talk(pool, np.random.default_rng(seed), caster, 3, 0.0) for seed in range(4)]
    batch = [(torch.from_numpy(rows), spans) for rows, spans in talks if spans]
    run = Run(net, Campplus().eval(), torch.optim.AdamW(net.parameters(), lr=1e-4))
    far = [campplus_train._update(run, batch, targets)[0] for _ in range(6)]
    assert far[-1] < far[0]
    run.save(tmp_path)
    again = Run(Campplus().eval(), Campplus().eval(), torch.optim.AdamW(net.parameters(), lr=1e-4))
    again.load(tmp_path / "last.pt")
    assert again.step == 6
    assert all(map(torch.equal, again.average.parameters(), run.average.parameters()))
