"""A backlog: find episodes, queue them in the library, run, survive, resume, report.

``find`` gives what ``library.jobs.add`` takes; ``run`` works the queue off in processes of this machine, and
``ray_cluster.run`` on a Ray cluster; ``report`` says what came of it.
"""

from __future__ import annotations

from .cache import AudioCache, default_cache
from .discover import Found, find, heard_as
from .local import run
from .pictures import keep as keep_pictures
from .report import as_json, as_markdown
from .work import Event, Outcome, Settings, Tally

__all__ = [
    "AudioCache",
    "Event",
    "Found",
    "Outcome",
    "Settings",
    "Tally",
    "as_json",
    "as_markdown",
    "default_cache",
    "find",
    "heard_as",
    "keep_pictures",
    "run",
]
