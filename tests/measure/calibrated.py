"""Print how a calibration made with the kit does against one fitted to the very episodes, as rows of a Markdown table.

    python -m tests.measure.calibrated ../shared/data/dev --embedder NAME... [--cache FOLDER] [--simulated WORK]

NAME is a model of ``voicematch models list``, an ONNX file, or ``resemblyzer`` (as in yardstick.py). The built-in
diarizer tells voices apart; the embedder hears its windows of speech, of the episodes with exact truth and of the
enrollment clips. Right is the share of the enrolled people's talk that gets their name, wrong the share of all talk
that gets another's: all profiles in one library, and in brackets those of each show.

WORK is a folder that ``models/train/shows.py prepare`` made: then the same is printed of shows simulated from every
second person in it, named by the kit's calibration, each show with its own profiles.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.measure.yardstick import Resemblyzer
from voicematch.audio import SAMPLE_RATE, Audio
from voicematch.audio.spans import Samples
from voicematch.engines import open_embedder
from voicematch.engines.diarize import conclude, guide_of
from voicematch.engines.embed import Embedder
from voicematch.engines.listening import listen
from voicematch.engines.windows import Clock, Heard, embeddings_of
from voicematch.evaluate import cllr, min_cllr, read_rttm, read_uem, total
from voicematch.models.table import is_known
from voicematch.types import Diarization, Embedding, Sound, Turn
from voicematch.usecases.calibrate import calibrate as calibrated
from voicematch.usecases.learn import pool
from voicematch.voices import fitting
from voicematch.voices.score import Calibration, Cohort, Voiceprints

RECIPE = Path(__file__).resolve().parents[2] / "models" / "train"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--embedder", action="append", required=True)
    parser.add_argument("--cache", type=Path, default=Path("build/calibrated"))
    parser.add_argument("--simulated", type=Path, metavar="WORK")
    parser.add_argument("--num-shows", type=int, default=20)
    chosen = parser.parse_args()
    sys.path.insert(0, str(RECIPE))
    import calibrate as recipe

    manifest = json.loads((chosen.folder / "manifest.json").read_text(encoding="utf-8"))
    print(
        "| embedder | calibrated with | Cllr | best possible | right, synthetic | right, TTS "
        "| wrong | strangers named |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in chosen.embedder:
        embedder = Resemblyzer() if name == "resemblyzer" else open_embedder(name, device="cpu")
        ears = Ears(embedder, chosen.cache)
        episodes, profiles = ears.exact(recipe, manifest, chosen.folder)
        voices = [voice for episode in episodes for voice in recipe.voices_of(episode, profiles)]
        kit = calibrated(embedder, keep=False).calibration
        assert kit.cohort is not None
        fitted = recipe.fit_all(voices, profiles, name, kit.cohort)
        table, show_of = recipe.trials(voices, profiles, kit.cohort)
        shows = np.unique(show_of)
        left_out = {show: fitting.logistic(table.only(show_of != show), fitted) for show in shows}
        print(row(recipe, name, "kit", dict.fromkeys(shows, kit), (table, show_of), episodes, profiles))
        print(row(recipe, name, "dev, each show left out", left_out, (table, show_of), episodes, profiles))
        if chosen.simulated is not None:
            print(name, "on simulated shows:", simulated(ears, kit, chosen.simulated, chosen.num_shows))


def without(
    recipe: Any, show: str, episodes: Any, profiles: dict[str, tuple[Embedding, ...]], embedder: str, cohort: Cohort
) -> Calibration:
    """The calibration that fits all shows but one, of which neither episodes nor profiles take part."""
    others = {key: stretches for key, stretches in profiles.items() if key.split("/")[0] != show}
    voices = [voice for one in episodes if one.show != show for voice in recipe.voices_of(one, others)]
    fitted: Calibration = recipe.fit_all(voices, others, embedder, cohort)
    return fitted


class Ears:
    """What the built-in diarizer hears of a recording, with vectors of another embedder; kept in a folder."""

    def __init__(self, embedder: Embedder, cache: Path) -> None:
        self._own, self._guide, self._cache = embedder, guide_of(embedder) or embedder, cache
        if not is_known(embedder.name):
            self._guide = open_embedder(device="cpu")

    def exact(self, recipe: Any, manifest: Any, folder: Path) -> tuple[list[Any], dict[str, tuple[Embedding, ...]]]:
        """The episodes with exact truth, and the profiles that have speech."""
        clips = {key: self.clip(recipe, folder / clip) for key, clip in manifest["profiles"].items()}
        entries = [entry for entry in manifest["episodes"] if entry["label_quality"].startswith("A")]
        episodes = [self.episode(recipe, entry, folder) for entry in entries]
        return episodes, {key: stretches for key, stretches in clips.items() if stretches}

    def clip(self, recipe: Any, file: Path) -> Any:
        heard = self._heard(file, self._own)
        return recipe.stretches_of(heard.windows, heard.vectors) if len(heard.windows) else ()

    def episode(self, recipe: Any, entry: dict[str, Any], folder: Path) -> Any:
        file, beside = folder / entry["id"] / entry["audio"], folder / entry["id"]
        heard, own = self._heard(file, self._guide), self._heard(file, self._own)
        found = conclude(heard, self._guide, Clock())
        found = replace(found, embeddings=embeddings_of(own, found.turns, self._own.min_speech))
        truth, uem = read_rttm(beside / "ref.rttm"), read_uem(beside / "ref.uem")
        return recipe.Episode(entry["id"], entry["show"], frozenset(entry["enrolled"]), truth, uem, own, found)

    def told(self, sound: Sound) -> Diarization:
        """Who speaks when, told by the guide, and what each is like by the embedder."""
        heard = listen(sound, self._guide, Clock())
        found = conclude(heard, self._guide, Clock())
        return replace(found, embeddings=embeddings_of(self._own_of(heard, sound), found.turns, self._own.min_speech))

    def voiceprints(self, sound: Sound) -> tuple[Embedding, ...]:
        """Of a clip that is one person's."""
        heard = self._own_of(listen(sound, self._guide, Clock()), sound)
        turns = tuple(Turn(start, end, "") for start, end in heard.spans)
        return pool(embeddings_of(heard, turns, self._own.min_speech).get("", ()))

    def _own_of(self, heard: Heard, sound: Sound) -> Heard:
        if self._own.name == self._guide.name:
            return heard
        samples = np.concatenate(list(sound.blocks()))
        bounds = np.minimum(np.rint(heard.windows * SAMPLE_RATE).astype(np.int64), len(samples))
        own = Heard(self._own.dimension)
        own.windows, own.spans, own.duration = heard.windows, heard.spans, heard.duration
        own.probabilities = heard.probabilities
        own.vectors = self._own.embed(samples, bounds)
        return own

    def _heard(self, file: Path, embedder: Embedder) -> Heard:
        kept = self._cache / f"{file.parent.name}-{file.stem}-{Path(embedder.name).stem}.pickle"
        if kept.is_file():
            found: Heard = pickle.loads(kept.read_bytes())
            return found
        if embedder.name == self._guide.name:
            heard = listen(Audio(file), embedder, Clock())
        else:
            heard = self._own_of(self._heard(file, self._guide), Audio(file))
        self._cache.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps(heard))
        return heard


def simulated(ears: Ears, kit: Calibration, work: Path, num_shows: int) -> Any:
    """The figures of shows that nothing was fitted on, as ``judge_shows.py`` counts them."""
    import judge_shows
    import shows
    from segmentation_scenes import open_pool
    from simulate import Pool

    whole = open_pool(work)
    clips = {person: whole.clips[person] for person in whole.speakers[1::2]}
    people = Pool(whole.samples, whole.active, clips, whole.noise_samples, whole.noise)
    sums = judge_shows.Figures()
    for number in range(num_shows):
        show = shows.show_of(people, np.random.default_rng([8, number]))
        found = ears.told(Samples(show.samples))
        truth = judge_shows.Truth(
            str(number),
            len(show.samples) / SAMPLE_RATE,
            tuple(Turn(*turn) for turn in show.turns),
            tuple(show.profiles),
        )
        rows = [(name, one) for name, sound in show.profiles.items() for one in ears.voiceprints(Samples(sound))]
        library = Voiceprints(
            tuple(name for name, _ in rows),
            np.stack([one.vector for _, one in rows]),
            np.array([one.seconds for _, one in rows], np.float32),
        )
        sums.add(judge_shows.figures(truth, *judge_shows.names_of(found, library, kit)))
    return sums


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
