"""A small version of ``python -m tests.measure.faults``: kills, a full disk, several writers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.measure import faults

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


def test_kills_leave_nothing_that_the_next_command_does_not_put_right(tmp_path: Path) -> None:
    tallies = faults.kills(15, tmp_path, names=("enroll", "name", "forget"))
    assert [tally.faults for tally in tallies] == [[], [], []]
    assert sum(tally.num_tried for tally in tallies) == 15


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    tally = faults.writers(3.0, tmp_path / "work", num=4)
    assert (tally.faults, tally.num_tried > 0) == ([], True)


def test_a_full_disk_is_called_one_and_put_right(tmp_path: Path) -> None:
    """On a file system of 24 MB, where a user may mount one."""
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a file system of one's own")
    code = (
        "import sys; from pathlib import Path; from tests.measure import faults; "
        "tallies = faults.full_disks(Path(sys.argv[1]), names=('name', 'forget'), steps=3); "
        "print([tally.faults for tally in tallies])"
    )
    mounted = f'mount -t tmpfs -o size=24m tmpfs "{small}" && exec "$0" -c "$1" "{small}"'
    ran = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounted, sys.executable, code], capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines()[-1:] == ["[[], []]"], ran.stdout + ran.stderr
