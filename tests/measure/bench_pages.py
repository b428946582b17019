"""How long each page takes on a library of 1,000 episodes, 500 speakers and 300,000 lines.

``python -m tests.measure.bench_pages [FOLDER]`` makes the library in FOLDER (some minutes; kept for the next time),
asks for every page 30 times through the whole app, without a network between, and prints the median and the 95th
percentile, and the median of the processor time, which is the figure to go by on a machine that does other work.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from starlette.testclient import TestClient

from tests.support.web_library import Size, make
from voicematch.library import Library, open_library
from voicematch.library.reading.episodes import key_of
from voicematch.web.app import create_app

SIZE = Size(episodes=1000, people=500, strangers=200, lines=300)
NUM_TIMES = 30
BUDGET_MS = 100.0


def addresses(library: Library) -> list[str]:
    """Return every page, and the heaviest of its kind where they differ."""
    most_heard = library.people.find(sort="talk", limit=1)[0][0]
    key = key_of(library.people.appearances(most_heard.id)[-1].audio_sha256)
    unknown = library.voices.unknowns(limit=1)[0][0].id
    return [
        "/speakers",
        "/speakers?page=20&sort=recent",
        "/speakers?q=fern",
        f"/speakers/{most_heard.id}",
        f"/speakers/{most_heard.id}?q=rain",
        f"/speakers/{most_heard.id}/episodes/{key}",
        "/episodes",
        "/episodes?page=40",
        "/episodes?q=moss",
        f"/episodes/{key}",
        f"/episodes/{key}?fix=1&line=5",
        f"/quotes/{key}/5",
        "/shows",
        "/settings",
        "/unknowns",
        f"/unknowns/{unknown}",
        "/review",
        "/backlog",
        "/search?q=word500",
        "/search?q=rain",
        '/search?q="the+north+wall"',
        f"/search?q=rain&speaker={most_heard.name}",
    ]


def measure(client: TestClient, address: str) -> tuple[float, float, float, int]:
    """Return the median, 95th percentile and median processor time in ms, and the bytes of the page."""
    taken, busy, size = [], [], 0
    for _ in range(NUM_TIMES):
        began, processor = time.perf_counter(), time.process_time()
        answer = client.get(address)
        taken.append(1000 * (time.perf_counter() - began))
        busy.append(1000 * (time.process_time() - processor))
        assert answer.status_code == 200, (address, answer.status_code, answer.text[:300])
        size = len(answer.content)
    return float(np.median(taken)), float(np.percentile(taken, 95)), float(np.median(busy)), size


def main(folder: Path) -> None:
    path = folder / "pages.db"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(folder / "new.db", size=SIZE)
        (folder / "new.db").rename(path)
    with open_library(path) as library:
        stats = library.upkeep.stats()
        print(f"{stats.num_episodes} episodes, {stats.num_profiles} profiles, {stats.num_lines} lines")
        client = TestClient(create_app(library), base_url="http://127.0.0.1:8765")
        slow = []
        for address in addresses(library):
            median, late, busy, size = measure(client, address)
            times = f"p50 {median:6.1f} ms  p95 {late:6.1f} ms  processor {busy:6.1f} ms"
            print(f"{address:50} {times}  {size / 1000:6.1f} kB", flush=True)
            if late > BUDGET_MS:
                slow.append(address)
        print(json.dumps({"over_100_ms": slow}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
