"""Print how a calibration made with the kit does against one fitted to the very episodes, as rows of Markdown tables.

    python -m tests.measure.calibrated ../shared/data/dev --embedder NAME... [--cache FOLDER] [--simulated WORK SHOWS]

NAME is a model of ``voicematch models list``, an ONNX file, or ``resemblyzer`` (as in yardstick.py). A built-in
embedder tells voices apart by itself, the default one does it for the others. Of the episodes with exact truth and of
the enrollment clips the embedder hears all windows of speech. Right is the share of the enrolled people's talk that
gets their name, wrong the share of all talk that gets another's: all profiles in one library, and in brackets those of
each show.

SHOWS is what ``models/train/shows.py render WORK SHOWS --half 1`` made: then the same is printed of its shows, each
with its own profiles, as the product hears them: an embedder that is not built in hears the best of each speaker, and
for it the sound is rendered once more. Cllr there is of the voices found, of at least 9 parts in 10 one person's.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tests.measure.yardstick import Resemblyzer
from voicematch.audio import SAMPLE_RATE, Audio
from voicematch.audio.spans import Samples
from voicematch.engines import open_embedder
from voicematch.engines.anchors import Anchors
from voicematch.engines.best import heard_best
from voicematch.engines.diarize import conclude
from voicematch.engines.embed import Embedder
from voicematch.engines.listening import listen
from voicematch.engines.windows import Clock, Heard, embeddings_of
from voicematch.evaluate import cllr, min_cllr, read_rttm, read_uem, total
from voicematch.models.table import DEFAULT_EMBEDDER, is_built_in
from voicematch.types import Array, Diarization, Embedding, Sound, Turn
from voicematch.usecases.calibrate import calibrate as calibrated
from voicematch.usecases.learn import pool
from voicematch.voices import fitting
from voicematch.voices.match import normalised_scores
from voicematch.voices.score import Calibration, Cohort, Voiceprints, centroid, steadiness

Made = TypeVar("Made")
PURE = 0.9  # of a voice found in a show
RECIPE = Path(__file__).resolve().parents[2] / "models" / "train"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--embedder", action="append", required=True)
    parser.add_argument("--cache", type=Path, default=Path("build/calibrated"))
    parser.add_argument("--simulated", type=Path, nargs=2, metavar=("WORK", "SHOWS"))
    parser.add_argument("--num-shows", type=int, default=20)
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="of WORK's people that SHOWS were made of")
    chosen = parser.parse_args()
    sys.path.insert(0, str(RECIPE))
    import calibrate as recipe

    manifest = json.loads((chosen.folder / "manifest.json").read_text(encoding="utf-8"))
    ears_of: dict[str, Ears] = {}
    made: dict[str, dict[str, Calibration]] = {}
    print(
        "| embedder | calibrated with | Cllr | best possible | right, synthetic | right, TTS "
        "| wrong | strangers named |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in chosen.embedder:
        embedder = Resemblyzer() if name == "resemblyzer" else open_embedder(name, device="cpu")
        ears = ears_of[name] = Ears(embedder, chosen.cache)
        episodes, profiles = ears.exact(recipe, manifest, chosen.folder)
        voices = [voice for episode in episodes for voice in recipe.voices_of(episode, profiles)]
        kit = calibrated(ears.own, keep=False).calibration
        assert kit.cohort is not None
        fitted = recipe.fit_all(voices, profiles, name, kit.cohort)
        made[name] = {"kit": kit, "dev": fitted}
        table, show_of = recipe.trials(voices, profiles, kit.cohort)
        shows = np.unique(show_of)
        left_out = {show: fitting.logistic(table.only(show_of != show), fitted) for show in shows}
        print(row(recipe, name, "kit", dict.fromkeys(shows, kit), (table, show_of), episodes, profiles))
        print(row(recipe, name, "dev, each show left out", left_out, (table, show_of), episodes, profiles))
    if chosen.simulated is not None:
        work, shows = chosen.simulated
        print("\n| on simulated shows | calibrated with | Cllr | best possible | with names |\n|---|---|---|---|---|")
        for name, ears in ears_of.items():
            heard = simulated(ears, work, shows, chosen.num_shows, chosen.half)
            for kind, calibration in made[name].items():
                print(row_of_simulated(name, kind, ears, heard, calibration))


class Remembered:
    """An embedder that hears no window twice, known again by its samples; what it heard is kept in a file."""

    def __init__(self, embedder: Embedder, file: Path) -> None:
        self._embedder, self._file = embedder, file
        self.name, self.dimension, self.min_speech = embedder.name, embedder.dimension, embedder.min_speech
        self._known: dict[bytes, Array] = pickle.loads(file.read_bytes()) if file.is_file() else {}
        self._num_kept = len(self._known)

    def embed(self, samples: Array, windows: npt.NDArray[np.int64], features: Array | None = None) -> Array:
        keys = [hashlib.sha1(samples[start:end].tobytes()).digest() for start, end in windows]
        new = [idx for idx, key in enumerate(keys) if key not in self._known]
        if new:
            vectors = self._embedder.embed(samples, windows[new], features)
            self._known.update({keys[idx]: vector.copy() for idx, vector in zip(new, vectors, strict=True)})
        return np.stack([self._known[key] for key in keys]) if keys else np.empty((0, self.dimension), np.float32)

    def keep(self) -> None:
        if len(self._known) > self._num_kept:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part = self._file.with_suffix(".part")
            part.write_bytes(pickle.dumps(self._known))
            part.rename(self._file)
            self._num_kept = len(self._known)


Hear = Callable[[], Sound]  # opened, or rendered, only where it is not known yet what is heard in it


def without(
    recipe: Any, show: str, episodes: Any, profiles: dict[str, tuple[Embedding, ...]], embedder: str, cohort: Cohort
) -> Calibration:
    """The calibration that fits all shows but one, of which neither episodes nor profiles take part."""
    others = {key: stretches for key, stretches in profiles.items() if key.split("/")[0] != show}
    voices = [voice for one in episodes if one.show != show for voice in recipe.voices_of(one, others)]
    fitted: Calibration = recipe.fit_all(voices, others, embedder, cohort)
    return fitted


class Ears:
    """What the built-in diarizer hears of a recording, and an embedder that may be another; kept in a folder."""

    def __init__(self, embedder: Embedder, cache: Path) -> None:
        self._cache = cache
        self.is_guide = is_built_in(embedder.name)
        self.guide = embedder if self.is_guide else open_embedder(DEFAULT_EMBEDDER, device="cpu")
        self._name = Path(embedder.name).stem
        self.own = embedder if self.is_guide else Remembered(embedder, cache / f"windows-{self._name}.pickle")

    def exact(self, recipe: Any, manifest: Any, folder: Path) -> tuple[list[Any], dict[str, tuple[Embedding, ...]]]:
        """The episodes with exact truth, and the profiles that have speech."""
        clips = {key: self.clip(recipe, folder / clip) for key, clip in manifest["profiles"].items()}
        entries = [entry for entry in manifest["episodes"] if entry["label_quality"].startswith("A")]
        episodes = [self.episode(recipe, entry, folder) for entry in entries]
        return episodes, {key: stretches for key, stretches in clips.items() if stretches}

    def clip(self, recipe: Any, file: Path) -> Any:
        heard = self._all_of(f"{file.parent.name}-{file.stem}", partial(Audio, file))
        return recipe.stretches_of(heard.windows, heard.vectors) if len(heard.windows) else ()

    def episode(self, recipe: Any, entry: dict[str, Any], folder: Path) -> Any:
        beside = folder / entry["id"]
        key, sound = f"{entry['id']}-audio", partial(Audio, beside / entry["audio"])
        found, own = conclude(self._heard(key, sound), self.guide, Clock()), self._all_of(key, sound)
        found = replace(found, embeddings=embeddings_of(own, found.turns, self.own.min_speech))
        truth, uem = read_rttm(beside / "ref.rttm"), read_uem(beside / "ref.uem")
        return recipe.Episode(entry["id"], entry["show"], frozenset(entry["enrolled"]), truth, uem, own, found)

    def told(self, key: str, heard: Heard, sound: Hear) -> Diarization:
        """Who speaks when, told by the guide, and what each is like by the embedder."""
        found = conclude(heard, self.guide, Clock())
        return replace(found, embeddings=self.voices(key, heard, sound, found.turns))

    def voices(self, key: str, heard: Heard, sound: Hear, turns: tuple[Turn, ...]) -> dict[str, tuple[Embedding, ...]]:
        """What the speakers of these turns are like by the embedder: the best of each where it is not built in."""
        by_guide = embeddings_of(heard, turns, self.guide.min_speech)
        if self.is_guide:
            return by_guide
        spoken = hashlib.sha1(repr(turns).encode()).hexdigest()[:12]
        found = Diarization(turns, by_guide, heard.duration)
        return self._kept(f"{key}-{spoken}-{self._name}", lambda: heard_best(sound(), heard, found, self.own))

    def voiceprints(self, key: str, heard: Heard, sound: Hear) -> tuple[Embedding, ...]:
        """Of a clip that is one person's."""
        turns = tuple(Turn(start, end, "") for start, end in heard.spans)
        return pool(self.voices(key, heard, sound, turns).get("", ()))

    def _all_of(self, key: str, sound: Hear) -> Heard:
        heard = self._heard(key, sound)
        if self.is_guide:
            return heard

        def hear() -> Heard:
            samples = np.concatenate(list(sound().blocks()))
            bounds = np.minimum(np.rint(heard.windows * SAMPLE_RATE).astype(np.int64), len(samples))
            own = Heard(self.own.dimension)
            own.windows, own.spans, own.duration = heard.windows, heard.spans, heard.duration
            own.probabilities = heard.probabilities
            own.vectors = self.own.embed(samples, bounds)
            return own

        return self._kept(f"{key}-{self._name}", hear)

    def _heard(self, key: str, sound: Hear) -> Heard:
        """By the guide."""
        return self._kept(f"{key}-{Path(self.guide.name).stem}", lambda: listen(sound(), self.guide, Clock()))

    def _kept(self, key: str, make: Callable[[], Made]) -> Made:
        made = kept(self._cache / f"{key}.pickle", make)
        if isinstance(self.own, Remembered):
            self.own.keep()
        return made


def kept(file: Path, make: Callable[[], Made]) -> Made:
    """What is kept in a file, or what is made and then kept in it."""
    if file.is_file():
        found: Made = pickle.loads(file.read_bytes())
        return found
    made = make()
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(pickle.dumps(made))
    part.rename(file)
    return made


@dataclass(frozen=True, eq=False)
class Judged:
    """A simulated show, before any calibration. ``heard`` is by who tells voices apart."""

    truth: Any
    heard: Heard
    found: Diarization
    library: Voiceprints


def simulated(ears: Ears, work: Path, folder: Path, num_shows: int, half: int) -> list[Judged]:
    """What an embedder hears of shows that nothing was fitted on."""
    import judge_shows
    import shows
    from segmentation_scenes import open_pool
    from simulate import Pool

    @functools.cache
    def people() -> Any:
        whole = open_pool(work)
        clips = {person: whole.clips[person] for person in whole.speakers[half::2]}
        return Pool(whole.samples, whole.active, clips, whole.noise_samples, whole.noise)

    @functools.lru_cache(maxsize=1)
    def rendered(number: int) -> Any:
        return shows.show_of(people(), np.random.default_rng([half, number]), shows.Kind())

    judged = []
    for file in judge_shows.shows_of(folder, 0, num_shows):
        number, truth, rows = int(file.stem), judge_shows.truth_of(file), []
        for person in truth.profiles:
            clip = judge_shows.heard_of(file.parent / "profiles" / f"{file.stem}_{person}.npz", ears.guide)
            sound = partial(lambda number, person: Samples(rendered(number).profiles[person]), number, person)
            rows += [(person, one) for one in ears.voiceprints(f"simulated-{half}-{file.stem}-{person}", clip, sound)]
        library = Voiceprints(
            tuple(person for person, _ in rows),
            np.stack([one.vector for _, one in rows]),
            np.array([one.seconds for _, one in rows], np.float32),
        )
        heard = judge_shows.heard_of(file, ears.guide)
        found = ears.told(
            f"simulated-{half}-{file.stem}", heard, partial(lambda number: Samples(rendered(number).samples), number)
        )
        judged.append(Judged(truth, heard, found, library))
    return judged


def row_of_simulated(name: str, kind: str, ears: Ears, judged: Sequence[Judged], calibration: Calibration) -> str:
    import judge_shows

    sums, right, wrong = judge_shows.Figures(), [], []
    for show in judged:
        found = show.found
        if ears.is_guide:  # told who is enrolled, as in the product
            found = conclude(show.heard, ears.guide, Clock(), anchors=Anchors(show.library, calibration))
        sums.add(judge_shows.figures(show.truth, *judge_shows.names_of(found, show.library, calibration)))
        own, other = odds_of(show, calibration)
        right += own
        wrong += other
    costs = f"{cllr(np.array(right), np.array(wrong)):.3f} | {min_cllr(np.array(right), np.array(wrong)):.3f}"
    return f"| `{name}` | {kind} | {costs} | {sums} |"


def odds_of(show: Judged, calibration: Calibration) -> tuple[list[float], list[float]]:
    """What the calibration says of the pairs that are one person, and of those that are not, for a library of five."""
    import judge_shows

    people = sorted({turn.speaker for turn in show.truth.turns})
    labels = sorted({turn.speaker for turn in show.found.turns})
    said = judge_shows.table(show.truth.turns, people, show.truth.seconds)
    heard = judge_shows.table(show.found.turns, labels, show.truth.seconds)
    shared = heard.astype(np.float32) @ said.astype(np.float32).T
    right: list[float] = []
    wrong: list[float] = []
    for label, own in show.found.embeddings.items():
        seconds = shared[labels.index(label)]
        if not len(seconds) or seconds.max() < PURE * seconds.sum():
            continue
        person = people[int(seconds.argmax())]
        score = normalised_scores(centroid(own).vector[None], show.library, calibration)[0]
        odds = calibration.logit(
            score, steadiness(own), seconds=sum(one.seconds for one in own), num_voiceprints=show.library.counts
        )
        for profile, value in zip(show.library.names, odds, strict=True):
            (right if profile == person else wrong).append(float(value))
    return right, wrong


def row(
    recipe: Any, name: str, kind: str, by_show: dict[str, Calibration], trials: Any, episodes: Any, profiles: Any
) -> str:
    table, show_of = trials
    logits = np.empty(len(table.target))
    for show, made in by_show.items():
        rows = show_of == show
        logits[rows] = fitting.logits(table.only(rows), made)
    right, wrong, strangers = {}, [], []
    for first in ("syn", "tts"):
        shares = []
        for kept in ("all", "show"):
            parts = []
            for episode in (one for one in episodes if one.show.startswith(first)):
                library = {k: v for k, v in profiles.items() if kept == "all" or k.split("/")[0] == episode.show}
                parts.append(recipe.name_episode(episode, library, by_show[episode.show])[0])
            summed = total(parts)
            shares.append(f"{summed.right_rate:.1%}")
            if kept == "all":
                wrong.append(f"{summed.wrong_rate:.1%}")
                strangers.append(f"{summed.num_strangers_named} of {summed.num_strangers}")
        right[first] = f"{shares[0]} ({shares[1]})"
    costs = f"{cllr(logits[table.target], logits[~table.target]):.3f}"
    least = f"{min_cllr(logits[table.target], logits[~table.target]):.3f}"
    cells = (f"`{name}`", kind, costs, least, right["syn"], right["tts"], ", ".join(wrong), ", ".join(strangers))
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
