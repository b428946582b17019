"""Every error voicematch raises on purpose. Each message says what, where, and what to do.

VoicematchError
├── AudioError            the sound cannot be had from this file or URL
├── ModelError            a model file is missing, damaged or not the one expected
├── FormatError           a transcript or label file cannot be read; names its line
├── EnrollmentError       this clip will not make a usable voiceprint; says why
├── LibraryError          the library refuses
│   ├── ProfileNotFound   no profile of that name
│   ├── ProfileExists     a profile of that name is there already
│   ├── NothingThere      no episode, voice or appearance at that address
│   ├── ChangedSince      cannot be undone, because it has been changed again
│   └── EmbedderMismatch  a vector of one model met a library of another
├── EvaluationError       a reference, hypothesis or trial list cannot be scored
└── OutputExists          would overwrite a file; ``--force`` allows it
"""

from __future__ import annotations


class VoicematchError(Exception):
    """Root of the tree. ``str(error)`` is one line, fit to show."""


class AudioError(VoicematchError):
    """The sound cannot be had: no such file, no audio stream, nothing decodable, nobody speaks."""

    def __init__(self, source: object, reason: str) -> None:
        super().__init__(f"{source}: {reason}")


class ModelError(VoicematchError):
    """A model file is missing, damaged or not the one expected."""


class FormatError(VoicematchError):
    """A transcript or label file cannot be read.

    line : 1-based, or None when the whole file is meant
    reason : what is wrong, without where
    """

    def __init__(self, source: object, reason: str, line: int | None = None) -> None:
        where = f"{source}:{line}" if line is not None else f"{source}"
        super().__init__(f"{where}: {reason}")
        self.line = line
        self.reason = reason


class EnrollmentError(VoicematchError):
    """The clip will not make a usable voiceprint."""


class LibraryError(VoicematchError):
    """The library cannot do what was asked."""


class ProfileNotFound(LibraryError):
    """No profile has that name."""


class ProfileExists(LibraryError):
    """A profile has that name already."""


class NothingThere(LibraryError):
    """No episode, voice or appearance is there any more."""


class ChangedSince(LibraryError):
    """What is to be undone has been changed again."""


class EmbedderMismatch(LibraryError):
    """A vector of one embedder was offered to a library of another."""


class EvaluationError(VoicematchError):
    """A reference, hypothesis or trial list cannot be scored."""


class OutputExists(VoicematchError):
    """An output file is already there."""
