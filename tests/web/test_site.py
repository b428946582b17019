"""The static site: complete, public, written whole, and only where it differs."""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree

import feedparser
import pytest
import sqlalchemy as sa
from PIL import Image

from tests.support.web_library import SCRIPT
from voicematch.errors import OutputExists, VoicematchError
from voicematch.library import Library, open_library, schema
from voicematch.usecases import name as naming
from voicematch.usecases.forget import forget
from voicematch.web import rendering
from voicematch.web.site import LIST, About, cards, fold, shard_of, write_site

KEY = "000000005eed5eed"
MOSS = "1-the-moss-under-the-north-wall-is-older-than-the-wall"
ABOUT = About("Garden voices", "Who says what about gardens.", "https://example.org/voices/")


@pytest.fixture(scope="module")
def site(web_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    with open_library(web_folder / "library.db") as library:
        write_site(library, out, about=ABOUT)
    return out


class Links(HTMLParser):
    """Everything a page refers to, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.update(value for name, value in attrs if name in ("href", "src", "action") and value)


def is_there(site: Path, address: str) -> bool:
    """Whether a file of the site is at that address on its host."""
    place = unquote(urlsplit(address).path).removeprefix("/voices/")
    return (site / (f"{place}index.html" if place.endswith("/") or not place else place)).is_file()


def test_every_link_leads_somewhere(site: Path) -> None:
    num_links = 0
    for page in site.rglob("*.html"):
        for link in Links(page.read_text(encoding="utf-8")).found:
            address = urlsplit(link)
            if address.scheme or link.startswith("#"):
                assert address.scheme in ("", "https", "data"), link
                assert not link.startswith(ABOUT.base_url) or is_there(site, link), link
                continue
            if page.name == "404.html":  # shown at any address, so from the top of the host
                assert link.startswith("/voices/"), link
                link = f"https://example.org{link}"
                assert is_there(site, link), link
                continue
            assert not link.startswith("/"), f"{page.name}: {link} works only at the top of a host"
            here = page.relative_to(site).as_posix()
            target = posixpath.normpath(posixpath.join(posixpath.dirname(here), unquote(address.path)))
            assert (site / target).is_file(), f"{page.name}: {link}"
            num_links += 1
    assert num_links > 500


def test_the_pages_there_are(site: Path) -> None:
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert {"index.html", "episodes.html", "search.html", "shows.html", "404.html", "sitemap.xml"} <= files
    assert {"speakers/ada-ash/index.html", f"speakers/ada-ash/{MOSS}/index.html", "speakers/ada-ash/card.png"} <= files
    assert {"shows/night-garden-radio/index.html", "shows/night-garden-radio/feed.xml", "feed.xml"} <= files
    assert {f"episodes/{MOSS}/index.html", "data/index.json", f"data/lines/{KEY}.json", "data/words/ra.json"} <= files
    assert len(list((site / "episodes").iterdir())) == 30
    pages = {name for name in files if name.endswith(".html")}
    assert not any("unknown" in name or "review" in name or "backlog" in name for name in pages)


def test_nothing_private_is_in_it(site: Path, web_folder: Path) -> None:
    texts = (path for path in site.rglob("*") if path.is_file() and path.suffix != ".png")
    every = b"".join(path.read_bytes() for path in texts if "static" not in path.parts)
    text = every.decode()
    for private in ("/home/", str(web_folder), "a private note", "U-0003", "maybe ", "/audio/", "/actions/", "clips/"):
        assert private not in text, private
    assert "<script>alert" not in re.sub(r'"(?:[^"\\]|\\.)*"', "", text)  # but in strings of JSON
    assert f"&lt;{SCRIPT[1:7]}" in text


def test_a_name_in_doubt_stays_at_home(site: Path, web_folder: Path) -> None:
    with open_library(web_folder / "library.db") as library:
        match = library.voices.review(limit=1)[0][0]
    assert match.speaker.profile is not None
    page = json.loads((site / "data" / "lines" / f"{match.audio_sha256[:16]}.json").read_text(encoding="utf-8"))
    assert match.speaker.label in {line[2] for line in page}
    assert match.speaker.profile.name not in {line[2] for line in page}


def test_sound_is_linked_where_the_feed_has_it(site: Path) -> None:
    index = json.loads((site / "data" / "index.json").read_text(encoding="utf-8"))
    audio = {episode["key"]: episode["audio"] for episode in index["episodes"]}
    assert [address for address in audio.values() if address] == ["https://feeds.example.org/practical-moss/1.mp3"]
    page = next(site.glob("episodes/2-*/index.html")).read_text(encoding="utf-8")
    assert "https://feeds.example.org/practical-moss/1.mp3#t=" in page


def test_the_words_lead_to_their_lines(site: Path) -> None:
    def read(path: str) -> object:
        return json.loads((site / "data" / path).read_text(encoding="utf-8"))

    index = read("index.json")
    assert isinstance(index, dict)
    shard = read(f"words/{shard_of('patience')}.json")
    assert isinstance(shard, dict)
    num_found = 0
    for number, lines in shard["patience"].items():
        texts = read(f"lines/{index['episodes'][int(number)]['key']}.json")
        assert isinstance(texts, list)
        assert all("patience" in fold(texts[line][3]) for line in lines)
        num_found += len(lines)
    assert num_found > 100


def test_written_again_only_what_changed_is_written(library: Library, tmp_path: Path) -> None:
    out = tmp_path / "site"
    first = write_site(library, out)
    assert first.num_changed > first.num_pages == len(list(out.rglob("*.html")))
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.html")}
    again = write_site(library, out)
    assert (again.num_pages, again.num_changed, again.num_removed) == (first.num_pages, 0, 0)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.html")} == times
    naming.rename("Ada Ash", "Ada Oak", library=library)
    assert 0 < write_site(library, out).num_changed < first.num_changed
    assert "Ada Ash" not in (out / "index.html").read_text(encoding="utf-8")


def test_who_was_forgotten_leaves_the_site(library: Library, tmp_path: Path) -> None:
    out = tmp_path / "site"
    write_site(library, out)
    (out / "mine.txt").write_text("put here by hand")
    (out / "speakers" / "basil-birch" / "index.html").write_text("changed by hand")
    forget("Ada Ash", library=library)
    forget("Basil Birch", library=library)
    assert write_site(library, out).num_removed > 2
    assert not (out / "speakers" / "ada-ash").exists()
    assert (out / "mine.txt").exists()
    assert (out / "speakers" / "basil-birch" / "index.html").exists()
    text = "".join(path.read_text(encoding="utf-8") for path in out.rglob("*") if path.suffix in (".html", ".json"))
    assert "Ada Ash" not in text
    assert "ada-ash" not in text


def test_a_folder_of_others_is_left_alone(library: Library, tmp_path: Path) -> None:
    out = tmp_path / "home"
    out.mkdir()
    (out / "letter.txt").write_text("dear")
    with pytest.raises(OutputExists, match="holds files that are not an earlier site"):
        write_site(library, out)
    assert [path.name for path in out.iterdir()] == ["letter.txt"]
    write_site(library, out, force=True)
    assert (out / "letter.txt").read_text() == "dear"


def test_a_list_that_was_tampered_with_removes_nothing_elsewhere(library: Library, tmp_path: Path) -> None:
    out, outside = tmp_path / "site", tmp_path / "outside.txt"
    outside.write_text("")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    out.mkdir()
    (out / LIST).write_text(json.dumps({"../outside.txt": empty, str(outside): empty, "x": 3}))
    write_site(library, out)
    assert outside.exists()
    (out / LIST).write_text("not JSON")
    write_site(library, out)


def test_a_place_that_cannot_be_written(library: Library, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VoicematchError, match="file"):
        write_site(library, tmp_path / "file" / "site")
    blocked = tmp_path / "site"
    (blocked / "episodes.html").mkdir(parents=True)
    with pytest.raises(VoicematchError, match=r"episodes\.html: cannot write"):
        write_site(library, blocked, force=True)


def test_an_empty_library(tmp_path: Path) -> None:
    with open_library(tmp_path / "new.db", embedder="none") as library:
        assert write_site(library, tmp_path / "site").num_pages == 5


def test_addresses_with_passwords_stay_at_home(library: Library, tmp_path: Path) -> None:
    with library._database.write() as connection:
        private = "https://me:secret@feeds.example.org/1.mp3"
        connection.execute(schema.episodes.update().values(source=private))
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.episodes)) == 30
    write_site(library, tmp_path / "site")
    text = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.html"))
    assert "secret" not in text


# -- who is in it, and where


def names_in(out: Path) -> set[str]:
    index = json.loads((out / "data" / "index.json").read_text(encoding="utf-8"))
    return {one["name"] for one in index["speakers"]}


def test_only_people_who_are_heard_are_counted_and_published(library: Library, tmp_path: Path) -> None:
    """A name wrongly given and corrected stayed as a person of no episode, and was published."""
    key = library.listings.episodes()[0][-1].audio_sha256
    naming.name(key, "SPEAKER_02", "Wrong Name", library=library, consent="public")
    library.profiles.create("Never Heard")
    naming.correct(key, "SPEAKER_02", "Right Name", library=library, consent="public")
    write_site(library, tmp_path / "site")
    found = names_in(tmp_path / "site")
    assert "Right Name" in found
    assert not found & {"Wrong Name", "Never Heard"}
    first = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert f"{len(found)} people" in first
    texts = [path for path in (tmp_path / "site").rglob("*") if path.suffix in (".html", ".json", ".xml")]
    assert not any("Wrong Name" in path.read_text(encoding="utf-8") for path in texts)
    assert not list((tmp_path / "site" / "speakers").glob("wrong-name*"))


def test_people_confirmed_something_or_the_footer_does_not_say_so(library: Library, tmp_path: Path) -> None:
    with library._database.write() as connection:
        connection.execute(schema.speakers.update().values(confirmed=None))
    write_site(library, tmp_path / "site")
    assert "people gave or confirmed" not in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    with library._database.write() as connection:
        one = sa.select(sa.func.min(schema.speakers.c.id)).where(schema.ACCEPTED).scalar_subquery()
        connection.execute(schema.speakers.update().where(schema.speakers.c.id == one).values(confirmed="2026-01-01"))
    write_site(library, tmp_path / "site")
    footer = (tmp_path / "site" / "index.html").read_text(encoding="utf-8").rpartition("<footer")[2]
    assert "people gave or confirmed 1 of the names in these episodes" in footer


def test_two_of_one_name_keep_their_addresses(library: Library, tmp_path: Path) -> None:
    """The second keeps its number when the first is gone, so that a link never comes to mean somebody else."""
    out = tmp_path / "site"
    naming.rename("Basil Birch", "ADA  ash.", library=library)
    write_site(library, out)
    assert "Ada Ash" in (out / "speakers" / "ada-ash" / "index.html").read_text(encoding="utf-8")
    assert "ADA ash." in (out / "speakers" / "ada-ash-2" / "index.html").read_text(encoding="utf-8")
    forget("Ada Ash", library=library)
    write_site(library, out)
    assert not (out / "speakers" / "ada-ash").exists()
    assert "ADA ash." in (out / "speakers" / "ada-ash-2" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "folder"),
    [("王小明", "王小明"), ("Ελένη Παππά", "ελένη-παππά"), ("Zoë Núñez", "zoe-nunez"), ("CON", "x-con")],
)
def test_names_of_every_script_have_addresses_that_read(
    library: Library, tmp_path: Path, name: str, folder: str
) -> None:
    naming.rename("Ada Ash", name, library=library)
    write_site(library, tmp_path / "site")
    page = (tmp_path / "site" / "speakers" / folder / "index.html").read_text(encoding="utf-8")
    assert f"<h1>{name}</h1>" in page
    first = Links((tmp_path / "site" / "index.html").read_text(encoding="utf-8")).found
    assert f"speakers/{quote(folder)}/index.html" in first


def test_earlier_addresses_lead_to_todays(library: Library, tmp_path: Path) -> None:
    out = tmp_path / "site"
    out.mkdir()
    earlier = ["speakers/1.html", f"speakers/1/{KEY}.html", f"episodes/{KEY}.html", "speakers/999.html"]
    for place in earlier:  # as an earlier version wrote them
        (out / place).parent.mkdir(exist_ok=True, parents=True)
        (out / place).write_text("old")
    digest = hashlib.sha256(b"old").hexdigest()
    (out / LIST).write_text(json.dumps(dict.fromkeys(earlier, digest)))
    write_site(library, out)
    assert 'url=ada-ash/index.html"' in (out / "speakers" / "1.html").read_text(encoding="utf-8")
    assert f'url=../ada-ash/{MOSS}/index.html"' in (out / "speakers" / "1" / f"{KEY}.html").read_text(encoding="utf-8")
    assert f'url={MOSS}/index.html"' in (out / "episodes" / f"{KEY}.html").read_text(encoding="utf-8")
    assert not (out / "speakers" / "999.html").exists()
    naming.rename("Ada Ash", "Ada Oak", library=library)
    write_site(library, out)
    assert 'url=../ada-oak/index.html"' in (out / "speakers" / "ada-ash" / "index.html").read_text(encoding="utf-8")
    assert 'url=ada-oak/index.html"' in (out / "speakers" / "1.html").read_text(encoding="utf-8")
    assert write_site(library, out).num_changed == 0


def test_addresses_in_a_list_that_was_tampered_with_lead_nowhere(library: Library, tmp_path: Path) -> None:
    out = tmp_path / "site"
    out.mkdir()
    named = {"speakers": {"1": ["../../x", 3, "/etc"], "2": "y", "3": [[]]}, "episodes": 7}
    (out / LIST).write_text(json.dumps({"files": {}, "addresses": named}))
    write_site(library, out)
    assert (out / "speakers" / "ada-ash" / "index.html").is_file()
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith("copy.db")} == {"site"}
    assert not (tmp_path.parent / "x").exists()


# -- what it tells those who do not read it


def test_structured_data_parses_and_says_what_the_page_does(site: Path) -> None:
    kinds: dict[str, dict[str, object]] = {}
    for page in site.rglob("*.html"):
        found = re.findall(
            r'<script type="application/ld\+json">(.*?)</script>', page.read_text(encoding="utf-8"), re.S
        )
        for text in found:
            data = json.loads(text)
            assert data["@context"] == "https://schema.org"
            assert data["url"].startswith(ABOUT.base_url)
            assert is_there(site, data["url"]), data["url"]
            assert is_there(site, data.get("image", ABOUT.base_url))
            kinds[data["@type"] + "/" + str(data["name"])] = data
    assert {name.partition("/")[0] for name in kinds} == {"WebSite", "Person", "PodcastEpisode", "PodcastSeries"}
    episode = kinds["PodcastEpisode/2: I would say that continual watering does more harm than none at all."]
    assert episode["datePublished"] == "2024-01-10"
    assert episode["duration"] == "PT10M"
    assert episode["associatedMedia"] == {
        "@type": "AudioObject",
        "contentUrl": "https://feeds.example.org/practical-moss/1.mp3",
    }
    assert isinstance(episode["partOfSeries"], dict)
    assert episode["partOfSeries"]["url"] == "https://example.org/voices/shows/practical-moss/"
    assert SCRIPT in {name.partition("/")[2] for name in kinds}


class Head(HTMLParser):
    """The meta tags and links of a page's head."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.told: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        if tag == "meta" and (name := own.get("property") or own.get("name")):
            self.told[name] = own["content"] or ""
        if tag == "link" and own.get("rel") in ("canonical", "alternate"):
            self.told[own["rel"] or ""] = own["href"] or ""


def test_each_page_says_where_it_is_and_has_a_picture(site: Path) -> None:
    seen: set[str] = set()
    for page in site.rglob("*.html"):
        if page.name == "404.html":
            continue
        told = Head(page.read_text(encoding="utf-8")).told
        assert is_there(site, told["canonical"]), page
        assert told["canonical"] == told["og:url"]
        assert is_there(site, told["og:image"]), page
        assert told["og:site_name"] == "Garden voices"
        assert told["description"]
        seen.add(told["canonical"])
    assert len(seen) == len(list(site.rglob("*.html"))) - 1
    listed = ElementTree.parse(site / "sitemap.xml").getroot()
    assert {url[0].text for url in listed} == seen


def test_cards_are_pictures_of_the_usual_size(site: Path) -> None:
    cards_ = list(site.rglob("card.png"))
    assert len(cards_) > 30
    for path in cards_:
        with Image.open(path) as picture:
            assert (picture.format, picture.size) == ("PNG", (1200, 630))
        assert path.stat().st_size < 60_000


@pytest.mark.parametrize("title", ["A", "W" * 300, "A very long title indeed " * 12, "Łódź, naïve", "a\nb\x00"])
def test_any_title_makes_a_card(title: str) -> None:
    drawn = cards.draw(cards.Card(title, title, title, title[:2], 3))
    assert drawn == cards.draw(cards.Card(title, title, title, title[:2], 3))
    assert drawn != cards.draw(cards.Card("", "", "", "", 3))
    with Image.open(io.BytesIO(drawn)) as picture:
        assert picture.size == cards.SIZE


@pytest.mark.parametrize("title", ["", "\u0378", "\n\x00"])
def test_what_no_font_has_leaves_a_card_without_words(title: str) -> None:
    assert cards.draw(cards.Card(title, "", "", "", 3)) == cards.draw(cards.Card("", "", "", "", 3))


def test_cards_have_the_colours_of_the_pages() -> None:
    style = (rendering.STATIC / "style.css").read_text(encoding="utf-8").partition("@media")[0]
    assert tuple(re.findall(r"--c[0-7]: (#[0-9a-f]{6})", style)) == cards.COLORS


def test_feeds_list_whose_episodes_they_are(site: Path) -> None:
    text = (site / "speakers" / "ada-ash" / "feed.xml").read_text(encoding="utf-8")
    feed = feedparser.parse(text)
    assert feed.bozo is False
    assert feed.feed.title == "Ada Ash in podcasts"
    assert feed.feed.id == "https://example.org/voices/speakers/ada-ash/"
    assert len(feed.entries) == 10
    assert [entry.updated for entry in feed.entries] == sorted((e.updated for e in feed.entries), reverse=True)
    assert all(is_there(site, entry.link) for entry in feed.entries)
    everything = feedparser.parse((site / "feed.xml").read_text(encoding="utf-8"))
    assert (len(everything.entries), everything.feed.title) == (30, "Garden voices")


def test_without_an_address_nothing_is_told_that_needs_one(library: Library, tmp_path: Path) -> None:
    write_site(library, tmp_path / "site", about=About("Mine"))
    suffixes = {path.suffix for path in (tmp_path / "site").rglob("*") if path.is_file()}
    assert not suffixes & {".xml", ".png"}
    page = (tmp_path / "site" / "speakers" / "ada-ash" / "index.html").read_text(encoding="utf-8")
    assert "og:url" not in page
    assert "canonical" not in page
    assert "<title>Ada Ash – Mine</title>" in page


@pytest.mark.parametrize(
    "address",
    ["example.org", "ftp://example.org/", "https://", "https://me:pw@example.org/", "https://h/?q", "http://["],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(VoicematchError, match="not where a site can be"):
        About("Mine", "", address)


def test_a_site_without_a_title_is_refused() -> None:
    with pytest.raises(VoicematchError, match="cannot be empty"):
        About(" ")
