"""Transcripts in JSON as services that transcribe give them.

==============  ================================================================================================
AssemblyAI      ``{"utterances": [{"speaker", "start", "end" in ms, "text", "words": [{"text", "start", "end"}]}]}``,
                or only ``words``, or ``sentences``
ElevenLabs      ``{"words": [{"text", "start", "end", "type": "word", "speaker_id"}]}``, or a list of these for each
                channel, ``{"transcripts": [{"channel_index", "words"}]}``
OpenAI          ``{"words": [{"word", "start", "end"}]}``, where only words were asked for
Deepgram        ``{"results": {"utterances": [{"start", "end", "transcript", "speaker", "words"}]}}``, or
                ``{"results": {"channels": [{"alternatives": [{"words": [{"punctuated_word", "start", "end"}]}]}]}}``
AWS Transcribe  ``{"results": {"items": [{"start_time": "0.4", "alternatives": [{"content"}], "speaker_label"}]}}``
Speechmatics    ``{"results": [{"type": "word", "start_time", "end_time", "alternatives": [{"content", "speaker"}]}]}``
Rev             ``{"monologues": [{"speaker", "elements": [{"type": "text", "value", "ts", "end_ts"}]}]}``
Riverside       ``{"data": {"speakers": [{"name", "sentences": [{"words": [[text, start in ms, length in ms]]}]}]}}``,
                as its editor gets it; its exports are SRT and text
==============  ================================================================================================

Single words become lines by the one rule that there is for that. Where a recording has several channels, words become
lines in each, and the channel is the speaker where the service names none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..types import Line
from .cues import clean
from .flow import clings
from .json_node import Misfit, Node
from .recognizers import SECONDS, piece_of, pieces_of, speaker_of, words_of
from .repairs import Repairs
from .spoken import Passage, TimedWord, settle

MILLISECOND = 0.001
FRACTIONS = 0.1  # share of times that are no whole numbers, above which a file counts seconds
ROUNDED = 1e-6  # that whole numbers may be off, as floats
_SPELLINGS = ("transcript", "punctuated_word", "text", "word")
_CHANNELS = ("channel", "channel_label", "channel_index")
_NOBODY = "UU"  # Speechmatics' unidentified speaker


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a service heard at once, a word or more.

    channel : of the recording, None where the service does not say
    sign : whether it is one that belongs to the word "previous" or "next" to it; "" for words
    """

    channel: str | None
    piece: Passage
    sign: str = ""


def reader_of(document: Node) -> Callable[[Node, Repairs], tuple[Line, ...]] | None:
    """Return what reads the document, if a service wrote it."""
    results = document.get("results")
    if results is not None and (results.get("items") is not None or _is_speechmatics(results)):
        return _items
    if results is not None and (results.get("channels") is not None or results.get("utterances") is not None):
        return _deepgram
    if document.get("monologues") is not None:
        return _rev
    if _riverside_speakers(document):
        return _riverside
    if any(document.get(key) is not None for key in ("utterances", "sentences", "transcripts")) or (
        document.get("words") is not None and document.get("segments") is None
    ):
        return _listed
    return None


def _listed(document: Node, repairs: Repairs) -> tuple[Line, ...]:
    """Read what is said from a list at the top: AssemblyAI's, ElevenLabs' or OpenAI's."""
    for key in ("utterances", "sentences", "words"):
        found = document.get(key)
        if found is not None and found.value:
            heard = _all_heard(found, repairs, unit=_unit(found))
            return _settled(heard, repairs, are_words=key == "words")
    transcripts = document.get("transcripts")
    heard = []
    for transcript in transcripts.each() if transcripts is not None else ():
        heard += _all_heard(transcript["words"], repairs, channel=_channel(transcript))
    if not heard:
        raise Misfit(document.path, "neither utterances, sentences nor words in it")
    return _settled(heard, repairs, are_words=True)


def _unit(segments: Node) -> float:
    """Return the seconds that a time stands for: AssemblyAI counts whole milliseconds, everybody else seconds."""
    times: list[float] = []
    for segment in segments.each():
        words = segment.get("words")
        for one in (segment, *(words.each() if words is not None and isinstance(words.value, list) else ())):
            if one.get("word") is not None or one.get("speaker_id") is not None:
                return 1.0
            found = (time.time() for time in map(one.get, ("start", "end")) if time is not None)
            times += [time for time in found if time is not None]
    num_fractions = sum(abs(time - round(time)) > ROUNDED for time in times)
    return 1.0 if num_fractions > FRACTIONS * len(times) else MILLISECOND


def _all_heard(segments: Node, repairs: Repairs, *, channel: str | None = None, unit: float = 1.0) -> list[_Heard]:
    """Return what each segment of a list says. channel : of those that name none"""
    return pieces_of(segments, lambda segment: _Heard(_channel(segment) or channel, _utterance(segment, unit)), repairs)


def _utterance(segment: Node, unit: float) -> Passage:
    """Return an utterance, or a word of one."""
    words = segment.get("words")
    timed = () if words is None else words_of(words, ("punctuated_word", "text", "word"), unit=unit)
    text = next((found for found in map(segment.get, _SPELLINGS) if found is not None), None)
    if text is None:
        raise Misfit(segment.path, 'no "transcript", "text" or "word" here')
    start, end = segment.get("start"), segment.get("end")
    return piece_of(segment, start, end, text.text(), speaker=_speaker(segment), words=timed, unit=unit)


def _channel(segment: Node) -> str | None:
    """Return the channel; one that is only a number is called so."""
    channel = next((found for key in _CHANNELS if (found := speaker_of(segment, key)) is not None), None)
    return f"Channel {channel}" if channel is not None and channel.isdigit() else channel


def _deepgram(document: Node, repairs: Repairs) -> tuple[Line, ...]:
    results = document["results"]
    utterances = results.get("utterances")
    if utterances is not None and utterances.value:
        return _settled(_all_heard(utterances, repairs), repairs)
    heard: list[_Heard] = []
    for number, channel in enumerate(results["channels"].each()):
        best = next(channel["alternatives"].each(), None)
        if best is not None:
            heard += _all_heard(best["words"], repairs, channel=f"Channel {number}")
    return _settled(heard, repairs, are_words=True)


def _is_speechmatics(results: Node) -> bool:
    return isinstance(results.value, list) and any(
        one.get("start_time") is not None and one.get("alternatives") is not None for one in results.each()
    )


def _items(document: Node, repairs: Repairs) -> tuple[Line, ...]:
    """Read AWS's or Speechmatics' words and signs."""
    results = document["results"]
    speakers = _aws_speakers(results)
    heard: list[_Heard] = []
    for items in _lists_of_items(results):
        heard += pieces_of(items, lambda item: _item(item, speakers), repairs)
    return _settled(heard, repairs, are_words=True)


def _lists_of_items(results: Node) -> list[Node]:
    """Return the list of items, or, where AWS has one for each channel, these."""
    labels = results.get("channel_labels")
    channels = None if labels is None else labels.get("channels")
    if channels is not None:
        return [channel["items"] for channel in channels.each()]
    return [results.get("items") or results]


def _item(item: Node, speakers: dict[str, str]) -> _Heard:
    best = next(item["alternatives"].each(), None)
    if best is None:
        raise Misfit(item.path, "no alternatives")
    start, attached = item.get("start_time"), item.get("attaches_to")
    speaker = speaker_of(item, "speaker_label") or speaker_of(best)
    if speaker is None and start is not None:
        speaker = speakers.get(str(start.value))
    sign = "previous" if start is None else "" if attached is None else attached.text()
    text = best["content"].text()
    piece = piece_of(item, start, item.get("end_time"), text, speaker=None if speaker == _NOBODY else speaker)
    return _Heard(_channel(item), piece, sign)


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


def _with_signs(heard: Sequence[_Heard]) -> list[Passage]:
    """Return the words with the signs that belong to them."""
    pieces: list[Passage] = []
    before = ""
    for one in heard:
        if one.sign == "next":
            before += one.piece.text
        elif one.sign in ("previous", "both") and pieces:
            pieces[-1] = replace(pieces[-1], text=pieces[-1].text + one.piece.text)
        else:
            pieces.append(replace(one.piece, text=before + one.piece.text))
            before = ""
    if before and pieces:
        pieces[-1] = replace(pieces[-1], text=pieces[-1].text + before)
    return pieces


def _rev(document: Node, repairs: Repairs) -> tuple[Line, ...]:
    pieces = pieces_of(document["monologues"], _monologue, repairs)
    return _lines(pieces, repairs)


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
    return _lines(sorted(pieces, key=lambda piece: piece.start or 0.0), repairs)


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
    speaker = speaker_of(segment) or speaker_of(segment, "speaker_id")
    return f"Speaker {speaker}" if speaker is not None and (speaker.isdigit() or len(speaker) == 1) else speaker


def _settled(heard: Sequence[_Heard], repairs: Repairs, *, are_words: bool = False) -> tuple[Line, ...]:
    """Return the lines of what was heard; where there are several channels, those of each, in order of time."""
    by_channel: dict[str | None, list[_Heard]] = {}
    for one in heard:
        by_channel.setdefault(one.channel, []).append(one)
    if len(by_channel) < 2:
        return _lines(_with_signs(heard), repairs, are_words=are_words)
    pieces: list[Passage] = []
    speakers: dict[str, str | None] = {}  # by label, the channel that has it
    for channel, of_channel in by_channel.items():
        for piece in _with_signs(of_channel):
            speaker = piece.speaker
            if speaker is None:
                speaker = channel
            elif speakers.setdefault(speaker, channel) != channel:  # labels begin anew on every channel
                speaker = f"{channel} {speaker}"
            pieces.append(replace(piece, speaker=speaker))
    lines = _lines(pieces, repairs, are_words=are_words)
    return tuple(sorted(lines, key=lambda line: line.start))


def _lines(pieces: Sequence[Passage], repairs: Repairs, *, are_words: bool = False) -> tuple[Line, ...]:
    are_named = any(piece.speaker for piece in pieces)
    return settle(pieces, repairs, are_named=are_named, are_words=are_words, expected=SECONDS)
