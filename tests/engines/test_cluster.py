"""Clustering on vectors drawn from a known model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

from voicematch.engines.backend import Backend
from voicematch.engines.cluster import STAY, _forward_backward, cluster
from voicematch.engines.grouping import renumbered
from voicematch.engines.parting import found_again, halves_parted, unlike_parted

DIMENSION = 32
BETWEEN, WITHIN = 1.0, 0.3  # standard deviations along every axis; far apart, so that the answer is certain


def voices(num: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, BETWEEN, (num, DIMENSION))


def said(speakers: list[int], means: np.ndarray, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, WITHIN, (len(speakers), DIMENSION))
    rows = means[speakers] + noise
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def backend() -> Backend:
    speakers = np.repeat(np.arange(300), 6)
    return Backend.estimate(said(speakers.tolist(), voices(300, 7)), speakers, num_axes=24)


def turns(*lengths: tuple[int, int]) -> list[int]:
    return [speaker for speaker, num in lengths for _ in range(num)]


DIALOGUE = turns((0, 20), (1, 15), (0, 30), (2, 8), (1, 25), (0, 10))


def test_finds_the_number_of_speakers(backend: Backend) -> None:
    assert cluster(said(DIALOGUE, voices(3)), backend=backend).tolist() == DIALOGUE


def test_one_voice_is_one_speaker(backend: Backend) -> None:
    assert set(cluster(said([0] * 60, voices(1)), backend=backend)) == {0}


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6])
def test_a_given_number_is_honoured(backend: Backend, number: int) -> None:
    labels = cluster(said(DIALOGUE, voices(3)), backend=backend, min_speakers=number, max_speakers=number)
    assert set(labels) == set(range(number))


def test_a_range_bounds_the_number(backend: Backend) -> None:
    vectors = said(DIALOGUE, voices(3))
    assert len(set(cluster(vectors, backend=backend, max_speakers=2))) == 2
    assert len(set(cluster(vectors, backend=backend, min_speakers=4))) >= 4
    assert cluster(vectors, backend=backend, min_speakers=2, max_speakers=5).tolist() == DIALOGUE


def test_more_speakers_than_vectors_gives_each_its_own(backend: Backend) -> None:
    assert len(set(cluster(said([0, 0, 1], voices(2)), backend=backend, min_speakers=9, max_speakers=9))) == 3


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_few_vectors_or_none(backend: Backend, number: int) -> None:
    assert len(cluster(said([0] * number, voices(1)), backend=backend)) == number


def test_many_hours_and_thirty_speakers(backend: Backend) -> None:
    """Longer than one linkage: block by block, then across; the same voice in far blocks is one speaker."""
    rng = np.random.default_rng(3)
    speakers = turns(*((int(rng.integers(30)), int(rng.integers(3, 40))) for _ in range(240)))
    speakers = renumbered(np.array(speakers)).tolist()
    found = cluster(said(speakers, voices(30)), backend=backend)
    assert 28 <= len(set(found)) <= 30  # two of thirty random voices may be too near
    agreement = np.zeros((30, 30))
    np.add.at(agreement, (speakers, found), 1)
    assert agreement[linear_sum_assignment(-agreement)].sum() / len(speakers) > 0.93


def test_the_same_vectors_give_the_same_labels(backend: Backend) -> None:
    vectors = said(DIALOGUE, voices(3))
    assert cluster(vectors, backend=backend).tobytes() == cluster(vectors.copy(), backend=backend).tobytes()


@pytest.mark.parametrize(("fewest", "most"), [(0, None), (3, 2)])
def test_an_impossible_number_is_refused(backend: Backend, fewest: int, most: int | None) -> None:
    with pytest.raises(ValueError, match="number of speakers"):
        cluster(said([0, 1], voices(2)), backend=backend, min_speakers=fewest, max_speakers=most)


def test_a_backend_survives_its_file(backend: Backend, tmp_path: Path) -> None:
    backend.save(tmp_path / "x.backend.npz")
    kept = Backend.load(tmp_path / "x.backend.npz")
    for name in ("mean", "projection", "between"):
        np.testing.assert_allclose(getattr(kept, name), getattr(backend, name), rtol=1e-6, atol=1e-7)


def test_a_backend_keeps_its_cosines_and_an_older_file_has_the_usual_ones(backend: Backend, tmp_path: Path) -> None:
    replace(backend, alike=0.65, unlike=0.57, apart=0.62).save(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as kept:
        np.savez(tmp_path / "old.npz", **{name: kept[name] for name in ("mean", "projection", "between")})
    found, old = Backend.load(tmp_path / "x.npz"), Backend.load(tmp_path / "old.npz")
    assert (found.alike, found.unlike, found.apart) == (0.65, 0.57, 0.62)
    assert (old.alike, old.unlike, old.apart) == (0.7, -1.0, -1.0)


GUEST = turns((0, 20), (1, 4), (0, 10))
ALL_JOINED = np.ones(len(GUEST) - 1, bool)


def test_a_guest_of_four_windows_is_parted_from_the_host() -> None:
    alone = np.zeros(len(GUEST), np.int64)
    vectors = said(GUEST, voices(2))
    assert unlike_parted(vectors, alone, ALL_JOINED, 0.57).tolist() == GUEST
    assert unlike_parted(vectors, alone, ALL_JOINED, -1.0).tolist() == alone.tolist()


def test_windows_unlike_their_speaker_go_to_the_one_they_are_like() -> None:
    speakers = turns((0, 20), (1, 20), (0, 6))
    mistaken = np.array(turns((0, 20), (1, 26)))
    found = unlike_parted(said(speakers, voices(2)), mistaken, np.ones(len(speakers) - 1, bool), 0.57)
    assert found.tolist() == speakers


def test_one_odd_window_makes_no_speaker() -> None:
    speakers = turns((0, 20), (1, 1), (0, 10))
    found = unlike_parted(said(speakers, voices(2)), np.zeros(31, np.int64), np.zeros(30, bool), 0.57)
    assert set(found.tolist()) == {0}


def test_more_windows_than_one_linkage_holds_are_still_one_speaker() -> None:
    speakers = turns((0, 2100), (1, 5), (0, 2000))
    found = unlike_parted(said(speakers, voices(2)), np.zeros(4105, np.int64), np.ones(4104, bool), 0.57)
    assert found.tolist() == speakers


SCATTERED = turns((0, 20), (2, 4), (1, 20), (2, 4), (0, 4))
TAKEN = np.array(turns((0, 22), (1, 24), (0, 6)))  # half of the guest's windows went to either host


def test_a_guest_whose_windows_were_scattered_isfound_again() -> None:
    vectors, joined = said(SCATTERED, voices(3)), np.ones(len(SCATTERED) - 1, bool)
    found = found_again(vectors, TAKEN, np.array(SCATTERED), joined, 0.5)
    assert renumbered(found).tolist() == renumbered(np.array(SCATTERED)).tolist()
    assert found_again(vectors, TAKEN, np.array(SCATTERED), joined, -1.0).tolist() == TAKEN.tolist()


def test_windows_that_lie_apart_are_no_voice() -> None:
    vectors, joined = said(SCATTERED, voices(3)), np.zeros(len(SCATTERED) - 1, bool)
    assert found_again(vectors, TAKEN, np.array(SCATTERED), joined, 0.5).tolist() == TAKEN.tolist()


def test_windows_that_are_not_alike_are_no_voice() -> None:
    speakers = turns((0, 20), (2, 1), (3, 1), (4, 1), (5, 1), (1, 20))
    first = np.array(turns((0, 20), (2, 4), (1, 20)))
    taken = np.array(turns((0, 22), (1, 22)))
    found = found_again(said(speakers, voices(6)), taken, first, np.ones(len(speakers) - 1, bool), 0.5)
    assert found.tolist() == taken.tolist()


def test_a_group_that_is_most_of_a_speaker_stays_that_speaker() -> None:
    speakers = turns((0, 20), (1, 20))
    labels = np.array(turns((0, 22), (1, 18)))
    found = found_again(said(speakers, voices(2)), labels, np.array(speakers), np.ones(39, bool), 0.5)
    assert found.tolist() == labels.tolist()


def with_pauses(speakers: list[int]) -> np.ndarray:
    """Whether a window's sound goes on into the next one's: not where the speaker changes."""
    return np.asarray(np.diff(speakers) == 0)


def like_voices(cosine: float) -> np.ndarray:
    """Two voices so near to each other."""
    first, second = voices(2)
    first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    second -= (second @ first) * first
    second = cosine * first + np.sqrt(1 - cosine**2) * second / np.linalg.norm(second)
    return 5 * np.stack([first, second])


@pytest.mark.parametrize(
    ("cosine", "windows", "parted"), [(0.5, 10, True), (0.5, 5, False), (0.68, 10, False), (0.68, 50, True)]
)
def test_two_like_voices_that_take_turns_are_two(backend: Backend, cosine: float, windows: int, parted: bool) -> None:
    """The more windows there are of both, the nearer they may be."""
    speakers = turns((0, windows), (1, windows))
    vectors, joined = said(speakers, like_voices(cosine)), with_pauses(speakers)
    known = replace(backend, alike=0.75, apart=0.62)
    alone = np.zeros(len(speakers), np.int64)
    found = halves_parted(vectors, alone, joined, known)
    assert renumbered(found).tolist() == (speakers if parted else alone.tolist())
    assert halves_parted(vectors, alone, joined, replace(known, apart=-1.0)).tolist() == alone.tolist()


def test_one_voice_that_varies_within_a_stretch_is_one(backend: Backend) -> None:
    speakers = turns(*[(0, 2), (1, 2)] * 10)
    vectors = said(speakers, like_voices(0.5))
    known = replace(backend, alike=0.75, apart=0.62)
    joined = np.ones(39, bool)
    assert set(halves_parted(vectors, np.zeros(40, np.int64), joined, known)) == {0}
    apart = halves_parted(vectors, np.zeros(40, np.int64), with_pauses(speakers), known)
    assert renumbered(apart).tolist() == speakers


def test_what_was_parted_is_looked_through_again(backend: Backend) -> None:
    speakers = turns((0, 12), (1, 12), (2, 12))
    vectors = said(speakers, voices(3))
    known = replace(backend, alike=0.75, apart=0.62)
    found = halves_parted(vectors, np.zeros(36, np.int64), with_pauses(speakers), known)
    assert renumbered(found).tolist() == speakers


def test_a_backend_needs_two_speakers() -> None:
    with pytest.raises(ValueError, match="two speakers"):
        Backend.estimate(said([0, 0, 0], voices(1)), np.zeros(3, np.int64))


def test_the_estimate_finds_the_variances_it_was_drawn_from() -> None:
    """Two axes, by hand: variance 4 and 1 between voices, 1 within."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(4000), 8)
    rows = rng.normal(0, [2.0, 1.0], (4000, 2))[speakers] + rng.normal(0, 1.0, (32_000, 2))
    found = Backend.estimate(rows.astype(np.float32), speakers, num_axes=2)
    np.testing.assert_allclose(found.between, [4.0, 1.0], rtol=0.06)


def test_an_episode_is_its_own_backend() -> None:
    """For an embedder without a file: windows that touch tell what one voice is like."""
    two = turns((0, 20), (1, 30), (0, 20), (1, 10))
    vectors = said(two, voices(2))
    first = np.arange(len(two) - 2)
    labels = cluster(vectors, backend=Backend.of_episode(vectors, np.stack([first, first + 2], axis=1)))
    assert labels.tolist() == two


def test_forward_backward_against_every_path() -> None:
    """Oracle: the sum over all 2 ** 6 sequences."""
    rng = np.random.default_rng(0)
    likelihood, shares = rng.normal(0, 1, (6, 2)), np.array([0.3, 0.7])
    weights, _, evidence = _forward_backward(likelihood, shares)
    step = np.log(STAY * np.eye(2) + (1 - STAY) * shares)
    paths = np.array(np.meshgrid(*[[0, 1]] * 7)).reshape(7, -1).T[:, 1:]
    paths = np.unique(paths, axis=0)
    scores = np.array(
        [
            np.log((STAY * shares + (1 - STAY) * shares)[path[0]])
            + likelihood[np.arange(6), path].sum()
            + step[path[:-1], path[1:]].sum()
            for path in paths
        ]
    )
    assert evidence == pytest.approx(logsumexp(scores))
    chances = np.exp(scores - logsumexp(scores))
    np.testing.assert_allclose(weights[:, 1], (chances[:, None] * paths).sum(axis=0), rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=40))
def test_renumbering_keeps_the_groups(labels: list[int]) -> None:
    found = renumbered(np.array(labels, np.int64))
    assert len(set(zip(labels, found.tolist(), strict=True))) == len(set(labels))
    assert list(dict.fromkeys(found.tolist())) == list(range(len(set(labels))))
