"""What is an address of the web rather than a path."""

from __future__ import annotations

import re


def is_address(source: object) -> bool:
    """Whether a source is an http(s) address rather than a path."""
    return isinstance(source, str) and bool(re.match(r"https?://", source, re.IGNORECASE))
