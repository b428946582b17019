"""Commands kept up for more than half a minute, for ``tests.measure.network``; run by path, in any environment.

``python -P long_runs.py RUN [ARGUMENT...]``, with a run of `RUNS`. What a package underneath reports of itself it
reports late, one nine seconds after it was loaded: so a process that is done earlier stays until `SECONDS` are over.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SECONDS = 35.0
ADDRESS = "http://127.0.0.1:8765"
COMMAND = (sys.executable, "-m", "voicematch")


def command(*arguments: str) -> int:
    """Run a command of voicematch in this process."""
    from voicematch.cli import main

    try:
        main(list(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def serve(library: str) -> int:
    """Serve the pages, and turn to whatever they link to, a page every quarter of a second."""
    with subprocess.Popen([*COMMAND, "serve", "--library", library]) as serving:
        to_see, seen = ["/"], set()
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            time.sleep(0.25)
            place = to_see.pop(0) if to_see else "/"
            with suppress(OSError):  # it is not up yet, or a link to something that is not there
                page = urllib.request.urlopen(ADDRESS + place, timeout=10).read()
                seen.add(place)
                links = re.findall(rb'(?:href|src)="(/[^"#]*)"', page)
                to_see += [link for link in dict.fromkeys(map(bytes.decode, links)) if link not in {*seen, *to_see}]
        serving.send_signal(signal.SIGINT)
    print(f"{len(seen)} pages and files were asked for", file=sys.stderr)
    return serving.returncode or int(len(seen) < 10)


def mcp(library: str) -> int:
    """Be an assistant that asks for people and episodes, a question a second."""
    hello: dict[str, object] = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "measure", "version": "1"},
    }
    asked: list[dict[str, object]] = [{"name": name, "arguments": {}} for name in ("people", "episodes")]
    num_answers = 0
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, "mcp", "--library", library], stdin=pipe, stdout=pipe, text=True) as answering:
        to, back = answering.stdin, answering.stdout
        assert to is not None
        assert back is not None

        def say(method: str, parameters: dict[str, object], number: int | None = None) -> None:
            message: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": parameters}
            to.write(json.dumps(message | ({} if number is None else {"id": number})) + "\n")
            to.flush()

        say("initialize", hello, 0)
        num_answers += '"result"' in back.readline()
        say("notifications/initialized", {})
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            say("tools/call", asked[num_answers % len(asked)], num_answers)
            num_answers += '"result"' in back.readline()
            time.sleep(1.0)
        to.close()
    print(f"{num_answers} answers", file=sys.stderr)
    return answering.returncode or int(num_answers < 10)


def watch(*arguments: str) -> int:
    """Watch a folder until half a minute is over, then end the watch as ^C does."""
    with subprocess.Popen([*COMMAND, "batch", "watch", *arguments]) as watching:
        time.sleep(SECONDS)
        watching.send_signal(signal.SIGINT)
    return 0 if watching.returncode == 130 else watching.returncode  # 130: stopped by ^C


def embedder(name: str, checkpoint: str = "") -> int:
    """Hear silence with an embedder, over and over; ``checkpoint``: of SpeechBrain, on torch."""
    import numpy as np

    from voicematch.engines import open_embedder
    from voicematch.engines.speechbrain import SpeechBrainEmbedder

    heard = SpeechBrainEmbedder(checkpoint=Path(checkpoint)) if checkpoint else open_embedder(name)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        heard.embed(np.zeros(32_000, np.float32), np.array([[0, 32_000]]))
    return 0


def speechbrain(folder: str) -> int:
    """Hear with SpeechBrain's own class, under weights made up here."""
    import torch

    from voicematch.engines.device import load
    from voicematch.engines.speechbrain import SIZES

    made = load("speechbrain.lobes.models.ECAPA_TDNN").ECAPA_TDNN(**SIZES)
    torch.save(made.state_dict(), Path(folder) / "made_up.ckpt")
    return embedder("speechbrain", str(Path(folder) / "made_up.ckpt"))


def runtime(model: str) -> int:
    """Open a model in onnxruntime without voicematch, whose switches are then not thrown: a control."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return int(session is None)


def caller() -> int:
    """Call home: a name and its address, a bare address, and one past the ports of the web: a control."""
    import socket

    for whom in (("reports.example.org", 443), ("1.1.1.1", 80), ("1.1.1.1", 8443)):
        with suppress(OSError):
            socket.create_connection(whom, timeout=2).close()
    return 0


RUNS: dict[str, Callable[..., int]] = {
    run.__name__: run for run in (command, serve, mcp, watch, embedder, speechbrain, runtime, caller)
}


def main() -> int:
    began = time.monotonic()
    name, *arguments = sys.argv[1:]
    code = RUNS[name](*arguments)
    rest = SECONDS - (time.monotonic() - began)
    if rest > 0 and name != caller.__name__:
        time.sleep(rest)
    return code


if __name__ == "__main__":
    sys.exit(main())
