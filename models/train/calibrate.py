"""Fit an embedder's calibration: from cosines to probabilities, and the thresholds that go with them.

    python models/train/calibrate.py ../shared/data/dev ../shared/data/train [--embedder ecapa-small-4] [--dry-run]

The folder holds episodes with truth (``manifest.json``, ``ref.rttm``, ``ref.uem``) and enrollment clips. The built-in
diarizer's vectors of every episode, given to speakers by the truth, are compared with every profile, in excerpts and
whole, and the model that a kit is calibrated with (`voicematch.voices.fitting`) is fitted to that. It is judged by
leaving out each show in turn, on the turns that the diarizer itself finds. Scores are normalised against a cohort of
strangers, people of the training set (``train.tsv``). Writes ``NAME.calibration.json`` to ``models/``, or to where
pulled models are.
What the diarizer heard is kept in the cache under the model's sha256, so a second run takes seconds.
"""

from __future__ import annotations

import argparse
import csv
import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voicematch.audio import Audio
from voicematch.engines import open_embedder
from voicematch.engines.diarize import conclude
from voicematch.engines.embed import Embedder
from voicematch.engines.listening import listen
from voicematch.engines.windows import STEP, STRETCH, Clock, Heard
from voicematch.evaluate import NamingScore, cllr, naming, pieces, read_rttm, read_uem, total
from voicematch.models import files
from voicematch.models.files import CALIBRATION
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.types import Array, Diarization, Embedding, Turn, Verdict
from voicematch.usecases.learn import pool
from voicematch.voices import fitting
from voicematch.voices.fitting import Trials
from voicematch.voices.match import match
from voicematch.voices.score import (
    SHORTEST_SPEECH,
    Calibration,
    Cohort,
    Voiceprints,
    centroid,
    scores,
    steadiness,
    unit,
    unity,
)

Numbers = npt.NDArray[np.float64]

EXCERPTS = (None, 20.0, 40.0)  # seconds; None is all a speaker says
ACCEPTS = (0.8, 0.9, 0.95, 0.98)  # thresholds to report
COHORT = ("cv61", "mx384_cv", "libri", "so762", "cv_fa", "alnum_duke", "dspspeech20")  # CC0, CC BY and MIT alone
COHORT_PEOPLE = 50  # of each corpus
COHORT_SECONDS = 12.0  # of each person
FEW = 0.05  # of voices that the tests of unity and steadiness may get wrong
OWN_SECONDS = 1.2  # of a window of 1.5 s that must be one speaker's alone


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode: the truth, and what the diarizer makes of it."""

    name: str
    show: str
    enrolled: frozenset[str]
    truth: tuple[Turn, ...]
    uem: tuple[tuple[float, float], ...]
    heard: Heard
    diarization: Diarization


@dataclass(frozen=True, eq=False)
class Voice:
    """One true speaker of one episode.

    corpus : those of one resemble each other, in language and microphone
    stretches : all that the speaker says, about 10 s to each
    own : profiles that are this speaker; empty for a stranger
    barred : profiles cut from this very episode: neither target nor nontarget
    """

    episode: str
    show: str
    person: str
    corpus: str
    stretches: tuple[Embedding, ...]
    own: frozenset[str]
    barred: frozenset[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("strangers", type=Path)
    parser.add_argument("--embedder", default=DEFAULT_EMBEDDER)
    parser.add_argument("--cache", type=Path, default=Path("build/calibrate"))
    parser.add_argument("--dry-run", action="store_true", help="print the figures, write nothing")
    arguments = parser.parse_args()
    embedder = open_embedder(arguments.embedder, device="cpu")
    cache = arguments.cache / files.fingerprint(embedder.name)[:16]
    manifest = json.loads((arguments.folder / "manifest.json").read_text(encoding="utf-8"))
    profiles = {
        key: clip_stretches(arguments.folder / clip, embedder, cache) for key, clip in manifest["profiles"].items()
    }
    profiles = {key: stretches for key, stretches in profiles.items() if stretches}
    episodes = [
        read_episode(entry, arguments.folder, embedder, cache)
        for entry in manifest["episodes"]
        if entry["label_quality"].startswith("A")  # exact truth
    ]
    voices = [voice for episode in episodes for voice in voices_of(episode, profiles)]
    cohort = cohort_of(arguments.strangers, embedder, cache / "cohort.npy")
    calibration = fit_all(voices, profiles, embedder.name, cohort)
    report(episodes, voices, profiles, calibration)
    if not arguments.dry_run:
        path = files.place_beside(embedder.name, CALIBRATION)
        path.write_text(calibration.to_json(), encoding="utf-8")
        print(f"wrote {path}")


def fit_all(
    voices: Sequence[Voice],
    profiles: dict[str, tuple[Embedding, ...]],
    embedder: str,
    cohort: Cohort,
    wrong_names: float = fitting.WRONG_NAMES,
) -> Calibration:
    """The calibration of all shows, as the kit's is fitted (`fitting.fit_trials`), with what shows tell besides."""
    known = [h for h in (steadiness(voice.stretches) for voice in voices) if h is not None]
    start = Calibration(
        embedder=embedder,
        bias=0.0,
        score=0.0,
        steadiness=0.0,
        power=1.0,
        unknown_steadiness=float(np.quantile(known, 0.9)),
        accept=0.5,
        review=fitting.REVIEW,
        margin=0.0,
        agreement=fitting.AGREEMENT,
        unity=unity_between(voices),
        least_steadiness=round(0.9 * float(np.quantile(known, FEW / 5)), 3),
        cohort=cohort,
    )
    table, _ = trials(voices, profiles, cohort)
    fitted = fitting.fit_trials(table, start, wrong_names=wrong_names)
    cost = cllr(fitted.logits[fitted.target], fitted.logits[~fitted.target])
    print(f"Cllr, people left out in turn: {cost:.4f} at power {fitted.calibration.power:g}")
    return fitted.calibration


def trials(
    voices: Sequence[Voice], profiles: dict[str, tuple[Embedding, ...]], cohort: Cohort
) -> tuple[Trials, npt.NDArray[np.str_]]:
    """Excerpts against profiles, and the show of each."""
    library = voiceprints(profiles).seen_by(cohort)
    usual = cohort.usual(library.means)
    people = {name: number for number, name in enumerate(sorted({key.split("/")[1] for key in profiles}))}
    owner = np.array([people[key.split("/")[1]] for key in library.names])
    corpus = {key: voice.corpus for voice in voices for key in (*voice.own, *voice.barred)}
    kinds = np.array([corpus.get(key, "") for key in library.names])
    parts: list[tuple[npt.NDArray[Any], ...]] = []
    for voice in voices:
        free = np.array([key not in voice.barred for key in library.names])
        target = np.array([key in voice.own for key in library.names])
        # A stranger is a person of a number of their own.
        number = people.setdefault(voice.person, len(people))
        for excerpt in excerpts(voice.stretches):
            steady = steadiness(excerpt)
            vector = cohort.seen(centroid(excerpt).vector[None])
            row = cohort.normalise(scores(vector, library), cohort.usual(vector), usual)[0].astype(np.float64)
            inverse = np.full(len(row), 1 / max(SHORTEST_SPEECH, sum(part.seconds for part in excerpt)))
            columns = np.stack([np.ones(len(row)), row, inverse], axis=1)
            steady_column = np.full(len(row), np.nan if steady is None else max(steady, 0.0))
            who, show = np.full(len(row), number), np.full(len(row), voice.show)
            every = (columns, steady_column, target, kinds == voice.corpus, who, owner, show)
            parts.append(tuple(column[free] for column in every))
    *table, shows = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Trials(*table), shows


def excerpts(stretches: Sequence[Embedding]) -> list[Sequence[Embedding]]:
    """All of a speaker, and up to three excerpts of each length, spread over the episode."""
    found: list[Sequence[Embedding]] = []
    for seconds in EXCERPTS:
        if seconds is None:
            found.append(stretches)
            continue
        size = max(2, round(seconds / STRETCH))
        if len(stretches) > size:
            firsts = np.unique(np.linspace(0, len(stretches) - size, 3).astype(int))
            found += [stretches[first : first + size] for first in firsts]
    return found


def unity_between(voices: Sequence[Voice]) -> float:
    """A unity that nearly all single voices have, and nearly no two voices of an episode taken for one."""
    one = [u for u in (unity(voice.stretches) for voice in voices) if u is not None]
    pairs = [(unity((*a.stretches, *b.stretches)), a, b) for a, b in combinations(voices, 2) if a.episode == b.episode]
    two = [u for u, a, b in pairs if u is not None and min(len(a.stretches), len(b.stretches)) >= 3]
    least, most = float(np.quantile(one, FEW)), float(np.quantile(two, 1 - FEW))
    print(f"unity: {FEW:.0%} of single voices are below {least:.3f}, {FEW:.0%} of two voices above {most:.3f}")
    return round(float(np.clip((least + most) / 2, 0.6, 0.9)), 3)


def report(
    episodes: Sequence[Episode],
    voices: Sequence[Voice],
    profiles: dict[str, tuple[Embedding, ...]],
    final: Calibration,
) -> None:
    """Print what names would be given, with each show judged by a calibration that has not seen it."""
    assert final.cohort is not None
    table, show_of = trials(voices, profiles, final.cohort)
    shows = sorted({episode.show for episode in episodes})
    judges = {show: fitting.logistic(table.only(show_of != show), final) for show in shows}
    print(replace(final, cohort=None))
    for accept in ACCEPTS:
        for kept in ("show", "all"):
            for first in sorted({show.split("_")[0] for show in shows}):
                parts, mistakes = [], []
                for episode in episodes:
                    if episode.show.startswith(first):
                        library = {
                            k: v for k, v in profiles.items() if kept == "all" or k.split("/")[0] == episode.show
                        }
                        part, wrong = name_episode(episode, library, replace(judges[episode.show], accept=accept))
                        parts.append(part)
                        mistakes += wrong
                summed = total(parts)
                print(
                    f"accept {accept}, {first}, profiles of {kept}: {summed.right_rate:.1%} of enrolled talk right, "
                    f"{summed.wrong_rate:.2%} of all wrong, strangers named {summed.num_strangers_named} of "
                    f"{summed.num_strangers}; {'; '.join(mistakes)}"
                )


def name_episode(
    episode: Episode, profiles: dict[str, tuple[Embedding, ...]], calibration: Calibration
) -> tuple[NamingScore, list[str]]:
    """The naming of the diarizer's own turns, and what went wrong in words."""
    library = voiceprints(profiles, by_name=True)
    found = match(episode.diarization.embeddings, library, calibration=calibration)
    names = {label: m.profile for label, m in found.items() if m.verdict is Verdict.ACCEPT and m.profile is not None}
    turns = [replace(turn, speaker=names.get(turn.speaker, turn.speaker)) for turn in episode.diarization.turns]
    known = set(library.names)
    enrolled = known.intersection(episode.enrolled)
    own_clip = known.intersection(turn.speaker for turn in episode.truth) - enrolled
    part = naming(episode.truth, turns, episode.uem, enrolled=enrolled, known=known, ignored=own_clip)
    mistakes = []
    for label, m in sorted(found.items()):
        speaker = main_speaker(episode, label)
        if (names.get(label) not in (None, speaker)) or (speaker in enrolled and names.get(label) is None):
            mistakes.append(f"{speaker} {m.verdict.value} {m.candidates[0].profile}: {', '.join(m.reasons)}")
    return part, mistakes


def main_speaker(episode: Episode, label: str) -> str:
    """Whose speech most of a label's turns are."""
    own = [turn for turn in episode.diarization.turns if turn.speaker == label]
    seconds: dict[str, float] = {}
    for duration, speakers, labels in pieces(episode.truth, own):
        for speaker in speakers if labels else ():
            seconds[speaker] = seconds.get(speaker, 0.0) + duration
    return max(sorted(seconds), key=lambda speaker: seconds[speaker]) if seconds else ""


def voiceprints(profiles: dict[str, tuple[Embedding, ...]], by_name: bool = False) -> Voiceprints:
    """The profiles as a library; by name, a person of two shows is one profile."""
    rows = [(key.split("/")[1] if by_name else key, e) for key, own in profiles.items() for e in pool(own)]
    return Voiceprints(
        tuple(key for key, _ in rows),
        np.stack([e.vector for _, e in rows]),
        np.array([e.seconds for _, e in rows], dtype=np.float32),
    )


def read_episode(entry: dict[str, Any], folder: Path, embedder: Embedder, cache: Path) -> Episode:
    heard = listened(folder / entry["id"] / entry["audio"], embedder, cache / f"{entry['id']}.pickle")
    return Episode(
        name=entry["id"],
        show=entry["show"],
        enrolled=frozenset(entry["enrolled"]),
        truth=read_rttm(folder / entry["id"] / "ref.rttm"),
        uem=read_uem(folder / entry["id"] / "ref.uem"),
        heard=heard,
        diarization=conclude(heard, embedder, Clock()),
    )


def voices_of(episode: Episode, profiles: dict[str, tuple[Embedding, ...]]) -> list[Voice]:
    """The episode's true speakers, each with the windows that lie in their speech alone."""
    windows: dict[str, list[int]] = {}
    solo = alone(episode.truth)
    starts = np.array([start for start, _, _ in solo])
    for idx, (first, last) in enumerate(episode.heard.windows):
        seconds: dict[str, float] = {}
        for start, end, speaker in solo[
            max(0, int(np.searchsorted(starts, first)) - 1) : int(np.searchsorted(starts, last))
        ]:
            seconds[speaker] = seconds.get(speaker, 0.0) + max(0.0, min(last, end) - max(first, start))
        if len(seconds) == 1 and max(seconds.values()) >= OWN_SECONDS:
            windows.setdefault(next(iter(seconds)), []).append(idx)
    found = []
    for speaker, own in sorted(windows.items()):
        same = frozenset(key for key in profiles if key.split("/")[1] == speaker)
        barred = frozenset(key for key in same if key.split("/")[0] == episode.show and speaker not in episode.enrolled)
        stretches = stretches_of(episode.heard.windows[own], episode.heard.vectors[own])
        corpus = episode.show.split("_")[0]
        found.append(Voice(episode.name, episode.show, speaker, corpus, stretches, same - barred, barred))
    return found


def alone(turns: Sequence[Turn]) -> list[tuple[float, float, str]]:
    """Stretches in which one person speaks and nobody else, (start, end, speaker), in order."""
    found: list[tuple[float, float, str]] = []
    for start, end in pairwise(sorted({time for turn in turns for time in (turn.start, turn.end)})):
        speakers = {turn.speaker for turn in turns if turn.start <= start and turn.end >= end}
        if len(speakers) == 1:
            found.append((start, end, next(iter(speakers))))
    return found


def clip_stretches(clip: Path, embedder: Embedder, cache: Path) -> tuple[Embedding, ...]:
    """The speech of an enrollment clip, taken to be one voice."""
    heard = listened(clip, embedder, cache / f"{clip.parent.name}_{clip.stem}.pickle")
    return stretches_of(heard.windows, heard.vectors) if len(heard.windows) else ()


def cohort_of(folder: Path, embedder: Embedder, file: Path) -> Cohort:
    """One vector for each of some hundred people of many languages and recordings, in the order of the list."""
    if file.exists():
        return Cohort(np.load(file))
    with (folder / "train.tsv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["corpus"] in COHORT]
    clips: dict[tuple[str, str], list[Path]] = {}
    seconds: dict[tuple[str, str], float] = {}
    for row in rows:
        who = row["corpus"], row["speaker"]
        if seconds.get(who, 0.0) < COHORT_SECONDS:
            clips.setdefault(who, []).append(folder / row["path"])
            seconds[who] = seconds.get(who, 0.0) + float(row["seconds"])
    vectors = []
    for corpus in COHORT:
        people = [who for who in clips if who[0] == corpus and seconds[who] >= COHORT_SECONDS / 2]
        for who in people[:: max(1, len(people) // COHORT_PEOPLE)][:COHORT_PEOPLE]:
            heard = [listen(Audio(clip), embedder, Clock()).vectors for clip in clips[who]]
            windows = np.concatenate([part for part in heard if len(part)])
            vectors.append(unit(windows.mean(axis=0)))
    np.save(file, np.stack(vectors))
    return Cohort(np.stack(vectors))


def listened(audio: Path, embedder: Embedder, file: Path) -> Heard:
    """What the diarizer hears, from the cache or from the sound."""
    if file.exists():
        kept: Heard = pickle.loads(file.read_bytes())
        return kept
    heard = listen(Audio(audio), embedder, Clock())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps(heard))
    return heard


def stretches_of(windows: Numbers, vectors: Array) -> tuple[Embedding, ...]:
    """About 10 s of speech to an embedding, as the built-in diarizer has it."""
    num_stretches = max(1, round(len(windows) * STEP / STRETCH))
    return tuple(
        Embedding(
            unit(vectors[part].mean(axis=0)),
            len(part) * STEP,
            float(windows[part, 0].min()),
            float(windows[part, 1].max()),
        )
        for part in np.array_split(np.arange(len(windows)), num_stretches)
    )


if __name__ == "__main__":
    main()
