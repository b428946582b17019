"""Open-set rates of voices whose answers can be reckoned by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.fakes import CALIBRATION, FakeEmbedder
from tests.support.tones import write_episode
from voicematch.errors import EvaluationError
from voicematch.evaluate.drawing import open_set as drawn
from voicematch.evaluate.open_set import Gallery, gallery, open_set, read_people
from voicematch.voices.score import Cohort, unit


def people(noise: float, num: int = 80, dimension: int = 24) -> Gallery:
    random = np.random.default_rng(0)
    voices = random.normal(size=(num, dimension))
    probes = voices + noise * random.normal(size=voices.shape)
    probes[num // 2 :: 2] = np.nan  # people with one recording
    return Gallery(unit(voices), unit(probes))


def test_voices_that_come_back_the_same_are_all_named() -> None:
    found = open_set(people(0.0), CALIBRATION, sizes=(5, 20, 50))
    assert [(one.num_profiles, one.rate) for one in found if one.false_alarm_rate == 0.01] == [
        (5, 1.0),
        (20, 1.0),
        (50, 1.0),
    ]
    assert all(one.threshold < 1 for one in found)


def test_the_larger_the_library_and_the_fewer_the_false_alarms_the_fewer_are_named() -> None:
    cohort = replace(CALIBRATION, cohort=Cohort(people(0.0, num=60).profiles))
    for calibration in (CALIBRATION, cohort):
        found = open_set(people(1.2), calibration, sizes=(5, 50), false_alarms=(0.2, 0.0))
        rates = {(one.num_profiles, one.false_alarm_rate): one.rate for one in found}
        assert 1 > rates[5, 0.2] > rates[50, 0.2] > rates[50, 0.0]
        assert found == open_set(people(1.2), calibration, sizes=(5, 50), false_alarms=(0.2, 0.0))


def test_too_few_people_are_an_error() -> None:
    with pytest.raises(EvaluationError, match="need more people: 3 have two recordings"):
        open_set(people(0.0, num=4), CALIBRATION)


def test_people_of_the_first_list_are_looked_for(tmp_path: Path) -> None:
    for number, voice in enumerate("ABC"):
        write_episode(tmp_path / f"{number}.wav", voice)
    header = "corpus\tspeaker\tseconds\tpath\n"
    (tmp_path / "a.tsv").write_text(header + "x\tA\t1\t0.wav\nx\tA\t1\t1.wav\ny\tA\t1\t2.wav\n", encoding="utf-8")
    (tmp_path / "b.tsv").write_text(header + "x\tB\t1\t1.wav\nx\tB\t1\t2.wav\n", encoding="utf-8")
    found = read_people([tmp_path / "a.tsv", tmp_path / "b.tsv"])
    assert [(person.is_probed, len(person.clips)) for person in found] == [(True, 2), (True, 1), (False, 2)]
    heard = gallery(found, FakeEmbedder().embed)
    assert np.isfinite(heard.probes).all(axis=1).tolist() == [True, False, False]
    assert heard.profiles[0].argmax() == 300 // 200
    assert heard.probes[0].argmax() == 500 // 200
    (tmp_path / "c.tsv").write_text("speaker\tpath\nA\t0.wav\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"c\.tsv: needs the columns speaker, path and seconds"):
        read_people([tmp_path / "c.tsv"])
    with pytest.raises(EvaluationError, match=r"d\.tsv: cannot be read"):
        read_people([tmp_path / "d.tsv"])


def test_rates_are_drawn_with_a_line_for_each_share_of_false_alarms() -> None:
    picture = drawn({"1 %": [(5, 0.9), (5000, 0.5)], "a < b": [(5, 0.8), (5000, 0.2)]}, "who & what")
    assert picture.count("<polyline") == 2
    assert "a &lt; b" in picture
    assert "who &amp; what" in picture
    assert ">5,000<" in picture
