"""What the embedder is taught: to tell voices apart, and to place them as a teacher does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from ecapa import DIMENSION
from ecapa_corpus import SPEED_NAMES
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

Weights = tuple[float, float, float, float]
WEIGHTS: Weights = (0.8, 0.5, 12.0, 60.0)  # voice, pair, copy, arrange: what ecapa-small-4 was finished with


@dataclass(frozen=True, eq=False)
class Teacher:
    """vectors : (speeds, num_clips, teacher's dimension), unit rows around their common mean"""

    vectors: Tensor

    @classmethod
    def read(cls, path: Path, num_clips: int) -> Self:
        with np.load(path) as arrays:
            vectors = np.stack([arrays[name] for name in SPEED_NAMES]).astype(np.float32)
        if vectors.shape[1] != num_clips:
            raise SystemExit(f"{path}: {vectors.shape[1]} vectors for {num_clips} clips")
        # The teacher's vectors all lie in one octant; what tells speakers apart is how they differ from the mean.
        return cls(normalize(torch.from_numpy(vectors - vectors.mean(axis=(0, 1))), dim=-1))


class Losses(nn.Module):
    """Four losses of one batch of vectors, each already weighted.

    voice : additive angular margin softmax over all voices (ArcFace, arXiv 1801.07698)
    pair : each vector finds its partner, another crop of its voice (angular prototypical, arXiv 2003.11982)
    copy : one minus the cosine between a linear projection and the teacher's vector
    arrange : squared difference of the batch's cosine matrices, student's and teacher's
    """

    def __init__(
        self,
        num_voices: int,
        *,
        margin: float,
        scale: float = 30.0,
        teacher: Teacher | None = None,
        weights: Weights = WEIGHTS,
    ) -> None:
        super().__init__()
        self.margin, self.scale, self.teacher, self.weights = margin, scale, teacher, weights
        self.centres = nn.Parameter(torch.randn(num_voices, DIMENSION) * 0.05)
        self.pair_scale = nn.Parameter(torch.tensor(10.0))
        if teacher is not None:
            self.project = nn.Linear(DIMENSION, teacher.vectors.shape[-1])

    def forward(self, vectors: Tensor, voices: Tensor, clips: Tensor, speeds: Tensor, ramp: float) -> dict[str, Tensor]:
        vectors = normalize(vectors)
        voices = voices.to(vectors.device)
        classify, pair, copy, arrange = self.weights
        parts = {"voice": classify * self._classify(vectors, voices, self.margin * ramp)}
        parts["pair"] = pair * self._pair(vectors, voices)
        if self.teacher is not None:
            taught = self.teacher.vectors[speeds, clips].to(vectors.device)
            parts["copy"] = copy * (1 - (normalize(self.project(vectors)) * taught).sum(dim=1)).mean()
            parts["arrange"] = arrange * (vectors @ vectors.T - taught @ taught.T).square().mean()
        return parts

    def _classify(self, vectors: Tensor, voices: Tensor, margin: float) -> Tensor:
        cosines = vectors @ normalize(self.centres).T
        own = cosines.gather(1, voices[:, None])
        sines = (1 - own.square()).clamp(1e-7).sqrt()
        angled = own * math.cos(margin) - sines * math.sin(margin)
        angled = torch.where(own > -math.cos(margin), angled, own - margin * math.sin(margin))
        return cross_entropy(self.scale * cosines.scatter(1, voices[:, None], angled), voices, label_smoothing=0.02)

    def _pair(self, vectors: Tensor, voices: Tensor) -> Tensor:
        """Rows 2 i and 2 i + 1 are one voice; other rows of that voice count neither for nor against."""
        cosines = vectors[0::2] @ vectors[1::2].T * self.pair_scale.clamp(1.0, 40.0)
        own = torch.arange(len(cosines), device=cosines.device)
        again = (voices[0::2, None] == voices[None, 1::2]) & (own[:, None] != own)
        cosines = cosines.masked_fill(again, -1e4)
        return (cross_entropy(cosines, own) + cross_entropy(cosines.T, own)) / 2

    @torch.no_grad()
    def warm(self, vectors: Tensor, voices: Tensor, clips: Tensor, speeds: Tensor) -> None:
        """Sets the centres to the mean of each voice's vectors and the projection to its least squares solution."""
        vectors = normalize(vectors)
        sums = torch.zeros_like(self.centres).index_add_(0, voices.to(vectors.device), vectors)
        self.centres.copy_(torch.where(sums.abs().sum(dim=1, keepdim=True) > 0, normalize(sums), self.centres))
        if self.teacher is not None:
            taught = self.teacher.vectors[speeds, clips].to(vectors.device)
            gram = vectors.T @ vectors + 1e-3 * len(vectors) / DIMENSION * torch.eye(DIMENSION, device=vectors.device)
            self.project.weight.copy_(torch.linalg.solve(gram, vectors.T @ taught).T)
            self.project.bias.zero_()
