"""Makes the segmentation model lighter: a float32 file to one in int8, which says nearly the same in half of the time.

    python models/train/segmentation_int8.py FLOAT.onnx OUT.onnx WORK

Convolutions are static int8 as the embedders' are (`static_int8.py`), calibrated with the shows that `shows.py`
rendered into WORK. The LSTM's weights are int8, and what it hears is rounded as it comes (ONNX Runtime's
DynamicQuantizeLSTM): it reads all its weights for every frame, so that a quarter of the bytes is a gain.
"""

from __future__ import annotations

import voicematch  # noqa: F401  # isort: skip  # before onnxruntime, which it keeps from reporting

import argparse
import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import static_int8
from onnxruntime import quantization

from voicematch.engines.speech import SegmentationDetector
from voicematch.types import Array

NUM_WINDOWS = 64  # to calibrate with
APART = 4  # windows between two that are used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("work", type=Path)
    arguments = parser.parse_args()
    quantise(arguments.source, arguments.target, windows_of(arguments.work))
    made = arguments.target.read_bytes()
    print(f"{len(made)} bytes, sha256 {hashlib.sha256(made).hexdigest()}")


def windows_of(work: Path) -> Iterator[Array]:
    """Windows as the detector hears them, of the first shows. Raises ValueError when there are none."""
    length, found = SegmentationDetector.WINDOW, 0
    for file in sorted((work / "shows").glob("????.npz")):
        with np.load(file) as kept:
            rows = kept["rows"].astype(np.float32)
        for at in range(0, len(rows) - length + 1, APART * length):
            yield rows[at : at + length]
            found += 1
            if found == NUM_WINDOWS:
                return
    if not found:
        raise ValueError(f"no shows in {work}: first render some with shows.py")


def quantise(source: Path, target: Path, windows: Iterable[Array]) -> None:
    """Write the model of ``source`` in int8; windows : (num_rows, 80) arrays to calibrate with.

    Weights of 7 bits: see `static_int8.quantise`.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared, lstm = Path(folder) / "prepared.onnx", Path(folder) / "lstm.onnx"
        quantization.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_dynamic(
            str(prepared),
            str(lstm),
            op_types_to_quantize=["LSTM"],
            weight_type=quantization.QuantType.QInt8,
            reduce_range=True,
        )
        static_int8.quantise(lstm, target, (window[None] for window in windows))


if __name__ == "__main__":
    main()
