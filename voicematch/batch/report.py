"""What came of a backlog: who was named, who is unknown, what failed, and how long they talk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..library import Job, JobSpeaker, Library, State


def as_json(library: Library) -> dict[str, Any]:
    """Return the report as JSON takes it: counts, people and episodes."""
    jobs, voices = library.jobs.find(), library.jobs.voices()
    counts = library.jobs.counts()
    return {
        "counts": {str(state): num for state, num in counts.items()},
        "changed": sum(job.changed is not None for job in jobs),
        "talk_seconds": sum(voice.talk_seconds for of_job in voices.values() for voice in of_job),
        "named_seconds": sum(voice.talk_seconds for of_job in voices.values() for voice in of_job if voice.name),
        "people": _people(voices.values()),
        "episodes": [_episode(job, voices.get(job.id, ())) for job in jobs],
    }


def as_markdown(library: Library) -> str:
    """Return the report for a person to read."""
    report = as_json(library)
    counts = report["counts"]
    share = report["named_seconds"] / report["talk_seconds"] if report["talk_seconds"] else 0.0
    parts = [
        "# Backlog",
        f"{counts[State.DONE]} done, {counts[State.FAILED]} failed, "
        f"{counts[State.QUEUED] + counts[State.RUNNING]} to do. "
        f"{_hours(report['talk_seconds'])} of talk, {share:.0%} of it by people with a name.",
    ]
    if report["people"]:
        rows = [(p["name"], str(p["num_episodes"]), _hours(p["talk_seconds"])) for p in report["people"]]
        parts += ["## People", _table(("name", "episodes", "talk"), rows)]
    done = [episode for episode in report["episodes"] if episode["state"] == State.DONE]
    if done:
        listed = [
            (
                episode["date"] or "",
                episode["show"],
                episode["title"] + (" (its sound has changed since)" if episode["changed"] else ""),
                ", ".join(f"{voice['name']} {_hours(voice['talk_seconds'])}" for voice in episode["named"]),
                ", ".join(f"{voice['speaker']} {_hours(voice['talk_seconds'])}" for voice in episode["unknown"]),
            )
            for episode in done
        ]
        parts += ["## Episodes", _table(("date", "show", "title", "named", "unknown"), listed)]
    failed = [episode for episode in report["episodes"] if episode["state"] == State.FAILED]
    if failed:
        parts += ["## Failed", _table(("title", "why"), [(episode["title"], episode["error"]) for episode in failed])]
    return "\n\n".join(parts) + "\n"


def _people(of_jobs: Any) -> list[dict[str, Any]]:
    talk: dict[str, float] = {}
    num_episodes: dict[str, int] = {}
    for of_job in of_jobs:
        for voice in of_job:
            if voice.name is not None:
                talk[voice.name] = talk.get(voice.name, 0.0) + voice.talk_seconds
        for name in {voice.name for voice in of_job if voice.name is not None}:
            num_episodes[name] = num_episodes.get(name, 0) + 1
    by_talk = sorted(talk, key=lambda name: (-talk[name], name))
    return [{"name": name, "num_episodes": num_episodes[name], "talk_seconds": talk[name]} for name in by_talk]


def _episode(job: Job, voices: Sequence[JobSpeaker]) -> dict[str, Any]:
    return {
        "key": job.key,
        "source": job.source,
        "show": job.show,
        "title": job.title,
        "date": job.date,
        "state": str(job.state),
        "attempts": job.attempts,
        "error": job.error,
        "changed": job.changed,
        "audio_sha256": job.audio_sha256,
        "named": [{"name": v.name, "talk_seconds": v.talk_seconds} for v in voices if v.name is not None],
        "unknown": [
            {"speaker": v.speaker, "verdict": v.verdict, "talk_seconds": v.talk_seconds} for v in voices if not v.name
        ],
    }


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def _hours(seconds: float) -> str:
    """
    >>> _hours(62.4), _hours(3723)
    ('1:02', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
