"""The table of models: which file, what it is, where it lies, and one ONNX Runtime session each.

A better model is a new row. Nothing is opened, and ONNX Runtime is not imported, before a model is first used.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from voicematch.errors import ModelError

if TYPE_CHECKING:
    import onnxruntime

    from voicematch.score import Calibration


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What must be known of a model before it is opened.

    file : name of the ONNX file, the same in every folder that ``path`` looks into
    sha256 : of that file, hexadecimal
    dimension : length of the vector it makes; 0 for a model that makes none
    min_speech : seconds of speech below which its answer means nothing
    hub : repository and revision to pull the file from; None when it comes with the package
    """

    name: str
    file: str
    sha256: str
    kind: Literal["embedder", "speech"]
    dimension: int
    min_speech: float
    licence: str
    num_parameters: int
    hub: tuple[str, str] | None
    description: str


MODELS: dict[str, ModelCard] = {
    card.name: card
    for card in (
        ModelCard(
            name="ecapa-small",
            file="ecapa-small.onnx",
            sha256="93694277b402b4fa5c4ab89fa9b923d44505d73c560a8ad89dd93c1b63ba662d",
            kind="embedder",
            dimension=192,
            min_speech=0.5,
            licence="Apache-2.0",
            num_parameters=2_050_000,
            hub=None,
            description="ECAPA-TDNN, 256 channels, 192 dimensions, on Kaldi log-mel filterbanks",
        ),
        ModelCard(
            name="segmentation-small",
            file="segmentation-small.onnx",
            sha256="12bc616fa523f0d1116860c44f1103a4f06aa721e476f3a4099bc16f945c7fb9",
            kind="speech",
            dimension=0,
            min_speech=0.0,
            licence="Apache-2.0",
            num_parameters=1_047_431,
            hub=None,
            description="who of three local speakers is active in 10 s; convolutions and LSTM, the same filterbanks",
        ),
    )
}
DEFAULT_EMBEDDER = "ecapa-small"

_lock = threading.RLock()


def card(name: str) -> ModelCard:
    """The card of a model; ModelError, with the names there are, when it is not in the table."""
    try:
        return MODELS[name]
    except KeyError:
        raise ModelError(f"no model is called {name!r}; there is {', '.join(sorted(MODELS))}") from None


def folders() -> tuple[Path, ...]:
    """Where model files are looked for, first to last.

    The package's own weights, the checkout's ``models/``, then ``$VOICEMATCH_MODELS`` or, when that is not set,
    the platform's data directory.
    """
    import platformdirs

    package = Path(__file__).resolve().parent
    own = os.environ.get("VOICEMATCH_MODELS")
    kept = Path(own).expanduser() if own else Path(platformdirs.user_data_dir("voicematch", appauthor=False)) / "models"
    return package / "weights", package.parent / "models", kept


def path(name: str) -> Path:
    """The model's file, found and checked against its sha256; ModelError when it is absent or damaged."""
    wanted = card(name)
    file = _find(wanted.file, name)
    verify(file, wanted.sha256)
    return file


def calibration(name: str) -> Calibration:
    """How an embedder's scores are to be read: what lies beside its file as ``NAME.calibration.json``."""
    from voicematch.score import Calibration

    file = _find(f"{Path(card(name).file).stem}.calibration.json", name)
    return Calibration.from_json(file.read_text(encoding="utf-8"))


def _find(file: str, name: str) -> Path:
    places = folders()
    for folder in places:
        if (folder / file).is_file():
            return folder / file
    raise ModelError(f"{file}, of model {name!r}, is missing; put it in {places[-1]} or install voicematch again")


def verify(file: Path, sha256: str) -> None:
    """Return when the file's sha256 is the one given, and raise ModelError when it is another.

    A file is read once in the life of the process, and again when its size or time has changed.
    """
    stat = file.stat()
    found = _sha256(file, stat.st_size, stat.st_mtime_ns)
    if found != sha256:
        raise ModelError(f"{file}: damaged or another model: sha256 {found[:16]}… is not {sha256[:16]}…; replace it")


@functools.cache
def _sha256(file: Path, size: int, mtime_ns: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def session(name: str) -> onnxruntime.InferenceSession:
    """The model's inference session: opened on first use, then the same one; safe to run from several threads."""
    with _lock:  # two threads that ask at once share one session
        return _session(name)


@functools.cache
def _session(name: str) -> onnxruntime.InferenceSession:
    import onnxruntime

    file = path(name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: its warnings are about graph optimisations, not about the answer
    return onnxruntime.InferenceSession(str(file), sess_options=options, providers=["CPUExecutionProvider"])


def num_cores() -> int:
    """Cores that this process may use; in a container that is often fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
