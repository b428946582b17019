"""The parts of the embedder's recipe that concern a teacher: its vectors, their file, and the losses' weights."""

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

from augment import Bank  # noqa: E402
from ecapa_corpus import SPEED_NAMES  # noqa: E402
from ecapa_losses import Losses, Teacher  # noqa: E402
from ecapa_teach import LONGEST, heard, steadied  # noqa: E402

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
