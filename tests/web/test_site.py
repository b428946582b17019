"""The static site: complete, public, written whole, and only where it differs."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import sqlalchemy as sa

from tests.support.web_library import SCRIPT
from voicematch.errors import OutputExists, VoicematchError
from voicematch.library import Library, open_library, schema
from voicematch.usecases import name as naming
from voicematch.usecases.forget import forget
from voicematch.web.site import LIST, fold, shard_of, write_site

KEY = "000000005eed5eed"


@pytest.fixture(scope="module")
def site(web_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    with open_library(web_folder / "library.db") as library:
        write_site(library, out)
    return out


@pytest.fixture
def library(web_library_file: Path) -> Iterator[Library]:
    with open_library(web_library_file) as opened:
        yield opened


class Links(HTMLParser):
    """Everything a page refers to, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.update(value for name, value in attrs if name in ("href", "src", "action") and value)


def test_every_link_leads_somewhere(site: Path) -> None:
    num_links = 0
    for page in site.rglob("*.html"):
        for link in Links(page.read_text(encoding="utf-8")).found:
            address = urlsplit(link)
            if address.scheme or link.startswith("#"):
                assert address.scheme in ("", "https", "data"), link
                continue
            assert not link.startswith("/"), f"{page.name}: {link} works only at the top of a host"
            here = page.relative_to(site).as_posix()
            target = posixpath.normpath(posixpath.join(posixpath.dirname(here), unquote(address.path)))
            assert (site / target).is_file(), f"{page.name}: {link}"
            num_links += 1
    assert num_links > 500


def test_the_pages_there_are(site: Path) -> None:
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert {"index.html", "episodes.html", "search.html", "speakers/1.html", f"speakers/1/{KEY}.html"} <= files
    assert {f"episodes/{KEY}.html", "data/index.json", f"data/lines/{KEY}.json", "data/words/ra.json"} <= files
    assert len(list((site / "episodes").iterdir())) == 30
    pages = {name for name in files if name.endswith(".html")}
    assert not any("unknown" in name or "review" in name or "backlog" in name for name in pages)


def test_nothing_private_is_in_it(site: Path, web_folder: Path) -> None:
    every = b"".join(path.read_bytes() for path in site.rglob("*") if path.is_file() and "static" not in path.parts)
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
    page = (site / "episodes" / "000000015eed5eed.html").read_text(encoding="utf-8")
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
    (out / "speakers" / "2.html").write_text("changed by hand")
    forget("Ada Ash", library=library)
    forget("Basil Birch", library=library)
    assert write_site(library, out).num_removed > 2
    assert not (out / "speakers" / "1.html").exists()
    assert not (out / "speakers" / "1").exists()
    assert (out / "mine.txt").exists()
    assert (out / "speakers" / "2.html").exists()
    text = "".join(path.read_text(encoding="utf-8") for path in out.rglob("*") if path.suffix in (".html", ".json"))
    assert "Ada Ash" not in text


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
        assert write_site(library, tmp_path / "site").num_pages == 3


def test_addresses_with_passwords_stay_at_home(library: Library, tmp_path: Path) -> None:
    with library._database.write() as connection:
        private = "https://me:secret@feeds.example.org/1.mp3"
        connection.execute(schema.episodes.update().values(source=private))
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.episodes)) == 30
    write_site(library, tmp_path / "site")
    text = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.html"))
    assert "secret" not in text
