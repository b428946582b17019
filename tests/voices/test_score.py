from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import fakes
from voicematch.errors import ModelError
from voicematch.types import Embedding
from voicematch.voices.score import (
    Calibration,
    Cohort,
    Usual,
    Voiceprints,
    centroid,
    scores,
    steadiness,
    union,
    unit,
    unity,
)

CALIBRATION = dataclasses.replace(fakes.CALIBRATION, steadiness=-4.0, unknown_steadiness=0.5)


def voiceprints(*rows: tuple[str, tuple[float, ...]]) -> Voiceprints:
    vectors = np.array([vector for _, vector in rows], dtype=np.float32)
    return Voiceprints(tuple(name for name, _ in rows), vectors, np.full(len(rows), 30.0, dtype=np.float32))


def embedding(vector: tuple[float, ...], seconds: float, start: float = 0.0) -> Embedding:
    return Embedding(np.array(vector, dtype=np.float32), seconds, start, start + seconds)


def test_centroid_is_weighted_by_net_speech() -> None:
    pooled = centroid([embedding((1, 0), 30, start=5), embedding((0, 1), 40, start=2)])
    np.testing.assert_allclose(pooled.vector, [0.6, 0.8], rtol=1e-6)
    assert (pooled.seconds, pooled.start, pooled.end) == (70, 2, 42)


def test_centroid_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no embeddings"):
        centroid([])


def test_unit_leaves_zero_rows_alone() -> None:
    assert unit([[3, 4], [0, 0]]).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]


def test_scores_are_cosines_with_profiles_in_order_of_name() -> None:
    library = voiceprints(("Maya", (1, 0)), ("Ada", (0, 1)))
    assert library.names == ("Ada", "Maya")
    speakers = np.array([[0.6, 0.8], [1, 0]], dtype=np.float32)
    np.testing.assert_allclose(scores(speakers, library), np.array([[0.8, 0.6], [0, 1]]), rtol=1e-6)


def test_only_the_best_voiceprints_of_a_profile_count() -> None:
    library = voiceprints(("Ada", (0.6, 0.8)), ("Bo", (0, 1)), ("Ada", (0, 1)), ("Ada", (0.8, 0.6)), ("Ada", (-1, 0)))
    speaker = np.array([[1, 0]], dtype=np.float32)
    np.testing.assert_allclose(scores(speaker, library, top_k=2), [[0.7, 0]], rtol=1e-6)
    np.testing.assert_allclose(scores(speaker, library, top_k=1), [[0.8, 0]], rtol=1e-6)
    np.testing.assert_allclose(scores(speaker, library, top_k=9), [[0.1, 0]], atol=1e-6)


@given(
    names=st.lists(st.sampled_from("abcde"), min_size=1, max_size=12),
    seed=st.integers(0, 1000),
    top_k=st.integers(1, 4),
)
def test_scores_agree_with_the_definition(names: list[str], seed: int, top_k: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(rng.normal(size=(len(names), 4)))
    library = Voiceprints(tuple(names), vectors, np.ones(len(names), dtype=np.float32))
    speakers = unit(rng.normal(size=(2, 4)))
    own = {name: vectors[[n == name for n in names]] for name in sorted(set(names))}
    expected = np.array(
        [[np.mean(np.sort(rows @ speaker)[::-1][:top_k]) for rows in own.values()] for speaker in speakers]
    )
    np.testing.assert_allclose(scores(speakers, library, top_k=top_k), expected, atol=1e-6)


def test_nobody_and_no_profiles_give_empty_tables() -> None:
    empty = Voiceprints((), np.zeros((0, 2), dtype=np.float32), np.zeros(0, dtype=np.float32))
    assert scores(np.ones((3, 2), dtype=np.float32), empty).shape == (3, 0)
    assert scores(np.ones((0, 2), dtype=np.float32), voiceprints(("Ada", (1, 0)))).shape == (0, 1)


def test_dimensions_must_agree() -> None:
    with pytest.raises(ValueError, match="dimension 3 cannot be compared with voiceprints of dimension 2"):
        scores(np.ones((1, 3), dtype=np.float32), voiceprints(("Ada", (1, 0))))


def test_voiceprints_describe_the_same_rows() -> None:
    with pytest.raises(ValueError, match="do not describe the same rows"):
        Voiceprints(("Ada",), np.zeros((2, 2), dtype=np.float32), np.zeros(2, dtype=np.float32))


def test_speech_of_a_profile_adds_up_and_a_part_can_be_taken() -> None:
    library = voiceprints(("Maya", (1, 0)), ("Ada", (0, 1)), ("Maya", (0.6, 0.8)))
    part = library.only(["Maya", "nobody"])
    assert part.names == ("Maya",)
    assert part.vectors.tolist() == library.vectors[[0, 2]].tolist()


def test_probability_by_hand() -> None:
    # logit = -5 + 10 * 0.7 - 4 * h ** 12
    assert float(CALIBRATION.probability(0.7, 1.0)) == pytest.approx(1 / (1 + np.exp(2)))
    assert float(CALIBRATION.probability(0.7, -1.0)) == pytest.approx(1 / (1 + np.exp(-2)))
    assert float(CALIBRATION.logit(0.7)) == pytest.approx(2 - 4 / 4096)


def test_steadiness_is_the_mean_cosine_of_different_stretches() -> None:
    # cosines 0.6, 0 and 0.8; the cough of 1 s does not count
    stretches = [embedding(v, 10) for v in ((1, 0), (0.6, 0.8), (0, 1))]
    assert steadiness([*stretches, embedding((-1, 0), 1)]) == pytest.approx((0.6 + 0 + 0.8) / 3)


def test_steadiness_of_one_stretch_is_not_known() -> None:
    assert steadiness([embedding((1, 0), 10), embedding((1, 0), 2)]) is None


def test_one_voice_has_unity_and_two_have_not() -> None:
    one = [embedding(v, 10) for v in ((1, 0, 0), (0.8, 0.6, 0), (1, 0, 0), (0.8, 0.6, 0))]
    # groups of equal vectors: cosine 0.8 between, 1 within
    assert unity(one) == pytest.approx(0.8)
    two = [embedding(v, 10) for v in ((1, 0, 0), (0, 0, 1), (1, 0, 0), (0, 0, 1), (1, 0, 0))]
    assert unity(two) == pytest.approx(0)


def test_unity_needs_stretches_and_forgives_an_odd_one() -> None:
    assert unity([embedding((1, 0), 10)] * 3) is None
    assert unity([embedding((1, 0), 10)] * 4 + [embedding((0, 1), 10)]) == 1
    assert unity([embedding((1, 0), 10)] * 4) == 1


def test_union_of_two_speakers() -> None:
    steady = [embedding((1, 0), 10), embedding((1, 0), 10)]
    varied = [embedding((1, 0), 10), embedding((0.6, 0.8), 10)]
    # across: cosines 1 and 0.6, twice each; within: 1 of the one, 0.6 of the other
    assert union(steady, varied) == pytest.approx(0.8 / 0.8)
    assert union(steady, [embedding((0.6, 0.8), 10)]) == pytest.approx(0.6)
    assert union([embedding((1, 0), 2)], [embedding((0.6, 0.8), 2)]) == pytest.approx(0.6)


def test_calibration_survives_json() -> None:
    assert Calibration.from_json(CALIBRATION.to_json()) == CALIBRATION


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", *(json.dumps({**dataclasses.asdict(CALIBRATION), "bias": bias}) for bias in ("much", math.nan))],
)
def test_what_is_no_calibration_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="not a calibration"):
        Calibration.from_json(text)


def test_a_cohort_tells_what_is_usual() -> None:
    cohort = Cohort(unit(np.array([[1, 0], [0.8, 0.6], [0, 1]])))
    usual = cohort.usual(np.array([[1, 0]], dtype=np.float32))
    # cosines 1, 0.8 and 0
    assert usual.mean[0] == pytest.approx(0.6, abs=1e-3)
    assert usual.spread[0] == pytest.approx(np.sqrt((0.16 + 0.04 + 0.36) / 3), abs=1e-3)


def test_normalised_scores_by_hand() -> None:
    # A cohort of two opposite pairs would do; what is usual is given instead. 0.6 is 2 spreads over the speaker's
    # usual 0.4 and 1 over the profile's 0.5: 1.5 on average. A typical voice has 0.3 and 0.2, so 0.6 becomes 0.6.
    cohort = Cohort(np.zeros((0, 2), dtype=np.float32))
    cohort.__dict__["typical"] = (0.3, 0.2)
    score = cohort.normalise(
        np.array([[0.6, 0.2]], dtype=np.float32),
        Usual(np.array([0.4]), np.array([0.1])),
        Usual(np.array([0.5, 0.5]), np.array([0.1, 0.1])),
    )
    # 0.2 is -2 and -3 spreads off: 0.3 - 0.2 * 2.5 = -0.2, and half way to 0.2 is 0.
    np.testing.assert_allclose(score, np.array([[0.6, 0.0]]), atol=1e-6)


def test_calibration_with_a_cohort_survives_json() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(5, 4)))
    read = Calibration.from_json(dataclasses.replace(CALIBRATION, cohort=Cohort(vectors)).to_json())
    assert read.cohort is not None
    np.testing.assert_allclose(read.cohort.vectors, vectors, atol=1e-3)
    assert dataclasses.replace(read, cohort=None) == CALIBRATION


def test_voices_are_compared_on_the_axes_of_the_cohort() -> None:
    """Ada by telephone is nearer to Maya by telephone than to herself, but for the axis that telephones move."""
    ada, maya, telephone = np.eye(3, dtype=np.float32)
    crowd = unit(np.random.default_rng(0).normal(size=(60, 3)))
    known = Voiceprints(("Ada", "Maya"), unit(np.stack([ada, maya + 2 * telephone])), np.ones(2, np.float32))
    heard = unit(np.stack([ada + 2 * telephone]))
    plain = Cohort(crowd).scores(heard, known)[0]
    seen = Cohort(crowd, np.eye(3, 2, dtype=np.float32)).scores(heard, known)[0]
    assert plain[0] < plain[1]
    assert seen[0] > seen[1]
    assert known.seen_by(Cohort(crowd)) is known


def test_axes_survive_json() -> None:
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(4, 3)).astype(np.float32)
    cohort = Cohort(unit(rng.normal(size=(5, 4))), axes)
    read = Calibration.from_json(dataclasses.replace(CALIBRATION, cohort=cohort).to_json()).cohort
    assert read is not None
    assert read.axes is not None
    np.testing.assert_allclose(read.axes, axes, atol=2e-3)
    voices = unit(rng.normal(size=(2, 4)))
    assert read.seen(voices).shape == (2, 3)
    assert read.usual(read.seen(voices)).mean.shape == (2,)


def test_a_cohort_of_another_dimension_is_refused() -> None:
    values = json.loads(dataclasses.replace(CALIBRATION, cohort=Cohort(unit(np.eye(3)))).to_json())
    with pytest.raises(ModelError, match="not a calibration"):
        Calibration.from_json(json.dumps({**values, "dimension": 5}))
