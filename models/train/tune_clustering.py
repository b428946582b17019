"""Fit and judge the built-in diarizer's clustering. Two commands, run from the repository's root:

    python models/train/tune_clustering.py backend ../shared/data/train     # after the embedder changed
    python models/train/tune_clustering.py dev ../shared/data/dev           # prints DER and speaker count by kind

``backend`` embeds clips of the training speakers and writes what is usual within and between voices beside the
model's file. ``dev`` listens to each episode once, keeps what it heard in a cache (remove it after a change of the
speech detector or the windows) and then clusters: another try takes seconds. ``--set PARSIMONY=5`` tries another value
of a constant of cluster.py, parting.py, backend.py or diarize.py.
"""

from __future__ import annotations

import voicematch  # noqa: F401  # isort: skip  # before pyannote, which it keeps from reporting

import argparse
import csv
import json
import pickle
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate

from voicematch.audio import SAMPLE_RATE, Audio
from voicematch.engines import backend, cluster, diarize, open_embedder, parting
from voicematch.engines.backend import Backend
from voicematch.engines.embed import Embedder
from voicematch.engines.features import log_mel
from voicematch.engines.listening import listen
from voicematch.engines.windows import WINDOW, Clock, Heard
from voicematch.models import files
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.types import Array, Diarization

NUM_SPEAKERS = 1600  # of fewer, single decisions become a matter of luck; five minutes on two free cores
NUM_WINDOWS = 12  # of one speaker, from as many clips as there are


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("backend", "dev"))
    parser.add_argument("folder", type=Path, help="holds train.tsv, or the dev episodes' manifest.json")
    parser.add_argument("--model", default=DEFAULT_EMBEDDER)
    parser.add_argument("--cache", type=Path, default=Path("build/heard"))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings")
    parser.add_argument("--only", default="", help="episodes whose id begins so")
    chosen = parser.parse_args()
    embedder = open_embedder(chosen.model, device="cpu")
    if chosen.command == "backend":
        file = files.place_beside(chosen.model, diarize.BACKEND)
        fit(chosen.folder, embedder).save(file)
        print(file)
    else:
        for setting in chosen.settings:
            name, value = setting.split("=")
            for module in (cluster, parting, backend, diarize):
                if hasattr(module, name):
                    setattr(module, name, float(value))
        judge(chosen.folder, embedder, chosen.cache, chosen.only)


def fit(folder: Path, embedder: Embedder) -> Backend:
    """The backend of an embedder, from windows of training speakers."""
    chance = random.Random(0)
    clips_by_speaker: dict[str, list[str]] = {}
    with (folder / "train.tsv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            clips_by_speaker.setdefault(row["speaker"], []).append(row["path"])
    chosen = sorted(clips_by_speaker)
    chance.shuffle(chosen)
    vectors, speakers = [], []
    for idx, speaker in enumerate(chosen[:NUM_SPEAKERS]):
        found = np.concatenate(list(voices(folder, clips_by_speaker[speaker], embedder, chance)))
        vectors.append(found[:NUM_WINDOWS])
        speakers += [idx] * len(vectors[-1])
    return Backend.estimate(np.concatenate(vectors), np.array(speakers))


def voices(folder: Path, clips: list[str], embedder: Embedder, chance: random.Random) -> Iterator[Array]:
    """Vectors of up to 6 loud windows of each clip, until there are enough."""
    chance.shuffle(clips)
    num_vectors, length = 0, round(WINDOW * SAMPLE_RATE)
    for clip in clips:
        samples = np.concatenate(list(Audio(folder / clip).blocks()))
        loudness = log_mel(samples).mean(axis=1)
        loud = loudness > np.quantile(loudness, 0.95) - 6
        starts = np.arange(0, len(samples) - length + 1, length // 2)
        share = np.array([loud[start // 160 : (start + length) // 160].mean() for start in starts])
        starts = starts[share > 0.6] if len(starts) else starts
        starts = np.array(chance.sample(starts.tolist(), min(6, len(starts))), dtype=np.int64)
        yield embedder.embed(samples, np.stack([starts, starts + length], axis=1))
        num_vectors += len(starts)
        if num_vectors >= NUM_WINDOWS:
            return


def judge(folder: Path, embedder: Embedder, cache: Path, only: str) -> None:
    """Print DER (collar 0, overlap scored) in per cent and speaker counts, by episode and by kind."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    totals: dict[str, list[dict[str, float]]] = {}
    stages: dict[str, float] = {}
    for episode in manifest["episodes"]:
        if not episode["id"].startswith(only):
            continue
        heard, seconds = listened(folder / episode["id"] / episode["audio"], embedder, cache)
        clock = Clock()
        diarization = diarize.conclude(heard, embedder, clock)
        score = scored(folder / episode["id"], diarization)
        print(line(episode["id"], [score]))
        kind = episode["id"].split("_")[0]
        totals.setdefault(kind if kind in ("syn", "tts") else "real", []).append(score)
        for stage, value in {**seconds, **clock.seconds}.items():
            stages[stage] = stages.get(stage, 0.0) + value / heard.duration * 3600 / len(manifest["episodes"])
    for kind, scores in totals.items():
        print(line(f"== {kind}", scores))
    print("seconds per hour:", ", ".join(f"{stage} {value:.1f}" for stage, value in stages.items()))


def listened(file: Path, embedder: Embedder, cache: Path) -> tuple[Heard, dict[str, float]]:
    kept = cache / f"{file.parent.name}-{embedder.name}-{files.fingerprint(embedder.name)[:8]}.pickle"
    if not kept.is_file():
        clock = Clock()
        heard = listen(Audio(file), embedder, clock)
        cache.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps((heard, clock.seconds)))
    found: tuple[Heard, dict[str, float]] = pickle.loads(kept.read_bytes())
    return found


def scored(folder: Path, diarization: Diarization) -> dict[str, float]:
    reference, hypothesis, uem = Annotation(), Annotation(), Timeline()
    for idx, row in enumerate((folder / "ref.rttm").read_text(encoding="utf-8").splitlines()):
        fields = row.split()
        reference[Segment(float(fields[3]), float(fields[3]) + float(fields[4])), idx] = fields[7]
    for idx, turn in enumerate(diarization.turns):
        hypothesis[Segment(turn.start, turn.end), idx] = turn.speaker
    for row in (folder / "ref.uem").read_text(encoding="utf-8").splitlines():
        uem.add(Segment(float(row.split()[2]), float(row.split()[3])))
    score: dict[str, float] = DiarizationErrorRate()(reference, hypothesis, uem=uem, detailed=True)
    return {**score, "reference": len(reference.labels()), "hypothesis": len(hypothesis.labels())}


def line(name: str, scores: list[dict[str, float]]) -> str:
    total = sum(score["total"] for score in scores)
    parts = [
        100 * sum(score[part] for score in scores) / total for part in ("missed detection", "false alarm", "confusion")
    ]
    if len(scores) == 1:
        count = f"{scores[0]['reference']} speakers, found {scores[0]['hypothesis']}"
    else:
        right = sum(score["reference"] == score["hypothesis"] for score in scores)
        count = f"speaker count right in {right} of {len(scores)}"
    missed, false, confused = parts
    return (
        f"{name:22} DER {sum(parts):5.1f} = miss {missed:5.1f} + false {false:5.1f} + confused {confused:5.1f}  {count}"
    )


if __name__ == "__main__":
    main()
