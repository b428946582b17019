"""Nothing that voicematch stands on reports to its makers."""

from __future__ import annotations

import os
import subprocess
import sys

from voicematch.net import reports

PRINT_SWITCHES = """
import os
for module in ("voicematch.models", "voicematch.batch", "voicematch.cli"):
    __import__(module)
print(all(os.environ.get(name) == value for name, value in {switches}.items()))
"""


def test_whatever_part_is_imported_first_the_switches_are_off() -> None:
    without = {name: value for name, value in os.environ.items() if name not in reports.SWITCHES}
    code = PRINT_SWITCHES.replace("{switches}", repr(reports.SWITCHES))
    answer = subprocess.run([sys.executable, "-c", code], env=without, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "True"


def test_a_switch_that_somebody_set_otherwise_is_off_too() -> None:
    env = os.environ | dict.fromkeys(reports.SWITCHES, "on")
    code = PRINT_SWITCHES.replace("{switches}", repr(reports.SWITCHES))
    answer = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "True"
