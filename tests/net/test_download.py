"""Downloads: whole or not at all, taken up again, bounded, and never by another scheme."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.loopback import Page, Site, serve
from voicematch.errors import AudioError, FormatError, redacted, shown
from voicematch.net.download import download, fetch

SOUND = bytes(range(256)) * 400
TAG = f'"{hashlib.sha256(SOUND).hexdigest()[:16]}"'


@pytest.fixture(name="site")
def _site() -> Iterator[Site]:
    with serve() as running:
        yield running


def get(site: Site, path: Path, patience: float = 60.0) -> None:
    download(f"{site.url}/a.mp3", path, most_bytes=1 << 20, patience=patience)


def test_a_whole_file_and_nothing_beside_it(site: Site, tmp_path: Path) -> None:
    site.pages["/a.mp3"] = Page(SOUND)
    get(site, tmp_path / "new" / "a.mp3")
    assert (tmp_path / "new" / "a.mp3").read_bytes() == SOUND
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.mp3"]


def test_a_broken_connection_goes_on_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.pages["/a.mp3"] = Page(SOUND, breaks=[1000, 5000])
    steps: list[tuple[str, float, float]] = []
    download(f"{site.url}/a.mp3", tmp_path / "a.mp3", most_bytes=1 << 20, progress=lambda *step: steps.append(step))
    assert (tmp_path / "a.mp3").read_bytes() == SOUND
    assert [wanted for _, wanted, _ in site.asked] == ["", "bytes=1000-", "bytes=6000-"]
    assert steps[-1] == ("download", len(SOUND), len(SOUND))


def test_a_server_that_gives_a_part_of_what_is_asked_for_is_asked_again(site: Site, tmp_path: Path) -> None:
    long = SOUND * 10
    site.pages["/a.mp3"] = Page(long, breaks=[1000], most=100_000)
    get(site, tmp_path / "a.mp3")
    assert (tmp_path / "a.mp3").read_bytes() == long
    assert len(site.asked) == 12


def test_a_server_that_gives_next_to_nothing_is_given_up(site: Site, tmp_path: Path) -> None:
    site.pages["/a.mp3"] = Page(SOUND, breaks=[1000], most=10)
    with pytest.raises(AudioError, match="the connection broke after 1030 of 102400 bytes"):
        get(site, tmp_path / "a.mp3")
    assert not (tmp_path / "a.mp3").exists()


def test_another_process_goes_on_where_the_last_was_killed(site: Site, tmp_path: Path) -> None:
    site.pages["/a.mp3"] = Page(SOUND, breaks=[1000, 0, 0, 0])
    with pytest.raises(AudioError, match=r"a\.mp3: the connection broke after 1000 of 102400 bytes; check"):
        get(site, tmp_path / "a.mp3")
    assert not (tmp_path / "a.mp3").exists()
    site.asked.clear()
    get(site, tmp_path / "a.mp3")
    assert (tmp_path / "a.mp3").read_bytes() == SOUND
    assert site.asked == [("/a.mp3", "bytes=1000-", "")]


@pytest.mark.parametrize("heeds_version", [True, False])
def test_a_part_of_another_version_is_dropped(site: Site, tmp_path: Path, heeds_version: bool) -> None:
    site.pages["/a.mp3"] = Page(b"an older advertisement" * 100, breaks=[700, 0, 0, 0])
    with pytest.raises(AudioError):
        get(site, tmp_path / "a.mp3")
    site.pages["/a.mp3"] = Page(SOUND, heeds_version=heeds_version)
    get(site, tmp_path / "a.mp3")
    assert (tmp_path / "a.mp3").read_bytes() == SOUND


def test_a_part_that_is_already_whole(site: Site, tmp_path: Path) -> None:
    """Killed between the last byte and the renaming: the server has no more to give (416)."""
    site.pages["/a.mp3"] = Page(SOUND)
    (tmp_path / "a.mp3.part").write_bytes(SOUND)
    note = {"url": hashlib.sha256(f"{site.url}/a.mp3".encode()).hexdigest(), "validator": TAG, "total": len(SOUND)}
    (tmp_path / "a.mp3.part.json").write_text(json.dumps(note))
    get(site, tmp_path / "a.mp3")
    assert (tmp_path / "a.mp3").read_bytes() == SOUND
    assert [wanted for _, wanted, _ in site.asked] == [f"bytes={len(SOUND)}-", ""]


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"url": "elsewhere", "validator": "x"}'])
def test_a_part_of_unknown_origin_is_not_trusted(site: Site, tmp_path: Path, note: str) -> None:
    site.pages["/a.mp3"] = Page(SOUND)
    (tmp_path / "a.mp3.part").write_bytes(b"something else")
    (tmp_path / "a.mp3.part.json").write_text(note)
    get(site, tmp_path / "a.mp3")
    assert (tmp_path / "a.mp3").read_bytes() == SOUND


def test_a_server_without_ranges(site: Site, tmp_path: Path) -> None:
    site.pages["/a.mp3"] = Page(SOUND, breaks=[1000], ranges=False)
    get(site, tmp_path / "a.mp3")
    assert (tmp_path / "a.mp3").read_bytes() == SOUND


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (Page(status=403), "the server answers 403 Forbidden; check the address"),
        (Page(status=302, location="file:///etc/passwd"), "not allowed"),
        (Page(status=302, location="ftp://127.0.0.1/a.mp3"), "cannot be reached \\(unknown url type: ftp"),
        (Page(status=302, location="/a.mp3"), "would lead to an infinite loop"),
        (Page(status=429), "the server answers 429 Too Many Requests; try again later"),
        (Page(status=503), "the server answers 503 Service Unavailable; try again later"),
        (Page(SOUND, claimed=9 << 20), "9 MiB are more than the 1 MiB allowed"),
        (Page(SOUND * 15, claimed=0), "cannot be reached"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused(site: Site, tmp_path: Path, page: Page, reason: str) -> None:
    site.pages["/a.mp3"] = page
    if reason == "cannot be reached":
        site.url = "http://127.0.0.1:1"
    with pytest.raises(AudioError, match=reason):
        get(site, tmp_path / "a.mp3")
    assert not (tmp_path / "a.mp3").exists()


def test_a_server_that_trickles_is_given_up(site: Site, tmp_path: Path) -> None:
    site.pages["/a.mp3"] = Page(SOUND, trickle=0.01)
    with pytest.raises(AudioError, match=r"only .* bytes in 0 s"):
        get(site, tmp_path / "a.mp3", patience=0.05)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "/etc/passwd", "data:,x", "http://", "http://[", "gopher://x/"])
def test_other_schemes_are_not_spoken(tmp_path: Path, url: str) -> None:
    with pytest.raises(AudioError):
        download(url, tmp_path / "a.mp3", most_bytes=100)
    with pytest.raises(FormatError):
        fetch(url, most_bytes=100)


def test_a_password_is_sent_but_never_shown_or_passed_on(site: Site, tmp_path: Path) -> None:
    with serve() as elsewhere:
        elsewhere.pages["/a.mp3"] = Page(SOUND)
        site.pages["/a.mp3"] = Page(status=302, location=f"{elsewhere.url}/a.mp3")
        private = site.url.replace("http://", "http://ada:s%20cret@")
        download(f"{private}/a.mp3", tmp_path / "a.mp3", most_bytes=1 << 20)
        assert site.asked == [("/a.mp3", "", "Basic YWRhOnMgY3JldA==")]
        assert elsewhere.asked == [("/a.mp3", "", "")]
    site.pages["/a.mp3"] = Page(status=401)
    with pytest.raises(AudioError) as refused:
        download(f"{private}/a.mp3", tmp_path / "b.mp3", most_bytes=1 << 20)
    assert "cret" not in str(refused.value)
    assert shown("https://host/feed?a=b") == "https://host/feed?a=…"


def test_a_download_that_another_process_is_at(site: Site, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    site.pages["/a.mp3"] = Page(SOUND)
    with (tmp_path / "a.mp3.part").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(AudioError, match="another process is downloading it"):
            get(site, tmp_path / "a.mp3")


def test_a_place_that_cannot_be_written(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AudioError, match="cannot be kept as"):
        get(site, tmp_path / "file" / "a.mp3")


def test_a_document_comes_with_where_it_was(site: Site) -> None:
    site.pages["/feed"] = Page(status=301, location="/moved")
    site.pages["/moved"] = Page(gzip.compress(b"<rss/>"), "text/xml; charset=utf-8")
    document = fetch(f"{site.url}/feed", most_bytes=100)
    assert (document.raw, document.url) == (b"<rss/>", f"{site.url}/moved")


@pytest.mark.parametrize("content", [b"x" * 101, gzip.compress(b"x" * 101), gzip.compress(b"x" * 10_000_000)])
def test_a_document_beyond_its_bound(site: Site, content: bytes) -> None:
    site.pages["/feed"] = Page(content)
    with pytest.raises(FormatError, match="MiB"):
        fetch(f"{site.url}/feed", most_bytes=100)


@pytest.mark.parametrize("page", [Page(b"\x1f\x8bnot gzip after all"), Page(b"<rss>", breaks=[3]), Page(status=404)])
def test_a_document_that_cannot_be_had(site: Site, page: Page) -> None:
    site.pages["/feed"] = page
    with pytest.raises(FormatError, match=r"/feed: (the server answers 404|cannot be fetched)"):
        fetch(f"{site.url}/feed", most_bytes=100)


def test_a_broken_download_keeps_no_password(site: Site, tmp_path: Path) -> None:
    site.pages["/a.mp3?auth=s3cr3t"] = Page(SOUND, breaks=[1000, 0, 0, 0, 0, 0])
    with pytest.raises(AudioError) as broken:
        download(f"{site.url}/a.mp3?auth=s3cr3t", tmp_path / "a.mp3", most_bytes=1 << 20)
    assert "s3cr3t" not in str(broken.value)
    assert not [path for path in tmp_path.iterdir() if b"s3cr3t" in path.read_bytes()]


def test_a_full_disk_is_called_one(site: Site, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    site.pages["/a.mp3"] = Page(SOUND)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(SOUND) // 2, most))
    try:
        with pytest.raises(AudioError, match=r"cannot be kept as .*a\.mp3\.part: File too large"):
            get(site, tmp_path / "a.mp3")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@pytest.mark.parametrize(
    "address",
    [
        "https://traffic.example.org/GLT1412515089.mp3",
        "https://cdn.example.org/8f14e45fceea167a5a36dedd4bea2543/default.mp3",
        "https://example.org/how-to-grow-tomatoes-in-2024-a-guide-for-10-people",
        "https://example.org/audio/e73c998e-6e60-432f-8610-ae210140c5b1/default.mp3",
        "https://feeds.example.org/public/e73c998e-6e60-432f-8610-ae210140c5b1",
        "https://feeds.example.org/episodes/e73c998e-6e60-432f-8610-ae210140c5b1",
        "https://feeds.example.org/show/8f14e45fceea167a5a36dedd4bea2543.mp3",
        "https://example.org/feed/20240107101500123456/2024-01-07/episode-0012.rss",
        "https://example.org/rss/how-a-facade-faded-in-a-decade",
        "https://example.org/s/8f14e45f/podcast/rss",
        "https://example.org/episodes/20240107T101500Z-talk.mp3",
        "https://example.org/key/one.mp3",
        "postgresql://host/k7Qz81LmP0vX4tRw92",
    ],
)
def test_what_is_no_key_is_shown(address: str) -> None:
    assert shown(address) == address


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("https://example.org/content/eyJ0IjoicCIsImMiOiIxMjM0NSJ9.rss", "https://example.org/content/…"),
        ("https://example.org/u-k7Qz81LmP0vX4tRw92/12.mp3", "https://example.org/…/12.mp3"),
        ("https://example.org/token/5e0f11aa22bb/rss", "https://example.org/token/…/rss"),
        ("https://example.org/feed/8f14e45fceea167a5a36dedd4bea2543", "https://example.org/feed/…"),
        ("https://example.org/8F14E45FCEEA167A.rss", "https://example.org/….rss"),
        ("https://example.org/u_e73c998e-6e60-432f-8610-ae210140c5b1/podcast.xml", "https://example.org/…/podcast.xml"),
        ("https://feeds.example.org/8f14e45fceea167a/12.mp3", "https://feeds.example.org/…/12.mp3"),
    ],
)
def test_what_looks_like_a_key_in_a_path_is_not(address: str, seen: str) -> None:
    assert shown(address) == seen
    assert redacted(f"cannot read {address}: why") == f"cannot read {seen}: why"
