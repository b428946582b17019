"""What an earlier command left undone, because it was killed or the disk was full: done before the next one begins."""

from __future__ import annotations

import logging

from .. import outputs
from ..errors import LibraryError
from ..library import Library, open_library, partial

log = logging.getLogger(__name__)


def finish(location: str | None) -> None:
    """Finish what is undone in the library at a path or URL, or the user's own; where none is, nothing is undone.

    Files with the names of before are written, half files are removed, forgotten bytes are let go of.
    """
    try:
        with open_library(location, create=False) as library:
            finish_for(library)
    except LibraryError as error:
        log.info("%s", error)  # the command that is about to run says it better


def finish_for(library: Library) -> None:
    """Finish what is undone in an open library."""
    for folder in {output.path.parent for output in library.outputs.stale()}:
        partial.sweep(folder)
    outputs.finish(library)
    library.upkeep.tidy()
