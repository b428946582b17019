"""The axes on which voices are compared: what channels move is not on them, and clips are heard through all."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

RECIPE = Path(__file__).resolve().parents[2] / "models" / "train"
sys.path.insert(0, str(RECIPE))  # its files import each other by their own names, as scripts do

import channels  # noqa: E402
from segmentation_pool import Clip  # noqa: E402
from segmentation_scenes import held_out  # noqa: E402
from simulate import Pool  # noqa: E402

from voicematch.voices.score import unit  # noqa: E402

NAME = "ecapa-small-4"


def test_what_channels_move_is_not_on_the_axes(tmp_path: Path) -> None:
    """Two of 192 axes tell one channel from another: with them people are near whoever uses the same telephone."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(300), 8)
    vectors = rng.normal(size=(300, 192))[person] + 0.3 * rng.normal(size=(2_400, 192))
    vectors[:, :2] = rng.normal(0, 8, (2_400, 2))
    np.savez(channels.kept_in(tmp_path, NAME), people=person.astype(str), vectors=unit(vectors))
    axes = channels.axes_of(tmp_path, NAME)
    assert axes.shape == (192, channels.NUM_AXES)
    assert np.abs(axes[:2]).max() < 0.2 * np.abs(axes).max()
    seen = unit(vectors @ axes)
    same = np.einsum("nd,nd->n", seen[::8], seen[1::8])
    other = np.einsum("nd,nd->n", seen[:-8:8], seen[8::8])
    assert same.min() > other.max()


def test_a_clip_goes_through_every_channel() -> None:
    rng = np.random.default_rng(0)
    sound = (0.05 * rng.standard_normal(32_000)).astype(np.float32)
    noise = Clip("noise", "noise", 0, 32_000)
    samples = (sound * 32_768).astype(np.int16)
    pool = Pool(samples, np.ones(200, bool), {}, samples, {"noise": [noise]})
    heard = {channel: channels._through(pool, rng, sound, channel) for channel in channels.CHANNELS}
    for channel, through in heard.items():
        assert through.shape == sound.shape, channel
        assert np.abs(through).max() <= 1.0
    likeness = {channel: float(np.corrcoef(through, sound)[0, 1]) for channel, through in heard.items()}
    assert likeness["as it is"] > 0.99
    assert all(likeness[channel] < 0.98 for channel in channels.CHANNELS[1:])


def test_every_tenth_person_is_left_out_of_training() -> None:
    clips = {f"p{idx:02}": [Clip(f"p{idx:02}", "corpus", idx * 16_000, (idx + 1) * 16_000)] for idx in range(25)}
    pool = Pool(np.zeros(25 * 16_000, np.int16), np.ones(2_500, bool), clips, np.zeros(0, np.int16), {})
    assert held_out(pool) == ["p00", "p10", "p20"]
