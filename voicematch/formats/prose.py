"""Transcripts for reading: a paragraph for every stretch of one speaker, with the time it begins."""

from __future__ import annotations

import re
from bisect import bisect
from dataclasses import dataclass

from ..types import LabelledEpisode, Line
from . import clock
from .cues import clean, named_lines
from .labels import stem
from .names import written

LONGEST_PARAGRAPH = 120.0  # s after which a speaker's next line begins a new paragraph: it has a time to jump to


@dataclass(frozen=True, slots=True)
class Paragraph:
    start: float
    end: float
    name: str | None
    text: str


def paragraphs(episode: LabelledEpisode) -> list[Paragraph]:
    """The lines, or the turns where there is no transcript, with consecutive ones of a name and chapter joined."""
    joined: list[Paragraph] = []
    starts = [chapter.start for chapter in episode.chapters]
    for line in named_lines(episode):
        last = joined[-1] if joined else None
        is_near = last is not None and line.start - last.start < LONGEST_PARAGRAPH
        is_same = last is not None and bisect(starts, line.start) == bisect(starts, last.start)
        if last is not None and last.name == line.speaker and is_near and is_same:
            text = f"{last.text} {line.text}".strip()
            joined[-1] = Paragraph(last.start, max(last.end, line.end), last.name, text)
        else:
            joined.append(Paragraph(line.start, line.end, line.speaker, line.text))
    return joined


def write_text(episode: LabelledEpisode) -> str:
    """Plain text: ``[0:01:02] Name: what they say``; ``>>`` for a name that is not known, brackets around
    names that could be taken for words.

    Without a transcript, who speaks from when to when.
    """
    found = paragraphs(episode)
    texts = written([Line(one.start, one.end, one.text, one.name) for one in found], lambda text: [text], every=True)
    rows: list[str] = []
    for paragraph, text in zip(found, texts, strict=True):
        time = f"[{clock.short_stamp(paragraph.start)}]"
        if paragraph.text:
            rows.append(f"{time} {text}\n")
        else:
            rows.append(f"{time} {paragraph.name}, until {clock.short_stamp(paragraph.end)}\n")
    return "\n".join(rows)


_MARKDOWN = re.compile(r"[\\`*\[\]<]|^[#>+-]|~~|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|(?<=^\d)[.)]|(?<=^\d\d)[.)]")


def write_markdown(episode: LabelledEpisode) -> str:
    """Markdown: a heading for every chapter, a paragraph for every stretch of a speaker; its time is a link where the
    audio is a URL.
    """
    rows = [f"# {_escape(clean(episode.title) or stem(episode.source))}\n"]
    chapters = list(episode.chapters)
    for paragraph in paragraphs(episode):
        while chapters and chapters[0].start <= paragraph.start:
            rows.append(f"## {_escape(clean(chapters.pop(0).title)) or 'Chapter'}\n")
        time = _time(episode, paragraph.start)
        name = f"**{_escape(paragraph.name)}** " if paragraph.name else ""
        body = _escape(paragraph.text) if paragraph.text else f"until {clock.short_stamp(paragraph.end)}"
        rows.append(f"{name}{time}  \n{body}\n")
    return "\n".join(rows)


def _time(episode: LabelledEpisode, start: float) -> str:
    shown = clock.short_stamp(start)
    if not re.fullmatch(r"https?://[^\s<>()\"]+", episode.source):
        return f"({shown})"
    address = episode.source.partition("#")[0]
    return f"([{shown}]({address}#t={int(start)}))"  # Media Fragments, https://www.w3.org/TR/media-frags/


def _escape(text: str) -> str:
    return _MARKDOWN.sub(lambda match: "\\" + match.group(0), text)
