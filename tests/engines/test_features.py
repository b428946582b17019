"""The filterbank against Kaldi's own, and against what can be worked out by hand."""

import math

import kaldi_native_fbank as knf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicematch.engines.features import (
    FRAMES_AT_ONCE,
    HOP,
    NUM_BINS,
    log_mel,
    log_mel_snipped,
    mel_weights,
    num_frames,
    num_frames_snipped,
)
from voicematch.types import Array


def kaldi(samples: Array, *, snip_edges: bool = False) -> Array:
    options = knf.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.snip_edges = snip_edges
    options.frame_opts.window_type = "hamming"
    options.mel_opts.num_bins = NUM_BINS
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(16_000, (samples * 32_768).tolist())
    fbank.input_finished()
    rows = np.array([fbank.get_frame(i) for i in range(fbank.num_frames_ready)], np.float32)
    return rows.reshape(-1, NUM_BINS)


def voice_like(num_samples: int, seed: int = 0) -> Array:
    """A buzz of gliding pitch in noise: every bin has something in it."""
    noise = np.random.default_rng(seed)
    seconds = np.arange(num_samples) / 16_000
    phase = 2 * np.pi * (120 * seconds + 15 * np.sin(2 * np.pi * 3 * seconds))
    buzz = sum(np.sin(k * phase) / k for k in range(1, 30))
    voice: Array = (0.1 * buzz + 0.01 * noise.standard_normal(num_samples)).astype(np.float32)
    return voice


@pytest.mark.parametrize(
    "num_samples", [80, 119, 200, 400, 401, 16_000, 16_079, FRAMES_AT_ONCE * HOP, FRAMES_AT_ONCE * HOP + 81, 200_001]
)
def test_equals_kaldi(num_samples: int) -> None:
    samples = voice_like(num_samples)
    np.testing.assert_allclose(log_mel(samples), kaldi(samples), atol=1e-3)


@pytest.mark.parametrize("num_samples", [399, 400, 559, 560, 16_000, 24_000, FRAMES_AT_ONCE * HOP + 481, 150_001])
def test_snipped_equals_kaldi_with_the_settings_of_wespeaker(num_samples: int) -> None:
    samples = voice_like(num_samples)
    np.testing.assert_allclose(log_mel_snipped(samples), kaldi(samples, snip_edges=True), atol=1e-3)


def test_snipped_rows_of_a_slice_are_those_of_the_whole() -> None:
    samples = voice_like(32_000)
    part = log_mel_snipped(samples[8_000:24_000])
    whole = log_mel_snipped(samples)[50 : 50 + num_frames_snipped(16_000)]
    np.testing.assert_array_equal(part, whole)


def test_equals_kaldi_on_a_quiet_signal_with_a_dc_offset() -> None:
    samples = voice_like(16_000) * np.float32(0.05) + np.float32(0.05)
    np.testing.assert_allclose(log_mel(samples), kaldi(samples), atol=1e-3)


@given(st.integers(0, 5_000))
def test_frame_count(num_samples: int) -> None:
    samples = np.zeros(num_samples, np.float32)
    assert log_mel(samples).shape == (num_frames(num_samples), NUM_BINS)


def test_silence_and_constant_are_at_the_floor() -> None:
    floor = -23 * math.log(2)
    np.testing.assert_allclose(log_mel(np.zeros(1_600, np.float32)), floor, rtol=1e-6)
    np.testing.assert_allclose(log_mel(np.full(1_600, 0.5, np.float32)), floor, rtol=1e-6)


def test_twice_as_loud_is_log_four_more() -> None:
    samples = voice_like(8_000)
    np.testing.assert_allclose(log_mel(samples * np.float32(2)), log_mel(samples) + math.log(4), atol=1e-4)


def test_a_tone_peaks_in_the_bin_that_holds_it() -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000).astype(np.float32)
    low, high = (1127 * math.log(1 + hertz / 700) for hertz in (20, 8_000))
    nearest = round((1127 * math.log(1 + 1_000 / 700) - low) / (high - low) * (NUM_BINS + 1)) - 1
    assert set(log_mel(tone)[2:-2].argmax(axis=1)) == {nearest}


def test_triangles_share_out_each_frequency() -> None:
    weights = mel_weights()
    assert weights.shape == (257, NUM_BINS)
    assert (weights[0] == 0).all()  # 0 Hz lies below the lowest triangle
    covered = weights[5:240].sum(axis=1)  # between the first and the last centre two neighbours add up to 1
    np.testing.assert_allclose(covered, 1.0, atol=1e-6)


def test_a_slice_has_the_rows_of_the_whole_but_for_its_edges() -> None:
    samples = voice_like(32_000)
    whole, part = log_mel(samples), log_mel(samples[8_000:24_000])
    np.testing.assert_array_equal(part[1:-1], whole[50:150][1:-1])
