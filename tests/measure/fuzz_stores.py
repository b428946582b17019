"""Damaged and hostile files of profiles, library files and posts to the pages, by the thousand.

``python -m tests.measure.fuzz_stores PROFILES POSTS LIBRARIES`` (how many of each) prints a line for each kind. Each is
taken, or refused in one line; anything else fails, with the number of the input, which is made from it alone.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

from tests.support.library_example import DIMENSION, EMBEDDER, fill
from tests.usecases.test_exchange import SOUND
from voicematch.errors import VoicematchError
from voicematch.library import Library, open_library
from voicematch.usecases import exchange
from voicematch.web.app import _object

SLOWEST = 5.0  # s for one input on a busy machine
PIECES = (
    b"null", b"-1", b"1e999", b"[]", b"{}", b'""', b"NaN", b"\x00", b"\xff\xfe", b"\\ud800", b"\xe2\x80\xae", b"../..",
    b"[" * 3000, b'{"a":' * 2000, b"9" * 400, b"A" * 9000, b"true", b'"\\u202e"',
)  # fmt: skip


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """The input with a few places cut, doubled, flipped, or replaced by what readers stumble over."""
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(raw) + 1), rng.choice((1, 2, 8, 40, 300))
        kind = rng.randrange(5)
        if kind == 0:
            raw = raw[:at] + raw[at + length :]
        elif kind == 1:
            raw = raw[:at] + raw[at : at + length] + raw[at:]
        elif kind == 2:
            raw = raw[:at] + rng.randbytes(min(length, 8)) + raw[at + length :]
        elif kind == 3:
            raw = raw[:at] + rng.choice(PIECES) + raw[at:]
        else:
            raw = raw[:at] + rng.choice(PIECES) + raw[at + length :]
    return raw


def resealed(raw: bytes) -> bytes:
    """With a checksum that fits, where it is still JSON, so that what is behind the checksum is reached."""
    import json

    try:
        document = json.loads(raw)
        return json.dumps(document | {"sha256": exchange.checksum(document)}).encode()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return raw


def profiles(num: int, library: Library) -> int:
    """How many of so many files were taken."""
    good = exchange.write_profiles(library, ["Ann Lee", "Bob"], with_clips=True).encode()
    num_taken = 0
    for number in range(num):
        rng = random.Random(number)
        raw = mutated(good, rng)
        raw = resealed(raw) if number % 2 else raw
        began = time.process_time()
        try:
            with suppress(VoicematchError, UnicodeDecodeError), library.together(keep=False):
                exchange.import_profiles(raw.decode(), "fuzz", library=library)
                num_taken += 1
        except Exception as error:
            raise AssertionError(f"profiles {number}: {error!r}") from error
        assert time.process_time() - began < SLOWEST, f"profiles {number} takes too long"
    return num_taken


def posts(num: int) -> int:
    """How many of so many JSON posts were taken."""
    num_taken = 0
    for number in range(num):
        raw = mutated(b'{"unknown": "U-0003", "name": "Robin Rowan", "consent": "public"}', random.Random(number))
        try:
            with suppress(VoicematchError):
                num_taken += bool(_object(raw[: 64 * 1024]))
        except Exception as error:
            raise AssertionError(f"post {number}: {error!r}") from error
    return num_taken


def libraries(num: int, folder: Path) -> int:
    """How many of so many damaged files were opened and read as if nothing were."""
    with open_library(folder / "good.db", embedder=EMBEDDER, dimension=DIMENSION) as made:
        fill(made)
    with closing(sqlite3.connect(folder / "good.db")) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    good = (folder / "good.db").read_bytes()
    num_read = 0
    for number in range(num):
        rng, raw = random.Random(number), bytearray(good)
        for _ in range(rng.randint(1, 20)):
            at = rng.randrange(len(raw)) if rng.random() < 0.8 else rng.randrange(100)
            raw[at : at + 4] = rng.randbytes(4)
        path = folder / "bad.db"
        path.write_bytes(raw[: rng.randrange(len(raw))] if rng.random() < 0.1 else raw)
        path.chmod(0o600)
        try:
            with suppress(VoicematchError), open_library(path, create=False) as library:
                library.upkeep.check()
                for name in library.people.names():
                    library.profiles.get(name)
                for card in library.listings.episodes(limit=9, offset=0)[0]:
                    library.episodes.get(card.audio_sha256)
                num_read += 1
        except Exception as error:
            shutil.copyfile(path, folder / f"failed-{number}.db")
            raise AssertionError(f"library {number}: {error!r}") from error
        for more in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + more).unlink(missing_ok=True)
    return num_read


def main(num_profiles: int, num_posts: int, num_libraries: int) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with open_library(folder / "library.db", embedder=EMBEDDER, dimension=DIMENSION) as library:
            fill(library)
            again = {"consent": "permission", "source": "ann.wav", "audio_sha256": "cc" * 32}
            embeddings = [row.embedding for row in library.voiceprints.of("Ann Lee")]
            library.voiceprints.remove("Ann Lee", [row.id for row in library.voiceprints.of("Ann Lee")])
            library.voiceprints.add("Ann Lee", embeddings, embedder=EMBEDDER, clip=SOUND, **again)
            print(f"{num_profiles} files of profiles: {profiles(num_profiles, library)} taken, the rest refused")
        print(f"{num_posts} posts: {posts(num_posts)} taken, the rest refused")
        print(f"{num_libraries} library files: {libraries(num_libraries, folder)} read, the rest refused")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
