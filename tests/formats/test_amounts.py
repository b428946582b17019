"""One rule for how long and how much, wherever it is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import voicematch
from voicematch.formats.amounts import percent, talk

ROOT = Path(voicematch.__file__).parent


def test_times_in_one_list_are_told_to_one_precision() -> None:
    told = [talk(seconds) for seconds in (61, 119, 251, 300, 3_599, 7_260)]
    assert told == ["1 min", "2 min", "4 min", "5 min", "1 h", "2 h 1 min"]
    assert not any(re.search(r"min \d+ s", talk(seconds)) for seconds in range(0, 40_000, 7))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.345, 0.86, 1.0])
def test_percent_is_what_reasons_and_tables_have(share: float) -> None:
    assert percent(share) == f"{share:.0%}"


def test_no_page_writes_percent_another_way() -> None:
    """ "86 %" beside "86%" came of a second rule."""
    pages = [*(ROOT / "web").rglob("*.html"), *(ROOT / "web" / "static").glob("*.js"), *ROOT.rglob("*.py")]
    spaced = [path.name for path in pages if re.search(r"[0-9}] %[\"'`<]", path.read_text(encoding="utf-8"))]
    assert len(pages) > 100
    assert spaced == []
