"""Where the files of models lie: found, checked against their sums, with what was measured of them beside."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from .. import given
from ..errors import ModelError
from .table import MODELS, card, is_known, is_local, local_file

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
    usual = Path(platformdirs.user_data_dir("voicematch", appauthor=False)) / "models"
    try:
        return package / "weights", package.parent / "models", given.expanded(own) if own else usual
    except OSError as error:
        raise ModelError(f"VOICEMATCH_MODELS={own}: {error.strerror}") from error


def pulled_folder(name: str) -> Path:
    """Return the folder where a pulled model's files are, or would be."""
    return folders()[-1] / name


def path(name: str) -> Path:
    """Return the model's file or folder, checked against its sums; ModelError when it is absent or damaged."""
    wanted = card(name)
    if is_local(name):
        file = Path(wanted.name)
        if not file.is_file():
            raise ModelError(f"{file} is missing; put it there, or choose another embedder")
        return file
    if wanted.source is None:
        file = _find(wanted.file, name)
        verify(file, wanted.sha256)
        return file
    folder = pulled_folder(name)
    for file_name, (sha256, _) in recorded(name).items():
        if not (folder / file_name).is_file():
            raise ModelError(f"{folder / file_name} is missing; voicematch models pull {name} fetches it again")
        verify(folder / file_name, sha256)
    if wanted.made_of and not (folder / wanted.file).is_file():
        raise ModelError(f"{name} was pulled by an earlier version; voicematch models pull {name} --from {folder}")
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
        record = given.parsed(given.text(file))
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
    return wanted.sha256 or sha256_of(path(name))


def beside(name: str, suffix: str) -> Path | None:
    """Return the file of what was measured of a model, called ``NAME`` with this ending; None when there is none.

    What was measured on this machine goes before what came with voicematch. What lies beside a calibration of other
    weights was measured with it, and is passed over.
    """
    return next((file for file in _places_beside(name, suffix) if file.is_file() and _is_fitting(name, file)), None)


def _is_fitting(name: str, file: Path) -> bool:
    """Whether the calibration in the same folder, if there is one that says, is of the model's weights."""
    calibrations = {one.parent: one for one in _places_beside(name, CALIBRATION)}
    try:
        return _is_of(name, given.parsed(given.text(calibrations[file.parent])).get("model"))
    except (OSError, ValueError, AttributeError):
        return True


def place_beside(name: str, suffix: str) -> Path:
    """Return where to write such a file: with the built-in models of this checkout, or with the pulled ones."""
    return folders()[1 if card(name).source is None else -1] / (name + suffix)


def keep_beside(name: str, suffix: str, content: bytes) -> Path:
    """Write such a file whole, where this machine's own are kept. Raises ModelError when it cannot be written."""
    place = _places_beside(name, suffix)[0]
    partial = place.with_name(f".{place.name}.partial")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(place)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ModelError(f"{place}: cannot be written: {error.strerror or error}") from error
    return place


def _places_beside(name: str, suffix: str) -> tuple[Path, ...]:
    if is_local(name):
        return (local_file(name).with_suffix(suffix),)
    if name not in MODELS:
        return ()
    package, checkout, own = folders()
    return tuple(folder / (name + suffix) for folder in (own, package, checkout))


def calibration_file(name: str, kit: str | None = None) -> Path | None:
    """The calibration of an embedder with the weights it has; None when there is none, or none of them.

    kit : digest of the calibration kit it has to be made with, unless it came with voicematch
    """
    for file in _places_beside(name, CALIBRATION):
        try:
            values = given.parsed(given.text(file))
            made_with, of = values.get("kit"), values.get("model")
        except FileNotFoundError:
            continue
        except (OSError, ValueError, AttributeError):
            return file  # reading it says what is wrong
        if _is_of(name, of) and (kit is None or made_with in (None, kit)):
            return file
    return None


def _is_of(name: str, sha256: str | None) -> bool:
    """Whether what was measured of these weights may be used: they are the model's, or it is not here to compare."""
    try:
        return sha256 is None or sha256 == fingerprint(name)
    except ModelError:
        return True


def calibration(name: str) -> Calibration:
    """Return how an embedder's scores are to be read, from ``NAME.calibration.json`` beside its file.

    Without one nobody has measured what its scores are worth, so names are only suggested, and never given.
    """
    from ..voices.score import Calibration

    file = calibration_file(name) if is_known(name) else None
    if file is not None:
        try:
            found = Calibration.from_json(given.text(file))
            if found.cohort is not None and found.cohort.vectors.shape[1] != card(name).dimension:
                raise ModelError(f"is not of vectors of dimension {card(name).dimension}")
            return found
        except (OSError, UnicodeDecodeError, ModelError) as error:
            again = f"voicematch calibrate --embedder {name} makes it anew"
            raise ModelError(f"{file}: cannot be read ({error}); {again}") from error
    if name in MODELS and MODELS[name].source is None:
        _find(name + CALIBRATION, name)
    return _cautious(name)


@functools.cache
def _cautious(name: str) -> Calibration:
    """Return a calibration that suggests from a cosine of 0.5 on, and accepts at no cosine."""
    from ..voices.score import Calibration

    log.warning(
        "no calibration for the embedder %r: names are suggested (maybe NAME) and never given, and unnamed voices are "
        "not recognised in other episodes; voicematch calibrate --embedder %s makes one",
        name,
        name,
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


def shipped(file: str) -> Path:
    """A file that comes with voicematch, other than a model. Raises ModelError when it is missing."""
    package, checkout, _ = folders()
    for folder in (package, checkout):
        if (folder / file).is_file():
            return folder / file
    raise ModelError(f"{file} is missing; install voicematch again")


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
    with given.opened(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
