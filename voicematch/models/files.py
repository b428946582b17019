"""Where the files of models lie: found, checked against their sums, with what was measured of them beside."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError
from .table import MODELS, card

if TYPE_CHECKING:
    from ..voices.score import Calibration

log = logging.getLogger(__name__)


RECORD = "pulled.json"  # beside the files of a pulled model: where they came from, and their sums
CALIBRATION = ".calibration.json"


def folders() -> tuple[Path, ...]:
    """Return the folders in which model files are looked for, first to last.

    The package's own weights, the checkout's ``models/``, then ``$VOICEMATCH_MODELS`` or, when that is not set,
    the platform's data directory.
    """
    import platformdirs

    package = Path(__file__).resolve().parent.parent
    own = os.environ.get("VOICEMATCH_MODELS")
    kept = Path(own).expanduser() if own else Path(platformdirs.user_data_dir("voicematch", appauthor=False)) / "models"
    return package / "weights", package.parent / "models", kept


def pulled_folder(name: str) -> Path:
    """Return the folder where a pulled model's files are, or would be."""
    return folders()[-1] / name


def path(name: str) -> Path:
    """Return the model's file or folder, checked against its sums; ModelError when it is absent or damaged."""
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
    """Return whether a model can be used without pulling anything; damage is `path`'s to find."""
    wanted = card(name)
    if wanted.source is not None:
        return (pulled_folder(name) / RECORD).is_file()
    return any((folder / wanted.file).is_file() for folder in folders())


def recorded(name: str) -> dict[str, tuple[str, int]]:
    """Return by file the (sha256, bytes) a model had when it was pulled. ModelError when it never was."""
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
    """Return the sha256 of the model's file: it tells its vectors from those of other weights under the same name."""
    wanted = card(name)
    return wanted.sha256 or recorded(name)[wanted.file][0]


def beside(name: str, suffix: str) -> Path | None:
    """Return the file of what was measured of a model, called ``NAME`` with this ending; None when there is none."""
    if name not in MODELS:
        return None
    return next((folder / (name + suffix) for folder in folders() if (folder / (name + suffix)).is_file()), None)


def place_beside(name: str, suffix: str) -> Path:
    """Return where to write such a file: with the built-in models of this checkout, or with the pulled ones."""
    return folders()[1 if card(name).source is None else -1] / (name + suffix)


def calibration(name: str) -> Calibration:
    """Return how an embedder's scores are to be read, from ``NAME.calibration.json`` beside its file.

    Without one nobody has measured what its scores are worth, so names are only suggested, and never given.
    """
    from ..voices.score import Calibration

    file = beside(name, CALIBRATION)
    if file is not None:
        return Calibration.from_json(file.read_text(encoding="utf-8"))
    if name in MODELS and MODELS[name].source is None:
        _find(name + CALIBRATION, name)
    return _cautious(name)


@functools.cache
def _cautious(name: str) -> Calibration:
    """Return a calibration that suggests from a cosine of 0.5 on, and accepts at no cosine."""
    from ..voices.score import Calibration

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
    """Raise ModelError when the file's sha256 is not the one given.

    A file is read once in the life of the process, and again when its size or time has changed.
    """
    actual = sha256_of(file)
    if actual != sha256:
        raise ModelError(f"{file}: damaged or another model: sha256 {actual[:16]}… is not {sha256[:16]}…; replace it")


def sha256_of(file: Path) -> str:
    """Return the file's sha256, hexadecimal."""
    stat = file.stat()
    return _sha256(file, stat.st_size, stat.st_mtime_ns)


@functools.cache
def _sha256(file: Path, size: int, mtime_ns: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
