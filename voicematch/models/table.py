"""The table of models: which there are, and what must be known of each. A better model is a new row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .. import given
from ..errors import ModelError

DEVICES = ("auto", "cpu", "cuda", "mps")  # "auto" is the best there is


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
    front_end : "kaldi" is `features.log_mel` as it is, "kaldi-snipped" the same without frames that reach outside,
        "speechbrain" is `speechbrain.filterbank`
    made_of : the file of the source that `assemble` makes ``file`` of; "" when it is pulled as it is
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
    engine: Literal["onnx", "pyannote"] = "onnx"
    front_end: Literal["kaldi", "kaldi-snipped", "speechbrain"] = "kaldi"
    made_of: str = ""
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
            name="campplus",
            file="campplus.onnx",
            sha256="5d62e49b7856113ad823cf05fc89263f1335578c1aa8b69b0da495b341e50ba8",
            kind="embedder",
            dimension=192,
            min_speech=0.5,
            licence="Apache-2.0",
            num_parameters=6_848_544,
            description="3D-Speaker's CAM++ (Alibaba), 192 dimensions, made int8; its training set is not public",
        ),
        ModelCard(
            name="campplus-ecapa",
            file="campplus-ecapa.onnx",
            sha256="66391a0402a6a1ff3d0de4e8abf1ca1e8c59c9ce1025e0fbb8f759da3a6000fa",
            kind="embedder",
            dimension=192,
            min_speech=0.5,
            licence="Apache-2.0",
            num_parameters=8_898_500,
            description="campplus and ecapa-small-4 side by side on the same sound, as one vector of 192 dimensions",
        ),
        ModelCard(
            name="campplus-2",
            file="campplus-2.onnx",
            sha256="e42628800a824c49d81ac19a1968178ae744fd47d6ecbb7e82d730e8cf08f075",
            kind="embedder",
            dimension=192,
            min_speech=0.5,
            licence="Apache-2.0",
            num_parameters=6_848_544,
            description="campplus, taught that rooms, telephones and noise are not part of a voice; 192 dimensions",
        ),
        ModelCard(
            name="segmentation-small",
            file="segmentation-small.onnx",
            sha256="4850f71a99855e7e3f8c7d0b73a5ba4d68e5d8a2ab7fd0470e6ab6f292a4cae8",
            kind="speech",
            licence="Apache-2.0",
            num_parameters=1_047_431,
            description="who of three local speakers is active; convolutions and LSTM in int8, the same filterbanks",
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
            file="speechbrain.onnx",
            made_of="embedding_model.ckpt",
            kind="embedder",
            dimension=192,
            min_speech=0.5,
            licence="Apache-2.0",
            num_parameters=20_767_552,
            description="SpeechBrain's ECAPA-TDNN of 1024 channels, trained on VoxCeleb; EER 0.90 % on VoxCeleb1-O",
            front_end="speechbrain",
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
DEFAULT_EMBEDDER = "campplus-2"
FORMER_DEFAULTS = ("ecapa-small-4", "campplus", "campplus-ecapa")  # their libraries are told of the newer


LOCAL = ".onnx"  # a name that ends so is the path of a user's own embedder
FRONT_ENDS = ("kaldi", "kaldi-snipped", "speechbrain")


def card(name: str) -> ModelCard:
    """Return the card of a model; ModelError, with the names there are, when it is not in the table.

    A path that ends in .onnx is a user's own embedder, and its card the JSON file beside it.
    """
    if is_local(name):
        return _local_card(local_file(name))
    try:
        return MODELS[name]
    except KeyError:
        raise ModelError(f"no model is called {name!r}; there is {', '.join(sorted(MODELS))}") from None


def is_local(name: str) -> bool:
    """Whether a name is the path of a user's own embedder."""
    return name.endswith(LOCAL)


def local_file(name: str) -> Path:
    """Return the file of a user's own embedder, from the root on. ModelError when its ~ is the home of nobody."""
    try:
        return given.expanded(name).absolute()
    except OSError as error:
        raise ModelError(f"{name}: {error.strerror}") from error


def is_built_in(name: str) -> bool:
    """Whether a model comes with the package, an embedder with its backend and calibration."""
    return name in MODELS and MODELS[name].source is None


def is_known(name: str) -> bool:
    """Whether there is a card of that name to be had."""
    return name in MODELS or is_local(name)


def _local_card(model: Path) -> ModelCard:
    file = model.with_suffix(".json")
    needed = f'{{"dimension": 192, "front_end": one of {", ".join(FRONT_ENDS)}, "min_speech": 0.5}}'
    try:
        values = given.parsed(given.text(file))
        front_end, dimension, min_speech = values["front_end"], values["dimension"], float(values["min_speech"])
        if front_end not in FRONT_ENDS or type(dimension) is not int or dimension < 1 or not 0 <= min_speech < math.inf:
            raise ValueError(f"{front_end!r}, {dimension!r} and {min_speech!r} do not describe an embedder")
    except FileNotFoundError:
        raise ModelError(f"{model}: needs a card beside it, {file.name}: {needed}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{file}: is no card of an embedder ({error}); it takes {needed}") from error
    return ModelCard(
        name=str(model),
        kind="embedder",
        licence=str(values.get("licence", "not stated")),
        description=str(values.get("description", "a model of your own")),
        file=model.name,
        dimension=dimension,
        min_speech=min_speech,
        front_end=front_end,
    )
