"""The talk figures as tables, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from voicematch import cli, open_library

EPISODE = "000000005eed5eed"


def run(web_folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.run([*arguments, "--library", str(web_folder / "library.db")]) == 0
    return capsys.readouterr().out


def test_of_an_episode(web_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = run(web_folder, capsys, "episodes", "figures", EPISODE)
    assert "words/min" in table
    assert "Ada Ash" in table
    found = json.loads(run(web_folder, capsys, "episodes", "figures", EPISODE, "--json"))
    ada = next(one for one in found if one["name"] == "Ada Ash")
    assert sum(one["figures"]["share"] for one in found) == pytest.approx(1)
    rows = list(csv.DictReader(io.StringIO(run(web_folder, capsys, "episodes", "figures", EPISODE, "--csv"))))
    assert [row["name"] for row in rows] == [one["name"] for one in found]
    of_ada = next(row for row in rows if row["name"] == "Ada Ash")
    assert float(of_ada["words_a_minute"]) == pytest.approx(ada["figures"]["words_a_minute"], abs=0.001)
    assert of_ada["num_interruptions"] == ""  # no two voices are heard at once there
    assert json.loads(run(web_folder, capsys, "episodes", "show", EPISODE, "--json"))["figures"] == found


def test_of_a_person(web_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "all " in run(web_folder, capsys, "profiles", "figures", "Ada Ash", "--latest", "2")
    found = json.loads(run(web_folder, capsys, "profiles", "figures", "ada ash", "--json"))
    rows = list(csv.DictReader(io.StringIO(run(web_folder, capsys, "profiles", "figures", "Ada Ash", "--csv"))))
    assert [row["date"] for row in rows] == [one["date"] for one in found["episodes"]]
    assert sum(int(row["num_words"]) for row in rows) == found["total"]["num_words"] > 0
    assert json.loads(run(web_folder, capsys, "profiles", "show", "Ada Ash", "--json"))["figures"] == found


def test_of_somebody_who_is_heard_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_library(tmp_path / "library.db") as library:
        library.profiles.create("=Ada")
    assert cli.run(["profiles", "figures", "=ada", "--library", str(tmp_path / "library.db")]) == 0
    assert "=Ada is named in no stored episode" in capsys.readouterr().err
    assert cli.run(["profiles", "figures", "=ada", "--csv", "--library", str(tmp_path / "library.db")]) == 0
    assert capsys.readouterr().out == ""
