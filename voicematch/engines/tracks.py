"""Who speaks when, out of a track for each person: nothing is clustered, for whose track it is, is who speaks.

each track ─▶ log mel ─▶ speech probability, levels      (one pass, a few bytes a frame are kept)
levels ─▶ who is heard in whose track, offsets ─▶ the frames that are a track's own ─▶ turns
each track again ─▶ vectors of its own turns
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..audio import SAMPLE_RATE
from ..errors import AudioError
from ..formats.clock import clock as written
from ..types import Array, Diarization, Embedding, Progress, Sound, Turn
from .bleed import Frames, Leak, active_frames, excess, into_of, leaks_of, levels_of, offsets_of, takes_turns
from .diarize import guide_of
from .embed import Embedder
from .listening import Features, vectors_of
from .speech import FRAME, SPEECH, SpeechDetector, default_detector, hysteresis, regions
from .turns import LONGEST_GAP
from .windows import Clock, Heard, embeddings_of, place

log = logging.getLogger(__name__)

NAME = "tracks"  # as the diarizer of an episode
PADDING = 0.04  # s around what rises above the bleed; the edges of words are softer
SHORTEST = 0.1  # s; less is a click
BEST_SECONDS = 40.0  # of each speaker that a stronger embedder than the built-in one hears
SAID = 0.03  # s; a smaller offset is not worth a word
UNEQUAL = 1.0  # s by which lengths differ where nothing says how the tracks lie to each other


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """What was heard in the tracks.

    speakers : the local label of each track, None where nobody speaks of its own
    offsets : of each track, seconds after the first one that begins
    """

    diarization: Diarization
    speakers: tuple[str | None, ...]
    offsets: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Track:
    """levels : as `levels_of` has them; speech : (num_frames,) bool; duration : seconds"""

    levels: Array
    speech: Frames
    duration: float


def diarize_tracks(
    tracks: Sequence[Sound],
    embedder: Embedder,
    *,
    called: Sequence[str],
    together: bool = False,
    progress: Progress | None = None,
    detector_of: Callable[[], SpeechDetector] = default_detector,
) -> Apart:
    """Return the turns of each track's own speaker, on the clock of the track that begins first, and their voices.

    called : what the tracks are called in a message
    together : they begin together, as the channels of one file do, and belong together

    Raises AudioError when a track holds all of another one, hardly any sound, or does not belong to the others.
    """
    clock = Clock()
    with clock("listen"):
        heard = _all_heard(tracks, called, detector_of, progress)
    with clock("bleed"):
        leaks, same = leaks_of([one.levels for one in heard], [one.speech for one in heard])
        for one in same[:1]:
            raise AudioError(
                called[one.into],
                f"has the very sound of {called[one.source]}; give it once"
                if one.both
                else f"has all of {called[one.source]} at full level: a mix, not one person's track; leave it out",
            )
        own = [
            active_frames(
                one.levels,
                one.speech,
                excess(one.levels, into_of(leaks, at, [each.levels for each in heard])),
            )
            for at, one in enumerate(heard)
        ]
        offsets = np.zeros(len(tracks))
        if not together:
            offsets, off = offsets_of(leaks, len(tracks))
            _check(heard, own, leaks, offsets, off, called)
    duration = max((offset + one.duration for offset, one in zip(offsets, heard, strict=True)), default=0.0)
    spans = [
        [(max(0.0, start), min(end, one.duration)) for start, end in _spans(mine)]
        for mine, one in zip(own, heard, strict=True)
    ]
    firsts = sorted((of_track[0][0] + offsets[at], at) for at, of_track in enumerate(spans) if of_track)
    label_by_track = {at: f"SPEAKER_{number:02d}" for number, (_, at) in enumerate(firsts)}
    with clock("embedding"):
        embeddings = {
            label: found
            for at, label in sorted(label_by_track.items(), key=lambda pair: pair[1])
            if (found := _embedded(tracks[at], spans[at], label, embedder, float(offsets[at])))
        }
    turns = tuple(
        sorted(
            Turn(float(start + offsets[at]), float(end + offsets[at]), label)
            for at, label in label_by_track.items()
            for start, end in spans[at]
        )
    )
    if progress:
        progress("listen", duration, duration)
    return Apart(
        Diarization(turns, embeddings, duration, clock.seconds),
        tuple(label_by_track.get(at) for at in range(len(tracks))),
        tuple(float(offset) for offset in offsets),
    )


def _all_heard(
    tracks: Sequence[Sound],
    called: Sequence[str],
    detector_of: Callable[[], SpeechDetector],
    progress: Progress | None,
) -> list[_Track]:
    """Listen to every track. Raises AudioError for one that is over before anything can be heard."""
    share = 1 / len(tracks)
    heard = [_hear(track, detector_of(), progress, at * share, share) for at, track in enumerate(tracks)]
    for track, name in zip(heard, called, strict=True):
        if not len(track.levels):
            raise AudioError(name, "holds hardly any sound; leave it out")
    return heard


def _hear(track: Sound, detector: SpeechDetector, progress: Progress | None, before: float, share: float) -> _Track:
    """Listen to one track from its first block to its last."""
    features, total = Features(), track.estimate() or 0.0
    rest = np.empty((0, 80), np.float32)
    levels: list[Array] = []
    probabilities: list[Array] = []
    num_samples = 0
    for block in track.blocks():
        rows = features.process(block)
        probabilities.append(detector.process(block, rows)[:, SPEECH])
        rest = np.concatenate([rest, rows])
        levels.append(levels_of(rest))
        rest = rest[len(rest) // 2 * 2 :]
        num_samples += len(block)
        if progress:
            done = num_samples / SAMPLE_RATE
            length = max(total, done)
            progress("listen", before * length + share * done, length)
    rows = np.concatenate([rest, features.process(np.empty(0, np.float32), last=True)])
    levels.append(levels_of(rows))
    probabilities.append(detector.finish()[:, SPEECH])
    kept, heard = np.concatenate(levels), np.concatenate(probabilities)
    speech = np.zeros(len(kept), np.bool_)
    found = hysteresis(heard, detector.onset, detector.offset)[: len(kept)]
    speech[: len(found)] = found
    return _Track(kept, speech, num_samples / SAMPLE_RATE)


def _spans(own: Frames) -> list[tuple[float, float]]:
    """The stretches of frames, in seconds of the track, with short pauses closed."""
    return regions(own.astype(np.float32), longest_pause=LONGEST_GAP, shortest=SHORTEST, padding=PADDING)


def _check(
    heard: Sequence[_Track],
    own: Sequence[Frames],
    leaks: Sequence[Leak],
    offsets: npt.NDArray[np.float64],
    off: Sequence[tuple[int, int]],
    called: Sequence[str],
) -> None:
    """Say how the tracks lie to each other. Raises AudioError when one does not belong to the others."""
    for first, second in off:
        log.warning(
            "%s and %s do not lie to each other as the other tracks say; is one of them cut?",
            called[first],
            called[second],
        )
    moved = [f"{called[at]} by {offset:.2f} s" for at, offset in enumerate(offsets) if offset > SAID]
    if moved:
        log.warning("the tracks do not begin together; moved %s", ", ".join(moved))
    heard_in = {at for leak in leaks if leak.strength for at in (leak.source, leak.into)}
    loose = [at for at in range(len(heard)) if at not in heard_in]
    for at in loose:
        others = np.zeros(max(len(one) for one in own), np.bool_)
        for other, frames in enumerate(own):
            begins = round(offsets[other] / FRAME)
            if other != at:
                others[begins : begins + len(frames)] |= frames[: len(others) - begins]
        if takes_turns(own[at], others) is False:
            raise AudioError(
                called[at],
                "does not belong to the other tracks: nothing is heard of one in the other, and they talk "
                "at the same time as often as strangers would; give the tracks of one conversation, uncut",
            )
    lengths = [one.duration for one in heard]
    unsure = [at for at in loose if abs(lengths[at] - max(lengths)) > UNEQUAL]
    if unsure:
        log.warning(
            "%s: nothing tells when it begins, and it is %s long, not %s; taken to begin with the first",
            ", ".join(called[at] for at in unsure),
            ", ".join(written(lengths[at]) for at in unsure),
            written(max(lengths)),
        )


def _embedded(
    track: Sound, spans: Sequence[tuple[float, float]], label: str, embedder: Embedder, offset: float
) -> tuple[Embedding, ...]:
    """The voice of a track's own turns, with times on the episode's clock; nothing where there is too little."""
    wanted = list(spans) if guide_of(embedder) is None else _best(spans)
    found = Heard(embedder.dimension)
    for samples, start, inside in _pieces(track, wanted):
        windows = np.array([w for span in inside for w in place(span, len(samples) / SAMPLE_RATE)]).reshape(-1, 2)
        windows = windows[windows[:, 1] - windows[:, 0] >= embedder.min_speech]
        if len(windows):
            found.windows = np.concatenate([found.windows, windows + start])
            found.vectors = np.concatenate([found.vectors, vectors_of(embedder, samples, windows)])
    turns = tuple(Turn(start, end, label) for start, end in wanted)
    own = embeddings_of(found, turns, embedder.min_speech).get(label, ()) if len(found.windows) else ()
    return tuple(replace(one, start=one.start + offset, end=one.end + offset) for one in own)


def _best(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The longest turns, up to ``BEST_SECONDS`` together, in order of time."""
    kept: list[tuple[float, float]] = []
    left = BEST_SECONDS
    for start, end in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
        if left > 0:
            kept.append((start, min(end, start + left)))
            left -= end - start
    return sorted(kept)


def _pieces(
    track: Sound, spans: Sequence[tuple[float, float]]
) -> Iterator[tuple[Array, float, list[tuple[float, float]]]]:
    """(samples, when they begin, the parts of spans in them, from there) of blocks in which anything is said."""
    at = 0.0
    for block in track.blocks():
        length = len(block) / SAMPLE_RATE
        inside = [(max(a - at, 0.0), min(b - at, length)) for a, b in spans if a < at + length and b > at]
        if inside:
            yield block, at, inside
        at += length
