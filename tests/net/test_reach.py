"""A feed from the web sends nobody to this machine's own network, however it tries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch.test_feeds import entry, rss
from tests.support.loopback import Page, Site, serve
from voicematch.batch import find
from voicematch.batch.feeds import Transcript, fetch_chapters, fetch_transcript, parse_feed, read_feed
from voicematch.errors import AudioError, FormatError
from voicematch.net.download import Document, download, fetch
from voicematch.net.reach import ANYWHERE, Guard, Refused, is_public

HERE = "127.0.0.1"


@pytest.fixture(name="site")
def _site() -> Iterator[Site]:
    with serve() as running:
        running.pages["/x"] = Page(b"content")
        yield running


def other_name(site: Site) -> str:
    """The same server under another name, as a second host of the network."""
    return site.url.replace(HERE, "localhost")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("64:ff9b::5db8:d822", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("192.168.0.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
    ],
)
def test_what_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_what_a_person_gave_may_be_near_but_leads_nowhere_else_near(site: Site) -> None:
    found = fetch(f"{site.url}/x", most_bytes=100)
    assert (found.raw, found.nearby) == (b"content", HERE)
    site.pages["/away"] = Page(status=302, location=f"{other_name(site)}/x")
    with pytest.raises(FormatError, match="leads to localhost, which is this machine or in its own network"):
        fetch(f"{site.url}/away", most_bytes=100)


def test_what_a_feed_names_may_be_near_only_on_its_own_host(site: Site, tmp_path: Path) -> None:
    assert fetch(f"{site.url}/x", most_bytes=100, nearby=HERE).raw == b"content"
    assert fetch(f"{site.url}/x", most_bytes=100, nearby=ANYWHERE).raw == b"content"
    for trusted in ("", "localhost"):
        with pytest.raises(FormatError, match="leads to 127"):
            fetch(f"{site.url}/x", most_bytes=100, nearby=trusted)
        with pytest.raises(AudioError, match="batch add --allow-local"):
            download(f"{site.url}/x", tmp_path / "x", most_bytes=100, nearby=trusted)
    assert [path for path, _, _ in site.asked] == ["/x", "/x"]


def test_a_public_host_does_not_come_to_be_near_afterwards() -> None:
    """As when its name is first given a public address, and then one of this machine."""
    guard = Guard(None)
    guard.check("example.org", is_near=False)
    with pytest.raises(Refused):
        guard.check("example.org", is_near=True)
    guard = Guard(None)
    guard.check("Example.org", is_near=True)
    guard.check("example.org", is_near=True)
    assert guard.came_from == "example.org"
    guard.check("example.com", is_near=False)
    assert guard.came_from == ""


def test_a_proxy_is_not_a_way_around(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.setenv("no_proxy", "")
    site.pages["http://93.184.216.34/x"] = Page(b"by proxy")
    assert fetch("http://93.184.216.34/x", most_bytes=100, nearby="").raw == b"by proxy"
    for url in ("http://10.0.0.1/x", "http://%31%30.0.0.1/x"):
        with pytest.raises(FormatError, match="leads to 10"):
            fetch(url, most_bytes=100, nearby="")
    assert [path for path, _, _ in site.asked] == ["http://93.184.216.34/x"]


def test_a_name_without_an_address(site: Site) -> None:
    with pytest.raises(FormatError, match="cannot be fetched"):
        fetch("http://nowhere.invalid/x", most_bytes=100, nearby="")


def test_the_rest_of_a_feed_is_looked_for_under_the_same_rule(site: Site) -> None:
    more = rss(entry("2"), head=f'<atom:link rel="next" href="{site.url}/2"/>')
    site.pages["/2"] = Page(rss(entry("1")))
    feed = read_feed("https://example.org/feed", Document(more, "https://example.org/feed"))
    assert [entry.guid for entry in feed.entries] == ["2"]
    assert any("leads to 127" in str(one) for one in feed.left_out)
    assert site.asked == []
    assert parse_feed(Document(more, f"{site.url}/feed", HERE), "feed").nearby == HERE


def test_transcripts_and_chapters_follow_the_rule(site: Site) -> None:
    assert fetch_transcript([Transcript(f"{site.url}/x")], nearby="") == ()
    with pytest.raises(FormatError, match="leads to 127"):
        fetch_chapters(f"{site.url}/x", nearby="")
    assert site.asked == []


def test_a_job_remembers_whom_its_feed_may_name(site: Site, tmp_path: Path) -> None:
    site.pages["/feed"] = Page(rss(entry("1", "/1.mp3")))
    (tmp_path / "feed.xml").write_bytes(rss(entry("1", f"{site.url}/1.mp3")))
    (tmp_path / "list.opml").write_text(f'<opml><outline xmlUrl="{site.url}/feed"/></opml>', encoding="utf-8")
    (tmp_path / "list.txt").write_text(f"{site.url}/1.mp3\n", encoding="utf-8")

    def nearby(source: str | Path, *, allow_local: bool = False) -> list[str | None]:
        return [job.about.get("nearby") for job in find([source], allow_local=allow_local).jobs]

    assert nearby(f"{site.url}/feed") == [HERE]
    assert nearby(tmp_path / "feed.xml") == [""]
    assert nearby(tmp_path / "feed.xml", allow_local=True) == [ANYWHERE]
    assert nearby(tmp_path / "list.txt") == [None]
    assert nearby(tmp_path / "list.opml", allow_local=True) == [ANYWHERE]
    refused = find([tmp_path / "list.opml"])
    assert refused.jobs == ()
    assert "leads to 127.0.0.1" in refused.left_out[0]
