"""WebVTT: every cue carries its speaker in a voice span, the form in which Apple Podcasts reads names.

https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

import html
import re

from ..errors import FormatError
from ..types import LabelledEpisode, Line
from . import clock
from .cues import named_lines, read_cues, split_lines
from .markup import UNLABELLED, bare, pieces_of
from .names import Opening, kept, labels
from .repairs import Repairs
from .rolling import once
from .spoken import settle

_HEADER = re.compile(r"WEBVTT(?:[ \t].*)?")
_COMMENT = re.compile(r"NOTE(?:[ \t].*)?|(?:STYLE|REGION)[ \t]*")


def write_vtt(episode: LabelledEpisode) -> str:
    """Write WebVTT with a cue for every line, in order of start, each in its speaker's ``<v Name>``.

    A cue of a turn without words says the name. WebVTT has no cue of no length, so one gets a millisecond.
    """
    blocks = ["WEBVTT\n"]
    named = named_lines(episode)
    is_named = any(line.speaker for line in named)
    like_labels = set() if is_named else _like_labels([line.text for line in named])
    for idx, line in enumerate(named):
        text = _escape(line.text or line.speaker or "")
        text = UNLABELLED + text if idx in like_labels else text
        voice = f"<v {_escape(line.speaker)}>" if line.speaker else ""
        end = max(clock.milliseconds(line.end), clock.milliseconds(line.start) + 1) / 1000
        blocks.append(f"{clock.stamp(line.start)} --> {clock.stamp(end)}\n{voice}{text}\n")
    return "\n".join(blocks)


def _like_labels(texts: list[str]) -> set[int]:
    """Return which texts a reader would take for labelled ones; what is marked is evidence no more, so it is asked
    again.
    """
    marked: set[int] = set()
    while found := labels([Opening(kept(text) if idx in marked else text) for idx, text in enumerate(texts)]):
        marked |= found.keys()
    return marked


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


def read_vtt(text: str, source: object) -> tuple[Line, ...]:
    """Read the lines of a WebVTT file; voices become speakers, and a cue with several voices a line for each."""
    lines = split_lines(text)
    header = next((idx for idx, line in enumerate(lines) if line.strip()), 0)
    if not _HEADER.fullmatch(lines[header].lstrip()):
        raise FormatError(source, "WebVTT begins with a line WEBVTT", header + 1)
    below = range(header, len(lines))
    first = next((idx for idx in below if not lines[idx].strip() or "-->" in lines[idx]), len(lines))
    repairs = Repairs(source)
    cues = read_cues(
        lines,
        repairs,
        first=first,
        is_comment=lambda line: _COMMENT.fullmatch(line) is not None,
        is_name=lambda line, after_blank: after_blank,
    )
    return settle(pieces_of(once(cues, bare)), repairs)
