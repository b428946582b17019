"""Tags inside captions: who speaks, and when each word begins; all other tags go."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from . import clock
from .cues import Cue, clean
from .names import kept
from .spoken import Passage, TimedWord

_TAG = re.compile(r"<([^<>]*)>")
_VOICE = re.compile(r"v(?:\.\S*)?\s+(\S.*)", re.DOTALL)
_SUBRIP = re.compile(r"</?(?:i|b|u|s|c|v|font|span)(?:[\s.][^<>]*)?>|<[0-9:.,]{3,15}>|\{\\[^{}]*\}", re.IGNORECASE)
UNLABELLED = "<c></c>"
"""Before a text that begins like a label and is not one."""


def bare(text: str) -> str:
    """Return WebVTT's text without tags."""
    return html.unescape(_TAG.sub("", text))


def bare_subrip(text: str) -> str:
    """Return SubRip's text without the tags it knows; anything else in angle brackets is text."""
    return _SUBRIP.sub("", text)


def pieces_of(cues: Sequence[Cue], *, only_known: bool = False) -> list[Passage]:
    """Return what is said in each cue, by whom where voice tags say it, with the times of words where tags have them.

    only_known : only SubRip's tags are tags, and nothing is escaped
    """
    pieces: list[Passage] = []
    for idx, cue in enumerate(cues):
        for speaker, text, words in _voices(cue, only_known):
            if clean(text):
                pieces.append(Passage(cue.start, cue.end, text, speaker, words, cue.line, cue.is_malformed, idx))
    return pieces


def _voices(cue: Cue, only_known: bool) -> list[tuple[str | None, str, tuple[TimedWord, ...]]]:
    text = cue.text
    if text.startswith(UNLABELLED):
        text = kept(text)
    pattern = _SUBRIP if only_known else _TAG
    voices: list[tuple[str | None, list[tuple[float | None, str]]]] = [(None, [])]
    position, since = 0, cue.start
    for tag in pattern.finditer(text):
        voices[-1][1].append((since, _unescaped(text[position : tag.start()], only_known)))
        position = tag.end()
        inside = tag.group()[1:-1].strip()
        voice = _VOICE.fullmatch(inside)
        time = clock.seconds(inside)
        if voice is not None:
            voices.append((clean(_unescaped(voice.group(1), only_known)) or None, []))
        elif inside == "/v":
            voices.append((None, []))
        elif time is not None:
            since = time
    voices[-1][1].append((since, _unescaped(text[position:], only_known)))
    return [(speaker, "".join(text for _, text in runs), _words(runs, cue)) for speaker, runs in _merged(voices)]


def _merged(
    voices: list[tuple[str | None, list[tuple[float | None, str]]]],
) -> list[tuple[str | None, list[tuple[float | None, str]]]]:
    merged: list[tuple[str | None, list[tuple[float | None, str]]]] = []
    for speaker, runs in voices:
        if merged and merged[-1][0] == speaker:
            merged[-1][1].extend(runs)
        elif any(clean(text) for _, text in runs):
            merged.append((speaker, runs))
    return merged


def _unescaped(text: str, only_known: bool) -> str:
    return text if only_known else html.unescape(text)


def _words(runs: list[tuple[float | None, str]], cue: Cue) -> tuple[TimedWord, ...]:
    """Return words with the times of the tags before them; none when no tag has a time."""
    if len({since for since, _ in runs}) < 2:
        return ()
    words: list[TimedWord] = []
    for since, text in runs:
        for number, word in enumerate(clean(text).split()):
            words.append((word, None if number else since, None))
    ends = [since for _, since, _ in words[1:]] + [cue.end]
    return tuple((word, since, until) for (word, since, _), until in zip(words, ends, strict=True))
