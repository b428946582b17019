"""How good a diarization and its names are: DER, JER, IER, and what became of everybody's talk time.

The error rates come from pyannote.metrics (extra ``evaluate``), overlapped speech scored, with one difference in a
word: ``collar`` here is what NIST's md-eval calls it, seconds left out on *each* side of a reference boundary;
pyannote.metrics counts both sides together.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from .. import given
from ..errors import EvaluationError
from ..types import Turn

Uem = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class DiarizationScore:
    """Seconds of each kind of error; ``der`` and the other rates are shares of the reference's speech.

    jaccard : sum over the reference's speakers of 1 - overlap / union with the speaker mapped to them
    num_episodes_count_right : episodes in which the number of speakers is exactly right
    """

    total: float
    missed: float
    false_alarm: float
    confusion: float
    jaccard: float
    num_speakers: int
    num_episodes: int = 1
    num_episodes_count_right: int = 0

    @property
    def der(self) -> float:
        return _share(self.missed + self.false_alarm + self.confusion, self.total)

    @property
    def miss_rate(self) -> float:
        return _share(self.missed, self.total)

    @property
    def false_alarm_rate(self) -> float:
        return _share(self.false_alarm, self.total)

    @property
    def confusion_rate(self) -> float:
        return _share(self.confusion, self.total)

    @property
    def jer(self) -> float:
        return _share(self.jaccard, self.num_speakers)


@dataclass(frozen=True, slots=True)
class IdentificationScore:
    """Seconds of each kind of error when the names themselves must agree."""

    total: float
    missed: float
    false_alarm: float
    confusion: float

    @property
    def ier(self) -> float:
        return _share(self.missed + self.false_alarm + self.confusion, self.total)


@dataclass(frozen=True, slots=True)
class NamingScore:
    """What became of the talk time of enrolled people and of strangers, where one person speaks alone.

    right, wrong, unknown, missed : seconds of enrolled people under their own name, another's, none, or not heard
    stranger, stranger_named : seconds of everybody else, and how much of them carries a name
    num_enrolled, num_right : enrolled people, and those of them whose own name got the larger part of their talk
    num_strangers, num_strangers_named : the same for strangers, named if names got the larger part of their talk
    """

    enrolled: float
    right: float
    wrong: float
    unknown: float
    missed: float
    stranger: float
    stranger_named: float
    num_enrolled: int
    num_right: int
    num_strangers: int
    num_strangers_named: int

    @property
    def right_rate(self) -> float:
        return _share(self.right, self.enrolled)

    @property
    def wrong_rate(self) -> float:
        """Share of all talk time, of enrolled people and strangers, that carries a wrong name."""
        return _share(self.wrong + self.stranger_named, self.enrolled + self.stranger)


def diarization_error(
    reference: Iterable[Turn], hypothesis: Iterable[Turn], uem: Uem | None = None, *, collar: float = 0.0
) -> DiarizationScore:
    """Score who spoke when, under the best pairing of local labels with the reference's names; overlap counts.

    uem : (start, end) of what is scored; None scores from the first to the last turn of either
    collar : seconds left out on each side of a reference boundary
    """
    core, metrics = _pyannote()
    ref, hyp = _annotation(core, reference), _annotation(core, hypothesis)
    scored = _timeline(core, uem, ref, hyp)
    # Its collar is the whole width around a boundary, not the part on each side.
    parts = metrics.DiarizationErrorRate(collar=2 * collar)(ref, hyp, uem=scored, detailed=True)
    jaccard = metrics.JaccardErrorRate(collar=2 * collar)(ref, hyp, uem=scored, detailed=True)
    ref, hyp = ref.crop(scored), hyp.crop(scored)
    return DiarizationScore(
        total=parts["total"],
        missed=parts["missed detection"],
        false_alarm=parts["false alarm"],
        confusion=parts["confusion"],
        jaccard=jaccard["speaker error"],
        num_speakers=int(jaccard["speaker count"]),
        num_episodes_count_right=int(len(ref.labels()) == len(hyp.labels())),
    )


def identification_error(
    reference: Iterable[Turn],
    hypothesis: Iterable[Turn],
    uem: Uem | None = None,
    *,
    collar: float = 0.0,
    known: Collection[str] | None = None,
) -> IdentificationScore:
    """Score who spoke when, by name: no label is exchanged for another.

    known : the names that can be given. Everybody else is a stranger, and the hypothesis's labels that are no known
        name are paired with the reference's strangers as for DER. None compares every label as it is.
    """
    core, metrics = _pyannote()
    ref, hyp = _annotation(core, reference), _annotation(core, hypothesis)
    scored = _timeline(core, uem, ref, hyp)
    if known is not None:  # a local label that is spelt like a stranger must not count as right by chance
        hyp = hyp.rename_labels({label: f"unnamed {label}" for label in hyp.labels() if label not in known})
        strangers = ref.subset([label for label in ref.labels() if label not in known])
        unnamed = hyp.subset([label for label in hyp.labels() if label not in known])
        hyp = hyp.rename_labels(metrics.DiarizationErrorRate().optimal_mapping(strangers, unnamed, uem=scored))
    parts = metrics.IdentificationErrorRate(collar=2 * collar)(ref, hyp, uem=scored, detailed=True)
    return IdentificationScore(
        total=parts["total"],
        missed=parts["missed detection"],
        false_alarm=parts["false alarm"],
        confusion=parts["confusion"],
    )


def naming(
    reference: Iterable[Turn],
    hypothesis: Iterable[Turn],
    uem: Uem | None = None,
    *,
    enrolled: Collection[str],
    known: Collection[str],
    ignored: Collection[str] = (),
) -> NamingScore:
    """Score what became of everybody's talk time, where the reference has one speaker.

    enrolled : people of the reference who are in the library
    known : all names of the library; other labels of the hypothesis mean "unknown"
    ignored : people of the reference who are neither judged as enrolled nor as strangers
    """
    seconds: dict[str, dict[str, float]] = {}
    for duration, speakers, labels in pieces(reference, hypothesis, uem):
        if len(speakers) != 1:
            continue
        (speaker,) = speakers
        if speaker in ignored:
            continue
        names = labels & set(known)
        if speaker in names:
            outcome = "right"
        elif names:
            outcome = "wrong"
        else:
            outcome = "unknown" if labels else "missed"
        heard = seconds.setdefault(speaker, dict.fromkeys(("right", "wrong", "unknown", "missed"), 0.0))
        heard[outcome] += duration
    inside = [heard for speaker, heard in sorted(seconds.items()) if speaker in enrolled]
    outside = [heard for speaker, heard in sorted(seconds.items()) if speaker not in enrolled]
    named = [heard["right"] + heard["wrong"] for heard in outside]
    lengths = [sum(heard.values()) for heard in outside]
    return NamingScore(
        enrolled=sum(sum(heard.values()) for heard in inside),
        right=sum(heard["right"] for heard in inside),
        wrong=sum(heard["wrong"] for heard in inside),
        unknown=sum(heard["unknown"] for heard in inside),
        missed=sum(heard["missed"] for heard in inside),
        stranger=sum(lengths),
        stranger_named=sum(named),
        num_enrolled=len(inside),
        num_right=sum(heard["right"] > sum(heard.values()) / 2 for heard in inside),
        num_strangers=len(outside),
        num_strangers_named=sum(part > length / 2 for part, length in zip(named, lengths, strict=True)),
    )


Score = TypeVar("Score", DiarizationScore, IdentificationScore, NamingScore)


def total(parts: Sequence[Score]) -> Score:
    """Sum over episodes: seconds add up, and rates are taken of the sums. Raises ValueError without parts."""
    if not parts:
        raise ValueError("nothing to add up")
    rows = [asdict(part) for part in parts]
    return type(parts[0])(**{key: sum(row[key] for row in rows) for key in rows[0]})


def pieces(
    reference: Iterable[Turn], hypothesis: Iterable[Turn], uem: Uem | None = None
) -> Iterator[tuple[float, frozenset[str], frozenset[str]]]:
    """Yield the stretches in which nothing changes: (seconds, the reference's speakers, the hypothesis's labels).

    >>> list(pieces([Turn(0, 2, "Ada")], [Turn(1, 3, "S0")]))[1]
    (1, frozenset({'Ada'}), frozenset({'S0'}))
    """
    events: list[tuple[float, int, int, str]] = []
    sides = ([(t.start, t.end, t.speaker) for t in reference], [(t.start, t.end, t.speaker) for t in hypothesis])
    scored = [(start, end, "") for start, end in uem] if uem is not None else [(-np.inf, np.inf, "")]
    for side, spans in enumerate((*sides, scored)):
        for start, end, label in spans:
            events += [(start, 1, side, label), (end, -1, side, label)]
    active: tuple[dict[str, int], dict[str, int], dict[str, int]] = ({}, {}, {})
    before = -np.inf
    for time, change, side, label in sorted(events, key=lambda event: event[0]):  # in one moment in any order
        speakers, labels, inside = (frozenset(name for name, count in part.items() if count) for part in active)
        if time > before and inside and (speakers or labels):
            yield time - before, speakers, labels
        active[side][label] = active[side].get(label, 0) + change
        before = time


def read_rttm(path: str | Path) -> tuple[Turn, ...]:
    """Return the turns of an RTTM file of one recording, sorted.

    Raises EvaluationError that names the line which is none, or the recordings when there are several.
    """
    return _only(read_rttms(path), path)


def read_uem(path: str | Path) -> tuple[tuple[float, float], ...]:
    """Return the (start, end) spans of a UEM file of one recording. Raises EvaluationError as `read_rttm` does."""
    return _only(read_uems(path), path)


def read_rttms(path: str | Path) -> dict[str, tuple[Turn, ...]]:
    """Return the turns of each recording of an RTTM file, sorted, by what the file calls it (NIST RT-09, appendix A).

    Raises EvaluationError that names the line which is no RTTM.
    """
    turns: dict[str, list[Turn]] = {}
    for number, fields in numbered_fields(path):
        if fields[0] != "SPEAKER":
            continue
        try:
            start, duration, speaker = float(fields[3]), float(fields[4]), fields[7]
        except (IndexError, ValueError) as error:
            raise EvaluationError(f"{path}:{number}: not 'SPEAKER file channel start duration … name'") from error
        if not (math.isfinite(start) and math.isfinite(duration) and duration >= 0):
            raise EvaluationError(f"{path}:{number}: a turn from {fields[3]} for {fields[4]} s")
        turns.setdefault(fields[1], []).append(Turn(start, start + duration, speaker))
    return {recording: tuple(sorted(own)) for recording, own in sorted(turns.items())}


def read_uems(path: str | Path) -> dict[str, tuple[tuple[float, float], ...]]:
    """Return the (start, end) spans of each recording of a UEM file. Raises EvaluationError for a line that is none."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for number, fields in numbered_fields(path):
        try:
            start, end = float(fields[2]), float(fields[3])
        except (IndexError, ValueError) as error:
            raise EvaluationError(f"{path}:{number}: not 'file channel start end'") from error
        if not (math.isfinite(start) and start < end < math.inf):
            raise EvaluationError(f"{path}:{number}: a span from {fields[2]} to {fields[3]} s")
        spans.setdefault(fields[0], []).append((start, end))
    return {recording: tuple(own) for recording, own in sorted(spans.items())}


Rows = TypeVar("Rows", tuple[Turn, ...], tuple[tuple[float, float], ...])


def _only(by_recording: Mapping[str, Rows], path: str | Path) -> Rows:
    if len(by_recording) > 1:
        raise EvaluationError(f"{path}: holds {len(by_recording)} recordings, from {min(by_recording)} on, not one")
    return next(iter(by_recording.values()), ())


def of_recordings(reference: Collection[str], other: Mapping[str, Rows], path: str | Path) -> dict[str, Rows]:
    """Return what another file has of each recording of a reference, () where it has nothing.

    Two files of one recording each belong together, whatever they call it.

    Raises EvaluationError for recordings that the reference does not have.
    """
    if len(reference) == len(other) == 1:
        return dict(zip(reference, other.values(), strict=True))
    if strange := sorted(other.keys() - set(reference)):
        raise EvaluationError(f"{path}: {strange[0]} is no recording of the reference, as {min(reference)} is")
    return {recording: other.get(recording, ()) for recording in reference}


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def numbered_fields(path: str | Path, separator: str | None = None) -> list[tuple[int, list[str]]]:
    """Yield (line number, fields) of every line that is not blank; None separates at white space."""
    try:
        text = given.text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return [(number, line.split(separator)) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _pyannote() -> tuple[ModuleType, SimpleNamespace]:
    try:
        import pyannote.core as core
        from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate
        from pyannote.metrics.identification import IdentificationErrorRate
    except ImportError as error:
        raise EvaluationError("needs pyannote.metrics: pip install 'voicematch[evaluate]'") from error
    return core, SimpleNamespace(
        DiarizationErrorRate=DiarizationErrorRate,
        JaccardErrorRate=JaccardErrorRate,
        IdentificationErrorRate=IdentificationErrorRate,
    )


def _annotation(core: ModuleType, turns: Iterable[Turn]) -> Any:
    annotation = core.Annotation()
    for track, turn in enumerate(turns):
        annotation[core.Segment(turn.start, turn.end), track] = turn.speaker
    return annotation


def _timeline(core: ModuleType, uem: Uem | None, reference: Any, hypothesis: Any) -> Any:
    if uem is None:
        extent = reference.get_timeline().extent() | hypothesis.get_timeline().extent()
        uem = [(extent.start, extent.end)]
    return core.Timeline([core.Segment(start, end) for start, end in uem])
