"""The pages in a real browser: Debian's Chromium, driven by Playwright, on ``voicematch serve`` as it is installed.

VOICEMATCH_SCREENSHOTS names a folder for pictures of every page, light, dark and on a telephone, for a person to look
at. VOICEMATCH_AXE names the axe.min.js of the npm package axe-core, which looks for faults of accessibility.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from . import web_library

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install '.[browser]')")

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

CHROMIUM = shutil.which("chromium")
AXE = os.environ.get("VOICEMATCH_AXE")
NARROW, WIDE = {"width": 390, "height": 844}, {"width": 1180, "height": 860}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": WIDE, "color_scheme": "light"},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "phone": {
        "viewport": NARROW,
        "color_scheme": "light",
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
    "phone-dark": {
        "viewport": NARROW,
        "color_scheme": "dark",
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
}
COMMAND = [sys.executable, "-c", "from voicematch.cli import main; main()"]
EPISODE = "0000001b5eed5eed"  # the 28th of the synthetic library, in which Ada Ash is the host

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium (apt-get install chromium)")


@dataclass
class Visit:
    """One window on one server, and what went wrong in it."""

    page: Page
    address: str
    faults: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()

    def played(self) -> float:
        """Where the sound is, as the player shows it."""
        return float(self.page.locator(".player input[type=range]").input_value())

    def note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def hears(self, after: float) -> None:
        """Waits until the sound is beyond that second; a sound that does not play never gets there."""
        self.page.wait_for_function(
            "after => Number(document.querySelector('.player input[type=range]')?.value) > after", arg=after
        )


@contextmanager
def serving(library: Path) -> Iterator[str]:
    """``voicematch serve`` on a free port, as its own process, until the end; gives its address."""
    command = [*COMMAND, "serve", "--port", "0", "--library", str(library)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            line = server.stderr.readline()
            found = re.match(r"(http://127\.0\.0\.1:\d+)/ shows ", line)
            assert found, line + server.stderr.read()
            yield found[1]
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        # Chromium's sandbox refuses to run as root, which is who runs in a container
        launched = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"],
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    web_library.make_audio(folder / "episode.wav")
    web_library.make(folder / "library.db", audio=folder / "episode.wav")
    return folder / "library.db"


@pytest.fixture(scope="module")
def reading(original: Path) -> Iterator[str]:
    """The address of a library that no test changes."""
    with serving(original) as address:
        yield address


@contextmanager
def visiting(browser: Browser, address: str, **context: Any) -> Iterator[Visit]:
    """A window; whatever the browser complains about, a policy that is broken too, fails the test at its end."""
    opened = browser.new_context(**(LOOKS["light"] | context))
    visit = Visit(opened.new_page(), address)
    visit.page.set_default_timeout(15_000)
    visit.page.on("console", visit.note)
    visit.page.on("pageerror", lambda error: visit.faults.append(str(error)))
    yield visit
    opened.close()
    assert visit.faults == []


@pytest.fixture
def visit(browser: Browser, reading: str) -> Iterator[Visit]:
    with visiting(browser, reading) as opened:
        yield opened


@pytest.fixture
def changing(browser: Browser, original: Path, tmp_path: Path) -> Iterator[Visit]:
    """A window on a library of its own, which the test may change."""
    shutil.copy(original, tmp_path / "library.db")
    with serving(tmp_path / "library.db") as address, visiting(browser, address) as opened:
        yield opened


# -- reading and listening


def test_a_speaker_page_shows_the_voice_the_chart_and_the_lines(visit: Visit) -> None:
    page = visit.open("/speakers")
    page.get_by_role("link", name="Ada Ash").click()
    assert visit.text("h1") == "Ada Ash"
    assert "Voice profile active: recognised automatically across episodes" in visit.text(".voice")
    assert "3 voiceprints" in visit.text(".voice")
    bars = page.locator(".chart-talk a")
    assert bars.count() == 10
    bars.nth(9).hover()
    assert "10 Jul 2024" in visit.text(".chart-talk .tip")
    page.get_by_text("Share of the talk", exact=True).click()
    assert page.locator(".chart-share").is_visible()
    assert page.locator(".chart-talk").is_hidden()
    lines = page.locator(".said").first.locator("li")
    assert "Welcome to Night Garden Radio." in lines.first.inner_text()


def test_the_chart_is_walked_along_with_the_arrow_keys(visit: Visit) -> None:
    page = visit.open("/speakers/1")
    bars = page.locator(".chart-talk a")
    assert [bar.get_attribute("tabindex") for bar in bars.all()] == ["-1"] * 9 + ["0"]
    bars.last.focus()
    page.keyboard.press("ArrowLeft")
    assert "19 Jun 2024" in visit.text(".chart-talk .tip")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/episodes/{EPISODE}")


def test_a_line_plays_from_its_second(visit: Visit) -> None:
    page = visit.open("/speakers/1")
    line = page.locator(".said a.clock").nth(2)
    assert line.inner_text().endswith("0:40")
    line.click()
    visit.hears(40.4)
    assert visit.played() < 60
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Play", exact=True).wait_for()


def test_the_transcript_follows_the_sound(visit: Visit) -> None:
    page = visit.open(f"/episodes/{EPISODE}")
    page.locator("[data-lane]").first.click()  # the middle of ten minutes
    visit.hears(300.4)
    line = page.locator(".line.now")
    assert float(line.get_attribute("data-start") or -1) == 300.0
    assert "Ada Ash" in visit.text(".player .what")
    page.keyboard.press("ArrowRight")
    visit.hears(305.5)
    page.keyboard.press("Space")
    page.get_by_role("button", name="Play", exact=True).wait_for()
    page.locator(".line").nth(3).click()
    visit.hears(float(page.locator(".line").nth(3).get_attribute("data-start") or -1) + 0.2)


def test_an_address_leads_to_a_second(visit: Visit) -> None:
    page = visit.open(f"/episodes/{EPISODE}#t=420.0")
    line = page.locator(".line.target")
    assert line.get_attribute("data-start") == "420.0"
    assert page.evaluate("() => document.querySelector('.line.target').getBoundingClientRect().top") < WIDE["height"]
    page.get_by_role("button", name="Play episode").click()
    visit.hears(420.3)


def test_a_search_marks_the_words_and_plays_them(visit: Visit) -> None:
    page = visit.open("/speakers")
    page.keyboard.press("/")
    page.keyboard.type("moss")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=moss*")
    assert visit.text("mark") == "moss"
    page.locator(".said a.clock").first.click()
    visit.hears(float(page.locator(".said a.clock").first.get_attribute("data-start") or -1) + 0.2)


def test_everything_can_be_read_without_scripts(browser: Browser, reading: str) -> None:
    with visiting(browser, reading, java_script_enabled=False) as visit:
        page = visit.open("/speakers/1")
        assert page.locator(".chart-talk a").count() == 10
        link = page.locator(".said a.clock").nth(1)
        assert link.get_attribute("href") == f"/audio/{EPISODE}#t={link.get_attribute('data-start')}"
        visit.open(f"/episodes/{EPISODE}")
        assert page.locator("noscript audio").count() == 1 or page.locator("audio[controls]").count() == 1
        assert page.get_by_role("button", name="Keyboard shortcuts").count() == 0


# -- naming and judging


def test_an_unknown_voice_is_named_by_keyboard_and_the_naming_undone(changing: Visit) -> None:
    page = changing.open("/unknowns")
    unknown = page.locator(".case.current").get_attribute("data-case")
    episode = page.locator(".case.current .heard a").first.get_attribute("href")
    page.keyboard.press("j")
    assert page.locator(".case.current").get_attribute("data-case") != unknown
    page.keyboard.press("k")
    page.keyboard.press("p")
    changing.hears(0.2)
    page.keyboard.press("n")
    page.keyboard.type("Robin A. Rowan")
    page.keyboard.press("Enter")
    page.locator(".notice", has_text="Robin A. Rowan").wait_for()
    assert page.locator(f"[data-case='{unknown}']").count() == 0
    assert "Robin A. Rowan" in page.locator("#said-aloud").inner_text()

    changing.open(str(episode))
    assert "Robin A. Rowan" in changing.text("#lanes")
    assert "Robin A. Rowan" in changing.text("#said")
    changing.open("/unknowns")
    page.keyboard.press("u")
    page.locator(f"[data-case='{unknown}']").wait_for()
    changing.open(str(episode))
    assert "Robin A. Rowan" not in changing.text("#lanes")
    assert str(unknown) in changing.text("#lanes")


def test_a_voice_is_merged_and_another_ignored(changing: Visit) -> None:
    page = changing.open("/unknowns")
    first = page.locator(".case.current").get_attribute("data-case")
    page.keyboard.press("m")
    page.keyboard.type("Hazel Holly")
    page.keyboard.press("Enter")
    page.locator(".notice", has_text="Hazel Holly").wait_for()
    second = page.locator(".case.current").get_attribute("data-case")
    assert second != first
    page.keyboard.press("i")
    page.locator(f"[data-case='{second}']").wait_for(state="detached")
    changing.open("/unknowns?ignored=1")
    assert page.locator(".case").get_attribute("data-case") == second


def test_matches_are_judged_by_keyboard(changing: Visit) -> None:
    page = changing.open("/review")
    cases = [one.get_attribute("data-case") for one in page.locator(".case").all()]
    page.keyboard.press("p")
    changing.hears(0.2)
    page.keyboard.press("c")
    page.locator(".excerpt.playing-this", has_text="as known").wait_for()
    page.keyboard.press("a")
    page.locator(f"[data-case='{cases[0]}']").wait_for(state="detached")
    page.keyboard.press("r")
    page.locator(f"[data-case='{cases[1]}']").wait_for(state="detached")
    page.keyboard.press("u")
    page.locator(f"[data-case='{cases[1]}']").wait_for()
    assert page.locator(f"[data-case='{cases[0]}']").count() == 0


def test_single_keys_can_be_turned_off_for_good(changing: Visit) -> None:
    page = changing.open("/review")
    first = page.locator(".case.current").get_attribute("data-case")
    page.keyboard.press("?")
    page.get_by_label("Single keys do things").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    for key in ("j", "r", "a"):
        page.keyboard.press(key)
    assert page.locator(".case.current").get_attribute("data-case") == first
    assert page.locator(".notice").count() == 0


def test_a_correction_on_the_page_of_an_episode(changing: Visit) -> None:
    page = changing.open(f"/episodes/{EPISODE}")
    page.get_by_text("Correct who these voices are").click()
    page.get_by_label("It is really").first.fill("Basil Birch")
    page.get_by_role("button", name="Correct").first.click()
    page.locator(".notice").wait_for()
    assert "Basil Birch" in changing.text("#lanes")
    assert page.get_by_label("It is really").first.is_visible()  # what was open stays open


def test_an_action_that_is_refused_says_why(changing: Visit) -> None:
    page = changing.open("/unknowns")
    page.keyboard.press("n")
    page.keyboard.type("Somebody New")
    page.locator(".case.current select[name=consent]").select_option("")
    page.locator(".case.current").get_by_role("button", name="Name this voice").click()
    assert "consent" in page.get_by_role("alert").inner_text()
    changing.faults.clear()  # the browser notes every answer of 400


# -- how every page looks

PATHS = (
    "/speakers",
    "/speakers/1",
    "/speakers/7",
    "/speakers/1?q=moss",
    f"/speakers/1/episodes/{EPISODE}",
    "/episodes",
    f"/episodes/{EPISODE}",
    "/unknowns",
    "/unknowns?ignored=1",
    "/unknowns/U-0003",
    "/review",
    "/backlog",
    "/search?q=moss",
    "/nowhere",
)
PLAYED = ("/speakers/1", f"/episodes/{EPISODE}")


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_keeps_anybody_out(browser: Browser, reading: str, look: str, tmp_path: Path) -> None:
    """No fault that axe calls serious or critical, nothing wider than the window, and a picture of each page."""
    if not AXE:
        pytest.skip("VOICEMATCH_AXE names no axe.min.js (npm pack axe-core)")
    pictures = Path(os.environ.get("VOICEMATCH_SCREENSHOTS") or tmp_path)
    pictures.mkdir(parents=True, exist_ok=True)
    axe = Path(AXE).read_text("utf-8")
    found: dict[tuple[str, str], str] = {}
    with visiting(browser, reading, **LOOKS[look]) as visit:
        for path in PATHS:
            page = visit.open(path)
            name = re.sub(r"\W+", "-", path.strip("/"))
            page.screenshot(path=pictures / f"{name}.{look}.png", full_page=True)
            if path in PLAYED:
                page.locator("[data-play]").first.click()
                visit.hears(0.1)
                page.get_by_role("button", name="Pause").first.click()
                page.screenshot(path=pictures / f"{name}-playing.{look}.png")
            page.evaluate(axe)
            faults = page.evaluate("() => axe.run({resultTypes: ['violations']}).then(result => result.violations)")
            grave = [fault for fault in faults if fault["impact"] in ("serious", "critical")]
            found |= {(path, fault["id"]): fault["nodes"][0]["html"][:200] for fault in grave}
            if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
                found[path, "wider than the window"] = look
        visit.faults[:] = [fault for fault in visit.faults if "404" not in fault]  # of /nowhere
    assert found == {}
