"""A teacher for the segmentation model: the network behind pyannote's segmentation-3.0, in plain torch.

SincNet (Ravanelli and Bengio 2018, arXiv 1808.00158), four bidirectional LSTM layers and a powerset of three speakers,
at most two at once (Plaquet and Bredin 2023, arXiv 2310.13025). Parameter names are those of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.torch_version import TorchVersion

SAMPLE_RATE = 16_000
WINDOW = 10 * SAMPLE_RATE  # what the checkpoint was trained on
FRAME_STEP = 270  # samples between two of its frames
FIRST_FRAME = 495  # samples from the start of a window to the middle of its first frame's receptive field
MIN_HZ = 50.0  # lowest band edge and narrowest band of the filters
NUM_CLASSES = 7


class _Ignored:
    """Stands for the classes of the training framework that lie in the checkpoint beside the weights."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


class _SincFilters(nn.Module):
    """Band-pass filters given by two cut-off frequencies each, as cosine and as sine."""

    def __init__(self) -> None:
        super().__init__()
        self.low_hz_ = nn.Parameter(torch.empty(40, 1))
        self.band_hz_ = nn.Parameter(torch.empty(40, 1))
        self.register_buffer("window_", torch.empty(125))
        self.register_buffer("n_", torch.empty(1, 125))

    def filters(self) -> Tensor:
        window, n = self.get_buffer("window_"), self.get_buffer("n_")
        low = MIN_HZ + self.low_hz_.abs()
        high = (low + MIN_HZ + self.band_hz_.abs()).clamp(MIN_HZ, SAMPLE_RATE / 2)
        band = high - low
        cosine = (torch.sin(high @ n) - torch.sin(low @ n)) / (n / 2) * window
        sine = (torch.cos(low @ n) - torch.cos(high @ n)) / (n / 2) * window
        even = torch.cat([cosine, 2 * band, cosine.flip(1)], dim=1)
        odd = torch.cat([sine, torch.zeros_like(band), -sine.flip(1)], dim=1)
        return (torch.cat([even, odd]) / torch.cat([2 * band, 2 * band]))[:, None]


class _SincLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.filterbank = _SincFilters()

    def forward(self, waveforms: Tensor) -> Tensor:
        return functional.conv1d(waveforms, self.filterbank.filters(), stride=10)


class _SincNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wav_norm1d = nn.InstanceNorm1d(1, affine=True)
        self.conv1d = nn.ModuleList([_SincLayer(), nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)])
        self.norm1d = nn.ModuleList(nn.InstanceNorm1d(width, affine=True) for width in (80, 60, 60))

    def forward(self, waveforms: Tensor) -> Tensor:
        rows = self.wav_norm1d(waveforms[:, None])
        for position, (conv, norm) in enumerate(zip(self.conv1d, self.norm1d, strict=True)):
            rows = conv(rows)
            if position == 0:
                rows = rows.abs()
            rows = functional.leaky_relu(norm(functional.max_pool1d(rows, 3)))
        return rows


class Teacher(nn.Module):
    """(batch, num_samples) waveforms to (batch, num_frames, 7) log-probabilities: nobody, 1, 2, 3, 1+2, 1+3, 2+3."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__()
        self.sincnet = _SincNet()
        self.lstm = nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(256, 128), nn.Linear(128, 128)])
        self.classifier = nn.Linear(128, NUM_CLASSES)
        names = ["Problem", "Resolution", "Specifications"]
        allowed = [TorchVersion, *((_Ignored, f"pyannote.audio.core.task.{name}") for name in names)]
        with torch.serialization.safe_globals(allowed):
            state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
        self.load_state_dict(state)
        self.eval()

    def forward(self, waveforms: Tensor) -> Tensor:
        rows = self.lstm(self.sincnet(waveforms).transpose(1, 2))[0]
        for layer in self.linear:
            rows = functional.leaky_relu(layer(rows))
        return functional.log_softmax(self.classifier(rows), dim=-1)


def posteriors(
    teacher: Teacher, samples: NDArray[np.float32], hop: int = WINDOW, batch: int = 8
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(first sample, (589, 7) probabilities) of each window; the last window is padded with zeros."""
    starts = range(0, max(1, len(samples)), hop)
    for first in range(0, len(starts), batch):
        chosen = starts[first : first + batch]
        windows = np.stack([np.pad(cut := samples[start : start + WINDOW], (0, WINDOW - len(cut))) for start in chosen])
        with torch.inference_mode():
            probabilities = teacher(torch.from_numpy(windows)).exp().numpy()
        yield from zip(chosen, probabilities, strict=True)


def classes(teacher: Teacher, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(num_windows, 500, 7) probabilities every 20 ms, in windows of 10 s one after the other."""
    places = np.clip(((np.arange(500) + 0.5) * 320 - FIRST_FRAME) / FRAME_STEP, 0, 588)
    before = np.minimum(places.astype(int), 587)
    share = (places - before)[:, None].astype(np.float32)
    heard = np.stack([window for _, window in posteriors(teacher, samples)])
    return np.asarray((1 - share) * heard[:, before] + share * heard[:, before + 1], np.float32)


def speech(teacher: Teacher, samples: NDArray[np.float32], hop: int = WINDOW) -> NDArray[np.float32]:
    """(num_samples // 160,) probability that anybody speaks, every 10 ms, averaged where windows overlap."""
    total = len(samples) // 160
    summed, count = np.zeros(total + 1_000, np.float32), np.zeros(total + 1_000, np.float32)
    centres = (FIRST_FRAME + FRAME_STEP * np.arange(589)) / 160 - 0.5
    for start, window in posteriors(teacher, samples, hop):
        rows = np.interp(np.arange(1_000), centres, 1 - window[:, 0])
        summed[start // 160 : start // 160 + 1_000] += rows
        count[start // 160 : start // 160 + 1_000] += 1
    return (summed / np.maximum(count, 1))[:total].astype(np.float32)
