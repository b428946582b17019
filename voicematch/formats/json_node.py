"""JSON read strictly: every value is asked for by type, and an error knows the line it stands on."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import FormatError
from . import clock

T = TypeVar("T")
Path = tuple[str | int, ...]

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # JSON can spell half a surrogate pair, UTF-8 cannot
_DECIMAL = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_BLANK = re.compile(r"[ \t\r\n]*")


class Misfit(Exception):
    """A value is not what the format says; ``path`` leads to it. It never leaves this package."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path


@dataclass(frozen=True, slots=True)
class Node:
    """A value in a JSON document and the path that leads to it."""

    value: Any
    path: Path = ()

    def get(self, key: str) -> Node | None:
        """Return the value under ``key``; None when it is absent or null, or this is no object."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return None if value is None else Node(value, (*self.path, key))

    def __getitem__(self, key: str) -> Node:
        found = self.get(key)
        if found is None:
            raise Misfit(self.path, f'no "{key}" here')
        return found

    def each(self) -> Iterator[Node]:
        if not isinstance(self.value, list):
            raise Misfit(self.path, "expected a list")
        for idx, value in enumerate(self.value):
            yield Node(value, (*self.path, idx))

    def entries(self) -> Iterator[tuple[str, Node]]:
        if not isinstance(self.value, dict):
            raise Misfit(self.path, "expected an object")
        for key, value in self.value.items():
            yield key, Node(value, (*self.path, key))

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise Misfit(self.path, "expected a text")
        return _HALF_CHARACTER.sub("", self.value)

    def number(self) -> float:
        """Return a finite number of ordinary size."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise Misfit(self.path, "expected a number")
        if not (math.isfinite(self.value) if isinstance(self.value, float) else abs(self.value) < 2**53):
            raise Misfit(self.path, "a number out of range")
        return float(self.value)

    def seconds(self, unit: float = 1.0) -> float:
        """Return a time from 0 on; ``unit`` is how many seconds one stands for."""
        time = self.number() * unit
        if not 0 <= time <= clock.MAX_SECONDS:
            raise Misfit(self.path, f"a time out of range: {time:g} s")
        return time

    def time(self, unit: float = 1.0) -> float | None:
        """Return a time as it stands there, as a number or spelled out; None when it is none.

        unit : seconds that one stands for; a time spelled with colons needs none
        """
        if isinstance(self.value, str):
            spelled = self.value.strip()
            found = clock.loose(spelled) if ":" in spelled else _decimal(spelled, unit)
        elif isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            found = None
        else:
            found = self.value * unit if abs(self.value) < 2**53 else None
        return found if found is not None and math.isfinite(found) else None


def _decimal(text: str, unit: float) -> float | None:
    text = text.removesuffix("s")
    return float(text) * unit if _DECIMAL.fullmatch(text) else None


def parse(text: str, source: object, build: Callable[[Node], T]) -> T:
    """Return what ``build`` makes of the document; whatever does not fit becomes a FormatError with its line.

    ``NaN`` and ``Infinity``, which JSON does not have and Python writes, do not fit where anybody asks for a number.
    """
    try:
        document = json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        raise FormatError(source, f"not JSON: {error.msg}", error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise FormatError(source, f"not JSON that can be read: {error}") from error
    try:
        return build(Node(document))
    except Misfit as error:
        where = ".".join(str(step) for step in error.path) or "the document"
        raise FormatError(source, f"{where}: {error}", line_of(text, error.path)) from error


def line_of(text: str, path: Path) -> int | None:
    """Return the 1-based line on which the value at ``path`` begins; None where a key that comes twice hides it.

    >>> line_of('{"a": 1,\\n "b": [2,\\n 3]}', ("b", 1))
    3
    """
    try:
        return text.count("\n", 0, _position(text, path)) + 1
    except ValueError:
        return None


def _position(text: str, path: Path) -> int:
    decoder = json.JSONDecoder()
    position = _skip(text, 0)
    for step in path:
        if text[position] not in "{[":
            raise ValueError(f"no {step} at {position}")
        position = _skip(text, position + 1)
        idx = 0
        while True:
            if isinstance(step, str):
                key, position = decoder.raw_decode(text, position)
                position = _skip(text, _skip(text, position) + 1)
            else:
                key, idx = idx, idx + 1
            if key == step:
                break
            _, position = decoder.raw_decode(text, position)
            position = _skip(text, _skip(text, position) + 1)
    return position


def _skip(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return position if match is None else match.end()
