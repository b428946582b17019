"""What the parts of an mp3 say of their own length: the Xing or Info frame that encoders put first.

FFmpeg takes the length of the whole file from the first part's bit rate when the two disagree, as they do where a file
was stitched from several. The frames themselves are what their writers counted.
"""

from __future__ import annotations

from pathlib import Path

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # Hz, by version
_HEAD = 1 << 16  # bytes in which the first frame begins, after the tags
_TAGS = (b"Xing", b"Info")
_PLACES = (36, 21, 13)  # of the announcement in its frame, by version and number of channels
_SYNC = 0xFF
_HAS_FRAMES = 1


def announced_first(path: Path) -> float | None:
    """Seconds that the frame at the beginning of the file announces; None when there is no such frame."""
    with path.open("rb") as file:
        head = file.read(10)
        start = 0
        while head[:3] == b"ID3" and len(head) == 10:
            size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
            start += 10 + size + (10 if head[5] & 0x10 else 0)
            file.seek(start)
            head = file.read(10)
        file.seek(start)
        data = file.read(_HEAD)
    at = data.find(b"\xff")
    while 0 <= at < len(data) - 4:
        if _frame(data[at : at + 4]) is not None:
            return announced(data[at : at + 60])
        at = data.find(b"\xff", at + 1)
    return None


def announced(packet: bytes | memoryview) -> float | None:
    """Seconds that a packet announces for the part of the file that it begins; None for any other.

    packet : at least the first 48 bytes of its frame, before which tags may stand
    """
    if packet[0] == _SYNC:
        places = [at for at in _PLACES if bytes(packet[at : at + 4]) in _TAGS]
        return _announced_at(packet, 0, places[0]) if places else None
    whole = bytes(packet)
    for tag in _TAGS:
        at = whole.find(tag)
        for place in _PLACES if at >= 0 else ():
            found = _announced_at(whole, at - place, place) if at >= place else None
            if found is not None:
                return found
    return None


def _announced_at(packet: bytes | memoryview, start: int, place: int) -> float | None:
    """What the frame from ``start`` on announces ``place`` bytes further, if it is one."""
    found = _frame(bytes(packet[start : start + 4]))
    at = start + place
    flags = int.from_bytes(packet[at + 4 : at + 8], "big")
    if found is None or found[0] != place or not flags & _HAS_FRAMES or len(packet) < at + 12:
        return None
    return int.from_bytes(packet[at + 8 : at + 12], "big") * found[2] / found[1]


def _frame(header: bytes) -> tuple[int, int, int] | None:
    """(where the announcement would stand, Hz, samples) of a Layer III frame with this header; None when it is none."""
    if len(header) < 4 or header[0] != _SYNC or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = (header[1] >> 3) & 3, (header[1] >> 1) & 3
    bit_rate, rate_idx, mode = header[2] >> 4, (header[2] >> 2) & 3, header[3] >> 6
    if version == 1 or layer != 1 or rate_idx == 3 or bit_rate in (0, 15):
        return None
    is_mono, is_first_version = mode == 3, version == 3
    beside = (17 if is_mono else 32) if is_first_version else (9 if is_mono else 17)
    return 4 + beside, _RATES[version][rate_idx], 1152 if is_first_version else 576
