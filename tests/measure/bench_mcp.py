"""How long an assistant waits for each answer, at 1,000 episodes, 500 people and 300,000 lines.

``python -m tests.measure.bench_mcp [FOLDER]`` makes the library in FOLDER as `bench_pages` does (some minutes; kept for
the next time), starts ``voicematch mcp`` on it, asks every tool that reads 30 times over standard input and output with
the SDK's own client, and prints the median and the 95th percentile.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from mcp import Client, StdioServerParameters, stdio_client

from tests.measure.bench_pages import SIZE
from tests.support.web_library import make
from voicematch.library import Library, open_library
from voicematch.library.reading.episodes import key_of

NUM_TIMES = 30
BUDGET_MS = 100.0


def questions(library: Library) -> list[tuple[str, dict[str, Any]]]:
    """Return what is asked: every tool that reads, and the heaviest of its kind where they differ."""
    most_heard = library.people.find(sort="talk", limit=1)[0][0]
    key = key_of(library.people.appearances(most_heard.id)[-1].audio_sha256)
    title = library.listings.episode(key).summary.title
    return [
        ("search", {"words": "rain"}),
        ("search", {"words": "word500"}),
        ("search", {"words": '"the north wall"'}),
        ("search", {"words": "rain", "speaker": most_heard.name, "page": 10}),
        ("people", {}),
        ("people", {"words": "fern", "sort": "recent"}),
        ("person", {"name": most_heard.name}),
        ("person_lines", {"name": most_heard.name, "episode": key}),
        ("talk_figures", {"name": most_heard.name}),
        ("episodes", {"page": 40}),
        ("episodes", {"words": "moss", "speaker": most_heard.name}),
        ("episode", {"episode": key}),
        ("episode", {"episode": title}),
        ("transcript", {"episode": key}),
        ("transcript", {"episode": key, "page": 3}),
        ("unknown_voices", {}),
        ("unknown_voices", {"page": 10}),
    ]


async def measure(path: Path, asked: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Print how long each takes, and return those whose 95th percentile is over the budget."""
    slow = []
    command = StdioServerParameters(command=sys.executable, args=["-m", "voicematch", "mcp", "--library", str(path)])
    async with Client(stdio_client(command)) as client:
        for tool, arguments in asked:
            taken = []
            for _ in range(NUM_TIMES):
                began = time.perf_counter()
                answer = await client.call_tool(tool, arguments)
                taken.append(1000 * (time.perf_counter() - began))
                assert not answer.is_error, (tool, arguments, answer.content)
            late = float(np.percentile(taken, 95))
            size = len(json.dumps(answer.structured_content)) / 1000
            what = f"{tool} {json.dumps(arguments)}"
            print(f"{what:86} p50 {np.median(taken):6.1f} ms  p95 {late:6.1f} ms  {size:6.1f} kB", flush=True)
            if late > BUDGET_MS:
                slow.append(what)
    return slow


def main(folder: Path) -> None:
    path = folder / "pages.db"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(folder / "new.db", size=SIZE)
        (folder / "new.db").rename(path)
    with open_library(path) as library:
        stats = library.upkeep.stats()
        print(f"{stats.num_episodes} episodes, {stats.num_profiles} profiles, {stats.num_lines} lines")
        asked = questions(library)
    print(json.dumps({"over_100_ms": anyio.run(measure, path.absolute(), asked)}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
