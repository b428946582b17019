"""Transcripts in JSON: Podcasting 2.0, and what speech recognisers of the Whisper family write.

====================  ==========================================================================================
openai-whisper        ``{"segments": [{"start", "end", "text", "words": [{"word", "start", "end"}]}]}``
faster-whisper        the same, or the list of segments by itself
WhisperX              the same, with ``speaker`` on segments and words; some words have no times
transformers          ``{"chunks": [{"timestamp": [start, end], "text"}]}``
whisper.cpp           ``{"transcription": [{"offsets": {"from", "to"} in ms, "text", "tokens": […]}]}``
Podcasting 2.0        ``{"version": "1.0.0", "segments": [{"speaker", "startTime", "endTime", "body"}]}``
====================  ==========================================================================================
"""

from __future__ import annotations

import json
import re

from ..types import LabelledEpisode, Line, Word
from . import clock, json_node
from .cues import clean, named_lines
from .json_node import Misfit, Node

_SPECIAL_TOKEN = re.compile(r"\[_[A-Z_]+[0-9]*_?\]|<\|[^|<>]*\|>")
SENTENCE_PAUSE = 1.0  # s between one-word segments that begins a new line


def read_recognizer(text: str, source: object) -> tuple[Line, ...]:
    """The lines of any of the shapes above, with word times where the file has them."""
    return json_node.parse(text, source, lines_of)


def lines_of(document: Node) -> tuple[Line, ...]:
    if isinstance(document.value, list):
        return _whisper(document)
    if document.get("transcription") is not None:
        return _whisper_cpp(document["transcription"])
    if document.get("chunks") is not None:
        return _chunks(document["chunks"])
    segments = document.get("segments")
    if segments is None:
        raise Misfit(document.path, "no transcript: neither segments, chunks, transcription nor lines")
    if any(segment.get("startTime") is not None for segment in segments.each()):
        return _podcast(segments)
    return _whisper(segments)


def _line(start: float, end: float, text: str, speaker: Node | None, words: tuple[Word, ...] = ()) -> Line:
    return spelled_line(start, end, text, None if speaker is None else clean(_name(speaker)) or None, words)


def spelled_line(start: float, end: float, text: str, speaker: str | None, words: tuple[Word, ...]) -> Line:
    """A line whose words spell its text; words that do not are left out, as the text is what people have read."""
    text = clean(text)
    if "".join(word.text for word in words).replace(" ", "") != text.replace(" ", ""):
        words = ()
    return Line(start, max(start, end), text, speaker, words)


def _name(speaker: Node) -> str:
    return str(speaker.value) if isinstance(speaker.value, int) else speaker.text()


def _whisper(segments: Node) -> tuple[Line, ...]:
    lines: list[Line] = []
    for segment in segments.each():
        start, end = segment["start"].seconds(), segment["end"].seconds()
        spelled: list[tuple[str, float | None, float | None]] = []
        words = segment.get("words")
        for word in words.each() if words is not None else ():
            text = clean((word.get("word") or word["text"]).text())
            times = [None if time is None else time.seconds() for time in (word.get("start"), word.get("end"))]
            if text:
                spelled.append((text, times[0], times[1]))
        timed = fill_times(spelled, start, end)
        lines.append(_line(start, end, segment["text"].text(), segment.get("speaker"), timed))
    return tuple(line for line in lines if line.text)


def _whisper_cpp(segments: Node) -> tuple[Line, ...]:
    lines: list[Line] = []
    for segment in segments.each():
        start, end = (segment["offsets"][key].seconds(0.001) for key in ("from", "to"))
        text = segment["text"].text()
        tokens = segment.get("tokens")
        words = () if tokens is None else _joined(tokens, start, end)
        lines.append(_line(start, end, text, segment.get("speaker"), words))
    return tuple(line for line in lines if line.text)


def _joined(tokens: Node, start: float, end: float) -> tuple[Word, ...]:
    """Words from tokens: one begins at every token with a blank in front."""
    spelled: list[tuple[str, float | None, float | None]] = []
    for token in tokens.each():
        text = token["text"].text()
        if _SPECIAL_TOKEN.fullmatch(text.strip()) or not text:
            continue
        offsets = token.get("offsets")
        since, until = (None, None) if offsets is None else (offsets[key].seconds(0.001) for key in ("from", "to"))
        if spelled and not text[0].isspace():
            spelled[-1] = (spelled[-1][0] + text, spelled[-1][1], until)
        else:
            spelled.append((text, since, until))
    cleaned = [(clean(text), since, until) for text, since, until in spelled]
    return fill_times([word for word in cleaned if word[0]], start, end)


def _chunks(chunks: Node) -> tuple[Line, ...]:
    lines: list[Line] = []
    for chunk in chunks.each():
        times = list(chunk["timestamp"].each())
        if len(times) != 2:
            raise Misfit(chunk.path, "timestamp is not [start, end]")
        start = times[0].seconds()
        end = start if times[1].value is None else times[1].seconds()
        lines.append(_line(start, end, chunk["text"].text(), chunk.get("speaker")))
    return tuple(line for line in lines if line.text)


def _podcast(segments: Node) -> tuple[Line, ...]:
    lines: list[Line] = []
    for segment in segments.each():
        start = segment["startTime"].seconds()
        end = segment.get("endTime")
        until = start if end is None else end.seconds()
        lines.append(_line(start, until, segment["body"].text(), segment.get("speaker")))
    return tuple(line for line in lines if line.text)


def fill_times(words: list[tuple[str, float | None, float | None]], start: float, end: float) -> tuple[Word, ...]:
    """Words with times in order inside the line: those without share the gap they stand in evenly.

    >>> [word.start for word in fill_times([("in", 1.0, 2.0), ("2014", None, None), ("so", 4.0, 5.0)], 0.0, 6.0)]
    [1.0, 2.0, 4.0]
    """
    if all(since is None for _, since, _ in words):
        return ()
    filled: list[Word] = []
    cursor = start
    for idx, (text, since, until) in enumerate(words):
        if since is None:
            rest = words[idx:]
            gap = next((n for n, later in enumerate(rest) if later[1] is not None), len(rest))
            known = rest[gap][1] if gap < len(rest) else end
            since = cursor
            until = cursor + max(0.0, (end if known is None else known) - cursor) / gap
        since = max(since, cursor)
        until = max(since, since if until is None else until)
        filled.append(Word(since, until, text))
        cursor = until
    return tuple(filled)


def write_podcast(episode: LabelledEpisode) -> str:
    """Podcasting 2.0 transcript JSON: a segment for every line; ``speaker`` is absent where nobody is named."""
    segments = []
    for line in named_lines(episode):
        segment: dict[str, str | float] = {"speaker": line.speaker} if line.speaker else {}
        segment["startTime"] = clock.milliseconds(line.start) / 1000
        segment["endTime"] = clock.milliseconds(line.end) / 1000
        segment["body"] = line.text
        segments.append(segment)
    return json.dumps({"version": "1.0.0", "segments": segments}, ensure_ascii=False, indent=1) + "\n"
