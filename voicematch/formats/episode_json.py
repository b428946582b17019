"""Our own JSON: everything the answer holds but vectors, versioned, and read back exactly.

::

    {
     "format": "voicematch episode",
     "version": 1,
     "source": "talk.mp3",            # as it was given
     "title": "", "date": null,       # date: ISO 8601
     "show": "",
     "audio_sha256": "…",             # the exact audio that the labels belong to
     "duration": 3600.5, "lost_seconds": 0.0,
     "embedder": "campplus-2", "diarizer": "built-in",
     "speakers": [                    # in order of first appearance
      {"speaker": "SPEAKER_00",       # local label
       "name": "Maya Lindqvist",      # what is printed: the profile when accepted, else the label
       "verdict": "accept",           # accept, review, unknown
       "profile": "Maya Lindqvist",   # given (accept) or suggested (review), else null
       "probability": 0.98,
       "unknown": null,               # U-0001 …: the remembered voice that a speaker without a name is
       "talk_seconds": 1800.2, "turns": 120,
       "doubtful": false,             # a few scattered seconds of nobody known: rather a slip than a person
       "candidates": [{"profile": "…", "score": 0.7, "probability": 0.98, "agreement": 1.0}],
       "reasons": ["…"]}],
     "chapters": [{"start": 0.0, "title": "Intro"}],   # as the feed has them
     "turns": [{"start": 0.0, "end": 4.2, "speaker": "SPEAKER_00"}],
     "lines": [{"start": 0.0, "end": 4.2, "speaker": "SPEAKER_00", "name": "Maya Lindqvist", "text": "Welcome back.",
                "others": ["SPEAKER_01"],   # who talks over the line
                "words": [{"start": 0.1, "end": 0.5, "speaker": "SPEAKER_00", "text": "Welcome"}]}]
    }

Times are seconds. ``name``, ``talk_seconds``, ``turns`` and ``doubtful`` of a speaker repeat what the rest of the file
says, for readers in a hurry; reading ignores them. A later version may add keys; a change of meaning raises
``version``.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from ..types import Candidate, Chapter, LabelledEpisode, Line, Match, Turn, Verdict, Word
from . import json_node
from .cues import clean
from .json_node import Misfit, Node

FORMAT = "voicematch episode"
VERSION = 1


def write_json(episode: LabelledEpisode) -> str:
    """Write the whole answer as JSON; :func:`read_episode` gives the same episode back."""
    doubtful = episode.doubtful()
    document = {
        "format": FORMAT,
        "version": VERSION,
        "source": episode.source,
        "title": episode.title,
        "date": episode.date,
        "show": episode.show,
        "audio_sha256": episode.audio_sha256,
        "duration": episode.duration,
        "lost_seconds": episode.lost_seconds,
        "embedder": episode.embedder,
        "diarizer": episode.diarizer,
        "speakers": [_speaker(episode, match, doubtful) for match in episode.matches.values()],
        "chapters": [{"start": chapter.start, "title": chapter.title} for chapter in episode.chapters],
        "turns": [{"start": turn.start, "end": turn.end, "speaker": turn.speaker} for turn in episode.turns],
        "lines": [_line(episode, line) for line in episode.lines],
    }
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _speaker(episode: LabelledEpisode, match: Match, doubtful: Collection[str]) -> dict[str, Any]:
    talk = [turn.duration for turn in episode.turns if turn.speaker == match.speaker]
    return {
        "speaker": match.speaker,
        "name": episode.name(match.speaker),
        "verdict": match.verdict.value,
        "profile": match.profile,
        "probability": match.probability,
        "unknown": match.unknown,
        "talk_seconds": round(sum(talk), 3),
        "turns": len(talk),
        "doubtful": match.speaker in doubtful,
        "candidates": [
            {"profile": c.profile, "score": c.score, "probability": c.probability, "agreement": c.agreement}
            for c in match.candidates
        ],
        "reasons": list(match.reasons),
    }


def _line(episode: LabelledEpisode, line: Line) -> dict[str, Any]:
    return {
        "start": line.start,
        "end": line.end,
        "speaker": line.speaker,
        "name": None if line.speaker is None else episode.name(line.speaker),
        "text": line.text,
        "others": list(line.others),
        "words": [
            {"start": word.start, "end": word.end, "speaker": word.speaker, "text": word.text} for word in line.words
        ],
    }


def read_episode(text: str, source: object) -> LabelledEpisode:
    """Read the episode that :func:`write_json` wrote."""
    return json_node.parse(text, source, episode_of)


def episode_of(document: Node) -> LabelledEpisode:
    if document["format"].value != FORMAT:
        raise Misfit(document["format"].path, f'expected "{FORMAT}"')
    if document["version"].value != VERSION:
        raise Misfit(document["version"].path, f"version {VERSION} is the one known here; a newer voicematch wrote it")
    date, show, chapters = document.get("date"), document.get("show"), document.get("chapters")
    matches = [_match_of(node) for node in document["speakers"].each()]
    return LabelledEpisode(
        source=document["source"].text(),
        audio_sha256=document["audio_sha256"].text(),
        duration=document["duration"].seconds(),
        turns=tuple(Turn(*_span(node), node["speaker"].text()) for node in document["turns"].each()),
        matches={match.speaker: match for match in matches},
        lines=tuple(_line_of(node) for node in document["lines"].each()),
        title=document["title"].text(),
        date=None if date is None else date.text(),
        embedder=document["embedder"].text(),
        diarizer=document["diarizer"].text(),
        lost_seconds=document["lost_seconds"].seconds(),
        show="" if show is None else show.text(),
        chapters=tuple(Chapter(one["start"].seconds(), one["title"].text()) for one in chapters.each())
        if chapters is not None
        else (),
    )


def _match_of(node: Node) -> Match:
    verdict = node["verdict"]
    if verdict.value not in set(Verdict):
        raise Misfit(verdict.path, f"expected one of {', '.join(Verdict)}")
    return Match(
        speaker=node["speaker"].text(),
        verdict=Verdict(verdict.value),
        profile=_optional(node, "profile"),
        probability=node["probability"].number(),
        candidates=tuple(
            Candidate(c["profile"].text(), c["score"].number(), c["probability"].number(), c["agreement"].number())
            for c in node["candidates"].each()
        ),
        reasons=tuple(reason.text() for reason in node["reasons"].each()),
        unknown=_optional(node, "unknown"),
    )


def _line_of(node: Node) -> Line:
    start, end = _span(node)
    return Line(
        start=start,
        end=end,
        text=node["text"].text(),
        speaker=_optional(node, "speaker"),
        words=tuple(
            Word(*_span(word), word["text"].text(), _optional(word, "speaker")) for word in node["words"].each()
        ),
        others=tuple(other.text() for other in node["others"].each()),
    )


def _span(node: Node) -> tuple[float, float]:
    start, end = node["start"].seconds(), node["end"].seconds()
    if end < start:
        raise Misfit(node.path, "ends before it starts")
    return start, end


def _optional(node: Node, key: str) -> str | None:
    found = node.get(key)
    return None if found is None else found.text()


def lines_of(document: Node) -> tuple[Line, ...]:
    """Return the lines as a transcript: speakers by the name that was printed."""
    episode = episode_of(document)
    return tuple(
        Line(
            line.start,
            line.end,
            clean(line.text),
            None if line.speaker is None else clean(episode.name(line.speaker)) or None,
            tuple(Word(word.start, word.end, word.text) for word in line.words),
        )
        for line in episode.lines
        if clean(line.text)
    )
