"""A browser on the pages: Debian's Chromium, driven by Playwright, on ``voicematch serve`` as it is installed."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

CHROMIUM = shutil.which("chromium")
COMMAND = [sys.executable, "-c", "from voicematch.cli import main; main()"]
NARROW, WIDE = {"width": 390, "height": 844}, {"width": 1180, "height": 860}
PHONE = {"viewport": NARROW, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": WIDE, "color_scheme": "light"},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "phone": PHONE | {"color_scheme": "light"},
    "phone-dark": PHONE | {"color_scheme": "dark"},
}


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


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, without a word on stderr."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def hosting(folder: Path) -> Iterator[str]:
    """A web server that knows nothing but files; gives its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


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
    assert visit.faults == [], visit.faults
