"""WebVTT: every cue carries its speaker in a voice span, the form in which Apple Podcasts reads names.

https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

import html
import re

from ..errors import FormatError
from ..types import LabelledEpisode, Line
from . import clock
from .cues import Cue, clean, named_lines, read_cues, split_lines

_HEADER = re.compile(r"WEBVTT(?:[ \t].*)?")
_COMMENT = re.compile(r"NOTE(?:[ \t].*)?|(?:STYLE|REGION)[ \t]*")
_TAG = re.compile(r"<([^<>]*)>")
_VOICE = re.compile(r"v(?:\.\S*)?\s+(\S.*)", re.DOTALL)


def write_vtt(episode: LabelledEpisode) -> str:
    """WebVTT with a cue for every line, in order of start, each in its speaker's ``<v Name>``.

    A cue of a turn without words says the name. WebVTT has no cue of no length, so one gets a millisecond.
    """
    blocks = ["WEBVTT\n"]
    for line in named_lines(episode):
        text = _escape(line.text or line.speaker or "")
        voice = f"<v {_escape(line.speaker)}>" if line.speaker else ""
        end = max(clock.milliseconds(line.end), clock.milliseconds(line.start) + 1) / 1000
        blocks.append(f"{clock.stamp(line.start)} --> {clock.stamp(end)}\n{voice}{text}\n")
    return "\n".join(blocks)


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


def read_vtt(text: str, source: object) -> tuple[Line, ...]:
    """The lines of a WebVTT file; voices become speakers, and a cue with several voices a line for each."""
    lines = split_lines(text)
    if not _HEADER.fullmatch(lines[0]):
        raise FormatError(source, "WebVTT begins with a line WEBVTT", 1)
    first = next((idx for idx, line in enumerate(lines) if not line.strip() or "-->" in line), len(lines))
    cues = read_cues(
        lines,
        source,
        first=first,
        is_comment=lambda line: _COMMENT.fullmatch(line) is not None,
        is_name=lambda line, after_blank: after_blank,
    )
    return tuple(line for cue in cues for line in _voices(cue))


def _voices(cue: Cue) -> list[Line]:
    parts: list[tuple[str | None, str]] = []
    speaker, position = None, 0
    for tag in _TAG.finditer(cue.text):
        parts.append((speaker, cue.text[position : tag.start()]))
        position = tag.end()
        voice = _VOICE.fullmatch(tag.group(1))
        if voice is not None:
            speaker = clean(html.unescape(voice.group(1))) or None
        elif tag.group(1) == "/v":
            speaker = None
    parts.append((speaker, cue.text[position:]))
    merged: list[tuple[str | None, str]] = []
    for name, piece in parts:
        if merged and merged[-1][0] == name:
            merged[-1] = (name, merged[-1][1] + piece)
        else:
            merged.append((name, piece))
    spoken = [(name, clean(html.unescape(piece))) for name, piece in merged]
    spoken = [(name, piece) for name, piece in spoken if piece]
    return _spread(cue, spoken)


def _spread(cue: Cue, spoken: list[tuple[str | None, str]]) -> list[Line]:
    """The cue's time shared out by length of text, in whole milliseconds."""
    total = sum(len(piece) for _, piece in spoken)
    lines: list[Line] = []
    start, count = cue.start, 0
    for name, piece in spoken:
        count += len(piece)
        end = cue.end if count == total else round(cue.start + (cue.end - cue.start) * count / total, 3)
        lines.append(Line(start, end, piece, name))
        start = end
    return lines
