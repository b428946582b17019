"""What the caption formats share: an episode as lines with names, and a file as blocks with times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..errors import FormatError
from ..types import LabelledEpisode, Line
from . import clock

_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f\ud800-\udfff\ufffe\uffff]")
_TIMING = re.compile(r"\s*([0-9][0-9:.,]*)\s*-->\s*([0-9][0-9:.,]*)(?:\s.*)?")
_NEARLY_TIMING = re.compile(r"[0-9]{1,3}:[0-9:.,]{1,12}\s{0,3}[-–—=]{1,3}>|-->\s{0,3}[0-9]{1,3}:[0-9]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_LABEL = re.compile(r"\[?([^\s:\[\]<>]{1,40}(?: [^\s:\[\]<>]{1,40}){0,4})\]?:(?:\s+|$)")
_PARTICLES = frozenset(
    {"&", "al", "and", "da", "de", "del", "der", "di", "du", "el", "la", "le", "of", "the", "van", "von", "y"}
)


def clean(text: str) -> str:
    """One line of text: runs of white space become one blank, what XML and UTF-8 cannot hold is dropped."""
    return " ".join(_UNPRINTABLE.sub("", text).split())


def split_lines(text: str) -> list[str]:
    """Lines as editors count them; ``str.splitlines`` would also split at form feeds and U+2028."""
    return _LINE_END.split(text)


def named_lines(episode: LabelledEpisode) -> list[Line]:
    """The lines by start time, each with the printed name for speaker; without a transcript, a line for every turn.

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
    """One block of a caption file; ``line`` is where its times stand."""

    start: float
    end: float
    text: str
    line: int


def read_cues(
    lines: list[str],
    source: object,
    *,
    first: int,
    is_comment: Callable[[str], bool],
    is_name: Callable[[str, bool], bool],
) -> Iterator[Cue]:
    """The cues of a caption file from line ``first`` (0-based) on.

    A blank line inside a cue's text, which both formats forbid and many files have, does not end the text.

    is_comment : whether a block that begins with this line is skipped
    is_name : whether the line before the times, which does or does not follow a blank one, is the cue's number or
        name rather than text
    """
    times: tuple[float, float, int] | None = None
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
        timing = _timing(line, source, number)
        if timing is None:
            payload.append((number, line))
            after_blank = False
            continue
        if payload and payload[-1][1] and is_name(payload[-1][1], _follows_blank(payload, times is None)):
            payload.pop()
        if times is not None:
            yield Cue(times[0], times[1], "\n".join(text for _, text in payload), times[2])
        elif any(text for _, text in payload):
            stray = next(at for at, text in payload if text)
            raise FormatError(source, "text before the first time", stray)
        times, payload, after_blank = (*timing, number), [], False
    if times is None:
        raise FormatError(source, "no cue with times", len(lines))
    yield Cue(times[0], times[1], "\n".join(text for _, text in payload), times[2])


def _follows_blank(payload: list[tuple[int, str]], at_start: bool) -> bool:
    return not payload[-2][1] if len(payload) > 1 else at_start


def _timing(line: str, source: object, number: int) -> tuple[float, float] | None:
    match = _TIMING.fullmatch(line)
    if match is None:
        if _NEARLY_TIMING.search(line) is None:
            return None
        raise FormatError(source, "times not understood; expected 00:00:01.000 --> 00:00:02.000", number)
    start, end = (clock.seconds(part) for part in match.groups())
    if start is None or end is None:
        raise FormatError(source, "times not understood; expected 00:00:01.000 --> 00:00:02.000", number)
    if end < start:
        raise FormatError(source, "the cue ends before it starts", number)
    return start, end


def _label(text: str) -> re.Match[str] | None:
    match = _LABEL.match(text)
    if match is None or text[0].islower():
        return None
    looks_like_name = all(word in _PARTICLES or not word[0].islower() for word in match.group(1).split())
    return match if looks_like_name else None


def label_speakers(lines: list[Line]) -> tuple[Line, ...]:
    """Lines with ``Name:`` taken off the text and made the speaker, when the file labels its speakers that way.

    It does when its first line carries such a label, or when one label comes twice; a label holds until the next
    one, and ``>>`` (the captioner's sign for a change of speaker) ends it. Otherwise the text is left alone, so that
    no word is taken for a name.
    """
    labels = [_label(line.text) for line in lines]
    found = [match.group(1) for match in labels if match is not None]
    if not labels or (labels[0] is None and len(set(found)) == len(found)):
        return tuple(lines)
    speaker: str | None = None
    named: list[Line] = []
    for line, match in zip(lines, labels, strict=True):
        text = line.text
        if match is not None:
            speaker, text = match.group(1), text[match.end() :]
        elif text.startswith(">>"):
            speaker, text = None, text[2:].lstrip()
        named.append(replace(line, text=text, speaker=speaker))
    return tuple(line for line in named if line.text)
