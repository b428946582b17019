"""Words given to their speakers, measured on the TTS development episodes: prints the table for the README.

    python -m tests.measure.words ../shared/data/dev [--diarizer built-in]

Each episode has its exact text with speakers. The text is offered without speakers in four forms: ``lines`` as they
are; ``merged``, where each line holds two or three of them; ``captions`` of at most 12 words and 5 s that pay no
heed to who speaks; ``words``, captions with word times. Captions and words have estimated times: the words of a line
spread over it by length, blurred by 0.1 s. A word is right when its speaker is the true one under the best one-to-one
mapping of labels. The mark is 98 %.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from voicematch.transcript.attribute import attribute
from voicematch.types import Line, Turn, Word

BLUR = 0.1  # s, standard deviation of an estimated word time
Form = Callable[[list[Line], random.Random], list[Line]]


def read_lines(folder: Path) -> list[Line]:
    rows = json.loads((folder / "lines.json").read_text())
    return [Line(row["start"], row["end"], row["text"], row["speaker"]) for row in rows]


def read_turns(folder: Path) -> list[Turn]:
    rows = (line.split() for line in (folder / "ref.rttm").read_text().splitlines())
    return [Turn(float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in rows]


def as_they_are(lines: list[Line], rng: random.Random) -> list[Line]:
    return [replace(line, speaker=None) for line in lines]


def merged(lines: list[Line], rng: random.Random) -> list[Line]:
    groups: list[Line] = []
    idx = 0
    while idx < len(lines):
        group = lines[idx : idx + rng.choice((2, 3))]
        groups.append(Line(group[0].start, group[-1].end, " ".join(line.text for line in group)))
        idx += len(group)
    return groups


def captions(lines: list[Line], rng: random.Random) -> list[Line]:
    return [replace(line, words=()) for line in with_words(lines, rng)]


def with_words(lines: list[Line], rng: random.Random) -> list[Line]:
    cues: list[list[Word]] = [[]]
    for word in spread(lines, rng):
        cue = cues[-1]
        if len(cue) == 12 or (cue and word.end - cue[0].start > 5.0):
            cues.append([])
        cues[-1].append(word)
    return [Line(cue[0].start, cue[-1].end, " ".join(word.text for word in cue), None, tuple(cue)) for cue in cues]


def spread(lines: list[Line], rng: random.Random) -> list[Word]:
    words: list[Word] = []
    for line in lines:
        total, before = len(line.text) + 1, 0
        for text in line.text.split():
            after = before + len(text) + 1
            start, end = (line.start + (line.end - line.start) * part / total for part in (before, after))
            start = max(0.0, start + rng.gauss(0, BLUR), words[-1].start if words else 0.0)
            words.append(Word(start, max(start, end), text))
            before = after
    return words


FORMS: dict[str, Form] = {"lines": as_they_are, "merged": merged, "captions": captions, "words": with_words}


def right_words(lines: list[Line], given: tuple[Line, ...]) -> tuple[int, int]:
    """Return how many words have the right speaker, and how many there are."""
    truth = [(word, line.speaker) for line in lines for word in line.text.split()]
    said = [(word, line.speaker) for line in given for word in line.text.split()]
    pairs = Counter(
        (real, label) for (word, real), (same, label) in zip(truth, said, strict=True) if word == same and label
    )
    reals, labels = sorted({real for real, _ in pairs if real}), sorted({label for _, label in pairs})
    counts = np.array([[pairs[real, label] for label in labels] for real in reals])
    return int(counts[linear_sum_assignment(-counts)].sum()) if counts.size else 0, len(truth)


def built_in_turns(folder: Path) -> list[Turn]:
    from voicematch.audio import Audio
    from voicematch.engines.diarize import BuiltinDiarizer
    from voicematch.engines.embed import OnnxEmbedder

    audio = next(path for path in folder.iterdir() if path.stem == "audio")
    return list(BuiltinDiarizer().diarize(Audio(audio), OnnxEmbedder()).turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--diarizer", choices=["reference", "built-in"], default="reference")
    options = parser.parse_args()
    turns_of = read_turns if options.diarizer == "reference" else built_in_turns
    totals: dict[str, Counter[str]] = {form: Counter() for form in FORMS}
    print("| episode | words | " + " | ".join(FORMS) + " |\n|---|---|" + "---|" * len(FORMS))
    for folder in sorted(options.folder.glob("tts_*")):
        lines, turns = read_lines(folder), turns_of(folder)
        cells: list[str] = []
        for name, form in FORMS.items():
            right, words = right_words(lines, attribute(form(lines, random.Random(folder.name)), turns))
            totals[name].update(right=right, words=words)
            cells.append(f"{100 * right / words:.2f}")
        print(f"| {folder.name} | {words} | " + " | ".join(cells) + " |", flush=True)
    rates = [f"{100 * total['right'] / total['words']:.2f}" for total in totals.values()]
    print(f"| all | {totals['lines']['words']} | " + " | ".join(rates) + " |")


if __name__ == "__main__":
    main()
