"""Whether a clip will make a usable voiceprint: one voice, enough of it, clean enough. Pure values in and out.

A bad voiceprint is worse than none: it goes on naming wrong people until somebody finds it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..audio import SAMPLE_RATE
from ..errors import EnrollmentError
from ..formats.clock import clock
from ..types import Array, Diarization, Embedding, Turn
from .match import normalised_scores
from .score import Calibration, Voiceprints, centroid, steadiness

MIN_SECONDS = 5.0  # net speech below which a voiceprint misleads
GOOD_SECONDS = 15.0  # net speech below which it is weak
LEFT_OUT_SECONDS = 2.0  # speech that is worth a word when it is left out; less is a cough or a backchannel
SILENT = 1e-3  # peak, of full scale 1: -60 dB
CLIPPED_BEYOND_REPAIR = 0.05  # share of the loud samples at full scale
CLIPPED = 0.005
NOISY_DB = 12.0  # speech over background
FRAME = SAMPLE_RATE // 50
ONE_VOICE = 0.8  # probability that a clip which somebody enrolls is of one voice, before anything is heard


@dataclass(frozen=True, slots=True)
class Quality:
    """What the samples alone tell of a recording.

    peak : largest sample, full scale 1
    clipped : share of the loudest tenth of the samples that lie in flat tops at the peak
    snr : dB between the loud and the quiet 20 ms frames; large when nothing is quiet enough to be measured
    """

    peak: float
    clipped: float
    snr: float


@dataclass(frozen=True, slots=True)
class Sample:
    """The one voice of a clip.

    speakers : the diarizer's labels that are this voice
    warnings : sentences for the person who enrolls
    """

    speakers: tuple[str, ...]
    turns: tuple[Turn, ...]
    embeddings: tuple[Embedding, ...]
    warnings: tuple[str, ...]


def quality(blocks: Iterable[Array]) -> Quality:
    """Measure the samples of a recording, in one pass, so that a long file does not have to fit in memory.

    blocks : (num_samples,) float32 arrays in -1 … 1
    """
    levels: list[Array] = []
    tops: list[tuple[float, int, int]] = []  # of each block: its peak, the samples in flat tops, a tenth of all
    for block in blocks:
        if not len(block):
            continue
        size = np.abs(block)
        block_peak = float(size.max())
        # Two neighbours at the very same extreme do not happen by chance; a clipped wave is flat there.
        top = size >= 0.98 * block_peak
        flat = np.count_nonzero(top[1:] & top[:-1] & (np.abs(np.diff(block)) < 1e-3 * block_peak))
        tops.append((block_peak, int(flat), max(1, len(block) // 10)))
        cut = block[: len(block) // FRAME * FRAME].reshape(-1, FRAME)
        levels.append(np.sqrt(np.mean(np.square(cut, dtype=np.float64), axis=1)))
    peak = max((top for top, _, _ in tops), default=0.0)
    frames = np.concatenate([*levels, np.empty(0)])
    if peak == 0.0 or not len(frames):
        return Quality(peak, 0.0, 0.0)
    # A soft block, of silence perhaps, has its peaks where nothing is cut off.
    flats, tenths = zip(*((flat, tenth) for top, flat, tenth in tops if top >= peak / 2), strict=True)
    quiet, speech = np.quantile(frames, [0.05, 0.9])
    return Quality(peak, min(1.0, sum(flats) / sum(tenths)), float(20 * np.log10(speech / max(float(quiet), 1e-5))))


def check(
    diarization: Diarization,
    measured: Quality,
    *,
    name: str,
    calibration: Calibration,
    voiceprints: Voiceprints,
    speaker: str | None = None,
    may_differ: bool = False,
) -> Sample:
    """Return the one voice of a clip, fit to be enrolled as `name`, with warnings.

    speaker : which of several voices is meant; None expects a single one
    may_differ : take a voice that does not sound like the `name` known so far, too
    voiceprints : the library so far, to warn of a voice that is very close to another profile

    Raises EnrollmentError with the reason and the remedy: silence, clipping beyond repair, more than one voice (and
    where), less than 5 s of speech, or a voice that is somebody else's.
    """
    if measured.peak < SILENT or not diarization.turns:
        raise EnrollmentError(f"{name}: nobody speaks in this clip; check the file and the span")
    if measured.clipped > CLIPPED_BEYOND_REPAIR:
        raise EnrollmentError(
            f"{name}: the recording is clipped beyond repair ({measured.clipped:.0%} of the loud samples are cut off); "
            "use another recording, made at a lower level"
        )
    speakers, rest = _speakers(diarization, name, speaker, calibration)
    embeddings = tuple(
        sorted((e for label in speakers for e in diarization.embeddings.get(label, ())), key=lambda e: (e.start, e.end))
    )
    warnings = check_embeddings(embeddings, name=name, calibration=calibration, voiceprints=voiceprints)
    if not may_differ and any(STRANGER in warning for warning in warnings):
        raise EnrollmentError(
            f"{name}: {STRANGER} {name} enrolled before; is it the same person? `voicematch profiles show` lists "
            "what is known, `profiles remove` takes out what is wrong, and --force adds this voice all the same"
        )
    left_out = sum(turn.duration for turn in diarization.turns if turn.speaker in rest)
    if left_out >= LEFT_OUT_SECONDS:
        warnings += (f"left out {left_out:.0f} s that sound different, at {_spans(diarization.turns, rest)}",)
    if measured.clipped > CLIPPED:
        warnings += (f"the recording is clipped in places ({measured.clipped:.1%} of the loud samples)",)
    if measured.snr < NOISY_DB:
        warnings += (f"the recording is noisy: speech is only {measured.snr:.0f} dB over the background",)
    turns = tuple(turn for turn in diarization.turns if turn.speaker in speakers)
    return Sample(speakers, turns, embeddings, warnings)


STRANGER = "does not sound like the"


def check_embeddings(
    embeddings: Sequence[Embedding], *, name: str, calibration: Calibration, voiceprints: Voiceprints
) -> tuple[str, ...]:
    """Return warnings about a voice that is to be enrolled as `name`. Raises EnrollmentError below 5 s of speech."""
    seconds = sum(embedding.seconds for embedding in embeddings)
    if seconds < MIN_SECONDS:
        raise EnrollmentError(
            f"{name}: only {seconds:.1f} s of speech, a voiceprint needs {MIN_SECONDS:.0f} s; use a longer clip"
        )
    warnings = []
    if seconds < GOOD_SECONDS:
        warnings.append(
            f"only {math.floor(seconds)} s of speech; {GOOD_SECONDS:.0f} s or more recognise a voice more surely"
        )
    pooled = centroid(embeddings)
    score = normalised_scores(pooled.vector[None], voiceprints, calibration)[0]
    probability = calibration.probability(score, steadiness(embeddings))
    for other in np.argsort(-score, kind="stable"):
        if voiceprints.names[other] != name and probability[other] >= calibration.review:
            warnings.append(
                f"very close to {voiceprints.names[other]} ({probability[other]:.0%}); are they one person?"
            )
            break
    if name in voiceprints.names and probability[voiceprints.names.index(name)] < 1 - calibration.accept:
        warnings.append(f"{STRANGER} {name} enrolled before; is it the same person?")
    return tuple(warnings)


def _speakers(
    diarization: Diarization, name: str, speaker: str | None, calibration: Calibration
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels that are the voice to enroll, and those that are left out.

    Labels that sound like one person are one voice: a short clip is easily cut into several. A rest of less than 5 s
    is too short to be judged and is left out, and so is one that may be the same person in another room, for whoever
    enrolls says that the clip is of one voice; what is somebody else's is refused.
    """
    seconds: dict[str, float] = {}
    for turn in diarization.turns:
        seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + turn.duration
    if speaker is not None:
        if speaker not in seconds:
            raise EnrollmentError(f"{name}: no {speaker} in this clip; its voices are {', '.join(sorted(seconds))}")
        return (speaker,), ()
    voices = _voices(diarization.embeddings, calibration)
    voices += [(label,) for label in sorted(seconds) if label not in diarization.embeddings]
    voices.sort(key=lambda voice: -sum(seconds[label] for label in voice))
    main, others = voices[0], voices[1:]
    long = [voice for voice in others if sum(seconds[label] for label in voice) >= MIN_SECONDS]
    if any(_is_another(main, voice, diarization.embeddings, calibration) for voice in long):
        where = "; ".join(f"{' + '.join(voice)} at {_spans(diarization.turns, voice)}" for voice in voices)
        raise EnrollmentError(
            f"{name}: more than one voice: {where}; choose with --speaker, or cut with --from and --to"
        )
    return main, tuple(label for voice in others for label in voice)


def _voices(embeddings: Mapping[str, tuple[Embedding, ...]], calibration: Calibration) -> list[tuple[str, ...]]:
    """Labels in groups that sound like one person, joining the two most alike first."""
    groups: dict[tuple[str, ...], tuple[Embedding, ...]]
    groups = {(label,): own for label, own in sorted(embeddings.items()) if own}
    while len(groups) > 1:
        best, pair = max(
            (_alike(groups[one], groups[other], calibration), (one, other)) for one, other in combinations(groups, 2)
        )
        if _probability(best, [groups[voice] for voice in pair], calibration) < calibration.review:
            break
        joined = tuple(sorted(pair[0] + pair[1]))
        groups[joined] = groups.pop(pair[0]) + groups.pop(pair[1])
    return list(groups)


def _is_another(
    main: tuple[str, ...],
    voice: tuple[str, ...],
    embeddings: Mapping[str, tuple[Embedding, ...]],
    calibration: Calibration,
) -> bool:
    """Whether a voice is somebody else's more likely than not, given that the clip is said to be of one voice."""
    one, other = (tuple(e for label in labels for e in embeddings.get(label, ())) for labels in (main, voice))
    if not one or not other:
        return True
    return _probability(_alike(one, other, calibration), [one, other], calibration) < 1 - ONE_VOICE


def _probability(score: float, pair: Sequence[Sequence[Embedding]], calibration: Calibration) -> float:
    """That two voices of a clip are one person, who before anything is heard may as well be two.

    A clip is too short to be cautious: a voice whose steadiness is not known is taken to vary as people do.
    """
    return float(calibration.probability(score, max(steadiness(voice) or 0.0 for voice in pair)))


def _alike(one: Sequence[Embedding], other: Sequence[Embedding], calibration: Calibration) -> float:
    known = Voiceprints(("other",), centroid(other).vector[None], np.ones(1, np.float32))
    return float(normalised_scores(centroid(one).vector[None], known, calibration)[0, 0])


def _spans(turns: Iterable[Turn], voice: Collection[str], most: int = 3) -> str:
    """Where a voice is heard: the longest turns, in order of time."""
    longest = sorted(sorted((turn for turn in turns if turn.speaker in voice), key=lambda turn: -turn.duration)[:most])
    return ", ".join(f"{clock(turn.start)}–{clock(turn.end)}" for turn in longest)
