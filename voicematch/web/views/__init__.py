"""What each page shows, as values: a template lays out one of these, and the page's JSON is the same value.

Times are seconds; dates are ISO 8601 text. ``key`` is what an episode is called in an address: the first digits of its
audio's sha256. Nothing here holds a vector or a local path.
"""

from __future__ import annotations

from .episodes import EpisodeCard, EpisodePage, EpisodesPage, EpisodeSpeaker, SearchPage, TimelineTurn
from .judging import HeardIn, ReviewCard, ReviewPage, UnknownCard, UnknownPage, UnknownsPage
from .people import (
    AppearanceCard,
    Point,
    ShowRole,
    SpeakerCard,
    SpeakerEpisodePage,
    SpeakerPage,
    SpeakersPage,
    VoiceprintSource,
    VoiceProfile,
)
from .pieces import NUM_COLORS, Done, EpisodeExcerpt, ErrorPage, FoundLine, Paging, SurePage, TranscriptLine, Undoable
from .work import BacklogPage, JobCard

__all__ = [
    "NUM_COLORS",
    "AppearanceCard",
    "BacklogPage",
    "Done",
    "EpisodeCard",
    "EpisodeExcerpt",
    "EpisodePage",
    "EpisodeSpeaker",
    "EpisodesPage",
    "ErrorPage",
    "FoundLine",
    "HeardIn",
    "JobCard",
    "Paging",
    "Point",
    "ReviewCard",
    "ReviewPage",
    "SearchPage",
    "ShowRole",
    "SpeakerCard",
    "SpeakerEpisodePage",
    "SpeakerPage",
    "SpeakersPage",
    "SurePage",
    "TimelineTurn",
    "TranscriptLine",
    "Undoable",
    "UnknownCard",
    "UnknownPage",
    "UnknownsPage",
    "VoiceProfile",
    "VoiceprintSource",
]
