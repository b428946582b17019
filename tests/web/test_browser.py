"""The pages in a real browser: Debian's Chromium, driven by Playwright, on ``voicematch serve`` as it is installed.

VOICEMATCH_SCREENSHOTS names a folder for pictures of every page, light, dark and on a telephone, for a person to look
at. VOICEMATCH_AXE names the axe.min.js of the npm package axe-core, which looks for faults of accessibility.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browsing import CHROMIUM, COMMAND, LOOKS, WIDE, Visit, hosting, serving, visiting
from voicematch import enroll, identify, open_library
from voicematch.types import Line

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install '.[browser]')")

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

AXE = os.environ.get("VOICEMATCH_AXE")
SHARED = Path(os.environ.get("VOICEMATCH_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "dev"
EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURED = {"width": 1180, "height": 1040}
EPISODE = "0000001b5eed5eed"  # the 28th of the synthetic library, in which Ada Ash is the host

needs_axe = pytest.mark.skipif(not AXE, reason="VOICEMATCH_AXE names no axe.min.js (npm pack axe-core)")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium (apt-get install chromium)")


# -- reading and listening


def test_a_speaker_page_shows_the_voice_the_chart_and_the_lines(visit: Visit) -> None:
    page = visit.open("/speakers")
    page.get_by_role("link", name="Ada Ash").click()
    assert visit.text("h1") == "Ada Ash"
    assert "Voice profile active: recognised automatically across episodes" in visit.text(".voice")
    assert "3 voiceprints" in visit.text(".voice")
    bars = page.locator(".chart a")
    assert bars.count() == 10
    bars.nth(9).hover()
    assert "10 Jul 2024" in visit.text(".chart .tip")
    page.get_by_text("Share of the talk", exact=True).click()
    assert page.locator(".chart rect.by-share").first.is_visible()
    assert page.locator(".chart rect.by-talk").first.is_hidden()
    lines = page.locator(".said").first.locator("li")
    assert "Welcome to Night Garden Radio." in lines.first.inner_text()


def test_the_chart_is_walked_along_with_the_arrow_keys(visit: Visit) -> None:
    page = visit.open("/speakers/1")
    bars = page.locator(".chart a")
    assert [bar.get_attribute("tabindex") for bar in bars.all()] == ["-1"] * 9 + ["0"]
    bars.last.focus()
    page.keyboard.press("ArrowLeft")
    assert "19 Jun 2024" in visit.text(".chart .tip")
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
        assert page.locator(".chart a").count() == 10
        link = page.locator(".said a.clock").nth(1)
        assert link.get_attribute("href") == f"/audio/{EPISODE}#t={link.get_attribute('data-start')}"
        visit.open(f"/episodes/{EPISODE}")
        assert page.locator("noscript audio").count() == 1 or page.locator("audio[controls]").count() == 1
        assert page.get_by_role("button", name="Keyboard shortcuts").count() == 0


def test_sound_that_is_gone_leaves_the_page_usable(visit: Visit) -> None:
    visit.page.route("**/audio/**", lambda route: route.fulfill(status=404))
    page = visit.open(f"/episodes/{EPISODE}")
    page.get_by_role("button", name="Play episode").click()
    page.locator(".player", has_text="The sound of this is not at hand").wait_for()
    page.get_by_role("button", name="Close").click()
    assert "Welcome to Night Garden Radio." in visit.text("#said")
    visit.faults[:] = [fault for fault in visit.faults if "404" not in fault]


def test_the_backlog_keeps_itself_up_to_date(changing: Visit, tmp_path: Path) -> None:
    page = changing.open("/backlog")
    assert page.locator(".states strong").all_inner_texts() == ["1", "3", "30", "2"]
    with open_library(tmp_path / "library.db") as library:
        job = library.jobs.claim("elsewhere:1")
        assert job is not None
        library.jobs.fail(job, "the line went dead", unexpected=False)
    page.get_by_text("the line went dead").wait_for()
    assert page.locator(".states strong").all_inner_texts() == ["1", "2", "30", "3"]


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
    page.locator(".case.current select[name=consent]").select_option("public")
    page.locator(".case.current").get_by_role("button", name="Name this voice").click()
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


def walk_to(page: Page, case: str) -> None:
    for _ in range(page.locator(".case").count()):
        if page.locator(".case.current").get_attribute("data-case") != case:
            page.keyboard.press("j")


def test_a_voice_is_merged_and_another_ignored(changing: Visit) -> None:
    page = changing.open("/unknowns")
    page.keyboard.press("i")
    page.locator("[data-case='U-0003']").wait_for(state="detached")
    walk_to(page, "U-0015")  # which sounds like Hazel Holly
    page.keyboard.press("m")
    page.keyboard.type("Hazel Holly")
    page.keyboard.press("Enter")
    page.locator("[data-case='U-0015']").wait_for(state="detached")
    assert "1 voice in 1 episode changed" in changing.text(".notice")
    changing.open("/unknowns?ignored=1")
    assert page.locator(".case").get_attribute("data-case") == "U-0003"


def test_what_the_text_suggests_is_not_asked_of_a_voice_that_is_gone(changing: Visit) -> None:
    """Suggestions come one after the other while somebody works; an answer that comes too late is an error."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "json" in route.request.headers["accept"] and not held:
            held.append(route)
        else:
            route.continue_()

    changing.page.route("**/unknowns/U-0015", hold)
    with changing.page.expect_request("**/unknowns/U-0015"):
        page = changing.open("/unknowns")
    walk_to(page, "U-0015")
    page.keyboard.press("m")
    page.keyboard.type("Hazel Holly")
    page.keyboard.press("Enter")
    page.locator("[data-case='U-0015']").wait_for(state="detached")
    held[0].continue_()
    page.locator("[data-suggestions]:not([data-loaded])").first.wait_for(state="detached")
    assert changing.faults == []


def test_two_unknown_voices_are_one(changing: Visit) -> None:
    page = changing.open("/unknowns")
    num_episodes = page.locator("[data-case='U-0003'] .heard li").count()
    page.keyboard.press("m")
    page.keyboard.type("U-0006")
    page.keyboard.press("Enter")
    page.locator(".notice").wait_for()
    left = {one.get_attribute("data-case") for one in page.locator(".case").all()}
    assert len({"U-0003", "U-0006"} & left) == 1
    assert num_episodes == 5
    assert "10 episodes" in page.locator(".case .facts").first.inner_text()


def test_a_name_that_does_not_fit_is_told_so(changing: Visit) -> None:
    page = changing.open("/unknowns")
    page.keyboard.press("m")
    page.keyboard.type("Hazel Holly")
    page.keyboard.press("Enter")
    page.locator(".notice", has_text="does not sound like the Hazel Holly enrolled before").wait_for()
    assert "No voice changed its name" in changing.text(".notice")
    assert page.locator(".case.current").get_attribute("data-case") == "U-0003"


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


def test_a_speaker_is_renamed_and_merged_on_their_page(changing: Visit) -> None:
    page = changing.open("/speakers/4")
    page.get_by_text("Change or delete this speaker").click()
    page.get_by_label("Another name, in every episode").fill("Dora D. Dill")
    page.get_by_role("button", name="Rename").click()
    page.locator("h1", has_text="Dora D. Dill").wait_for()
    page.get_by_label("This is the same person").fill("Emil Elder")
    page.get_by_role("button", name="Merge").click()
    page.wait_for_url("**/speakers/5")  # the page of one who is no more leads to who is left
    page.locator(".notice", has_text="Dora D. Dill and Emil Elder are one person").get_by_role("button").click()
    page.locator(".notice", has_text="Undone").wait_for()
    page.locator(".notice").get_by_text("Dismiss").click()
    assert page.locator(".notice").count() == 0
    changing.faults[:] = [fault for fault in changing.faults if "404" not in fault]


def test_a_voice_is_forgotten_by_keyboard_with_its_name_in_words_and_backups(changing: Visit, tmp_path: Path) -> None:
    with open_library(tmp_path / "library.db") as library:
        for copy in library.copies.all():  # of other tests
            library.copies.remove(copy.path)
        library.upkeep.backup(tmp_path / "backup.db")
    page = changing.open("/speakers/4")
    page.get_by_text("Change or delete this speaker").click()
    page.get_by_label("Names they had before").focus()
    for box in ("Redact the name in transcripts, titles and notes", "Erase it also in backups"):
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        assert page.get_by_label(box).is_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Is that meant?").wait_for()
    assert "Backups of the library and exported voices are changed too." in changing.text("#sure")
    page.get_by_role("button", name="Forget Dora Dill for good").click()
    page.wait_for_url("**/speakers?*")
    page.locator(".notice", has_text="erased too in backup.db").wait_for()
    with open_library(tmp_path / "backup.db") as backup:
        assert backup.profiles.find("Dora Dill") is None
    changing.faults[:] = [fault for fault in changing.faults if "40" not in fault]  # it asks, and the page is no more


def test_an_action_that_is_refused_says_why(changing: Visit) -> None:
    page = changing.open("/unknowns")
    page.keyboard.press("n")
    page.keyboard.type("Somebody New")
    page.locator(".case.current").get_by_role("button", name="Name this voice").click()
    assert "say why the voice of Somebody New may be kept" in page.get_by_role("alert").inner_text()
    changing.faults.clear()  # the browser notes every answer of 400


# -- other libraries


@pytest.fixture(scope="module")
def site(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the static site made of the library."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([*COMMAND, "site", str(folder), "--quiet", "--library", str(original)], check=True)
    with hosting(folder) as address:
        yield address


def test_a_static_site_is_searched_in_the_browser(browser: Browser, site: str) -> None:
    with visiting(browser, site) as visit:
        page = visit.open("/index.html")
        page.get_by_label("Find a speaker").fill("ada")
        assert page.locator(".people li:visible").all_inner_texts() == [page.locator(".people li:visible").inner_text()]
        page.get_by_role("link", name="Ada Ash").click()
        page.get_by_label("Search what Ada Ash said").fill("MOSS wall")
        page.keyboard.press("Enter")
        page.locator("mark").first.wait_for()
        assert set(page.locator(".said .who").all_inner_texts()) == {"Ada Ash"}
        assert {text.lower() for text in page.locator("mark").all_inner_texts()} == {"moss", "wall"}
        page.get_by_role("link", name="Read on").first.click()
        page.locator(".line.target", has_text="moss").wait_for()
        visit.open("/search.html?q=nobodysaidthis")
        page.get_by_text("Nobody said that.").wait_for()
        visit.faults[:] = [fault for fault in visit.faults if "404" not in fault]  # there is no file of such words
        assert page.locator(".nav a").all_inner_texts() == ["Speakers", "Episodes", "Shows"]


def test_the_example_is_followed_as_it_plays(browser: Browser, pictures: Path, tmp_path: Path) -> None:
    """The picture of it, ``pages.png``, is the one in ``examples/``."""
    library = tmp_path / "library.db"
    with open_library(library) as opened:
        for clip in sorted((EXAMPLES / "voices").glob("*.mp3")):
            enroll(clip.stem, clip, library=opened, consent="permission")
        transcript = EXAMPLES / "episode.srt"
        answer = identify(EXAMPLES / "episode.mp3", library=opened, transcript_path=transcript, title="The Workbench")
    with serving(library) as address, visiting(browser, address, viewport=PICTURED) as visit:
        page = visit.open(f"/episodes/{answer.audio_sha256[:16]}")
        page.locator(".line", has_text="It began with one radio").click()
        page.locator(".line.now", has_text="It began with one radio").wait_for()
        visit.hears(21.5)
        page.locator(".loudness path").wait_for()
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=pictures / "pages.png")


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A library of two real recordings of one show, heard by the real models, and the name of its host."""
    folders = [SHARED / name for name in ("tts_p03_e01", "tts_p03_e02")]
    if not all((folder / "audio.mp3").exists() for folder in folders):
        pytest.skip(f"no development episodes in {SHARED} (VOICEMATCH_SHARED)")
    show = tmp_path_factory.mktemp("heard") / "A Show"
    show.mkdir()
    library = show.parent / "library.db"
    with open_library(library) as opened:
        for number, folder in enumerate(folders, 1):
            rows = json.loads((folder / "lines.json").read_text("utf-8"))
            lines = tuple(Line(row["start"], row["end"], row["text"]) for row in rows)
            audio = shutil.copy(folder / "audio.mp3", show / f"{number}.mp3")
            identify(audio, library=opened, lines=lines, title=f"Number {number}", date=f"2026-0{number}-15")
    return library, rows[0]["person"]


def test_two_real_episodes_are_labelled_by_naming_their_host(browser: Browser, heard: tuple[Path, str]) -> None:
    library, host = heard
    with serving(library) as address, visiting(browser, address) as visit:
        page = visit.open("/unknowns")
        assert "2 episodes" in visit.text(".case.current .facts")
        page.keyboard.press("p")
        visit.hears(0.5)
        page.keyboard.press("n")
        page.keyboard.type(host)
        page.locator(".case.current select[name=consent]").select_option("public")
        page.keyboard.press("Enter")
        page.locator(".notice", has_text=host).wait_for()

        visit.open("/speakers")
        page.locator("main").get_by_role("link", name=host).click()
        assert page.locator(".chart a").count() == 2
        assert "active" in visit.text(".voice")
        line = page.locator(".said li").nth(1)
        start = float(line.locator("a.clock").get_attribute("data-start") or -1)
        line.locator("a.clock").click()
        visit.hears(start + 0.5)
        for number in ("1", "2"):
            visit.open("/episodes")
            page.locator("main").get_by_role("link", name=f"Number {number}").click()
            assert host in visit.text("#lanes")
            assert host in visit.text("#said")


# -- how every page looks

PATHS = (
    "/speakers",
    "/speakers/1",
    "/speakers/7",
    "/speakers/1?q=moss",
    f"/speakers/1/episodes/{EPISODE}",
    "/episodes",
    f"/episodes/{EPISODE}",
    "/shows",
    "/shows/night-garden-radio",
    "/unknowns",
    "/unknowns?ignored=1",
    "/unknowns/U-0003",
    "/review",
    "/backlog",
    "/search?q=moss",
    f"/episodes/{EPISODE}?fix=1&line=3",
    f"/quotes/{EPISODE}/3",
    "/settings",
    "/nowhere",
)
Faults = dict[tuple[str, str], str]
PUBLIC = (
    "/index.html",
    "/speakers/ada-ash/",
    "/episodes.html",
    "/episodes/1-the-moss-under-the-north-wall-is-older-than-the-wall/",
    "/shows.html",
    "/shows/night-garden-radio/",
    "/search.html?q=moss",
    "/404.html",
)
PLAYED = ("/speakers/1", f"/episodes/{EPISODE}")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("VOICEMATCH_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def faults_of(visit: Visit, path: str, picture: Path) -> Faults:
    """What axe finds, however small, or is too wide, by page and kind; writes a picture of the page."""
    assert AXE
    page = visit.open(path)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=picture, full_page=True)
    if path in PLAYED:
        page.locator("[data-play]").first.click()
        visit.hears(0.1)
        page.get_by_role("button", name="Pause").first.click()
        page.screenshot(path=picture.with_stem(f"playing-{picture.stem}"))
    page.evaluate(Path(AXE).read_text("utf-8"))
    faults = page.evaluate("() => axe.run({resultTypes: ['violations']}).then(result => result.violations)")
    found: Faults = {(path, fault["id"]): fault["nodes"][0]["html"][:200] for fault in faults}
    if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
        found[path, "wider than the window"] = ""
    visit.faults[:] = [fault for fault in visit.faults if "404" not in fault]  # of /nowhere
    return found


@needs_axe
@pytest.mark.parametrize("look", LOOKS)
def test_no_page_keeps_anybody_out(browser: Browser, reading: str, look: str, pictures: Path) -> None:
    found: Faults = {}
    with visiting(browser, reading, **LOOKS[look]) as visit:
        for path in PATHS:
            name = re.sub(r"\W+", "-", path.strip("/"))
            found |= faults_of(visit, path, pictures / f"{name}.{look}.png")
    assert found == {}


@needs_axe
def test_no_public_page_keeps_anybody_out(browser: Browser, site: str, pictures: Path) -> None:
    found: Faults = {}
    with visiting(browser, site) as visit:
        for path in PUBLIC:
            name = re.sub(r"\W+", "-", path.strip("/").replace(".html", ""))
            found |= faults_of(visit, path, pictures / f"site-{name}.png")
    assert found == {}
