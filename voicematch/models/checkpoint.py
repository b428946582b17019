"""Tensors out of a file that ``torch.save`` wrote, without torch and without running anything of it.

Such a file is a zip: a pickle that says which tensors there are, and their numbers as they lie in memory, a file each.
A pickle can ask for any function to be called. Here three names mean something, to nothing but the code below, and a
file that uses any other is refused.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from ..types import Array

MOST_BYTES = 4_000_000_000  # of one file inside; a zip may claim any size
MOST_PICKLE = 16_000_000  # bytes that say which tensors there are; those of a network of 20 M parameters take 46 kB
TYPES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


@dataclass(frozen=True, slots=True)
class _Type:
    """Stands for one of torch's classes of storage."""

    numbers: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class _Storage:
    numbers: np.dtype[Any]
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    shape: tuple[int, ...]


def read_tensors(file: Path) -> dict[str, Array]:
    """The tensors of a state dict by name, those of numbers with a point as float32.

    Raises ModelError when the file is none, asks for anything to be run, or is damaged.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            (listing,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            folder = listing.removesuffix("data.pkl")
            if archive.getinfo(listing).file_size > MOST_PICKLE:
                raise ModelError(f"{file}: is no checkpoint of a network: its list of tensors is too long")
            if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
                raise ModelError(f"{file}: was written on a machine that keeps its bytes in another order")
            described = _Tensors(io.BytesIO(archive.read(listing))).load()
            if not isinstance(described, dict):
                raise ModelError(f"{file}: holds no dictionary of tensors")
            return {_name(name): _read(archive, folder, tensor) for name, tensor in described.items()}
    except ModelError as error:
        raise ModelError(str(error) if str(file) in str(error) else f"{file}: {error}") from error
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"{file}: is no checkpoint that can be read: {error}") from error
    except (pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, EOFError, AttributeError) as error:
        reason = str(error) or type(error).__name__
        raise ModelError(f"{file}: is no dictionary of tensors: {reason}") from error


class _Tensors(pickle.Unpickler):
    """Knows a dictionary, torch's classes of storage, and how a tensor is made of one; refuses all other names."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in TYPES:
            return _Type(TYPES[name])
        raise ModelError(f"asks to run {module}.{name}, so it is not opened; is it a checkpoint of weights?")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, file, _, size = pid
        if kind != "storage" or not isinstance(storage, _Type) or not str(file).isalnum():
            raise ModelError(f"names numbers in a way that is not torch's: {pid!r}")
        return _Storage(storage.numbers, str(file), _count(size))


def _tensor(storage: object, offset: object, shape: object, stride: object, *rest: object) -> _Tensor:
    """What torch._utils._rebuild_tensor_v2 is called with; weights lie whole, one tensor to a storage."""
    if not isinstance(storage, _Storage) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
        raise ModelError("describes a tensor in a way that is not torch's")
    sizes = tuple(_count(size) for size in shape)
    usual = tuple(math.prod(sizes[axis + 1 :]) for axis in range(len(sizes)))
    if (
        offset != 0
        or math.prod(sizes) != storage.size
        or any(own != step and size > 1 for own, step, size in zip(stride, usual, sizes, strict=True))
    ):
        raise ModelError("has a tensor that is a view of another; weights are not")
    return _Tensor(storage, sizes)


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ModelError(f"gives {value!r} as a number of numbers")
    return value


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise ModelError(f"calls a tensor {name!r}")
    return name


def _read(archive: zipfile.ZipFile, folder: str, tensor: object) -> Array:
    if not isinstance(tensor, _Tensor):
        raise ModelError("holds something that is no tensor")
    numbers, expected = tensor.storage.numbers, tensor.storage.size * tensor.storage.numbers.itemsize
    held = archive.getinfo(f"{folder}data/{tensor.storage.file}")
    if expected > MOST_BYTES or held.file_size != expected:
        raise ModelError(f"{held.filename} holds {held.file_size} bytes, not {expected}")
    values = np.frombuffer(archive.read(held), numbers).reshape(tensor.shape)
    return values.astype(np.float32) if numbers.kind == "f" else values
