"""Lines of a transcript to speakers: every word goes to the one who holds the floor while it is said.

Where several speak at once, the floor belongs to the one whose turn is the longest, so that an "mm-hm" takes nothing
from the speaker it encourages; the others are noted in ``Line.others``. A line that spans a change of speaker is split
between two of its words. Turns and word times are each a few tenths of a second off, so the place is found by dynamic
programming: the end of a sentence or a pause near the change is better than the middle of a phrase right at it. Where
the cues of a transcript keep speakers apart, a change inside one is weighed against the cue kept whole (cues.py).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..types import Line, Turn
from . import cues
from .floor import Floor, Span, Stretch, holder

REACH = 2.0  # s; a turn further than this from a word has no claim to it
LOOK = 10.0  # s; turns are looked up for so much at once

# Costs of a change of speaker between two words; comparable with the costs of distance below.
AT_SENTENCE_END = 0.0
AT_CLAUSE_END = 4.0
AT_CAPITAL = 6.0
IN_PHRASE = 8.0

_SENTENCE_END = re.compile(r"[.?!…。！？]['\")\]»”’]*$")
_CLAUSE_END = re.compile(r"[,;:—–、，；：-]['\")\]»”’]*$")
_TOKEN = re.compile(r"[^\s。！？]+[。！？]*|[。！？]+")  # Chinese and Japanese have no blanks, but they have full stops

Chars = tuple[int, int]
_Share = tuple[str | None, float, float]


def attribute(
    lines: Iterable[Line],
    turns: Iterable[Turn],
    *,
    speech: Iterable[Span] | None = None,
    unsure: Container[int] = (),
    exclusive: Iterable[Turn] = (),
) -> tuple[Line, ...]:
    """Return the lines in their order with local labels for speakers, split where the speaker changes.

    No word is lost, repeated or moved: the texts of the result, joined, are the texts of ``lines``, joined. A line, or
    a part of one, over which nobody holds a turn stays without a speaker. Names that the lines came with are replaced.

    speech : (start, end) of where somebody speaks; text over speech that belongs to no turn stays without a speaker
    unsure : indexes of lines whose place in the audio is not known; they stay without a speaker
    exclusive : the turns as an engine cuts them where several speak at once, if it does; they then say who holds the
        floor, and ``turns`` who talks over a line
    """
    spoken = Floor(turns, speech)
    kept = tuple(exclusive)
    floor, nobody = Floor(kept, speech) if kept else spoken, Floor(())
    given = list(lines)
    laid = [_lay_out(line, nobody if idx in unsure else floor, {}) for idx, line in enumerate(given)]
    for _ in range(PACE_ROUNDS):
        paces = _paces(laid)
        if not paces:
            break
        laid = [_lay_out(line, nobody if idx in unsure else floor, paces) for idx, line in enumerate(given)]
    speakers = iter(_hold([word for each in laid for word in each.words]))
    trust = cues.trust([each.line for each in laid], floor)
    return tuple(
        piece
        for each in laid
        for piece in _cut(each, _settled(each, [next(speakers) for _ in each.words], floor, trust), spoken)
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """A word at its time, or at the time it probably has, and what it would cost each speaker near."""

    start: float
    end: float
    text: str
    costs: dict[str | None, float]


@dataclass(frozen=True, slots=True)
class _Laid:
    """A line with a time for each word.

    spans : where each word stands in the text
    shares : (speaker, seconds, characters) of each stretch that words without times were laid into
    """

    line: Line
    spans: list[Chars]
    words: list[_Said]
    shares: tuple[_Share, ...] = ()


def _lay_out(line: Line, floor: Floor, paces: Mapping[str, float]) -> _Laid:
    spans = _word_spans(line)
    shares: tuple[_Share, ...] = ()
    if spans is None:
        line = replace(line, words=())
        spans = [token.span() for token in _TOKEN.finditer(line.text)]
        times, shares = _lay_untimed(line, spans, floor, paces)
    else:
        times = [(word.start, word.end) for word in line.words]
    words: list[_Said] = []
    near: dict[str, list[Span]] = {}
    looked_from = looked_to = 0.0
    for (start, end), span in zip(times, spans, strict=True):
        time = (start + end) / 2
        if not looked_from <= time < looked_to:
            looked_from, looked_to = time, time + LOOK
            near = floor.near(looked_from - REACH, looked_to + REACH)
        words.append(_Said(start, end, line.text[slice(*span)], _costs(time, near)))
    return _Laid(line, spans, words, shares)


def _settled(laid: _Laid, speakers: list[str | None], floor: Floor, trust: float) -> list[str | None]:
    """The speakers of a line's words, made one where its cue kept whole is likelier than a change inside it."""
    spans = [(word.start, word.end) for word in laid.words]
    whole = cues.one_speaker(laid.line, spans, speakers, floor, trust)
    return speakers if whole is None else [whole] * len(speakers)


def _cut(laid: _Laid, speakers: list[str | None], spoken: Floor) -> list[Line]:
    """The line, or its pieces where the speaker changes."""
    line, spans, words = laid.line, laid.spans, laid.words
    changes = [idx for idx in range(1, len(words)) if speakers[idx] != speakers[idx - 1]]
    pieces: list[Line] = []
    for first, last in pairwise([0, *changes, len(words)]):
        start = line.start if first == 0 else words[first].start
        end = max(start, line.end if last == len(words) else words[last - 1].end)
        text = line.text[spans[first][0] : spans[last - 1][1]] if changes else line.text
        speaker = speakers[first] if speakers else None
        said = tuple(replace(word, speaker=speaker) for word in line.words[first:last])
        pieces.append(Line(start, end, text, speaker, said, spoken.others(start, end, speaker)))
    return pieces


def _word_spans(line: Line) -> list[Chars] | None:
    """Where each timed word stands in the text; None when there are none or they do not spell the text."""
    spans: list[Chars] = []
    cursor = 0
    for word in line.words:
        start = line.text.find(word.text, cursor)
        if not word.text or start < 0 or line.text[cursor:start].strip():
            return None
        cursor = start + len(word.text)
        spans.append((start, cursor))
    return spans if spans and not line.text[cursor:].strip() else None


def ends_sentence(text: str) -> bool:
    """Return whether the text's last sign ends a sentence, be it inside quotes or brackets.

    >>> ends_sentence('He said "yes."'), ends_sentence("and then")
    (True, False)
    """
    return _SENTENCE_END.search(text[-8:]) is not None


def change_cost(before: str, after: str) -> float:
    """Return what it costs to change the speaker between two words.

    >>> change_cost("here.", "Thanks,"), change_cost("Thanks,", "Maya."), change_cost("is", "something")
    (0.0, 4.0, 8.0)
    """
    if ends_sentence(before):
        return AT_SENTENCE_END + (1.0 if after[0].islower() else 0.0)
    if _CLAUSE_END.search(before[-8:]):
        return AT_CLAUSE_END
    return AT_CAPITAL if after[0].isupper() and not after.startswith("I") else IN_PHRASE


# ── Words at their times ──────────────────────────────────────────────────────────────────────────────────────────

BLUR = 0.25  # s; how far a word can be outside its speaker's turn at a cost of 1
FARTHEST = 8.0  # the most that one word's distance can cost
OVERLAPPED = 0.7  # for a speaker who does not hold the floor, but talks
NOBODY = 2.0  # for a word outside every turn; inside one, four times as much
CHANGE_SCALE = 0.6  # change costs, on the scale of the distances here
LEAST_CHANGE = 0.1
INFINITE = float("inf")
PAUSE = 0.4  # s between two words that makes a change cheap
PAUSE_SCALE = 0.3


def _hold(words: list[_Said]) -> list[str | None]:
    """The speaker of each word, at the least cost of distances and changes: Viterbi's algorithm over the transcript.

    The beginning of a line is no reason for a change of speaker: captions are cut by length.
    """
    best: dict[str | None, float] = {}
    back: list[dict[str | None, str | None]] = []
    for idx, word in enumerate(words):
        cheapest = min(best, key=best.__getitem__) if best else None
        from_cheapest = (best[cheapest] + _change(words[idx - 1], word)) if best else 0.0
        came = {state: state if best.get(state, INFINITE) <= from_cheapest else cheapest for state in word.costs}
        best = {state: min(best.get(state, INFINITE), from_cheapest) + cost for state, cost in word.costs.items()}
        back.append(came)
    path: list[str | None] = []
    state = min(best, key=best.__getitem__) if best else None
    for came in reversed(back):
        path.append(state)
        state = came[state]
    return path[::-1]


def _change(before: _Said, after: _Said) -> float:
    cost = change_cost(before.text, after.text) * CHANGE_SCALE + LEAST_CHANGE
    return cost * PAUSE_SCALE if after.start - before.end >= PAUSE else cost


def _costs(time: float, near: dict[str, list[Span]]) -> dict[str | None, float]:
    """What a word at that time costs each speaker in ``near``, and what it costs to leave it to nobody."""
    holding = holder(near, time)
    costs: dict[str | None, float] = {}
    for speaker, spans in near.items():
        distance = min(max(start - time, time - end, 0.0) for start, end in spans)
        overlapped = OVERLAPPED if distance == 0 and speaker != holding else 0.0
        costs[speaker] = min(FARTHEST, distance / BLUR) + overlapped
    costs[None] = 4 * NOBODY if holding is not None else NOBODY
    return costs


# ── Words without times: the words of a line shared out over its stretches ──────────────────────────────────────────

RATE_WANDER = 0.3  # s² of variance for every second of speech, of the time that a text of known length takes
PACE_ROUNDS = 2  # from the paces found, the words anew; a third time changes nothing on simulated shows
PACE_KNOWN = 20.0  # s of speech that weigh as much as the pace of all when a speaker's own is taken
SHORTEST = 0.5  # s added to a stretch's length for that variance; also the least gap that can hold unattributed text
FASTEST = 35.0  # characters a second; text denser than this over its turns was not all said in them
SAME_SPEAKER_SCALE = 0.1  # change costs at a pause of one speaker, where a sentence probably ends
WINDOW = 120  # words around the expected place of a boundary that are looked at
SKIPS = 4  # stretches in a row that may hold no word


def _lay_untimed(
    line: Line, spans: list[Chars], floor: Floor, paces: Mapping[str, float]
) -> tuple[list[Span], tuple[_Share, ...]]:
    """A time for each token, and how much text each stretch took."""
    text = line.text
    stretches = _with_gaps(floor.held(line.start, line.end), line, floor)
    if not spans or not stretches or line.end <= line.start:
        stretches = [(line.start, max(line.start, line.end), None)]
    lengths = np.array([0, *(end - start + 1 for start, end in spans)], dtype=np.float64).cumsum()
    inner = [change_cost(text[slice(*before)], text[slice(*after)]) for before, after in pairwise(spans)]
    owners = _share_out(lengths, np.array([0.0, *inner, 0.0]), stretches, paces)
    times: list[Span] = []
    took = [0.0] * len(stretches)
    for idx, owner in enumerate(owners):
        start, end, _ = stretches[owner]
        first, last = bisect_left(owners, owner), bisect_right(owners, owner)
        scale = (end - start) / (lengths[last] - lengths[first])
        since, until = (float(start + (lengths[n] - lengths[first]) * scale) for n in (idx, idx + 1))
        times.append((since, until))
        took[owner] += lengths[idx + 1] - lengths[idx]
    shares = [(speaker, end - start, size) for (start, end, speaker), size in zip(stretches, took, strict=True)]
    return times, tuple(shares)


def _paces(laid: Iterable[_Laid]) -> dict[str, float]:
    """How long each speaker takes for a character, beside what all take: 1 for one of whom too little is known.

    Empty where no line was shared out between speakers, for then it makes no difference.
    """
    seconds: dict[str, float] = {}
    chars: dict[str, float] = {}
    is_shared = False
    for each in laid:
        own = [share for share in each.shares if share[0] is not None]
        is_shared = is_shared or len({speaker for speaker, _, _ in own}) > 1
        for speaker, held, took in own:
            assert speaker is not None
            seconds[speaker] = seconds.get(speaker, 0.0) + held
            chars[speaker] = chars.get(speaker, 0.0) + took
    if not is_shared or not sum(chars.values()):
        return {}
    usual = sum(seconds.values()) / sum(chars.values())
    return {name: (seconds[name] + PACE_KNOWN) / (usual * chars[name] + PACE_KNOWN) for name in seconds}


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
    lengths: npt.NDArray[np.float64],
    changes: npt.NDArray[np.float64],
    stretches: list[Stretch],
    paces: Mapping[str, float],
) -> list[int]:
    """For each word the index of its stretch, in order, at the least cost.

    A stretch of d seconds that gets text of expected duration e costs (e - d)² / (RATE_WANDER (d + SHORTEST)); each
    boundary costs its change. Each stretch takes one or more words, or is skipped at the cost of e = 0.

    lengths : (num_words + 1,) characters before each word, and in all
    changes : (num_words + 1,) cost of a change before each word
    paces : how long a speaker takes for a character, beside what all take
    """
    num_words = len(lengths) - 1
    if len(stretches) == 1:
        return [0] * num_words
    seconds = np.array([end - start for start, end, _ in stretches])
    own = np.array([1.0 if speaker is None else paces.get(speaker, 1.0) for _, _, speaker in stretches])
    own *= (seconds / own).sum() / lengths[-1]  # seconds for a character
    empty = seconds**2 / (RATE_WANDER * (seconds + SHORTEST))
    columns = [_Column(0, np.zeros(1), np.zeros(1, np.int64), np.zeros(1, np.int64))]
    for stretch, middle in enumerate(np.searchsorted(lengths, (seconds / own).cumsum())):
        window = (max(1, int(middle) - WINDOW), min(num_words, int(middle) + WINDOW))
        begin, entry, skips = _entries(columns, stretch, stretches, empty, changes)
        ends = np.arange(window[0], window[1] + 1)
        took = own[stretch] * (lengths[None, ends] - lengths[begin : begin + len(entry), None])
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
