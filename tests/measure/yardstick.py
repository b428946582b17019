"""How well Resemblyzer tells voices apart, the one embedder with weights inside a pip package, for comparison.

    python -m tests.measure.yardstick LIST.tsv... [--seconds 1.5 --seconds 0]

Needs an environment with voicematch and resemblyzer, which brings torch. Resemblyzer prepares the sound itself: it
sets the level and trims silence. Everything else is as in ``voicematch evaluate --trials``.
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voicematch.audio import SAMPLE_RATE
from voicematch.cli.evaluate import CLIP_SECONDS
from voicematch.evaluate import trials
from voicematch.types import Array

SHORTEST = SAMPLE_RATE // 10  # samples; where trimming leaves less, the sound is taken as it is


class Resemblyzer:
    """Resemblyzer as an embedder of windows, for measuring alone: each at -30 dB, and heard in one piece."""

    name, dimension, min_speech = "resemblyzer", 256, 0.5

    def embed(self, samples: Array, windows: npt.NDArray[np.int64], features: Array | None = None) -> Array:
        import torch
        from resemblyzer.audio import normalize_volume, wav_to_mel_spectrogram

        vectors = np.empty((len(windows), self.dimension), np.float32)
        lengths = windows[:, 1] - windows[:, 0]
        for length in np.unique(lengths):
            same = np.flatnonzero(lengths == length)
            cut = (samples[start:end] + np.float32(1e-7) for start, end in windows[same])
            rows = np.stack([wav_to_mel_spectrogram(normalize_volume(one, -30, increase_only=True)) for one in cut])
            with torch.inference_mode():
                vectors[same] = self._encoder(torch.from_numpy(rows)).numpy()
        return vectors

    @functools.cached_property
    def _encoder(self) -> Any:
        from resemblyzer import VoiceEncoder

        return VoiceEncoder("cpu", verbose=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, action="append")
    chosen = parser.parse_args()
    # Not above: pytest opens every file here, and this is no dependency.
    from resemblyzer import VoiceEncoder, preprocess_wav

    encoder = VoiceEncoder("cpu", verbose=False)

    def embed(samples: Array, windows: npt.NDArray[np.int64]) -> Array:
        whole = samples[windows[0, 0] : windows[-1, 1]]  # it cuts and averages by itself
        trimmed = preprocess_wav(whole, source_sr=SAMPLE_RATE)
        return np.asarray(encoder.embed_utterance(trimmed if len(trimmed) >= SHORTEST else whole))[None]

    print("| list | clips | EER % | minDCF .01 | minDCF .05 |\n|---|---|---|---|---|")
    for path in chosen.lists:
        for score in trials(path, embed, lengths=[s or None for s in chosen.seconds or CLIP_SECONDS]):
            length = f"{score.seconds:g} s" if score.seconds else "whole"
            print(f"| {score.name} | {length} | {score.eer:.1%} | {score.min_dcf_01:.2f} | {score.min_dcf_05:.2f} |")


if __name__ == "__main__":
    main()
