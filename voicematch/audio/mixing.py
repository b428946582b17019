"""The channels of a recording as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..types import Array

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

CANCELLED = 0.5  # share of the energy that channels without anything in common would have in their sum; below, they
# are in opposite phase


def mixed(frames: list[AudioFrame], channel: int | None) -> Array:
    """The average of all channels of frames of one format, (num_samples,) float32 in -1 … 1; or one channel.

    Channels in opposite phase would cancel each other; those that do are turned over before they are added.
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
