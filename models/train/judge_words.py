"""How right lines get their speakers on simulated shows (shows.py): what transcript/cues.py's constants are chosen by.

    python models/train/judge_words.py WORK/held [--last 70] [--set cues.SPILL=2.0]... [--reference]

The clips of simulated shows have no text of their own, so each turn is given made-up sentences of about its length, at
its speaker's own pace. They are offered as tests/measure/words.py offers a transcript, and ``mixed``: a cue a turn, but
every tenth cue two turns. Only shows count of which the engine gives at most WORST of the words to somebody else, for
in the others it is voices that are mistaken, and no rule for cues can help. ``--reference`` takes the true turns.
"""

from __future__ import annotations

import argparse
import importlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
from judge_shows import heard_of, shows_of, truth_of

from tests.measure.words import FORMS, Form, Judged, as_they_are, judge
from voicematch.engines import diarize, open_embedder
from voicematch.engines.windows import Clock
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.transcript.attribute import attribute
from voicematch.types import Line, Turn

WORST = 0.08
ANSWERS = ("Yes.", "No.", "Right.", "I did.", "Yeah, exactly.", "Not really.", "Of course.", "Mm, sure.")
USUAL, BETWEEN_PEOPLE, BETWEEN_TURNS = 15.0, 0.15, 0.12  # characters a second, and how it varies (log)
OFF = 0.12  # s, standard deviation of a cue's edges
TOGETHER = 0.8  # s between two turns of one person that may share a cue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=70)
    parser.add_argument("--set", action="append", default=[], metavar="MODULE.NAME=VALUE", dest="settings")
    parser.add_argument("--reference", action="store_true")
    chosen = parser.parse_args()
    for setting in chosen.settings:
        place, value = setting.split("=")
        module, name = place.rsplit(".", 1)
        setattr(importlib.import_module(f"voicematch.transcript.{module}"), name, float(value))
    embedder = open_embedder(DEFAULT_EMBEDDER, device="cpu")
    forms: dict[str, Form] = FORMS | {"mixed": mixed}
    judged: dict[str, list[Judged]] = {name: [] for name in forms}
    num_kept = 0
    for file in shows_of(chosen.work, chosen.first, chosen.last):
        truth = truth_of(file)
        lines = lines_of(truth.turns, random.Random(file.stem))
        found = diarize.conclude(heard_of(file, embedder), embedder, Clock()).turns
        plain = judge(lines, attribute(as_they_are(lines, random.Random(0)), found))
        if not lines or plain.words - plain.right > WORST * plain.words:
            continue
        num_kept += 1
        turns = truth.turns if chosen.reference else found
        for name, form in forms.items():
            judged[name].append(judge(lines, attribute(form(lines, random.Random(file.stem)), turns)))
    print(f"{num_kept} shows; percent of words right / of lines wrong")
    for name, own in judged.items():
        print(f"{name:10} {Judged(*np.sum([astuple(one) for one in own], axis=0))}")


def mixed(lines: list[Line], rng: random.Random) -> list[Line]:
    cues: list[Line] = []
    at = 0
    while at < len(lines):
        own = lines[at : at + (2 if rng.random() < 0.1 else 1)]
        cues.append(Line(own[0].start, own[-1].end, " ".join(line.text for line in own)))
        at += len(own)
    return cues


def lines_of(turns: Sequence[Turn], rng: random.Random) -> list[Line]:
    """A transcript's line for each turn, or for two of a person's in a row; none for what is said into another's."""
    paces = {name: USUAL * rng.lognormvariate(0, BETWEEN_PEOPLE) for name in sorted({turn.speaker for turn in turns})}
    lines: list[Line] = []
    for turn in sorted(turns):
        if _inside(turn, turns):
            continue
        text = text_of(turn.duration * paces[turn.speaker] * rng.lognormvariate(0, BETWEEN_TURNS), rng)
        last = lines[-1] if lines else None
        if last and last.speaker == turn.speaker and turn.start - last.end < TOGETHER and rng.random() < 0.5:
            lines[-1] = replace(last, end=max(last.end, turn.end), text=f"{last.text} {text}")
        else:
            lines.append(Line(turn.start, turn.end, text, turn.speaker))
    moved = [(max(0.0, line.start + rng.gauss(0, OFF)), line.end + rng.gauss(0, OFF), line) for line in lines]
    return sorted(
        (replace(line, start=start, end=max(end, start + 0.2)) for start, end, line in moved),
        key=lambda line: line.start,
    )


def _inside(turn: Turn, turns: Iterable[Turn]) -> bool:
    return any(other is not turn and other.start <= turn.start and other.end >= turn.end for other in turns)


def text_of(size: float, rng: random.Random) -> str:
    """Sentences of about ``size`` characters in all; what is too short for a sentence is an answer."""
    sentences: list[str] = []
    left = max(size, 1.0)
    while left > 0:
        sentence = rng.choice(ANSWERS)
        if left > 16:
            wanted, words = min(left, max(12.0, rng.lognormvariate(4.0, 0.6))), [""]
            while sum(map(len, words)) + len(words) < wanted:
                word = "".join(rng.choice("aeiostrnlm") for _ in range(rng.randint(2, 9)))
                words.append(word + ("," if rng.random() < 0.1 else ""))
            sentence = " ".join(words).strip(" ,").capitalize() + rng.choice("...?")
        sentences.append(sentence)
        left -= len(sentence) + 1
    return " ".join(sentences)


if __name__ == "__main__":
    main()
