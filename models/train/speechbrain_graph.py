"""Make what ships of SpeechBrain's ECAPA-TDNN: its graphs without weights, and vectors to check them with.

    python models/train/speechbrain_graph.py embedding_model.ckpt models

``speechbrain.graph.onnx`` is the network in float32, ``speechbrain.int8.graph.onnx`` the same for weights of 8 bits,
with the ranges of what flows through it when it hears the calibration kit. Both name their weights and hold none;
``voicematch models pull speechbrain`` puts those of the checkpoint in. ``speechbrain.reference.npz`` holds what the
float network says of random features.
"""

from __future__ import annotations

import voicematch  # noqa: F401  # isort: skip  # before onnxruntime, which it keeps from reporting

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import static_int8
import torch
from augment import Array
from ecapa import NUM_BINS, Ecapa
from onnx import numpy_helper

from voicematch.engines.speechbrain import filterbank
from voicematch.models import assemble, kit
from voicematch.models.checkpoint import read_tensors

CHANNELS = 1024
NUM_CROPS, CROP_SAMPLES = 192, 24_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    tensors = read_tensors(arguments.checkpoint)
    net = network(tensors)
    with tempfile.TemporaryDirectory() as folder:
        plain, quantised = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        export(net, plain)
        quantise(plain, quantised)
        ship(plain, arguments.out / "speechbrain.graph.onnx", tensors)
        ship(quantised, arguments.out / "speechbrain.int8.graph.onnx", tensors)
    rows = assemble.reference_features()
    with torch.no_grad():
        np.savez(arguments.out / "speechbrain.reference.npz", embedding=net(torch.from_numpy(rows)).numpy())


def network(tensors: dict[str, Array]) -> Ecapa:
    """SpeechBrain's network: the one that is trained here with other edges and more channels."""
    net = Ecapa(CHANNELS)
    net.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in tensors.items()})
    for module in net.modules():
        if isinstance(module, torch.nn.Conv1d) and module.kernel_size[0] > 1:
            module.padding_mode = "reflect"
            (reach,) = module.padding
            module._reversed_padding_repeated_twice = [reach, reach]
    return net.eval()


def export(net: Ecapa, file: Path) -> None:
    names = {"features": {0: "batch", 1: "frames"}, "embedding": {0: "batch"}}
    torch.onnx.export(
        net,
        (torch.zeros(2, 150, NUM_BINS),),
        str(file),
        input_names=["features"],
        output_names=["embedding"],
        dynamic_axes=names,
        opset_version=17,
        do_constant_folding=False,  # it would make new weights out of those of the checkpoint
        dynamo=False,
    )


def crops() -> Iterator[Array]:
    """Windows of the calibration kit."""
    recordings = [one for one in kit.open_kit().recordings() if len(one.samples) >= CROP_SAMPLES]
    for one in recordings[:: max(1, len(recordings) // NUM_CROPS)]:
        rows = filterbank(one.samples[None, :CROP_SAMPLES])
        yield rows - rows.mean(axis=1, keepdims=True)


def quantise(plain: Path, file: Path) -> None:
    """Static int8; both ends and the pooling stay in float."""
    convolutions = [node.name for node in onnx.load(plain).graph.node if node.op_type == "Conv"]
    pooling = [name for name in convolutions if "/asp/" in name]
    static_int8.quantise(plain, file, crops(), in_float=[convolutions[0], convolutions[-1], *pooling])


def source_scale(model: onnx.ModelProto, weights: str, held: dict[str, Array]) -> Array:
    """What one step of the input of the convolution with these weights is worth."""
    (convolution,) = (node for node in model.graph.node if weights in node.input)
    (source,) = (node for node in model.graph.node if convolution.input[0] in node.output)
    return held[source.input[1]]


def ship(model: Path, file: Path, tensors: dict[str, Array]) -> None:
    """Write the model without what can be made of the checkpoint's tensors, and see that it comes back the same."""
    whole = onnx.load(model)
    expected = {one.name: numpy_helper.to_array(one) for one in whole.graph.initializer}
    for name in list(expected):
        if name.endswith(".bias_quantized_scale"):
            layer = name.removesuffix(".bias_quantized_scale")
            source = source_scale(whole, f"{layer}.weight_DequantizeLinear_Output", expected)
            kept = numpy_helper.from_array(source, layer + assemble.SOURCE_SCALE)
            whole.graph.initializer.append(kept)
            expected[kept.name] = source
    missing = 0
    for one in whole.graph.initializer:
        made = assemble.weight(one.name, tensors, expected)
        if made is not None:
            np.testing.assert_array_equal(made, expected[one.name], err_msg=one.name)
            one.ClearField("raw_data")
            one.ClearField("float_data")
            one.ClearField("int32_data")
            missing += 1
    file.write_bytes(whole.SerializeToString(deterministic=True))
    print(f"{file}: {file.stat().st_size} bytes, {missing} of {len(expected)} tensors come from the checkpoint")


if __name__ == "__main__":
    main()
