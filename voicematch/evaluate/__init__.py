"""How good an answer is: who spoke when, under which name, and how well voices are told apart."""

from .diarization import (
    DiarizationScore,
    IdentificationScore,
    NamingScore,
    diarization_error,
    identification_error,
    naming,
    pieces,
    read_rttm,
    read_uem,
    total,
)
from .verification import (
    Trial,
    TrialScore,
    cllr,
    detection_at,
    eer,
    min_cllr,
    min_dcf,
    read_trials,
    trials,
)

__all__ = [
    "DiarizationScore",
    "IdentificationScore",
    "NamingScore",
    "Trial",
    "TrialScore",
    "cllr",
    "detection_at",
    "diarization_error",
    "eer",
    "identification_error",
    "min_cllr",
    "min_dcf",
    "naming",
    "pieces",
    "read_rttm",
    "read_trials",
    "read_uem",
    "total",
    "trials",
]
