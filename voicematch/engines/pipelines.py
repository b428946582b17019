"""pyannote.audio's speaker diarization, put together from a folder: its own pipeline, or a segmentation model alone.

A folder with a ``config.yaml`` is a pipeline, as the hub has them; everything it names has to be on this machine. A
folder with a ``pytorch_model.bin`` and no pipeline is a segmentation model: it finds the turns, and the library's own
embedder, with pyannote's clustering, the voices.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .. import given
from ..audio import SAMPLE_RATE
from ..errors import ModelError
from ..models import files
from ..models.table import MODELS
from ..types import Array
from ..voices.score import unit
from . import checkpoints
from .backend import Backend
from .device import load
from .diarize import guide_of, kept_backend
from .embed import Embedder
from .features import HOP

CONFIG = "config.yaml"
OWN_PIPELINES = (
    "pyannote.audio.pipelines.SpeakerDiarization",
    "pyannote.audio.pipelines.speaker_diarization.SpeakerDiarization",
)
OPTIONS = ("segmentation_step", "embedding_exclude_overlap")  # of a config that change the answer
BATCH = {"cpu": 8, "mps": 16, "cuda": 32}  # chunks of 10 s at once; halved where they do not fit

# How VBx (Landini et al. 2022) clusters the vectors of the built-in embedder, by DER on 20 development episodes.
VBX = {"threshold": 0.5, "Fa": 0.2, "Fb": 5.0}
# Of an embedder that is not in the table of models: those of speaker-diarization-3.1, for another one's cosines.
LINKAGE = {"method": "centroid", "min_cluster_size": 12, "threshold": 0.7045654963945799}


def is_pipeline(folder: Path) -> bool:
    """Return whether the folder's ``config.yaml`` describes a pipeline: segmentation models come with another one."""
    return (folder / CONFIG).is_file() and "pipeline" in _config(folder)


def build(folder: Path, embedder: Embedder) -> Any:
    """Build the folder's pipeline, a ``pyannote.audio.pipelines.SpeakerDiarization`` on the CPU.

    embedder : used where the folder has none; where little is known of it, the built-in one tells the voices apart

    Raises ModelError when something is missing, is not what it should be, or comes from elsewhere.
    """
    if is_pipeline(folder):
        return _configured(folder)
    embedder = guide_of(embedder) or embedder
    backend = kept_backend(embedder)
    clustering = {"name": "AgglomerativeClustering", **LINKAGE} if backend is None else {"name": "VBxClustering", **VBX}
    return _assembled(checkpoints.model(folder), VoiceVectors(embedder), backend, clustering)


def _configured(folder: Path) -> Any:
    config = _config(folder)
    try:
        asked = config["pipeline"]
        if asked["name"] not in OWN_PIPELINES:
            raise ModelError(f"{folder / CONFIG}: is of {asked['name']}; only {OWN_PIPELINES[0]} is run")
        params = dict(asked["params"])
        segmentation = checkpoints.model(_place(params["segmentation"], folder))
        vectors: Any = _vectors(params["embedding"], folder)
        clustering = {"name": params["clustering"], **config["params"]["clustering"]}
        plda = _place(params["plda"], folder) if clustering["name"] == "VBxClustering" else None
        options = {key: params[key] for key in OPTIONS if key in params}
        return _assembled(segmentation, vectors, plda, clustering, config["params"]["segmentation"], options)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder / CONFIG}: is not a pipeline that can be run: {error!r}") from error


def _config(folder: Path) -> dict[str, Any]:
    yaml = load("yaml")
    try:
        config = yaml.safe_load(given.text(folder / CONFIG))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{folder / CONFIG}: cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{folder / CONFIG}: does not describe a pipeline")
    return cast("dict[str, Any]", config)


def _place(named: object, folder: Path) -> Path:
    """Where a part that a config names lies: "$model/PART" in its folder, a path, or a repository that was pulled."""
    if isinstance(named, dict):  # {"checkpoint": …, "subfolder": …}
        return _place(named["checkpoint"], folder) / str(named.get("subfolder") or "")
    name = str(named)
    if name.startswith("$model/"):
        return folder / name.removeprefix("$model/").partition("@")[0]
    for card in MODELS.values():
        if card.source is not None and card.source.repository == name.partition("@")[0]:
            return files.path(card.name)
    for place in (folder / name, Path(name)):
        if place.exists():
            return place
    raise ModelError(f"{folder / CONFIG}: needs {name}, which is not on this machine; put it in a folder and name that")


def _vectors(named: object, folder: Path) -> Any:
    """What turns chunks of sound into vectors, by the name in a config."""
    if isinstance(named, str) and named.startswith("speechbrain/"):
        from .speechbrain import SpeechBrainEmbedder

        return VoiceVectors(SpeechBrainEmbedder())
    return checkpoints.model(_place(named, folder))


def _assembled(
    segmentation: Any,
    vectors: Any,
    plda: Backend | Path | None,
    clustering: dict[str, Any],
    segmenting: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
) -> Any:
    """The pipeline of these parts. vectors : a pyannote.audio model, or VoiceVectors"""
    diarization = load("pyannote.audio.pipelines.speaker_diarization")
    clusterings = load("pyannote.audio.pipelines.clustering")
    tuning = dict(clustering)
    name = str(tuning.pop("name"))
    if name not in ("VBxClustering", "AgglomerativeClustering"):
        raise ModelError(f"clustering {name!r} is not run; VBxClustering and AgglomerativeClustering are")
    # Made with the clustering that needs no vectors: the constructor would fetch an embedder by its name.
    pipeline = diarization.SpeakerDiarization(
        segmentation=segmentation, plda=_plda(plda), clustering="OracleClustering", **(options or {})
    )
    pipeline._embedding = (
        vectors if isinstance(vectors, VoiceVectors) else diarization.PretrainedSpeakerEmbedding(vectors)
    )
    pipeline._audio = load("pyannote.audio").Audio(sample_rate=SAMPLE_RATE, mono="downmix")
    pipeline.klustering = name
    made = getattr(clusterings, name)
    pipeline.clustering = made(pipeline._plda, metric="cosine") if plda is not None else made(metric="cosine")
    pipeline._expects_num_speakers = False
    pipeline.instantiate({"segmentation": segmenting or {"min_duration_off": 0.0}, "clustering": tuning})
    return pipeline


def set_batch(pipeline: Any, size: int) -> None:
    pipeline.segmentation_batch_size = pipeline.embedding_batch_size = size


def _plda(source: Backend | Path | None) -> Any:
    """The PLDA of a folder, or of one of our own backends as pyannote.audio takes it."""
    plda_of = load("pyannote.audio.core.plda").PLDA
    if isinstance(source, Path):
        try:
            return plda_of.from_pretrained(source)
        except (OSError, KeyError, ValueError) as error:
            raise ModelError(f"{source}: is not a PLDA that can be read: {error}") from error

    made = plda_of.__new__(plda_of)  # its constructor reads files
    if source is not None:
        made.lda_dimension = len(source.between)
        made._plda_psi = source.between
        made._xvec_tf = unit
        made._plda_tf = lambda vectors, lda_dim: source.project(vectors)
    return made


class VoiceVectors:
    """One of our embedders, as pyannote.audio's pipeline asks for vectors: chunks of sound with masks of who speaks."""

    sample_rate = SAMPLE_RATE
    metric = "cosine"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.dimension = embedder.dimension
        self.min_num_samples = round(embedder.min_speech * SAMPLE_RATE)

    def to(self, device: object) -> VoiceVectors:
        return self  # the embedder has its own

    def __call__(self, waveforms: Any, masks: Any = None) -> Array:
        """One vector per chunk, of what the mask leaves of it: (batch, dimension).

        waveforms : (batch, 1, num_samples) tensor
        masks : (batch, num_frames) tensor, 1 where the speaker meant speaks

        A speaker heard too briefly is repeated to the shortest length that can be embedded, and one not heard at all
        gets the first axis: no vector may be absent here, and the pipeline sets both aside.
        """
        chunks: Array = waveforms.numpy()[:, 0]
        spoken = np.ones((len(chunks), 1), bool) if masks is None else masks.numpy() > 0.5
        vectors = np.zeros((len(chunks), self.dimension), np.float32)
        vectors[:, 0] = 1
        heard = np.flatnonzero(spoken.any(axis=1))
        if len(heard):
            kept = [_kept(chunks[idx], spoken[idx], self.min_num_samples) for idx in heard]
            ends = np.cumsum([len(samples) for samples in kept])
            windows = np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1)
            vectors[heard] = self._embedder.embed(np.concatenate(kept), windows)
        return vectors


def _kept(chunk: Array, spoken: npt.NDArray[np.bool_], shortest: int) -> Array:
    """The samples under a mask's frames, one after the other, in whole steps of the features."""
    frames = np.arange(len(chunk)) * len(spoken) // len(chunk)
    samples = chunk[spoken[frames]]
    length = max(len(samples), shortest)
    return np.resize(samples, -(-length // HOP) * HOP)
