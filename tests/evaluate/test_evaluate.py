from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicematch.audio.clips import to_wav
from voicematch.errors import EvaluationError
from voicematch.evaluate import (
    cllr,
    detection_at,
    diarization_error,
    eer,
    identification_error,
    min_cllr,
    min_dcf,
    naming,
    of_recordings,
    pieces,
    read_rttm,
    read_rttms,
    read_trials,
    read_uem,
    total,
    trials,
)
from voicematch.evaluate.open_set import ListedPerson, gallery
from voicematch.types import Array, Turn
from voicematch.voices.score import Cohort

REFERENCE = (Turn(0, 10, "Ada"), Turn(8, 20, "Bo"))
HYPOTHESIS = (Turn(0, 12, "S0"), Turn(12, 20, "S1"))


def test_der_counts_overlap_by_hand() -> None:
    # 22 s of speech; the second voice of the overlap 8-10 is missed, Bo's 10-12 goes to Ada's label.
    score = diarization_error(REFERENCE, HYPOTHESIS)
    assert (score.total, score.missed, score.false_alarm, score.confusion) == (22, 2, 0, 2)
    assert score.der == pytest.approx(4 / 22)
    assert (score.miss_rate, score.false_alarm_rate, score.confusion_rate) == (2 / 22, 0, 2 / 22)
    # Ada: 1 - 10/12, Bo: 1 - 8/12
    assert score.jer == pytest.approx((2 / 12 + 4 / 12) / 2)
    assert score.num_episodes_count_right == 1


def test_collar_is_left_out_on_each_side() -> None:
    # Left out: 0-.25, 7.75-8.25, 9.75-10.25 and 19.75-20: 2 s of speech, two voices from 8 to 8.25 and 9.75 to 10.
    score = diarization_error(REFERENCE, HYPOTHESIS, collar=0.25)
    assert (score.total, score.missed, score.confusion) == (20, 1.5, 1.75)


def test_only_the_scored_part_counts() -> None:
    score = diarization_error(REFERENCE, (Turn(0, 8, "S0"), Turn(8, 30, "S1")), uem=[(0, 8)])
    assert (score.total, score.der, score.num_episodes_count_right) == (8, 0, 1)


def test_ier_takes_names_as_they_are() -> None:
    swapped = (Turn(0, 10, "Bo"), Turn(10, 20, "Ada"))
    assert identification_error(REFERENCE, swapped).ier == pytest.approx((2 + 18) / 22)


def test_ier_pairs_strangers_but_never_names() -> None:
    labels = (Turn(0, 10, "Ada"), Turn(10, 20, "S1"))
    assert identification_error(REFERENCE, labels, known=["Ada"]).confusion == 0
    assert identification_error(REFERENCE, labels, known=["Ada", "Bo"]).confusion == 10
    assert identification_error(REFERENCE, (Turn(0, 20, "Ada"),), known=["Ada"]).confusion == 10


def test_a_label_spelled_like_a_stranger_is_not_taken_for_them() -> None:
    labels = (Turn(0, 10, "Bo"), Turn(10, 20, "Ada"))
    assert identification_error(REFERENCE, labels, known=[]).confusion == 0


def test_naming_by_hand() -> None:
    reference = (Turn(0, 10, "Ada"), Turn(10, 14, "Bo"), Turn(14, 20, "Cy"), Turn(20, 22, "Di"))
    hypothesis = (Turn(0, 7, "Ada"), Turn(7, 8, "Bo"), Turn(8, 9, "S2"), Turn(10, 14, "Bo"), Turn(14, 20, "Ada"))
    score = naming(reference, hypothesis, enrolled=["Ada", "Bo"], known=["Ada", "Bo"])
    assert (score.enrolled, score.right, score.wrong, score.unknown, score.missed) == (14, 11, 1, 1, 1)
    assert (score.stranger, score.stranger_named) == (8, 6)
    assert (score.num_enrolled, score.num_right, score.num_strangers, score.num_strangers_named) == (2, 2, 2, 1)
    assert score.right_rate == pytest.approx(11 / 14)
    assert score.wrong_rate == pytest.approx(7 / 22)


def test_talking_together_is_nobodys_naming() -> None:
    score = naming(REFERENCE, (Turn(0, 20, "Ada"),), uem=[(7, 11)], enrolled=["Ada"], known=["Ada"])
    assert (score.right, score.stranger_named) == (1, 1)


def test_some_people_can_be_left_out_of_naming() -> None:
    score = naming(REFERENCE, (Turn(0, 20, "Bo"),), enrolled=["Ada"], known=["Ada", "Bo"], ignored=["Bo"])
    assert (score.enrolled, score.wrong, score.stranger) == (8, 8, 0)


def test_totals_add_seconds_and_take_rates_of_the_sum() -> None:
    parts = [diarization_error(REFERENCE, HYPOTHESIS), diarization_error(REFERENCE, REFERENCE)]
    assert total(parts).der == pytest.approx(4 / 44)
    assert total(parts).num_episodes == 2
    with pytest.raises(ValueError, match="nothing"):
        total([])


def test_pieces_respect_the_scored_part() -> None:
    assert list(pieces(REFERENCE, (), uem=[(9, 11)])) == [
        (1, frozenset({"Ada", "Bo"}), frozenset()),
        (1, frozenset({"Bo"}), frozenset()),
    ]


def test_eer_by_hand() -> None:
    assert eer([2, 3], [0, 1]) == 0
    assert eer([0, 1], [2, 3]) == 1
    assert eer([1, 1], [1, 1]) == 0.5
    assert eer([1, 2, 3, 4], [0, 0, 0, 1.5]) == 0.25


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_eer_lies_between_perfect_and_reversed(target: list[int], nontarget: list[int]) -> None:
    error = eer(target, nontarget)
    assert 0 <= error <= 1
    assert error == pytest.approx(1 - eer(-np.array(target), -np.array(nontarget)))


def test_min_dcf_by_hand() -> None:
    # At threshold 1.5: no miss, 1 of 4 alarms; at 2: 1 of 4 missed, no alarm. The cost of saying no is p_target.
    assert min_dcf([1.5, 2, 3, 4], [0, 0, 0, 1.7], p_target=0.5) == 0.25
    assert min_dcf([1.5, 2, 3, 4], [0, 0, 0, 1.7], p_target=0.01) == pytest.approx(0.25)
    assert min_dcf([0, 0], [1, 1], p_target=0.05) == 1


def test_cllr_by_hand() -> None:
    assert cllr([0], [0]) == 1
    assert cllr([np.log(3)], [-np.log(3)]) == pytest.approx(np.log2(4 / 3))


def test_min_cllr_knows_only_the_order() -> None:
    assert min_cllr([2, 3], [0, 1]) == pytest.approx(0, abs=1e-9)
    assert min_cllr([1, 1], [1, 1]) == pytest.approx(1)
    # Pooled to [0], [1 and 2], [3]: the pair in the middle cannot be told apart and costs 1 bit each.
    assert min_cllr([1, 3], [0, 2]) == pytest.approx(0.5, abs=1e-9)


def test_open_set_rate_by_hand() -> None:
    scores = [[0.9, 0.1], [0.2, 0.5], [0.6, 0.8], [0.4, 0.3], [0.1, 0.7]]
    truth = [0, 1, 0, -1, -1]
    # Strangers reach 0.4 and 0.7. None may pass: only the first probe does; one of two may pass: the second as well.
    assert detection_at(scores, truth, false_alarm_rate=0)[0] == pytest.approx(1 / 3)
    np.testing.assert_allclose(detection_at(scores, truth, false_alarm_rate=0.5), [2 / 3, 0.4])
    np.testing.assert_allclose(detection_at(scores, truth, false_alarm_rate=1), [2 / 3, -np.inf])


@pytest.mark.parametrize("truth", [[0, 1], [-1, -1]])
def test_open_set_rates_need_both_kinds(truth: list[int]) -> None:
    with pytest.raises(EvaluationError, match="known people and of strangers"):
        detection_at([[0.1, 0.2], [0.3, 0.4]], truth)


def test_error_rates_need_both_kinds() -> None:
    with pytest.raises(EvaluationError, match="target and nontarget"):
        eer([1], [])


def test_uem_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ref.uem"
    path.write_text("episode 1 0.0 12.5\n\nepisode 1 20 30\n")
    assert read_uem(path) == ((0, 12.5), (20, 30))
    path.write_text("episode 1 0.0 12.5\nepisode 1 soon 3\n")
    with pytest.raises(EvaluationError, match=r"ref\.uem:2: not 'file channel start end'"):
        read_uem(path)


def test_rttm_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ref.rttm"
    path.write_text(
        "SPEAKER e 1 8.0 2.5 <NA> <NA> Bo <NA> <NA>\n;; note\nSPEAKER e 1 1 2 <NA> <NA> Ada <NA> <NA>\n"
        "SPKR-INFO e 1 <NA> <NA> <NA> unknown Ada <NA>\n"
    )
    assert read_rttm(path) == (Turn(1, 3, "Ada"), Turn(8, 10.5, "Bo"))
    path.write_text("SPEAKER e 1 now 2.5 <NA> <NA> Bo <NA> <NA>\n")
    with pytest.raises(EvaluationError, match=r"ref\.rttm:1: not 'SPEAKER file"):
        read_rttm(path)


@pytest.mark.parametrize(
    ("reads", "row", "reason"),
    [
        (read_rttm, "SPEAKER e 1 0 inf <NA> <NA> Bo <NA> <NA>", "a turn from 0 for inf s"),
        (read_rttm, "SPEAKER e 1 nan 1 <NA> <NA> Bo <NA> <NA>", "a turn from nan for 1 s"),
        (read_rttm, "SPEAKER e 1 3 -1 <NA> <NA> Bo <NA> <NA>", "a turn from 3 for -1 s"),
        (read_uem, "e 1 9 1", "a span from 9 to 1 s"),
        (read_uem, "e 1 0 inf", "a span from 0 to inf s"),
        (read_uem, "e 1 nan 1", "a span from nan to 1 s"),
    ],
)
def test_turns_and_what_is_scored_have_a_beginning_and_an_end(
    tmp_path: Path, reads: Callable[[Path], object], row: str, reason: str
) -> None:
    path = tmp_path / "ref"
    path.write_text(f"{row}\n")
    with pytest.raises(EvaluationError, match=rf"ref:1: {reason}"):
        reads(path)


def test_recordings_of_one_file_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "ref.rttm"
    path.write_text("SPEAKER b 1 0 1 <NA> <NA> Bo <NA> <NA>\nSPEAKER a 1 0 2 <NA> <NA> Ada <NA> <NA>\n")
    truths = read_rttms(path)
    assert truths == {"a": (Turn(0, 2, "Ada"),), "b": (Turn(0, 1, "Bo"),)}
    with pytest.raises(EvaluationError, match="holds 2 recordings, from a on"):
        read_rttm(path)
    assert of_recordings(truths, {"b": truths["b"]}, path) == {"a": (), "b": truths["b"]}
    assert of_recordings(["a"], {"another name": truths["a"]}, path) == {"a": truths["a"]}
    with pytest.raises(EvaluationError, match="c is no recording of the reference, as a is"):
        of_recordings(truths, {"c": truths["b"]}, path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"none\.uem: cannot be read"):
        read_uem(tmp_path / "none.uem")


def test_trial_lists_are_read_relative_to_their_folder(tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    path.write_text("enroll\ttest\ttarget\na/1.wav,a/2.wav\ta/3.wav\t1\na/1.wav\tb/1.wav\t0\n")
    first, second = read_trials(path)
    assert first.enroll == (tmp_path / "a/1.wav", tmp_path / "a/2.wav")
    assert (first.test, first.target, second.target) == (tmp_path / "a/3.wav", True, False)


@pytest.mark.parametrize("line", ["a.wav\tb.wav", "a.wav\tb.wav\tyes", "\tb.wav\t1", "a.wav b.wav 1"])
def test_a_malformed_trial_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "list.tsv"
    path.write_text(f"enroll\ttest\ttarget\na.wav\tb.wav\t1\n{line}\n")
    with pytest.raises(EvaluationError, match=r"list\.tsv:3: not 'enroll"):
        read_trials(path)


def test_a_list_of_one_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    path.write_text("a.wav\tb.wav\t1\n")
    with pytest.raises(EvaluationError, match="trials of both kinds"):
        read_trials(path)


def write_tone(path: Path, seconds: float, level: float) -> None:
    path.write_bytes(to_wav(np.full(int(16_000 * seconds), level, np.float32)))


def by_level(samples: Array, windows: npt.NDArray[np.int64]) -> Array:
    """An embedder to which a voice is the level of the sound: an angle between two axes."""
    angles = [np.pi / 2 * float(samples[first:end].mean()) for first, end in windows]
    return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], dtype=np.float32)


def test_trials_by_hand(tmp_path: Path) -> None:
    for name, level in (("low", 0.1), ("low2", 0.2), ("high", 0.9), ("high2", 0.8)):
        write_tone(tmp_path / f"{name}.wav", 25, level)
    path = tmp_path / "levels.tsv"
    path.write_text("low.wav\tlow2.wav\t1\nhigh.wav,high2.wav\thigh.wav\t1\nlow.wav\thigh.wav\t0\n")
    seen: list[tuple[str, float, float]] = []
    (score,) = trials(path, by_level, progress=lambda *step: seen.append(step))
    assert (score.name, score.seconds, score.num_target, score.num_nontarget) == ("levels", None, 2, 1)
    assert (score.eer, score.eer_normalised, score.min_dcf_01, score.min_dcf_05) == (0, None, 0, 0)
    assert seen[-1] == ("trials", 3, 4)


def test_trials_are_normalised_as_matching_does(tmp_path: Path) -> None:
    """Voices near the cohort are worth less: the order of the scores turns round, and with it the error."""
    for name, level in (("crowd", 0.1), ("crowd2", 0.16), ("lone", 0.8), ("lone2", 0.9)):
        write_tone(tmp_path / f"{name}.wav", 2, level)
    path = tmp_path / "levels.tsv"
    path.write_text("crowd.wav\tcrowd2.wav\t0\nlone.wav\tlone2.wav\t1\n")
    angles = np.pi / 2 * np.linspace(0.0, 0.3, 60)
    cohort = Cohort(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    (score,) = trials(path, by_level, cohort=cohort)
    assert score.eer == 1
    assert score.eer_normalised == 0


def test_trials_cut_the_test_clips_from_the_middle(tmp_path: Path) -> None:
    heard: list[int] = []

    def embed(samples: Array, windows: npt.NDArray[np.int64]) -> Array:
        heard.extend((windows[:, 1] - windows[:, 0]).tolist())
        return by_level(samples, windows)

    for name, level in (("a", 0.1), ("b", 0.9)):
        write_tone(tmp_path / f"{name}.wav", 3, level)
    path = tmp_path / "list.tsv"
    path.write_text("a.wav\ta.wav\t1\na.wav\tb.wav\t0\n")
    trials(path, embed, lengths=(1.5, None))
    assert sorted(heard) == [24_000, 24_000, 48_000, 48_000]  # a whole clip is embedded once, as either side


def test_a_clip_too_short_to_be_heard_is_named(tmp_path: Path) -> None:
    def embed(samples: Array, windows: npt.NDArray[np.int64]) -> Array:
        raise ValueError("a window is shorter than one frame")

    write_tone(tmp_path / "a.wav", 0.1, 0.1)
    path = tmp_path / "list.tsv"
    path.write_text("a.wav\ta.wav\t1\na.wav\ta.wav\t0\n")
    with pytest.raises(EvaluationError, match=r"a\.wav: 0\.100 s of it cannot be heard: a window"):
        trials(path, embed)
    listed = ListedPerson("Ada", ((tmp_path / "a.wav", 0.1),), is_probed=True)
    with pytest.raises(EvaluationError, match=r"a\.wav: 0\.100 s of it cannot be heard: a window"):
        gallery([listed], embed)
