"""The geometry of the pages, in numbers that can be checked by hand."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from voicematch.web.drawing import lanes, paragraphs, ruler, share_chart, talk_chart
from voicematch.web.views import TimelineTurn, TranscriptLine


@dataclass(frozen=True)
class Held:
    start: float
    end: float
    speaker: int


def test_bars_stand_at_their_dates_and_reach_their_values() -> None:
    chart = talk_chart(["2024-01-01", "2024-01-11", "2024-02-20"], [600.0, 300.0, 1500.0])
    assert [(bar.idx, bar.x, bar.height) for bar in chart.bars] == [(0, 3.0, 33.33), (1, 21.8, 16.67), (2, 97.0, 83.33)]
    assert [(tick.at, tick.label) for tick in chart.values] == [
        (33.33, "10 min"),
        (66.67, "20 min"),
        (100.0, "30 min"),
    ]
    assert [tick.label for tick in chart.dates] == ["2024", "Feb"]
    assert chart.num_undated == 0


def test_bars_are_drawn_in_the_order_of_their_dates() -> None:
    chart = talk_chart(["2024-03-01", "2023-03-01T10:00:00Z"], [60.0, 30.0])
    assert [bar.idx for bar in chart.bars] == [1, 0]


def test_episodes_without_a_date_are_counted_and_not_drawn() -> None:
    chart = talk_chart([None, "2024-03-01", "some day"], [60.0, 30.0, 60.0])
    assert [(bar.idx, bar.x) for bar in chart.bars] == [(1, 50.0)]
    assert chart.num_undated == 2
    assert talk_chart([None], [5.0]).bars == ()
    assert talk_chart([], []).dates == ()


@pytest.mark.parametrize(
    ("first", "last", "labels"),
    [
        ("2024-01-05", "2024-01-20", ["5 Jan 2024", "20 Jan 2024"]),  # within a month: the ends
        ("2024-03-05", "2024-03-05", ["5 Mar 2024"]),
        ("2023-11-20", "2024-03-10", ["Dec 2023", "2024", "Feb", "Mar"]),
        ("2019-06-01", "2024-06-01", ["2020", "2021", "2022", "2023", "2024"]),
        ("1990-01-01", "2024-06-01", ["1990", "2000", "2010", "2020"]),
    ],
)
def test_dates_along_the_axis(first: str, last: str, labels: list[str]) -> None:
    assert [tick.label for tick in talk_chart([first, last], [1.0, 1.0]).dates] == labels


@pytest.mark.parametrize(
    ("top", "labels"),
    [
        (0.12, ["5%", "10%", "15%"]),
        (0.3, ["10%", "20%", "30%"]),
        (0.9, ["50%", "100%"]),
        (0.0, ["5%"]),
    ],
)
def test_values_along_the_axis(top: float, labels: list[str]) -> None:
    assert [tick.label for tick in share_chart(["2024-01-01"], [top]).values] == labels


def test_bars_become_thinner_the_closer_they_stand() -> None:
    few = talk_chart(["2020-01-01", "2024-01-01"], [1.0, 1.0])
    days = [f"{year}-{month:02d}-{day:02d}" for year in (2020, 2021, 2022) for month in range(1, 13) for day in (1, 15)]
    many = talk_chart(days, [1.0] * len(days))
    assert few.width == 2.2
    assert many.width == pytest.approx(0.65 * 94 * 14 / 1079, abs=0.01)  # 14 days of 1,079 between first and last


def test_a_lane_closes_gaps_and_shows_what_is_too_short_to_see() -> None:
    turns = [Held(50.0, 50.0, 0), Held(10.01, 20.0, 0), Held(0.0, 10.0, 0), Held(30.0, 40.5, 1)]
    assert lanes(turns, 3, 120.0) == ["M0 0h20v1h-20zM50 0h.1v1h-.1z", "M30 0h10.5v1h-10.5z", ""]


def test_turns_of_one_voice_that_overlap_are_one() -> None:
    assert lanes([TimelineTurn(0.0, 30.0, 0, 0), TimelineTurn(10.0, 20.0, 0, 0)], 1, 60.0) == ["M0 0h30v1h-30z"]


def test_a_ruler_of_an_episode_without_length_is_its_beginning() -> None:
    assert [(tick.at, tick.label) for tick in ruler(0.0)] == [(0.0, "0:00")]
    assert [tick.label for tick in ruler(25.0)] == ["0:00", "0:10", "0:20"]


def test_lines_become_paragraphs_by_speaker_and_by_the_minute() -> None:
    lines = [TranscriptLine(at, at + 20.0, str(at), speaker) for at, speaker in ((0, "Ada"), (20, "Ada"), (40, "Ada"))]
    lines += [TranscriptLine(60.0, 80.0, "60", "Ada"), TranscriptLine(80.0, 90.0, "80", "Basil")]
    assert [[line.text for line in paragraph] for paragraph in paragraphs(lines)] == [["0", "20", "40"], ["60"], ["80"]]
