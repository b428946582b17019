"""Downloaded episodes, kept as long as there is room."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

import platformdirs

from ..net.addresses import path_of
from ..net.download import download
from ..types import Progress

MOST_EPISODE_BYTES = 2 << 30  # five hours of CD sound; a feed cannot ask for more
MOST_BYTES = 10 << 30  # of everything kept
OWN = re.compile(r"[0-9a-f]{32}(\.[a-z0-9]{1,4})?(\.part(\.json)?)?")  # what `path` calls a download; see `download`


def default_cache() -> Path:
    """Return where downloads are kept when nobody says: the platform's cache directory."""
    return Path(platformdirs.user_cache_dir("voicematch", appauthor=False)) / "audio"


class AudioCache:
    """A folder of downloads. Over ``most_bytes``, those that were not used for longest go; other files there stay."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self.most_bytes = most_bytes

    def path(self, url: str, version: str = "") -> Path:
        """Return where the content of an address is or would be. Of the address only its ending gets into the name.

        version : changes when the address holds something else than before
        """
        digest = hashlib.sha256(f"{url}\n{version}".encode(errors="surrogatepass")).hexdigest()[:32]
        suffix = path_of(url).suffix.lower()
        return self.folder / (
            digest + suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) < 6 else digest
        )

    def get(
        self,
        url: str,
        version: str = "",
        *,
        in_use: Callable[[], Collection[Path]] = frozenset,
        progress: Progress | None = None,
        nearby: str | None = None,
    ) -> Path:
        """Return the file with the content of an address, downloaded unless it is there.

        in_use : files that must stay, asked when something has to go
        nearby : who in this machine's own network may be asked; None where a person gave the address

        Raises AudioError.
        """
        path = self.path(url, version)
        try:
            os.utime(path)
        except FileNotFoundError:
            most_bytes = min(MOST_EPISODE_BYTES, self.most_bytes)
            download(url, path, most_bytes=most_bytes, progress=progress, nearby=nearby)
            self._shrink({path, *in_use()})
        return path

    def drop(self, url: str, version: str = "") -> None:
        """Do not keep what an address gave: it was no sound, and may be another time."""
        self.path(url, version).unlink(missing_ok=True)

    def _shrink(self, keep: Collection[Path]) -> None:
        kept = {path.name for path in keep}
        files = []
        for entry in os.scandir(self.folder):
            with suppress(FileNotFoundError):  # another worker made room
                if OWN.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    stat = entry.stat()
                    files.append((stat.st_mtime, stat.st_size, entry.name))
        total = sum(size for _, size, _ in files)
        for _, size, name in sorted(files):
            if total <= self.most_bytes:
                return
            if name.partition(".part")[0] not in kept:
                (self.folder / name).unlink(missing_ok=True)
                total -= size
