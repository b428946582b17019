"""Convolutions of an ONNX file in static int8: the one way in which all models here are quantised."""

from __future__ import annotations

import voicematch  # noqa: F401  # isort: skip  # before onnxruntime, which it keeps from reporting

from collections.abc import Iterable, Sequence
from pathlib import Path

from onnxruntime import quantization

from voicematch.types import Array


class Examples(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Batches of features, one at a time, as ONNX Runtime's calibration wants them."""

    def __init__(self, batches: Iterable[Array]) -> None:
        self._waiting = iter(batches)

    def get_next(self) -> dict[str, Array] | None:
        batch = next(self._waiting, None)
        return None if batch is None else {"features": batch}


def quantise(source: Path, target: Path, batches: Iterable[Array], in_float: Sequence[str] = ()) -> None:
    """Write the model of ``source`` with its convolutions in int8, weights per channel.

    batches : (batch, num_rows, 80) arrays of features to calibrate with
    in_float : names of convolutions that stay as they are

    Weights of 7 bits, because processors without VNNI add up two products of 8 bits in 16, which overflows.
    """
    quantization.quantize_static(
        str(source),
        str(target),
        Examples(batches),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        reduce_range=True,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=list(in_float),
        calibrate_method=quantization.CalibrationMethod.MinMax,
    )
