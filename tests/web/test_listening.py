"""The player in a real browser: what is heard is what the page says is heard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.browsing import NARROW, Visit, serving, visiting
from tests.web.test_browser import EPISODE
from voicematch import open_library

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install '.[browser]')")


def test_the_speed_is_kept_from_clip_to_clip_and_page_to_page(visit: Visit) -> None:
    """Heard by how far the sound gets: a button may say anything."""
    page = visit.open("/speakers/1")
    page.locator(".said a.clock").first.click()
    visit.hears(0.2)
    page.locator(".player .rate").click()
    page.locator(".player .rate").click()
    assert page.locator(".player .rate").inner_text() == "1.5×"
    page.locator(".said a.clock").nth(2).click()
    visit.hears(40.5)
    assert 1.3 < speed(visit) < 1.7
    visit.open(f"/episodes/{EPISODE}")
    page.get_by_role("button", name="Play episode").click()
    page.locator(".player .rate", has_text="1.5×").wait_for()
    visit.hears(0.5)
    assert 1.3 < speed(visit) < 1.7
    page.evaluate("() => localStorage.clear()")


def speed(visit: Visit) -> float:
    """How many seconds of sound a second has."""
    visit.page.wait_for_function("() => window.voicematchPlayer.currentTime > 0")
    measure = """async () => {
      const sound = window.voicematchPlayer;
      const [began, at] = [performance.now(), sound.currentTime];
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return (1000 * (sound.currentTime - at)) / (performance.now() - began);
    }"""
    return float(visit.page.evaluate(measure))


def test_the_time_that_was_pressed_can_be_read(visit: Visit) -> None:
    page = visit.open("/speakers/1")
    pressed = page.locator(".said a.clock").nth(1)
    pressed.click()
    page.locator(".said a.clock.now").wait_for()
    pressed.hover()
    colours = "one => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor]"
    ink, ground = pressed.evaluate(colours)
    assert contrast(ink, ground) >= 4.5


def contrast(one: str, other: str) -> float:
    """WCAG 2, of two ``rgb(…)``."""
    levels = []
    for colour in (one, other):
        values = [int(value) / 255 for value in re.findall(r"[0-9]+", colour)[:3]]
        red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
        levels.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    return (max(levels) + 0.05) / (min(levels) + 0.05)


def test_a_voice_that_was_judged_is_silent(changing: Visit) -> None:
    page = changing.open("/review")
    first = page.locator(".case.current").get_attribute("data-case")
    page.keyboard.press("p")
    changing.hears(0.2)
    page.keyboard.press("r")
    page.locator(f"[data-case='{first}']").wait_for(state="detached")
    page.get_by_role("button", name="Play", exact=True).wait_for()
    assert page.evaluate("() => window.voicematchPlayer.paused")


def test_a_host_that_cannot_begin_in_the_middle_is_told_of(visit: Visit, original: Path) -> None:
    sound = (original.parent / "episode.wav").read_bytes()
    headers = {"content-type": "audio/x-wav", "accept-ranges": "none"}
    visit.page.route("**/audio/**", lambda route: route.fulfill(status=200, body=sound, headers=headers))
    page = visit.open("/speakers/1")
    page.locator(".said a.clock").nth(2).click()
    page.locator(".player", has_text="cannot begin at 0:40").wait_for()


def test_long_names_and_all_of_the_menu_fit_a_telephone(browser, original: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with open_library(original) as library:
        library.upkeep.backup(tmp_path / "library.db")
    long = "Wolfeschlegelsteinhausenbergerdorff" * 5
    with open_library(tmp_path / "library.db") as library:
        library.profiles.rename("Ada Ash", long)
    with serving(tmp_path / "library.db") as address, visiting(browser, address, viewport=NARROW) as visit:
        for path in (
            "/speakers",
            "/speakers/1",
            "/episodes",
            f"/episodes/{EPISODE}",
            "/review",
            "/unknowns",
            "/backlog",
        ):
            page = visit.open(path)
            page.evaluate("() => document.querySelectorAll('main details').forEach(one => (one.open = true))")
            assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"], path
            for tab in page.locator(".nav a").all():
                box = tab.bounding_box()
                assert box
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= NARROW["width"], (path, tab.inner_text())
