"""What matching voices makes of synthetic voices, and of voices that a line, a codec or a change of pitch has altered.

    python models/train/impostors.py SYNTHETIC --data ../shared/data

SYNTHETIC is a folder that ``synthetic_speech.py`` made; the people are those of ``trials`` who have enough speech, whom
nothing here was fitted on. A voice is enrolled from half of its clips, up to half a minute, and tested with 15 s of the
other half, said in other sentences, by the default embedder and its calibration. The library has five profiles: the
voice's own and four others, of the same synthesiser or corpus where there are as many; a stranger's is without its own.
"""

from __future__ import annotations

import voicematch  # noqa: F401  # isort: skip  # before onnxruntime, which it keeps from reporting

import argparse
import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from augment import SAMPLE_RATE, banded, companded, decode, passed_through, rms
from manner import LONGEST, Manner, spoken
from scipy.signal import resample_poly

from voicematch.audio.spans import Samples
from voicematch.engines import open_embedder
from voicematch.engines.embed import Embedder
from voicematch.engines.listening import listen
from voicematch.engines.windows import Clock, embeddings_of
from voicematch.models import files
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.types import Embedding, Match, Turn, Verdict
from voicematch.usecases.learn import pool
from voicematch.voices.match import match
from voicematch.voices.score import Calibration, Voiceprints

Sound = npt.NDArray[np.int16]

LEAST, MOST, TESTED = 8, 30, 15  # s of sound: in each half, enrolled, tested
MOST_PEOPLE = 6  # of one corpus
OTHERS = 4  # in the library
WITHOUT_MOODS = ("cv61", "cv_en", "cv_tw", "cv_vi", "libri", "msc", "so762", "wuw2")
SAME_PERSON = (  # recorded once, made into two synthesisers
    (("flite", "slt"), ("hts", "cmu_us_slt_arctic_hts")),
    (("flite", "kal16"), ("festival", "kal_diphone")),
)


@dataclass(frozen=True, eq=False)
class Voice:
    """enrolled, tested : two halves of what is there of it, in other words"""

    family: str
    name: str
    enrolled: Sound
    tested: Sound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("synthetic", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with trials")
    chosen = parser.parse_args()
    hear = partial(heard, open_embedder(device="cpu"))
    calibration = files.calibration(DEFAULT_EMBEDDER)
    print("| tested | voices | named as it | suggested | score | strangers named as another |")
    print("|---|---|---|---|---|---|")
    made = list(synthetic_voices(chosen.synthetic))
    enrolled = {(voice.family, voice.name): pool(hear(voice.enrolled)) for voice in made}
    tested = {(voice.family, voice.name): hear(voice.tested) for voice in made}
    for family in dict.fromkeys(voice.family for voice in made):
        own = [key for key in enrolled if key[0] == family]
        print(row(f"{family}, other sentences", [(key, key) for key in own], enrolled, tested, calibration), flush=True)
    pairs = [pair for one, other in SAME_PERSON for pair in ((one, other), (other, one)) if {one, other} <= set(tested)]
    print(row("one person by two synthesisers", pairs, enrolled, tested, calibration), flush=True)
    people = list(real_voices(chosen.data / "trials"))
    enrolled = {(voice.family, voice.name): pool(hear(voice.enrolled)) for voice in people}
    for name, change in CHANGES.items():
        tested = {(voice.family, voice.name): hear(change(voice.tested)) for voice in people}
        print(row(f"people, {name}", [(key, key) for key in enrolled], enrolled, tested, calibration), flush=True)


Key = tuple[str, str]


def row(
    title: str,
    pairs: Iterable[tuple[Key, Key]],
    enrolled: dict[Key, tuple[Embedding, ...]],
    tested: dict[Key, tuple[Embedding, ...]],
    calibration: Calibration,
) -> str:
    """One line of the table: each second voice heard where the first has a profile, and where it has none."""
    names: list[tuple[Match, float, Match]] = []
    for profile, voice in pairs:
        others = neighbours({profile, voice}, voice[0], list(enrolled))
        own = judged(tested[voice], [profile, *others], enrolled, calibration)
        score = max((c.score for c in own.candidates if c.profile == "/".join(profile)), default=float("nan"))
        names.append((own, score, judged(tested[voice], others, enrolled, calibration)))
        assert own.profile in (None, *("/".join(key) for key in [profile, *others]))
    given = [own.profile == "/".join(pair[0]) for (own, _, _), pair in zip(names, pairs, strict=True)]
    accepted = sum(own.verdict is Verdict.ACCEPT and right for (own, _, _), right in zip(names, given, strict=True))
    suggested = sum(own.verdict is Verdict.REVIEW and right for (own, _, _), right in zip(names, given, strict=True))
    strangers = sum(stranger.verdict is Verdict.ACCEPT for _, _, stranger in names)
    scores = np.array([score for _, score, _ in names])
    cells = (title, len(names), share(accepted, len(names)), suggested, f"{np.nanmean(scores):.2f}")
    return f"| {' | '.join(map(str, cells))} | {share(strangers, len(names))} |"


def share(count: int, total: int) -> str:
    return f"{count} ({count / max(total, 1):.0%})"


def neighbours(apart: set[Key], family: str, keys: Sequence[Key]) -> list[Key]:
    """Four other voices, those of the same family first; always the same four."""
    order = np.random.default_rng(sum(map(ord, "".join(map("".join, sorted(apart)))))).permutation(len(keys))
    free = [keys[place] for place in order if keys[place] not in apart]
    return sorted(free, key=lambda key: key[0] != family)[:OTHERS]


def judged(
    voice: tuple[Embedding, ...], library: Sequence[Key], enrolled: dict[Key, tuple[Embedding, ...]], fit: Calibration
) -> Match:
    rows = [(f"{family}/{name}", print_) for family, name in library for print_ in enrolled[family, name]]
    voiceprints = Voiceprints(
        tuple(name for name, _ in rows),
        np.stack([one.vector for _, one in rows]),
        np.array([one.seconds for _, one in rows], np.float32),
    )
    return match({"S": voice}, voiceprints, calibration=fit, talk_seconds={"S": sum(e.seconds for e in voice)})["S"]


def heard(embedder: Embedder, samples: Sound) -> tuple[Embedding, ...]:
    found = listen(Samples(samples.astype(np.float32) / np.float32(32_768)), embedder, Clock())
    turns = tuple(Turn(start, end, "S") for start, end in found.spans)
    return embeddings_of(found, turns, embedder.min_speech).get("S", ())


def synthetic_voices(folder: Path) -> Iterable[Voice]:
    for voice in sorted(folder.glob("*/*")):
        yield from halves(voice.parent.name, voice.name, sorted(voice.glob("*.opus")))


def real_voices(trials: Path) -> Iterable[Voice]:
    with (trials / "clips.tsv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["corpus"] in WITHOUT_MOODS]
    found = dict.fromkeys(WITHOUT_MOODS, 0)
    for corpus, speaker in sorted({(row["corpus"], row["speaker"]) for row in rows}):
        own = sorted((row for row in rows if row["speaker"] == speaker), key=lambda row: row["path"])
        if found[corpus] < MOST_PEOPLE and sum(float(row["seconds"]) for row in own) >= 2 * LEAST:
            for voice in halves(corpus, speaker, [trials / row["path"] for row in own]):
                found[corpus] += 1
                yield voice


def halves(family: str, name: str, paths: list[Path]) -> Iterable[Voice]:
    """The voice, if either half of the clips, every second one, has enough speech."""
    sounds = [decode(str(path)) for path in paths]
    parts = [sounds[0::2], sounds[1::2]]
    if all(sum(map(len, part)) >= LEAST * SAMPLE_RATE for part in parts):
        first, second = (np.concatenate(part) for part in parts)
        yield Voice(family, name, first[: MOST * SAMPLE_RATE], second[: TESTED * SAMPLE_RATE])


def telephone(samples: Sound) -> Sound:
    sound = banded(samples.astype(np.float32) / np.float32(32_768), 300.0, 3_400.0)
    return np.round(companded(sound * np.float32(0.1 / rms(sound))) * 32_767).astype(np.int16)


def resung(samples: Sound, manner: Manner) -> Sound:
    """Piece by piece, since WORLD takes eight seconds at a time."""
    random = np.random.default_rng(0)
    pieces = [samples[at : at + LONGEST] for at in range(0, len(samples), LONGEST)]
    return np.concatenate([spoken(piece, manner, random) for piece in pieces if len(piece) > SAMPLE_RATE])


def played(samples: Sound, up: int, down: int) -> Sound:
    made = resample_poly(samples.astype(np.float32), up, down)
    return np.clip(np.round(made), -32_768, 32_767).astype(np.int16)


CHANGES: dict[str, Callable[[Sound], Sound]] = {
    "as they are": lambda samples: samples,
    "telephone (300 to 3,400 Hz, µ-law)": telephone,
    "AMR, 4.75 kbit/s": lambda samples: passed_through(samples, "libopencore_amrnb", "amr", 8_000, 4_750),
    "Opus, 6 kbit/s": lambda samples: passed_through(samples, "libopus", "ogg", 16_000, 6_000),
    "MP3, 16 kbit/s": lambda samples: passed_through(samples, "libmp3lame", "mp3", 16_000, 16_000),
    "played 12 % slower": partial(played, up=9, down=8),
    "played 12 % faster": partial(played, up=8, down=9),
    "taken apart and put together by WORLD": partial(resung, manner=Manner()),
    **{f"pitch {by:+d} semitones": partial(resung, manner=Manner(semitones=by)) for by in (-3, 3)},
}

if __name__ == "__main__":
    main()
