"""Whole simulated shows with profiles: what the diarizer's and the matching's constants are fitted and judged on.

    python models/train/shows.py prepare ../shared/data/train WORK/train
    python models/train/shows.py prepare ../shared/data/trials WORK/held --noise WORK/train --without emo
    python models/train/shows.py render WORK/train WORK/train --shows 120
    python models/train/shows.py render WORK/held WORK/fit --shows 60 --half 0  # of people the embedder never heard,
    python models/train/shows.py render WORK/held WORK/judge --shows 60 --half 1  # to fit on, and others to judge by

``--corpus`` leaves only people of some corpora (single words are not how a podcast sounds), ``--alike`` puts voices
together that an embedder has near each other, ``--twins`` one person and the same voice at another pitch;
``--one-room`` leaves everybody where they are, as most podcasts do; ``--distinct`` leaves out whom a corpus seems to
count twice, as Common Voice does with people who come back from another browser. ``--on-table`` makes other shows,
short ones: two to five people around one microphone on a table, who interrupt each other (``simulate.on_a_table``).

A show has one to twelve people: hosts and guests in segments, callers by telephone, advertisements over music,
jingles between segments, at times a second microphone or room for somebody who comes back, and often only voices of
one corpus, which resemble each other. About half of its people are enrolled, from other clips through another
channel, and so are some who are never heard in it. Of a show are kept ``rows`` (its log mel rows) and its truth (turns
and who is enrolled); these outlast any network, which then hears an hour in seconds. Everything follows from the seed.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import segmentation_pool
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import signal
from segmentation_pool import PAUSE, SAMPLE_RATE, STEP, Clip, Samples, close_gaps, runs
from segmentation_scenes import MOST_ALIKE, cosines_of, open_pool
from simulate import (
    LEVEL,
    Pool,
    Voice,
    another,
    coloured,
    in_room,
    jingle,
    levelled,
    meeting,
    noise,
    on_a_table,
    pause,
    room,
    say,
    telephone,
    tilt,
    transcoded,
)

from voicematch.engines.features import log_mel
from voicematch.engines.speech import SegmentationDetector, default_detector

log = logging.getLogger(__name__)

Alike = Mapping[str, Mapping[str, float]]
"""The cosine of two people's voices, by one and the other."""

TWIN = "~"  # after the name of a person
NUM_TWINS, TWIN_CLIPS = 60, 8
TWIN_PERCENT = (88, 90, 92, 108, 110, 112)  # speed
COMES_BACK = 0.2  # of the people, in another room or through another microphone
LEAST_SECONDS = 12.0  # of material, for a person to take part
PROFILE_SECONDS = 20.0  # of the material kept for the profile, when there is as much
MOST_WORK = 45.0  # minutes times people of a show; bounds the memory
NUMBERS = np.arange(1, 13)
SHARES = np.array([6, 22, 22, 15, 10, 7, 5, 4, 3, 2, 2, 2]) / 100


@dataclass(frozen=True, eq=False)
class Show:
    """samples : (num_samples,); turns : (start, end, person) in seconds; profiles : by person, sound of the clip."""

    samples: Samples
    turns: list[tuple[float, float, str]]
    profiles: dict[str, Samples]


@dataclass(frozen=True, eq=False)
class Kind:
    """What shows are made of.

    alike : cosine by person and person, by which those are chosen who are to be similar; else they are of one corpus
    one_room : nobody comes back through another microphone or room
    on_table : short talks that one microphone on a table hears
    """

    alike: Alike | None = None
    one_room: bool = False
    on_table: bool = False


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("prepare", help="decode a corpus once, and say where somebody speaks in it")
    first.add_argument("folder", type=Path, help="holds train.tsv and noise.tsv, or clips.tsv")
    first.add_argument("work", type=Path)
    first.add_argument("--noise", type=Path, help="a prepared folder whose noise is used")
    first.add_argument("--teacher", type=Path, help="segmentation-3.0's checkpoint, to say where clips contain speech")
    first.add_argument("--without", action="append", default=[], help="a corpus that is left out")
    second = commands.add_parser("render", help="write OUT/shows/NNNN.npz, .json and profiles")
    second.add_argument("work", type=Path, help="a prepared folder")
    second.add_argument("out", type=Path)
    second.add_argument("--half", type=int, choices=(0, 1), help="only every second person, from the first or second")
    second.add_argument("--shows", type=int, default=100)
    second.add_argument("--seed", type=int, default=0)
    second.add_argument("--corpus", action="append", default=[], help="only people of these; of all if none is given")
    second.add_argument("--alike", type=Path, help="a clips-*.npz of fit_engine.py: half of the shows of voices alike")
    second.add_argument(
        "--distinct", type=Path, help="such a file: who is nearer to another than MOST_ALIKE is left out"
    )
    second.add_argument("--twins", action="store_true", help="half of the shows have two who differ in pitch alone")
    second.add_argument("--one-room", action="store_true", help="nobody comes back in another room")
    second.add_argument("--on-table", action="store_true", help="short talks that one microphone on a table hears")
    chosen = parser.parse_args()
    if chosen.command == "prepare":
        prepare(chosen.folder, chosen.work, chosen.noise, set(chosen.without), chosen.teacher)
    else:
        pool = open_pool(chosen.work)
        again = _again(pool, chosen.distinct)
        pool = _only(pool, chosen.half, set(chosen.corpus), again)
        pool = _with_twins(pool, chosen.seed) if chosen.twins else pool
        alike = None if chosen.alike is None else cosines_of(pool, chosen.alike)
        kind = Kind(alike, chosen.one_room, chosen.on_table)
        render(pool, chosen.out, chosen.shows, chosen.seed + (chosen.half or 0), kind)


def prepare(folder: Path, work: Path, noise_of: Path | None, without: set[str], teacher: Path | None = None) -> None:
    """Write what ``segmentation_scenes.open_pool`` reads; a teacher or the built-in detector labels the clips."""
    work.mkdir(parents=True, exist_ok=True)
    manifest = next(file for name in ("train.tsv", "clips.tsv") if (file := folder / name).exists())
    with manifest.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["corpus"] not in without]
    segmentation_pool.build(_listed(rows, manifest, work), work, "speech")
    if noise_of is None:
        segmentation_pool.build(folder / "noise.tsv", work, "noise")
    else:
        for name in ("noise.npy", "noise.json"):
            (work / name).write_bytes((noise_of / name).read_bytes())
    detector = speech_probabilities
    if teacher is not None:
        from segmentation_teacher import Teacher, speech  # needs torch

        detector = partial(speech, Teacher(teacher))
    segmentation_pool.label(work, detector)


def _listed(rows: Sequence[Mapping[str, str]], manifest: Path, work: Path) -> Path:
    """A manifest of these rows alone, with paths that hold from anywhere."""
    listed = work / "clips.tsv"
    with listed.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["corpus", "speaker", "path"])
        writer.writerows(
            [row["corpus"], row["speaker"], str((manifest.parent / row["path"]).resolve())] for row in rows
        )
    return listed


def speech_probabilities(samples: Samples) -> Samples:
    """(num_samples // 160,) probability of speech by the built-in detector."""
    heard = np.repeat(detected(log_mel(samples))[:, 0], 2)
    return np.pad(heard, (0, max(0, len(samples) // STEP - len(heard))))


def detected(rows: Samples) -> Samples:
    """(num_frames, 3) what the built-in speech detector says of log mel rows."""
    detector = default_detector()
    nothing = np.empty(0, np.float32)
    block = 8 * SegmentationDetector.HOP
    found = [detector.process(nothing, rows[at : at + block]) for at in range(0, len(rows), block)]
    return np.concatenate([*found, detector.finish()])


def _only(pool: Pool, half: int | None, corpora: set[str], without: Set[str] = frozenset()) -> Pool:
    """The pool with every second person, from the first or second, and those of these corpora alone."""
    people = pool.speakers if half is None else pool.speakers[half::2]
    inside = [p for p in people if p not in without and (not corpora or pool.clips[p][0].kind in corpora)]
    clips = {person: pool.clips[person] for person in inside}
    return Pool(pool.samples, pool.active, clips, pool.noise_samples, pool.noise)


def _again(pool: Pool, file: Path | None) -> set[str]:
    """Whoever sounds like somebody of the same corpus who comes before them: most likely that very person."""
    alike = {} if file is None else cosines_of(pool, file)
    again: set[str] = set()
    for person in sorted(alike):
        kind = pool.clips[person][0].kind
        others = [p for p in sorted(alike) if p < person and p not in again and pool.clips[p][0].kind == kind]
        if any(alike[person][other] >= MOST_ALIKE for other in others):
            again.add(person)
    return again


def _with_twins(pool: Pool, seed: int) -> Pool:
    """Some of the people, and of each a twin: the same clips played faster or slower, which is another voice.

    Such pairs are as alike as two of a family, or two voices of one speech synthesiser.
    """
    rng = np.random.default_rng(seed)
    enough = [person for person in pool.speakers if _seconds(pool.clips[person]) >= LEAST_SECONDS]
    samples: list[NDArray[np.int16]] = []
    active: list[NDArray[np.bool_]] = []
    clips: dict[str, list[Clip]] = defaultdict(list)
    at = 0
    for idx in sorted(rng.permutation(len(enough))[:NUM_TWINS].tolist()):
        down = int(rng.choice(TWIN_PERCENT))
        for clip in pool.clips[enough[idx]][:TWIN_CLIPS]:
            sound, speech = pool.samples[clip.start : clip.end], pool.active[clip.start // STEP : clip.end // STEP]
            faster = np.clip(signal.resample_poly(sound.astype(np.float32), 100, down), -32_768, 32_767)
            pairs = [(clip.speaker, sound, speech), (clip.speaker + TWIN, faster.astype(np.int16), speech)]
            for person, own, own_speech in pairs:
                steps = len(own) // STEP
                samples.append(own[: steps * STEP])
                active.append(own_speech[np.minimum(np.arange(steps) * len(own_speech) // steps, len(own_speech) - 1)])
                clips[person].append(Clip(person, clip.kind, at, at + steps * STEP))
                at += steps * STEP
    return Pool(np.concatenate(samples), np.concatenate(active), dict(clips), pool.noise_samples, pool.noise)


def render(pool: Pool, out: Path, num_shows: int, seed: int, kind: Kind) -> None:
    """Write shows until there are that many; one that is there stays."""
    folder = out / "shows"
    (folder / "profiles").mkdir(parents=True, exist_ok=True)
    for number in range(num_shows):
        path = folder / f"{number:04d}.npz"
        if path.exists():
            continue
        began = time.monotonic()
        show = show_of(pool, np.random.default_rng([seed, number]), kind)
        rows = log_mel(show.samples)
        for person, samples in show.profiles.items():
            profile = log_mel(samples)
            np.savez(folder / "profiles" / f"{number:04d}_{person}.npz", rows=profile.astype(np.float16))
        truth = {"seconds": len(show.samples) / SAMPLE_RATE, "turns": show.turns, "profiles": sorted(show.profiles)}
        (folder / f"{number:04d}.json").write_text(json.dumps(truth), encoding="utf-8")
        np.savez(part := path.with_suffix(".part.npz"), rows=rows.astype(np.float16))
        part.rename(path)
        num_people = len({person for _, _, person in show.turns})
        log.info("%s: %.0f s, %d people, in %.0f s", path.name, truth["seconds"], num_people, time.monotonic() - began)


def show_of(pool: Pool, rng: Generator, kind: Kind) -> Show:
    """One show and its profiles."""
    alike = kind.alike
    if kind.on_table:
        number, minutes, with_advert = int(rng.integers(2, 6)), float(rng.uniform(0.5, 4)), False
    else:
        number = int(rng.choice(NUMBERS, p=SHARES))
        minutes = float(np.clip(rng.lognormal(1.5, 0.8), 2, 60))
        minutes = max(min(minutes, MOST_WORK / number), 0.5 * number, 2.0)
        with_advert = rng.random() < 0.3
    similar = rng.random() < 0.5
    people = _people(pool, rng, number + with_advert, similar, alike=alike)
    number = min(number, len(people))
    spoken_of, kept = _parted(pool, rng, people)
    own = Pool(pool.samples, pool.active, spoken_of, pool.noise_samples, pool.noise)
    studio = not kind.on_table and rng.random() < 0.35
    voices = [
        Voice(person, 1.0, float(rng.normal(0, 1.5 if studio else 4))) for person in people if person in own.clips
    ]
    if kind.on_table:
        mixed, turns = _table_talk(own, rng, voices, minutes)
    else:
        mixed, turns = _talk(own, rng, voices, number, minutes, studio, 0.0 if kind.one_room else COMES_BACK)
    absent = _people(pool, rng, 4, similar, people, alike)
    _, kept_of_absent = _parted(pool, rng, absent)
    profiles = {}
    for person in [*(v.speaker for v in voices if rng.random() < 0.55), *absent]:
        clips = kept.get(person) or kept_of_absent.get(person)
        if clips:
            profiles[person] = _profile(pool, rng, clips, person)
    return Show(mixed, turns, profiles)


def _people(
    pool: Pool,
    rng: Generator,
    number: int,
    similar: bool,
    taken: Sequence[str] = (),
    alike: Alike | None = None,
) -> list[str]:
    """Who takes part: people with enough material; if they are to be similar of one corpus, or like the first."""
    enough = [p for p in pool.speakers if _seconds(pool.clips[p]) >= LEAST_SECONDS and p not in taken]
    pairs = [p for p in enough if p + TWIN in enough]
    if similar and pairs and not taken and number > 1:
        first = pairs[int(rng.integers(len(pairs)))]
        others = [p for p in enough if p not in (first, first + TWIN)]
        return [first, first + TWIN, *(others[idx] for idx in rng.permutation(len(others)))][:number]
    if similar and alike is not None:
        enough = [p for p in enough if p in alike]
        first = taken[0] if taken else enough[int(rng.integers(len(enough)))]
        near = [p for p in enough if p != first and alike[first][p] < MOST_ALIKE]
        near = sorted(near, key=lambda p: -alike[first][p])[: 2 * number]
        others = [near[idx] for idx in rng.permutation(len(near))]
        return (others if taken else [first, *others])[:number]
    if similar:
        corpora = defaultdict(list)
        for person in enough:
            corpora[pool.clips[person][0].kind].append(person)
        chosen = [corpora[kind] for kind in sorted(corpora) if len(corpora[kind]) >= number]
        if chosen:
            sizes = np.sqrt([len(corpus) for corpus in chosen])
            enough = chosen[int(rng.choice(len(chosen), p=sizes / sizes.sum()))]
    return [enough[idx] for idx in rng.permutation(len(enough))[:number]]


def _seconds(clips: Sequence[Clip]) -> float:
    return sum(clip.end - clip.start for clip in clips) / SAMPLE_RATE


def _parted(pool: Pool, rng: Generator, people: Sequence[str]) -> tuple[dict[str, list[Clip]], dict[str, list[Clip]]]:
    """(clips for the show, clips for the profile) by person: never the same; an only clip is cut in two."""
    spoken, kept = {}, {}
    for person in people:
        clips = [pool.clips[person][idx] for idx in rng.permutation(len(pool.clips[person]))]
        if len(clips) == 1:
            (clip,) = clips
            middle = (clip.start + (clip.end - clip.start) // 2) // STEP * STEP
            clips = [Clip(person, clip.kind, clip.start, middle), Clip(person, clip.kind, middle, clip.end)]
        most = min(PROFILE_SECONDS, 0.4 * _seconds(clips))
        kept[person] = [clips.pop()]
        while len(clips) > 1 and _seconds(kept[person]) < most:
            kept[person].append(clips.pop())
        spoken[person] = clips
    return spoken, kept


def _talk(
    pool: Pool, rng: Generator, voices: Sequence[Voice], number: int, minutes: float, studio: bool, back: float
) -> tuple[Samples, list[tuple[float, float, str]]]:
    """The sound of a conversation in segments, and its turns; ``back`` is the share of people with two channels."""
    total = int(minutes * 60) * SAMPLE_RATE
    spoken = np.zeros((len(voices), total // STEP), bool)
    tracks: dict[tuple[int, int], Samples] = {}
    music: list[tuple[int, int]] = []
    lively, comes_back = rng.random() < 0.35, rng.random(len(voices)) < back
    position = int(rng.integers(0, 1_500)) if rng.random() < 0.4 else 0
    music += [(0, position)] if position > 200 else []
    guests = list(rng.permutation(np.arange(1, max(number, 1))))
    length = max(3_000, spoken.shape[1] // max(1, -(-len(guests) // 2) + int(rng.integers(0, 3))))
    part = 0
    while position < spoken.shape[1] - 300:
        end = min(position + length, spoken.shape[1])
        here = [0, *(int(g) for g in guests[: int(rng.integers(1, 4))])]
        guests = [*guests[len(here) - 1 :], *guests[: len(here) - 1]]
        channel_of = {who: int(comes_back[who] and part % 2) for who in here}
        position = _segment(pool, rng, voices, here, channel_of, tracks, spoken, position, end, lively)
        if len(voices) > number and (part == 0 or rng.random() < 0.2) and position < spoken.shape[1] - 2_500:
            track = tracks.setdefault((number, 0), np.zeros(total, np.float32))
            stop = say(
                pool, rng, voices[number], track, spoken[number], position + 150, int(rng.integers(1_200, 2_500))
            )
            music.append((position, min(stop + 100, spoken.shape[1])))
            position = stop + 200
        elif rng.random() < 0.3 and position < spoken.shape[1] - 1_000:
            music.append((position, position + int(rng.integers(200, 800))))
            position = music[-1][1]
        part += 1
    mixed = _mixed(pool, rng, tracks, voices, studio, total)
    level = float(np.median([np.sqrt(np.mean(np.square(t[t != 0]))) for t in tracks.values() if np.any(t)] or [0.03]))
    for first, last in music:
        jingle(pool, rng, mixed, first * STEP, min(last, spoken.shape[1]) * STEP, level * 0.5)
    if rng.random() < 0.3:
        mixed += noise(pool, rng, total) * np.float32(level * 10 ** (-rng.uniform(12, 35) / 20))
    mixed += coloured(rng, total) * np.float32(level * 10 ** (-rng.uniform(35, 70) / 20))
    return _recorded(rng, mixed), _turns(spoken, voices)


def _table_talk(
    pool: Pool, rng: Generator, voices: Sequence[Voice], minutes: float
) -> tuple[Samples, list[tuple[float, float, str]]]:
    """The sound of a talk that one microphone on a table hears, and its turns."""
    total = int(minutes * 60) * SAMPLE_RATE
    tracks = np.zeros((len(voices), total), np.float32)
    spoken = np.zeros((len(voices), total // STEP), bool)
    if rng.random() < 0.6:
        meeting(pool, rng, voices, tracks, spoken)
    else:
        by_place = {(who, 0): track for who, track in enumerate(tracks)}
        everybody = list(range(len(voices)))
        _segment(
            pool, rng, voices, everybody, dict.fromkeys(everybody, 0), by_place, spoken, 0, spoken.shape[1], lively=True
        )
    return _recorded(rng, on_a_table(pool, rng, tracks)), _turns(spoken, voices)


def _recorded(rng: Generator, mixed: Samples) -> Samples:
    """The sound at some level, at times through a codec, in 16 bits."""
    mixed *= np.float32(10 ** (-abs(rng.normal(0, 8)) / 20) / (np.abs(mixed).max() + 1e-6))
    if rng.random() < 0.25:
        mixed = transcoded(rng, mixed)
    return np.round(np.clip(mixed, -1, 1) * 32_767) / np.float32(32_768)


def _turns(spoken: NDArray[np.bool_], voices: Sequence[Voice]) -> list[tuple[float, float, str]]:
    found = [
        (first / 100, last / 100, voice.speaker)
        for voice, mask in zip(voices, spoken, strict=True)
        for first, last in runs(close_gaps(mask, PAUSE)).tolist()
    ]
    return sorted(found)


def _segment(
    pool: Pool,
    rng: Generator,
    voices: Sequence[Voice],
    here: Sequence[int],
    channel_of: Mapping[int, int],
    tracks: dict[tuple[int, int], Samples],
    spoken: NDArray[np.bool_],
    position: int,
    end: int,
    lively: bool,
) -> int:
    """Turns of those who are here, from ``position`` (in 10 ms steps) to about ``end``; returns where they stop."""
    total = spoken.shape[1] * STEP

    def speak(who: int, start: int, steps: int) -> int:
        track = tracks.setdefault((who, channel_of[who]), np.zeros(total, np.float32))
        return say(pool, rng, voices[who], track, spoken[who], start, steps)

    speaker = int(rng.integers(len(here)))
    while position < end:
        steps = int(np.clip(rng.lognormal(0.6 if lively else 1.9, 0.8), 0.4, 40) * 100)
        stop = speak(here[speaker], position, steps)
        if len(here) > 1 and steps > 300 and rng.random() < (0.35 if lively else 0.15):
            backchannel = int(rng.integers(position + 100, position + steps - 100))
            speak(here[another(rng, len(here), speaker)], backchannel, int(rng.integers(25, 90)))
        gap = pause(rng)
        position = max(position + 20, stop + (gap if gap > 0 or lively else gap // 3))
        speaker = another(rng, len(here), speaker) if rng.random() < 0.9 else speaker
    return position


def _mixed(
    pool: Pool,
    rng: Generator,
    tracks: Mapping[tuple[int, int], Samples],
    voices: Sequence[Voice],
    studio: bool,
    total: int,
) -> Samples:
    """The tracks through a room and a channel each; a guest may be a caller."""
    mixed = np.zeros(total, np.float32)
    callers = rng.random(len(voices)) < (0.05 if studio else 0.2)
    shared = room(pool, rng) if not studio and rng.random() < 0.2 else None
    for who, channel in sorted(tracks):
        track = tracks[who, channel]
        if channel or not studio:
            track = _through(pool, rng, track, shared, telephone_share=0.9 if who and callers[who] else 0.03)
        elif rng.random() < 0.3:
            track = tilt(rng, track)
        mixed += track[:total]
    return mixed


def _through(pool: Pool, rng: Generator, track: Samples, shared: Samples | None, telephone_share: float) -> Samples:
    if shared is not None or rng.random() < 0.4:
        track = in_room(rng, track, room(pool, rng) if shared is None else shared)
    if rng.random() < telephone_share:
        return telephone(rng, track)
    return tilt(rng, track) if rng.random() < 0.4 else track


def _profile(pool: Pool, rng: Generator, clips: Sequence[Clip], person: str) -> Samples:
    """A clip of one person through a channel of its own."""
    sound = levelled(pool, clips)[: int(2 * PROFILE_SECONDS * SAMPLE_RATE)]
    sound = _through(pool, rng, sound, None, telephone_share=0.05)
    sound = sound + coloured(rng, len(sound)) * np.float32(LEVEL * 10 ** (-rng.uniform(25, 60) / 20))
    return np.asarray(sound / max(1.0, float(np.abs(sound).max())), np.float32)


if __name__ == "__main__":
    main()
