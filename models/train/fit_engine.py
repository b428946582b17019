"""Fits what belongs to one embedder on simulated shows: the clustering's backend, the cohort, the calibration.

    python models/train/fit_engine.py WORK/train WORK/fit... [--embedder NAME] [--choose WORK]... [--judge WORK]...

What comes after a new embedder, some minutes on one core once shows.py has rendered the shows (those last) and
channels.py has heard WORK/train through rooms and telephones.
``WORK/train`` holds shows of people whom the embedder was trained on and the clips they are made of, ``WORK/fit``
shows of others. The backend comes of both kinds of sound, the calibration of the people whom the embedder does not
know, as it will not know its users' either; on the same shows, and those of ``--choose``, the two cosines are chosen by
which the clustering joins and parts speakers. ``WORK/judge`` is only looked at to print the figures. With
``--keep-backend`` the backend beside the model stays as it is (side_by_side.py makes one), and only the rest is fitted.
Writes ``NAME.backend.npz`` and ``NAME.calibration.json`` to ``models/``, or to where pulled models are.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import calibrate
import channels
import numpy as np
from calibrate import COHORT, COHORT_PEOPLE, Voice
from judge_shows import Figures, Truth, figures, heard_of, judge, profile_of, shows_of, table, truth_of
from segmentation_pool import STEP as CLIP_STEP
from segmentation_pool import Clip
from segmentation_scenes import open_pool
from simulate import Pool

from voicematch.engines import diarize, open_embedder
from voicematch.engines.backend import Backend
from voicematch.engines.embed import CELL, Embedder, OnnxEmbedder, num_cells
from voicematch.engines.features import log_mel
from voicematch.engines.windows import WINDOW, Clock, Heard, embeddings_of
from voicematch.models import files
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.types import Array, Embedding
from voicematch.usecases.calibrate import calibrate as calibrated
from voicematch.voices.score import Cohort, unit

MOST_CLIPS, WINDOWS_OF_CLIP = 6, 4  # of one person
MOST_WINDOWS = 60  # of one person in one show
NUM_AXES = 58  # of the backend; with more, what tells the training people apart is learnt by heart
NUM_FOLDS = 5  # of the shows, of which each is left out once to choose the form of the calibration
PURE = 0.9  # of a window that is one person's
ALIKE = (0.65, 0.7, 0.75, 0.8, 0.85)  # cosines to choose from
UNLIKE = (-1.0, 0.5, 0.54, 0.57, 0.6)
COUNT_WEIGHT = 0.1  # shows whose number of speakers is wrong, against the share of all talk that is confused
WRONG_NAMES = 0.001  # of strangers who may get a name; half of what the kit allows
LEVEL = 0.003  # of that cost; what differs by less is level on a hundred shows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("fit", type=Path, nargs="+")
    parser.add_argument("--embedder", default=DEFAULT_EMBEDDER)
    parser.add_argument("--choose", type=Path, action="append", default=[], help="more shows for the two cosines")
    parser.add_argument("--judge", type=Path, action="append", default=[])
    parser.add_argument("--wrong-names", type=float, default=WRONG_NAMES, help="of strangers who may get a name")
    parser.add_argument("--keep-backend", action="store_true")
    parser.add_argument("--dry-run", action="store_true", help="print the figures, write nothing")
    chosen = parser.parse_args()
    embedder = open_embedder(chosen.embedder, device="cpu")
    if not isinstance(embedder, OnnxEmbedder) or not embedder.can_pool:
        parser.error(f"the frames of {embedder.name} cannot be pooled")
    if not channels.kept_in(chosen.train, embedder.name).exists():
        parser.error(f"first: python models/train/channels.py {chosen.train} --embedder {embedder.name}")
    people, vectors = clip_windows(chosen.train, embedder)
    if chosen.keep_backend:
        backend = diarize.kept_backend(embedder) or parser.error(f"{embedder.name} has no backend to keep")
    else:
        backend = estimated(chosen.train, embedder, people, vectors)
        backend = with_cosines(backend, [*chosen.fit, *chosen.choose], embedder)
    cohort = cohort_of(open_pool(chosen.train), people, vectors)
    cohort = replace(cohort, axes=channels.axes_of(chosen.train, embedder.name))
    profiles, voices = read(chosen.fit, embedder)
    # Profiles of shows have one voiceprint: what several tell is measured with the kit.
    several = calibrated(embedder, keep=False).calibration.voiceprints
    calibration = calibrate.fit_all(voices, profiles, embedder.name, cohort, chosen.wrong_names)
    calibration = replace(calibration, voiceprints=several)
    print(replace(calibration, cohort=None))
    if not chosen.dry_run:
        if not chosen.keep_backend:
            backend.save(files.place_beside(embedder.name, diarize.BACKEND))
        files.place_beside(embedder.name, files.CALIBRATION).write_text(calibration.to_json(), encoding="utf-8")
    for work in (*chosen.fit, *chosen.judge):
        total = Figures()
        for file in shows_of(work):
            total.add(judge(file, embedder, calibration, backend))
        print(work.name, total)


def estimated(train: Path, embedder: Embedder, people: Sequence[str], vectors: Array) -> Backend:
    """The backend of the training people: of windows of their clips, and of the shows that were rendered of them."""
    names, rows = list(people), [vectors]
    for file in shows_of(train):
        found, own = show_windows(truth_of(file), heard_of(file, embedder))
        names += found
        rows.append(own)
    number = {name: idx for idx, name in enumerate(dict.fromkeys(names))}
    return Backend.estimate(np.concatenate(rows), np.array([number[name] for name in names]), NUM_AXES)


def with_cosines(backend: Backend, works: Sequence[Path], embedder: Embedder) -> Backend:
    """The backend with the cosines that do best on these shows; of those that are level, the one that joins least.

    What is joined by mistake has a wrong name, or none; what is parted is joined again by its name.
    """
    costs: dict[tuple[float, float], float] = {}
    for alike in ALIKE:
        for unlike in UNLIKE:
            total = Figures()
            tried = replace(backend, alike=alike, unlike=unlike)
            for file in (file for work in works for file in shows_of(work)):
                truth = truth_of(file)
                found = diarize.conclude(heard_of(file, embedder), embedder, Clock(), backend=tried)
                total.add(figures(truth, found, {}))
            costs[alike, unlike] = total.confused / total.talk + COUNT_WEIGHT * (1 - total.counted / total.shows)
            print(f"alike {alike} unlike {unlike}: {100 * costs[alike, unlike]:.2f}  {total}")
    best = max(pair for pair, cost in costs.items() if cost <= min(costs.values()) + LEVEL)
    return replace(backend, alike=best[0], unlike=best[1])


def clip_windows(work: Path, embedder: OnnxEmbedder) -> tuple[list[str], Array]:
    """The person of each window, and its vector, of windows of speech spread over everybody's clips; kept in WORK."""
    kept = work / f"clips-{files.fingerprint(embedder.name)[:12]}.npz"
    if kept.exists():
        with np.load(kept) as arrays:
            return arrays["people"].tolist(), arrays["vectors"]
    pool = open_pool(work)
    rng = np.random.default_rng(0)
    people: list[str] = []
    vectors = []
    for person in pool.speakers:
        clips = pool.clips[person]
        for idx in rng.permutation(len(clips))[:MOST_CLIPS]:
            own = _windows_of(pool, clips[idx], embedder)
            vectors.append(own)
            people += [person] * len(own)
    np.savez(kept, people=np.array(people), vectors=np.concatenate(vectors))
    return people, np.concatenate(vectors)


def _windows_of(pool: Pool, clip: Clip, embedder: OnnxEmbedder) -> Array:
    samples = pool.samples[clip.start : clip.end].astype(np.float32) / np.float32(32_768)
    active = pool.active[clip.start // CLIP_STEP : clip.end // CLIP_STEP]
    length = round(WINDOW * 100 / CELL)
    rows = log_mel(samples)
    starts = np.arange(0, num_cells(rows, 0, len(rows)) - length + 1, 2 * length // 3)
    spoken = np.array([active[at * CELL : (at + length) * CELL].mean() > 0.8 for at in starts], bool)
    starts = starts[spoken][:WINDOWS_OF_CLIP] if len(starts) else starts
    if not len(starts):
        return np.empty((0, embedder.dimension), np.float32)
    return embedder.pool(rows, 0, len(rows), np.stack([starts, starts + length], axis=1))


def show_windows(truth: Truth, heard: Heard) -> tuple[list[str], Array]:
    """The same of the windows of a show in which one person speaks alone."""
    people = sorted({turn.speaker for turn in truth.turns})
    said = table(truth.turns, people, truth.seconds)
    until = np.concatenate([np.zeros((len(people), 1)), np.cumsum(said, axis=1)], axis=1)
    first, last = np.minimum(np.rint(heard.windows.T * 100).astype(int), said.shape[1])
    share = (until[:, last] - until[:, first]) / np.maximum(last - first, 1)
    pure = (share.max(axis=0) > PURE) & (share.sum(axis=0) - share.max(axis=0) < 0.05)
    names: list[str] = []
    chosen: list[int] = []
    for idx, person in enumerate(people):
        own = np.flatnonzero(pure & (share.argmax(axis=0) == idx))[::2][:MOST_WINDOWS]
        chosen += own.tolist()
        names += [person] * len(own)
    return names, heard.vectors[chosen]


def cohort_of(pool: Pool, people: Sequence[str], vectors: Array) -> Cohort:
    """One vector for each of some hundred people of many languages and recordings, whose licences allow it."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, person in enumerate(people):
        rows_of[person].append(row)
    chosen = []
    for corpus in COHORT:
        own = [p for p in sorted(rows_of) if pool.clips[p][0].kind == corpus and len(rows_of[p]) >= 3]
        chosen += own[:: max(1, len(own) // COHORT_PEOPLE)][:COHORT_PEOPLE]
    return Cohort(np.stack([unit(vectors[rows_of[person]].mean(axis=0)) for person in chosen]))


def read(works: Sequence[Path], embedder: Embedder) -> tuple[dict[str, tuple[Embedding, ...]], list[Voice]]:
    """The profiles of all shows by SHOW/PERSON, and everybody who speaks in them.

    A person's profiles for other shows are neither targets nor nontargets: they may be cut from what is heard here.
    """
    profiles: dict[str, tuple[Embedding, ...]] = {}
    spoken = []
    for number, file in enumerate(file for work in works for file in shows_of(work)):
        truth = truth_of(file)
        spoken.append((str(number), embeddings_of(heard_of(file, embedder), truth.turns, embedder.min_speech)))
        for person in truth.profiles:
            own = profile_of(file, person, embedder)
            if own:
                profiles[f"{number}/{person}"] = own
    voices = []
    for show, embeddings in spoken:
        for person, stretches in embeddings.items():
            same = frozenset(key for key in profiles if key.split("/")[1] == person)
            own_key = frozenset({f"{show}/{person}"}) & same
            fold = f"fold {int(show) % NUM_FOLDS}"
            voices.append(Voice(show, fold, person, person.split("_")[0], stretches, own_key, same - own_key))
    return profiles, voices


if __name__ == "__main__":
    main()
