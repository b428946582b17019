"""Mutated transcripts through every reader: nothing but FormatError comes out, quickly, in little memory.

python -m tests.measure.fuzz_readers 100000
"""

from __future__ import annotations

import random
import resource
import sys
import time
from contextlib import suppress

from tests.support.samples import EPISODE, SERVICES, TRANSCRIPTS
from voicematch.errors import FormatError
from voicematch.formats import FORMATS, READERS, decode, read, read_episode
from voicematch.types import Line

SLOWEST = 1.0  # s for one input of at most MOST_BYTES; a reader that is quadratic in its input takes longer
MOST_BYTES = 100_000

ROLLING = "WEBVTT\n\n" + "".join(
    f"00:{n:02d}.000 --> 00:{n + 1:02d}.000\n{n}<00:{n:02d}.200><c> a</c>\n{n + 1} b\n\n" for n in range(9)
)
LABELLED = "".join(f"{'AB'[n % 2]}da Byron  0:{n:02d}\n[Speaker {n}]: (speaker 0) - Name: words\n\n" for n in range(9))
WORDS = '{"chunks": [' + ", ".join(f'{{"text": " w{n}", "timestamp": [{n}, {n + 1}]}}' for n in range(9)) + "]}"
SEEDS = [
    text.encode()
    for text in (
        *TRANSCRIPTS.values(),
        *SERVICES.values(),
        *(write(EPISODE) for write in FORMATS.values()),
        *(ROLLING, LABELLED, WORDS),
    )
]
FRAGMENTS = [
    *(b"-->", b"00:00:01.000", b"99:99:99.999", b"\n\n", b"\r", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"WEBVTT\n\n"),
    *(b"<v ", b"<v>", b"</v>", b"<time>", b"<cite>", b"<!--", b"-->", b"<a b='", b"&#55296;", b"&", b"[0:01] ", b"A: "),
    *(b'{"segments":', b"[[[[", b"]", b"}", b'"', b"\\ud800", b"NaN", b"1e999", b"-1", b"9" * 400, b"null", b"true"),
    *(
        b"[0:01]",
        b"<tt><p begin='1s'>",
        b"<br/>",
        b"{\\i1}",
        b"Dialogue: ",
        b"\t",
        b": ",
        b"Speaker 1",
        b"(",
        b"- ",
        b"<00:01.0>",
    ),
    *(b"start", b"words", b"\xc3", b"\xe2\x80\xa8", b"\x0b", b" " * 50, b"0:" * 50, b"1 --> 2", b">>", b"NOTE\n"),
]


def mutated(number: int) -> bytes:
    """A transcript after a few edits: pieces put in, cut out, moved, repeated. A number always gives the same."""
    rng = random.Random(number)
    text = rng.choice(SEEDS)
    for _ in range(rng.randint(1, 6)):
        start = rng.randint(0, len(text))
        end = start + rng.randint(0, 60)
        kind = rng.randrange(6)
        if kind == 0:
            text = text[:start] + rng.choice(FRAGMENTS) + text[start:]
        elif kind == 1:
            text = text[:start] + text[end:]
        elif kind == 2:
            text = text[:end] + text[start:end] * rng.choice((1, 2, 20) if number % 20 else (500, 2000)) + text[end:]
        elif kind == 3:
            text = text[:start] + rng.randbytes(rng.randint(1, 8)) + text[end:]
        elif kind == 4:
            text = text[:start] + rng.choice(SEEDS)[start:end] + text[start:]
        elif rng.random() < 0.3:
            text = text[:start]
        text = text[:MOST_BYTES]
    return text


def check(raw: bytes) -> int:
    """How many lines were read; fails unless each reader gives lines that hold what they promise, or a FormatError."""
    num_lines = 0
    try:
        text = decode(raw, "fuzz")
    except FormatError:
        return num_lines
    for reader in (*READERS.values(), read):
        try:
            lines = reader(text, "fuzz")
        except FormatError as error:
            str(error).encode()
            continue
        for line in lines:
            check_line(line)
        num_lines += len(lines)
    with suppress(FormatError):
        FORMATS["json"](read_episode(text, "fuzz")).encode()
    return num_lines


def check_line(line: Line) -> None:
    assert 0 <= line.start <= line.end
    assert all(0 <= word.start <= word.end for word in line.words)
    (line.text + (line.speaker or "")).encode()
    assert line.text
    assert line.speaker != ""


def fuzz(numbers: range, slowest: float = float("inf")) -> int:
    """How many lines were read from the inputs of those numbers; a failure tells which it was.

    slowest : seconds of processor that one reader may take for one input
    """
    num_lines = 0
    for number in numbers:
        raw, started = mutated(number), time.process_time()
        try:
            num_lines += check(raw)
            took = time.process_time() - started
            assert took < slowest * (len(READERS) + 2), f"{took:.1f} s for {len(raw)} bytes"
        except Exception as error:
            raise AssertionError(f"input {number}: {error!r}") from error
    return num_lines


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
    begun = time.process_time()
    fuzz(range(*map(int, sys.argv[1:])), SLOWEST)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"inputs {' '.join(sys.argv[1:])}: {time.process_time() - begun:.0f} s, peak memory {peak:.0f} MB\n"
    )
