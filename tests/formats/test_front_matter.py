"""Front matter that any reader of YAML takes, and that leaves what is a person's own to the letter."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.samples import EPISODE
from voicematch.formats import FORMATS, front_matter
from voicematch.formats.cues import clean
from voicematch.formats.file_names import page_name
from voicematch.outputs import text_of
from voicematch.types import Match, Verdict

HARD = [
    "yes",
    "null",
    "12",
    "1:30",
    "- a",
    "a: b # c",
    "@x",
    "{a}",
    "'",
    '"',
    "\\",
    "---",
    "...",
    "&a *b !c",
    "a\u0085b\u2028c",
    "\x80\x9f\ufeff",
    "😀",
    "2026-13-45",
    "=1+1",
    "<script>",
]


@pytest.mark.parametrize("title", HARD)
def test_hard_titles(title: str) -> None:
    assert yaml.safe_load(front_matter.write({"title": title}).strip().strip("-")) == {"title": clean(title)}


@given(st.text(), st.text(), st.lists(st.text(min_size=1), max_size=3))
def test_yaml_for_any_title(title: str, show: str, people: list[str]) -> None:
    fields = {"title": title, "show": show, "people": people}
    head, rest = front_matter.divide(front_matter.write(fields) + "text\n")
    assert rest == "text\n"
    assert head is not None
    assert (yaml.safe_load(head) or {}) == {
        key: clean(value) if isinstance(value, str) else [clean(one) for one in value]
        for key, value in fields.items()
        if value
    }


def test_the_markdown_of_an_episode() -> None:
    text = FORMATS["md"](EPISODE)
    head, body = front_matter.divide(text)
    assert yaml.safe_load(head or "") == {
        "title": "Trails & <Tribulations>",
        "show": "Trails",
        "date": datetime.date(2026, 11, 22),
        "people": ["[[Maya & Co]]"],
        "source": "https://example.org/audio/ep%201.mp3",
        "audio": "https://example.org/audio/ep%201.mp3",
    }
    assert body.count("[[") == body.count("**[[Maya & Co]]**") == 2
    assert "**SPEAKER_01**" in body  # who is only suggested has no page


def test_links_lead_to_pages_that_can_be() -> None:
    matches = {"SPEAKER_00": Match("SPEAKER_00", Verdict.ACCEPT, "A|B [C] #1: <D>", 0.99)}
    text = FORMATS["md"](replace(EPISODE, matches=matches, source="/shows/ep 1.mp3", title="", show="", date=None))
    head, body = front_matter.divide(text)
    page = page_name("A|B [C] #1: <D>")
    assert page == "A-B C 1 D"
    assert yaml.safe_load(head or "") == {
        "title": "ep 1",
        "people": [f"[[{page}|AB C #1: D]]"],
        "source": "/shows/ep 1.mp3",
        "audio": "file:///shows/ep%201.mp3",
    }
    assert f"**[[{page}|AB C #1: D]]** (0:00:00)" in body


def test_an_address_without_its_key_is_no_link_to_sound() -> None:
    text = text_of(replace(EPISODE, source="https://ann:pw@x.org/1.mp3?token=s3cr3tkey9"), "md")
    head, body = front_matter.divide(text)
    assert "s3cr3t" not in text
    assert "pw@" not in text
    assert "audio" not in yaml.safe_load(head or "")
    assert "](" not in body


USERS = """# mine
"my tags": [a, b]   # kept
title: 'Old: one'
people:
  - "[[Old]]"

- "[[Older]]"
note: |
  title: not this one

  still the note
foo:bar: baz
date: 2020-01-01
aliases:
- x
"""


def test_what_is_a_persons_own_stays() -> None:
    changed = front_matter.change(USERS, {"title": "New", "people": ["[[New]]"]}, own=("title", "people", "date"))
    assert changed == (
        '# mine\n"my tags": [a, b]   # kept\ntitle: "New"\npeople:\n  - "[[New]]"\n'
        "note: |\n  title: not this one\n\n  still the note\nfoo:bar: baz\naliases:\n- x\n"
    )
    assert front_matter.value(USERS, "title") == "Old: one"
    assert front_matter.value(USERS, "show") is None


def test_text_without_front_matter() -> None:
    for text in ("", "# Title\n---\n", "---\nno end\n", "--- \n---\n"):
        assert front_matter.divide(text) == (None, text)
    assert front_matter.divide("---\r\na: b\r\n---\r\nx") == ("a: b\r\n", "x")
