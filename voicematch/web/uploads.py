"""Forms with files: bounded in size, written to disk as they come, gone again when nobody keeps them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from ..errors import VoicematchError

MOST_FIELDS = 20


class TooLarge(VoicematchError):
    """More was sent than a form holds."""


@dataclass(frozen=True, slots=True)
class Received:
    """fields : by name; files : (the name that it was sent under, where it is until the form is done with)"""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, Path]] = field(default_factory=list)


@asynccontextmanager
async def received(request: Request, *, most: int, most_files: int) -> AsyncIterator[Received]:
    """Read a form of kind multipart/form-data. Its files are there until the block ends, unless they are moved away.

    most : bytes of all of it

    Raises TooLarge, VoicematchError.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise VoicematchError("send files as multipart/form-data")
    num_bytes = 0

    async def bounded() -> Message:
        nonlocal num_bytes
        message = await request.receive()
        num_bytes += len(message.get("body", b""))
        if num_bytes > most:
            raise TooLarge(f"more was sent than {most >> 20:,} MiB")
        return message

    folder = Path(tempfile.mkdtemp(prefix="voicematch-"))
    try:
        try:
            form = await Request(request.scope, bounded).form(max_files=most_files, max_fields=MOST_FIELDS)
        except HTTPException as error:
            raise VoicematchError(f"the form cannot be read: {error.detail}") from error
        taken = Received()
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                taken.fields[name] = value
            elif value.filename:
                path = folder / str(len(taken.files))
                await anyio.to_thread.run_sync(_write, value, path)
                taken.files.append((value.filename, path))
        await form.close()
        yield taken
    finally:
        await anyio.to_thread.run_sync(shutil.rmtree, folder, True)


def _write(sent: UploadFile, path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(sent.file, file)
