"""The values that flow through voicematch. Times are seconds from the start of the audio.

Classes that hold an array compare by identity (``eq=False``): comparing arrays with ``==`` has no single answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Progress = Callable[[str, float, float], None]
"""``progress(step, done, total)``: called often; raising from it cancels the work. ``total`` is 0 when not known."""


class Sound(Protocol):
    """What a diarizer listens to: a recording (``audio.Audio``), or a span of one."""

    @property
    def duration(self) -> float:
        """Seconds, exact once ``blocks`` has run to its end."""

    def estimate(self) -> float | None:
        """Return the seconds, as far as they are known before listening."""

    def blocks(self, seconds: float = 30.0) -> Iterator[Array]:
        """Yield the whole sound in order: (num_samples,) float32 arrays, mono, 16 kHz, -1 … 1."""


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """A stretch in which one speaker holds the floor. Turns of two speakers may overlap."""

    start: float
    end: float
    speaker: str

    @property
    def duration(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """One unit vector of one voice.

    vector : (dimension,) float32 array of length 1
    seconds : net speech it was made from
    start, end : where in the audio that speech lies
    """

    vector: Array
    seconds: float
    start: float
    end: float


def talk_seconds(turns: Iterable[Turn]) -> dict[str, float]:
    """Return the seconds spoken by each local label, in order of first appearance."""
    seconds: dict[str, float] = {}
    for turn in turns:
        seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + turn.duration
    return seconds


def join_turns(turns: Iterable[Turn], *, gap: float = 0.0) -> tuple[Turn, ...]:
    """Return the same speech with turns of one speaker made one where they overlap, or are ``gap`` seconds apart.

    >>> join_turns([Turn(0, 2, "A"), Turn(1, 3, "B"), Turn(2, 4, "A")])
    (Turn(start=0, end=4, speaker='A'), Turn(start=1, end=3, speaker='B'))
    """
    joined: list[Turn] = []
    latest: dict[str, int] = {}
    for turn in sorted(turns):
        idx = latest.get(turn.speaker)
        if idx is not None and turn.start - joined[idx].end <= gap:
            joined[idx] = replace(joined[idx], end=max(joined[idx].end, turn.end))
        else:
            latest[turn.speaker] = len(joined)
            joined.append(turn)
    return tuple(sorted(joined))


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """What was heard of an episode, compactly: enough to tell its voices apart anew without the audio.

    embedder : whose vectors these are
    speech : (num_stretches, 2) float64, seconds where somebody speaks
    spans : (num_windows, 2) float64, seconds; vectors : (num_windows, dimension) float16, of unit length
    runs : (num_runs, 2) float64, the middle of the first moment of each run, in seconds, and how many follow it
    moments : (num_moments, dimension) int8, run after run
    frames : (num_frames, 3) uint8, what the speech detector said, 255 for certain
    """

    embedder: str
    duration: float
    speech: npt.NDArray[np.float64]
    spans: npt.NDArray[np.float64]
    vectors: npt.NDArray[np.float16]
    runs: npt.NDArray[np.float64]
    moments: npt.NDArray[np.int8]
    frames: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Diarization:
    """Who speaks when, by local label (SPEAKER_00 speaks first), and what each voice is like.

    turns : sorted by (start, end, speaker), all inside 0 … duration
    embeddings : for every speaker with enough speech, one embedding per stretch of about 10 s of their speech;
        a speaker with too little speech to embed is absent
    seconds_by_stage : wall time by stage, for the benchmark; some stages run beside each other
    exclusive : the turns cut so that nobody overlaps, by who holds the floor; empty when the engine does not say
    windows : what the turns were told from, to be kept; None when the engine does not say
    """

    turns: tuple[Turn, ...]
    embeddings: dict[str, tuple[Embedding, ...]]
    duration: float
    seconds_by_stage: dict[str, float] = field(default_factory=dict)
    exclusive: tuple[Turn, ...] = ()
    windows: Windows | None = None


DOUBTFUL_TALK = 8.0  # s; who says less than this
DOUBTFUL_TURN = 2.0  # s; in turns that are shorter than this on the whole, is as likely noise or a slip as a person


class Verdict(StrEnum):
    """What may be said of a speaker: a name, a suggestion, or nothing."""

    ACCEPT = "accept"
    REVIEW = "review"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Candidate:
    """How well one profile fits one speaker.

    score : cosine, -1 … 1
    probability : calibrated, 0 … 1
    agreement : share of the speaker's own talk time whose segments fit this profile better than any other
    """

    profile: str
    score: float
    probability: float
    agreement: float


@dataclass(frozen=True, slots=True)
class Match:
    """The verdict on one speaker of an episode, with the reasons a person can read.

    profile : the name given (accept) or suggested (review); None when unknown
    candidates : best first; kept also when the verdict is unknown, so that the answer explains itself
    unknown : the unknown (U-0001) that a speaker without a name is; None for one who says too little
    """

    speaker: str
    verdict: Verdict
    profile: str | None
    probability: float
    candidates: tuple[Candidate, ...] = ()
    reasons: tuple[str, ...] = ()
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its own times; ``speaker`` is a local label, or None while nobody holds it."""

    start: float
    end: float
    text: str
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transcript. ``speaker`` is a local label (SPEAKER_00), a name read from a file, or None.

    words : empty when the transcript has no word times
    others : speakers who talk over this line
    """

    start: float
    end: float
    text: str
    speaker: str | None = None
    words: tuple[Word, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter of an episode: start in seconds."""

    start: float
    title: str


@dataclass(frozen=True, slots=True)
class Part:
    """Sound that was listened to as one track.

    source : the file or address; "" is the episode's own
    track, channel : of it, counted from 1; None is all that belong together
    offset : seconds after the episode begins
    """

    source: str = ""
    track: int | None = None
    channel: int | None = None
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class LabelledEpisode:
    """The answer: an episode with names on it. ``name(label)`` is what to print for a local label.

    source : the path or URL as given
    audio_sha256 : identifies the exact audio the labels belong to
    matches : by local label, one for every speaker in ``turns``
    lost_seconds : what a damaged file could not give
    show : the podcast it is of, or ""
    chapters : as the feed has them, in order of time
    parts : what was listened to of it, or beside it: a track chosen, or a track for each person; none is all as one
    """

    source: str
    audio_sha256: str
    duration: float
    turns: tuple[Turn, ...]
    matches: dict[str, Match]
    lines: tuple[Line, ...] = ()
    title: str = ""
    date: str | None = None  # ISO 8601, of publication
    embedder: str = ""
    diarizer: str = ""
    lost_seconds: float = 0.0
    show: str = ""
    chapters: tuple[Chapter, ...] = ()
    parts: tuple[Part, ...] = ()

    def name(self, speaker: str) -> str:
        """Return the profile's name when accepted, else the local label."""
        match = self.matches.get(speaker)
        if match is not None and match.verdict is Verdict.ACCEPT and match.profile is not None:
            return match.profile
        return speaker

    def talk_seconds(self) -> dict[str, float]:
        """Return the seconds spoken by each local label, in order of first appearance."""
        return talk_seconds(self.turns)

    def doubtful(self) -> frozenset[str]:
        """Return the labels of nameless speakers of a few scattered seconds: rather a slip than a person."""
        num_turns: dict[str, int] = {}
        for turn in self.turns:
            num_turns[turn.speaker] = num_turns.get(turn.speaker, 0) + 1
        return frozenset(
            label
            for label, seconds in self.talk_seconds().items()
            if seconds < DOUBTFUL_TALK
            and seconds < DOUBTFUL_TURN * num_turns[label]
            and self.name(label) == label
            and len(num_turns) > 1
        )
