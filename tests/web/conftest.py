"""The pages to read and to write, and a browser for the tests of pages in one, with a library for it to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from tests.support import web_library
from tests.support.browsing import CHROMIUM, Visit, serving, visiting
from tests.support.web_library import HERE
from voicematch import open_library
from voicematch.library import Library
from voicematch.web.app import create_app

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def client(web_folder: Path) -> Iterator[TestClient]:
    """For reading."""
    with open_library(web_folder / "library.db") as library:
        yield TestClient(create_app(library), base_url=HERE, follow_redirects=False)


@pytest.fixture
def library(web_library_file: Path) -> Iterator[Library]:
    """A library with many episodes, which the test may change."""
    with open_library(web_library_file) as opened:
        yield opened


@pytest.fixture
def writing(library: Library) -> TestClient:
    """The pages of that library."""
    return TestClient(create_app(library), base_url=HERE, follow_redirects=False)


@pytest.fixture(scope="module")  # while it is there, its thread has an event loop, and asyncio.run refuses
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        # Chromium's sandbox refuses to run as root, which is who runs in a container
        launched = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"],
        )
        yield launched
        launched.close()


@pytest.fixture(scope="session")
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


@pytest.fixture
def visit(browser: Browser, reading: str) -> Iterator[Visit]:
    with visiting(browser, reading) as opened:
        yield opened


@pytest.fixture
def changing(browser: Browser, original: Path, tmp_path: Path) -> Iterator[Visit]:
    """A window on a library of its own, which the test may change."""
    with open_library(original) as library:
        library.upkeep.backup(tmp_path / "library.db")  # not a copy of the file, which another process has open
    with serving(tmp_path / "library.db") as address, visiting(browser, address) as opened:
        yield opened
