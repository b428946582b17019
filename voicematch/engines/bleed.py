"""What one person's track hears of the others: by how much later, how loud, and which frames are therefore its own.

Every track is looked at as the energy in sixteen bands every 20 ms. How these rise and fall within half a second is
the same in a track and in what another hears of it, however quiet that is; so the correlation of the two over all lags
has a peak where the bleed is. At that lag the ratio of the levels tells bleed from talk, frame by frame: bleed stays at
its ratio, and whoever speaks into the track's own microphone is far above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d

from ..types import Array
from .features import NUM_BINS
from .speech import FRAME, hysteresis, runs

Frames = npt.NDArray[np.bool_]

NUM_BANDS = 16
DECIBEL = float(np.log(10.0) / 10.0)  # of energy, in natural logarithms
TREND = 25  # frames; what changes more slowly than within half a second is level and room, not speech
SPREAD = 50  # frames over which a band's rise and fall is brought to one measure, so that quiet bleed counts like talk
LEAST_SPREAD = 0.5  # of natural logarithms; less is the noise of an empty track
LONGEST_LAG = 120.0  # s; beside what the lengths differ by
NUM_CHANCE = 8.0  # deviations of the correlation at other lags; chance reaches 5 among the lags of an hour
NUM_PEAKS = 4
LIKENESS = 0.2  # mean correlation of the bands at the lag, over the frames that one track leads
LEADS = 3.0 * DECIBEL  # by which a track is louder than another where its speaker talks
MOST_LEVELLED = 12.0 * DECIBEL  # by which two recordings' own levels are made alike; a track of bleed alone stays quiet
LEAST_FRAMES = 100  # 2 s that a track has to lead
OVER = 8.0  # dB above the bleed at which talk begins; it lasts above half of that
DEEPEST = 40.0 * DECIBEL  # below the speaker's loudest; the ends of words are above that
NEAR = 30  # frames around, within which a voice is on its way through a call
DEEP = 20.0 * DECIBEL  # below the loudest tenth of a second in a hundred; talk that tells most
AWAY = 0.1  # s; tracks that begin closer together are as good as aligned
HARDLY = 6.0 * DECIBEL  # by which another track may be louder where both talk
BLOCK = 500  # frames, of which the quietest tenth is the room
PAUSE = 15  # frames inside talk
REACH = 25  # frames that talk goes on beyond what the detector of speech hears
FALL = 2.0 * DECIBEL  # by frame: a room in which sound dies away by 60 dB within 0.6 s
FAINT = float(np.log(2.0**-23))  # energy of digital silence in a band
SAME = 3.0 * DECIBEL  # two levels within it are one
MOSTLY = 0.8  # share of one track's talk that another has at the same level, and so is a mix of it


@dataclass(frozen=True, slots=True, eq=False)
class Leak:
    """How the voice of one track is heard in another.

    source, into : indexes of the tracks
    lag : frames by which the other has it later, by their own clocks
    gain : (NUM_BANDS,) natural logarithm of the ratio of energy
    strength : the peak of the correlation, in deviations
    """

    source: int
    into: int
    lag: int
    gain: Array
    strength: float


@dataclass(frozen=True, slots=True)
class Same:
    """A track that has all of another's talk at full level; ``both``: and that one all of this one's."""

    source: int
    into: int
    both: bool


def levels_of(rows: Array) -> Array:
    """Return the log energy of the bands, one row for every two of log mel: (num_rows // 2, NUM_BANDS) float16."""
    pairs = np.exp(rows[: len(rows) // 2 * 2]).reshape(-1, 2, NUM_BANDS, NUM_BINS // NUM_BANDS)
    levels: Array = np.log(pairs.mean(axis=(1, 3))).astype(np.float16).astype(np.float32)
    return levels


def leaks_of(levels: Sequence[Array], speech: Sequence[Frames]) -> tuple[list[Leak], list[Same]]:
    """Return who is heard in whose track, and which tracks are not one person's own.

    levels : of each track, as `levels_of` has them
    speech : (num_frames,) of each, where anybody is heard in it
    """
    shapes = [_shape(one) for one in levels]
    loud = [_loudness(one) for one in levels]
    begins = np.zeros(len(levels))
    while True:
        own = _loudest(loud, speech, begins)
        leaks: list[Leak] = []
        same: list[Same] = []
        for (source, into), correlation in _correlations(shapes, own).items():
            peaks = _peaks(correlation)
            sought = (Leak(source, into, lag, np.zeros(NUM_BANDS, np.float32), strength) for lag, strength in peaks)
            leak = next((one for each in sought if (one := _leak(each, levels, shapes, loud, own[source]))), None)
            if leak is not None:
                leaks.append(leak)
            elif peaks:
                same += _same(loud, own, source, into, peaks[0][0])
        moved, _ = offsets_of(leaks, len(levels))
        if begins.any() or not np.abs(moved).max() > AWAY:
            return leaks + _likely(leaks, moved), same
        begins = moved  # once more, now that it is known how the tracks lie to each other


def _likely(leaks: Sequence[Leak], begins: npt.NDArray[np.float64]) -> list[Leak]:
    """Leaks between the other tracks, of strength 0: where somebody says too little to be sought, what is usual."""
    known = {(leak.source, leak.into) for leak in leaks}
    if not known:
        return []
    gain = np.median([leak.gain for leak in leaks], axis=0).astype(np.float32)
    late = float(np.median([leak.lag * FRAME - begins[leak.source] + begins[leak.into] for leak in leaks]))
    every = range(len(begins))
    return [
        Leak(source, into, round((late + begins[source] - begins[into]) / FRAME), gain, 0.0)
        for source in every
        for into in every
        if source != into and (source, into) not in known
    ]


def into_of(leaks: Sequence[Leak], track: int, levels: Sequence[Array]) -> list[tuple[Leak, Array]]:
    """Return the leaks into a track, each with the levels of the track it comes from."""
    return [(leak, levels[leak.source]) for leak in leaks if leak.into == track]


def _loudest(loud: Sequence[Array], speech: Sequence[Frames], begins: npt.NDArray[np.float64]) -> list[Frames]:
    """Where somebody speaks in a track while no other is louder: nearly always into their own microphone."""
    tops = [float(np.quantile(one, 0.95)) for one in loud]
    usual = float(np.median(tops))
    even = [
        one - float(np.clip(top - usual, -MOST_LEVELLED, MOST_LEVELLED)) for one, top in zip(loud, tops, strict=True)
    ]
    wide = [maximum_filter1d(one, 2 * NEAR + 1) for one in even]
    found = []
    for at, one in enumerate(even):
        frames = speech[at] & (loud[at] > np.quantile(loud[at], 0.999) - DEEP)
        for other, level in enumerate(wide):
            if other != at:
                frames &= one >= _shifted(level, round((begins[other] - begins[at]) / FRAME), len(one)) - HARDLY
        found.append(frames)
    return found


def excess(levels: Array, heard: Sequence[tuple[Leak, Array]]) -> Array:
    """Return by how many dB a track is louder than what it hears of others and its room's own noise, (num_frames,).

    heard : each leak into the track, with the levels of the track it comes from
    """
    energy = uniform_filter1d(np.exp(levels).sum(axis=1), 3)
    bleed = np.exp(_noise(np.log(energy))) + NUM_BANDS * np.exp(FAINT)
    for leak, source in heard:
        bleed += np.exp(_held(_shifted(source, leak.lag, len(levels)) + leak.gain)).sum(axis=1)
    over: Array = ((np.log(energy) - np.log(bleed)) / DECIBEL).astype(np.float32)
    return over


def active_frames(levels: Array, speech: Frames, over: Array) -> Frames:
    """Return the frames in which a track's own speaker talks, (num_frames,) bool.

    speech : where anybody is heard in it
    over : as `excess` has it

    Speech is where a stretch begins to be looked for; how far it goes, the level says, which is exact to a frame: above
    the bleed, above the room's own noise, and not far below the speaker's own voice.
    """
    own = speech & hysteresis(over, OVER, OVER / 2)
    if not own.any():
        return own
    loud = _loudness(levels)
    level = closed((loud > np.quantile(loud[own], 0.95) - DEEPEST) & (over > OVER / 2), PAUSE)
    near = uniform_filter1d(own.astype(np.float32), 2 * REACH + 1) > 0.5 / (2 * REACH + 1)
    return own | (level & near)


def closed(flags: Frames, longest: int) -> Frames:
    """Return the flags with gaps of up to so many frames filled.

    >>> closed(np.array([True, False, True, False, False, True]), 1).tolist()
    [True, True, True, False, False, True]
    """
    filled = flags.copy()
    for first, end in runs(~flags):
        if first > 0 and end < len(flags) and end - first <= longest:
            filled[first:end] = True
    return filled


def _noise(loud: Array) -> Array:
    """The level of the room where nobody talks, (num_frames,): of the quietest tenth of half a minute around."""
    starts = range(0, len(loud), BLOCK)
    quiet = np.array([np.quantile(loud[at : at + BLOCK], 0.1) for at in starts])
    return np.repeat(minimum_filter1d(quiet, 3), BLOCK)[: len(loud)]


def offsets_of(leaks: Sequence[Leak], num_tracks: int) -> tuple[npt.NDArray[np.float64], list[tuple[int, int]]]:
    """Return when each track begins, in seconds after the first one that does, and the pairs that do not agree with it.

    What is heard both ways is late by the same time both ways, and half the difference of the lags is the offset. One
    way alone, the sound is taken to be as late as it is between others; where nobody knows, a lag of up to ``SLOWEST``
    is the way of the sound, and anything else an offset. A track that shares
    nothing with the others begins with the first of them.
    """
    lag_of = {(leak.source, leak.into): leak for leak in leaks if leak.strength}
    both = [
        (leak.lag + lag_of[into, source].lag) / 2 * FRAME
        for (source, into), leak in lag_of.items()
        if (into, source) in lag_of
    ]
    usual = float(np.median(both)) if both else None
    apart: dict[tuple[int, int], tuple[float, float]] = {}
    off: list[tuple[int, int]] = []
    for (source, into), leak in lag_of.items():
        back = lag_of.get((into, source))
        if back is None:
            is_way = usual is None and 0 <= leak.lag * FRAME <= SLOWEST
            seconds = 0.0 if is_way else leak.lag * FRAME - (usual or 0.0)
            apart[source, into] = seconds, leak.strength
        elif source < into:
            apart[source, into] = (leak.lag - back.lag) / 2 * FRAME, leak.strength + back.strength
            if (leak.lag + back.lag) / 2 * FRAME < -DISAGREEMENT:  # heard before it was said
                off.append((source, into))
    begins = np.zeros(num_tracks)
    group = list(range(num_tracks))
    for (source, into), (seconds, _) in sorted(apart.items(), key=lambda pair: (-pair[1][1], pair[0])):
        if group[source] == group[into]:
            continue
        # the source is heard in the other track so much later by that track's own clock: it began so much later itself
        moved = begins[into] + seconds - begins[source]
        gone = group[source]
        for idx in range(num_tracks):
            if group[idx] == gone:
                begins[idx] += moved
                group[idx] = group[into]
    for name in sorted(set(group)):  # groups that share nothing begin together
        members = [idx for idx in range(num_tracks) if group[idx] == name]
        begins[members] -= begins[members].min()
    off += [
        pair for pair, (seconds, _) in apart.items() if abs(begins[pair[0]] - begins[pair[1]] - seconds) > DISAGREEMENT
    ]
    return begins, off


SLOWEST = 0.6  # s; a voice on its way through a call to another one's loudspeaker
DISAGREEMENT = 0.25  # s between what two pairs of tracks say of one offset


def takes_turns(own: Frames, others: Frames) -> bool | None:
    """Return whether two sides give way to each other, as people in one conversation do; None with too little talk.

    They do when they talk at the same time far less than they would with one of them moved by half a minute or more.
    """
    num_frames = min(len(own), len(others))
    own, others = own[:num_frames], others[:num_frames]
    chance = own.mean() * others.sum() * FRAME if num_frames else 0.0
    if chance < LEAST_CHANCE or num_frames * FRAME < 8 * MOVED:
        return None
    spectrum = fft.rfft(own.astype(np.float64)) * np.conj(fft.rfft(others.astype(np.float64)))
    together = fft.irfft(spectrum, num_frames)
    away = together[round(MOVED / FRAME) : num_frames - round(MOVED / FRAME)]
    return bool(together[0] < away.mean() - LEAST_GIVEN * away.std())


LEAST_CHANCE = 30.0  # s that strangers would talk at the same time; with less nothing can be said
MOVED = 30.0  # s
LEAST_GIVEN = 2.0  # deviations below chance


def _shape(levels: Array) -> Array:
    """How the bands rise and fall within half a second, brought to one measure. Nothing is kept of their level."""
    moves = levels - uniform_filter1d(levels, TREND, axis=0)
    spread = np.sqrt(uniform_filter1d(np.square(moves), SPREAD, axis=0))
    return (moves / (spread + LEAST_SPREAD)).astype(np.float32)


def _loudness(levels: Array) -> Array:
    loud: Array = np.log(np.exp(levels).sum(axis=1))
    return loud


def _correlations(shapes: Sequence[Array], own: Sequence[Frames]) -> dict[tuple[int, int], Array]:
    """For each source and each track it may be heard in, the correlation at lags of -n … n frames, in deviations.

    own : where the speaker of each track talks; nothing else of a source counts, or two tracks would seem to hear each
        other that hear a third

    In pieces, whose spectra are added up: memory does not grow with the length.
    """
    lengths = [len(one) for one in shapes]
    most = round(LONGEST_LAG / FRAME) + max(lengths) - min(lengths)
    size = fft.next_fast_len(8 * most, real=True)
    step = size - 2 * most
    every = range(len(shapes))
    sums = {
        (source, into): np.zeros(size // 2 + 1, np.complex128) for source in every for into in every if source != into
    }
    for start in range(0, max(lengths), step):
        pieces = [fft.rfft(one[start : start + step], size, axis=0) for one in shapes]
        for source in every:
            first, last = max(0, start - most), start + step + most
            around = np.pad(
                shapes[source][first:last] * own[source][first:last, None], ((first - start + most, 0), (0, 0))
            )
            talk = np.conj(fft.rfft(around, size, axis=0))
            for into in every:
                if into != source:
                    sums[source, into] += (pieces[into] * talk).sum(axis=1)
    found = {}
    for pair, spectrum in sums.items():
        # element 0 is where the piece meets what lies ``most`` frames before it: the greatest lag
        lags = np.roll(fft.irfft(spectrum, size), 2 * most)[: 2 * most + 1]
        middle = np.median(lags)
        found[pair] = ((lags - middle) / max(1e-9, 1.4826 * np.median(np.abs(lags - middle)))).astype(np.float32)
    return found


def _peaks(correlation: Array) -> list[tuple[int, float]]:
    """(lag, deviations) of the highest peaks beyond chance, highest first."""
    inner = correlation[1:-1]
    tops = np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:]) & (inner >= NUM_CHANCE)) + 1
    highest = tops[np.argsort(-correlation[tops], kind="stable")][:NUM_PEAKS]
    return [(int(at) - len(correlation) // 2, float(correlation[at])) for at in highest]


def _shifted(rows: Array, lag: int, num_frames: int) -> Array:
    """The rows ``lag`` frames later, for so many frames; digital silence where there are none."""
    out = np.full((num_frames, *rows.shape[1:]), FAINT, np.float32)
    first, last = max(0, lag), min(num_frames, len(rows) + lag)
    if last > first:
        out[first:last] = rows[first - lag : last - lag]
    return out


def _same(loud: Sequence[Array], own: Sequence[Frames], source: int, into: int, lag: int) -> list[Same]:
    """Whether a track has all of the source's own talk at full level, ``lag`` frames later."""
    gap = loud[into] - _shifted(loud[source], lag, len(loud[into]))
    if not _one_level(gap[_shifted(own[source].astype(np.float32), lag, len(gap)) > 0.5]):
        return []
    return [Same(source, into, both=_one_level(gap[own[into]]))]


def _one_level(gap: Array) -> bool:
    """Whether two levels differ hardly, and nearly always by the same."""
    if len(gap) < LEAST_FRAMES:
        return False
    usual = float(np.median(gap))
    return abs(usual) < 2 * SAME and float(np.mean(np.abs(gap - usual) < SAME)) > MOSTLY


def _leak(
    sought: Leak, levels: Sequence[Array], shapes: Sequence[Array], loud: Sequence[Array], talks: Frames
) -> Leak | None:
    """The leak sought, with its gain, if it is there: where the source talks and is louder, the other follows it.

    talks : where the source's own speaker does
    """
    source, into, lag = sought.source, sought.into, sought.lag
    num_frames = len(loud[into])
    level = _shifted(loud[source], lag, num_frames)
    usual = float(np.quantile(loud[into], 0.95) - np.quantile(loud[source], 0.95))
    leads = level > loud[into] - float(np.clip(usual, -MOST_LEVELLED, MOST_LEVELLED)) + LEADS
    leads &= _shifted(talks.astype(np.float32), lag, num_frames) > 0.5
    if np.count_nonzero(leads) < LEAST_FRAMES:
        return None
    leads &= level >= np.median(level[leads])  # the louder half: there the bleed is above the noise
    one = shapes[into][leads]
    other = _shifted(shapes[source], lag, num_frames)[leads]
    likeness = float((one * other).sum() / max(1e-9, np.sqrt(np.square(one).sum() * np.square(other).sum())))
    if likeness < LIKENESS:
        return None
    ratio = levels[into][leads] - _shifted(levels[source], lag, num_frames)[leads]
    return replace(sought, gain=np.median(ratio, axis=0).astype(np.float32))


def _held(levels: Array) -> Array:
    """Levels that a room lets fall only so fast, and with a frame's play before and after."""
    wide = np.maximum(levels, np.maximum(np.roll(levels, 1, axis=0), np.roll(levels, -1, axis=0)))
    fallen = FALL * np.arange(len(wide), dtype=np.float64)[:, None]
    return (np.maximum.accumulate(wide + fallen, axis=0) - fallen).astype(np.float32)
