"""voicematch says who is speaking in a podcast, by name, because it remembers voices.

>>> from voicematch import identify, enroll, open_library  # doctest: +SKIP
>>> with open_library() as library:  # doctest: +SKIP
...     enroll("Ada", "ada.wav", library=library, consent="permission")
...     episode = identify("episode.mp3", library=library)
...     for turn in episode.turns:
...         print(turn.start, episode.name(turn.speaker))

The way of an episode through the package::

    file or URL ─ audio ─▶ 16 kHz blocks ─ engines ─▶ turns, voices ─ voices ─▶ names ─ outputs, formats ─▶ files
                                                                         ▲ │
    transcript ─ formats ─▶ lines ─ transcript ─▶ lines with speakers    │ ▼
                                                                       library ─▶ web pages, search, relabelling

The rooms, from the top; each imports only from rooms below it, and a test checks that::

    __main__     python -m voicematch
    cli          a command: parse, open the library, make one call, print
    assistant    the library as tools of an assistant (Model Context Protocol)
    web          the local pages, JSON beside each, the site as files
    batch        a backlog: find episodes, queue them, run, survive, report
    usecases     what a person asks for, a file each: identify, enroll, name, upgrade; recognise is the policy of names
    outputs      files on disk: where they go, written whole, following a naming
    evaluate     how good an answer is: DER, JER, IER, EER, Cllr
    engines      who speaks when, and what a voice is like: the built-in ones, pyannote, SpeechBrain
    library      what is remembered: profiles, voiceprints, episodes, what a person said; reading is for lists and pages
    models       the table of models, their files, their sessions, the hub
    voices       from vectors to names: score, match, the rules above likeness. Pure
    transcript   words to speakers, a transcript of another cut, Whisper
    audio        any file or address to mono blocks of 16 kHz
    formats      text to and from every format; pictures written anew
    net          what may be reached and how it is fetched
    types, errors    the values that flow, and every error raised on purpose
    given            a file that somebody named, opened only if it is one

Start reading at ``usecases/identify.py``. Names are imported on first use, so that ``import voicematch`` and
``voicematch --help`` stay quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .net import reports

if TYPE_CHECKING:
    from .errors import (
        AudioError,
        EmbedderMismatch,
        EnrollmentError,
        EvaluationError,
        FormatError,
        LibraryError,
        ModelError,
        OutputExists,
        ProfileExists,
        ProfileNotFound,
        VoicematchError,
    )
    from .library import Library, open_library
    from .types import Candidate, Embedding, LabelledEpisode, Line, Match, Turn, Verdict, Word
    from .usecases.enroll import enroll
    from .usecases.identify import identify
    from .usecases.learn import Enrollment
    from .usecases.name import Change, correct, name, name_unknown, relabel

__version__ = "0.1.0"

reports.switch_off()  # before anything that would report is imported

_HOMES = {
    **dict.fromkeys(
        (
            "AudioError",
            "EmbedderMismatch",
            "EnrollmentError",
            "EvaluationError",
            "FormatError",
            "LibraryError",
            "ModelError",
            "OutputExists",
            "ProfileExists",
            "ProfileNotFound",
            "VoicematchError",
        ),
        "errors",
    ),
    **dict.fromkeys(("Library", "open_library"), "library"),
    **dict.fromkeys(("Candidate", "Embedding", "LabelledEpisode", "Line", "Match", "Turn", "Verdict", "Word"), "types"),
    "enroll": "usecases.enroll",
    "identify": "usecases.identify",
    "Enrollment": "usecases.learn",
    **dict.fromkeys(("Change", "correct", "name", "name_unknown", "relabel"), "usecases.name"),
}

__all__ = [
    "AudioError",
    "Candidate",
    "Change",
    "EmbedderMismatch",
    "Embedding",
    "Enrollment",
    "EnrollmentError",
    "EvaluationError",
    "FormatError",
    "LabelledEpisode",
    "Library",
    "LibraryError",
    "Line",
    "Match",
    "ModelError",
    "OutputExists",
    "ProfileExists",
    "ProfileNotFound",
    "Turn",
    "Verdict",
    "VoicematchError",
    "Word",
    "correct",
    "enroll",
    "identify",
    "name",
    "name_unknown",
    "open_library",
    "relabel",
]


def __getattr__(attribute: str) -> object:
    if attribute not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
    return getattr(importlib.import_module(f".{_HOMES[attribute]}", __name__), attribute)
