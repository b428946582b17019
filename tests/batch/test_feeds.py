"""Feeds as values: what they say, what is refused, and what is not well-formed."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.loopback import Page, Site, serve
from voicematch.batch import podcast_tags
from voicematch.batch.feeds import (
    Enclosure,
    Entry,
    Feed,
    Transcript,
    fetch_chapters,
    fetch_transcript,
    kind,
    load,
    parse_chapters,
    parse_feed,
    read_feed,
    seconds_of,
)
from voicematch.batch.opml import read_opml
from voicematch.batch.podcast_tags import Person
from voicematch.errors import FormatError
from voicematch.net.download import Document
from voicematch.types import Chapter

HOME = "https://example.org/show/feed.xml"
NAMESPACES = (
    'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:atom="http://www.w3.org/2005/Atom" '
    'xmlns:podcast="https://podcastindex.org/namespace/1.0"'
)
ENTRY = """<item>
  <title>One &amp; only</title>
  <guid isPermaLink="false">ep-1</guid>
  <pubDate>Sat, 07 Sep 2024 10:00:00 +0200</pubDate>
  <enclosure url="https://cdn.example.org/1.mp3?ad=7" length="1234" type="audio/mpeg"/>
  <itunes:duration>1:02:03</itunes:duration><itunes:season>2</itunes:season><itunes:episode>5</itunes:episode>
  <podcast:transcript url="https://example.org/1.srt" type="application/x-subrip" language="en"/>
  <podcast:transcript url="1.json" type="application/json"/>
  <podcast:person role="Guest" group="cast" img="/ada.jpg" href="https://example.org/ada">Ada  Lovelace</podcast:person>
  <podcast:person img="javascript:alert(1)">Bob &#8235;Bones</podcast:person>
  <podcast:chapters url="https://example.org/1.chapters.json" type="application/json+chapters"/>
</item>"""


def rss(*entries: str, head: str = "", namespaces: str = NAMESPACES, declaration: str = "") -> bytes:
    text = f'<?xml version="1.0" encoding="UTF-8"?>{declaration}<rss version="2.0" {namespaces}><channel>'
    return f"{text}<title>The Show</title>{head}{''.join(entries)}</channel></rss>".encode()


def entry(guid: str, enclosure: str = "https://example.org/a.mp3", *, more: str = "") -> str:
    return (
        f'<item><guid>{guid}</guid><title>T {guid}</title><enclosure url="{enclosure}" type="audio/mpeg"/>{more}</item>'
    )


def parse(raw: bytes) -> Feed:
    return parse_feed(Document(raw, "", ""), HOME)


@pytest.fixture(name="site")
def _site() -> Iterator[Site]:
    with serve() as running:
        yield running


def test_everything_an_entry_says() -> None:
    assert parse(rss(ENTRY)).entries == (
        Entry(
            guid="ep-1",
            title="One & only",
            enclosure=Enclosure("https://cdn.example.org/1.mp3?ad=7", 1234, "audio/mpeg"),
            date="2024-09-07",
            duration=3723.0,
            season=2,
            episode=5,
            persons=(
                Person("Ada Lovelace", "guest", "cast", "https://example.org/ada.jpg"),
                Person("Bob Bones", "host", "cast"),
            ),
            transcripts=(
                Transcript("https://example.org/1.srt", "application/x-subrip", "en"),
                Transcript("https://example.org/show/1.json", "application/json", ""),
            ),
            chapters="https://example.org/1.chapters.json",
        ),
    )


def test_what_a_show_says() -> None:
    head = "<itunes:author>Ann</itunes:author><podcast:guid>917393e3</podcast:guid><podcast:person>Ann</podcast:person>"
    feed = parse(rss(head=head))
    assert feed == Feed("917393e3", "The Show", HOME, author="Ann", persons=(Person("Ann"),))


def test_the_first_name_of_the_namespace_is_known_too() -> None:
    older = "https://github.com/Podcastindex-org/podcast-namespace/blob/main/docs/1.0.md"
    raw = rss(ENTRY).replace(b"https://podcastindex.org/namespace/1.0", older.encode())
    assert parse(raw).entries == parse(rss(ENTRY)).entries


def test_a_feed_without_a_guid_is_its_address() -> None:
    private = HOME.replace("https://", "https://ada:secret@")
    assert parse_feed(Document(rss(), "", ""), private).guid == HOME


def test_a_file_knows_its_address_if_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    path.write_bytes(rss(entry("1", "a.mp3"), head=f'<atom:link rel="self" href="{HOME}"/>'))
    feed = read_feed(path)
    assert (feed.url, feed.entries[0].enclosure.url) == (HOME, "https://example.org/show/a.mp3")
    path.write_bytes(rss(entry("1")))
    assert read_feed(path).url == str(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw.replace(b"only</title>", b"only &nbsp;</title>"),
        lambda raw: raw.replace(b'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"', b""),
        lambda raw: raw[: raw.index(b"<podcast:person img")],
        lambda raw: raw.replace(b"only</title>", b"caf\xe9</title>"),
        lambda raw: raw.replace(b"UTF-8", b"x-unheard-of"),
    ],
    ids=["entity", "namespace", "cut off", "encoding", "unknown encoding"],
)
def test_a_feed_that_is_not_well_formed_is_read_as_far_as_it_goes(damage: object) -> None:
    assert callable(damage)
    (found,) = parse(damage(rss(ENTRY))).entries
    assert found.title.startswith(("One & only", "One & caf"))
    assert found.enclosure.url == "https://cdn.example.org/1.mp3?ad=7"
    assert found.duration == 3723.0
    assert Transcript("https://example.org/show/1.json", "application/json", "") in found.transcripts


def test_an_atom_feed() -> None:
    raw = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>Atoms</title><id>urn:1</id>
      <entry><id>urn:2</id><title>First</title><updated>2024-01-02T03:04:05Z</updated>
      <link rel="enclosure" href="https://example.org/a.ogg" length="7" type="audio/ogg"/></entry></feed>"""
    feed = parse(raw)
    assert feed.title == "Atoms"
    assert feed.entries == (
        Entry("urn:2", "First", Enclosure("https://example.org/a.ogg", 7, "audio/ogg"), date="2024-01-02"),
    )


@pytest.mark.parametrize(
    "enclosure",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "../../a.mp3",
        "C:\\a.mp3",
        "ftp://example.org/a.mp3",
        "http://[",
        "http:a.mp3",
        "data:audio/mp3;base64,AA",
        "javascript:alert(1)",
    ],
)
def test_an_enclosure_that_is_no_web_address_is_left_out(enclosure: str, tmp_path: Path) -> None:
    """From a file, too, where a path would be relative to it."""
    path = tmp_path / "feed.xml"
    path.write_bytes(rss(entry("1", enclosure), entry("2")))
    feed = read_feed(path)
    assert [kept.guid for kept in feed.entries] == ["2"]
    assert feed.left_out == (f"T 1: {enclosure} is not an http(s) address",)


def test_an_entry_without_sound_is_left_out() -> None:
    silent = "<item><guid>1</guid><title>A page</title></item>"
    picture = '<item><guid>2</guid><title>B</title><enclosure url="https://e.org/a.png" type="image/png"/></item>'
    feed = parse(rss(silent, picture, entry("3")))
    assert [kept.guid for kept in feed.entries] == ["3"]
    assert feed.left_out == ("A page: has no sound", "B: has no sound")


def test_transcripts_chapters_and_pages_are_addresses_too() -> None:
    more = '<podcast:transcript url="file:///etc/passwd"/><podcast:chapters url="file:///etc/passwd"/>'
    feed = parse(rss(entry("1", more=more), head='<atom:link rel="next" href="file:///etc/passwd"/>'))
    assert (feed.entries[0].transcripts, feed.entries[0].chapters, feed.next_page) == ((), "", "")


@pytest.mark.parametrize(
    ("declaration", "text"),
    [
        ('<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>', "&c;"),
        ('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "&x;"),
        ('<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x.dtd"> %x;]>', "x"),
    ],
    ids=["bomb", "file", "parameter"],
)
def test_entities_of_its_own_are_refused(declaration: str, text: str) -> None:
    raw = rss(entry("1"), head=f"<link>{text}</link>", declaration=declaration)
    with pytest.raises(FormatError, match="declares XML entities of its own"):
        parse(raw)
    with pytest.raises(FormatError, match="declares XML entities of its own"):
        parse(raw.decode().replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16"))


def test_an_outside_document_type_is_not_fetched(site: Site) -> None:
    parse(rss(entry("1"), declaration=f'<!DOCTYPE rss SYSTEM "{site.url}/rss.dtd">'))
    assert site.asked == []


def test_nesting_without_end_is_refused_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(FormatError, match="100 elements within each other"):
        parse(b"<rss><channel>" + b"<a>" * 300_000)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("raw", [b"", b"<html><body>Not found</body></html>", b"\x00\xff", b"ID3\x04", b"{}"])
def test_what_is_no_feed(raw: bytes) -> None:
    with pytest.raises(FormatError, match="is not a podcast feed"):
        parse(raw)


def test_a_feed_in_pages(site: Site) -> None:
    for page, (guids, following) in {"/1": ("ab", "/2"), "/2": ("bc", "/3"), "/3": ("d", "/1")}.items():
        head = f'<atom:link rel="next" href="{following}"/>'
        site.pages[page] = Page(rss(*(entry(guid, f"/{page[1]}{guid}.mp3") for guid in guids), head=head))
    feed = read_feed(f"{site.url}/1")
    assert [(found.guid, found.enclosure.url.removeprefix(site.url)) for found in feed.entries] == [
        ("a", "/1a.mp3"), ("b", "/1b.mp3"), ("c", "/2c.mp3"), ("d", "/3d.mp3"),
    ]  # fmt: skip
    assert [path for path, _, _ in site.asked] == ["/1", "/2", "/3"]


def test_a_list_of_feeds(caplog: pytest.LogCaptureFixture) -> None:
    raw = b"""<opml version="2.0"><body><outline text="News"><outline text="A" xmlUrl="https://a.org/f"/></outline>
      <outline xmlurl="http://b.org/f"/><outline xmlUrl="https://a.org/f"/><outline xmlUrl="file:///etc/passwd"/>
      </body></opml>"""
    with caplog.at_level(logging.WARNING):
        assert read_opml(Document(raw, "", ""), "list.opml") == ("https://a.org/f", "http://b.org/f")
    assert caplog.messages == ["list.opml: file:///etc/passwd is not an http(s) address; left out"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"<opml><body>\n<outline></body></opml>", "list.opml:2: is not OPML: mismatched tag"),
        (b'<!DOCTYPE o [<!ENTITY a "a">]><opml/>', "declares XML entities"),
    ],
)
def test_a_list_that_cannot_be_read(raw: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        read_opml(Document(raw, "", ""), "list.opml")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (rss(), "feed"),
        (b"\xef\xbb\xbf \n<feed xmlns='http://www.w3.org/2005/Atom'>", "feed"),
        ("<?xml version='1.0'?><RSS>".encode("utf-16"), "feed"),
        (b"<opml version='1.0'>", "opml"),
        (b"<html><p>rss</p>", ""),
        (b"https://example.org/feed\n", ""),
        (b"", ""),
    ],
)
def test_kinds_of_documents(raw: bytes, expected: str) -> None:
    assert kind(raw) == expected


@pytest.mark.parametrize("text", ["", "about an hour", "-5", "1:2:3:4", "1e9", "9" * 30, "1:02:", "٣"])
def test_no_duration(text: str) -> None:
    assert seconds_of(text) is None


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        load(tmp_path / "absent.xml")


SRT = "1\n00:00:01,000 --> 00:00:02,000\nHello\n"


def test_the_transcript_that_tells_most_is_taken(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    podcast = {"version": "1.0.0", "segments": [{"startTime": 0.5, "endTime": 1.5, "body": "Hi"}]}
    site.pages["/a.srt"] = Page(SRT.encode())
    site.pages["/a.json"] = Page(json.dumps(podcast).encode())
    srt = Transcript(f"{site.url}/a.srt", "application/srt", "en")
    jsons = Transcript(f"{site.url}/a.json", "application/json", "de")
    assert [line.text for line in fetch_transcript((srt, jsons))] == ["Hi"]
    assert [line.text for line in fetch_transcript((jsons, srt), language="en")] == ["Hello"]
    site.pages["/a.json"] = Page(b"[]")
    with caplog.at_level(logging.WARNING):
        assert [line.text for line in fetch_transcript((srt, jsons))] == ["Hello"]
        assert fetch_transcript((Transcript(f"{site.url}/absent"),)) == ()
    assert [message.partition(":")[0] for message in caplog.messages] == ["transcript left out"] * 2


def test_chapters(site: Site) -> None:
    chapters = {"version": "1.2.0", "chapters": [{"startTime": 60.5, "title": "B"}, {"startTime": 0, "title": "A\n"}]}
    site.pages["/c.json"] = Page(json.dumps(chapters).encode())
    assert fetch_chapters(f"{site.url}/c.json") == (Chapter(0.0, "A"), Chapter(60.5, "B"))


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"chapters": [{}]}', b'{"chapters": [1]}', b'{"chapters": 1}'])
def test_no_chapters(raw: bytes) -> None:
    with pytest.raises(FormatError, match=r"c\.json: not chapters"):
        parse_chapters(raw, "c.json")


def test_different_entries_of_one_guid_are_told_apart(site: Site) -> None:
    """A feed that gives every entry the show's address for a guid."""
    entries = [entry("g", f"https://example.org/{n}.mp3").replace("T g", f"Title {n}") for n in range(3)]
    site.pages["/feed"] = Page(rss(*entries, entries[1], entry("other", "https://example.org/9.mp3")))
    found = read_feed(f"{site.url}/feed").entries
    assert [one.title for one in found] == ["Title 0", "Title 1", "Title 2", "T other"]
    assert [one.guid for one in found] == [*(f"g https://example.org/{n}.mp3" for n in range(3)), "other"]


def unnamed(address: str, title: str = "T", more: str = "") -> str:
    """An entry that the feed does not call anything."""
    return entry("x", address, more=more).replace("<guid>x</guid>", "").replace("T x", title)


def test_an_entry_without_a_guid_is_the_same_under_another_signature() -> None:
    day = "<pubDate>Mon, 01 Jan 2024 00:00:00 GMT</pubDate>"
    first, second = (
        parse(rss(unnamed(f"https://example.org/1.mp3?sig={n}", more=day), unnamed("https://example.org/2.mp3")))
        for n in range(2)
    )
    assert [one.guid for one in first.entries] == [one.guid for one in second.entries]
    assert first.entries[1].guid == "https://example.org/2.mp3"


def test_entries_without_a_guid_that_differ_by_what_follows_the_question_mark_stay_apart() -> None:
    address = "https://example.org/download.php?id="
    at = "<pubDate>Mon, 01 Jan 2024 0{}:00:00 GMT</pubDate>"
    hourly = [unnamed(f"{address}{n}", "News", at.format(n)) for n in range(3)]
    alike = [unnamed(f"{address}{n}", "Untitled") for n in range(3, 6)]
    guids = [one.guid for one in parse(rss(*hourly, *alike)).entries]
    assert len(set(guids)) == 6
    assert guids[3:] == [f"{address}{n}" for n in range(3, 6)]


def test_one_entry_on_two_pages_or_two_hosts_is_one(site: Site) -> None:
    older = f'<atom:link rel="next" href="{site.url}/2"/>'
    site.pages["/feed"] = Page(rss(entry("a", "https://one.example/a.mp3?x=1"), head=older))
    again = [entry("a", "https://one.example/a.mp3?x=2"), entry("a", "https://two.example/a.mp3"), entry("b")]
    site.pages["/2"] = Page(rss(*again))
    assert [one.guid for one in read_feed(f"{site.url}/feed").entries] == ["a", "b"]


def test_a_dead_page_leaves_the_others(site: Site) -> None:
    site.pages["/feed"] = Page(rss(entry("a"), head=f'<atom:link rel="next" href="{site.url}/2"/>'))
    site.pages["/2"] = Page(rss(entry("b"), head=f'<atom:link rel="next" href="{site.url}/gone"/>'))
    feed = read_feed(f"{site.url}/feed")
    assert [one.guid for one in feed.entries] == ["a", "b"]
    (reason,) = feed.left_out
    assert reason.startswith(f"The Show: the rest of it: {site.url}/gone: the server answers 404")


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("Q &amp;amp; A", "Q & A"),
        ("Rock &amp;#8211; Roll", "Rock – Roll"),
        ("<![CDATA[Q &amp; A]]>", "Q & A"),
        ("Caf&amp;eacute;s", "Caf&eacute;s"),
        ("AT&amp;T; and so", "AT&T; and so"),
        ("5 &lt; 6", "5 < 6"),
    ],
)
def test_titles_that_were_escaped_twice(written: str, title: str) -> None:
    (found,) = parse(rss(entry("1").replace("T 1", written))).entries
    assert found.title == title


OUTLINES = '<outline text="{}" xmlUrl="{}"/><outline xmlUrl="{}"/>'
OPML = f'<?xml version="1.0"?><opml version="2.0"><body>{OUTLINES}</body></opml>'


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_opml_with_a_bare_ampersand(encoding: str) -> None:
    text = OPML.format("Tom & Jérôme &eacute;", "https://example.org/f?a=1&b=2", "https://example.org/g?a=1&amp;b=2")
    raw = text.replace("?>", f' encoding="{encoding}"?>', 1).encode(encoding)
    assert read_opml(Document(raw, "", ""), "x.opml") == (
        "https://example.org/f?a=1&b=2",
        "https://example.org/g?a=1&b=2",
    )


def test_opml_that_breaks_off_gives_what_came_before(caplog: pytest.LogCaptureFixture) -> None:
    raw = OPML.format("a", "https://example.org/f", "https://example.org/g").encode()[:-9]
    assert len(read_opml(Document(raw, "", ""), "x.opml")) == 2
    assert caplog.messages == ["x.opml:1: breaks off there (unclosed token); 2 feeds before it are taken"]
    with pytest.raises(FormatError, match=r"x\.opml:1: is not OPML"):
        read_opml(Document(b"<opml><body></opml>", "", ""), "x.opml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("damage", ["", " & "])
def test_a_feed_without_end_gives_its_first_entries(
    damage: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podcast_tags, "MOST_ENTRIES", 3)
    podcast = "<podcast:person>Ann</podcast:person>"
    text = rss(*(entry(str(num), f"https://example.org/{num}.mp3", more=podcast) for num in range(3))).decode()
    whole = parse(text.encode())
    more = text.replace("</channel>", entry("3") + f"<item>{damage}</item></channel>")
    feed = parse(more.replace("UTF-8", encoding.upper()).encode(encoding))
    assert feed.entries == whole.entries
    assert feed.left_out == (f"{HOME}: has more entries than are taken of one feed, which are the first 3",)


def test_a_feed_without_end_that_is_not_well_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podcast_tags, "MOST_ENTRIES", 3)
    feed = parse(rss(*(entry(str(num), f"https://example.org/{num}.mp3") for num in range(5)), head="Q & A"))
    assert [one.guid for one in feed.entries] == ["0", "1", "2"]
    assert "the first 3" in feed.left_out[0]


def test_thousands_of_entries_of_one_guid_are_told_apart_in_no_time(tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    entries = (entry("1", f"https://example.org/{num}.mp3").replace("T 1", f"T {num}") for num in range(4000))
    path.write_bytes(rss(*entries))
    began = time.process_time()
    assert len({one.guid for one in read_feed(path).entries}) == 4000
    assert time.process_time() - began < 5.0  # 1 s here; comparing each with each takes 3 s more
