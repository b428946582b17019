"""Print how right voicematch is on a folder of episodes with truth, as a Markdown table.

    python -m tests.measure.accuracy ../shared/data/dev [--only syn_]... [--diarizer NAME] [--embedder NAME]
        [--leave-out]

The folder holds ``manifest.json`` (episodes with their enrolled people; profiles with an enrollment clip each) and per
episode the audio, ``ref.rttm`` and ``ref.uem``. Every episode is identified twice through the library's own functions:
with the profiles of its show, and with the profiles of all shows. A profile that was cut from the very episode is
neither judged as enrolled nor as a stranger. DER has overlap scored; its collar is in seconds on each side.

With ``--leave-out`` the calibration is none that ships: it is fitted to the shows themselves, as
``models/train/calibrate.py`` does it, but for each show without that show's episodes and profiles. Shows whose truth is
not exact are judged and never fitted to. Nothing of it is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pickle
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.measure import calibrated
from voicematch import enroll, identify, open_library
from voicematch.audio import Audio
from voicematch.engines import open_diarizer, open_embedder
from voicematch.engines.anchors import Anchors
from voicematch.engines.diarize import BuiltinDiarizer, Diarizer
from voicematch.engines.embed import Embedder
from voicematch.errors import EnrollmentError
from voicematch.evaluate import (
    DiarizationScore,
    IdentificationScore,
    NamingScore,
    diarization_error,
    identification_error,
    naming,
    read_rttm,
    read_uem,
    total,
)
from voicematch.library import Library
from voicematch.models import files
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.types import Diarization, LabelledEpisode, Progress, Sound, Turn, Verdict
from voicematch.usecases.calibrate import SETTING
from voicematch.usecases.chosen import Engines
from voicematch.voices.score import Calibration


class RememberingDiarizer:
    """A diarizer that listens to each file once for each library that asks for it.

    folder : where answers are kept between runs; None keeps them for this run
    """

    def __init__(self, diarizer: Diarizer, folder: Path | None) -> None:
        self.name = diarizer.name
        self.diarizer = diarizer
        self.folder = folder
        self.seconds = 0.0
        self._answers: dict[str, Diarization] = {}

    def diarize(
        self,
        audio: Sound,
        embedder: Embedder,
        *,
        speakers: tuple[int, int] | None = None,
        anchors: Anchors | None = None,
        progress: Progress | None = None,
    ) -> Diarization:
        key = "_".join(Path(audio.source).parts[-3:]) if isinstance(audio, Audio) else ""
        if key and anchors is not None and anchors.voiceprints.profiles:
            known = anchors.voiceprints.vectors.tobytes() + anchors.calibration.to_json().encode()
            key = f"{key}.{sha256(known).hexdigest()[:8]}"
        kept = key if self.name == BuiltinDiarizer.name else f"{key}.{self.name.replace(':', '-')}"
        file = self.folder / f"{kept}.{embedder.name}.pickle" if self.folder is not None and key else None
        if key in self._answers:
            return self._answers[key]
        if file is not None and file.exists():
            self._answers[key] = pickle.loads(file.read_bytes())
            return self._answers[key]
        began = time.perf_counter()
        answer = self.diarizer.diarize(audio, embedder, speakers=speakers, anchors=anchors, progress=progress)
        self.seconds += time.perf_counter() - began
        self._answers[key] = answer
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(pickle.dumps(answer))
        return answer


@dataclass
class Scores:
    """Of one kind of episode."""

    exact: list[DiarizationScore] = field(default_factory=list)
    collar: list[DiarizationScore] = field(default_factory=list)
    names: list[IdentificationScore] = field(default_factory=list)
    naming: list[NamingScore] = field(default_factory=list)
    seconds: float = 0.0

    def row(self, kind: str, library: str) -> str:
        exact, collar, names, naming = total(self.exact), total(self.collar), total(self.names), total(self.naming)
        cells = (
            kind,
            library,
            f"{exact.der:.1%} ({exact.miss_rate:.1%} + {exact.false_alarm_rate:.1%} + {exact.confusion_rate:.1%})",
            f"{collar.der:.1%}",
            f"{exact.jer:.1%}",
            f"{exact.num_episodes_count_right}/{exact.num_episodes}",
            f"{names.ier:.1%}",
            f"{naming.right_rate:.1%}",
            f"{naming.wrong_rate:.2%}",
            f"{naming.num_right}/{naming.num_enrolled}",
            f"{naming.num_strangers_named}/{naming.num_strangers}",
        )
        return f"| {' | '.join(cells)} |"


HEAD = """\
| episodes | library | DER, collar 0 (miss + false alarm + confusion) | collar 0.25 | JER | count right | IER |\
 enrolled talk time right | talk time wrong | people right | strangers named |
|---|---|---|---|---|---|---|---|---|---|---|"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", action="append", help="episodes whose id begins so (repeatable)")
    parser.add_argument("--diarizer", default="built-in", help="another one, such as pyannote or pyannote:FOLDER")
    parser.add_argument("--embedder", default=DEFAULT_EMBEDDER, help="another one, of `voicematch models list`")
    parser.add_argument("--cache", type=Path, help="keep what the diarizer found here, for the next run")
    parser.add_argument("--leave-out", action="store_true", help="fit the calibration to all shows but the one judged")
    parser.add_argument("--verbose", action="store_true", help="also print every episode and every doubtful speaker")
    arguments = parser.parse_args()
    manifest = json.loads((arguments.folder / "manifest.json").read_text(encoding="utf-8"))
    diarizer = RememberingDiarizer(open_diarizer(arguments.diarizer), arguments.cache)
    embedder = open_embedder(arguments.embedder)
    engines = Engines(diarizer=diarizer, embedder=embedder)
    scores: dict[tuple[str, str], Scores] = {}
    began = time.perf_counter()
    judged = [entry for entry in manifest["episodes"] if entry["id"].startswith(tuple(arguments.only or ("",)))]
    with tempfile.TemporaryDirectory() as work, contextlib.ExitStack() as opened:
        fitted: dict[str, Calibration] = {}
        if arguments.leave_out:
            kept = arguments.cache or Path(work)
            fitted = leave_out({one["show"] for one in judged}, manifest, arguments.folder, embedder, kept)
        libraries: dict[tuple[str, str], Library] = {}
        for episode in judged:
            for kept_by, of_show in (("show", episode["show"]), ("all", "")):
                # With a calibration for each show, each has a library of all shows for itself.
                key = (of_show, episode["show"] if fitted else of_show)
                if key not in libraries:
                    file = Path(work) / f"{'-'.join(filter(None, (kept_by, *key)))}.db"
                    libraries[key] = opened.enter_context(open_library(file))
                    if fitted:
                        engines.resolve(libraries[key])
                        libraries[key].settings.set(SETTING, fitted[episode["show"]].to_json())
                    enroll_all(libraries[key], manifest["profiles"], arguments.folder, of_show, engines)
                folder = arguments.folder / episode["id"]
                answer = identify(folder / episode["audio"], library=libraries[key], engines=engines)
                known = {profile.name for profile in libraries[key].people.find()[0]}
                score(scores.setdefault((kind(episode["id"]), kept_by), Scores()), episode, folder, answer, known)
                if arguments.verbose:
                    print_episode(episode, answer, kept_by)
    print(report(scores, embedder.name, fitted))
    print(f"\n{time.perf_counter() - began:.0f} s, of which {diarizer.seconds:.0f} s diarizing", file=sys.stderr)


def report(scores: Mapping[tuple[str, str], Scores], embedder: str, fitted: Mapping[str, Calibration]) -> str:
    """Return the table, and a line of what the names were calibrated with.

    fitted : for each show that was judged, when it was left out; empty when the calibration is the one that ships
    """
    rows = [part.row(of_kind, kept) for (of_kind, kept), part in scores.items()]
    made = f"the one that comes with {embedder}"
    if fitted:
        made = f"fitted to all shows with exact truth but the one that is judged, in turn ({len(fitted)} judged)"
    return "\n".join((HEAD, *rows, "", f"Calibration: {made}."))


def leave_out(
    shows: set[str], manifest: dict[str, Any], folder: Path, embedder: Embedder, cache: Path
) -> dict[str, Calibration]:
    """For each show the calibration that fits all the others."""
    sys.path.insert(0, str(calibrated.RECIPE))
    import calibrate as recipe

    cohort = files.calibration(embedder.name).cohort
    if cohort is None:
        raise SystemExit(f"{embedder.name} has no calibration yet, whose cohort this needs: voicematch calibrate")
    episodes, profiles = calibrated.Ears(embedder, cache).exact(recipe, manifest, folder)
    with contextlib.redirect_stdout(sys.stderr):  # the recipe prints what it fits
        return {
            show: calibrated.without(recipe, show, episodes, profiles, embedder.name, cohort) for show in sorted(shows)
        }


def kind(episode: str) -> str:
    first = episode.split("_")[0]
    return {"syn": "synthetic", "tts": "TTS"}.get(first, "real")


def enroll_all(library: Library, profiles: dict[str, str], folder: Path, show: str, engines: Engines) -> None:
    """Enroll the profiles of one show, or of all shows when `show` is empty."""
    for profile, clip in profiles.items():
        of_show, name = profile.split("/")
        if show in ("", of_show):
            try:
                enroll(name, folder / clip, library=library, consent="permission", engines=engines)
            except EnrollmentError as error:
                print(f"not enrolled: {error}", file=sys.stderr)


def score(scores: Scores, episode: dict[str, Any], folder: Path, answer: LabelledEpisode, known: set[str]) -> None:
    reference = read_rttm(folder / "ref.rttm")
    uem = read_uem(folder / "ref.uem")
    named = [Turn(turn.start, turn.end, answer.name(turn.speaker)) for turn in answer.turns]
    scores.exact.append(diarization_error(reference, answer.turns, uem))
    scores.collar.append(diarization_error(reference, answer.turns, uem, collar=0.25))
    scores.names.append(identification_error(reference, named, uem, known=known))
    enrolled = known.intersection(episode["enrolled"])
    own_clip = known.intersection(episode["speakers"]) - enrolled
    scores.naming.append(naming(reference, named, uem, enrolled=enrolled, known=known, ignored=own_clip))


def print_episode(episode: dict[str, Any], answer: LabelledEpisode, kept: str) -> None:
    print(f"{episode['id']} ({kept}): {', '.join(episode['speakers'])}; enrolled {', '.join(episode['enrolled'])}")
    for label, seconds in answer.talk_seconds().items():
        given = answer.matches[label]
        name = given.profile if given.verdict is Verdict.ACCEPT else given.verdict.value
        print(f"  {label} {seconds:6.1f} s  {name}: {'; '.join(given.reasons)}")


if __name__ == "__main__":
    main()
