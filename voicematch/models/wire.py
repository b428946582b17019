"""Protobuf's wire format, as far as ONNX files need it (protobuf.dev/programming-guides/encoding)."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types

Field = tuple[int, int, bytes]
"""Number, wire type, and the bytes of the value: those of a varint as they are, of a string without its length."""


def fields(message: bytes) -> Iterator[Field]:
    """The fields of a message in order. Raises ValueError or IndexError when it ends too early."""
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            _, end = _read_varint(message, position)
        elif kind in (FIXED64, FIXED32):
            end = position + (8 if kind == FIXED64 else 4)
        elif kind == BYTES:
            length, position = _read_varint(message, position)
            end = position + length
        else:
            raise ValueError(f"no such wire type: {kind}")
        if end > len(message):
            raise ValueError("a field reaches past the end")
        yield number, kind, message[position:end]
        position = end


def written(field: Field) -> bytes:
    """The bytes of a field, as `fields` reads them.

    >>> list(fields(written((7, BYTES, b"abc"))))
    [(7, 2, b'abc')]
    """
    number, kind, value = field
    length = varint(len(value)) if kind == BYTES else b""
    return varint(number << 3 | kind) + length + value


def number_of(value: bytes) -> int:
    """The number that a varint's bytes stand for.

    >>> number_of(varint(300))
    300
    """
    return _read_varint(value, 0)[0]


def varint(value: int) -> bytes:
    """
    >>> varint(300).hex()
    'ac02'
    """
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
