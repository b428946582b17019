"""Transcripts for reading: a paragraph for every stretch of one speaker, with the time it begins."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from urllib.parse import quote

from ..types import LabelledEpisode, Line, Verdict
from . import clock, front_matter
from .cues import clean, named_lines
from .file_names import page_name
from .labels import stem
from .names import Signed, Signs, written

LONGEST_PARAGRAPH = 120.0  # s after which a speaker's next line begins a new paragraph: it has a time to jump to


@dataclass(frozen=True, slots=True)
class Paragraph:
    start: float
    end: float
    name: str | None
    text: str


def paragraphs(episode: LabelledEpisode) -> list[Paragraph]:
    """Return the lines, or the turns where there is no transcript, those in a row of a name and chapter joined."""
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
    """Write plain text: ``[0:01:02] Name: what they say``; ``>>`` for a name that is not known, brackets around names
    that could be taken for words.

    Without a transcript, who speaks from when to when.
    """
    found = paragraphs(episode)
    pieces = written([Line(one.start, one.end, one.text, one.name) for one in found], _whole, every=True)
    rows: list[str] = []
    for paragraph, piece in zip(found, pieces, strict=True):
        time = f"[{clock.short_stamp(paragraph.start)}]"
        if paragraph.text:
            rows.append(f"{time} {piece.text}\n")
        else:
            rows.append(f"{time} {paragraph.name}, until {clock.short_stamp(paragraph.end)}\n")
    return "\n".join(rows)


def _whole(lines: Sequence[Line], signs: Signs) -> list[Signed]:
    return [
        Signed(line.start, line.end, f"{signs.of(line)} {line.text}".strip(), idx) for idx, line in enumerate(lines)
    ]


_MARKDOWN = re.compile(r"[\\`*\[\]<]|^[#>+-]|~~|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|(?<=^\d)[.)]|(?<=^\d\d)[.)]")


MARKDOWN_KEYS = ("title", "show", "date", "people", "source", "audio")
"""What the front matter of a Markdown file says, in this order."""

Pages = Mapping[str, str]
"""By name, the page that links to a person lead to; one that is not there has the page that its name makes."""


def write_markdown(episode: LabelledEpisode) -> str:
    """Write Markdown with front matter: a heading for every chapter, a paragraph for every stretch of a speaker.

    Who is named is a wikilink, ``[[Ada Byron]]``; a label, or a name in doubt, is none. Times are links where the audio
    is at an address.
    """
    return front_matter.write(markdown_fields(episode, {})) + "\n" + markdown_body(episode, {})


def markdown_fields(episode: LabelledEpisode, pages: Pages) -> dict[str, front_matter.Value]:
    """Return what the front matter says, by `MARKDOWN_KEYS`; "" where there is nothing to say.

    source : as the episode has it, so that whoever writes it takes passwords and keys out of it before
    """
    talk = episode.talk_seconds()
    ranked = sorted(episode.matches, key=lambda label: -talk.get(label, 0.0))
    names = dict.fromkeys(episode.name(label) for label in ranked if _is_named(episode, label))
    people = [wikilink(name, pages) for name in names]
    told = (_title(episode), episode.show, episode.date or "", people, episode.source, _audio(episode.source))
    return dict(zip(MARKDOWN_KEYS, told, strict=True))


def markdown_body(episode: LabelledEpisode, pages: Pages) -> str:
    """Return what stands below the front matter: the title, and the words with who says them."""
    named = {clean(episode.name(label)) for label in episode.matches if _is_named(episode, label)}
    rows = [f"# {escaped(_title(episode))}\n"]
    chapters = list(episode.chapters)
    for paragraph in paragraphs(episode):
        while chapters and chapters[0].start <= paragraph.start:
            rows.append(f"## {escaped(clean(chapters.pop(0).title)) or 'Chapter'}\n")
        time = _time(episode, paragraph.start)
        is_named = paragraph.name in named
        shown = wikilink(paragraph.name or "", pages) if is_named else escaped(paragraph.name or "")
        name = f"**{shown}** " if shown else ""
        body = escaped(paragraph.text) if paragraph.text else f"until {clock.short_stamp(paragraph.end)}"
        rows.append(f"{name}{time}  \n{body}\n")
    return "\n".join(rows)


def wikilink(name: str, pages: Pages) -> str:
    """Return a link to a person's page.

    >>> wikilink("Ada Byron", {}), wikilink("Ada/Byron", {}), wikilink("Ada Byron", {"Ada Byron": "Ada Byron (2)"})
    ('[[Ada Byron]]', '[[Ada-Byron|Ada/Byron]]', '[[Ada Byron (2)|Ada Byron]]')
    """
    shown = _NOT_IN_A_LINK.sub("", clean(name))
    page = pages.get(name) or page_name(name)
    if not page:
        return escaped(clean(name))
    return f"[[{page}]]" if page == shown else f"[[{page}|{shown or page}]]"


_NOT_IN_A_LINK = re.compile(r"[\[\]|<>`\\]")


def _is_named(episode: LabelledEpisode, label: str) -> bool:
    match = episode.matches[label]
    return match.verdict is Verdict.ACCEPT and match.profile is not None


def _title(episode: LabelledEpisode) -> str:
    return clean(episode.title) or stem(episode.source)


def _audio(source: str) -> str:
    """Return a link to the sound; "" where an address lacks what was secret in it, and would lead nowhere."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source):
        return address_at(source)
    path = PurePosixPath(source) if source.startswith("/") else PurePath(source)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def address_at(source: str, start: float | None = None) -> str:
    """Return the address of a sound, at a second of it; "" for a file, and for an address that lacks its secret.

    >>> address_at("https://x.org/1.mp3", 63.5), address_at("https://x.org/1.mp3?key=…"), address_at("/a/1.mp3")
    ('https://x.org/1.mp3#t=63', '', '')
    """
    if re.fullmatch(r"https?://[^\s<>()\"…]+", source) is None:
        return ""
    if start is None:
        return source
    return f"{source.partition('#')[0]}#t={int(start)}"  # Media Fragments, https://www.w3.org/TR/media-frags/


def _time(episode: LabelledEpisode, start: float) -> str:
    shown, address = clock.short_stamp(start), address_at(episode.source, start)
    return f"([{shown}]({address}))" if address else f"({shown})"


def escaped(text: str) -> str:
    """Return words that Markdown shows as they are."""
    return _MARKDOWN.sub(lambda match: "\\" + match.group(0), text)
