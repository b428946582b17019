"""The pages, their JSON, the actions and the sound, asked for as a browser does."""

from __future__ import annotations

import io
import re
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonschema
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.support.web_library import HERE, SCRIPT
from voicematch.library import Library, open_library, schema
from voicematch.library.reading.episodes import key_of
from voicematch.usecases import name as naming
from voicematch.web import addresses
from voicematch.web.actions import ACTIONS
from voicematch.web.app import MOST_BYTES, create_app
from voicematch.web.pages import PAGES

JSON = {"accept": "application/json"}
KEY = "000000005eed5eed"  # of the first episode
FROM_A_FEED = "000000015eed5eed"  # of the second

EXAMPLES = {
    "speakers": ["", "?q=as", "?sort=talk", "?sort=recent&page=2", "?page=x", "?page=99999999999999999999"],
    "speaker": ["?page=2", "?q=rain", "?q=%22the+rain%22&page=7", "?q=...x", "?q=***", "?show=Night+Garden+Radio"],
    "speaker_episode": [""],
    "quote": [""],
    "episodes": ["", "?q=moss", "?page=2", "?q=%25"],
    "episode": [""],
    "shows": [""],
    "show": ["", "?page=2", "?page=9"],
    "unknowns": ["", "?ignored=1", "?page=3"],
    "unknown": [""],
    "review": ["", "?page=2"],
    "backlog": ["", "?state=failed", "?state=nonsense"],
    "settings": [""],
    "search": ["", "?q=rain", "?q=rain&speaker=ada+ash", "?q=rain&since=2024-05-01", "?q=***", "?q=a&speaker=Nobody"],
}
PATHS: dict[str, dict[str, Any]] = {
    "speaker": {"id": 1},
    "speaker_episode": {"id": 1, "key": KEY},
    "episode": {"key": KEY},
    "show": {"key": "night-garden-radio"},
}
PATHS |= {"quote": {"key": KEY, "line": 1}}
PATHS |= {"unknown": {"id": "U-0003"}}
ADDRESSES = [(name, addresses.path(name, **PATHS.get(name, {})), query) for name in PAGES for query in EXAMPLES[name]]


# -- pages


@pytest.mark.parametrize(("name", "path", "query"), ADDRESSES, ids=lambda value: str(value)[-40:])
def test_pages(client: TestClient, name: str, path: str, query: str) -> None:
    """As HTML with all that people wrote escaped, and as JSON that is as described."""
    page = client.get(path + query)
    assert page.status_code == 200, page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script>alert" not in page.text
    assert "<b>3</b>" not in page.text
    assert "/home/somebody" not in page.text
    by_suffix = client.get(f"{path}.json{query}")
    by_header = client.get(path + query, headers=JSON)
    assert by_suffix.json() == by_header.json()
    document = client.get("/openapi.json").json()
    operation = document["paths"][f"{addresses.PATHS[name]}.json"]["get"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(by_suffix.json(), answer | {"components": document["components"]})
    described = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
    assert set(re.findall(r"[?&](\w+)=", query)) <= described


def test_the_description_has_every_route(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    jsonschema.Draft202012Validator.check_schema({"$defs": document["components"]["schemas"]})
    pages = {f"{addresses.PATHS[name]}.json" for name in PAGES}
    actions = {f"/actions/{name}" for name in (*ACTIONS, "undo")}
    assert set(document["paths"]) == pages | actions | {
        "/audio/{key}",
        "/clips/{id}.wav",
        "/downloads/{key}.{format}",
        "/speakers/{id}/picture",
        "/speakers/{id}/appearances.atom",
        "/shows/{key}/picture.jpg",
        "/loudness/{key}.json",
        "/uploads",
    }
    assert len({operation["operationId"] for path in document["paths"].values() for operation in path.values()}) == len(
        document["paths"]
    )


def test_home(client: TestClient) -> None:
    assert client.get("/").headers["location"] == "/speakers"


def test_a_person(client: TestClient) -> None:
    page = client.get("/speakers/1.json").json()
    assert page["person"] | {"talk_seconds": 0, "last_heard": ""} == {
        "id": 1,
        "name": "Ada Ash",
        "initials": "AA",
        "color": 1,
        "role": "host",
        "num_episodes": 10,
        "talk_seconds": 0,
        "num_voiceprints": 3,
        "last_heard": "",
        "has_picture": False,
    }
    assert page["note"] == "a private note"
    assert page["voice"]["active"]
    assert page["voice"]["num_voiceprints"] == 3
    assert page["voice"]["consents"] == ["permission", "public"]
    assert [point["date"] for point in page["chart"]] == sorted(point["date"] for point in page["chart"])
    assert len(page["chart"]) == len(page["appearances"]) == 10
    assert page["appearances"][-1]["key"] == KEY
    assert page["appearances"][-1]["num_lines"] == 24
    assert len(page["appearances"][-1]["lines"]) == 5
    assert page["appearances"][-1]["audio"] == f"/audio/{KEY}"
    assert [(one["show"], one["role"]) for one in page["roles"]] == [("Night Garden Radio", "host")]
    assert {one["person"]["name"] for one in page["co_speakers"]} >= {"Dora Dill", SCRIPT}
    whole = client.get(f"/speakers/1/episodes/{KEY}.json").json()
    assert len(whole["appearance"]["lines"]) == 24
    assert {key: whole["appearance"][key] for key in ("talk_seconds", "share")} == {
        key: page["appearances"][-1][key] for key in ("talk_seconds", "share")
    }


def test_search_within_a_person(client: TestClient) -> None:
    page = client.get("/speakers/1.json?q=patience").json()
    assert page["hits"]
    assert {hit["speaker"] for hit in page["hits"]} == {"Ada Ash"}
    assert page["hits"][0]["parts"][1] == ["patience", True]
    assert page["appearances"] == []
    everybody = client.get("/search.json?q=patience").json()
    own = client.get("/search.json?q=patience&speaker=ada  ASH").json()
    assert everybody["paging"]["total"] > own["paging"]["total"] == page["hits_paging"]["total"]


def test_search_says_what_is_wrong(client: TestClient) -> None:
    assert "no word to search for" in client.get("/search.json?q=***").json()["error"]
    page = client.get("/search.json?q=a&speaker=Nobody").json()
    assert page["error"] == "Nobody here is called “Nobody”"
    page = client.get("/search.json?q=rain&since=soon").json()
    assert (page["error"], page["hits"]) == ("'soon' is not a day; write 2024-01-31, 2024-01 or 2024", [])


def test_an_episode(client: TestClient) -> None:
    page = client.get(f"/episodes/{KEY}.json").json()
    assert [one["name"] for one in page["speakers"]] == ["Ada Ash", "Dora Dill", "U-0003"]
    assert [one["verdict"] for one in page["speakers"]] == ["accept", "accept", "unknown"]
    assert sum(one["share"] for one in page["speakers"]) == pytest.approx(1.0)
    assert len(page["turns"]) == 30
    assert len(page["lines"]) == 60
    assert [one["name"] for one in page["figures"]] == ["Dora Dill", "Ada Ash", "U-0003"]  # most talk first
    assert all(one["figures"]["words_a_minute"] > 0 for one in page["figures"])
    assert page["lines"][0]["person"] == {"id": 1, "name": "Ada Ash"}
    assert page["lines"][0]["text"] == "Welcome to Night Garden Radio. I am joined by Robin A. Rowan."


def test_an_unknown_voice(client: TestClient) -> None:
    page = client.get("/unknowns/U-0003.json").json()
    assert page["unknown"]["num_episodes"] == 5
    assert page["unknown"]["clip"] == "/clips/U-0003.wav"
    assert [one["name"] for one in page["suggestions"]] == ["Robin A. Rowan"]


def test_review_is_oldest_first(client: TestClient) -> None:
    matches = client.get("/review.json").json()["matches"]
    assert len(matches) == 2
    assert [one["date"] for one in matches] == sorted(one["date"] for one in matches)
    for one in matches:
        assert one["known"]["key"] != one["voice"]["key"] == one["key"]


def test_backlog(client: TestClient) -> None:
    page = client.get("/backlog.json").json()
    assert page["counts"] == {"queued": 3, "running": 1, "done": 30, "failed": 2}
    assert [job["state"] for job in page["jobs"][:4]] == ["running", "failed", "failed", "queued"]
    failed = client.get("/backlog.json?state=failed").json()["jobs"]
    assert {job["state"] for job in failed} == {"failed"}
    assert client.get("/backlog.json?state=done").json()["jobs"][0]["key"] is not None


def test_a_list_has_every_entry_once(client: TestClient) -> None:
    keys: list[str] = []
    for number in (1, 2, 3):
        page = client.get(f"/episodes.json?page={number}").json()
        keys += [one["key"] for one in page["episodes"]]
        assert (page["paging"]["previous"], page["paging"]["next"]) == {1: (None, 2), 2: (1, None), 3: (2, None)}[
            number
        ]
    assert len(keys) == len(set(keys)) == 30


@pytest.mark.parametrize(
    "path",
    [
        "/speakers/99",
        "/speakers/0",
        "/speakers/99999999999999999999999",
        "/speakers/ada",
        f"/speakers/1/episodes/{FROM_A_FEED}",
        "/episodes/ffffffffffffffff",
        "/episodes/0000",
        "/episodes/%25",
        "/unknowns/U-9999",
        "/unknowns/ada",
        "/nothing",
        "/static/nothing.css",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
    ],
)
def test_what_is_not_there(client: TestClient, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 404
    assert "<h1" in page.text
    answer = client.get(path, headers=JSON)
    assert answer.status_code == 404
    assert answer.json()["error"]


# -- sound


def test_sound_is_the_file(client: TestClient, web_folder: Path) -> None:
    content = (web_folder / "episode.wav").read_bytes()
    whole = client.get(f"/audio/{KEY}")
    assert whole.status_code == 200
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-type"] == "audio/x-wav"
    assert whole.content == content
    part = client.get(f"/audio/{KEY}", headers={"range": "bytes=1000-1999"})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(content)}"
    assert part.content == content[1000:2000]
    assert client.get(f"/audio/{KEY}", headers={"range": "bytes=-10"}).content == content[-10:]
    assert client.get(f"/audio/{KEY}", headers={"range": f"bytes={len(content)}-"}).status_code == 416


@pytest.mark.parametrize("key", ["ffffffffffffffff", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", FROM_A_FEED])
def test_no_sound(client: TestClient, key: str) -> None:
    """No path out of a request, and nothing fetched from elsewhere."""
    answer = client.get(f"/audio/{key}")
    assert answer.status_code == 404
    assert answer.json()["error"]


def test_sound_of_a_feed_is_played_from_there(client: TestClient) -> None:
    address = f"/episodes/{FROM_A_FEED}"
    assert client.get(f"{address}.json").json()["audio"] == "https://feeds.example.org/practical-moss/1.mp3"
    policy = client.get(address).headers["content-security-policy"]
    assert "media-src 'self' https:;" in policy


def test_pages_do_without_sound(library: Library, writing: TestClient) -> None:
    with library._database.write() as connection:
        connection.execute(schema.episodes.update().values(source="/gone/episode.mp3"))
    assert writing.get(f"/episodes/{KEY}.json").json()["audio"] is None
    assert writing.get(f"/episodes/{KEY}").status_code == 200
    assert writing.get("/speakers/1").status_code == 200
    assert writing.get("/review").status_code == 200
    for path in (f"/audio/{KEY}", "/clips/U-0003.wav"):
        answer = writing.get(path)
        assert answer.status_code == 404
        assert "/gone/" not in answer.json()["error"]


def test_how_loud_an_episode_is(client: TestClient) -> None:
    levels = client.get(f"/loudness/{KEY}.json").json()["levels"]
    assert len(levels) == 600
    assert set(levels[:-1]) <= {99, 100}  # a tone, as loud all the way
    assert client.get(f"/loudness/{FROM_A_FEED}.json").status_code == 404


def test_a_clip_of_an_unknown_voice(client: TestClient) -> None:
    answer = client.get("/clips/U-0003.wav")
    assert answer.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.getnframes() == 10 * 16_000
    assert client.get("/clips/U-9999.wav").status_code == 404
    assert client.get("/clips/ada.wav").status_code == 404


# -- actions


def test_an_action_does_what_the_command_does(
    web_folder: Path, library: Library, writing: TestClient, tmp_path: Path
) -> None:
    with open_library(web_folder / "library.db") as made:
        made.upkeep.backup(tmp_path / "other.db")
    with open_library(tmp_path / "other.db") as other:
        _, changes = naming.name_unknown("U-0003", "Robin Rowan", library=other, consent="public")
        by_command = dump(other)
    fields = {"unknown": "U-0003", "name": "Robin Rowan", "consent": "public"}
    done = writing.post("/actions/name-unknown", data=fields, headers=JSON).json()
    assert dump(library) == by_command
    assert done["num_changes"] == len(changes) == 5
    assert done["num_episodes"] == 5
    assert done["person"]["name"] == "Robin Rowan"
    assert writing.get(f"/episodes/{KEY}.json").json()["speakers"][2]["name"] == "Robin Rowan"


def dump(library: Library) -> dict[str, list[tuple[Any, ...]]]:
    """Every row but those of copies made, but for when it was written."""
    with library._database.read() as connection:
        return {
            table.name: sorted(
                tuple(value for name, value in row._mapping.items() if name not in ("created", "confirmed"))
                for row in connection.execute(sa.select(table))
            )
            for table in schema.metadata.sorted_tables
            if table is not schema.copies
        }


def test_an_action_by_a_form_goes_back_to_the_page(writing: TestClient) -> None:
    fields = {"unknown": "U-0003", "as": "ad"}
    answer = writing.post("/actions/ignore", data=fields, headers={"referer": f"{HERE}/unknowns?page=1"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/unknowns?page=1&done=1"
    assert "U-0003 is ignored (ad)" in writing.get(answer.headers["location"]).text
    back = writing.post("/actions/undo", data={"action": "1", "back": "/unknowns"})
    assert (back.status_code, back.headers["location"]) == (303, "/unknowns?done=2")
    assert "Undone: U-0003 is ignored (ad)" in writing.get("/unknowns?done=2").text


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\r\nb: c", ""]
)
def test_going_back_never_leads_elsewhere(writing: TestClient, back: str) -> None:
    answer = writing.post("/actions/ignore", data={"unknown": "U-0003", "as": "ad", "back": back})
    assert answer.headers["location"] == "/speakers?done=1"


def test_actions_take_json(writing: TestClient) -> None:
    done = writing.post("/actions/rename", json={"old": "Ada Ash", "new": SCRIPT + "2"}, headers=JSON).json()
    assert done["person"] == {"id": 1, "name": SCRIPT + "2"}
    undone = writing.post("/actions/undo", json={"action": str(done["action"])}, headers=JSON).json()
    assert undone["text"] == f"Undone: Ada Ash is called {SCRIPT}2"
    assert undone["action"] is None
    assert writing.get("/speakers/1.json").json()["person"]["name"] == "Ada Ash"


def test_review_asks_no_consent_again(library: Library, writing: TestClient) -> None:
    """The profile's voiceprints are kept on two bases: the new one claims no more than that it is published."""
    match = writing.get("/review.json").json()["matches"][0]
    name = match["suggested"]["name"]
    assert library.profiles.get(name).consent == ("permission", "public")
    fields = {"episode": match["key"], "speaker": match["label"]}
    done = writing.post("/actions/confirm", data=fields, headers=JSON).json()
    assert done["text"] == f"Yes, it is {match['suggested']['name']}"
    learned = [
        row for row in library.voiceprints.rows(match["suggested"]["name"]) if key_of(row.audio_sha256) == match["key"]
    ]
    assert {row.consent for row in learned} == {"public"}
    assert len(writing.get("/review.json").json()["matches"]) == 1


@pytest.mark.parametrize(
    ("name", "fields", "status", "reason"),
    [
        ("name-unknown", {"unknown": "U-0003"}, 400, "name is missing"),
        ("name-unknown", {"unknown": "U-0003", "name": "New"}, 400, "say why the voice of New may be kept"),
        ("name-unknown", {"unknown": "U-0003", "name": "New", "consent": "none"}, 400, "consent must be one of"),
        ("name-unknown", {"unknown": "U-9999", "name": "New"}, 404, "no unknown voice 'U-9999'"),
        (
            "name",
            {"episode": KEY, "speaker": "SPEAKER_09", "name": "New", "consent": "self"},
            400,
            "no voice SPEAKER_09",
        ),
        ("name", {"episode": "f" * 16, "speaker": "SPEAKER_00", "name": "New"}, 400, "no episode"),
        ("correct", {"episode": KEY, "speaker": ""}, 400, "speaker is missing"),
        ("confirm", {"episode": KEY, "speaker": "SPEAKER_02"}, 400, "nobody is suggested"),
        ("not-them", {"episode": KEY, "speaker": "SPEAKER_09"}, 400, "nobody is suggested"),
        ("merge", {"source": "Ada Ash", "into": "ada ash"}, 400, "one profile already"),
        ("merge", {"source": "Ada Ash", "into": "Nobody"}, 404, "no profile 'Nobody'"),
        ("rename", {"old": "Ada Ash", "new": "Dora Dill"}, 400, "Dora Dill"),
        ("split", {"unknown": "U-9999"}, 404, "no unknown voice"),
        ("undo", {"action": "7"}, 404, "nothing to undo"),
        ("undo", {"action": "x"}, 400, "is not the number"),
    ],
)
def test_what_actions_refuse(
    library: Library, writing: TestClient, name: str, fields: dict[str, str], status: int, reason: str
) -> None:
    before = dump(library)
    answer = writing.post(f"/actions/{name}", data=fields, headers=JSON)
    assert answer.status_code == status
    assert reason in answer.json()["error"]
    page = writing.post(f"/actions/{name}", data=fields)
    assert page.status_code == status
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert dump(library) == before


def test_what_is_no_form(writing: TestClient) -> None:
    def answer(content: bytes, kind: str) -> tuple[int, str]:
        found = writing.post("/actions/ignore", content=content, headers=JSON | {"content-type": kind})
        return found.status_code, found.json()["error"]

    assert answer(b"x" * (MOST_BYTES + 1), "application/json") == (413, "more was sent than a form holds")
    assert answer(b"unknown=%ff", "application/x-www-form-urlencoded")[0] == 400
    assert answer(b"&".join([b"a=1"] * 51), "application/x-www-form-urlencoded")[0] == 400
    assert answer(b"{", "application/json")[1].startswith("not JSON")
    assert answer(b"[" * 60_000, "application/json")[0] == 400
    assert answer(b"[1]", "application/json")[1] == "send one JSON object in which every value is a text"
    assert answer(b'{"unknown": "\\ud800", "name": "Ada"}', "application/json")[1].startswith("not JSON")
    assert answer(b'{"unknown": 3}', "application/json")[1] == "send one JSON object in which every value is a text"
    assert answer(b"--x", "multipart/form-data; boundary=x")[1].startswith("multipart/form-data: send a form")


def test_wrong_methods(client: TestClient) -> None:
    for answer in (client.get("/actions/ignore", headers=JSON), client.post("/speakers", headers=JSON)):
        assert answer.status_code == 405
        assert answer.json()["error"] == "Method Not Allowed"
        assert answer.headers["allow"]
    assert client.post("/actions/nothing", headers=JSON).status_code == 404


def test_undo_after_others_went_on(library: Library, writing: TestClient) -> None:
    fields = {"unknown": "U-0003", "name": "Robin", "consent": "public"}
    done = writing.post("/actions/name-unknown", data=fields, headers=JSON).json()
    naming.rename("Robin", "Robin Reed", library=library)
    answer = writing.post("/actions/undo", data={"action": str(done["action"])}, headers=JSON)
    assert answer.status_code == 409
    assert library.profiles.find("Robin Reed") is not None


def test_a_library_that_cannot_be_read(library: Library, writing: TestClient) -> None:
    with library._database.write() as connection:
        connection.exec_driver_sql("DROP TABLE jobs")
    answer = writing.get("/backlog.json")
    assert answer.status_code == 503
    assert "no such table" in answer.json()["error"]
    assert writing.get("/backlog").status_code == 503


def test_what_nobody_expected() -> None:
    """A fault of ours is told in one line, and where the server runs in full."""
    without_rooms = cast("Library", SimpleNamespace())
    client = TestClient(create_app(without_rooms), base_url=HERE, raise_server_exceptions=False)
    answer = client.get(f"/episodes/{KEY}", headers=JSON)
    assert answer.status_code == 500
    assert "this should not have happened" in answer.json()["error"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_keys(library: Library) -> None:
    assert key_of("ab" * 32) == "abababababababab"
