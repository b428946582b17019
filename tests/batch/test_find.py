"""Which episodes a backlog has, where their downloads are kept, and where their files go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.batch.test_feeds import rss
from tests.support.loopback import Page, Site, serve
from voicematch.batch import AudioCache, find
from voicematch.batch.work import output_stem
from voicematch.errors import AudioError, FormatError, VoicematchError
from voicematch.library import Added, Job, Library, NewJob, State


@pytest.fixture(name="site")
def _site() -> Iterator[Site]:
    with serve() as running:
        yield running


# -- finding


def test_a_folder_with_all_below_it(tmp_path: Path) -> None:
    for name in ("show/b.mp3", "show/more/a.M4A", "show/notes.txt", "show/.hidden.mp3", "show/.trash/c.mp3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "show" / "again").symlink_to(tmp_path / "show")
    jobs = find([tmp_path / "show", tmp_path / "show" / "b.mp3"]).jobs
    assert {(job.title, job.show, job.source) for job in jobs} == {
        ("b", "show", str(tmp_path / "show/b.mp3")),
        ("a", "show", str(tmp_path / "show/more/a.M4A")),
    }


def test_the_newest_that_match(tmp_path: Path) -> None:
    for day, name in enumerate(["Old.mp3", "Middle.mp3", "New.mp3", "Newest.mp3"], start=1):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (day * 86_400, day * 86_400))

    def titles(**wanted: str | int) -> list[str]:
        return [job.title for job in find([tmp_path], **wanted).jobs]  # type: ignore[arg-type]

    assert titles(limit=2) == ["Newest", "New"]
    assert titles(since="1970-01-03") == ["Newest", "New", "Middle"]
    assert titles(match="^(new|old)$") == ["New", "Old"]
    assert titles(match="ne", since="1970-01-04", limit=1) == ["Newest"]


def test_a_list_of_everything(tmp_path: Path, site: Site) -> None:
    (tmp_path / "a.mp3").write_bytes(b"x")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.mp3").write_bytes(b"x")
    entry = f"<item><guid>g</guid><title>E</title><enclosure url='{site.url}/e.mp3'/></item>"
    site.pages["/feed"] = Page(rss(entry, entry.replace(f"{site.url}/e.mp3", "file:///etc/passwd")))
    lines = ["# mine", "", "a.mp3", str(tmp_path / "more"), f"{site.url}/single.mp3?x=1", f"{site.url}/feed",
             "absent.mp3", f"{site.url}/absent"]  # fmt: skip
    (tmp_path / "list.txt").write_text("\n".join(lines))
    found = find([tmp_path / "list.txt"])
    assert {job.title for job in found.jobs} == {"a", "b", "single", "E"}
    reasons = [reason.rpartition("/")[2] for reason in found.left_out]
    assert reasons == [
        "E: has no sound",
        "absent.mp3: no such file, folder or http(s) address",
        "absent: the server answers 404 Not Found; check the address",
    ]


def test_a_line_with_the_home_of_nobody_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"sound")
    (tmp_path / "list.txt").write_text("~nobody-here/b.mp3\na.mp3\n")
    found = find([tmp_path / "list.txt"])
    assert [job.source for job in found.jobs] == [str(tmp_path / "a.mp3")]
    assert "~nobody-here/b.mp3: no such file" in found.left_out[0]


def test_what_a_folder_has_that_cannot_be_queued_leaves_the_others(tmp_path: Path, library: Library) -> None:
    (tmp_path / "a.mp3").write_bytes(b"sound")
    (tmp_path / "gone.mp3").symlink_to(tmp_path / "nowhere.mp3")
    latin = tmp_path / os.fsdecode(b"caf\xe9.mp3")
    latin.write_bytes(b"sound")
    found = find([tmp_path])
    assert library.jobs.add(found.jobs) == Added(num_new=1)
    assert sorted(found.left_out) == [
        f"{latin}: its name, or a folder's, is not text in UTF-8; rename it",
        f"{tmp_path / 'gone.mp3'}: cannot be opened: No such file or directory",
    ]


def test_a_line_that_can_be_no_name_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"sound")
    (tmp_path / "list.txt").write_text("words " * 99 + "\na.mp3\n")
    found = find([tmp_path / "list.txt"])
    assert [job.source for job in found.jobs] == [str(tmp_path / "a.mp3")]
    assert found.left_out[0].endswith("cannot be opened: File name too long")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_is_closed_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"sound")
    (tmp_path / "closed").mkdir(mode=0)
    found = find([tmp_path])
    assert [job.title for job in found.jobs] == ["a"]
    assert found.left_out == (f"{tmp_path / 'closed'}: cannot be opened: Permission denied",)
    with pytest.raises(AudioError, match="Permission denied"):
        find([tmp_path / "closed"])


def test_lists_from_the_web_that_name_ever_more_lists_come_to_an_end(site: Site) -> None:
    site.pages["/o"] = Page(f"<opml><body><outline xmlUrl='{site.url}/o'/></body></opml>".encode())
    (reason,) = find([f"{site.url}/o"]).left_out
    assert reason == f"{site.url}/o: {site.url}/o: was looked through already; it names itself, or is listed twice"
    for number in range(9):
        outline = f"<outline xmlUrl='{site.url}/{number + 1}'/>"
        site.pages[f"/{number}"] = Page(f"<opml><body>{outline}</body></opml>".encode())
    (reason,) = find([f"{site.url}/0"]).left_out
    assert reason == f"{site.url}/4: {site.url}/5: is more than 5 lists deep; add it by itself"


def test_an_entry_without_a_guid_is_queued_once(site: Site, library: Library) -> None:
    """Also where an earlier version knew it by its whole address."""
    page = "<item><title>{}</title><enclosure url='/get?{}' type='audio/mpeg' length='5'/></item>"

    def look(*entries: str) -> tuple[NewJob, ...]:
        site.pages["/feed"] = Page(rss(*entries))
        return find([f"{site.url}/feed"]).jobs

    old = [replace(job, key=f"{site.url}/feed#{job.source}") for job in look(page.format("One", "sig=0"))]
    assert library.jobs.add(old) == Added(num_new=1)
    for number, expected in enumerate([Added(num_new=1, num_known=1), Added(num_known=2)]):
        both = look(page.format("One", f"sig={number}"), page.format("Two", f"sig={number}&amp;two"))
        assert library.jobs.add(both) == expected


def test_a_feed_becomes_jobs(site: Site) -> None:
    entry = """<item><guid>g 1</guid><title>First</title><pubDate>Tue, 02 Jan 2024 03:04:05 GMT</pubDate>
      <enclosure url="/1.mp3?signature=abc" length="5" type="audio/mpeg"/><itunes:duration>90</itunes:duration>
      <itunes:season>3</itunes:season><podcast:person role="guest" img="/ada.jpg">Ada</podcast:person>
      <podcast:person>Bob</podcast:person>
      <podcast:transcript url="/1.srt" type="application/srt"/></item>"""
    site.pages["/feed"] = Page(rss(entry, head="<podcast:guid>the-show</podcast:guid>"))
    (job,) = find([f"{site.url}/feed"]).jobs
    assert job == NewJob(
        key="the-show#g 1",
        source=f"{site.url}/1.mp3?signature=abc",
        title="First",
        show="The Show",
        date="2024-01-02",
        duration=90.0,
        fingerprint=f"{site.url}/1.mp3 5",
        about={
            "feed": f"{site.url}/feed",
            "guid": "g 1",
            "season": 3,
            "persons": [["Ada", "guest", f"{site.url}/ada.jpg"], ["Bob", "host"]],
            "transcripts": [[f"{site.url}/1.srt", "application/srt", ""]],
            "nearby": "127.0.0.1",
        },
    )
    site.pages["/list"] = Page(f'<opml><body><outline xmlUrl="{site.url}/feed"/></body></opml>'.encode())
    assert find([f"{site.url}/list"]).jobs == (job,)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.mp3", None, "no such file"),
        ("page.html", b"<html>", "neither sound, nor a feed"),
        ("feed.xml", b'<!DOCTYPE r [<!ENTITY a "b">]><rss/>', "declares XML entities"),
    ],
)
def test_a_source_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises((AudioError, FormatError), match=reason):
        find([tmp_path / name])


def test_what_is_no_regular_expression() -> None:
    with pytest.raises(VoicematchError, match="not a regular expression"):
        find([], match="(")


# -- downloads


def test_downloads_go_when_there_is_no_room(site: Site, tmp_path: Path) -> None:
    cache = AudioCache(tmp_path / "cache", most_bytes=250)
    urls = [f"{site.url}/{name}.mp3" for name in "abcd"]
    for url in urls:
        site.pages[url.removeprefix(site.url)] = Page(b"x" * 100)
    paths = [cache.get(url) for url in urls[:2]]
    for age, path in enumerate(paths):
        os.utime(path, (1_000 + age, 1_000 + age))
    cache.get(urls[0])  # used again, so the other one goes
    third = cache.get(urls[2])
    assert [path.exists() for path in (*paths, third)] == [True, False, True]
    os.utime(paths[0], (1_000, 1_000))
    fourth = cache.get(urls[3], in_use=lambda: {paths[0]})
    assert [path.exists() for path in (paths[0], third, fourth)] == [True, False, True]
    assert [path for path, _, _ in site.asked] == ["/a.mp3", "/b.mp3", "/c.mp3", "/d.mp3"]


def test_a_file_of_someone_elses_stays_where_downloads_are_kept(site: Site, tmp_path: Path) -> None:
    names = ["thesis.pdf", "one.mp3", "0123456789abcdef0123456789abcdef.mp3.txt"]
    for name in names:
        (tmp_path / name).write_bytes(b"x" * 1000)
    site.pages |= {f"/{name}.mp3": Page(b"x" * 100) for name in "ab"}
    cache = AudioCache(tmp_path, most_bytes=150)
    kept = [cache.get(f"{site.url}/{name}.mp3") for name in "ab"][1]
    assert {path.name for path in tmp_path.iterdir()} == {*names, kept.name}


def test_another_version_is_another_file(site: Site, tmp_path: Path) -> None:
    cache = AudioCache(tmp_path)
    site.pages["/a.mp3"] = Page(b"one")
    first = cache.get(f"{site.url}/a.mp3", "1")
    site.pages["/a.mp3"] = Page(b"two")
    assert cache.get(f"{site.url}/a.mp3", "2").read_bytes() == b"two"
    assert first.read_bytes() == b"one"
    with pytest.raises(AudioError, match="MiB"):
        AudioCache(tmp_path, most_bytes=2).get(f"{site.url}/a.mp3", "3")


@pytest.mark.parametrize(
    "url", ["http://h/../../etc/passwd", "http://h/a.mp3/..", "http://h/a.%2e%2e%2fx", "http://h/a.sh;x"]
)
def test_no_address_chooses_its_file(tmp_path: Path, url: str) -> None:
    path = AudioCache(tmp_path).path(url)
    assert path.parent == tmp_path
    assert path.name.isalnum()


# -- where files go


def job(**values: object) -> Job:
    about: dict[str, object] = {"season": 2}
    basis = Job(1, "k", "https://e.org/a.mp3", "T: 1/2", "The Show", "2024-01-02", None, "", about, State.QUEUED, 0,
                None, None, False, None, None, None, None)  # fmt: skip
    return replace(basis, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("out", "from_feed", "from_file"),
    [
        (None, "{cwd}/The Show/2024-01-02-T 1-2", "/audio/ep 1"),
        ("/out", "/out/The Show/2024-01-02-T 1-2", "/out/ep 1"),
        ("/o}ut", "/o}ut/The Show/2024-01-02-T 1-2", "/o}ut/ep 1"),
        ("/out/{year}/{season}-{name}", "/out/2024/2-T 1-2", "/out/2024/2-ep 1"),
        ("{show}", "{cwd}/The Show", "{cwd}/The Show"),
    ],
)
def test_where_files_go(out: str | None, from_feed: str, from_file: str) -> None:
    cwd = os.getcwd()
    assert output_stem(job(), out) == from_feed.replace("{cwd}", cwd)
    assert output_stem(job(source="/audio/ep 1.mp3"), out) == from_file.replace("{cwd}", cwd)


def test_the_folder_worked_in_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "show").mkdir()
    (tmp_path / "show" / "a.mp3").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "show")
    monkeypatch.chdir(tmp_path / "show")
    for spelled in (".", "./", "../show", "a.mp3", "../link", str(tmp_path / "show")):
        (job,) = find([spelled]).jobs
        assert (job.show, job.key) == ("show", str(tmp_path / "show" / "a.mp3")), spelled


@pytest.mark.parametrize("name", ["2024-06-14 A title", "2024-06-14_A title", "20240614 A title", "A title 2024-06-14"])
def test_the_day_in_a_files_name(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.mp3").write_bytes(b"x")
    (job,) = find([tmp_path], since="2024-06-14").jobs
    assert (job.date, job.title) == ("2024-06-14", "A title")
    assert find([tmp_path], since="2024-06-15").jobs == ()


def test_numbers_that_are_no_day(tmp_path: Path) -> None:
    for name in ("2024-13-14 A", "12345678", "2024", "1999-02-30"):
        (tmp_path / f"{name}.mp3").write_bytes(b"x")
    assert {job.date for job in find([tmp_path]).jobs} == {None}
