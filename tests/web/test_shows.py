"""A page a show: who hosts it, who was a guest, who talks how much; the same here and on a public site."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.web_library import SHOWS
from voicematch.errors import NothingThere
from voicematch.formats.addresses import LONGEST, slug
from voicematch.library import Library, open_library, schema
from voicematch.web import addresses, shows
from voicematch.web.app import create_app
from voicematch.web.reading import Reading


@pytest.fixture(scope="module")
def client(web_folder: Path) -> TestClient:
    return TestClient(create_app(open_library(web_folder / "library.db"), names=["testserver"]))


def test_every_show_is_listed_and_leads_to_its_page(client: TestClient) -> None:
    found = client.get("/shows.json").json()["shows"]
    assert [one["title"] for one in found] == sorted(SHOWS)
    assert [one["num_episodes"] for one in found] == [10, 10, 10]
    page = client.get("/shows").text
    for one in found:
        assert f'href="/shows/{one["key"]}"' in page
        assert one["title"] in client.get(f"/shows/{one['key']}").text


def test_a_show_has_its_hosts_with_shares_over_time(client: TestClient) -> None:
    page = client.get("/shows/night-garden-radio.json").json()
    assert [one["person"]["name"] for one in page["hosts"]] == ["Ada Ash"]
    host = page["hosts"][0]
    assert (host["num_episodes"], host["role"]) == (10, "host")
    assert len(host["chart"]) == 10
    assert [point["date"] for point in host["chart"]] == sorted(point["date"] for point in host["chart"])
    assert sum(point["talk_seconds"] for point in host["chart"]) == pytest.approx(host["talk_seconds"])
    html = client.get("/shows/night-garden-radio").text
    assert html.count("<rect x=") >= 10
    assert "Share of the talk of Ada Ash in 10 episodes, from 3 Jan 2024 to 10 Jul 2024" in html


def test_everybodys_share_and_that_of_the_unnamed_are_all_of_the_talk(client: TestClient) -> None:
    page = client.get("/shows/night-garden-radio.json").json()
    people = page["hosts"] + page["guests"]
    assert [one["talk_seconds"] for one in page["guests"]] == sorted(
        (one["talk_seconds"] for one in page["guests"]), reverse=True
    )
    assert sum(one["share"] for one in people) + page["unnamed_share"] == pytest.approx(1)
    assert sum(one["talk_seconds"] for one in people) == pytest.approx(
        (1 - page["unnamed_share"]) * page["show"]["talk_seconds"]
    )
    assert {one["role"] for one in page["guests"]} <= {"guest", ""}


def test_episodes_and_speakers_link_to_the_show(client: TestClient) -> None:
    key = client.get("/shows/night-garden-radio.json").json()["episodes"][0]["key"]
    assert 'href="/shows/night-garden-radio"' in client.get(f"/episodes/{key}").text
    assert 'href="/shows/night-garden-radio"' in client.get("/speakers/1").text


def test_there_is_no_page_of_a_show_that_nobody_heard(client: TestClient) -> None:
    assert client.get("/shows/another").status_code == 404


def test_spellings_of_one_title_are_one_show(web_library_file: Path) -> None:
    with open_library(web_library_file) as library:
        _call(library, {1: "The Daily!", 2: "the daily", 3: "The Daily!"})
        page = shows.show(Reading(library, addresses.path), "the-daily")
        assert (page.show.title, page.show.num_episodes) == ("The Daily!", 3)


def test_a_show_of_many_episodes_is_shown_a_page_at_a_time(web_library_file: Path) -> None:
    with open_library(web_library_file) as library:
        _call(library, dict.fromkeys(range(1, 31), "All of them"))
        first = shows.show(Reading(library, addresses.path), "all-of-them")
        second = shows.show(Reading(library, addresses.path), "all-of-them", page=2)
        assert (len(first.episodes), len(second.episodes), first.paging.num_pages) == (20, 10, 2)
        assert not {one.key for one in first.episodes} & {one.key for one in second.episodes}


def test_nobodys_show_is_empty(tmp_path: Path) -> None:
    with open_library(tmp_path / "new.db", embedder="none") as library:
        assert shows.shows(Reading(library, addresses.path)).shows == ()
        with pytest.raises(NothingThere, match="no episode of such a show"):
            shows.show(Reading(library, addresses.path), "any")


def _call(library: Library, shows_by_id: dict[int, str]) -> None:
    with library._database.write() as connection:
        for number, title in shows_by_id.items():
            connection.execute(schema.episodes.update().where(schema.episodes.c.id == number).values(show=title))


@pytest.mark.parametrize(
    "name", ["a/b", "..", "%2e%2e", "a?b#c", "C:\\x", "nul", "x" * 500, "é" * 300, "\ud800", " \u202e ", "क्या"]
)
def test_no_name_leads_out_of_its_folder(name: str) -> None:
    found = slug(name)
    assert 0 < len(found) <= LONGEST + 2
    assert not set(found) & set('/\\.:?#%&<>" \n')
    assert found == slug(found) or found.startswith("x-")
