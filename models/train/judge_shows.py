"""How right the built-in engine is on simulated shows (shows.py), by the figures that a listener would ask for.

    python models/train/judge_shows.py WORK/held [--first 0 --last 80] [--set MODULE.NAME=VALUE]... [--verbose]

Each show is diarized from what was kept of it and named with the profiles made for it, without a library. Printed: DER
(collar 0, overlap scored) in its parts, shows whose number of speakers is right, of enrolled talk what is named right,
of all talk what is named wrong, and strangers named. What is heard is kept beside the shows, by the sums of the
speech detector's and the embedder's files, so that another try of a constant takes seconds.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from shows import detected

from voicematch.engines import diarize, open_embedder
from voicematch.engines.anchors import Anchors
from voicematch.engines.backend import Backend
from voicematch.engines.embed import Embedder
from voicematch.engines.listening import Pending, Queue, spoken_of
from voicematch.engines.speech import DEFAULT_SPEECH
from voicematch.engines.windows import Clock, Heard, embeddings_of
from voicematch.models import files
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.types import Array, Diarization, Embedding, Match, Turn, Verdict
from voicematch.usecases.learn import pool
from voicematch.voices.match import match
from voicematch.voices.rules import Said, one_person
from voicematch.voices.score import Calibration, Voiceprints

PER_SECOND = 100


@dataclass(frozen=True, eq=False)
class Truth:
    """turns : with the person as speaker; profiles : who is enrolled, and others who are never heard"""

    name: str
    seconds: float
    turns: tuple[Turn, ...]
    profiles: tuple[str, ...]


@dataclass
class Figures:
    """Sums over shows, in seconds."""

    talk: float = 0.0
    missed: float = 0.0
    false: float = 0.0
    confused: float = 0.0
    shows: int = 0
    counted: int = 0
    enrolled: float = 0.0
    right: float = 0.0
    wrong: float = 0.0
    strangers: int = 0
    strangers_named: int = 0
    doubts: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        parts = [100 * part / max(self.talk, 1e-9) for part in (self.missed, self.false, self.confused)]
        return (
            f"DER {sum(parts):5.2f} ({parts[0]:.2f} + {parts[1]:.2f} + {parts[2]:.2f})"
            f"  count {self.counted}/{self.shows}  enrolled right {100 * self.right / max(self.enrolled, 1e-9):.1f}"
            f"  wrong {100 * self.wrong / max(self.talk, 1e-9):.2f}"
            f"  strangers named {self.strangers_named}/{self.strangers}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--embedder", default=DEFAULT_EMBEDDER)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=10_000)
    parser.add_argument("--set", action="append", default=[], metavar="MODULE.NAME=VALUE", dest="settings")
    parser.add_argument("--verbose", action="store_true", help="print each show, and who is not named right")
    chosen = parser.parse_args()
    for setting in chosen.settings:
        place, value = setting.split("=")
        module, name = place.rsplit(".", 1)
        setattr(importlib.import_module(f"voicematch.{module}"), name, float(value))
    embedder = open_embedder(chosen.embedder, device="cpu")
    calibration = files.calibration(embedder.name)
    total = Figures()
    for file in shows_of(chosen.work, chosen.first, chosen.last):
        found = judge(file, embedder, calibration)
        total.add(found)
        if chosen.verbose:
            print(file.stem, found, *(f"\n    {doubt}" for doubt in found.doubts))
    print(total)


def shows_of(work: Path, first: int = 0, last: int = 10_000) -> list[Path]:
    return [file for file in sorted((work / "shows").glob("????.npz")) if first <= int(file.stem) < last]


def judge(file: Path, embedder: Embedder, calibration: Calibration, backend: Backend | None = None) -> Figures:
    """The figures of one show. backend : the embedder's own when None."""
    truth, heard = truth_of(file), heard_of(file, embedder)
    voiceprints = voiceprints_for(file, truth, embedder)
    diarization = diarize.conclude(heard, embedder, Clock(), anchors=Anchors(voiceprints, calibration), backend=backend)
    found, named = names_of(diarization, voiceprints, calibration)
    return figures(truth, found, named)


def names_of(
    diarization: Diarization, voiceprints: Voiceprints, calibration: Calibration
) -> tuple[Diarization, dict[str, Match]]:
    """As identify does it: labels of one profile are made one, and matched again; apart where together they fail.

    Labels that have one name all the same are one in what is read, and so they are here.
    """
    apart = match(diarization.embeddings, voiceprints, calibration=calibration)
    into = one_person(apart, {}, Said(), as_before=False)
    made = _joined(diarization, into)
    named = match(made.embeddings, voiceprints, calibration=calibration)
    sure = {label: first for label, first in into.items() if named[first].verdict is Verdict.ACCEPT}
    if len(sure) < len(into):
        made = _joined(diarization, sure)
        named = match(made.embeddings, voiceprints, calibration=calibration)
    first: dict[str | None, str] = {}
    accepted = [label for label in sorted(named) if named[label].verdict is Verdict.ACCEPT]
    return _joined(made, {label: first.setdefault(named[label].profile, label) for label in accepted}), named


def _joined(diarization: Diarization, into: Mapping[str, str]) -> Diarization:
    embeddings: dict[str, tuple[Embedding, ...]] = {}
    for label in sorted(diarization.embeddings):
        first = into.get(label, label)
        embeddings[first] = (*embeddings.get(first, ()), *diarization.embeddings[label])
    turns = tuple(Turn(t.start, t.end, into.get(t.speaker, t.speaker)) for t in diarization.turns)
    return Diarization(turns, embeddings, diarization.duration)


def truth_of(file: Path) -> Truth:
    kept = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    turns = tuple(Turn(*turn) for turn in kept["turns"])
    return Truth(file.stem, kept["seconds"], turns, tuple(kept["profiles"]))


def heard_of(file: Path, embedder: Embedder) -> Heard:
    """What the diarizer hears of a show's rows, from the cache or anew."""
    models = (files.fingerprint(DEFAULT_SPEECH), files.fingerprint(embedder.name))
    kept = file.parent / "heard" / f"{file.stem}-{models[0][:6]}-{models[1][:12]}.pickle"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        with np.load(file) as arrays:
            rows = arrays["rows"].astype(np.float32)
        heard = hear(rows, detected(rows), embedder)
        part = kept.with_suffix(".part")
        part.write_bytes(pickle.dumps(heard))
        part.rename(kept)
    found: Heard = pickle.loads(kept.read_bytes())
    return found


def hear(rows: Array, speech: Array, embedder: Embedder) -> Heard:
    """As `diarize.listen` does, from rows and probabilities of speech that are at hand."""
    heard, pending = Heard(embedder.dimension), Pending()
    pending.rows, pending.probabilities = rows, speech
    detector = SimpleNamespace(onset=0.5, offset=0.4)
    with Queue(embedder, heard, Clock()) as embedding:
        embedding.put(spoken_of(pending, detector, embedder, heard, Clock(), last=True))
    heard.duration = len(rows) / PER_SECOND
    heard.spans = [(start, min(end, heard.duration)) for start, end in heard.spans]
    return heard


def voiceprints_for(file: Path, truth: Truth, embedder: Embedder) -> Voiceprints:
    """The profiles made for a show, each from a clip of one person."""
    rows = [(person, e) for person in truth.profiles for e in pool(profile_of(file, person, embedder))]
    return Voiceprints(
        tuple(person for person, _ in rows),
        np.stack([e.vector for _, e in rows]) if rows else np.empty((0, embedder.dimension), np.float32),
        np.array([e.seconds for _, e in rows], np.float32),
    )


def profile_of(file: Path, person: str, embedder: Embedder) -> tuple[Embedding, ...]:
    clip = file.parent / "profiles" / f"{file.stem}_{person}.npz"
    heard = heard_of(clip, embedder)
    turns = tuple(Turn(start, end, person) for start, end in heard.spans)
    return embeddings_of(heard, turns, embedder.min_speech).get(person, ())


def table(turns: Iterable[Turn], names: Sequence[str], seconds: float) -> NDArray[np.bool_]:
    """(num_names, num_frames) who speaks in each 10 ms."""
    found = np.zeros((len(names), int(seconds * PER_SECOND) + 2), bool)
    for turn in turns:
        found[names.index(turn.speaker), round(turn.start * PER_SECOND) : round(turn.end * PER_SECOND)] = True
    return found


def figures(truth: Truth, found: Diarization, named: Mapping[str, Match]) -> Figures:
    people, labels = sorted({t.speaker for t in truth.turns}), sorted({t.speaker for t in found.turns})
    said, heard = table(truth.turns, people, truth.seconds), table(found.turns, labels, truth.seconds)
    num_said, num_heard = said.sum(axis=0), heard.sum(axis=0)
    shared = said.astype(np.float32) @ heard.astype(np.float32).T / PER_SECOND
    rows, columns = linear_sum_assignment(-shared)
    both = np.minimum(num_said, num_heard).sum() / PER_SECOND
    result = Figures(
        talk=num_said.sum() / PER_SECOND,
        missed=np.maximum(num_said - num_heard, 0).sum() / PER_SECOND,
        false=np.maximum(num_heard - num_said, 0).sum() / PER_SECOND,
        confused=both - shared[rows, columns].sum(),
        shows=1,
        counted=int(len(people) == len(labels)),
    )
    alone = (num_said == 1) & (num_heard == 1)
    with_names = {label: m.profile for label, m in named.items() if m.verdict is Verdict.ACCEPT and m.profile}
    for row, person in enumerate(people):
        talk = said[row] & alone
        seconds_of = {label: (talk & heard[at]).sum() / PER_SECOND for at, label in enumerate(labels)}
        as_itself = sum(s for label, s in seconds_of.items() if with_names.get(label) == person)
        as_other = sum(s for label, s in seconds_of.items() if with_names.get(label) not in (None, person))
        result.wrong += as_other
        if person in truth.profiles:
            result.enrolled += talk.sum() / PER_SECOND
            result.right += as_itself
            if as_itself < 0.9 * talk.sum() / PER_SECOND:
                result.doubts += list(_doubts(person, seconds_of, named, talk.sum() / PER_SECOND))
        else:
            main = max(seconds_of, key=lambda label: seconds_of[label], default="")
            mostly = bool(labels) and shared[:, labels.index(main)].argmax() == row
            result.strangers += 1
            result.strangers_named += int(mostly and main in with_names)
            if mostly and main in with_names:
                result.doubts.append(f"stranger {person} is named: {named[main].reasons}")
    return result


def _doubts(person: str, seconds_of: Mapping[str, float], named: Mapping[str, Match], talk: float) -> Iterator[str]:
    for label, seconds in sorted(seconds_of.items(), key=lambda item: -item[1]):
        if seconds > 0.1 * talk and label in named:
            found = named[label]
            name = found.profile if found.verdict is Verdict.ACCEPT else found.verdict.value
            yield f"{person} {seconds:.0f} of {talk:.0f} s {label} {name}: {'; '.join(found.reasons)}"


if __name__ == "__main__":
    main()
