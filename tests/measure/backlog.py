"""Shows a backlog at work: feeds on loopback, a run that is killed again and again, two names, and who was named.

``python -m tests.measure.backlog ../shared/data/dev --work build/backlog --kills 20 --show tts --show syn`` takes the
folder of episodes with truth (``manifest.json``, and ``audio.*`` and ``ref.rttm`` for each); each show is a feed of its
own. Without a folder, episodes are made of pure tones and the engines are those of ``tests.support.tones``: quick, and
enough to see whether killing does harm. ``--names N`` names so many of the unknowns, the most heard first.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from tests.support.loopback import Page, Site, serve
from tests.support.tones import write_episode
from tests.usecases.test_identify import CALIBRATION
from voicematch.library import State, open_library
from voicematch.types import Turn

RUN = "from tests.support.tones import SLOW_ENGINES; from voicematch import cli; import sys; " + (
    "sys.exit(cli.run(sys.argv[1:], engines=SLOW_ENGINES if {tones} else None)) if __name__ == '__main__' else None"
)
TONE_SHOW = {"T1": "AB", "T2": "AC", "T3": "AD", "T4": "AB", "T5": "AC", "T6": "ABD"}


@dataclass(frozen=True)
class Truth:
    """An episode, and who speaks when in it."""

    title: str
    show: str
    audio: Path
    turns: tuple[Turn, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="a new folder for the library and the outputs")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most-wait", type=float, default=8.0, help="seconds a run may live before it is killed")
    parser.add_argument("--show", action="append", default=[], help="only shows whose name begins so")
    parser.add_argument("--names", type=int, default=2, help="how many naming commands to give")
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True)
    episodes = read_truth(chosen.folder, tuple(chosen.show)) if chosen.folder else tone_show(chosen.work / "audio")
    command = Command(chosen.work, tones=chosen.folder is None)
    with serve() as site:
        feeds = publish(site, episodes)
        print(f"{len(episodes)} episodes of {len({episode.show for episode in episodes})} shows at {feeds}")
        command("batch", "add", feeds)
        killed = run_and_kill(command, chosen.kills, chosen.jobs, random.Random(chosen.seed), chosen.most_wait)
        print(f"{killed} kills; then a run to the end")
        started = time.monotonic()
        command("batch", "run", "--jobs", str(chosen.jobs), "-f", "vtt", "-f", "json", "--out", "out", "--quiet")
        print(f"ended after {time.monotonic() - started:.0f} s")
    check(command, episodes)
    name_the_hosts(command, episodes, chosen.names)


class Command:
    """``voicematch`` in a folder, with a library and a cache of its own."""

    def __init__(self, work: Path, *, tones: bool) -> None:
        self.work = work
        self.tones = tones
        self.environment = os.environ | {
            "VOICEMATCH_LIBRARY": str(work / "library.db"),
            "XDG_CACHE_HOME": str(work / "cache"),
            "PYTHONPATH": str(Path(__file__).parent.parent.parent.absolute()),
        }
        if tones:
            with open_library(work / "library.db", embedder="fake", dimension=8) as library:
                library.settings.set("calibration", CALIBRATION.to_json())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        script = self.work / "run.py"
        script.write_text(RUN.format(tones=self.tones))
        return subprocess.Popen(
            [sys.executable, "run.py", *arguments],
            cwd=self.work,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *arguments: str) -> str:
        """Run a command, which must succeed, and return what it prints."""
        process = self.start(*arguments)
        out, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"voicematch {' '.join(arguments)}: exit {process.returncode}")
        return out


def read_truth(folder: Path, shows: tuple[str, ...]) -> list[Truth]:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    truths = []
    for episode in manifest["episodes"]:
        if not shows or episode["show"].startswith(shows):
            home = folder / episode["id"]
            rows = [line.split() for line in (home / "ref.rttm").read_text(encoding="utf-8").splitlines()]
            turns = [Turn(float(r[3]), float(r[3]) + float(r[4]), r[7]) for r in rows if r and r[0] == "SPEAKER"]
            truths.append(Truth(episode["id"], episode["show"], home / episode["audio"], tuple(turns)))
    return truths


def tone_show(folder: Path) -> list[Truth]:
    truths: list[Truth] = []
    for title, voices in TONE_SHOW.items():
        heard = voices * 24  # s of each voice, enough to be remembered
        turns = tuple(Turn(float(n), n + 1.0, voice) for n, voice in enumerate(heard))
        path = write_episode(folder / f"{title}.wav", heard, level=0.5 - len(truths) / 100)  # each its own sound
        truths.append(Truth(title, "tones", path, turns))
    return truths


def publish(site: Site, episodes: list[Truth]) -> str:
    """Publish a list of feeds, one a show; one episode gets its connection cut in the middle, to be taken up again."""
    items: dict[str, list[str]] = {}
    for number, episode in enumerate(episodes):
        path = f"/{episode.title}{episode.audio.suffix}"
        size = episode.audio.stat().st_size
        site.pages[path] = Page(episode.audio, "audio/mpeg", breaks=[size // 2] if number == 0 else [])
        of_show = items.setdefault(episode.show, [])
        of_show.append(
            f"<item><guid>{episode.title}</guid><title>{escape(episode.title)}</title>"
            f"<pubDate>{len(of_show) + 1:02} Jan 2024 06:00:00 GMT</pubDate>"
            f'<enclosure url="{path}" length="{size}" type="audio/mpeg"/></item>'
        )
    outlines = ""
    for show, own in items.items():
        text = f"<rss version='2.0'><channel><title>{escape(show)}</title>{''.join(own)}</channel></rss>"
        site.pages[f"/{show}.xml"] = Page(text.encode(), "application/rss+xml")
        outlines += f'<outline xmlUrl="{site.url}/{show}.xml"/>'
    site.pages["/shows.opml"] = Page(f"<opml><body>{outlines}</body></opml>".encode(), "text/x-opml")
    return f"{site.url}/shows.opml"


def run_and_kill(command: Command, num_kills: int, num_jobs: int, chance: random.Random, most_wait: float) -> int:
    """Start a run and kill it at a random moment, so many times, or until everything is done; return how often.

    By turns the whole run goes with its workers, or the run alone; one time in four before anything has begun.
    """
    for kill in range(num_kills):
        with open_library(command.work / "library.db") as library:
            counts = library.jobs.counts()
        if not counts[State.QUEUED] + counts[State.RUNNING]:
            return kill
        arguments = ("batch", "run", "--jobs", str(num_jobs), "-f", "vtt", "-f", "json", "--out", "out", "--quiet")
        process = command.start(*arguments)
        if chance.random() < 0.75:
            wait_for_work(command, process)
        time.sleep(chance.uniform(0.0, most_wait))
        if kill % 2:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        print(f"kill {kill + 1}: { ({str(state): num for state, num in counts.items() if num}) } before", flush=True)
    return num_kills


def wait_for_work(command: Command, process: subprocess.Popen[str]) -> None:
    """Wait until a worker of this run has a job in hand, or the run has ended."""
    with open_library(command.work / "library.db") as library:
        before = {(job.id, job.attempts) for job in library.jobs.find()}
        while process.poll() is None:
            running = {(job.id, job.attempts) for job in library.jobs.find(State.RUNNING)}
            if running - before:
                return
            time.sleep(0.02)


def check(command: Command, episodes: list[Truth]) -> None:
    """Check that every episode is done once: one row, one stored episode, each file once, nothing half written."""
    with open_library(command.work / "library.db") as library:
        jobs = library.jobs.find()
        assert [str(job.state) for job in jobs] == ["done"] * len(episodes), [(j.title, j.state, j.error) for j in jobs]
        assert len({job.audio_sha256 for job in jobs}) == len(library.listings.episodes()[0]) == len(episodes)
        assert library.upkeep.check() == ()
        attempts = Counter(job.attempts for job in jobs)
    of_day = len("2024-01-01-")
    written = sorted(path.name[of_day:] for path in (command.work / "out").rglob("*") if path.is_file())
    wanted = sorted(f"{episode.title}.{form}" for episode in episodes for form in ("json", "vtt"))
    assert written == wanted, set(written) ^ set(wanted)
    print(f"each of {len(episodes)} episodes done once; begun so often: {dict(sorted(attempts.items()))}")


def name_the_hosts(command: Command, episodes: list[Truth], num_names: int) -> None:
    """Name the voices that recur most by who they are, and show who is named then, against the truth."""
    unknowns = json.loads(command("unknowns", "list", "--json", "--limit", "1000"))
    truth = {episode.title: episode.turns for episode in episodes}
    print("\nvoices heard in more than one episode, or as more than one person:")
    people_of = {
        unknown["id"]: [(s["title"], person_of(command, s, truth)) for s in unknown["speakers"]] for unknown in unknowns
    }
    for unknown in unknowns:
        heard = people_of[unknown["id"]]
        if len(heard) > 1:
            who = ", ".join(f"{title}={person}" for title, person in sorted(heard))
            print(f"  {unknown['id']} ({unknown['role'] or 'no role'}): {who}")
    num_mixed = sum(len({person for _, person in heard}) > 1 for heard in people_of.values())
    recurring = {person: set[str]() for heard in people_of.values() for _, person in heard}
    for number, heard in people_of.items():
        for _, person in heard:
            recurring[person].add(number)
    num_split = sum(len(numbers) > 1 for numbers in recurring.values())
    print(f"{len(unknowns)} unknowns: {num_mixed} hold two people, {num_split} people are in two")
    for unknown in unknowns[:num_names]:
        who = Counter(person for _, person in people_of[unknown["id"]]).most_common(1)[0][0]
        print(f"voicematch name {unknown['id']} {who}")
        command("name", unknown["id"], who, "--consent", "public")
    print_names(command, truth)


def print_names(command: Command, truth: dict[str, tuple[Turn, ...]]) -> None:
    """Print a row for each episode, and the talk time over all of them by what became of it."""
    named: set[str] = set()
    rows = []
    for episode in json.loads(command("batch", "report", "--json"))["episodes"]:
        right = hits(command, episode["audio_sha256"], truth[episode["title"]])
        rows.append((episode, right))
        named |= {voice["name"] for voice in episode["named"]}
    print(f"\n{'episode':24} {'named (of their talk time, what is theirs)':60} not named")
    total = dict.fromkeys(("right", "wrong", "unknown, and should be named", "unknown"), 0.0)
    for episode, right in rows:
        own = overlap_by_name(command, episode["audio_sha256"], truth[episode["title"]])
        for (given, person), seconds in own.items():
            if given in named:
                total["right" if given == person else "wrong"] += seconds
            else:
                total["unknown, and should be named" if person in named else "unknown"] += seconds
        shown = ", ".join(
            f"{v['name']} {v['talk_seconds']:.0f} s ({right.get(v['name'], 0):.0%})" for v in episode["named"]
        )
        print(f"{episode['title']:24} {shown:60} {', '.join(v['speaker'] for v in episode['unknown'])}")
    every = sum(total.values())
    print("\nof all talk time: " + ", ".join(f"{what} {seconds / every:.2%}" for what, seconds in total.items()))


def overlap_by_name(command: Command, audio_sha256: str, truth: tuple[Turn, ...]) -> dict[tuple[str, str], float]:
    """Return the seconds by (name or label given, who really speaks); "nobody" where nobody does."""
    with open_library(command.work / "library.db") as library:
        episode = library.episodes.get(audio_sha256)
    seconds_by_names: dict[tuple[str, str], float] = {}
    for speaker, talk in episode.talk_seconds().items():
        own = overlap([turn for turn in episode.turns if turn.speaker == speaker], truth)
        for person, seconds in (own | {"nobody": max(talk - sum(own.values()), 0.0)}).items():
            key = (episode.name(speaker), person)
            seconds_by_names[key] = seconds_by_names.get(key, 0.0) + seconds
    return seconds_by_names


def person_of(command: Command, speaker: dict[str, str], truth: dict[str, tuple[Turn, ...]]) -> str:
    """Return who it is that most overlaps with a speaker of a stored episode."""
    with open_library(command.work / "library.db") as library:
        turns = [t for t in library.episodes.get(speaker["audio_sha256"]).turns if t.speaker == speaker["speaker"]]
    seconds = overlap(turns, truth[speaker["title"]])
    return max(seconds, key=seconds.__getitem__) if any(seconds.values()) else "nobody"


def hits(command: Command, audio_sha256: str, truth: tuple[Turn, ...]) -> dict[str, float]:
    """Return by name given the share of that speaker's talk time which is that person's."""
    with open_library(command.work / "library.db") as library:
        episode = library.episodes.get(audio_sha256)
    share_by_name = {}
    for speaker, seconds in episode.talk_seconds().items():
        own = overlap([turn for turn in episode.turns if turn.speaker == speaker], truth)
        share_by_name[episode.name(speaker)] = own.get(episode.name(speaker), 0.0) / seconds
    return share_by_name


def overlap(turns: list[Turn], truth: tuple[Turn, ...]) -> dict[str, float]:
    """Return the seconds that each person really speaks in these turns."""
    seconds: dict[str, float] = {}
    for turn in turns:
        for real in truth:
            both = max(0.0, min(turn.end, real.end) - max(turn.start, real.start))
            seconds[real.speaker] = seconds.get(real.speaker, 0.0) + both
    return seconds


if __name__ == "__main__":
    main()
