"""Calibrations made of voices whose scores are known by construction."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from voicematch.evaluate import cllr
from voicematch.types import Array
from voicematch.voices import fitting
from voicematch.voices.fitting import KitPerson
from voicematch.voices.score import FEW_PROFILES, Calibration, unit


def people(noise: float, *, num: int = 48, dimension: int = 32, windows: int = 9, seed: int = 0) -> list[KitPerson]:
    """People who are points on a sphere, in windows that are the point and noise; every fourth is of one corpus."""
    random = np.random.default_rng(seed)

    def recording(voice: Array) -> Array:
        return unit(voice + noise * random.normal(size=(windows, dimension)) / np.sqrt(dimension))

    voices = unit(random.normal(size=(num, dimension)))
    return [KitPerson(f"corpus {idx % 4}", (recording(voice), recording(voice))) for idx, voice in enumerate(voices)]


def fit(noise: float, wrong_names: float = 0.01) -> fitting.Fitted:
    return fitting.fit("points", people(noise), window=1.5, step=0.75, wrong_names=wrong_names)


def test_what_an_embedder_tells_apart_is_told_apart_by_its_calibration() -> None:
    clear, dim = fit(0.5), fit(3.0)
    for found in (clear, dim):
        assert found.target.any()
        assert not found.target.all()
        assert found.calibration.score > 1
        assert found.calibration.cohort is not None
        assert found.calibration.cohort.vectors.shape == (48, 32)
    costs = [cllr(found.logits[found.target], found.logits[~found.target]) for found in (clear, dim)]
    assert costs[0] < 0.05 < costs[1] < 0.8


def test_the_same_voices_give_the_same_calibration() -> None:
    assert fit(1.5).calibration.to_json() == fit(1.5).calibration.to_json()


def test_fewer_wrong_names_ask_for_a_higher_probability() -> None:
    often, seldom = (fit(3.0, rate).calibration for rate in (0.05, 0.0005))
    assert replace(often, accept=0.5, cohort=None) == replace(seldom, accept=0.5, cohort=None)
    assert often.accept < seldom.accept < 1


def test_a_stranger_has_to_be_nearer_among_many_profiles() -> None:
    made = fit(3.0).calibration
    assert made.profiles > 0
    few, many = (float(made.logit(0.6, 0.8, num_profiles=num)) for num in (FEW_PROFILES, 5_000))
    assert few - many == pytest.approx(made.profiles * np.log(1000))
    assert float(made.logit(0.6, 0.8)) == few
    assert float(made.logit(0.6, 0.8, seconds=1e9)) == pytest.approx(few)


def test_several_voiceprints_tell_more_than_one() -> None:
    made = fit(3.0).calibration
    assert made.voiceprints != 0
    one, three, many = (float(made.logit(0.6, 0.8, num_voiceprints=num)) for num in (1, 3, 50))
    assert one == float(made.logit(0.6, 0.8))
    assert three - one == pytest.approx(made.voiceprints * np.log(3))
    assert many == three  # no more than the three best count
    of_each = made.logit(np.array([0.6, 0.6]), 0.8, num_voiceprints=np.array([1, 3]))
    assert of_each.tolist() == [one, three]


def test_a_calibration_written_before_voiceprints_counted_reads_as_one_that_ignores_them() -> None:
    values = json.loads(fit(1.5).calibration.to_json())
    del values["voiceprints"]
    read = Calibration.from_json(json.dumps(values))
    assert float(read.logit(0.6, 0.8, num_voiceprints=3)) == float(read.logit(0.6, 0.8))


def test_strangers_are_named_no_oftener_than_was_asked_for() -> None:
    """On other people than it was fitted to, in libraries of five of their own corpus."""
    made = fit(3.0, 0.02).calibration
    assert made.cohort is not None
    others = people(3.0, num=80, seed=1)
    heard = np.stack([unit(person.recordings[0].mean(axis=0)) for person in others])
    steady = np.array([fitting._steadiness(person.recordings, 1.5, 0.75) for person in others])
    score = made.cohort.normalise(heard @ heard.T, made.cohort.usual(heard), made.cohort.usual(heard))
    logits = made.logit(score, steady[:, None], seconds=7.5)
    random, named, asked = np.random.default_rng(0), 0, 0
    for speaker in range(len(others)):
        same = [idx for idx in range(len(others)) if idx != speaker]
        for _ in range(20):
            asked += 1
            library = random.choice(same, FEW_PROFILES, replace=False)
            named += logits[speaker, library].max() >= np.log(made.accept / (1 - made.accept))
    assert named / asked < 3 * 0.02


def test_steadiness_is_that_of_stretches_of_ten_seconds() -> None:
    """Windows with half their variance in common have a cosine of about 0.5; ten seconds hold 6.7 times as much."""
    (person,) = people(1.0, num=1, windows=400, dimension=64)
    assert fitting._steadiness(person.recordings, 1.5, 0.75) == pytest.approx(6.67 * 0.5 / (1 + 5.67 * 0.5), abs=0.02)
    assert np.isnan(fitting._steadiness([person.recordings[0][:5]], 1.5, 0.75))


def test_too_few_people_are_an_error() -> None:
    with pytest.raises(ValueError, match="too few people"):
        fitting.fit("points", people(1.0, num=3), window=1.5, step=0.75)
    with pytest.raises(ValueError, match="enough speech to be a profile"):
        fitting.fit("points", people(1.0, windows=3), window=1.5, step=0.75)


def test_a_calibration_that_says_too_much_is_taken_down() -> None:
    """Answers whose odds are twice as far from even as they should be."""
    random = np.random.default_rng(0)
    true = random.normal(0, 3, 4_000)
    target = random.random(4_000) < 1 / (1 + np.exp(-true))
    made = Calibration("x", 0.0, 1.0, 0.0, 1.0, 0.0, 0.9, 0.5, 0.05, 0.5)
    offset, slope = fitting.refit(made, 2 * true + 1, target)
    assert slope == pytest.approx(0.5, abs=0.06)
    assert offset == pytest.approx(-0.5, abs=0.25)
