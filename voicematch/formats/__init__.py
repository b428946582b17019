"""Transcripts with names: text to and from every format.

``FORMATS`` writes a :class:`~voicematch.types.LabelledEpisode`, ``READERS`` gives the lines of a transcript, ``read``
finds out which format a text is in. Everything here is pure but :func:`read_file`.

The standard library does JSON, CSV and escaping. The readers and writers of the caption formats are our own, because
what people hand in is often broken and sometimes hostile, and the libraries for it, as of November 2026, were not made
for that; the tests use them as independent readers of what is written here:

- ``srt`` 3.5.3 takes 58 s for 32 kB of blank lines, and its errors have no line numbers;
- ``webvtt-py`` 0.6.0 drops malformed cues without a word, knows one voice a cue, and leaves ``&amp;`` as it is;
- ``pysubs2`` 1.8.1 drops voices, and repairs malformed times without a word;
- ``praatio`` 6.2.2 reads TextGrids well; writing one takes forty lines and no dependency;
- ``html.parser`` takes 7 s for 40 kB of ``<a b="`` and raises AssertionError on ``<![<![``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ..errors import FormatError
from ..types import LabelledEpisode, Line
from . import episode_json, json_node, recognizers
from .episode_json import read_episode, write_json
from .json_node import Node
from .labels import slugs, write_audacity, write_csv, write_rttm, write_textgrid
from .plain import read_text
from .prose import write_markdown, write_text
from .recognizers import write_podcast
from .srt import read_srt, write_srt
from .tags import write_tags
from .vtt import read_vtt, write_vtt
from .web_page import read_html

__all__ = ["FORMATS", "READERS", "SUFFIXES", "read", "read_episode", "read_file", "slugs", "write_tags"]

Writer = Callable[[LabelledEpisode], str]
Reader = Callable[[str, object], tuple[Line, ...]]

FORMATS: dict[str, Writer] = {
    "json": write_json,
    "vtt": write_vtt,
    "srt": write_srt,
    "podcast": write_podcast,
    "txt": write_text,
    "md": write_markdown,
    "csv": write_csv,
    "rttm": write_rttm,
    "audacity": write_audacity,
    "textgrid": write_textgrid,
    "tags": write_tags,
}

SUFFIXES = {"podcast": "podcast.json", "audacity": "audacity.txt", "textgrid": "TextGrid", "tags": "tags.xml"}
"""What follows the stem and a point in a file's name, where it is not the format's own name."""

MAX_BYTES = 64 * 2**20  # a five-hour WhisperX file with a time for every word is about 10 MB

_JSON_LIST = re.compile(r"\[\s*(?:[{\[\]\"]|$)")  # [00:01:02] begins a plain transcript
_HTML = re.compile(r"<[!A-Za-z]")
_ARROW = re.compile(r"^[ \t]*[0-9][0-9:.,]*[ \t]*-->", re.MULTILINE)


def read_json(text: str, source: object) -> tuple[Line, ...]:
    """The lines of our own JSON, of Podcasting 2.0's, or of a speech recogniser's."""
    return json_node.parse(text, source, _lines_of)


def _lines_of(document: Node) -> tuple[Line, ...]:
    if document.get("format") is not None:
        return episode_json.lines_of(document)
    return recognizers.lines_of(document)


READERS: dict[str, Reader] = {"vtt": read_vtt, "srt": read_srt, "json": read_json, "html": read_html, "txt": read_text}


def read(text: str, source: object) -> tuple[Line, ...]:
    """The lines of a transcript in any format of ``READERS``, by looking at the text.

    source : what an error calls the text
    """
    text = text.removeprefix("\ufeff")
    lines = READERS[sniff(text, source)](text, source)
    if not lines:
        raise FormatError(source, "a transcript without a word")
    return lines


def sniff(text: str, source: object) -> str:
    """The key in ``READERS`` of the format that the text is in."""
    start = text.lstrip()
    if not start:
        raise FormatError(source, "the file is empty")
    if start.startswith("WEBVTT"):
        return "vtt"
    if start[0] == "{" or _JSON_LIST.match(start):
        return "json"
    if _ARROW.search(text):
        return "srt"
    return "html" if _HTML.match(start) else "txt"


def read_file(path: str | Path) -> tuple[Line, ...]:
    """:func:`read` for a file: UTF-8 or UTF-16 with or without a mark, else Latin-1 as old tools wrote it."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FormatError(path, f"cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise FormatError(path, f"larger than {MAX_BYTES // 2**20} MiB; is this a transcript?")
    return read(decode(raw, path), path)


def decode(raw: bytes, source: object) -> str:
    """The text of a file's bytes."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif raw[:4].count(0) == 2 and raw[:2] != b"\0\0":
        encoding = "utf-16-be" if raw[0] == 0 else "utf-16-le"
    else:
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            if b"\0" in raw:
                raise FormatError(source, "not a text file") from None
            return raw.decode("cp1252", errors="replace")
    try:
        return raw.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise FormatError(source, f"begins like UTF-16 but is not: {error.reason}") from error
