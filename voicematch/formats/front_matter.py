"""The YAML at the head of a Markdown file: valid for any value, and changed without touching what is not ours.

What a person keeps there is theirs: other keys, their comments and their order stay to the letter. So the text is never
parsed as YAML and written anew; it is divided at the keys that begin a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date

from .cues import clean

Value = str | int | Sequence[str]

_FENCE = re.compile(r"(?:---|\.\.\.)[ \t]*")
_PLAIN = r"[^\s#\-\"'\[\]{}&*!|>%@`,?:][^:]*"
_KEY = re.compile(rf"(?:\"(?P<double>[^\"\\]+)\"|'(?P<single>[^']+)'|(?P<plain>{_PLAIN})):(?:\s|$)")
_UNPRINTABLE = re.compile("[\x7f-\x9f\ufeff\ufffe\uffff]")  # in JSON they may stand as they are, in YAML not


def write(fields: Mapping[str, Value]) -> str:
    """Return the head with these fields, between its fences. Fields without a value ("" or empty) are left out.

    >>> print(write({"title": 'A: "B"', "date": "2026-01-31", "people": ["[[Ada]]"], "show": ""}), end="")
    ---
    title: "A: \\"B\\""
    date: 2026-01-31
    people:
      - "[[Ada]]"
    ---
    """
    return "---\n" + "".join(_entry(key, value) for key, value in fields.items() if _is_given(value)) + "---\n"


def divide(text: str) -> tuple[str | None, str]:
    """Return (the lines between the fences, what follows the second); (None, the whole text) where there is no head."""
    lines = text.split("\n")
    if lines[0].rstrip("\r") != "---":
        return None, text
    for number, line in enumerate(lines[1:], start=1):
        if _FENCE.fullmatch(line.rstrip("\r")):
            return "".join(f"{one}\n" for one in lines[1:number]), "\n".join(lines[number + 1 :])
    return None, text


def change(head: str, fields: Mapping[str, Value], *, own: Sequence[str]) -> str:
    """Return the lines of a head with the values of our fields in place of those that they have there.

    own : every key that is ours; one of these that is not in ``fields``, or has no value, goes

    >>> change("tags: [a]  # mine\\ntitle: Old\\n", {"title": "New"}, own=("title",))
    'tags: [a]  # mine\\ntitle: "New"\\n'
    """
    waiting = {key: _entry(key, value) for key, value in fields.items() if _is_given(value)}
    kept = [waiting.pop(key, "") if key in own else block for key, block in _blocks(head)]
    return "".join(kept) + "".join(waiting.values())


def value(head: str, key: str) -> str | None:
    """Return the plain or quoted text that stands beside a key; None where the key is not there."""
    for name, block in _blocks(head):
        if name == key:
            return block.partition(":")[2].split("\n")[0].strip().strip("\"'")
    return None


def _blocks(head: str) -> list[tuple[str, str]]:
    """Return the head divided at the keys that begin a line; ("", …) is what stands before the first, or is no key."""
    blocks: list[tuple[str, str]] = []
    for line in head.splitlines(keepends=True):
        found = _KEY.match(line)
        if found is not None:
            name = next(name for name in found.groups() if name is not None)
            blocks.append((name.strip(), line))
        elif blocks and (line[0] in " \t-]}" or not line.strip()):
            blocks[-1] = (blocks[-1][0], blocks[-1][1] + line)
        else:
            blocks.append(("", line))
    return blocks


def _is_given(value: Value) -> bool:
    return value not in ("", ()) and value != []


def _entry(key: str, value: Value) -> str:
    if isinstance(value, int):
        return f"{key}: {value}\n"
    if isinstance(value, str):
        return f"{key}: {value if _is_day(value) else _quoted(value)}\n"
    return f"{key}:\n" + "".join(f"  - {_quoted(one)}\n" for one in value)


def _is_day(text: str) -> bool:
    try:
        return re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _quoted(text: str) -> str:
    """Quote a text: a string of JSON is one of YAML, but for what YAML cannot print."""
    quoted = json.dumps(clean(text), ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", quoted)
