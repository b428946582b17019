"""Conversations put together from single-speaker clips, with exact labels of who speaks when.

``simulate`` plans the turns (host and guests, or a meeting where people talk over each other), renders one track per
speaker through that speaker's room and channel, mixes them with music, noise and silence, and damages the result as
recordings are damaged: telephone, low-rate codecs, clipping, any level. Everything follows from one seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from augment import coded
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import signal
from segmentation_pool import PAUSE, SAMPLE_RATE, STEP, Clip, Samples, close_gaps, runs

LABEL_STEP = 320  # samples of one label, 20 ms
MAX_SPEAKERS = 8  # bits of a label
LEVEL = 0.05  # root mean square of clips, full scale 1
CODEC_DELAY = 4_800  # samples; the longest shift that is looked for after a codec


@dataclass(eq=False)
class Pool:
    """The material: clips by speaker, what is active in them (every 10 ms), and noise, music and rooms.

    near : for some speakers, others whose voices resemble theirs, the most alike first
    """

    samples: NDArray[np.int16]
    active: NDArray[np.bool_]
    clips: dict[str, list[Clip]]
    noise_samples: NDArray[np.int16]
    noise: dict[str, list[Clip]]
    near: Mapping[str, Sequence[str]] = field(default_factory=dict)
    speakers: list[str] = field(init=False)
    corpora: list[list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.clips = {
            speaker: kept
            for speaker, clips in self.clips.items()
            if (kept := [clip for clip in clips if self.active[clip.start // STEP : clip.end // STEP].sum() > 40])
        }
        self.speakers = sorted(self.clips)
        by_corpus: dict[str, list[str]] = {}
        for speaker in self.speakers:
            by_corpus.setdefault(self.clips[speaker][0].kind, []).append(speaker)
        self.corpora = [by_corpus[corpus] for corpus in sorted(by_corpus)]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """samples : (num_samples,) float32; labels : (num_samples // 320,) uint8, bit k set where speaker k speaks."""

    samples: Samples
    labels: NDArray[np.uint8]


@dataclass(slots=True)
class Voice:
    """One speaker of a scene: which clips, at what speed and level, and what is left of the last clip."""

    speaker: str
    speed: float
    gain_db: float
    samples: Samples = field(default_factory=lambda: np.zeros(0, np.float32))
    active: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))


def simulate(pool: Pool, rng: Generator, seconds: float = 30.0, on_table: float = 0.0) -> Scene:
    """One scene of that length.

    on_table : share of the scenes that one microphone on a table hears
    """
    if rng.random() < on_table:
        return _on_table(pool, rng, seconds)
    total = int(seconds * SAMPLE_RATE) // LABEL_STEP * LABEL_STEP
    studio = rng.random() < 0.35  # one level, one channel: nothing but the voice tells speakers apart
    tracks, spoken = _talk(pool, rng, _cast(pool, rng, studio), total, meetings=0.3)
    levels = [float(np.sqrt(np.mean(np.square(track[track != 0])))) for track in tracks if np.any(track)]
    mixed = tracks.sum(axis=0) if studio else _mix(pool, rng, tracks)
    for start, end in runs(np.sum(spoken, axis=0) == 0):
        if end - start > 200 and rng.random() < 0.6:
            jingle(pool, rng, mixed, start * STEP, end * STEP, float(np.median(levels)) if levels else 0.03)
    mixed = _beds(pool, rng, mixed, max(min(levels, default=0.03), 1e-4))
    mixed = _damage(rng, mixed)
    return Scene(mixed, _labels(spoken))


def _talk(
    pool: Pool, rng: Generator, voices: Sequence[Voice], total: int, meetings: float
) -> tuple[Samples, NDArray[np.bool_]]:
    """(voices, total) what each says, and when; meetings : share of talks in which nobody waits for the others."""
    tracks = np.zeros((len(voices), total), np.float32)
    spoken = np.zeros((len(voices), total // STEP), bool)
    if len(voices) > 1 and rng.random() < meetings:
        meeting(pool, rng, voices, tracks, spoken)
    elif voices:
        _interview(pool, rng, voices, tracks, spoken)
    return tracks, spoken


def _on_table(pool: Pool, rng: Generator, seconds: float) -> Scene:
    """A meeting as a microphone on the table hears it: voices from afar, hands near by, and at times nobody at all."""
    total = int(seconds * SAMPLE_RATE) // LABEL_STEP * LABEL_STEP
    tracks, spoken = _talk(pool, rng, _cast(pool, rng, studio=False), total, meetings=0.6)
    if rng.random() < 0.4:
        length = int(rng.uniform(0.15, 0.9) * spoken.shape[1])
        start = int(rng.integers(spoken.shape[1] - length + 1))
        spoken[:, start : start + length] = False
        tracks[:, start * STEP : (start + length) * STEP] = 0
    return Scene(_damage(rng, on_a_table(pool, rng, tracks)), _labels(spoken))


def on_a_table(pool: Pool, rng: Generator, tracks: Samples) -> Samples:
    """What a microphone on a table hears of (people, total) tracks: each at a place in one room, and hands near by."""
    total = tracks.shape[1]
    response = room(pool, rng)
    mixed = np.zeros(total, np.float32)
    for track in tracks:
        own = response.copy()
        own[:40] *= np.float32(10 ** rng.uniform(-1.5, 0))
        heard = signal.oaconvolve(track, own)[:total].astype(np.float32)
        mixed += tilt(rng, heard) if rng.random() < 0.3 else heard
    levels = [float(np.sqrt(np.mean(np.square(track[track != 0])))) for track in tracks if np.any(track)]
    level = float(np.median(levels)) if levels else LEVEL
    near = handling(rng, total)
    if rng.random() < 0.5:
        near = signal.oaconvolve(near, response / np.abs(response).max())[:total].astype(np.float32)
    mixed += near * np.float32(level * 10 ** (rng.uniform(-20, 15) / 20))
    if rng.random() < 0.25:
        mixed += noise(pool, rng, total) * np.float32(level * 10 ** (-rng.uniform(0, 30) / 20))
    mixed += coloured(rng, total) * np.float32(level * 10 ** (-rng.uniform(3, 45) / 20))
    return mixed


def handling(rng: Generator, total: int) -> Samples:
    """(total,) what hands and feet do: taps, steps, keys, cups, paper and chairs, alone and in rows; loudest is 1."""
    heard = np.zeros(total, np.float32)
    apart = SAMPLE_RATE * 10 ** rng.uniform(-0.7, 0.8)  # between two, on the mean
    kinds = [_knock, _rub, _squeak]
    shares = rng.dirichlet([2, 1, 0.3])
    place = int(rng.exponential(apart))
    while place < total:
        make = kinds[int(rng.choice(len(kinds), p=shares))]
        times, step = (int(rng.integers(2, 14)), rng.uniform(0.07, 0.7)) if rng.random() < 0.3 else (1, 0.0)
        loud, sound = 10 ** (rng.normal(0, 7) / 20), make(rng)
        for _ in range(times):
            end = min(total, place + len(sound))
            heard[place:end] += np.float32(loud * 10 ** (rng.normal(0, 2) / 20)) * sound[: max(0, end - place)]
            place += int(SAMPLE_RATE * step * rng.uniform(0.8, 1.2))
            if place >= total:
                break
        place += int(rng.exponential(apart))
    return heard / max(float(np.abs(heard).max()), 1e-6)


def _knock(rng: Generator) -> Samples:
    """Something hard or soft is hit: resonances that die away, and a burst."""
    time = np.arange(int(SAMPLE_RATE * 0.4), dtype=np.float32) / SAMPLE_RATE
    centre = 10 ** rng.uniform(1.9, 3.7)
    sound = np.zeros(len(time))
    for _ in range(int(rng.integers(1, 6))):
        decay = 10 ** rng.uniform(-2.5, -1)
        pitch = min(centre * 10 ** rng.normal(0, 0.25), 7_500)
        sound += rng.uniform(0.2, 1) * np.exp(-time / decay) * np.sin(2 * np.pi * (pitch * time + rng.random()))
    burst = signal.lfilter([1.0], [1, -rng.uniform(-0.5, 0.98)], rng.standard_normal(len(time)))
    sound += rng.uniform(0, 2) * _unit(burst) * np.exp(-time / 10 ** rng.uniform(-2.7, -1.3))
    return _peak(sound)


def _rub(rng: Generator) -> Samples:
    """Paper, cloth or a chair on the floor: noise of one colour that comes and goes."""
    length = int(SAMPLE_RATE * 10 ** rng.uniform(-1, 0.4))
    low = 10 ** rng.uniform(1.9, 3.4)
    band = signal.butter(2, [low, min(low * 10 ** rng.uniform(0.3, 1.2), 7_800)], "band", fs=SAMPLE_RATE, output="sos")
    moves = np.abs(rng.standard_normal(max(2, int(length / SAMPLE_RATE * rng.uniform(4, 40)))))
    swell = np.interp(np.linspace(0, len(moves) - 1, length), np.arange(len(moves)), moves)
    return _peak(signal.sosfilt(band, rng.standard_normal(length)) * swell * np.hanning(length))


def _squeak(rng: Generator) -> Samples:
    """A chair or a door: a tone with overtones that wanders."""
    length = int(SAMPLE_RATE * rng.uniform(0.05, 0.6))
    steps = np.interp(np.linspace(0, 5, length), np.arange(6), np.cumsum(rng.normal(0, 0.12, 6)))
    phase = np.cumsum(10 ** rng.uniform(2.2, 3.3) * np.exp(steps)) / SAMPLE_RATE
    sound = sum(np.sin(2 * np.pi * n * phase) / n ** rng.uniform(0.3, 2) for n in range(1, int(rng.integers(2, 8))))
    return _peak((sound + rng.uniform(0, 0.5) * rng.standard_normal(length)) * np.hanning(length))


def _peak(samples: NDArray[np.floating]) -> Samples:
    return np.asarray(samples / (np.abs(samples).max() + 1e-8), np.float32)


def _labels(spoken: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Bits by speaker every 20 ms from activity every 10 ms; one speaker's gaps up to half a second closed."""
    labels = np.zeros(spoken.shape[1] // 2, np.uint8)
    for bit, mask in enumerate(spoken):
        labels |= (close_gaps(mask, PAUSE)[1::2].astype(np.uint8) << bit).astype(np.uint8)
    return labels


def _cast(pool: Pool, rng: Generator, studio: bool) -> list[Voice]:
    """Up to four speakers; in most scenes of one corpus or alike, so that only the voices tell them apart."""
    count = int(rng.choice([0, 1, 2, 3, 4], p=[0.06, 0.14, 0.4, 0.28, 0.12]))
    choice: Sequence[str] = pool.speakers
    kind = rng.random()
    if pool.near and kind < 0.3:
        first = sorted(pool.near)[int(rng.integers(len(pool.near)))]
        choice = [first, *pool.near[first]]
    elif pool.corpora and kind < 0.65:
        sizes = np.sqrt([len(corpus) for corpus in pool.corpora])
        choice = pool.corpora[int(rng.choice(len(sizes), p=sizes / sizes.sum()))]
    voices = []
    for name in rng.permutation(len(choice))[:count]:
        speed = 1.0 if rng.random() < 0.4 else float(rng.uniform(0.85, 1.18))
        gain = float(rng.normal(0, 1.5 if studio else 4))
        if not studio and rng.random() < 0.22:
            gain -= float(rng.uniform(10, 32))
        voices.append(Voice(choice[name], speed, gain))
    return voices


def _refill(pool: Pool, rng: Generator, voice: Voice) -> None:
    """Load another clip of the voice: its speaking part, at the voice's speed, at a level of its own."""
    clips = pool.clips[voice.speaker]
    clip = clips[int(rng.integers(len(clips)))]
    active = pool.active[clip.start // STEP : clip.end // STEP]
    spots = np.flatnonzero(active)
    first, last = int(spots[0]), int(spots[-1]) + 1
    samples = pool.samples[clip.start + first * STEP : clip.start + last * STEP].astype(np.float32) / np.float32(32_768)
    active = active[first:last]
    level = np.sqrt(np.mean(np.square(samples))) + 1e-6
    samples = samples * np.float32(0.05 / level * 10 ** ((voice.gain_db + rng.normal(0, 1)) / 20))
    if voice.speed != 1.0:
        steps = int(len(active) / voice.speed)
        samples = np.interp(np.arange(steps * STEP) * voice.speed, np.arange(len(samples)), samples).astype(np.float32)
        active = active[np.minimum((np.arange(steps) * voice.speed).astype(int), len(active) - 1)]
    voice.samples, voice.active = samples, active


def say(
    pool: Pool, rng: Generator, voice: Voice, track: Samples, spoken: NDArray[np.bool_], start: int, steps: int
) -> int:
    """Let a voice speak from ``start`` (in 10 ms steps) for about ``steps``; returns where it stops."""
    position = start
    while position < min(start + steps, len(spoken)):
        if len(voice.active) < 20:
            _refill(pool, rng, voice)
        length = min(len(voice.active), start + steps - position, len(spoken) - position)
        piece = voice.samples[: length * STEP].copy()
        fade = np.linspace(0, 1, min(80, len(piece)), dtype=np.float32)
        piece[: len(fade)] *= fade
        piece[len(piece) - len(fade) :] *= fade[::-1]
        track[position * STEP : (position + length) * STEP] += piece
        spoken[position : position + length] |= voice.active[:length]
        voice.samples, voice.active = voice.samples[length * STEP :], voice.active[length:]
        position += length + _breath(rng)
    return position


def _interview(pool: Pool, rng: Generator, voices: Sequence[Voice], tracks: Samples, spoken: NDArray[np.bool_]) -> None:
    """Turns that alternate between the first voice and the others, with backchannels and interruptions."""
    end = spoken.shape[1]
    lively = rng.random() < 0.35  # short turns, quick changes
    position = _opening(rng)
    speaker = int(rng.integers(len(voices)))
    while position < end:
        steps = int(np.clip(rng.lognormal(0.3 if lively else 1.5, 0.8), 0.3, 20) * 100)
        stop = say(pool, rng, voices[speaker], tracks[speaker], spoken[speaker], position, steps)
        if len(voices) > 1 and steps > 300 and rng.random() < 0.4:
            other = another(rng, len(voices), speaker)
            spot = int(rng.integers(position + 100, position + steps - 100))
            say(pool, rng, voices[other], tracks[other], spoken[other], spot, int(rng.integers(25, 90)))
        position = max(position + 20, stop + pause(rng))
        speaker = another(rng, len(voices), speaker) if rng.random() < 0.85 else speaker


def _opening(rng: Generator) -> int:
    """Steps before anybody speaks."""
    kind = rng.random()
    if kind < 0.4:
        return 0
    return int(rng.integers(0, 250) if kind < 0.75 else rng.integers(200, 1_100))


def _breath(rng: Generator) -> int:
    """Steps between two sentences of one turn; from half a second on they are no longer speech."""
    kind = rng.random()
    if kind < 0.2:
        return 0
    return int(rng.integers(0, 35) if kind < 0.7 else rng.integers(30, 130))


def pause(rng: Generator) -> int:
    """Steps between two turns: mostly short, at times long, at times negative, which is an interruption."""
    kind = rng.random()
    if kind < 0.12:
        return -int(rng.integers(10, 150))
    if kind < 0.22:
        return int(rng.integers(100, 500))
    if kind < 0.27:
        return int(rng.integers(300, 1_200))
    return int(rng.integers(0, 80))


def another(rng: Generator, count: int, speaker: int) -> int:
    """The next to speak: the host after a guest, somebody else after the host."""
    if count == 1:
        return 0
    if speaker != 0 and rng.random() < 0.6:
        return 0
    others = [one for one in range(count) if one != speaker]
    return others[int(rng.integers(len(others)))]


def meeting(pool: Pool, rng: Generator, voices: Sequence[Voice], tracks: Samples, spoken: NDArray[np.bool_]) -> None:
    """Everybody speaks and pauses at their own times, whoever else speaks."""
    quiet = float(rng.uniform(1.0, 3.0)) * len(voices)
    for speaker, voice in enumerate(voices):
        position = int(rng.exponential(quiet) * 100)
        while position < spoken.shape[1]:
            steps = int(np.clip(rng.lognormal(0.5, 0.9), 0.2, 12) * 100)
            position = say(pool, rng, voice, tracks[speaker], spoken[speaker], position, steps)
            position += 20 + int(rng.exponential(quiet) * 100)


def _mix(pool: Pool, rng: Generator, tracks: Samples) -> Samples:
    """The tracks through their rooms and channels, added up."""
    total = tracks.shape[1]
    mixed = np.zeros(total, np.float32)
    shared_room = room(pool, rng) if rng.random() < 0.4 else None
    distant = rng.random() < 0.5  # one microphone on the table: the room is louder than the mouth
    for track in tracks:
        if shared_room is not None:
            direct = np.float32(rng.uniform(0.1, 0.5) if distant else rng.uniform(0.3, 2.0))
            own = shared_room.copy()
            own[:40] *= direct
            track = signal.oaconvolve(track, own)[:total].astype(np.float32)
        elif rng.random() < 0.35:
            track = signal.oaconvolve(track, room(pool, rng))[:total].astype(np.float32)
        chance = rng.random()
        if chance < 0.12:
            track = telephone(rng, track)
        elif chance < 0.35:
            track = tilt(rng, track)
        mixed += track
    return mixed


def room(pool: Pool, rng: Generator) -> Samples:
    """An impulse response that starts with the direct sound: a measured room, or noise that decays (Polack 1988)."""
    measured = [clip for kind, clips in pool.noise.items() if kind.startswith(("room", "rir")) for clip in clips]
    if measured and rng.random() < 0.4:
        clip = measured[int(rng.integers(len(measured)))]
        room = pool.noise_samples[clip.start : clip.end].astype(np.float32)
        room = room[int(np.argmax(np.abs(room))) :][: SAMPLE_RATE // 2]
        return np.asarray(room / (np.abs(room[0]) + 1e-6), np.float32)
    decay = float(rng.uniform(0.1, 0.8))
    length = int(decay * SAMPLE_RATE * 0.7)
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / (decay * SAMPLE_RATE))
    tail *= float(10 ** (rng.uniform(-16, 3) / 20)) / np.sqrt(np.sum(np.square(tail)))
    tail[: int(rng.integers(20, 160))] = 0
    tail[0] = 1.0
    return tail.astype(np.float32)


def in_room(rng: Generator, track: Samples, response: Samples) -> Samples:
    """The track as a microphone in that room hears it, from nearer or farther away."""
    own = response.copy()
    own[:40] *= np.float32(rng.uniform(0.5, 3.0))
    return np.asarray(signal.oaconvolve(track, own)[: len(track)], np.float32)


def levelled(pool: Pool, clips: Sequence[Clip]) -> Samples:
    """The clips one after another, as loud as each other."""
    parts = [pool.samples[clip.start : clip.end].astype(np.float32) / np.float32(32_768) for clip in clips]
    return np.concatenate([part * np.float32(LEVEL / (np.sqrt(np.mean(np.square(part))) + 1e-6)) for part in parts])


def telephone(rng: Generator, track: Samples) -> Samples:
    """300 … 3,400 Hz, at times with the rounding of G.711's mu-law."""
    band = signal.butter(4, [rng.uniform(200, 400), rng.uniform(2_800, 3_700)], "band", fs=SAMPLE_RATE, output="sos")
    track = signal.sosfilt(band, track).astype(np.float32)
    peak = np.abs(track).max() + 1e-6
    if rng.random() < 0.5:
        folded = np.sign(track) * np.log1p(255 * np.abs(track) / peak) / np.log(256)
        folded = np.round(folded * 127) / 127
        track = (np.sign(folded) * np.expm1(np.abs(folded) * np.log(256)) / 255 * peak).astype(np.float32)
    return track


def tilt(rng: Generator, track: Samples) -> Samples:
    """A microphone's colour: a shelf up or down, or a low pass."""
    if rng.random() < 0.4:
        low_pass = signal.butter(3, rng.uniform(2_500, 7_000), fs=SAMPLE_RATE, output="sos")
        return np.asarray(signal.sosfilt(low_pass, track), np.float32)
    pole = float(rng.uniform(-0.7, 0.7))
    return np.asarray(signal.lfilter([1 - abs(pole)], [1, -pole], track), np.float32)


def jingle(pool: Pool, rng: Generator, mixed: Samples, start: int, end: int, level: float) -> None:
    """Add music or a noise in the open where nobody speaks, at times running on under the speech that follows."""
    start += int(rng.integers(0, (end - start) // 3))
    under = int(rng.integers(0, 3 * SAMPLE_RATE)) if rng.random() < 0.3 else 0
    bed = (_music if rng.random() < 0.7 else noise)(pool, rng, min(len(mixed), end + under) - start)
    gain = np.ones(len(bed), np.float32)
    gain[end - start :] = rng.uniform(0.03, 0.3)
    rise, fall = (np.linspace(0, 1, int(rng.integers(100, SAMPLE_RATE)), dtype=np.float32) for _ in range(2))
    gain[: len(rise)] *= rise[: len(gain)]
    gain[max(0, len(gain) - len(fall)) :] *= fall[::-1][-len(gain) :]
    mixed[start : start + len(bed)] += bed * gain * np.float32(level * 10 ** (rng.uniform(-12, 8) / 20))


def _beds(pool: Pool, rng: Generator, mixed: Samples, level: float) -> Samples:
    """Music, noise and a noise floor under (or instead of) the speech.

    level : of the quietest speaker, so that everybody who is labelled can be heard
    """
    total = len(mixed)
    if rng.random() < 0.28:
        bed = _music(pool, rng, total) * _swell(rng, total)
        mixed = mixed + bed * np.float32(level * 10 ** (-rng.uniform(-3, 28) / 20))
    if rng.random() < 0.45:
        bed = noise(pool, rng, total)
        if rng.random() < 0.3:
            bed = bed * _swell(rng, total)
        mixed = mixed + bed * np.float32(level * 10 ** (-rng.uniform(0, 35) / 20))
    if rng.random() < 0.75:
        floor = coloured(rng, total)
        mixed = mixed + floor * np.float32(level * 10 ** (-rng.uniform(25, 70) / 20))
    return mixed.astype(np.float32)


def _swell(rng: Generator, total: int) -> Samples:
    """Gain that comes and goes: the bed plays in the open at times, then lies low or stops."""
    points = int(rng.integers(3, 7))
    places = np.sort(rng.uniform(0, total, points))
    gains = rng.choice([0.0, 0.15, 1.0, 2.0], points)
    places = np.stack([places, places + SAMPLE_RATE // 2], axis=1).ravel()[1:-1]
    return np.asarray(np.interp(np.arange(total), np.sort(places), np.repeat(gains, 2)[1:-1]), np.float32)


def _unit(samples: NDArray[np.floating]) -> Samples:
    return np.asarray(samples / (np.sqrt(np.mean(np.square(samples))) + 1e-8), np.float32)


def _looped(pool: Pool, rng: Generator, clips: list[Clip], total: int) -> Samples:
    pieces, length = [], 0
    while length < total:
        clip = clips[int(rng.integers(len(clips)))]
        start = clip.start + int(rng.integers(max(1, (clip.end - clip.start) // 2)))
        piece = _unit(pool.noise_samples[start : clip.end].astype(np.float32))
        if rng.random() < 0.6:  # another speed is another piece of music, at another pitch
            places = np.arange(0, len(piece) - 1, rng.uniform(0.7, 1.5))
            piece = np.interp(places, np.arange(len(piece)), piece).astype(np.float32)
        pieces.append(piece)
        length += len(piece)
    return _unit(np.concatenate(pieces)[:total])


def noise(pool: Pool, rng: Generator, total: int) -> Samples:
    clips = pool.noise.get("noise", [])
    if clips and rng.random() < 0.75:
        return _looped(pool, rng, clips, total)
    return coloured(rng, total)


def coloured(rng: Generator, total: int) -> Samples:
    pole = float(rng.uniform(-0.3, 0.98))
    return _unit(signal.lfilter([1.0], [1, -pole], rng.standard_normal(total).astype(np.float32)))


def _music(pool: Pool, rng: Generator, total: int) -> Samples:
    """Recorded music, or chords of decaying harmonic notes with a beat."""
    clips = pool.noise.get("music", [])
    if clips and rng.random() < 0.6:
        return _looped(pool, rng, clips, total)
    mixed = np.zeros(total, np.float32)
    beat = int(SAMPLE_RATE * rng.uniform(0.12, 0.8))
    scale = 65 * 2 ** (rng.uniform(0, 2.5) + np.array([0, 3, 5, 7, 10, 12, 15, 17, 19, 24]) / 12)
    decay, slope, attack = float(rng.uniform(0.1, 3)), float(rng.uniform(0.4, 2)), float(rng.uniform(2, 100))
    voices, harmonics = int(rng.integers(2, 6)), int(rng.integers(3, 14))
    drum, held = rng.random(), float(rng.uniform(1, 4))
    wobble, rate = float(rng.choice([0, rng.uniform(0, 8)])), float(rng.uniform(3, 7))
    for start in range(0, total, beat):
        length = min(total - start, int(held * beat))
        time = np.arange(length, dtype=np.float32) / SAMPLE_RATE
        envelope = np.exp(-time / decay) * np.minimum(time * attack, 1) * np.minimum((time[-1] - time) * 100, 1)
        vibrato = wobble * np.sin(2 * np.pi * rate * time)
        for pitch in rng.choice(scale, int(rng.integers(1, voices))):
            phase = 2 * np.pi * pitch * time + vibrato
            for harmonic in range(1, harmonics):
                mixed[start : start + length] += envelope * harmonic**-slope * np.sin(harmonic * phase)
        if rng.random() < drum:
            hit = min(length, int(rng.integers(400, 3_200)))
            mixed[start : start + hit] += rng.standard_normal(hit) * np.exp(-np.arange(hit) / (hit / 5)) * 2
    return _unit(mixed)


def _damage(rng: Generator, mixed: Samples) -> Samples:
    """Level, clipping, a codec, digital silence between words, rounding to 16 bits."""
    peak = float(np.abs(mixed).max()) + 1e-6
    mixed = mixed / np.float32(peak)
    chance = rng.random()
    if chance < 0.08:
        mixed = np.clip(mixed * np.float32(10 ** (rng.uniform(3, 15) / 20)), -1, 1)
    mixed = mixed * np.float32(10 ** (-abs(rng.normal(0, 12)) / 20))
    if rng.random() < 0.1:
        mixed = _gate(rng, mixed)
    if rng.random() < 0.4:
        mixed = transcoded(rng, mixed)
    return (np.round(np.clip(mixed, -1, 1) * 32_767) / 32_768).astype(np.float32)


def _gate(rng: Generator, mixed: Samples) -> Samples:
    """A noise gate: what is far below the loud parts becomes digital silence."""
    steps = np.sqrt(np.square(mixed[: len(mixed) // STEP * STEP].reshape(-1, STEP)).mean(axis=1))
    closed = ~close_gaps(steps > steps.max() * 10 ** (-rng.uniform(45, 60) / 20), 20)
    for first, last in runs(closed):
        mixed[first * STEP : last * STEP] = 0
    return mixed


def transcoded(rng: Generator, samples: Samples) -> Samples:
    """The samples after a lossy codec at a low rate, shifted back by what the codec delays."""
    rounded = (np.clip(samples, -1, 1) * 32_767).astype(np.int16)
    decoded = coded(np.pad(rounded, (0, CODEC_DELAY)), rng).astype(np.float32) / np.float32(32_768)
    return np.pad(decoded[_delay(samples, decoded) :], (0, CODEC_DELAY))[: len(samples)]


def _delay(samples: Samples, decoded: Samples) -> int:
    """How many samples later the decoded signal is: the peak of the cross-correlation of their loudest 4 s."""
    length = min(len(samples), 4 * SAMPLE_RATE)
    sums = np.cumsum(np.concatenate([[0.0], np.square(samples, dtype=np.float64)]))
    step = SAMPLE_RATE // 4
    start = step * int(np.argmax(sums[length::step] - sums[: len(sums) - length : step]))
    part = samples[start : start + length]
    return int(np.argmax(signal.correlate(decoded[start : start + length + CODEC_DELAY], part, "valid")))
