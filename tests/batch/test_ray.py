"""A backlog on a Ray cluster of two workers on this machine. Runs where Ray is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.batch.test_batch import OtherEmbedder, queue, states
from tests.support.tones import ENGINES, write_episode
from tests.usecases.test_identify import CALIBRATION
from voicematch.batch import Event, Settings, ray_cluster
from voicematch.errors import VoicematchError
from voicematch.library import open_library
from voicematch.usecases.chosen import Engines
from voicematch.usecases.identify import identify

RAY = importlib.util.find_spec("ray") is not None
# What Ray itself leaves open or has not renamed yet is not this project's to mend.
pytestmark = [pytest.mark.filterwarnings("default")]


@pytest.fixture(name="settings")
def _settings(tmp_path: Path) -> Settings:
    with open_library(tmp_path / "library.db", embedder="fake", dimension=8) as library:
        library.settings.set("calibration", CALIBRATION.to_json())
    return Settings(str(tmp_path / "library.db"), cache=tmp_path / "cache", engines=ENGINES)


@pytest.mark.skipif(RAY, reason="Ray is installed")
def test_without_ray_it_says_what_to_install(settings: Settings) -> None:
    with pytest.raises(VoicematchError, match=r"pip install 'voicematch\[ray\]'"):
        ray_cluster.run(settings, ray_cluster.LOCAL)


@pytest.mark.skipif(not RAY, reason="Ray is not installed")
def test_two_workers_share_a_backlog(settings: Settings, tmp_path: Path) -> None:
    for n in range(6):
        queue_one(settings, write_episode(tmp_path / f"{n}.wav", "ABCD"[: 1 + n % 4], seconds=0.5 + n / 10))
    (tmp_path / "broken.wav").write_bytes(b"not sound")
    queue_one(settings, tmp_path / "broken.wav")
    events: list[Event] = []
    tally = ray_cluster.run(replace(settings, formats=("json",)), ray_cluster.LOCAL, num_workers=2, watch=events.append)
    assert (tally.num_done, tally.num_failed, tally.stop) == (6, 1, "")
    with open_library(settings.library) as library:
        assert set(states(library).values()) == {"done", "failed"}
        assert all(job.attempts == 1 for job in library.jobs.find())
        assert len(library.listings.episodes()[0]) == 6
    assert {event.outcome.job.title for event in events if event.outcome} == {*"012345", "broken"}
    assert len(list(tmp_path.glob("*.json"))) == 6


@pytest.mark.skipif(not RAY, reason="Ray is not installed")
def test_a_cluster_of_our_own_starts_nothing_that_reports_and_leaves_nothing() -> None:
    """What reports is the process of the dashboard, which asks the clouds where it runs although it may not report."""
    code = (
        "from voicematch.batch import ray_cluster\nwith ray_cluster._connected('local') as ray: print(len(ray.nodes()))"
    )
    code += "; import psutil; print([child.cmdline() for child in psutil.Process().children(recursive=True)])"
    with TemporaryDirectory(prefix="vm") as folder:  # short: the paths of Ray's sockets may have some 100 characters
        environment = os.environ | {"TMPDIR": folder, "HOME": folder}
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        left = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert ran.stdout.startswith("1\n")
    assert "gcs_server" in ran.stdout  # so the processes of the cluster are among those looked at
    assert "dashboard.py" not in ran.stdout
    assert not left


@pytest.mark.skipif(not RAY, reason="Ray is not installed")
def test_an_actor_that_dies_is_replaced(settings: Settings, tmp_path: Path) -> None:
    queue_one(settings, write_episode(tmp_path / "deadly.wav", "A"))
    tally = ray_cluster.run(settings, ray_cluster.LOCAL, num_workers=1)
    assert "died 3 times" in tally.stop
    queue_one(settings, write_episode(tmp_path / "fine.wav", "A"))
    assert ray_cluster.run(settings, ray_cluster.LOCAL, num_workers=1).num_done == 1


@pytest.mark.skipif(not RAY, reason="Ray is not installed")
def test_actors_that_cannot_begin(settings: Settings, tmp_path: Path) -> None:
    with open_library(settings.library) as library:
        identify(write_episode(tmp_path / "before.wav", "A"), library=library, engines=ENGINES)
    queue_one(settings, write_episode(tmp_path / "one.wav", "A"))
    wrong = Engines(ENGINES.diarizer, OtherEmbedder())
    with pytest.raises(VoicematchError, match="holds voices of 'fake', not of 'other'"):
        ray_cluster.run(replace(settings, engines=wrong), ray_cluster.LOCAL)


@pytest.mark.skipif(not RAY, reason="Ray is not installed")
def test_a_cluster_that_is_not_there(settings: Settings) -> None:
    with pytest.raises(VoicematchError, match=r"no Ray cluster at 127\.0\.0\.1:1"):
        ray_cluster.run(settings, "127.0.0.1:1")


def queue_one(settings: Settings, path: Path) -> None:
    with open_library(settings.library) as library:
        queue(library, path)
