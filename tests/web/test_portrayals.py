"""What a person's page shows of them: picture, line, links, quotes to share, the chart of one show."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from starlette.testclient import TestClient

from tests.support.loopback import Page, Site, serve
from tests.web.test_app import JSON, KEY
from voicematch.errors import VoicematchError
from voicematch.formats.pictures import MOST_SENT, square
from voicematch.library import FeedPicture, Library, NewJob
from voicematch.types import Line
from voicematch.web.people import quotable

image = pytest.importorskip("PIL.Image", reason="Pillow is not installed (pip install '.[web]')")
SECRET = b"taken at home"


def picture(width: int = 300, height: int = 600, form: str = "JPEG") -> bytes:
    """Red above, blue below; a JPEG says where it was taken."""
    made = image.new("RGB", (width, height), "#ff0000")
    made.paste("#0000ff", (0, height // 2, width, height))
    held = io.BytesIO()
    exif = image.Exif()
    exif[0x010E] = SECRET.decode()
    made.save(held, form, **({"exif": exif} if form == "JPEG" else {}))
    return held.getvalue()


def send(client: TestClient, content: bytes, **fields: str) -> dict[str, object]:
    files = {"file": ("../me.jpg", content)}
    answer = client.post("/speakers/1/picture", files=files, data=fields, headers=JSON)
    told: dict[str, object] = answer.json()
    return told


def test_a_picture_is_written_anew_and_says_nothing_but_what_is_seen(library: Library, writing: TestClient) -> None:
    sent = picture()
    assert SECRET in sent
    assert send(writing, sent)["text"] == "Ada Ash has a picture"
    shown = writing.get("/speakers/1/picture")
    assert shown.headers["content-type"] == "image/jpeg"
    assert SECRET not in shown.content
    kept = image.open(io.BytesIO(shown.content))
    assert (kept.format, kept.size, dict(kept.getexif())) == ("JPEG", (480, 480), {})
    assert '<img class="portrait' in writing.get("/speakers/1").text
    assert '<img class="portrait' in writing.get("/speakers").text
    assert writing.get("/speakers/2/picture").status_code == 404
    writing.post("/actions/undo", data={"action": "1"})
    assert library.portrayals.picture(1) is None


@pytest.mark.parametrize(("down", "seen"), [("0", (255, 0, 0)), ("100", (0, 0, 255))])
def test_a_picture_is_cut_where_one_says(writing: TestClient, down: str, seen: tuple[int, int, int]) -> None:
    send(writing, picture(form="PNG"), down=down, zoom="2")
    kept = image.open(io.BytesIO(writing.get("/speakers/1/picture").content))
    assert all(abs(one - other) < 8 for one, other in zip(kept.getpixel((240, 240)), seen, strict=True))


def test_a_picture_is_taken_away(library: Library, writing: TestClient) -> None:
    send(writing, picture())
    assert writing.post("/speakers/1/picture", files={"file": ("", b"")}, headers=JSON).is_success
    assert library.portrayals.picture(1) is None


@pytest.mark.parametrize("content", [b"<svg onload='x'/>", b"", picture()[:200], b"GIF89a" + bytes(20)])
def test_what_is_no_picture_is_refused(library: Library, writing: TestClient, content: bytes) -> None:
    assert "no picture that can be read" in str(send(writing, content)["error"])
    assert library.portrayals.picture(1) is None


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    image.new("1", (10_000, 8_000)).save(path, "PNG")  # a few kB on disk
    with pytest.raises(VoicematchError, match="a picture of 10000 × 8000 pixels"):
        square(path.read_bytes(), "the picture")


def feed_names(library: Library, *persons: list[str], nearby: str = "") -> None:
    """Let the latest episode of Ada Ash have come from a feed that names these people."""
    sha256 = library.people.appearances(1)[-1].audio_sha256
    library.jobs.add([NewJob("feed#1", "https://e.org/a.mp3", "A", about={"persons": persons, "nearby": nearby})])
    while (job := library.jobs.claim("worker")) is not None:  # others are queued before it
        library.jobs.finish(job, sha256)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as running:
        yield running


def from_feed(client: TestClient) -> tuple[int, str]:
    form = {"from": (None, "feed")}
    answer = client.post("/speakers/1/picture", files=form, headers=JSON)
    return answer.status_code, str(answer.json().get("text", answer.json().get("error")))


def test_a_picture_is_had_from_the_feed_when_somebody_asks(library: Library, writing: TestClient, site: Site) -> None:
    site.pages["/ada.jpg"] = Page(picture(), "image/jpeg")
    others, ada = ["Basil", "guest", f"{site.url}/basil.jpg"], ["ada  ash", "host", f"{site.url}/ada.jpg"]
    feed_names(library, others, ada, nearby="127.0.0.1")
    page = writing.get("/speakers/1")
    assert "Use the picture from the feed" in page.text
    assert writing.get("/speakers/1.json").json()["picture_in_feed"] == f"{site.url}/ada.jpg"
    assert site.asked == []  # nothing is asked for by looking
    assert from_feed(writing) == (200, "Ada Ash has a picture")
    assert [path for path, *_ in site.asked] == ["/ada.jpg"]
    kept = library.portrayals.picture(1)
    assert kept is not None
    assert SECRET not in kept
    assert image.open(io.BytesIO(kept)).size == (480, 480)
    writing.post("/actions/undo", data={"action": "1"})
    assert library.portrayals.picture(1) is None


def test_no_picture_is_offered_of_whom_no_feed_has_one(library: Library, writing: TestClient) -> None:
    feed_names(library, ["Ada Ash", "host"], ["Basil", "guest", "https://e.org/basil.jpg"])
    assert "from the feed" not in writing.get("/speakers/1").text
    assert from_feed(writing) == (404, "no feed has a picture of Ada Ash")


def test_a_feed_from_the_web_asks_nothing_of_this_network(library: Library, writing: TestClient, site: Site) -> None:
    feed_names(library, ["Ada Ash", "host", f"{site.url}/ada.jpg"])
    status, error = from_feed(writing)
    assert (status, site.asked) == (400, [])
    assert "is this machine or in its own network" in error
    assert library.portrayals.picture(1) is None


@pytest.mark.parametrize(
    ("page", "error"),
    [
        (Page(b"<svg onload='x'/>", "image/jpeg"), "no picture that can be read"),
        (Page(status=404), "the server answers 404"),
        (Page(location="/ada.jpg", status=302), "cannot be fetched|the server answers"),
        (Page(bytes(MOST_SENT + 1)), "larger than 20 MiB"),
    ],
)
def test_what_the_feed_has_is_refused_as_what_is_sent(
    library: Library, writing: TestClient, site: Site, page: Page, error: str
) -> None:
    site.pages["/ada.jpg"] = page
    library.portrayals.show("Ada Ash", b"the one before")
    feed_names(library, ["Ada Ash", "host", f"{site.url}/ada.jpg"], nearby="127.0.0.1")
    status, said = from_feed(writing)
    assert status == 400
    assert re.search(error, said)
    assert library.portrayals.picture(1) == b"the one before"


def test_a_forgotten_person_s_picture_is_not_looked_for_again(library: Library) -> None:
    feed_names(library, ["Ada Ash", "host", "https://e.org/ada.jpg"])
    assert library.jobs.picture_of(1) == FeedPicture("https://e.org/ada.jpg", "")
    library.profiles.forget("Ada Ash")
    assert all("ada.jpg" not in str(job.about) for job in library.jobs.find())


def test_the_feed_of_a_person_leads_to_their_episodes(writing: TestClient) -> None:
    feed = writing.get("/speakers/1/appearances.atom")
    assert feed.headers["content-type"].startswith("application/atom+xml")
    root = ElementTree.fromstring(feed.content)
    entries = root.findall("{http://www.w3.org/2005/Atom}entry")
    assert len(entries) == 10
    link = entries[0].find("{http://www.w3.org/2005/Atom}link")
    assert link is not None
    assert writing.get(link.get("href", "")).status_code == 200
    assert writing.get("/speakers/99/appearances.atom").status_code == 404


def test_a_line_and_links_are_told(library: Library, writing: TestClient) -> None:
    fields = {"name": "Ada Ash", "about": " Keeps  hens. ", "links": "https://ada.example.org https://hens.example"}
    assert writing.post("/actions/tell", data=fields, headers=JSON).is_success
    page = writing.get("/speakers/1.json").json()
    assert (page["about"], page["links"]) == ("Keeps hens.", ["https://ada.example.org", "https://hens.example"])
    refused = writing.post("/actions/tell", data=fields | {"links": "javascript:alert(1)"}, headers=JSON)
    assert refused.status_code == 400
    library.profiles.forget("Ada Ash")
    assert library.portrayals.of(1).about == ""


def test_what_is_shown_of_a_person_goes_along_when_two_are_made_one(library: Library) -> None:
    library.portrayals.tell("Dora Dill", "Climbs.", [])
    library.portrayals.show("Dora Dill", b"a picture")
    library.profiles.merge("Dora Dill", "Emil Elder")
    number = library.people.id("Emil Elder")
    assert library.portrayals.of(number).about == "Climbs."
    assert library.portrayals.pictured() == {number}


def test_a_quote_is_shared(writing: TestClient) -> None:
    quotes = writing.get("/speakers/1.json").json()["quotes"]
    assert len(quotes) == 3
    assert len({quote["key"] for quote in quotes}) == len({quote["text"] for quote in quotes}) == 3
    for quote in quotes:
        told = writing.get(f"/quotes/{quote['key']}/{quote['line']}.json").json()
        assert told["quote"] == quote
        assert told["by"] == "Ada Ash"
    page = writing.get(f"/quotes/{KEY}/1").text
    assert "&lt;blockquote&gt;&lt;p&gt;Welcome to Night Garden Radio." in page
    assert writing.get(f"/quotes/{KEY}/9999").status_code == 404


def test_what_is_worth_quoting() -> None:
    def said(*texts: str) -> list[tuple[int, Line]]:
        return [(idx, Line(idx, idx + 1, text)) for idx, text in enumerate(texts)]

    best = quotable(
        said(
            "Yes.",
            "And that is why the moss under the wall is so very old, you know.",
            "The moss under the north wall is older than the wall itself.",
            "the end of something that began in the line before this one.",
        )
    )
    assert [place for _, place, _ in best] == [2]
    assert quotable(said("Mm.", "Right.")) == []


def test_the_chart_is_of_one_show_when_asked(library: Library, writing: TestClient) -> None:
    shows = {role["show"] for role in writing.get("/speakers/1.json").json()["roles"]}
    assert shows == {"Night Garden Radio"}
    assert len(writing.get("/speakers/1.json?show=Night+Garden+Radio").json()["chart"]) == 10
    assert writing.get("/speakers/1.json?show=Nothing").json()["show"] == ""
