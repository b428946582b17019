"""Print how much of the talk is labelled right where there is a track for each person, as a Markdown table.

    python -m tests.measure.tracks ../shared/data/dev [--only syn_]... [--bleed -25] [--late 0.3] [--offset 0]

Of each episode with truth (``audio.*`` and ``ref.rttm`` in a folder of its own) a file is made for each person, in a
folder that goes away: what the truth says they say, and the others so many dB below and so late. ``--offset`` cuts so
many seconds more off the beginning of each further file. Right is talk of the truth that is given to its own speaker;
wrong is what is given to somebody who is silent while another talks, both as shares of the truth's talk. No name is
judged.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voicematch import open_library
from voicematch.audio import SAMPLE_RATE, Audio
from voicematch.audio.clips import to_wav
from voicematch.evaluate import read_rttm
from voicematch.types import Turn
from voicematch.usecases.tracks import listened

FRAME = 0.01  # s

Talk = npt.NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", action="append", default=[], help="episodes whose name begins so")
    parser.add_argument("--bleed", type=float, default=-25.0, help="dB")
    parser.add_argument("--late", type=float, default=0.3, help="seconds")
    parser.add_argument("--offset", type=float, default=0.0, help="seconds")
    chosen = parser.parse_args()
    print("| episode | tracks | talk | right | wrong | nobody talks | seconds |\n|---|--:|--:|--:|--:|--:|--:|")
    sums = np.zeros(4)
    for truth in sorted(chosen.folder.glob("*/ref.rttm")):
        if not truth.parent.name.startswith(tuple(chosen.only or ["syn_"])):
            continue
        counts, num_tracks, seconds = judge(truth.parent, chosen.bleed, chosen.late, chosen.offset)
        sums += counts
        row(truth.parent.name, num_tracks, counts, seconds)
    row("all", 0, sums, 0.0)


def row(name: str, num_tracks: int, counts: npt.NDArray[np.float64], seconds: float) -> None:
    talk, right, wrong, nobody = counts
    shares = " | ".join(f"{100 * one / talk:.2f} %" for one in (right, wrong, nobody))
    print(f"| {name} | {num_tracks or ''} | {talk / 60:.1f} min | {shares} | {seconds:.0f} |", flush=True)


def judge(folder: Path, bleed: float, late: float, offset: float) -> tuple[npt.NDArray[np.float64], int, float]:
    """Return seconds of (talk, right, wrong, given where nobody talks), the number of tracks, and the time it took."""
    (sound,) = folder.glob("audio.*")
    mix = np.concatenate(list(Audio(sound).blocks()))
    turns = read_rttm(folder / "ref.rttm")
    people = sorted({turn.speaker for turn in turns})
    own = np.zeros((len(people), len(mix)), np.float32)
    for turn in turns:
        first, last = (round(time * SAMPLE_RATE) for time in (turn.start, turn.end))
        own[people.index(turn.speaker), first:last] = mix[first:last]
    total, first = own.sum(axis=0), round(late * SAMPLE_RATE)
    with tempfile.TemporaryDirectory() as place, open_library(Path(place) / "library.db") as library:
        tracks = []
        for number, voice in enumerate(own):
            heard = voice.copy()
            heard[first:] += np.float32(10 ** (bleed / 20)) * (total - voice)[: len(mix) - first]
            file = Path(place, f"{number}.wav")
            file.write_bytes(to_wav(heard[round(number * offset * SAMPLE_RATE) :]))
            tracks.append(Audio(file))
        began = time.perf_counter()
        _, engines = listened(tracks, library=library)
        seconds = time.perf_counter() - began
    apart = engines.diarizer.apart  # type: ignore[union-attr]
    length = round(len(mix) / SAMPLE_RATE / FRAME)
    truth = np.stack([talk_of([turn for turn in turns if turn.speaker == who], length) for who in people])
    given = np.stack(
        [
            talk_of([turn for turn in apart.diarization.turns if turn.speaker == label], length)
            for label in apart.speakers
        ]
    )
    anybody = truth.any(axis=0)
    right, foreign = truth & given, given & ~truth
    counts = [truth.sum(), right.sum(), (foreign & anybody).sum(), (foreign & ~anybody).sum()]
    return np.array(counts) * FRAME, len(people), seconds


def talk_of(turns: list[Turn], length: int) -> Talk:
    """(num_frames,) where somebody talks."""
    talk = np.zeros(length, np.bool_)
    for turn in turns:
        talk[round(turn.start / FRAME) : round(turn.end / FRAME)] = True
    return talk


if __name__ == "__main__":
    main()
