"""What errors show of addresses: no password, no key, and in no time, whatever somebody writes."""

from __future__ import annotations

import time

import pytest

from voicematch.errors import redacted, shown

NUM = 50_000


def test_what_ends_a_sentence_is_no_part_of_an_address() -> None:
    assert (
        redacted("(https://x.org/?key=abc), http://y.org/?key=d: gone")
        == "(https://x.org/?key=…), http://y.org/?key=…: gone"
    )
    assert redacted("1https://x.org/?key=abc") == "1https://x.org/?key=…"


@pytest.mark.parametrize(
    "text",
    ["x" * NUM, "http://a" + ":" * NUM + "x", "http://" + "@" * NUM + " ", "http://a/rss/" + "1" * NUM + "g"],
    ids=["a word", "points", "passwords", "digits"],
)
def test_one_endless_word_takes_no_time(text: str) -> None:
    began = time.monotonic()
    redacted(text)
    shown(text)
    assert time.monotonic() - began < 1.0
