"""Fixing an episode on its page: lines given, one split, other words, two voices one, one voice two; and undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support.browsing import Visit
from tests.web.test_app import JSON, KEY
from tests.web.test_browser import EPISODE
from voicematch.library import Library
from voicematch.usecases import fix
from voicematch.web.actions.fixing import FIXING


def seen(client: TestClient) -> list[tuple[Any, ...]]:
    """Who says what in the episode."""
    page = client.get(f"/episodes/{KEY}.json").json()
    return [(line["speaker"], line["start"], line["end"], line["text"]) for line in page["lines"]]


def who(client: TestClient, first: int, last: int) -> list[str]:
    return [line[0] for line in seen(client)[first - 1 : last]]


ALL = {
    "give-lines": {"lines": "2,3,6", "to": "SPEAKER_01"},
    "split-line": {"lines": "5", "words": "1,3", "to": "SPEAKER_00"},
    "split-voice": {"speaker": "SPEAKER_00", "lines": "1,2", "name": "Greta Gorse", "consent": "public"},
    "merge-voices": {"source": "SPEAKER_02", "into": "SPEAKER_01"},
    "reword": {"lines": "4", "text": "Moss."},
}


def test_all_of_them_are_tried() -> None:
    assert set(ALL) == set(FIXING)


@pytest.mark.parametrize("name", ALL)
def test_what_is_fixed_is_undone(writing: TestClient, name: str) -> None:
    before = seen(writing)
    done = writing.post(f"/actions/{name}", data={"episode": KEY} | ALL[name], headers=JSON).json()
    assert seen(writing) != before
    assert writing.post("/actions/undo", data={"action": str(done["action"])}, headers=JSON).is_success
    assert seen(writing) == before


def test_marked_lines_are_given(writing: TestClient) -> None:
    assert who(writing, 1, 4) == ["Ada Ash", "Ada Ash", "Dora Dill", "Dora Dill"]
    marked = "lines=2&lines=3&lines=4"  # as a browser sends boxes
    form = {"content-type": "application/x-www-form-urlencoded"}
    body = f"episode={KEY}&{marked}&to=&name=Emil+Elder"
    done = writing.post("/actions/give-lines", content=body, headers=JSON | form).json()
    assert done["text"] == "3 lines given to Emil Elder"
    assert who(writing, 1, 4) == ["Ada Ash", "Emil Elder", "Emil Elder", "Emil Elder"]


@pytest.mark.parametrize("name", [name for name in ALL if "lines" in ALL[name]])
def test_places_counted_on_an_older_page_are_refused(writing: TestClient, library: Library, name: str) -> None:
    """Somebody splits a line meanwhile, and every place after it is another line's."""
    shown = writing.get(f"/episodes/{KEY}.json").json()["seen"]
    assert f'name="seen" value="{shown}"' in writing.get(f"/episodes/{KEY}?fix=1&line=5").text
    episode = library.episodes.get(KEY)
    fix.give(KEY, [fix.span_of_lines(episode, 0, to_word=1)], "SPEAKER_02", library=library)
    before = seen(writing)
    answer = writing.post(f"/actions/{name}", data={"episode": KEY, "seen": shown} | ALL[name], headers=JSON)
    assert answer.status_code == 409
    assert "load it again" in answer.json()["error"]
    assert seen(writing) == before
    shown = writing.get(f"/episodes/{KEY}.json").json()["seen"]
    assert writing.post(f"/actions/{name}", data={"episode": KEY, "seen": shown} | ALL[name], headers=JSON).is_success


def test_a_fix_that_was_taken_back_elsewhere_takes_no_later_one_with_it(writing: TestClient, library: Library) -> None:
    done = writing.post("/actions/reword", data={"episode": KEY} | ALL["reword"], headers=JSON).json()
    fix.undo(KEY, library=library)
    fix.reword(KEY, 3, "Hedges.", library=library)
    answer = writing.post("/actions/undo", data={"action": str(done["action"])}, headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (409, "that fix was taken back already")
    assert seen(writing)[3][-1] == "Hedges."


def refusals() -> dict[str, Callable[[], dict[str, str]]]:
    return {
        "mark the lines": lambda: {"lines": "x", "to": "new"},
        "say whose": lambda: {"lines": "1"},
        "no line": lambda: {"lines": "99999", "to": "new"},
    }


@pytest.mark.parametrize("reason", refusals())
def test_what_is_not_meant_is_refused(writing: TestClient, reason: str) -> None:
    answer = writing.post("/actions/give-lines", data={"episode": KEY} | refusals()[reason](), headers=JSON)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


def test_a_line_is_fixed_split_two_voices_made_one_and_all_undone(changing: Visit) -> None:
    """End to end, with a pointer."""
    page = changing.open(f"/episodes/{EPISODE}")
    page.get_by_role("link", name="Fix lines").click()
    line = page.locator("#fixing li")
    assert line.nth(0).locator(".who").inner_text() == "Ada Ash"
    line.nth(0).locator("input").check()
    line.nth(2).locator("input").click(modifiers=["Shift"])
    assert changing.text("[data-count]") == "3 lines marked"
    page.locator("#to-lines").select_option("SPEAKER_02")
    page.get_by_role("button", name="Give them").click()
    page.locator(".notice", has_text="3 lines given to").wait_for()
    assert line.nth(0).locator(".who").inner_text() != "Ada Ash"

    line.nth(7).get_by_role("link").last.click()
    first = page.locator(".words label").first.inner_text()
    page.locator(".words label").first.click()
    page.locator("#to-words").select_option("new")
    page.get_by_role("button", name="Split the line").click()
    page.locator(".notice", has_text="a part of a line given to").wait_for()
    assert page.locator("#fixing .line", has_text=first).filter(has_text=first).first.is_visible()
    num_lines = line.count()
    page.keyboard.press("u")
    page.locator(".notice", has_text="Undone").wait_for()
    assert line.count() == num_lines - 1

    page.get_by_text("Correct who these voices are").click()
    case = page.locator("#names-of-voices [data-voice]").nth(2)
    case.get_by_text("More").click()
    case.get_by_role("button", name="Make them one").click()
    page.locator(".notice", has_text="are one voice in this episode").wait_for()
    assert page.locator("#names-of-voices [data-voice]").count() == 2
    for what in ("are one voice", "3 lines given"):
        page.locator(".notice").get_by_role("button", name="Undo").click()
        page.locator(".notice p", has_text="Undone").filter(has_text=what).wait_for()
    assert page.locator("#names-of-voices [data-voice]").count() == 3
    assert line.nth(0).locator(".who").inner_text() == "Ada Ash"
