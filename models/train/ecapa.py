"""ECAPA-TDNN (Desplanques, Thienpondt, Demuynck 2020, arXiv 2005.07143) in plain torch.

The maths and the names of the parameters are those of ``speechbrain.lobes.models.ECAPA_TDNN``; only the edges differ
(zeros here, reflection there), because ONNX Runtime pads with zeros inside the convolution and with reflection outside.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_BINS = 80
DIMENSION = 192


class Conv(nn.Module):
    """A 1-d convolution that keeps the number of frames."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2)

    def forward(self, frames: Tensor) -> Tensor:
        return self.conv(frames)


class Norm(nn.Module):
    """Batch normalisation over (batch, channels, frames)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, frames: Tensor) -> Tensor:
        return self.norm(frames)


class Tdnn(nn.Module):
    """Convolution, ReLU, normalisation: in this order, as in the paper."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = Conv(inputs, outputs, kernel, dilation)
        self.norm = Norm(outputs)

    def forward(self, frames: Tensor) -> Tensor:
        return self.norm(functional.relu(self.conv(frames)))


class Res2(nn.Module):
    """Groups of channels in a cascade: each one sees its own input and the output of the one before (Res2Net)."""

    def __init__(self, channels: int, scale: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.scale = scale
        width = channels // scale
        self.blocks = nn.ModuleList(Tdnn(width, width, kernel, dilation) for _ in range(scale - 1))

    def forward(self, frames: Tensor) -> Tensor:
        first, *rest = torch.chunk(frames, self.scale, dim=1)
        outputs = [first, self.blocks[0](rest[0])]
        for block, group in zip(self.blocks[1:], rest[1:], strict=True):
            outputs.append(block(group + outputs[-1]))
        return torch.cat(outputs, dim=1)


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate computed from the mean of all channels over time."""

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.conv1 = Conv(channels, bottleneck)
        self.conv2 = Conv(bottleneck, channels)

    def forward(self, frames: Tensor) -> Tensor:
        mean = frames.mean(dim=2, keepdim=True)
        return frames * torch.sigmoid(self.conv2(functional.relu(self.conv1(mean))))


class SERes2Block(nn.Module):
    def __init__(self, channels: int, scale: int, bottleneck: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.tdnn1 = Tdnn(channels, channels)
        self.res2net_block = Res2(channels, scale, kernel, dilation)
        self.tdnn2 = Tdnn(channels, channels)
        self.se_block = SqueezeExcite(channels, bottleneck)

    def forward(self, frames: Tensor) -> Tensor:
        return frames + self.se_block(self.tdnn2(self.res2net_block(self.tdnn1(frames))))


class AttentiveStatistics(nn.Module):
    """Weighted mean and deviation over time; the weights see the window's own mean and deviation (section 3.1)."""

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.tdnn = Tdnn(3 * channels, bottleneck)
        self.conv = Conv(bottleneck, channels)

    def forward(self, frames: Tensor) -> Tensor:
        even = torch.full_like(frames[:, :1], 1.0) / frames.shape[2]
        mean, deviation = self._statistics(frames, even)
        # The same as a convolution over frames, mean and deviation stacked, but what is constant in time is done once.
        conv, width = self.tdnn.conv.conv, frames.shape[1]
        context = functional.conv1d(frames, conv.weight[:, :width], conv.bias)
        context = context + functional.conv1d(torch.cat([mean, deviation], dim=1), conv.weight[:, width:])
        context = self.tdnn.norm(functional.relu(context))
        weights = torch.softmax(self.conv(torch.tanh(context)), dim=2)
        return torch.cat(self._statistics(frames, weights), dim=1)

    @staticmethod
    def _statistics(frames: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        mean = (weights * frames).sum(dim=2, keepdim=True)
        variance = (weights * (frames - mean).square()).sum(dim=2, keepdim=True)
        return mean, variance.clamp(1e-6).sqrt()


class Ecapa(nn.Module):
    """Speaker vectors from log-mel windows.

    ``forward``: (batch, frames, 80), mean of each bin over the window subtracted → (batch, 192), not normalised.
    It is ``pool(hear(features))``: ``hear`` may be given a long stretch, and ``pool`` any span of what it heard.
    """

    def __init__(self, channels: int = 256, scale: int = 8, bottleneck: int = 128) -> None:
        super().__init__()
        dilations = (2, 3, 4)
        blocks: list[nn.Module] = [Tdnn(NUM_BINS, channels, kernel=5)]
        blocks += [SERes2Block(channels, scale, bottleneck, kernel=3, dilation=dilation) for dilation in dilations]
        self.blocks = nn.ModuleList(blocks)
        wide = channels * len(dilations)
        self.mfa = Tdnn(wide, wide)
        self.asp = AttentiveStatistics(wide, bottleneck)
        self.asp_bn = Norm(2 * wide)
        self.fc = Conv(2 * wide, DIMENSION)

    def forward(self, features: Tensor) -> Tensor:
        return self.pool(self.hear(features))

    def hear(self, features: Tensor) -> Tensor:
        """(batch, frames, 80) features to (batch, 3 * channels, frames): all before the pooling."""
        frames = self.blocks[0](features.transpose(1, 2))
        outputs = []
        for block in self.blocks[1:]:
            frames = block(frames)
            outputs.append(frames)
        heard: Tensor = self.mfa(torch.cat(outputs, dim=1))
        return heard

    def pool(self, heard: Tensor) -> Tensor:
        """(batch, 3 * channels, frames) to (batch, 192) vectors of these frames."""
        vectors: Tensor = self.fc(self.asp_bn(self.asp(heard))).squeeze(2)
        return vectors
