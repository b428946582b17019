"""Transcripts in JSON as services that transcribe give them.

==============  ================================================================================================
AssemblyAI      ``{"utterances": [{"speaker", "start", "end" in ms, "text", "words": [{"text", "start", "end"}]}]}``,
                or only ``words``, or ``sentences``
Deepgram        ``{"results": {"utterances": [{"start", "end", "transcript", "speaker", "words"}]}}``, or
                ``{"results": {"channels": [{"alternatives": [{"words": [{"punctuated_word", "start", "end"}]}]}]}}``
AWS Transcribe  ``{"results": {"items": [{"start_time": "0.4", "alternatives": [{"content"}], "speaker_label"}]}}``
Rev             ``{"monologues": [{"speaker", "elements": [{"type": "text", "value", "ts", "end_ts"}]}]}``
Riverside       ``{"data": {"speakers": [{"name", "sentences": [{"words": [[text, start in ms, length in ms]]}]}]}}``,
                as its editor gets it; its exports are SRT and text
==============  ================================================================================================

Single words become lines by the one rule that there is for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ..types import Line
from .cues import clean
from .flow import clings
from .json_node import Misfit, Node
from .recognizers import SECONDS, piece_of, pieces_of, speaker_of, words_of
from .repairs import Repairs
from .spoken import Passage, TimedWord, settle

MILLISECOND = 0.001


def reader_of(document: Node) -> Callable[[Node, Repairs], tuple[Line, ...]] | None:
    """Return what reads the document, if a service wrote it."""
    results = document.get("results")
    if results is not None and results.get("items") is not None:
        return _aws
    if results is not None and (results.get("channels") is not None or results.get("utterances") is not None):
        return _deepgram
    if document.get("monologues") is not None:
        return _rev
    if _riverside_speakers(document):
        return _riverside
    if any(document.get(key) is not None for key in ("utterances", "sentences")) or (
        document.get("words") is not None and document.get("segments") is None
    ):
        return _assembly
    return None


def _assembly(document: Node, repairs: Repairs) -> tuple[Line, ...]:
    for key in ("utterances", "sentences", "words"):
        found = document.get(key)
        if found is not None and found.value:
            return _settled(pieces_of(found, _utterance, repairs), repairs, are_words=key == "words")
    raise Misfit(document.path, "neither utterances, sentences nor words in it")


def _utterance(segment: Node) -> Passage:
    words = segment.get("words")
    timed = () if words is None else words_of(words, ("text", "word"), unit=MILLISECOND)
    text = segment["text"].text()
    start, end = segment.get("start"), segment.get("end")
    return piece_of(segment, start, end, text, speaker=_speaker(segment), words=timed, unit=MILLISECOND)


def _deepgram(document: Node, repairs: Repairs) -> tuple[Line, ...]:
    results = document["results"]
    utterances = results.get("utterances")
    if utterances is not None and utterances.value:
        return _settled(pieces_of(utterances, _spoken, repairs), repairs)
    pieces: list[Passage] = []
    for channel in results["channels"].each():
        best = next(channel["alternatives"].each(), None)
        if best is not None:
            pieces += pieces_of(best["words"], _spoken, repairs)
    return _settled(sorted(pieces, key=lambda piece: piece.start or 0.0), repairs, are_words=True)


def _spoken(segment: Node) -> Passage:
    """Return an utterance of Deepgram's, or a word of one."""
    words = segment.get("words")
    timed = () if words is None else words_of(words, ("punctuated_word", "word"))
    text = next(
        (segment[key] for key in ("transcript", "punctuated_word", "word") if segment.get(key) is not None), None
    )
    if text is None:
        raise Misfit(segment.path, 'no "transcript" and no "word" here')
    start, end = segment.get("start"), segment.get("end")
    return piece_of(segment, start, end, text.text(), speaker=_speaker(segment), words=timed)


def _aws(document: Node, repairs: Repairs) -> tuple[Line, ...]:
    results = document["results"]
    speakers = _aws_speakers(results)
    pieces: list[Passage] = []
    for piece in pieces_of(results["items"], lambda item: _item(item, speakers), repairs):
        if piece.start is None and pieces and not piece.is_malformed:
            pieces[-1] = _with_sign(pieces[-1], piece.text)
        else:
            pieces.append(piece)
    return _settled(pieces, repairs, are_words=True)


def _item(item: Node, speakers: dict[str, str]) -> Passage:
    best = next(item["alternatives"].each(), None)
    if best is None:
        raise Misfit(item.path, "no alternatives")
    start = item.get("start_time")
    speaker = speaker_of(item, "speaker_label") or (speakers.get(str(start.value)) if start is not None else None)
    return piece_of(item, start, item.get("end_time"), best["content"].text(), speaker=speaker)


def _aws_speakers(results: Node) -> dict[str, str]:
    """Return the speaker of each word by its start, as older files have them beside the words."""
    speakers: dict[str, str] = {}
    labels = results.get("speaker_labels")
    segments = None if labels is None else labels.get("segments")
    for segment in segments.each() if segments is not None else ():
        items = segment.get("items")
        for item in items.each() if items is not None else ():
            label = speaker_of(item, "speaker_label") or speaker_of(segment, "speaker_label")
            start = item.get("start_time")
            if label and start is not None:
                speakers[str(start.value)] = label
    return speakers


def _with_sign(piece: Passage, sign: str) -> Passage:
    return Passage(piece.start, piece.end, piece.text + sign, piece.speaker, line=piece.line)


def _rev(document: Node, repairs: Repairs) -> tuple[Line, ...]:
    pieces = pieces_of(document["monologues"], _monologue, repairs)
    return _settled(pieces, repairs)


def _monologue(monologue: Node) -> Passage:
    text, words = "", list[TimedWord]()
    for element, value in _elements(monologue):
        text += value
        if element.get("ts") is not None and value.strip():
            since, until = (None if time is None else time.time() for time in map(element.get, ("ts", "end_ts")))
            words.append((value.strip(), since, until))
        elif words and value.strip():
            word, since, until = words[-1]
            words[-1] = (word + value.strip(), since, until)
    start = next((since for _, since, _ in words if since is not None), None)
    end = next((until for _, _, until in reversed(words) if until is not None), None)
    return Passage(start, end, text, _speaker(monologue), tuple(words))


def _elements(monologue: Node) -> Iterator[tuple[Node, str]]:
    for element in monologue["elements"].each():
        value = element.get("value")
        if value is not None:
            yield element, value.text()


def _riverside_speakers(document: Node) -> list[Node]:
    data = document.get("data") or document
    speakers = data.get("speakers")
    if speakers is None or not isinstance(speakers.value, list):
        return []
    return [speaker for speaker in speakers.each() if speaker.get("sentences") is not None]


def _riverside(document: Node, repairs: Repairs) -> tuple[Line, ...]:
    """Read one speaker after the other, and put what they say in order of time."""
    pieces: list[Passage] = []
    misfit: Misfit | None = None
    for speaker in _riverside_speakers(document):
        name = speaker_of(speaker, "name")
        try:
            pieces += pieces_of(speaker["sentences"], partial(_sentence, speaker=name), repairs)
        except Misfit as error:
            misfit = misfit or error
    if misfit is not None and not pieces:
        raise misfit
    return _settled(sorted(pieces, key=lambda piece: piece.start or 0.0), repairs)


def _sentence(sentence: Node, speaker: str | None) -> Passage:
    text, words = "", list[TimedWord]()
    for word in sentence["words"].each():
        parts = [*word.each(), Node(None), Node(None)]  # the times may be absent
        said, since, length = clean(parts[0].text()), parts[1].time(MILLISECOND), parts[2].time(MILLISECOND)
        if said:
            text += said if clings(text, said) else f" {said}"
            words.append((said, since, None if since is None or length is None else since + length))
    start = next((since for _, since, _ in words if since is not None), None)
    end = next((until for _, _, until in reversed(words) if until is not None), None)
    return Passage(start, end, text, speaker, tuple(words))


def _speaker(segment: Node) -> str | None:
    """Return the speaker; one that is only a number or a letter is called so."""
    speaker = speaker_of(segment)
    return f"Speaker {speaker}" if speaker is not None and (speaker.isdigit() or len(speaker) == 1) else speaker


def _settled(pieces: list[Passage], repairs: Repairs, *, are_words: bool = False) -> tuple[Line, ...]:
    are_named = any(piece.speaker for piece in pieces)
    return settle(pieces, repairs, are_named=are_named, are_words=are_words, expected=SECONDS)
