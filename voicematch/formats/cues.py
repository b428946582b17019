"""What the caption formats share: an episode as lines with names, and a file as blocks with times."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import FormatError
from ..types import LabelledEpisode, Line
from . import clock
from .repairs import BLOCKS, Repairs

MOST_CUES = 100_000  # 55 hours of captions, 11 hours word by word; more would be waited for, minutes long

_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f\ud800-\udfff\ufffe\uffff]")
_TIMING = re.compile(r"\s*([0-9][0-9:.,]*)\s*-->\s*([0-9][0-9:.,]*)(?:\s+(?P<rest>\S.*)?)?")
_CLOCK = re.compile(r"[-−]?[0-9][0-9;.,]*[:;][0-9:;.,]*")
_NEARLY_TIMING = re.compile(
    r"\s*(?P<start>[-−]?[0-9][0-9:;.,]{0,15}|[^\s<>-]{0,12})\s{0,3}(?P<arrow>[-–—=]{1,3}>|→)\s{0,3}"
    r"(?P<end>[-−]?[0-9][0-9:;.,]{0,15}|[^\s<>-]{0,12})(?:\s+(?P<rest>\S.*)?)?"
)
_SETTINGS = re.compile(r"(?:[A-Za-z][A-Za-z0-9]*:\S+(?:\s+|$))*")  # "align:start", "X1:0"
_DIGIT = re.compile("[0-9]")
_LINE_END = re.compile(r"\r\n|\r|\n")


def clean(text: str) -> str:
    """Return one line of text: runs of white space become one blank, what XML and UTF-8 cannot hold is dropped."""
    return " ".join((text if text.isprintable() else _UNPRINTABLE.sub("", text)).split())


def split_lines(text: str) -> list[str]:
    """Return lines as editors count them; ``str.splitlines`` would also split at form feeds and U+2028."""
    return _LINE_END.split(text)


def named_lines(episode: LabelledEpisode) -> list[Line]:
    """Return the lines by start time, each with the printed name for speaker; without a transcript, a line for every
    turn.

    A line made from a turn has no text. A line of a transcript always has.
    """
    if episode.lines:
        cleaned = (replace(line, text=clean(line.text)) for line in episode.lines)
        lines = [line for line in cleaned if line.text]
    else:
        lines = [Line(turn.start, turn.end, "", turn.speaker) for turn in episode.turns]
    named = [
        replace(line, speaker=None if line.speaker is None else clean(episode.name(line.speaker)) or None)
        for line in lines
    ]
    return sorted(named, key=lambda line: line.start)


@dataclass(frozen=True, slots=True)
class Cue:
    """One block of a caption file.

    start, end : seconds; None where no time can be read
    line : where its times stand
    is_malformed : a time stands there that is not as the format wants it
    """

    start: float | None
    end: float | None
    text: str
    line: int
    is_malformed: bool = False


def read_cues(
    lines: list[str],
    repairs: Repairs,
    *,
    first: int,
    is_comment: Callable[[str], bool],
    is_name: Callable[[str, bool], bool],
) -> list[Cue]:
    """Read the cues of a caption file from line ``first`` (0-based) on.

    A blank line inside a cue's text, which both formats forbid and many files have, does not end the text. What stands
    before the first time is no part of the transcript, and is counted when it is more than a name.

    is_comment : whether a block that begins with this line is skipped
    is_name : whether the line before the times, which does or does not follow a blank one, is the cue's number or
        name rather than text
    """
    cues: list[Cue] = []
    payload: list[tuple[int, str]] = []  # with line numbers; blank lines as ""
    after_blank, skipping = True, False
    for number, line in enumerate(lines[first:], start=first + 1):
        if not line.strip():
            after_blank, skipping = True, False
            payload.append((number, ""))
            continue
        if skipping or (after_blank and is_comment(line)):
            skipping = True
            continue
        is_named = bool(payload and payload[-1][1]) and is_name(payload[-1][1], _follows_blank(payload, not cues))
        timing = _timing(line, number, is_place=is_named or after_blank)
        if timing is None:
            payload.append((number, line))
            after_blank = False
            continue
        if is_named:
            payload.pop()
        if cues:
            cues[-1] = replace(cues[-1], text="\n".join(text for _, text in payload))
        else:
            _note_blocks(payload, repairs)
        cues.append(timing)
        refuse_endless(len(cues), repairs.source, number)
        payload, after_blank = [], False
    if not cues:
        raise FormatError(repairs.source, "no cue with times", len(lines))
    cues[-1] = replace(cues[-1], text="\n".join(text for _, text in payload))
    return cues


def refuse_endless(num_cues: int, source: object, line: int | None = None) -> None:
    """Raise FormatError when there are more cues than an episode can have."""
    if num_cues > MOST_CUES:
        raise FormatError(source, f"more than {MOST_CUES:,} captions; is this the transcript of one episode?", line)


def _follows_blank(payload: list[tuple[int, str]], at_start: bool) -> bool:
    return not payload[-2][1] if len(payload) > 1 else at_start


def _note_blocks(payload: list[tuple[int, str]], repairs: Repairs) -> None:
    """Count the blocks of text before the first time."""
    before = ""
    for number, text in payload:
        if text and not before:
            repairs.note(BLOCKS, number)
        before = text


def _timing(line: str, number: int, *, is_place: bool) -> Cue | None:
    """Return a cue without text yet, if the line is one with times, be they right or not.

    is_place : it stands where a cue begins; elsewhere, times with something behind them are said
    """
    exact = _TIMING.fullmatch(line)
    if exact is not None and (is_place or _are_settings(exact["rest"])):
        start, end = (clock.seconds(part) for part in exact.groups()[:2])
        if start is not None and end is not None:
            return Cue(start, end, "", number)
    nearly = _NEARLY_TIMING.fullmatch(line)
    if nearly is None:
        return None
    times = nearly["start"], nearly["end"]
    are_clocks = all(_CLOCK.fullmatch(time) for time in times) and _are_settings(nearly["rest"])
    if nearly["arrow"] == "-->":
        is_timing = are_clocks or (is_place and any(":" in time and _DIGIT.search(time) for time in times))
    else:
        is_timing = are_clocks and is_place  # people write other arrows too
    if not is_timing:
        return None
    start, end = map(clock.loose, times)
    return Cue(start, end, "", number, is_malformed=True)


def _are_settings(text: str | None) -> bool:
    return text is None or _SETTINGS.fullmatch(text) is not None
