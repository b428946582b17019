"""Work: episodes added to the queue, the queue run and stopped, a voice learned, and what the library keeps."""

from __future__ import annotations

from ...audio.together import reopened
from ...batch.discover import find
from ...errors import AudioError
from ...formats.amounts import plural
from ...library import Library
from ...net.addresses import is_address
from ...usecases import name as naming
from ...usecases import recluster as reclustering
from ...usecases.enroll import hear, keep
from ...usecases.name import Change
from ..addresses import path
from ..telling import plain
from ..working import QueueRun
from .action import EPISODE, NAME, Action, ActionOutcome, Field, Fields, WrongFields
from .fixing import LINES, SEEN, episode_seen, numbers, spans_of

MOST_ADDED = 1_000  # of one feed, the newest
MOST_SPEAKERS = 30


def _add(run: QueueRun, library: Library, fields: Fields) -> ActionOutcome:
    source = fields["source"]
    if not is_address(source):
        raise WrongFields("give the address of a feed or of a sound file, https://…; drop files of this machine here")
    found = find([source], limit=MOST_ADDED)
    added = library.jobs.add(found.jobs, by_hand=True)
    text = f"{plural(added.num_new, 'episode')} queued"
    if added.num_known:
        text += f", {added.num_known:,} known already"
    if added.num_removed:
        text += f", of which {added.num_removed:,} were removed and are not labelled again"
    if added.num_new and fields["start"]:
        run.start()
    return ActionOutcome(text, warnings=tuple(map(plain, found.left_out)), go=path("backlog"))


def _retry(run: QueueRun, library: Library, fields: Fields) -> ActionOutcome:
    keys = [job.key for job in library.jobs.find() if str(job.id) == fields["job"]] if fields["job"] else []
    if fields["job"] and not keys:
        raise WrongFields("that job is not there any more")
    num = library.jobs.retry(keys)
    run.start()
    return ActionOutcome(f"{plural(num, 'episode')} queued again")


def _start(run: QueueRun, library: Library, fields: Fields) -> ActionOutcome:
    return ActionOutcome("The queue is worked off" if run.start() else "The queue is being worked off already")


def _stop(run: QueueRun, library: Library, fields: Fields) -> ActionOutcome:
    stops = run.stop()
    return ActionOutcome("Stops after the step in hand; what is not done stays queued" if stops else "Nothing runs")


def _enroll(library: Library, fields: Fields) -> ActionOutcome:
    """The longest run of the marked lines is what the voice is learned from."""
    episode = episode_seen(library, fields)
    lines = numbers(fields["lines"])
    if is_address(episode.source):
        raise AudioError("the sound of this episode", "is not on this machine")
    if any(part.source for part in episode.parts):
        raise AudioError("the sound of this episode", "is a recording for each person; enroll from one of them")
    choice = reopened(episode.source, episode.parts).choice
    start, end = max(spans_of(episode, lines), key=lambda span: span[1] - span[0])
    if not fields["consent"]:
        raise WrongFields(f"say why the voice of {fields['name']} may be kept")
    consent = fields["consent"]
    heard = hear(fields["name"], episode.source, library=library, consent=consent, start=start, end=end, choice=choice)
    with library.recording(clips_of=[heard.name]) as recorded:  # which keeps everybody else from writing
        added = keep(heard, library=library)
        changes = naming.relabel(library=library)
    text = f"The voice of {added.profile} is learned from {plural(round(added.speech_seconds), 'second')} of speech"

    def take_back(library: Library) -> tuple[Change, ...]:
        return naming.undo(recorded, library=library)

    return ActionOutcome(text, changes, added.warnings, added.profile, take_back=take_back)


def _recluster(library: Library, fields: Fields) -> ActionOutcome:
    number = fields["speakers"]
    if number and not (number.isascii() and number.isdecimal() and 1 <= int(number[:3]) <= MOST_SPEAKERS):
        raise WrongFields(f"speakers: a number from 1 to {MOST_SPEAKERS}, or nothing")
    asked = (int(number), int(number)) if number else None
    done = reclustering.recluster(fields["episode"], asked, library=library)
    found = plural(len(done.episode.talk_seconds()), "voice")

    def take_back(library: Library) -> tuple[Change, ...]:
        return reclustering.undo(done.episode.audio_sha256, done.number, library=library).changes

    warnings = tuple(map(plain, done.warnings))
    return ActionOutcome(f"The episode has {found} now", done.changes, warnings, take_back=take_back)


def _ask_of_reclustering(library: Library, fields: Fields) -> tuple[str, str]:
    return (
        "The voices of this episode are told apart anew. What a person named or fixed stays, and it can be undone.",
        "Tell them apart anew",
    )


def _remember(library: Library, fields: Fields) -> ActionOutcome:
    yes = fields["yes"] == "yes"
    library.settings.remember_unknowns(yes)
    return ActionOutcome(f"Voices without a name are {'remembered' if yes else 'not remembered'} from now on")


def _check(library: Library, fields: Fields) -> ActionOutcome:
    findings = library.upkeep.check()
    text = f"{plural(len(findings), 'thing')} to mend" if findings else "The library is in order"
    return ActionOutcome(text, warnings=tuple(map(plain, findings)))


def _relabel(library: Library, fields: Fields) -> ActionOutcome:
    return ActionOutcome("Every episode is matched with the voices known now", naming.relabel(library=library))


_NOTHING: tuple[Field, ...] = ()

WORK = {
    "add": Action(
        "Queue what is at an address: a feed, a sound file, a list of feeds.",
        (
            Field("source", "the address, https://…"),
            Field("start", '"yes" works the queue off at once', may_be_empty=True),
        ),
        work=_add,
    ),
    "retry": Action(
        "Queue a failed job again, or all of them.",
        (Field("job", "the job's number; empty: all that failed", may_be_empty=True),),
        work=_retry,
    ),
    "start": Action("Work the queue off.", _NOTHING, work=_start),
    "stop": Action("Stop after the step in hand.", _NOTHING, work=_stop),
    "enroll-stretch": Action(
        "Learn a person's voice from lines of an episode whose sound is on this machine.",
        (EPISODE, LINES, SEEN, NAME, Field("consent", "why the voice may be kept")),
        _enroll,
        keeps_its_own=True,
    ),
    "recluster": Action(
        "Tell the voices of an episode apart anew, without its sound.",
        (EPISODE, Field("speakers", "how many there are; empty: as many as are heard", may_be_empty=True)),
        _recluster,
        question=_ask_of_reclustering,
        keeps_its_own=True,
    ),
    "remember-unknowns": Action(
        "Keep voices without a name from now on, or do not.",
        (Field("yes", "yes or no"),),
        _remember,
        keeps_its_own=True,
    ),
    "check": Action("Look for damage in the library.", _NOTHING, _check, keeps_its_own=True),
    "relabel": Action("Match every episode with the voices known now.", _NOTHING, _relabel),
}
