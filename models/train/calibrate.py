"""Fit an embedder's calibration: from cosines to probabilities, and the thresholds that go with them.

    python models/train/calibrate.py ../shared/data/dev [--embedder ecapa-small] [--cache FOLDER] [--dry-run]

The folder holds episodes with truth (``manifest.json``, ``ref.rttm``) and enrollment clips. The true turns of every
speaker and the speech of every clip become embeddings as the built-in diarizer makes them; every speaker, whole and in
excerpts, is compared with every profile, and a logistic model is fitted by maximum likelihood, targets and nontargets
weighing the same. Judged by leaving out each show in turn. Writes ``models/NAME.calibration.json``.
Embeddings are kept in the cache under the model's sha256, so a second run takes seconds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize

from voicematch import models
from voicematch.audio import SAMPLE_RATE, Audio
from voicematch.diarize import STEP, STRETCH, place
from voicematch.embed import Embedder, OnnxEmbedder
from voicematch.evaluate import cllr, read_rttm
from voicematch.features import log_mel
from voicematch.match import match
from voicematch.pipeline import voiceprints_of
from voicematch.score import Calibration, Voiceprints, centroid, scores, steadiness, unit, unity
from voicematch.speech import SileroDetector, regions
from voicematch.types import Array, Embedding, Turn, Verdict

Numbers = npt.NDArray[np.float64]

EXCERPTS = (None, 20.0, 40.0)  # seconds; None is all a speaker says
POWERS = (4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
RIDGE = 2e-5  # keeps the slope finite when targets and nontargets do not overlap
ACCEPT, REVIEW = 0.95, 0.5
MARGIN = 0.05  # cosine
AGREEMENT = 0.5


@dataclass(frozen=True, eq=False)
class Voice:
    """One speaker of one episode.

    stretches : all that the speaker says, about 10 s to each
    own : profiles that are this speaker; empty for a stranger
    barred : profiles cut from this very episode: neither target nor nontarget
    """

    episode: str
    show: str
    speaker: str
    stretches: tuple[Embedding, ...]
    own: frozenset[str]
    barred: frozenset[str]


@dataclass(frozen=True, eq=False)
class Trials:
    """Excerpts against profiles, one row each.

    steady : of the excerpt's speaker
    weight : per row; targets and nontargets each sum to 1
    """

    score: Numbers
    steady: Numbers
    target: npt.NDArray[np.bool_]
    show: npt.NDArray[np.str_]

    def only(self, rows: npt.NDArray[np.bool_]) -> Trials:
        return Trials(self.score[rows], self.steady[rows], self.target[rows], self.show[rows])

    @property
    def weight(self) -> Numbers:
        return np.asarray(np.where(self.target, 0.5 / max(1, self.target.sum()), 0.5 / max(1, (~self.target).sum())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--embedder", default=models.DEFAULT_EMBEDDER)
    parser.add_argument("--cache", type=Path, default=Path("build/calibrate"))
    parser.add_argument("--dry-run", action="store_true", help="print the figures, write nothing")
    arguments = parser.parse_args()
    embedder = OnnxEmbedder(arguments.embedder)
    cache = arguments.cache / models.card(embedder.name).sha256[:16]
    manifest = json.loads((arguments.folder / "manifest.json").read_text(encoding="utf-8"))
    profiles = {
        key: clip_stretches(arguments.folder / clip, embedder, cache) for key, clip in manifest["profiles"].items()
    }
    profiles = {key: stretches for key, stretches in profiles.items() if stretches}
    voices = [
        voice
        for episode in manifest["episodes"]
        if episode["label_quality"].startswith("A")  # exact truth
        for voice in episode_voices(episode, arguments.folder, profiles, embedder, cache)
    ]
    calibration = fit_all(voices, profiles, embedder.name)
    report(voices, profiles, calibration)
    if not arguments.dry_run:
        path = Path(__file__).parent.parent / f"{Path(models.card(embedder.name).file).stem}.calibration.json"
        path.write_text(calibration.to_json(), encoding="utf-8")
        print(f"wrote {path}")


def fit_all(voices: Sequence[Voice], profiles: dict[str, tuple[Embedding, ...]], embedder: str) -> Calibration:
    """The calibration of all shows, with the power that does best when each show is left out in turn."""
    table = trials(voices, profiles)
    known = [h for h in (steadiness(voice.stretches) for voice in voices) if h is not None]
    start = Calibration(
        embedder=embedder,
        bias=0.0,
        score=0.0,
        steadiness=0.0,
        power=1.0,
        unknown_steadiness=float(np.quantile(known, 0.9)),
        accept=ACCEPT,
        review=REVIEW,
        margin=MARGIN,
        agreement=AGREEMENT,
        unity=unity_between(voices),
    )
    costs = {power: left_out_cost(table, replace(start, power=power)) for power in POWERS}
    best = min(POWERS, key=lambda power: costs[power])
    print("Cllr, each show left out:", ", ".join(f"power {power:g} {cost:.4f}" for power, cost in costs.items()))
    return fit(table, replace(start, power=best))


def fit(table: Trials, start: Calibration) -> Calibration:
    """The logistic model of these trials: weighted maximum likelihood with a small ridge."""
    columns = np.stack([np.ones(len(table.score)), table.score, table.steady**start.power], axis=1)
    sign, weight = np.where(table.target, 1.0, -1.0), table.weight

    def cost(values: Numbers) -> float:
        return float(weight @ np.logaddexp(0, -sign * (columns @ values)) + RIDGE * values[1:] @ values[1:])

    bias, score, steady = scipy.optimize.minimize(cost, np.zeros(3)).x
    return replace(start, bias=round(float(bias), 3), score=round(float(score), 3), steadiness=round(float(steady), 3))


def left_out_cost(table: Trials, start: Calibration) -> float:
    logits = np.empty(len(table.score))
    for show in np.unique(table.show):
        rows = table.show == show
        fitted = fit(table.only(~rows), start)
        part = table.only(rows)
        logits[rows] = fitted.bias + fitted.score * part.score + fitted.steadiness * part.steady**fitted.power
    return cllr(logits[table.target], logits[~table.target])


def trials(voices: Iterable[Voice], profiles: dict[str, tuple[Embedding, ...]]) -> Trials:
    library = voiceprints(profiles)
    rows: list[tuple[float, float, bool, str]] = []
    for voice in voices:
        for excerpt in excerpts(voice.stretches):
            steady = steadiness(excerpt)
            if steady is None:
                continue
            row = scores(centroid(excerpt).vector[None], library)[0]
            rows += [
                (float(value), max(steady, 0.0), key in voice.own, voice.show)
                for key, value in zip(library.names, row, strict=True)
                if key not in voice.barred
            ]
    score, steady_column, target, show = zip(*rows, strict=True)
    return Trials(np.array(score), np.array(steady_column), np.array(target), np.array(show))


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
    """Half way between the least unity of one voice and the most of two voices of an episode, but 0.8 to 0.9."""
    one = [u for u in (unity(voice.stretches) for voice in voices) if u is not None]
    pairs = [(unity((*a.stretches, *b.stretches)), a, b) for a, b in combinations(voices, 2) if a.episode == b.episode]
    two = [u for u, a, b in pairs if u is not None and min(len(a.stretches), len(b.stretches)) >= 3]
    print(
        f"unity: one voice {np.min(one):.3f} at least (5 % below {np.quantile(one, 0.05):.3f}), "
        f"two voices {np.max(two):.3f} at most (5 % above {np.quantile(two, 0.95):.3f})"
    )
    return round(float(np.clip((np.min(one) + np.max(two)) / 2, 0.8, 0.9)), 3)


def report(voices: Sequence[Voice], profiles: dict[str, tuple[Embedding, ...]], final: Calibration) -> None:
    """Print what names would be given, with each show judged by a calibration that has not seen it."""
    table = trials(voices, profiles)
    shows = sorted({voice.show for voice in voices})
    judges = {show: fit(table.only(table.show != show), final) for show in shows}
    print(final)
    for accept in (0.8, 0.9, final.accept, 0.98):
        for kept in ("show", "all"):
            for first in sorted({show.split("_")[0] for show in shows}):
                sums = dict.fromkeys(("enrolled", "right", "wrong", "all"), 0.0)
                mistakes: list[str] = []
                for show in (show for show in shows if show.startswith(first)):
                    library = {k: v for k, v in profiles.items() if kept == "all" or k.split("/")[0] == show}
                    judge = replace(judges[show], accept=accept)
                    for episode in sorted({voice.episode for voice in voices if voice.show == show}):
                        inside = [voice for voice in voices if voice.episode == episode]
                        mistakes += name_episode(inside, library, judge, sums)
                print(
                    f"accept {accept}, {first}, profiles of {kept}: {sums['right'] / sums['enrolled']:.1%} of enrolled "
                    f"talk time right, {sums['wrong'] / sums['all']:.2%} of all wrong; {'; '.join(mistakes)}"
                )


def name_episode(
    voices: Sequence[Voice],
    profiles: dict[str, tuple[Embedding, ...]],
    calibration: Calibration,
    sums: dict[str, float],
) -> list[str]:
    """Add up the naming of one episode; returns what went wrong, in words."""
    by_name: dict[str, list[Embedding]] = {}
    for key, stretches in profiles.items():
        by_name.setdefault(key.split("/")[1], []).extend(voiceprints_of(stretches))
    rows = [(name, e) for name, prints in by_name.items() for e in prints]
    library = Voiceprints(
        tuple(name for name, _ in rows),
        np.stack([e.vector for _, e in rows]),
        np.array([e.seconds for _, e in rows], dtype=np.float32),
    )
    matches = match({v.speaker: v.stretches for v in voices}, library, calibration=calibration)
    mistakes = []
    for voice in voices:
        own = {key.split("/")[1] for key in voice.own & set(profiles)}
        if not own and {key.split("/")[1] for key in voice.barred & set(profiles)}:
            continue
        seconds = sum(e.seconds for e in voice.stretches)
        found = matches[voice.speaker]
        name = found.profile if found.verdict is Verdict.ACCEPT else None
        sums["all"] += seconds
        sums["enrolled"] += seconds if own else 0.0
        sums["right"] += seconds if name in own else 0.0
        sums["wrong"] += seconds if name is not None and name not in own else 0.0
        if (own and name not in own) or (name is not None and name not in own):
            best = found.candidates[0]
            mistakes.append(
                f"{voice.speaker} {found.verdict.value} {best.profile} {best.score:.2f} {best.probability:.2f}"
            )
    return mistakes


def voiceprints(profiles: dict[str, tuple[Embedding, ...]]) -> Voiceprints:
    rows = [(key, e) for key, stretches in profiles.items() for e in voiceprints_of(stretches)]
    return Voiceprints(
        tuple(key for key, _ in rows),
        np.stack([e.vector for _, e in rows]),
        np.array([e.seconds for _, e in rows], dtype=np.float32),
    )


def episode_voices(
    episode: dict[str, Any],
    folder: Path,
    profiles: dict[str, tuple[Embedding, ...]],
    embedder: Embedder,
    cache: Path,
) -> list[Voice]:
    place_of = folder / episode["id"]
    spans: dict[str, list[tuple[float, float]]] = {}
    turns = read_rttm(place_of / "ref.rttm")
    for start, end, speaker in alone(turns):
        spans.setdefault(speaker, []).append((start, end))
    found = []
    for speaker, stretches in embedded(
        place_of / episode["audio"], spans, embedder, cache / f"{episode['id']}.npz"
    ).items():
        same = frozenset(key for key in profiles if key.split("/")[1] == speaker)
        barred = frozenset(
            key for key in same if key.split("/")[0] == episode["show"] and speaker not in episode["enrolled"]
        )
        found.append(Voice(episode["id"], episode["show"], speaker, stretches, same - barred, barred))
    return found


def alone(turns: Sequence[Turn]) -> list[tuple[float, float, str]]:
    """Stretches in which one person speaks and nobody else, (start, end, speaker)."""
    edges = sorted({time for turn in turns for time in (turn.start, turn.end)})
    found: list[tuple[float, float, str]] = []
    for start, end in pairwise(edges):
        speakers = {turn.speaker for turn in turns if turn.start <= start and turn.end >= end}
        if len(speakers) == 1:
            (speaker,) = speakers
            found.append((start, end, speaker))
    return found


def clip_stretches(clip: Path, embedder: Embedder, cache: Path) -> tuple[Embedding, ...]:
    """The speech of an enrollment clip, taken to be one voice."""
    file = cache / f"{clip.parent.name}_{clip.stem}.npz"
    if file.exists():
        return load(file).get("", ())
    samples = np.concatenate(list(Audio(clip).blocks()))
    detector = SileroDetector()
    probabilities = np.concatenate([detector.process(samples, log_mel(samples)), detector.finish()])
    return embedded(clip, {"": regions(probabilities)}, embedder, file).get("", ())


def embedded(
    audio: Path, spans: dict[str, list[tuple[float, float]]], embedder: Embedder, file: Path
) -> dict[str, tuple[Embedding, ...]]:
    """The stretches of each speaker, from the cache or from the sound."""
    if file.exists():
        return load(file)
    samples = np.concatenate(list(Audio(audio).blocks()))
    features = log_mel(samples)
    found = {}
    for speaker, own in spans.items():
        windows = [w for span in own if span[1] - span[0] >= 0.8 for w in place(span, len(samples) / SAMPLE_RATE)]
        if not windows:
            continue
        bounds = np.minimum((np.array(windows) * SAMPLE_RATE).astype(np.int64) // 160 * 160, len(samples))
        found[speaker] = stretches_of(np.array(windows), embedder.embed(samples, bounds, features))
    file.parent.mkdir(parents=True, exist_ok=True)
    packed: dict[str, Any] = {speaker: pack(stretches) for speaker, stretches in found.items()}
    np.savez(file, **packed)
    return found


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


def pack(stretches: Sequence[Embedding]) -> Array:
    return np.stack([np.r_[e.seconds, e.start, e.end, e.vector].astype(np.float32) for e in stretches])


def load(file: Path) -> dict[str, tuple[Embedding, ...]]:
    with np.load(file) as kept:
        return {
            key: tuple(Embedding(row[3:], float(row[0]), float(row[1]), float(row[2])) for row in kept[key])
            for key in kept.files
        }


if __name__ == "__main__":
    main()
