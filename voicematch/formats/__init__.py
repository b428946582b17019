"""Transcripts with names: text to and from every format.

``FORMATS`` writes a :class:`~voicematch.types.LabelledEpisode`, ``READERS`` gives the lines of a transcript, ``read``
finds out which format a text is in. Everything here is pure but :func:`read_file`, and that readers warn of what they
had to mend: one bad byte, time or block costs that byte, time or block.

The standard library does JSON, CSV, XML and escaping. The readers and writers of the caption formats are our own,
because what people hand in is often broken and sometimes hostile, and the libraries for it, as of November 2026, were
not made for that; the tests use them as independent readers and writers of what is read and written here:

- ``srt`` 3.5.3 takes 58 s for 32 kB of blank lines, and its errors have no line numbers;
- ``webvtt-py`` 0.6.0 drops malformed cues without a word, knows one voice a cue, and leaves ``&amp;`` as it is;
- ``pysubs2`` 1.8.1 gives a whole ASS file up for one bad time and ignores its Format line, drops the agents of TTML and
  the voices of WebVTT, and repairs malformed times without a word;
- ``praatio`` 6.2.2 reads TextGrids well; writing one takes forty lines and no dependency;
- ``html.parser`` takes 7 s for 40 kB of ``<a b="`` and raises AssertionError on ``<![<![``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from .. import given
from ..errors import FormatError
from ..types import LabelledEpisode, Line
from . import episode_json, json_node, recognizers, services
from .captions import SBV_TIMES, read_ass, read_sbv
from .cues import split_lines
from .encoding import decode
from .episode_json import read_episode, write_json
from .json_node import Node
from .labels import slugs, write_audacity, write_csv, write_rttm, write_textgrid
from .plain import read_text
from .prose import write_markdown, write_text
from .recognizers import write_podcast
from .repairs import Repairs
from .spoken import refuse_empty
from .srt import read_srt, write_srt
from .tables import TSV_HEADER, is_lrc, read_json_lines, read_lrc, read_tsv
from .tags import write_tags
from .ttml import read_ttml
from .vtt import read_vtt, write_vtt
from .web_page import read_html

__all__ = ["FORMATS", "READERS", "SUFFIXES", "decode", "read", "read_episode", "read_file", "slugs", "write_tags"]

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
_JSON_LINES = re.compile(r"\{[^\r\n]*\}[ \t]*(?:\r\n?|\n)\s*\{")
_TTML = re.compile(  # as the first element
    r"(?=<)(?:[^<]|<!--(?:[^-]|-(?!->))*-->|<\?|<!(?!--))*<(?:[A-Za-z]{1,8}:)?tt[\s>]"
)
_HTML = re.compile(r"<[!A-Za-z]")
_ASS = re.compile(r"^Dialogue:(?:[^,\n]*,)?[ \t]*[0-9]+:[0-9]", re.MULTILINE)
_ARROW = re.compile(
    r"^[ \t]*[-−]?[0-9][0-9:;.,]*[ \t]*(?:-->|(?:[-–—=]{1,3}>|→)[ \t]*[-−]?[0-9][0-9:;.,]*[ \t]*$)", re.MULTILINE
)
_TIMED = re.compile(r"^[ \t]*[\[(]?[-−]?[0-9]+:[0-9]", re.MULTILINE)
_SBV = re.compile(rf"^{SBV_TIMES.pattern}$", re.MULTILINE)
_UNREAD = {
    "SAMI": re.compile(r"<SAMI", re.IGNORECASE),
    "MicroDVD, which counts frames": re.compile(r"\{[0-9]+\}\{[0-9]+\}"),
    "RTF": re.compile(r"\{\\rtf"),
    "PDF": re.compile(r"%PDF-"),
    "RTTM, which has no words": re.compile(r"(?:SPEAKER|SPKR-INFO) \S+ [0-9]"),
    "a TextGrid": re.compile(r"File type = \"ooTextFile\""),
    "XML of a kind that is not known": re.compile(r"<\?xml(?![^>]*>\s*(?:<!DOCTYPE[^>]*>\s*)?<html)", re.IGNORECASE),
}
READ = (
    "SubRip, WebVTT, SBV, ASS, TTML, LRC, HTML, text with times, Whisper's TSV, JSON lines, and JSON of voicematch, "
    "Podcasting 2.0, Whisper and its kin, AssemblyAI, AWS Transcribe, Deepgram, ElevenLabs, OpenAI, Rev, Riverside and "
    "Speechmatics"
)
"""What is read, for who hands in something else."""


def read_json(text: str, source: object) -> tuple[Line, ...]:
    """Read the lines of our own JSON, of Podcasting 2.0's, of a speech recogniser's, or of a service's."""
    return json_node.parse(text, source, lambda document: _lines_of(document, Repairs(source)))


def _lines_of(document: Node, repairs: Repairs) -> tuple[Line, ...]:
    if document.get("format") is not None and document.get("lines") is not None:
        return episode_json.lines_of(document)
    reader = services.reader_of(document) or recognizers.lines_of
    return reader(document, repairs)


READERS: dict[str, Reader] = {
    "vtt": read_vtt,
    "srt": read_srt,
    "sbv": read_sbv,
    "ass": read_ass,
    "ttml": read_ttml,
    "json": read_json,
    "jsonl": read_json_lines,
    "tsv": read_tsv,
    "lrc": read_lrc,
    "html": read_html,
    "txt": read_text,
}


def read(text: str, source: object) -> tuple[Line, ...]:
    """Return the lines of a transcript in any format of ``READERS``, by looking at the text.

    source : what an error calls the text
    """
    text = "\n".join(split_lines(text.lstrip("\ufeff")))
    return refuse_empty(READERS[sniff(text, source)](text, source), source)


def sniff(text: str, source: object) -> str:
    """Return the key in ``READERS`` of the format that the text is in."""
    start = text.lstrip()
    if not start:
        raise FormatError(source, "the file is empty")
    if start.startswith("WEBVTT"):
        return "vtt"
    if _TTML.match(start[:4000]):
        return "ttml"
    unread = next((kind for kind, pattern in _UNREAD.items() if pattern.match(start)), None)
    if unread is not None:
        raise FormatError(source, f"is {unread}, and not read; read are {READ}")
    if start[0] == "{" or _JSON_LIST.match(start):
        return "jsonl" if _JSON_LINES.match(start) else "json"
    if start.lower().startswith("[script info]") or _ASS.search(start):
        return "ass"
    if _SBV.search(start[:4000]):
        return "sbv"
    num_arrows = len(_ARROW.findall(text))
    if num_arrows and num_arrows * 2 >= len(_TIMED.findall(text)):
        return "srt"
    first, _, _ = start.partition("\n")
    if TSV_HEADER.fullmatch(first.strip()):
        return "tsv"
    if _HTML.match(start):
        return "html"
    return "lrc" if is_lrc(start) else "txt"


def read_file(path: str | Path) -> tuple[Line, ...]:
    """Do as `read` does with a file."""
    path = Path(path)
    try:
        raw = given.content(path, MAX_BYTES + 1)
    except OSError as error:
        raise FormatError(path, f"cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise FormatError(path, f"larger than {MAX_BYTES // 2**20} MiB; is this a transcript?")
    try:
        text = decode(raw, path)
    except FormatError as error:
        raise FormatError(path, f"{error.reason}; read are {READ}") from error
    return read(text, path)
