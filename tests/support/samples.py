"""An episode with everything in it that formats stumble over, and a transcript in every shape that is read."""

from __future__ import annotations

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
