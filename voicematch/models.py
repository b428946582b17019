"""The table of models: which file, what it is, where it lies, and one ONNX Runtime session each.

A better model is a new row. Nothing is opened, and ONNX Runtime is not imported, before a model is first used, and
nothing is ever downloaded here: `hub` does that, when it is asked to.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from voicematch import cut
from voicematch.errors import ModelError

if TYPE_CHECKING:
    import onnxruntime

    from voicematch.score import Calibration

log = logging.getLogger(__name__)

RECORD = "pulled.json"  # beside the files of a pulled model: where they came from, and their sums
CALIBRATION = ".calibration.json"
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, slots=True)
class Source:
    """A repository of the Hugging Face hub that a model's files come from.

    revision : the commit; None where it is not known here, and then the newest at the first pull stays the one
    files : names, or patterns with ``*``, of the files needed
    sha256 : by file, where it is known here; of the others it is recorded at the first pull
    gated : its terms have to be accepted on its page first
    """

    repository: str
    files: tuple[str, ...]
    revision: str | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)
    gated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What must be known of a model before it is opened.

    file : name of the file that is opened; for a pulled model below its own folder, "" for the folder itself
    sha256 : of that file, hexadecimal; "" for a pulled model, whose sums are in its source and its record
    kind : "part" is used by other models alone
    dimension : length of the vector it makes; 0 for a model that makes none
    min_speech : seconds of speech below which its answer means nothing
    num_parameters : 0 where it is not known
    engine : what runs it; all but ONNX Runtime need the extra ``torch``
    front_end : "kaldi" is `features.log_mel` as it is, "kaldi-snipped" the same without frames that reach outside
    source : what to pull; None when the file comes with the package
    size : bytes to pull, about
    """

    name: str
    kind: Literal["embedder", "speech", "diarizer", "part"]
    licence: str
    description: str
    file: str = ""
    sha256: str = ""
    dimension: int = 0
    min_speech: float = 0.0
    num_parameters: int = 0
    engine: Literal["onnx", "speechbrain", "pyannote"] = "onnx"
    front_end: Literal["kaldi", "kaldi-snipped"] = "kaldi"
    source: Source | None = None
    size: int = 0


MODELS: dict[str, ModelCard] = {
    card.name: card
    for card in (
        ModelCard(
            name="ecapa-small-4",
            file="ecapa-small-4.onnx",
            sha256="9200005e8a47caa4b3366261af20fcb0da1c7c7b64603749b5143a5a4b7aa104",
            kind="embedder",
            dimension=192,
            min_speech=0.5,
            licence="Apache-2.0",
            num_parameters=2_050_000,
            description="ECAPA-TDNN, 256 channels, 192 dimensions, on Kaldi log-mel filterbanks",
        ),
        ModelCard(
            name="segmentation-small",
            file="segmentation-small.onnx",
            sha256="12bc616fa523f0d1116860c44f1103a4f06aa721e476f3a4099bc16f945c7fb9",
            kind="speech",
            licence="Apache-2.0",
            num_parameters=1_047_431,
            description="who of three local speakers is active in 10 s; convolutions and LSTM, the same filterbanks",
        ),
        ModelCard(
            name="ecapa512",
            file="voxceleb_ECAPA512_LM.onnx",
            kind="embedder",
            dimension=192,
            min_speech=0.5,
            licence="CC-BY-4.0",
            num_parameters=6_190_000,
            description="WeSpeaker's ECAPA-TDNN of 512 channels, trained on VoxCeleb2; EER 0.88 % on VoxCeleb1-O",
            front_end="kaldi-snipped",
            source=Source(
                "Wespeaker/wespeaker-ecapa-tdnn512-LM",
                ("voxceleb_ECAPA512_LM.onnx",),
                revision="a2f3dcb1c8702caccc7a55ceb57f5e8d1842112b",
                sha256={
                    "voxceleb_ECAPA512_LM.onnx": "d71b85d9b48058ef68004f04f1b78acebefb9dfcf542e19b976a12a5ad1f10b0"
                },
            ),
            size=24_861_931,
        ),
        ModelCard(
            name="ecapa1024",
            file="voxceleb_ECAPA1024_LM.onnx",
            kind="embedder",
            dimension=192,
            min_speech=0.5,
            licence="CC-BY-4.0",
            num_parameters=14_650_000,
            description="WeSpeaker's ECAPA-TDNN of 1024 channels, trained on VoxCeleb2; EER 0.80 % on VoxCeleb1-O",
            front_end="kaldi-snipped",
            source=Source("Wespeaker/wespeaker-voxceleb-ecapa-tdnn1024-LM", ("voxceleb_ECAPA1024_LM.onnx",)),
            size=59_000_000,
        ),
        ModelCard(
            name="speechbrain",
            file="embedding_model.ckpt",
            kind="embedder",
            dimension=192,
            min_speech=0.5,
            licence="Apache-2.0",
            num_parameters=20_767_552,
            description="SpeechBrain's ECAPA-TDNN of 1024 channels, trained on VoxCeleb; EER 0.90 % on VoxCeleb1-O",
            engine="speechbrain",
            source=Source(
                "speechbrain/spkrec-ecapa-voxceleb",
                ("embedding_model.ckpt",),
                revision="0f99f2d0ebe89ac095bcc5903c4dd8f72b367286",
                sha256={"embedding_model.ckpt": "0575cb64845e6b9a10db9bcb74d5ac32b326b8dc90352671d345e2ee3d0126a2"},
            ),
            size=83_316_686,
        ),
        ModelCard(
            name="pyannote-community-1",
            kind="diarizer",
            licence="CC-BY-4.0",
            description="pyannote's speaker-diarization-community-1: hears several people at once",
            engine="pyannote",
            source=Source(
                "pyannote/speaker-diarization-community-1",
                ("config.yaml", "segmentation/*", "embedding/*", "plda/*"),
                gated=True,
            ),
            size=33_000_000,
        ),
        ModelCard(
            name="pyannote-3.1",
            kind="diarizer",
            licence="MIT",
            description="pyannote's speaker-diarization-3.1; needs the two models below as well",
            engine="pyannote",
            source=Source("pyannote/speaker-diarization-3.1", ("config.yaml",), gated=True),
            size=469,
        ),
        ModelCard(
            name="pyannote-segmentation-3.0",
            kind="diarizer",
            licence="MIT",
            num_parameters=1_470_000,
            description="pyannote's segmentation-3.0, with the library's own embedder",
            engine="pyannote",
            source=Source("pyannote/segmentation-3.0", ("config.yaml", "pytorch_model.bin"), gated=True),
            size=5_900_000,
        ),
        ModelCard(
            name="pyannote-wespeaker-resnet34",
            kind="part",
            licence="CC-BY-4.0",
            num_parameters=6_630_000,
            description="the embedder inside pyannote-3.1",
            engine="pyannote",
            source=Source("pyannote/wespeaker-voxceleb-resnet34-LM", ("config.yaml", "pytorch_model.bin")),
            size=26_600_000,
        ),
    )
}
DEFAULT_EMBEDDER = "ecapa-small-4"

_lock = threading.RLock()


def card(name: str) -> ModelCard:
    """The card of a model; ModelError, with the names there are, when it is not in the table."""
    try:
        return MODELS[name]
    except KeyError:
        raise ModelError(f"no model is called {name!r}; there is {', '.join(sorted(MODELS))}") from None


# -- where they are


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


def pulled_folder(name: str) -> Path:
    """Where a pulled model's files are, or would be."""
    return folders()[-1] / name


def path(name: str) -> Path:
    """The model's file or folder, found and checked against its sums; ModelError when it is absent or damaged."""
    wanted = card(name)
    if wanted.source is None:
        file = _find(wanted.file, name)
        verify(file, wanted.sha256)
        return file
    folder = pulled_folder(name)
    for file_name, (sha256, _) in recorded(name).items():
        if not (folder / file_name).is_file():
            raise ModelError(f"{folder / file_name} is missing; voicematch models pull {name} fetches it again")
        verify(folder / file_name, sha256)
    return folder / wanted.file if wanted.file else folder


def is_here(name: str) -> bool:
    """Whether a model of the table can be used without pulling anything; damage is `path`'s to find."""
    wanted = card(name)
    if wanted.source is not None:
        return (pulled_folder(name) / RECORD).is_file()
    return any((folder / wanted.file).is_file() for folder in folders())


def recorded(name: str) -> dict[str, tuple[str, int]]:
    """By file of a pulled model, the (sha256, bytes) it had when it was pulled. ModelError when it never was."""
    file = pulled_folder(name) / RECORD
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return {str(file): (str(sums["sha256"]), int(sums["size"])) for file, sums in record["files"].items()}
    except FileNotFoundError:
        what = f"{card(name).size / 1e6:.0f} MB, {card(name).licence}"
        raise ModelError(
            f"model {name!r} is not on this machine; voicematch models pull {name} fetches it ({what})"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{file} is damaged ({error!r}); voicematch models pull {name} fetches it again") from error


def fingerprint(name: str) -> str:
    """The sha256 of the model's file: what tells its vectors from those of the same name and other weights."""
    wanted = card(name)
    return wanted.sha256 or recorded(name)[wanted.file][0]


def beside(name: str, suffix: str) -> Path | None:
    """What was measured of a model, in a file called ``NAME`` with this ending; None when there is no such file."""
    if name not in MODELS:
        return None
    return next((folder / (name + suffix) for folder in folders() if (folder / (name + suffix)).is_file()), None)


def place_beside(name: str, suffix: str) -> Path:
    """Where such a file is to be written: with the built-in models of this checkout, or with the pulled ones."""
    return folders()[1 if card(name).source is None else -1] / (name + suffix)


def calibration(name: str) -> Calibration:
    """How an embedder's scores are to be read: what lies beside its file as ``NAME.calibration.json``.

    Without one nobody has measured what its scores are worth, so names are only suggested, and never given.
    """
    from voicematch.score import Calibration

    file = beside(name, CALIBRATION)
    if file is not None:
        return Calibration.from_json(file.read_text(encoding="utf-8"))
    if name in MODELS and MODELS[name].source is None:
        _find(name + CALIBRATION, name)
    return _cautious(name)


@functools.cache
def _cautious(name: str) -> Calibration:
    """Suggests from a cosine of 0.5 on, and accepts at a probability that a cosine of 1 does not reach."""
    from voicematch.score import Calibration

    log.warning(
        "no calibration for the embedder %r: names are suggested (maybe NAME) and never given, and unnamed voices are "
        "not recognised in other episodes; models/train/calibrate.py --embedder %s makes one, and puts it in %s",
        name,
        name,
        folders()[-1],
    )
    return Calibration(
        embedder=name,
        bias=-5.0,
        score=10.0,
        steadiness=0.0,
        power=1.0,
        unknown_steadiness=0.0,
        accept=0.999,
        review=0.5,
        margin=0.05,
        agreement=0.5,
    )


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
    found = sha256_of(file)
    if found != sha256:
        raise ModelError(f"{file}: damaged or another model: sha256 {found[:16]}… is not {sha256[:16]}…; replace it")


def sha256_of(file: Path) -> str:
    """The file's sha256, hexadecimal."""
    stat = file.stat()
    return _sha256(file, stat.st_size, stat.st_mtime_ns)


@functools.cache
def _sha256(file: Path, size: int, mtime_ns: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# -- running them


def session(
    name: str, device: str = "cpu", part: Literal["whole", "front", "head"] = "whole"
) -> onnxruntime.InferenceSession:
    """The model's inference session: opened on first use, then the same one; safe to run from several threads.

    device : one of ``DEVICES``; "auto" is a CUDA GPU where ONNX Runtime can use one, else the CPU
    part : of a model that ``cut.halves`` can cut, what comes before its pooling, or after

    Raises ModelError when the model is not there, or the device asked for.
    """
    import onnxruntime

    if card(name).engine != "onnx":
        raise ModelError(f"model {name!r} does not run in ONNX Runtime; it needs: pip install 'voicematch[torch]'")
    wanted = provider(device, onnxruntime.get_available_providers())
    with _lock:  # two threads that ask at once share one session
        opened = _session(name, wanted, part)
    if device != "auto" and wanted not in opened.get_providers():  # it falls back without an error
        raise ModelError(f"--device {device}: ONNX Runtime could not start {wanted}; is its driver installed? {REMEDY}")
    return opened


@functools.cache
def halves_of(name: str) -> cut.Halves | None:
    """The model cut where its pooling begins; None for one that pools in no such way."""
    card_of_it = card(name)
    return cut.halves(path(name).read_bytes()) if card_of_it.engine == "onnx" and card_of_it.dimension else None


@functools.cache
def _session(name: str, wanted: str, part: Literal["whole", "front", "head"]) -> onnxruntime.InferenceSession:
    import onnxruntime

    halves = None if part == "whole" else halves_of(name)
    model: str | bytes = str(path(name))
    if halves is not None:
        model = halves.front if part == "front" else halves.head
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, num_cores() // 2)  # two networks run at a time
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: its warnings are about graph optimisations, not about the answer
    providers = list(dict.fromkeys((wanted, "CPUExecutionProvider")))  # the CPU for what a GPU has no kernel of
    return onnxruntime.InferenceSession(model, sess_options=options, providers=providers)


REMEDY = "--device cpu always works"
PROVIDERS = {
    "cpu": ("CPUExecutionProvider", ""),
    "cuda": ("CUDAExecutionProvider", "pip install onnxruntime-gpu in place of onnxruntime"),
    "mps": ("CoreMLExecutionProvider", "it is in onnxruntime for macOS alone"),
}


def provider(device: str, available: list[str]) -> str:
    """ONNX Runtime's name for a device. Raises ModelError when it is not among those available.

    >>> provider("auto", ["CPUExecutionProvider"])
    'CPUExecutionProvider'
    """
    if device == "auto":
        device = "cuda" if PROVIDERS["cuda"][0] in available else "cpu"
    if device not in PROVIDERS:
        raise ModelError(f"no device is called {device!r}; there is {', '.join(DEVICES)}")
    wanted, way = PROVIDERS[device]
    if wanted not in available:
        raise ModelError(f"--device {device}: this ONNX Runtime has no {wanted} ({way}); {REMEDY}")
    return wanted


def num_cores() -> int:
    """Cores that this process may use; in a container that is often fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
