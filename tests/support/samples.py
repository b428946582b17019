"""An episode with everything in it that formats stumble over, and a transcript in every shape that is read."""

from __future__ import annotations

import json

from voicematch.types import Candidate, Chapter, LabelledEpisode, Line, Match, Turn, Verdict, Word

EPISODE = LabelledEpisode(
    source="https://example.org/audio/ep%201.mp3",
    audio_sha256="00" * 32,
    duration=20.5,
    title="Trails & <Tribulations>",
    date="2026-11-22",
    embedder="ecapa-small",
    diarizer="built-in",
    show="Trails",
    chapters=(Chapter(0.0, "Cold # open"), Chapter(9.0, "")),
    turns=(
        Turn(0.0, 6.25, "SPEAKER_00"),
        Turn(5.9, 6.5, "SPEAKER_01"),
        Turn(6.5, 9.0, "SPEAKER_01"),
        Turn(9.0, 12.0, "SPEAKER_00"),
        Turn(12.0, 13.0, "SPEAKER_02"),
    ),
    matches={
        "SPEAKER_00": Match(
            "SPEAKER_00",
            Verdict.ACCEPT,
            "Maya & Co",
            0.98,
            (Candidate("Maya & Co", 0.71, 0.98, 1.0), Candidate("Liam", 0.2, 0.01, 0.0)),
            ("98 % likely, and nobody else is near",),
        ),
        "SPEAKER_01": Match("SPEAKER_01", Verdict.REVIEW, "Liam", 0.6, (Candidate("Liam", 0.4, 0.6, 0.7),)),
        "SPEAKER_02": Match("SPEAKER_02", Verdict.UNKNOWN, None, 0.01, unknown="U-0001"),
    },
    lines=(
        Line(
            0.0,
            6.25,
            "Welcome back to <b>Singletrack</b> Sessions & more, where 5 > 4 and we talk about building trails.",
            "SPEAKER_00",
            others=("SPEAKER_01",),
        ),
        Line(
            6.5,
            9.0,
            "Thanks, Maya.",
            "SPEAKER_01",
            (Word(6.5, 7.25, "Thanks,", "SPEAKER_01"), Word(7.25, 9.0, "Maya.", "SPEAKER_01")),
        ),
        Line(9.0, 12.0, "=SUM(A1) is what I'd never say.", "SPEAKER_00"),
        Line(12.0, 13.0, "¿Qué? “你好”", "SPEAKER_02"),
        Line(15.0, 20.5, "♪ la la ♪"),
    ),
)

WEBVTT = """WEBVTT - a title
Kind: captions

STYLE
::cue { color: red }

NOTE a comment
of two lines

intro
00:01.000 --> 00:02.500 align:start position:0%
<v.loud Maya &amp; Co>Welcome <i>back</i> &lt;here&gt;</v>

00:00:02.500 --> 00:00:05.000
<v Liam>Thanks.
<v Maya &amp; Co>Sure.
"""

SUBRIP = """1
00:00:01,000 --> 00:00:02,500 X1:0 X2:10
Maya: <i>Welcome</i> back
{\\an8}here

2
00:00:02,500 --> 00:00:05,000
to the show.

3
00:00:05,000 --> 00:00:06,000
Liam Verbeek: Thanks.
"""

PODCAST = """{"version": "1.0.0", "segments": [
 {"speaker": "Maya", "startTime": 0.5, "endTime": 1.5, "body": "Welcome back."},
 {"startTime": 2, "body": "Thanks."}]}"""

WHISPER = """{"text": " Welcome back in 2014.", "language": "en", "segments": [
 {"id": 0, "seek": 0, "start": 0.5, "end": 3.0, "text": " Welcome back in 2014.", "tokens": [50364, 1],
  "words": [{"word": " Welcome", "start": 0.5, "end": 1.0, "probability": 0.9},
            {"word": " back", "start": 1.0, "end": 1.5}, {"word": " in", "start": 1.5, "end": 2.0},
            {"word": " 2014."}]},
 {"id": 1, "start": 3.0, "end": 4.0, "text": " Thanks.", "speaker": "SPEAKER_01"}]}"""

FASTER_WHISPER = """[{"id": 1, "start": 0.5, "end": 3.0, "text": " Welcome back.", "words": null}]"""

TRANSFORMERS = """{"text": "", "chunks": [{"timestamp": [0.5, 3.0], "text": " Welcome back."},
 {"timestamp": [3.0, null], "text": " Thanks."}]}"""

WHISPER_CPP = """{"systeminfo": "", "result": {"language": "en"}, "transcription": [
 {"timestamps": {"from": "00:00:00,500", "to": "00:00:03,000"}, "offsets": {"from": 500, "to": 3000},
  "text": " Welcome back.", "tokens": [
   {"text": "[_BEG_]", "offsets": {"from": 500, "to": 500}},
   {"text": " Wel", "offsets": {"from": 500, "to": 1000}}, {"text": "come", "offsets": {"from": 1000, "to": 1500}},
   {"text": " back", "offsets": {"from": 1500, "to": 2500}}, {"text": ".", "offsets": {"from": 2500, "to": 3000}}]}]}"""

HTML = """<!DOCTYPE html><html><head><title>[0:00] No: not this</title></head><body>
<cite>Kevin:</cite>
<time>0:00</time>
<p>We have an &amp; update</p>
<cite>Alban :</cite>
<time>0:09</time>
<p>You're <b>tri</b>ggering Tom</p></body></html>"""

PAGE = """<html><body><h1>Episode 1</h1><p><b>[00:00:01] Maya:</b> Welcome back.</p><!-- <p>[0:02] x</p> -->
<p>[00:00:04] Liam: Thanks,<br>Maya.</p></body></html>"""

PLAIN = """Episode 1

[00:01:02] Maya: Welcome back.
And more.
[00:01:09] Liam: Thanks.
"""

TRANSCRIPTS = {
    "webvtt": WEBVTT,
    "subrip": SUBRIP,
    "podcast": PODCAST,
    "whisper": WHISPER,
    "faster-whisper": FASTER_WHISPER,
    "transformers": TRANSFORMERS,
    "whisper.cpp": WHISPER_CPP,
    "html": HTML,
    "page": PAGE,
    "plain": PLAIN,
}

_WORDS = (("Welcome", 0.5, 1.0, 0), ("back,", 1.0, 1.5, 0), ("all.", 1.5, 2.0, 0), ("Thanks!", 2.5, 3.0, 1))


def _ms(time: float) -> int:
    return round(time * 1000)


def _assembly_words(speaker: int | None) -> list[dict[str, object]]:
    return [
        {"text": text, "start": _ms(start), "end": _ms(end), "speaker": "AB"[who], "confidence": 0.9}
        for text, start, end, who in _WORDS
        if speaker is None or who == speaker
    ]


def _deepgram_words(speaker: int | None) -> list[dict[str, object]]:
    return [
        {"word": text.strip(",.!").lower(), "punctuated_word": text, "start": start, "end": end, "speaker": who}
        for text, start, end, who in _WORDS
        if speaker is None or who == speaker
    ]


def _aws_items(*, labelled: bool) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    for text, start, end, who in _WORDS:
        label = {"speaker_label": f"spk_{who}"} if labelled else {}
        times = {"start_time": f"{start}", "end_time": f"{end}"}
        items.append({"type": "pronunciation", "alternatives": [{"content": text.rstrip(",.!")}], **times, **label})
        if text[-1] in ",.!":
            items.append({"type": "punctuation", "alternatives": [{"confidence": "0.0", "content": text[-1]}], **label})
    return items


_AWS_SEGMENTS = [
    {
        "start_time": f"{start}",
        "end_time": f"{end}",
        "speaker_label": f"spk_{who}",
        "items": [{"start_time": f"{start}", "end_time": f"{end}", "speaker_label": f"spk_{who}"}],
    }
    for _, start, end, who in _WORDS
]

_SCRIBE_WORDS = [
    one
    for text, start, end, who in _WORDS
    for one in (
        {"text": text, "start": start, "end": end, "type": "word", "speaker_id": f"speaker_{who}"},
        {"text": " ", "start": end, "end": end, "type": "spacing", "speaker_id": f"speaker_{who}"},
    )
]


def _speechmatics_results() -> list[dict[str, object]]:
    results: list[dict[str, object]] = []
    parts: tuple[tuple[str, str, float, dict[str, str]], ...]
    for text, start, end, who in _WORDS:
        parts = (("word", text.rstrip(",.!"), start, {}), ("punctuation", text[-1], end, {"attaches_to": "previous"}))
        results += [
            {
                "type": kind,
                "start_time": since,
                "end_time": end,
                "alternatives": [{"content": content, "speaker": f"S{who + 1}"}],
                **attached,
            }
            for kind, content, since, attached in parts
            if kind == "word" or content in ",.!"
        ]
    return results


SERVICES = {
    "assemblyai": json.dumps(
        {
            "id": "x",
            "text": "Welcome back, all. Thanks!",
            "words": _assembly_words(None),
            "utterances": [
                {"speaker": "A", "text": "Welcome back, all.", "start": 500, "end": 2000, "words": _assembly_words(0)},
                {"speaker": "B", "text": "Thanks!", "start": 2500, "end": 3000, "words": _assembly_words(1)},
            ],
        }
    ),
    "assemblyai words": json.dumps({"id": "x", "utterances": None, "words": _assembly_words(None) * 1}),
    "deepgram": json.dumps(
        {
            "metadata": {},
            "results": {
                "channels": [],
                "utterances": [
                    {
                        "start": 0.5,
                        "end": 2.0,
                        "transcript": "Welcome back, all.",
                        "speaker": 0,
                        "words": _deepgram_words(0),
                    },
                    {"start": 2.5, "end": 3.0, "transcript": "Thanks!", "speaker": 1, "words": _deepgram_words(1)},
                ],
            },
        }
    ),
    "deepgram words": json.dumps(
        {"results": {"channels": [{"alternatives": [{"transcript": "", "words": _deepgram_words(None)}]}]}}
    ),
    "aws": json.dumps({"jobName": "x", "results": {"transcripts": [], "items": _aws_items(labelled=True)}}),
    "aws segments": json.dumps(
        {"results": {"items": _aws_items(labelled=False), "speaker_labels": {"speakers": 2, "segments": _AWS_SEGMENTS}}}
    ),
    "elevenlabs": json.dumps({"language_code": "eng", "text": "Welcome back, all. Thanks!", "words": _SCRIBE_WORDS}),
    "speechmatics": json.dumps({"format": "2.9", "metadata": {}, "results": _speechmatics_results()}),
    "rev": json.dumps(
        {
            "monologues": [
                {
                    "speaker": speaker,
                    "elements": [
                        element
                        for text, start, end, who in _WORDS
                        if who == speaker
                        for element in (
                            {"type": "text", "value": text.rstrip(",.!"), "ts": start, "end_ts": end},
                            {"type": "punct", "value": text[len(text.rstrip(",.!")) :] + " "},
                        )
                    ],
                }
                for speaker in (0, 1)
            ]
        }
    ),
    "riverside": json.dumps(
        {
            "success": True,
            "data": {
                "speakers": [
                    {
                        "id": "x",
                        "name": name,
                        "sentences": [
                            {
                                "index": 0,
                                "words": [[text, _ms(a), _ms(b - a)] for text, a, b, who in _WORDS if who == number],
                            }
                        ],
                    }
                    for number, name in ((1, "B. Fox"), (0, "A. Byron"))
                ],
                "voiceActivity": {"speakers": []},
            },
        }
    ),
    "json lines": "\n".join(
        json.dumps({"start": start, "end": end, "text": text, "speaker": speaker, "words": words})
        for start, end, text, speaker, words in (
            (
                0.5,
                2.0,
                "Welcome back, all.",
                "A. Byron",
                [{"word": w, "start": a, "end": b} for w, a, b, n in _WORDS if not n],
            ),
            (2.5, 3.0, "Thanks!", "B. Fox", []),
        )
    ),
    "ttml": """<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttm="http://www.w3.org/ns/ttml#metadata" xml:lang="en">
<head><metadata><ttm:agent xml:id="a1" type="person"><ttm:name type="full">Ada Byron</ttm:name></ttm:agent>
<ttm:agent xml:id="a2" type="person"><ttm:name type="full">Basil</ttm:name></ttm:agent></metadata></head>
<body dur="00:00:05.000"><div>
<p begin="0.5s" end="2.0s" ttm:agent="a1"><span begin="0.5s" end="1s">Welcome</span><span begin="1s"
 end="1.5s">back,</span> <span begin="1.5s" end="2s">all.</span></p>
<p begin="00:00:02.500" end="00:00:03.000" ttm:agent="a2">Thanks!</p></div></body></tt>""",
    "ass": """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,Ada Byron,0,0,0,,not said
Dialogue: 0,0:00:00.50,0:00:02.00,Default,Ada Byron,0,0,0,,{\\i1}Welcome back,{\\i0}\\Nall.
Dialogue: 0,0:00:02.50,0:00:03.00,Default,Basil,0,0,0,,Thanks!
""",
    "sbv": "0:00:00.500,0:00:02.000\nWelcome back,\nall.\n\n0:00:02.500,0:00:03.000\nThanks!\n",
    "lrc": "[ar:Somebody]\n[length: 00:03]\n[00:00.50]Welcome back, all.\n[00:02.50]Thanks!\n",
    "tsv": "start\tend\ttext\n500\t2000\tWelcome back, all.\n2500\t3000\tThanks!\n",
}
