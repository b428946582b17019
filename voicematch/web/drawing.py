"""What the pages draw: times as people read them, bars along a time line, the lanes of who speaks when. All pure.

Positions are percentages of the drawing, so that its text keeps its size whatever width the drawing is given.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from ..formats.addresses import slug
from ..formats.amounts import date_of, day, month, percent, plural, talk
from ..formats.clock import clock
from .telling import plain

FINEST = 1_200  # steps a lane is drawn in: about the pixels a wide screen has for it
PARAGRAPH_SECONDS = 60.0  # longer ones hide where in the audio a sentence is
LOWEST = 0.6  # percent: a bar that can still be seen
WIDEST, THINNEST = 2.2, 0.15  # percent: 20 and 1.4 pixels of a bar on a wide screen
FEW = 6  # bars; so few may be twice as wide
MOST_TICKS = 6  # what a telephone has room for

_SPANS = (1, 2, 3, 6, 12, 24, 60, 120, 240)  # months between two ticks
_STEPS = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)  # seconds between two times on a ruler
_VALUES = (10.0, 20.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 18000.0, 36000.0)  # seconds


class SpokenLine(Protocol):
    """A line of a transcript, as far as putting lines together needs it."""

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...

    @property
    def speaker(self) -> str: ...


class Held(Protocol):
    """A stretch in which the speaker of that number holds the floor."""

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...

    @property
    def speaker(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Bar:
    """One episode. ``idx`` is its place in what was given; ``x`` its middle and ``height``, both in percent."""

    idx: int
    x: float
    height: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis, ``at`` percent from the left or from the bottom."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars by date. ``width`` of each is in percent, too; ``num_undated`` could not be drawn."""

    bars: tuple[Bar, ...]
    dates: tuple[Tick, ...]
    values: tuple[Tick, ...]
    width: float
    num_undated: int


def voice(label: str) -> str:
    """Return what to call a voice that has neither name nor number of its own.

    >>> voice("SPEAKER_00"), voice("maybe Ada"), voice("SPEAKER_X")
    ('Voice 1', 'maybe Ada', 'SPEAKER_X')
    """
    numbered = re.fullmatch(r"SPEAKER_([0-9]{1,3})", label)
    return f"Voice {int(numbered[1]) + 1}" if numbered else label


def reason(text: str) -> str:
    """Return a reason of a verdict as the rest of a page is written.

    >>> reason("a person said that SPEAKER_01 is Ada")
    'a person said that Voice 2 is Ada'
    """
    return re.sub(r"SPEAKER_[0-9]{1,3}", lambda label: voice(label[0]), text)


def host(address: str) -> str:
    """Return what a link is called.

    >>> host("https://www.example.org/about/ada"), host("mailto:x")
    ('example.org/about/ada', 'mailto:x')
    """
    return re.sub(r"^https?://(?:www\.)?|/$", "", address)[:60]


def lanes(turns: Iterable[Held], num_speakers: int, duration: float) -> list[str]:
    """Draw for each speaker when they speak: the path of an SVG in a box ``duration`` wide and 1 high.

    Gaps too small to see are closed, and what is too short to see is made just visible.
    """
    finest = duration / FINEST
    spans: list[list[tuple[float, float]]] = [[] for _ in range(num_speakers)]
    for turn in sorted(turns, key=lambda turn: turn.start):
        start, end = turn.start, max(turn.end, turn.start + finest)
        own = spans[turn.speaker]
        if own and start - own[-1][1] < finest:
            own[-1] = (own[-1][0], max(own[-1][1], end))
        else:
            own.append((start, end))
    return ["".join(_box(start, end) for start, end in own) for own in spans]


def _box(start: float, end: float) -> str:
    """
    >>> _box(0.5, 10.25)
    'M.5 0h9.75v1h-9.75z'
    """
    width = _short(end - start)
    return f"M{_short(start)} 0h{width}v1h-{width}z"


def ruler(duration: float) -> tuple[Tick, ...]:
    """Return times along an episode, from its beginning.

    >>> [tick.label for tick in ruler(4000)]
    ['0:00', '15:00', '30:00', '45:00', '1:00:00']
    """
    step = next((step for step in _STEPS if duration / step < MOST_TICKS), _STEPS[-1])
    length = duration or step  # an episode may be without any
    return tuple(Tick(round(100 * n * step / length, 2), clock(n * step)) for n in range(int(duration // step) + 1))


def paragraphs(lines: Iterable[SpokenLine]) -> list[list[Any]]:
    """Put lines together as one reads them: a new paragraph where the speaker changes, and after a minute."""
    gathered: list[list[Any]] = []
    for line in lines:
        last = gathered[-1] if gathered else None
        if last and last[-1].speaker == line.speaker and line.end - last[0].start <= PARAGRAPH_SECONDS:
            last.append(line)
        else:
            gathered.append([line])
    return gathered


def talk_chart(dates: Sequence[str | None], seconds: Sequence[float]) -> Chart:
    """Draw talk time by date of the episode."""
    top = max(seconds, default=0.0)
    step = next((value for value in _VALUES if 3 * value >= top), _VALUES[-1])
    return _chart(dates, seconds, step, talk)


def share_chart(dates: Sequence[str | None], shares: Sequence[float]) -> Chart:
    """Draw the share of the talk, 0 … 1, by date of the episode."""
    top = max(shares, default=0.0)
    step = next((value for value in (0.05, 0.1, 0.25) if 3 * value >= top), 0.5)
    return _chart(dates, shares, step, percent)


def _chart(dates: Sequence[str | None], values: Sequence[float], step: float, label: Callable[[float], str]) -> Chart:
    days = [parsed.toordinal() if (parsed := date_of(text)) else None for text in dates]
    known = sorted({number for number in days if number is not None})
    if not known:
        return Chart((), (), (), 0.0, len(dates))
    num_steps = max(1, -(-max(values) // step))
    top = num_steps * step
    first, last = known[0], known[-1]

    def place(number: int) -> float:
        return 50.0 if first == last else round(3 + 94 * (number - first) / (last - first), 2)

    bars = tuple(
        Bar(idx, place(number), max(LOWEST, round(100 * value / top, 2)))
        for idx, (number, value) in enumerate(zip(days, values, strict=True))
        if number is not None
    )
    marks = tuple(Tick(round(100 * n * step / top, 2), label(n * step)) for n in range(1, int(num_steps) + 1))
    ticks = tuple(Tick(place(number), text) for number, text in _date_ticks(first, last))
    return Chart(tuple(sorted(bars, key=lambda bar: bar.x)), ticks, marks, _width(known), len(dates) - len(bars))


def _width(known: Sequence[int]) -> float:
    """How wide a bar may be so that three of four have air beside them."""
    if len(known) == 1:
        return 2 * WIDEST
    widest = WIDEST if len(known) > FEW else 2 * WIDEST
    gaps = sorted(b - a for a, b in itertools.pairwise(known))
    usual = 94 * gaps[len(gaps) // 4] / (known[-1] - known[0])
    return round(min(widest, max(THINNEST, 0.65 * usual)), 2)


def _date_ticks(first: int, last: int) -> list[tuple[int, str]]:
    """Firsts of months, as many as fit; the ends themselves where no or one month begins between them."""
    start, end = date.fromordinal(first), date.fromordinal(last)
    ticks: list[date] = []
    for span in _SPANS:
        months = range(start.year * 12, end.year * 12 + 12, span)
        ticks = [date(month // 12, month % 12 + 1, 1) for month in months]
        ticks = [tick for tick in ticks if start <= tick <= end]
        if len(ticks) <= MOST_TICKS:
            break
    if len(ticks) < 2:
        return [(number, day(date.fromordinal(number).isoformat())) for number in sorted({first, last})]
    return [
        (tick.toordinal(), str(tick.year) if tick.month == 1 else _month(tick, idx == 0))
        for idx, tick in enumerate(ticks)
    ]


def _month(tick: date, with_year: bool) -> str:
    return f"{month(tick)} {tick.year}" if with_year else month(tick)


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".").removeprefix("0") or "0"


FILTERS: dict[str, Callable[..., Any]] = {
    "clock": clock,
    "talk": talk,
    "percent": percent,
    "day": day,
    "plural": plural,
    "voice": voice,
    "reason": reason,
    "host": host,
    "plain": plain,
    "slug": slug,
}
GLOBALS: dict[str, Callable[..., Any]] = {
    "lanes": lanes,
    "ruler": ruler,
    "paragraphs": paragraphs,
    "talk_chart": talk_chart,
    "share_chart": share_chart,
}
