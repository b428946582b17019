"""Days as people write them: 2024-01-31, or the month or year alone."""

from __future__ import annotations

import re
from datetime import date


def is_day(text: str) -> bool:
    """Return whether a text is a day, month or year that the calendar has.

    >>> is_day("2024-02-29"), is_day("2024-02"), is_day("2024"), is_day("2023-02-29"), is_day("20240131")
    (True, True, True, False, False)
    """
    if not re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", text, re.ASCII):
        return False
    try:
        date.fromisoformat(text + "-01-01"[len(text) - 4 :])
    except ValueError:
        return False
    return True


def no_day(text: str) -> str:
    """Return what to say of a text that is no day."""
    return f"{text!r} is not a day; write 2024-01-31, 2024-01 or 2024"
