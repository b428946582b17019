"""Makes an ONNX file of a trained state, in float32 or in static int8, and says how far it is from the network.

python models/train/ecapa_export.py run/average.pt models/ecapa-name.onnx
python models/train/ecapa_export.py run/average.pt models/ecapa-name-int8.onnx --int8 run/cache
"""

from __future__ import annotations

import voicematch  # noqa: F401  # isort: skip  # before onnxruntime, which it keeps from reporting

import argparse
import hashlib
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import static_int8
import torch
from augment import Array
from ecapa import NUM_BINS, Ecapa
from ecapa_corpus import centred, open_bank
from onnxruntime import quantization
from torch import nn

from voicematch.engines.features import log_mel

CALIBRATION_CROPS, CALIBRATION_SAMPLES = 256, 24_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path, nargs="+", help="state dicts; several are averaged")
    parser.add_argument("onnx", type=Path)
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--int8", type=Path, metavar="CACHE", help="quantise, calibrated with the speech in this cache")
    arguments = parser.parse_args()
    net = Ecapa(arguments.channels)
    net.load_state_dict(averaged(arguments.state))
    write(net.eval(), arguments.onnx, arguments.int8)


def write(net: nn.Module, path: Path, cache: Path | None, num_crops: int = CALIBRATION_CROPS) -> None:
    """The network as ONNX, in int8 where there is a cache of speech to calibrate with, and lines on how near it is.

    num_crops : to calibrate with
    """
    if cache:
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "plain.onnx"
            export(net, plain)
            quantise(plain, path, cache, num_crops)
    else:
        export(net, path)
    print(f"{sum(parameter.numel() for parameter in net.parameters())} parameters")
    print(f"{likeness(net, path):.6f} least cosine to the network, {path.stat().st_size} bytes")
    print(f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


def averaged(paths: list[Path]) -> dict[str, torch.Tensor]:
    """The mean of the states' weights (a soup: Wortsman et al. 2022, arXiv 2203.05482)."""
    states = [torch.load(path, weights_only=True, map_location="cpu") for path in paths]
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(value.dtype)
        for name, value in states[0].items()
    }


def export(net: nn.Module, path: Path) -> None:
    names = {"features": {0: "batch", 1: "frames"}, "embedding": {0: "batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the tracing exporter is the older of two; the other needs more packages
        torch.onnx.export(
            net,
            (torch.zeros(2, 150, NUM_BINS),),
            str(path),
            input_names=["features"],
            output_names=["embedding"],
            dynamic_axes=names,
            opset_version=17,
            dynamo=False,
        )


def calibration_crops(cache: Path, num_crops: int) -> Iterator[Array]:
    """Crops of the training speech."""
    bank, random = open_bank("train", cache), np.random.default_rng(0)
    for clip in random.choice(len(bank), min(num_crops, len(bank)), replace=False):
        crop = bank.crop(int(clip), CALIBRATION_SAMPLES, random)
        yield centred(log_mel(crop))[None]


def quantise(plain: Path, path: Path, cache: Path, num_crops: int) -> None:
    """Static int8, weights per channel; the attention's softmax, the statistics and both ends stay in float.

    The first convolution hears the features and the last one makes the vector: in float they halve what quantising
    changes, for a few percent of the time.
    """
    prepared = plain.with_name("prepared.onnx")
    quantization.quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
    convolutions = [node.name for node in onnx.load(prepared).graph.node if node.op_type == "Conv"]
    ends = [convolutions[0], convolutions[-1]]
    static_int8.quantise(prepared, path, calibration_crops(cache, num_crops), in_float=ends)


@torch.no_grad()
def likeness(net: nn.Module, path: Path) -> float:
    """The least cosine between the network's vectors and the file's, over lengths and batches."""
    session = onnxruntime.InferenceSession(str(path))
    torch.manual_seed(0)
    least = 1.0
    for batch, frames in ((1, 50), (3, 150), (2, 1_000)):
        features = torch.randn(batch, frames, NUM_BINS).cumsum(dim=1) * 0.2
        features = features - features.mean(dim=1, keepdim=True)
        (vectors,) = session.run(None, {"features": features.numpy()})
        cosines = torch.nn.functional.cosine_similarity(net(features), torch.from_numpy(vectors))
        least = min(least, float(cosines.min()))
    return least


if __name__ == "__main__":
    main()
