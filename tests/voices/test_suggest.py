"""Names in text, as suggestions."""

from __future__ import annotations

import pytest

from voicematch.types import Line
from voicematch.voices.suggest import suggest_names


def found(text: str) -> list[tuple[str, str]]:
    return [(mention.name, mention.reason) for mention in suggest_names([Line(0.0, 1.0, text)])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My guest today is Dwarkesh Patel.", [("Dwarkesh Patel", "guest")]),
        ("I'm joined by Liam Verbeek, trail builder.", [("Liam Verbeek", "joined by")]),
        ("And I'm Ludwig van Beethoven, hello.", [("Ludwig van Beethoven", "says so")]),
        ("My name is J. R. Smith.", [("J. R. Smith", "says so")]),
        ("Welcome to the show, José Martí!", [("José Martí", "welcomed")]),
        ("Thanks, Maya. Excited for this one.", [("Maya", "addressed")]),
        ("Liam Verbeek, thanks for being here.", [("Liam Verbeek", "addressed")]),
        ("I'm so glad. I'm Not sure. Thanks, Everyone.", []),
        ("I'm here with The Beatles.", []),
        ("The guest house is new.", []),
    ],
)
def test_names(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_a_name_is_listed_once_with_its_first_line() -> None:
    lines = [Line(0, 1, "Thanks, Maya."), Line(5, 6, "Thank you, Maya.")]
    (mention,) = suggest_names(lines)
    assert mention.line is lines[0]
