"""How well Resemblyzer tells voices apart, the one embedder with weights inside a pip package, for comparison.

    python -m tests.measure.yardstick LIST.tsv... [--seconds 1.5 --seconds 0]

Needs an environment with voicematch and resemblyzer, which brings torch. Resemblyzer prepares the sound itself: it
sets the level and trims silence. Everything else is as in ``voicematch evaluate --trials``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voicematch.audio import SAMPLE_RATE
from voicematch.cli.evaluate import CLIP_SECONDS
from voicematch.evaluate import trials
from voicematch.types import Array

SHORTEST = SAMPLE_RATE // 10  # samples; where trimming leaves less, the sound is taken as it is


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
