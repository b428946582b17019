"""Words given to their speakers, measured on the TTS development episodes: prints the table for the README.

    python -m tests.measure.words ../shared/data/dev [--diarizer built-in]

Each episode has its exact text with speakers. The text is offered without speakers in five forms: ``lines`` as they
are; ``sentences``, a cue each; ``merged``, where each line holds two or three of them; ``captions`` of at most 12 words
and 5 s that pay no heed to who speaks; ``words``, captions with word times. Captions and words have estimated times:
the words of a line spread over it by length, blurred by 0.1 s. A word is right when its speaker is the true one under
the best one-to-one mapping of labels; a line of the exact text is wrong when any of its words is. Each cell has the
percentage of words that are right and that of lines that are wrong. The marks are 98 % and 1 %.

``--diarizer late`` moves the changes of speaker of the reference by what an engine may be off: a standard deviation of
0.3 s, and every fifth change up to 2 s.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
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


def sentences(lines: list[Line], rng: random.Random) -> list[Line]:
    cues: list[Line] = []
    for line in lines:
        total, before = len(line.text), 0
        for text in re.findall(r".+?(?:[.?!…]+(?=\s)|$)", line.text):
            start, end = (line.start + (line.end - line.start) * part / total for part in (before, before + len(text)))
            cues.append(Line(start, end, text.strip()))
            before += len(text)
    return cues


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


FORMS: dict[str, Form] = {
    "lines": as_they_are,
    "sentences": sentences,
    "merged": merged,
    "captions": captions,
    "words": with_words,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """right of words have the right speaker; wrong of lines hold a word that has not."""

    right: int
    words: int
    wrong: int
    lines: int

    def __str__(self) -> str:
        return f"{100 * self.right / self.words:.2f} / {100 * self.wrong / self.lines:.2f}"


def judge(lines: list[Line], given: tuple[Line, ...]) -> Judged:
    """Compare what was given with the exact lines, word by word and line by line."""
    truth = [(idx, word, line.speaker) for idx, line in enumerate(lines) for word in line.text.split()]
    said = [(word, line.speaker) for line in given for word in line.text.split()]
    pairs: Counter[tuple[str, str]] = Counter()
    for (_, word, real), (same, label) in zip(truth, said, strict=True):
        if word != same:
            raise ValueError(f"words in another order: {word!r}, {same!r}")
        if real and label:
            pairs[real, label] += 1
    reals, labels = sorted({real for real, _ in pairs}), sorted({label for _, label in pairs})
    counts = np.array([[pairs[real, label] for label in labels] for real in reals])
    taken = linear_sum_assignment(-counts) if counts.size else ((), ())
    label_of = {reals[row]: labels[column] for row, column in zip(*taken, strict=True)}
    wrong = [idx for (idx, _, real), (_, label) in zip(truth, said, strict=True) if label_of.get(real or "") != label]
    return Judged(len(truth) - len(wrong), len(truth), len(set(wrong)), len(lines))


def late_turns(folder: Path) -> list[Turn]:
    """The reference with its changes of speaker moved, the one turn made longer by what the other loses."""
    rng, turns = random.Random(folder.name), sorted(read_turns(folder))
    for idx in range(1, len(turns)):
        before, after = turns[idx - 1], turns[idx]
        if before.speaker == after.speaker or after.start - before.end > 1.0:
            continue
        moved = after.start + (rng.uniform(-2.0, 2.0) if rng.random() < 0.2 else rng.gauss(0.0, 0.3))
        moved = min(max(moved, before.start + 0.1), after.end - 0.1)
        turns[idx - 1], turns[idx] = replace(before, end=moved), replace(after, start=moved)
    return turns


def built_in_turns(folder: Path) -> list[Turn]:
    from voicematch.audio import Audio
    from voicematch.engines.diarize import BuiltinDiarizer
    from voicematch.engines.embed import OnnxEmbedder

    audio = next(path for path in folder.iterdir() if path.stem == "audio")
    return list(BuiltinDiarizer().diarize(Audio(audio), OnnxEmbedder()).turns)


TURNS: dict[str, Callable[[Path], list[Turn]]] = {
    "reference": read_turns,
    "late": late_turns,
    "built-in": built_in_turns,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--diarizer", choices=list(TURNS), default="reference")
    options = parser.parse_args()
    judged: dict[str, list[Judged]] = {form: [] for form in FORMS}
    print("| episode | lines | " + " | ".join(FORMS) + " |\n|---|---|" + "---|" * len(FORMS))
    for folder in sorted(options.folder.glob("tts_*")):
        lines, turns = read_lines(folder), TURNS[options.diarizer](folder)
        for name, form in FORMS.items():
            judged[name].append(judge(lines, attribute(form(lines, random.Random(folder.name)), turns)))
        print(
            f"| {folder.name} | {len(lines)} | " + " | ".join(str(own[-1]) for own in judged.values()) + " |",
            flush=True,
        )
    in_all = {name: Judged(*np.sum([astuple(one) for one in own], axis=0)) for name, own in judged.items()}
    print(f"| all | {in_all['lines'].lines} | " + " | ".join(map(str, in_all.values())) + " |")


if __name__ == "__main__":
    main()
