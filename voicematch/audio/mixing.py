"""The channels of a recording as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..types import Array

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

CANCELLED = 0.5  # share of the energy that channels without anything in common would have in their sum; below, they
# are in opposite phase


LOUD = 1e-5  # mean square of a piece in which somebody may talk: -50 dB
ASIDE = 6.3  # of energy, 8 dB: a channel is that much louder than the other while its own speaker talks
SECONDS = 5  # that each channel has to lead
MOSTLY = 0.7  # share of the loud pieces in which one leads


@dataclass(slots=True)
class Sides:
    """In how many pieces of about a second which of two channels is far louder: in a mix hardly ever, or always one."""

    num_loud: int = 0
    num_leading: list[int] = field(default_factory=lambda: [0, 0])

    def add(self, channels: Sequence[Array]) -> None:
        """Count a piece; channels : two of them, in -1 … 1"""
        first, second = (float(np.mean(np.square(one))) for one in channels)
        if max(first, second) < LOUD:
            return
        self.num_loud += 1
        if first > ASIDE * second:
            self.num_leading[0] += 1
        elif second > ASIDE * first:
            self.num_leading[1] += 1

    @property
    def are_people(self) -> bool:
        """Whether the channels look like two people, who take turns."""
        return min(self.num_leading) >= SECONDS and sum(self.num_leading) >= MOSTLY * self.num_loud


def mixed(frames: list[AudioFrame], channel: int | None, sides: Sides | None = None) -> Array:
    """The average of all channels of frames of one format, (num_samples,) float32 in -1 … 1; or one channel.

    Channels in opposite phase would cancel each other; those that do are turned over before they are added.

    sides : counts the piece, where there are two channels and both are heard
    """
    first = frames[0]
    kind = first.format.name.removesuffix("p")
    dtype = np.dtype({"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}[kind])
    num_channels = first.layout.nb_channels
    num_planes, packed = (num_channels, 1) if first.format.is_planar else (1, num_channels)
    planes = [frame.planes for frame in frames]
    half = 2.0 ** (8 * dtype.itemsize - 1)
    total: Array = np.zeros(sum(frame.samples for frame in frames), dtype=np.float32)
    energy, channels = 0.0, list[Array]()
    for idx in range(num_planes):
        pieces = [
            np.frombuffer(memoryview(p[idx]), dtype, f.samples * packed) for p, f in zip(planes, frames, strict=True)
        ]
        plane = np.concatenate(pieces).astype(np.float32, copy=False)
        if dtype.kind == "u":
            plane -= half
        energy += float(np.dot(plane, plane))
        total += plane if packed == 1 else plane.reshape(-1, packed).sum(axis=1, dtype=np.float32)
        channels += [plane] if packed == 1 else list(plane.reshape(-1, packed).T)
    if sides is not None and channel is None and num_channels == 2:
        sides.add([one if dtype.kind == "f" else one / np.float32(half) for one in channels])
    if channel is not None:
        total = np.array(channels[min(channel, num_channels - 1)])
    elif num_channels > 1 and float(np.dot(total, total)) < CANCELLED * energy:
        total = _in_phase(channels) / np.float32(num_channels)
    else:
        total /= num_channels
    return total if dtype.kind == "f" else total / np.float32(half)


def _in_phase(channels: list[Array]) -> Array:
    """The sum of the channels, with those turned over that are in opposite phase to the loudest."""
    loudest = max(channels, key=lambda one: float(np.dot(one, one)))
    total = np.zeros_like(loudest)
    for one in channels:
        total += one if float(np.dot(one, loudest)) >= 0 else -one
    return total
