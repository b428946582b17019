"""Transcripts against other cuts of their audio, measured on the TTS development episodes.

    python -m tests.measure.alignment ../shared/data/dev

Each episode's lines, without speakers, are aligned with the turns of the built-in diarizer: as they are; with the first
37 s of another episode put in front; with 60 s of another episode put in before the middle line; and with another
episode's audio altogether, which has to be refused. "right" means every shift within 1 s and every line that is not
marked unsure within 2 s of its place.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from tests.measure.words import built_in_turns, read_lines
from voicematch.transcript.align import align
from voicematch.types import Line

Span = tuple[float, float]
INTRO, AD = 37.0, 60.0


def inserted(speech: list[Span], other: list[Span], at: float, seconds: float) -> list[Span]:
    """Return the speech with the beginning of another episode's put in at a time."""
    return sorted(
        [(start, min(end, at)) for start, end in speech if start < at]
        + [(start + at, min(end, seconds) + at) for start, end in other if start < seconds]
        + [(max(start, at) + seconds, end + seconds) for start, end in speech if end > at]
    )


def verdict(lines: list[Line], speech: list[Span], at: float, seconds: float) -> str:
    alignment = align(lines, speech, speech[-1][1] + 1.0)
    if alignment is None:
        return "refused"
    for idx, (line, placed) in enumerate(zip(lines, alignment.lines, strict=True)):
        true = line.start + (seconds if line.start >= at else 0.0)
        if idx not in alignment.unsure and abs(placed.start - true) > 2.0:
            return "wrong"
    return "right"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    folders = sorted(options.folder.glob("tts_*"))
    speech = [sorted((turn.start, turn.end) for turn in built_in_turns(folder)) for folder in folders]
    totals: dict[str, Counter[str]] = {name: Counter() for name in ("in place", "intro", "ad", "other audio")}
    for idx, folder in enumerate(folders):
        lines, own, other = read_lines(folder), speech[idx], speech[(idx + 1) % len(folders)]
        middle = lines[len(lines) // 2].start
        totals["in place"][verdict(lines, own, 0.0, 0.0)] += 1
        totals["intro"][verdict(lines, inserted(own, other, 0.0, INTRO), 0.0, INTRO)] += 1
        totals["ad"][verdict(lines, inserted(own, other, middle, AD), middle, AD)] += 1
        totals["other audio"][verdict(lines, other, 0.0, 0.0)] += 1
    for name, total in totals.items():
        print(f"| {name} | " + ", ".join(f"{verdict} {count}" for verdict, count in sorted(total.items())) + " |")


if __name__ == "__main__":
    main()
