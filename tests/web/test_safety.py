"""Who is refused, and what browsers are told."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.web_library import HERE
from voicematch.library import Library, open_library
from voicematch.web.app import create_app
from voicematch.web.guesses import FIRST_WAIT
from voicematch.web.safety import LOOPBACK

IGNORE = {"unknown": "U-0003", "as": "ad"}
PASSWORD = "correct horse: bättery"  # with a colon, and not in ASCII


@pytest.fixture(scope="module")
def library(web_folder: Path) -> Iterator[Library]:
    with open_library(web_folder / "library.db") as opened:
        yield opened


@pytest.fixture
def client(library: Library) -> TestClient:
    return TestClient(create_app(library), base_url=HERE, follow_redirects=False)


@pytest.mark.parametrize("path", ["/speakers", "/speakers.json", "/static/style.css", "/nothing", "/openapi.json"])
def test_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "media-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "private, no-cache"


def test_pages_have_nothing_inline(client: TestClient) -> None:
    """What the policy forbids is not in the pages: they work under it."""
    for path in (
        "/speakers",
        "/speakers/1",
        "/episodes/000000005eed5eed",
        "/unknowns",
        "/review",
        "/backlog",
        "/search",
    ):
        text = client.get(path).text.lower()
        assert " style=" not in text
        assert "<style" not in text
        assert " onclick=" not in text
        assert "javascript:" not in text
        assert text.count("<script") == text.count("<script src=")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8765", "localhost:9000", "LOCALHOST", "[::1]:8765", "127.9.9.9", "localhost."]
)
def test_our_names(client: TestClient, host: str) -> None:
    assert client.get("/speakers", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "192.168.1.7:8765", "0.0.0.0", "", "[::1"]
)
def test_a_name_made_to_point_here_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/speakers", headers={"host": host}).status_code == 421
    assert client.post("/actions/ignore", data=IGNORE, headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},  # another port of this machine is another site's business
        {"sec-fetch-site": "cross-site", "origin": HERE},
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
    ],
    ids=str,
)
def test_no_other_site_writes(client: TestClient, library: Library, headers: dict[str, str]) -> None:
    assert client.post("/actions/ignore", data=IGNORE, headers=headers).status_code == 403
    assert client.post("/actions/ignore", json=IGNORE, headers=headers).status_code == 403
    assert library.voices.unknown("U-0003").ignored_as is None


@pytest.mark.parametrize(
    "headers", [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": HERE}], ids=str
)
def test_our_own_pages_write(client: TestClient, headers: dict[str, str]) -> None:
    """Refused for what it asks, not for who asks."""
    answer = client.post("/actions/ignore", json={}, headers=headers | {"accept": "application/json"})
    assert (answer.status_code, answer.json()["error"][:18]) == (400, "unknown is missing")


def test_other_sites_may_link_but_not_read(client: TestClient) -> None:
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert client.get("/speakers", headers=elsewhere | {"sec-fetch-mode": "navigate"}).status_code == 200
    for mode in ("no-cors", "cors"):
        for path in ("/speakers.json", "/audio/000000005eed5eed", "/clips/U-0003.wav"):
            assert client.get(path, headers=elsewhere | {"sec-fetch-mode": mode}).status_code == 403
    assert "access-control-allow-origin" not in client.get("/speakers.json").headers


# -- with a password


@pytest.fixture
def guarded(library: Library) -> TestClient:
    app = create_app(library, names={*LOOPBACK, "studio.local"}, password=PASSWORD)
    return TestClient(app, base_url="http://studio.local:8765", follow_redirects=False)


def basic(password: str, user: str = "anybody") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    "path", ["/speakers", "/speakers.json", "/static/style.css", "/audio/000000005eed5eed", "/nothing"]
)
def test_everything_asks_for_the_password(guarded: TestClient, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="voicematch", charset="UTF-8"'
    assert "Ada" not in answer.text
    assert guarded.get(path, headers=basic(PASSWORD)).status_code != 401


@pytest.mark.parametrize(
    "authorization",
    [
        basic("wrong")["authorization"],
        basic("")["authorization"],
        "Basic !!!",
        "Basic /w==",
        "Bearer x",
        "Basic",
    ],
)
def test_wrong_passwords_take_their_time(guarded: TestClient, authorization: str) -> None:
    began = time.monotonic()
    assert guarded.get("/speakers", headers={"authorization": authorization}).status_code == 401
    assert time.monotonic() - began >= FIRST_WAIT


def test_a_password_does_not_make_other_sites_ours(guarded: TestClient) -> None:
    """A browser sends a remembered password along wherever a request comes from."""
    headers = basic(PASSWORD) | {"origin": "https://evil.example"}
    assert guarded.post("/actions/ignore", data=IGNORE, headers=headers).status_code == 403
    assert guarded.get("/speakers", headers=basic(PASSWORD) | {"host": "evil.example"}).status_code == 421


def test_with_a_password_any_address_of_the_machine_will_do(guarded: TestClient) -> None:
    for host in ("192.168.1.7:8765", "[fe80::1]:8765", "studio.local", "localhost"):
        assert guarded.get("/speakers", headers=basic(PASSWORD) | {"host": host}).status_code == 200


def test_who_gave_the_password_once_stands_in_no_queue(guarded: TestClient) -> None:
    answer = guarded.get("/speakers", headers=basic(PASSWORD))
    assert "HttpOnly; SameSite=Strict" in answer.headers["set-cookie"]
    assert guarded.get("/speakers").status_code == 200  # the client kept the cookie
    guarded.cookies.clear()
    own = answer.headers["set-cookie"].partition(";")[0]
    for other in ('grafana={"theme":"dark"}', "a@b=1", "two words"):  # cookies are of a host, whatever the port
        assert guarded.get("/speakers", headers={"cookie": f"{other}; {own}"}).status_code == 200
    for cookie in ("voicematch=made up", "voicematch", "other=x", "\x01=;"):
        assert guarded.get("/speakers", headers={"cookie": cookie}).status_code == 401
