"""The picture of a show: fetched with its feed, kept small and encoded anew, never as it came."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.batch.test_feeds import rss
from tests.support.loopback import Page, Site, serve
from voicematch.batch import find, keep_pictures, pictures
from voicematch.errors import FormatError, NothingThere
from voicematch.library import Library, open_library, schema
from voicematch.web.app import create_app
from voicematch.web.site import write_site

ENTRY = "<item><guid>g</guid><title>E</title><enclosure url='https://example.org/e.mp3'/></item>"


@pytest.fixture(name="site")
def _site() -> Iterator[Site]:
    with serve() as running:
        yield running


def picture(kind: str = "PNG", size: tuple[int, int] = (1400, 1400), **more: object) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", size, "#c7568b").save(held, kind, **more)
    return held.getvalue()


def a_feed(site: Site, image: str) -> str:
    feed = rss(ENTRY, head=image)
    assert b"The Show" in feed
    site.pages["/feed"] = Page(feed.replace(b"The Show", b"Night Garden Radio"))
    return f"{site.url}/feed"


@pytest.mark.parametrize(
    "image", ['<itunes:image href="/art.png"/>', "<image><url>/art.png</url><title>x</title><link>y</link></image>"]
)
def test_the_picture_comes_with_the_feed_and_is_kept(web_library_file: Path, site: Site, image: str) -> None:
    site.pages["/art.png"] = Page(picture())
    found = find([a_feed(site, image)])
    assert [(one.show, one.url) for one in found.pictures] == [("Night Garden Radio", f"{site.url}/art.png")]
    assert not any(path == "/art.png" for path, _, _ in site.asked)  # it is asked for only to be kept
    with open_library(web_library_file) as library:
        assert keep_pictures(library, found.pictures) == 1
        with Image.open(io.BytesIO(library.programmes.picture("night-garden-radio"))) as kept:
            assert (kept.format, kept.size) == ("JPEG", (600, 600))
        assert [one.has_picture for one in library.programmes.all()] == [True, False, False]


def test_it_is_shown_here_and_on_the_site(web_library_file: Path, tmp_path: Path) -> None:
    with open_library(web_library_file) as library:
        library.shows.keep_picture("Night Garden Radio", pictures.encoded(picture(), "x"))
        client = TestClient(create_app(library, names=["testserver"]))
        assert 'src="/shows/night-garden-radio/picture.jpg"' in client.get("/shows/night-garden-radio").text
        sent = client.get("/shows/night-garden-radio/picture.jpg")
        assert (sent.headers["content-type"], sent.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")
        assert client.get("/shows/practical-moss/picture.jpg").status_code == 404
        write_site(library, tmp_path / "site")
        folder = tmp_path / "site" / "shows" / "night-garden-radio"
        assert (folder / "picture.jpg").read_bytes() == sent.content
        assert 'src="picture.jpg"' in (folder / "index.html").read_text(encoding="utf-8")


def test_nothing_of_the_file_is_kept_but_pixels() -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET description"
    for raw in (picture("JPEG", exif=exif.tobytes()), picture() + b"SECRET after the end"):
        assert b"SECRET" in raw
        assert b"SECRET" not in pictures.encoded(raw, "x")
    with Image.open(io.BytesIO(pictures.encoded(picture("GIF", (90, 30)), "x"))) as small:
        assert small.size == (90, 30)  # not made larger


def bomb() -> bytes:
    """The head of a PNG of 100,000 × 100,000 pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.parametrize(
    "raw",
    [b"", b"<svg/>", b"GIF89a", picture()[:300], picture("TIFF", (20, 20)), bomb()],
    ids=lambda raw: str(len(raw)),
)
def test_what_is_no_picture_is_refused(raw: bytes) -> None:
    with pytest.raises(FormatError, match=r"no picture that can be read|pixels; not kept"):
        pictures.encoded(raw, "https://example.org/art")


def test_a_picture_that_cannot_be_had_stops_nothing_and_takes_nothing_away(
    web_library_file: Path, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    url = a_feed(site, '<itunes:image href="/gone.png"/>')
    with open_library(web_library_file) as library, caplog.at_level(logging.WARNING):
        library.shows.keep_picture("Night Garden Radio", b"before")
        assert keep_pictures(library, find([url]).pictures) == 0
        assert library.programmes.picture("night-garden-radio") == b"before"
    assert "the picture of Night Garden Radio: " in caplog.text


def test_a_feed_cannot_name_a_picture_in_this_machine(tmp_path: Path, site: Site) -> None:
    """Read from a file or the web, a feed may not send voicematch into its own network."""
    for address in ("file:///etc/passwd", "data:image/png;base64,AAAA", "javascript:1"):
        assert find([a_feed(site, f'<itunes:image href="{address}"/>')]).pictures == ()
    site.pages["/art.png"] = Page(picture())
    with open_library(tmp_path / "new.db", embedder="none") as library:
        far = pictures.Picture("Any", f"{site.url}/art.png", "")  # of a feed from the public web
        assert keep_pictures(library, [far]) == 0
        assert site.asked == [request for request in site.asked if request[0] != "/art.png"]


def test_pictures_are_no_settings(tmp_path: Path) -> None:
    with open_library(tmp_path / "new.db", embedder="none") as library:
        library.shows.keep_picture("embedder", b"x")
        library.shows.keep_picture("Embedder!", b"y")
        assert library.programmes.picture("embedder") == b"y"
        assert library.settings.get("embedder") is None
        with pytest.raises(NothingThere):
            library.programmes.picture("another")
    with open_library(tmp_path / "new.db") as again:
        assert _num_pictures(again) == 1


def _num_pictures(library: Library) -> int:
    with library._database.read() as connection:
        rows = connection.execute(schema.settings.select().where(schema.settings.c.embedder == schema.PICTURES))
        return len(rows.all())
