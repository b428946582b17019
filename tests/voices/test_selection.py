from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fakes import CALIBRATION
from voicematch.types import Array
from voicematch.voices.score import unit
from voicematch.voices.selection import NEAR_DUPLICATE, choose, outliers

NOTHING = np.zeros((0, 4), np.float32)
ADA, MAYA, ZOE, LIAM = np.eye(4, dtype=np.float32)


def rows(*vectors: Array) -> Array:
    return np.stack([unit(vector) for vector in vectors])


def strange(known: Array, voices: Array) -> list[int]:
    return outliers(known, voices, [None] * len(voices), calibration=CALIBRATION)


def test_a_voice_unlike_the_others_is_an_outlier() -> None:
    assert strange(NOTHING, rows(ADA, MAYA, ADA + 0.5 * ZOE, ADA)) == [1]
    assert strange(rows(MAYA), rows(ADA, MAYA)) == [0]


def test_the_first_voice_is_believed_where_nothing_is_known() -> None:
    assert strange(NOTHING, rows(MAYA, ADA)) == [1]
    assert strange(NOTHING, NOTHING) == []


def test_voices_are_compared_with_the_nearest_of_those_believed() -> None:
    """0.6 to the one before each, and hardly alike at the ends of the chain."""
    chain = rows(ADA, 0.6 * ADA + 0.8 * MAYA, 0.8 * MAYA + 0.6 * ZOE)
    assert strange(NOTHING, chain) == []
    assert strange(NOTHING, rows(ADA, ZOE, 0.6 * ADA + 0.8 * MAYA)) == [1]


def test_the_most_typical_is_chosen_first_then_what_differs_most() -> None:
    offered = rows(ADA, ADA + 0.5 * MAYA, ADA + MAYA, ADA + 0.5 * MAYA + 0.05 * ZOE)
    assert choose(NOTHING, offered, may_go=[], most=2) == ([1, 0], [])
    assert choose(NOTHING, offered, may_go=[]) == ([1, 0, 2], [])


def test_what_is_known_already_is_not_added() -> None:
    assert choose(rows(ADA), rows(ADA + 0.1 * MAYA), may_go=[True]) == ([], [])
    assert choose(rows(ADA), NOTHING, may_go=[True]) == ([], [])


def test_when_there_are_enough_the_one_that_tells_least_goes() -> None:
    kept = rows(ADA, ADA + 0.4 * MAYA, ZOE)
    assert choose(kept, rows(LIAM), may_go=[True] * 3, most=3) == ([0], [0])
    assert choose(kept, rows(LIAM), may_go=[False, True, True], most=3) == ([0], [1])
    assert choose(kept, rows(LIAM), may_go=[False] * 3, most=3) == ([], [])
    assert choose(rows(ADA, MAYA, ZOE), rows(ADA + MAYA), may_go=[True] * 3, most=3) == ([], [])


vectors = st.lists(
    st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4).filter(lambda v: sum(x * x for x in v) > 0.01),
    max_size=8,
)


@given(vectors, vectors, st.integers(1, 6), st.integers(0, 255))
def test_what_is_chosen_is_diverse_and_capped(
    kept: list[list[float]], offered: list[list[float]], most: int, protected: int
) -> None:
    before = unit(np.array(kept, np.float32).reshape(-1, 4))
    new = unit(np.array(offered, np.float32).reshape(-1, 4))
    may_go = [not protected >> idx & 1 for idx in range(len(before))]
    added, dropped = choose(before, new, may_go=may_go, most=most)
    assert len(set(added)) == len(added)
    assert all(may_go[row] for row in dropped)
    assert len(before) - len(dropped) + len(added) <= max(most, len(before))
    left = before[[row for row in range(len(before)) if row not in dropped]]
    for position, row in enumerate(added):
        others = np.concatenate([left, new[added[:position]]])
        assert not len(others) or (others @ new[row]).max() <= NEAR_DUPLICATE + 1e-6
    assert not len(new) or len(before) or added, "a person of whom nothing is known learns something"
