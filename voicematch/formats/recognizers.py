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
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from ..types import LabelledEpisode, Line
from . import clock
from .cues import clean, named_lines
from .json_node import Misfit, Node
from .names import Opening, labels
from .repairs import BLOCKS, Repairs
from .spoken import Passage, TimedWord, settle

T = TypeVar("T")

_SPECIAL_TOKEN = re.compile(r"\[_[A-Z_]+[0-9]*_?\]|<\|[^|<>]*\|>")
SECONDS = "seconds, such as 1.5"


def lines_of(document: Node, repairs: Repairs) -> tuple[Line, ...]:
    """Return the lines of any of the shapes above, with word times where the file has them."""
    if isinstance(document.value, list):
        return _settled(document, _whisper, repairs)
    if document.get("transcription") is not None:
        return _settled(document["transcription"], _whisper_cpp, repairs)
    if document.get("chunks") is not None:
        return _settled(document["chunks"], _chunk, repairs)
    segments = document.get("segments")
    if segments is None and document.get("text") is not None and document.get("start") is not None:
        return _settled(Node([document.value], document.path), _whisper, repairs)
    if segments is None:
        raise Misfit(document.path, "no transcript: neither segments, chunks, transcription, utterances nor lines")
    is_podcast = any(segment.get("startTime") is not None for segment in segments.each())
    return _settled(segments, _podcast if is_podcast else _whisper, repairs)


def _settled(segments: Node, read: Callable[[Node], Passage], repairs: Repairs) -> tuple[Line, ...]:
    """Return the lines of a list of segments; one that is none is left out and counted, unless all are."""
    pieces = _whole_words(pieces_of(segments, read, repairs))
    return settle(pieces, repairs, are_named=_say_who(segments), expected=SECONDS)


def pieces_of(segments: Node, read: Callable[[Node], T], repairs: Repairs) -> list[T]:
    """Return what ``read`` makes of each segment that it can read. Raises the first Misfit when that is none."""
    pieces: list[T] = []
    misfit: Misfit | None = None
    for segment in segments.each():
        try:
            pieces.append(read(segment))
        except Misfit as error:
            misfit = misfit or error
            repairs.note(BLOCKS)
    if misfit is not None and not pieces:
        raise misfit
    return pieces


def _say_who(segments: Node) -> bool:
    """Return whether any segment has a speaker, be it an empty one."""
    return any(segment.get("speaker") is not None for segment in segments.each())


def speaker_of(segment: Node, key: str = "speaker") -> str | None:
    """Return the speaker as the segment names it; None when it does not."""
    speaker = segment.get(key)
    if speaker is None or isinstance(speaker.value, (dict, list, float)):
        return None
    return clean(str(speaker.value) if isinstance(speaker.value, int) else speaker.text()) or None


def piece_of(
    segment: Node,
    start: Node | None,
    end: Node | None,
    text: str,
    *,
    speaker: str | None = None,
    words: tuple[TimedWord, ...] = (),
    unit: float = 1.0,
) -> Passage:
    """Return what a segment says. unit : seconds that one of its times stands for"""
    since, until = (None if time is None else time.time(unit) for time in (start, end))
    is_malformed = (start is not None and since is None) or (end is not None and until is None)
    return Passage(since, until, text, speaker, words, is_malformed=is_malformed)


def _whisper(segment: Node) -> Passage:
    words = segment.get("words")
    timed = () if words is None else words_of(words, ("word", "text"))
    start, end, text = segment.get("start"), segment.get("end"), segment["text"].text()
    return piece_of(segment, start, end, text, speaker=speaker_of(segment), words=timed)


def words_of(
    words: Node, spellings: tuple[str, ...], keys: tuple[str, str] = ("start", "end"), unit: float = 1.0
) -> tuple[TimedWord, ...]:
    """Return the words of a list of them, spelled under the first of those keys that each has."""
    timed: list[TimedWord] = []
    for word in words.each():
        spelled = next((found for found in map(word.get, spellings) if found is not None), None)
        text = "" if spelled is None else clean(spelled.text())
        since, until = (None if time is None else time.time(unit) for time in map(word.get, keys))
        if text:
            timed.append((text, since, until))
    return tuple(timed)


def _whisper_cpp(segment: Node) -> Passage:
    offsets = segment.get("offsets")
    start, end = (None, None) if offsets is None else (offsets.get("from"), offsets.get("to"))
    tokens = segment.get("tokens")
    words = () if tokens is None else _joined(tokens)
    text = segment["text"].text()
    return piece_of(segment, start, end, text, speaker=speaker_of(segment), words=words, unit=0.001)


def _joined(tokens: Node) -> tuple[TimedWord, ...]:
    """Return words from tokens: one begins at every token with a blank in front."""
    spelled: list[TimedWord] = []
    for token in tokens.each():
        text = token["text"].text()
        if _SPECIAL_TOKEN.fullmatch(text.strip()) or not text:
            continue
        offsets = token.get("offsets")
        ends = (None, None) if offsets is None else (offsets.get("from"), offsets.get("to"))
        since, until = (None if time is None else time.time(0.001) for time in ends)
        if spelled and not text[0].isspace():
            spelled[-1] = (spelled[-1][0] + text, spelled[-1][1], until)
        else:
            spelled.append((text, since, until))
    cleaned = [(clean(text), since, until) for text, since, until in spelled]
    return tuple(word for word in cleaned if word[0])


def _chunk(chunk: Node) -> Passage:
    times = list(chunk["timestamp"].each())
    if len(times) != 2:
        raise Misfit(chunk.path, "timestamp is not [start, end]")
    start, end = (None if time.value is None else time for time in times)
    return piece_of(chunk, start, end, chunk["text"].text(), speaker=speaker_of(chunk))


def _podcast(segment: Node) -> Passage:
    text = segment["body"].text()
    return piece_of(segment, segment.get("startTime"), segment.get("endTime"), text, speaker=speaker_of(segment))


def _whole_words(pieces: list[Passage]) -> list[Passage]:
    """Return the pieces, or, where most begin with a blank as a recogniser's words do, those of one word joined."""
    spoken = [piece for piece in pieces if piece.text.strip()]
    if sum(piece.text[0].isspace() for piece in spoken) * 2 <= len(spoken) or any(piece.words for piece in spoken):
        return pieces
    whole: list[Passage] = []
    for piece in spoken:
        last = whole[-1] if whole else None
        is_part = not piece.text[0].isspace() and " " not in piece.text.strip()
        if last is not None and is_part and " " not in last.text.strip() and last.speaker == piece.speaker:
            whole[-1] = replace(last, text=last.text + piece.text, end=piece.end)
        else:
            whole.append(piece)
    return whole


def write_podcast(episode: LabelledEpisode) -> str:
    """Write Podcasting 2.0 transcript JSON: a segment for every line; ``speaker`` is absent where nobody is named.

    In an episode that names nobody and whose words look like labels it is empty.
    """
    segments = []
    lines = named_lines(episode)
    is_named = any(line.speaker for line in lines)
    like_labels = {} if is_named else labels([Opening(line.text) for line in lines])
    for idx, line in enumerate(lines):
        segment: dict[str, str | float] = {"speaker": line.speaker} if line.speaker else {}
        if idx in like_labels:
            segment["speaker"] = ""
        segment["startTime"] = clock.milliseconds(line.start) / 1000
        segment["endTime"] = clock.milliseconds(line.end) / 1000
        segment["body"] = line.text
        segments.append(segment)
    return json.dumps({"version": "1.0.0", "segments": segments}, ensure_ascii=False, indent=1) + "\n"
