"""The segmentation network: log-mel rows every 10 ms to who speaks every 20 ms, as a powerset of three local speakers.

Convolutions find speech at 20 ms, a bidirectional LSTM at 40 ms remembers who spoke over the whole window, and a last
layer joins the two. The classes are those of Plaquet and Bredin 2023 (arXiv 2310.13025): at most two at once.
"""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_BINS = 80
NUM_SPEAKERS = 3
CLASSES = (0b000, 0b001, 0b010, 0b100, 0b011, 0b101, 0b110)  # bit k: local speaker k; nobody comes first
STRIDE = 4  # input frames; a window's length is a multiple
DYNAMIC_RANGE = 15.0  # nats, 65 dB: rows this far below the loudest frame's mean count as silence
SCALE = 0.25  # brings log energies, whose spread is about 4 nats, to unit size


def normalise(features: Tensor) -> Tensor:
    """(batch, frames, 80) log energies to (batch, frames, 160): without the window's level, and without its colour.

    The level of a window cancels exactly, also through the floor, so a whisper looks like a shout.
    """
    floor = features.mean(2).amax(1)[:, None, None] - DYNAMIC_RANGE
    features = torch.maximum(features, floor)
    colour = features.mean(1, keepdim=True)
    level = colour.mean(2, keepdim=True)
    return SCALE * torch.cat([features - colour, features - level], dim=2)


class Block(nn.Module):
    """A dilated convolution that adds to what comes in."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, rows: Tensor) -> Tensor:
        return rows + functional.relu(self.norm(self.conv(rows)))


class Segmentation(nn.Module):
    """(batch, frames, 80) log-mel rows to (batch, frames / 2, 7) log-probabilities of CLASSES."""

    def __init__(self, width: int = 128, hidden: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.width = {"width": width, "hidden": hidden, "layers": layers}
        self.first = nn.Conv1d(2 * NUM_BINS, width, 6, stride=2, padding=2)
        self.first_norm = nn.BatchNorm1d(width)
        self.blocks = nn.ModuleList(Block(width, dilation) for dilation in (1, 2, 4))
        self.down = nn.Conv1d(width, width, 4, stride=2, padding=1)
        self.down_norm = nn.BatchNorm1d(width)
        self.lstm = nn.LSTM(width, hidden, layers, bidirectional=True, batch_first=True)
        self.join = nn.Conv1d(width + 2 * hidden, width, 1)
        self.classes = nn.Linear(width, len(CLASSES))

    def forward(self, features: Tensor) -> Tensor:
        rows = normalise(features).transpose(1, 2)
        rows = functional.relu(self.first_norm(self.first(rows)))
        for block in self.blocks:
            rows = block(rows)
        coarse = functional.relu(self.down_norm(self.down(rows))).transpose(1, 2)
        remembered = self.lstm(coarse)[0].transpose(1, 2).repeat_interleave(2, dim=2)
        joined = functional.relu(self.join(torch.cat([rows, remembered], dim=1)))
        return functional.log_softmax(self.classes(joined.transpose(1, 2)).float(), dim=-1)


class Posteriors(nn.Module):
    """The network as it is shipped: probabilities instead of their logarithms."""

    def __init__(self, network: Segmentation) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        return self.network(features).exp()


def permuted_classes() -> Tensor:
    """(6, 8) class of a set of speakers (its bits) after each renaming of the speakers; all three count as two."""
    table = torch.zeros(6, 2**NUM_SPEAKERS, dtype=torch.long)
    for row, names in enumerate(permutations(range(NUM_SPEAKERS))):
        for bits in range(2**NUM_SPEAKERS):
            kept = [speaker for speaker in range(NUM_SPEAKERS) if bits >> speaker & 1][:2]
            table[row, bits] = CLASSES.index(sum(1 << names[speaker] for speaker in kept))
    return table


def loss(log_probabilities: Tensor, bits: Tensor, table: Tensor, speech_weight: float) -> Tensor:
    """Cross-entropy under the renaming of local speakers that fits best, and of speech against silence.

    log_probabilities : (batch, frames, 7)
    bits : (batch, frames) who speaks, speakers 0 … 2
    """
    targets = table[:, bits].permute(1, 2, 0)  # (batch, frames, 6)
    fit = log_probabilities.gather(2, targets).mean(1).amax(1)
    nobody = log_probabilities[..., 0].clamp(max=-1e-6)
    speech = torch.where(bits > 0, torch.log(-torch.expm1(nobody)), nobody)
    return -(fit.mean() + speech_weight * speech.mean())
