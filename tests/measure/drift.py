"""Lines given to the wrong speaker, and how many are found: on the TTS development episodes, for reporting only.

    python -m tests.measure.drift ../shared/data/dev [--share 0.03] [--seeds 20]

Each episode has its exact text with speakers. In every trial a share of its lines, drawn at random, is given to another
of its speakers, drawn at random too; the audio is heard once. Found is who is said to be heard in a line that was
given away, whoever that is; right is when it is the true speaker; false is a line that was left alone and reported.
The marks are 90 % found and 1 % false.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from pathlib import Path

from tests.measure.words import read_lines
from voicematch.audio import Audio
from voicematch.engines import open_embedder
from voicematch.engines.diarize import BuiltinDiarizer, backend_of
from voicematch.engines.drift import drift
from voicematch.engines.kept import heard_again
from voicematch.types import Line


def given_away(lines: list[Line], share: float, rng: random.Random) -> tuple[list[Line], dict[int, str]]:
    """The lines with some given to another speaker, and by place the true speaker of those."""
    speakers = sorted({line.speaker for line in lines if line.speaker})
    wrong: dict[int, str] = {}
    now = list(lines)
    for idx in rng.sample(range(len(lines)), max(1, round(share * len(lines)))):
        true = lines[idx].speaker
        assert true is not None
        wrong[idx] = true
        now[idx] = replace(lines[idx], speaker=rng.choice([one for one in speakers if one != true]))
    return now, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dev", type=Path)
    parser.add_argument("--share", type=float, default=0.03)
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    embedder = open_embedder()
    total = dict.fromkeys(("lines", "wrong", "found", "right", "false"), 0)
    print(f"{'episode':16} {'lines':>6} {'wrong':>6} {'found':>8} {'right':>8} {'false':>8}")
    for folder in sorted(arguments.dev.glob("tts_*")):
        lines = read_lines(folder)
        (file,) = folder.glob("audio.*")
        windows = BuiltinDiarizer().diarize(Audio(file), embedder).windows
        assert windows is not None
        heard = heard_again(windows)
        backend = backend_of(open_embedder(windows.embedder), heard)
        counts = dict.fromkeys(total, 0)
        for seed in range(arguments.seeds):
            offered, wrong = given_away(lines, arguments.share, random.Random(f"{folder.name} {seed}"))
            reported = {one.line: one.heard for one in drift(offered, heard, backend)}
            counts["lines"] += len(lines)
            counts["wrong"] += len(wrong)
            counts["found"] += len(wrong.keys() & reported.keys())
            counts["right"] += sum(reported.get(idx) == true for idx, true in wrong.items())
            counts["false"] += len(reported.keys() - wrong.keys())
        print_row(folder.name, counts)
        for key, number in counts.items():
            total[key] += number
    print_row("all", total)


def print_row(name: str, counts: dict[str, int]) -> None:
    wrong, kept = counts["wrong"], counts["lines"] - counts["wrong"]
    shares = (counts["found"] / wrong, counts["right"] / wrong, counts["false"] / kept)
    print(f"{name:16} {counts['lines']:6} {wrong:6} " + " ".join(f"{share:8.2%}" for share in shares))


if __name__ == "__main__":
    main()
