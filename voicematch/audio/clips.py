"""Short clips of a voice, kept beside its voiceprints, so that a later model can embed the voice again."""

from __future__ import annotations

import io
import wave
from typing import cast

import numpy as np

from ..errors import AudioError
from ..types import Array
from .decoding import SAMPLE_RATE, decoded


def encode_clip(samples: Array) -> bytes:
    """Encode the clip as Opus in Ogg at 32 kbit/s, about 200 kB a minute. The same samples give the same bytes.

    On 20 s clips the embedding of what is decoded has a cosine of 0.994 to that of the original.

    samples : (num_samples,) float32 at 16 kHz
    """
    import av
    from av.container import Flags

    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        container.flags |= cast("int", Flags.bitexact.value)  # otherwise Ogg's serial number is random
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono", options={"application": "voip"})
        stream.bit_rate = 32_000
        frame = av.AudioFrame.from_ndarray(np.asarray(samples, np.float32)[np.newaxis], format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for piece in (frame, None):
            container.mux(stream.encode(piece))
    return file.getvalue()


def decode_clip(clip: bytes) -> Array:
    """Return the samples of a kept clip, (num_samples,) float32 at 16 kHz, all that went in; AudioError if damaged."""
    samples = decoded(io.BytesIO(clip))
    if samples is None:
        raise AudioError("a kept clip", "is damaged; enroll the voice again from its recording")
    return samples


def to_wav(samples: Array) -> bytes:
    """Return (num_samples,) float32 samples at 16 kHz as a WAV file of 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(SAMPLE_RATE)
        written.writeframes((np.clip(samples, -1.0, 1.0) * 32_767).astype("<i2").tobytes())
    return file.getvalue()
