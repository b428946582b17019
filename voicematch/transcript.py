"""Lines of a transcript to speakers: every word goes to the one who holds the floor while it is said.

Where several speak at once, the floor belongs to the one whose turn is the longest, so that an "mm-hm" takes nothing
from the speaker it encourages; the others are noted in ``Line.others``. A line that spans a change of speaker is split
between two of its words. Turns and word times are each a few tenths of a second off, so the place is found by dynamic
programming: the end of a sentence or a pause near the change is better than the middle of a phrase right at it.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .types import Line, Turn, Word

REACH = 2.0  # s; a turn further than this from a word has no claim to it
OVERLAP_NOTED = 0.2  # s of talking over a line that puts a speaker among its others

# Costs of a change of speaker between two words; comparable with the costs of distance below.
AT_SENTENCE_END = 0.0
AT_CLAUSE_END = 3.0
AT_CAPITAL = 4.0
IN_PHRASE = 5.0

_SENTENCE_END = re.compile(r"[.?!…。！？]['\")\]»”’]*$")
_CLAUSE_END = re.compile(r"[,;:—–、，；：-]['\")\]»”’]*$")
_TOKEN = re.compile(r"[^\s。！？]+[。！？]*|[。！？]+")  # Chinese and Japanese have no blanks, but they have full stops

Span = tuple[float, float]
Stretch = tuple[float, float, str | None]


def attribute(
    lines: Iterable[Line],
    turns: Iterable[Turn],
    *,
    speech: Iterable[Span] | None = None,
    unsure: Container[int] = (),
) -> tuple[Line, ...]:
    """The lines in their order with local labels for speakers, split where the speaker changes.

    No word is lost, repeated or moved: the texts of the result, joined, are the texts of ``lines``, joined. A line, or
    a part of one, over which nobody holds a turn stays without a speaker. Names that the lines came with are replaced.

    speech : (start, end) of where somebody speaks; text over speech that belongs to no turn stays without a speaker
    unsure : indexes of lines whose place in the audio is not known; they stay without a speaker
    """
    floor, nobody = Floor(turns, speech), Floor(())
    return tuple(
        piece for idx, line in enumerate(lines) for piece in _attribute_line(line, nobody if idx in unsure else floor)
    )


def _attribute_line(line: Line, floor: Floor) -> list[Line]:
    spans = _word_spans(line)
    words = line.words if spans is not None else ()
    if spans is not None:
        speakers = _hold_timed(line, floor)
        times = [(word.start, word.end) for word in words]
    else:
        spans = [token.span() for token in _TOKEN.finditer(line.text)]
        speakers, times = _hold_untimed(line, spans, floor)
    bounds = [0, *(idx for idx in range(1, len(spans)) if speakers[idx] != speakers[idx - 1]), len(spans)]
    pieces: list[Line] = []
    for first, last in itertools.pairwise(bounds):
        start = line.start if first == 0 else times[first][0]
        end = line.end if last == len(spans) else times[last - 1][1]
        text = line.text if len(bounds) == 2 else line.text[spans[first][0] : spans[last - 1][1]]
        speaker = speakers[first] if speakers else None
        said = tuple(replace(word, speaker=speaker) for word in words[first:last])
        end = max(start, end)
        pieces.append(Line(start, end, text, speaker, said, floor.others(start, end, speaker)))
    return pieces


def _word_spans(line: Line) -> list[tuple[int, int]] | None:
    """Where each timed word stands in the text; None when there are none or they do not spell the text."""
    spans: list[tuple[int, int]] = []
    cursor = 0
    for word in line.words:
        start = line.text.find(word.text, cursor)
        if not word.text or start < 0 or line.text[cursor:start].strip():
            return None
        cursor = start + len(word.text)
        spans.append((start, cursor))
    return spans if spans and not line.text[cursor:].strip() else None


class Floor:
    """Who speaks when, for looking up near a time: each lookup is a binary search in every speaker's stretches."""

    def __init__(self, turns: Iterable[Turn], speech: Iterable[Span] | None = None) -> None:
        by_speaker: dict[str, list[Span]] = {}
        for turn in sorted(turns):
            if turn.end > turn.start:
                by_speaker.setdefault(turn.speaker, []).append((turn.start, turn.end))
        self.stretches = {speaker: _Stretches(spans) for speaker, spans in by_speaker.items()}
        self.speech = None if speech is None else _Stretches(sorted(speech))

    def near(self, start: float, end: float) -> dict[str, list[Span]]:
        """Each speaker's stretches that reach into start … end; speakers in order of first appearance."""
        found = {speaker: stretches.within(start, end) for speaker, stretches in self.stretches.items()}
        return {speaker: spans for speaker, spans in found.items() if spans}

    def held(self, start: float, end: float) -> list[Stretch]:
        """Start … end as stretches with exactly one speaker; time that nobody holds is left out."""
        near = self.near(start, end)
        edges = {start, end}
        for spans in near.values():
            edges.update(edge for span in spans for edge in span if start < edge < end)
        cuts = sorted(edges)
        held: list[Stretch] = []
        for since, until in itertools.pairwise(cuts):
            speaker = _holder(near, (since + until) / 2)
            if speaker is None:
                continue
            if held and held[-1][2] == speaker and held[-1][1] == since:
                held[-1] = (held[-1][0], until, speaker)
            else:
                held.append((since, until, speaker))
        return held

    def others(self, start: float, end: float, speaker: str | None) -> tuple[str, ...]:
        """Who talks over ``speaker`` between start and end."""
        if speaker is None:
            return ()
        near = self.near(start, end)
        own = [(max(start, since), min(end, until)) for since, until in near.get(speaker, [])]
        shared = {other: _shared(own, spans) for other, spans in near.items() if other != speaker}
        return tuple(other for other, seconds in shared.items() if seconds >= OVERLAP_NOTED)


class _Stretches:
    """Disjoint spans in order; those that touch or overlap are joined."""

    def __init__(self, spans: Sequence[Span]) -> None:
        joined: list[Span] = []
        for start, end in spans:
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        self.spans = joined
        self.starts = [start for start, _ in joined]
        self.ends = [end for _, end in joined]

    def within(self, start: float, end: float) -> list[Span]:
        return self.spans[bisect_left(self.ends, start) : bisect_right(self.starts, end)]


def _holder(near: dict[str, list[Span]], time: float) -> str | None:
    longest, speaker = 0.0, None
    for name, spans in near.items():
        for start, end in spans:
            if start <= time < end and end - start > longest:
                longest, speaker = end - start, name
    return speaker


def _shared(own: list[Span], spans: list[Span]) -> float:
    return sum(max(0.0, min(end, until) - max(start, since)) for start, end in own for since, until in spans)


def ends_sentence(text: str) -> bool:
    """Whether the text's last sign ends a sentence, be it inside quotes or brackets.

    >>> ends_sentence('He said "yes."'), ends_sentence("and then")
    (True, False)
    """
    return _SENTENCE_END.search(text[-8:]) is not None


def change_cost(before: str, after: str) -> float:
    """What it costs to change the speaker between two words.

    >>> change_cost("here.", "Thanks,"), change_cost("Thanks,", "Maya."), change_cost("is", "something")
    (0.0, 3.0, 5.0)
    """
    if ends_sentence(before):
        return AT_SENTENCE_END + (1.0 if after[0].islower() else 0.0)
    if _CLAUSE_END.search(before[-8:]):
        return AT_CLAUSE_END
    return AT_CAPITAL if after[0].isupper() and not after.startswith("I") else IN_PHRASE


# ── Words with times: Viterbi over the words of a line ──────────────────────────────────────────────────────────────

BLUR = 0.25  # s; how far a word can be outside its speaker's turn at a cost of 1
FARTHEST = 8.0  # the most that one word's distance can cost
OVERLAPPED = 0.7  # for a speaker who does not hold the floor, but talks
NOBODY = 2.0  # for a word outside every turn; inside one, four times as much
CHANGE_SCALE = 0.6  # change costs, on the scale of the distances here
PAUSE = 0.4  # s between two words that makes a change cheap
PAUSE_SCALE = 0.3


def _hold_timed(line: Line, floor: Floor) -> list[str | None]:
    words = line.words
    near = floor.near(min(word.start for word in words) - REACH, max(word.end for word in words) + REACH)
    if not near:
        return [None] * len(words)
    states: list[str | None] = [*near, None]
    costs = [_distances(word, near) for word in words]
    best = costs[0]
    back: list[list[int]] = []
    for idx in range(1, len(words)):
        change = change_cost(words[idx - 1].text, words[idx].text) * CHANGE_SCALE + 0.1
        if words[idx].start - words[idx - 1].end >= PAUSE:
            change *= PAUSE_SCALE
        cheapest = min(range(len(states)), key=best.__getitem__)
        came = [state if best[state] <= best[cheapest] + change else cheapest for state in range(len(states))]
        best = [
            min(best[state], best[cheapest] + change) + cost
            for state, cost in zip(range(len(states)), costs[idx], strict=True)
        ]
        back.append(came)
    state = min(range(len(states)), key=best.__getitem__)
    path = [state]
    for came in reversed(back):
        state = came[state]
        path.append(state)
    return [states[state] for state in reversed(path)]


def _distances(word: Word, near: dict[str, list[Span]]) -> list[float]:
    """What the word costs each speaker in ``near``, and last, what it costs to leave it to nobody."""
    time = (word.start + word.end) / 2
    holder = _holder(near, time)
    costs: list[float] = []
    for speaker, spans in near.items():
        distance = min(max(start - time, time - end, 0.0) for start, end in spans)
        overlapped = OVERLAPPED if distance == 0 and speaker != holder else 0.0
        costs.append(min(FARTHEST, distance / BLUR) + overlapped)
    return [*costs, NOBODY if min(costs) > 0 else 4 * NOBODY]


# ── Words without times: the words of a line shared out over its stretches ──────────────────────────────────────────

RATE_WANDER = 0.15  # s² of variance for every second of speech, of the time that a text of known length takes
SHORTEST = 0.5  # s added to a stretch's length for that variance; also the least gap that can hold unattributed text
FASTEST = 35.0  # characters a second; text denser than this over its turns was not all said in them
SAME_SPEAKER_SCALE = 0.1  # change costs at a pause of one speaker, where a sentence probably ends
WINDOW = 120  # words around the expected place of a boundary that are looked at
SKIPS = 4  # stretches in a row that may hold no word


def _hold_untimed(line: Line, spans: list[tuple[int, int]], floor: Floor) -> tuple[list[str | None], list[Span]]:
    """For each token its speaker and its estimated time."""
    text = line.text
    held = floor.held(line.start, line.end)
    if line.end <= line.start:
        speaker = _holder(floor.near(line.start, line.end), line.start)
        return [speaker] * len(spans), [(line.start, line.end)] * len(spans)
    stretches = _with_gaps(held, line, floor)
    if not spans or not stretches:
        return [None] * len(spans), [(line.start, line.end)] * len(spans)
    lengths = np.array([0, *(end - start + 1 for start, end in spans)], dtype=np.float64).cumsum()
    changes = np.array(
        [
            0.0,
            *(change_cost(text[slice(*before)], text[slice(*after)]) for before, after in itertools.pairwise(spans)),
            0.0,
        ]
    )
    owners = _share_out(lengths, changes, stretches)
    speakers: list[str | None] = []
    times: list[Span] = []
    for idx, owner in enumerate(owners):
        start, end, speaker = stretches[owner]
        first, last = bisect_left(owners, owner), bisect_right(owners, owner)
        scale = (end - start) / (lengths[last] - lengths[first])
        speakers.append(speaker)
        since, until = (float(start + (lengths[n] - lengths[first]) * scale) for n in (idx, idx + 1))
        times.append((since, until))
    return speakers, times


def _with_gaps(held: list[Stretch], line: Line, floor: Floor) -> list[Stretch]:
    """The stretches, and between them those that hold text which belongs to nobody."""
    gaps: list[Stretch] = []
    cursor = line.start
    for start, end in [*((start, end) for start, end, _ in held), (line.end, line.end)]:
        if start - cursor >= SHORTEST:
            gaps.append((cursor, start, None))
        cursor = max(cursor, end)
    if floor.speech is not None:
        voiced = [
            (max(start, since), min(end, until), None)
            for start, end, _ in gaps
            for since, until in floor.speech.within(start, end)
        ]
        gaps = [gap for gap in voiced if gap[1] - gap[0] >= SHORTEST]
    elif held and len(line.text) <= FASTEST * sum(end - start for start, end, _ in held):
        gaps = []
    return sorted([*held, *gaps], key=lambda stretch: stretch[:2])


@dataclass(frozen=True, slots=True)
class _Column:
    """The best cost of a stretch's words ending before word ``first``, ``first + 1``, …, and where they began."""

    first: int
    costs: npt.NDArray[np.float64]
    begins: npt.NDArray[np.int64]
    skips: npt.NDArray[np.int64]  # how many stretches back the words before belong


def _share_out(
    lengths: npt.NDArray[np.float64], changes: npt.NDArray[np.float64], stretches: list[Stretch]
) -> list[int]:
    """For each word the index of its stretch, in order, at the least cost.

    A stretch of d seconds that gets text of expected duration e costs (e - d)² / (RATE_WANDER (d + SHORTEST)); each
    boundary costs its change. Each stretch takes one or more words, or is skipped at the cost of e = 0.

    lengths : (num_words + 1,) characters before each word, and in all
    changes : (num_words + 1,) cost of a change before each word
    """
    num_words = len(lengths) - 1
    if len(stretches) == 1:
        return [0] * num_words
    seconds = np.array([end - start for start, end, _ in stretches])
    expected = lengths * (seconds.sum() / lengths[-1])
    empty = seconds**2 / (RATE_WANDER * (seconds + SHORTEST))
    columns = [_Column(0, np.zeros(1), np.zeros(1, np.int64), np.zeros(1, np.int64))]
    for stretch, middle in enumerate(np.searchsorted(expected, seconds.cumsum())):
        window = (max(1, int(middle) - WINDOW), min(num_words, int(middle) + WINDOW))
        begin, entry, skips = _entries(columns, stretch, stretches, empty, changes)
        ends = np.arange(window[0], window[1] + 1)
        took = expected[None, ends] - expected[begin : begin + len(entry), None]
        fit = (took - seconds[stretch]) ** 2 / (RATE_WANDER * (seconds[stretch] + SHORTEST))
        costs = np.where(took > 0, entry[:, None] + fit, np.inf)
        came = costs.argmin(axis=0)
        columns.append(_Column(window[0], costs[came, np.arange(len(ends))], begin + came, skips[came]))
    return _trace(columns, empty, num_words)


def _entries(
    columns: list[_Column],
    stretch: int,
    stretches: list[Stretch],
    empty: npt.NDArray[np.float64],
    changes: npt.NDArray[np.float64],
) -> tuple[int, npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The first word with which ``stretch`` can begin; the least cost of beginning with it and those after."""
    reachable = [(back, columns[stretch + 1 - back]) for back in range(1, min(stretch + 1, SKIPS + 1) + 1)]
    begin = min(column.first for _, column in reachable)
    size = max(column.first + len(column.costs) for _, column in reachable) - begin
    entry = np.full(size, np.inf)
    skips = np.ones(size, np.int64)
    for back, column in reachable:
        here = slice(column.first - begin, column.first - begin + len(column.costs))
        skipped = empty[stretch + 1 - back : stretch].sum()
        before = stretch - back
        scale = 1.0 if before < 0 or stretches[before][2] != stretches[stretch][2] else SAME_SPEAKER_SCALE
        costs = column.costs + skipped + changes[column.first : column.first + len(column.costs)] * scale
        better = costs < entry[here]
        entry[here] = np.where(better, costs, entry[here])
        skips[here] = np.where(better, back, skips[here])
    return begin, entry, skips


def _trace(columns: list[_Column], empty: npt.NDArray[np.float64], num_words: int) -> list[int]:
    best, column = np.inf, len(columns) - 1
    for idx in range(1, len(columns)):
        at = num_words - columns[idx].first
        if 0 <= at < len(columns[idx].costs):
            cost = columns[idx].costs[at] + empty[idx:].sum()
            if cost < best:
                best, column = cost, idx
    owners: list[int] = []
    end = num_words
    while column > 0:
        at = end - columns[column].first
        begin, back = int(columns[column].begins[at]), int(columns[column].skips[at])
        owners[:0] = [column - 1] * (end - begin)
        end, column = begin, column - back
    return owners
