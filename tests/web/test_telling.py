"""What the pages say and ask: notices, questions, errors, and the words for what is there."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest
from starlette.testclient import TestClient

import voicematch
from tests.support.web_library import HERE, SHOWS
from tests.web.test_app import ADDRESSES, JSON, KEY
from voicematch.cli.profiles import forget as command
from voicematch.library import Library, open_library
from voicematch.usecases import name as naming
from voicematch.web.app import create_app
from voicematch.web.telling import plain

IGNORE = {"unknown": "U-0003", "as": "ad"}


def notice(page: str) -> str:
    """The words of the notice on a page; "" when there is none."""
    found = re.search(r'<div class="notice" id="notice">(.*?)<a [^>]*data-dismiss', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", found[1]).split()) if found else ""


# -- what was done, told once


def test_a_notice_is_told_where_it_belongs_and_nowhere_else(writing: TestClient) -> None:
    done = writing.post("/actions/ignore", data=IGNORE, headers={"referer": f"{HERE}/unknowns"})
    assert "U-0003 is ignored (ad)" in notice(writing.get(done.headers["location"]).text)
    for elsewhere in ("/unknowns", "/review", "/speakers/1", f"/episodes/{KEY}"):
        assert notice(writing.get(elsewhere).text) == ""


def test_undoing_the_only_action_says_so(writing: TestClient) -> None:
    writing.post("/actions/ignore", data=IGNORE)
    undone = writing.post("/actions/undo", data={"action": "1", "back": "/unknowns"})
    told = notice(writing.get(undone.headers["location"]).text)
    assert told == "Undone: U-0003 is ignored (ad)"  # and nothing to press


def test_undoing_tells_of_itself_and_offers_the_earlier_one(writing: TestClient) -> None:
    writing.post("/actions/rename", data={"old": "Ada Ash", "new": "Ada Aspen"})
    writing.post("/actions/ignore", data=IGNORE)
    undone = writing.post("/actions/undo", data={"action": "2", "back": "/unknowns"})
    told = notice(writing.get(undone.headers["location"]).text)
    assert told.startswith("Undone: U-0003 is ignored (ad)")
    assert "Undo “Ada Ash is called Ada Aspen” too" in told


def test_merged_people_leave_a_notice_with_an_undo_on_the_page_that_is_left(writing: TestClient) -> None:
    fields = {"source": "Dora Dill", "into": "Emil Elder"}
    done = writing.post("/actions/merge", data=fields, headers={"referer": f"{HERE}/speakers/4"})
    assert done.headers["location"] == "/speakers/5?done=1"
    page = writing.get(done.headers["location"]).text
    assert "Dora Dill and Emil Elder are one person" in notice(page)
    assert 'name="action" value="1"' in page
    told = writing.post("/actions/undo", data={"action": "1"}, headers=JSON).json()
    assert told["notice"] == 2


def test_a_warning_is_told_with_what_it_is_about(library: Library, writing: TestClient) -> None:
    fields = {"unknown": "U-0003", "name": "Hazel Holly", "consent": ""}
    done = writing.post("/actions/name-unknown", data=fields, headers={"referer": f"{HERE}/unknowns/U-0003"})
    told = notice(writing.get(done.headers["location"]).text)
    assert "does not sound like the Hazel Holly enrolled before" in told


# -- questions


def test_two_people_of_one_episode_are_not_merged_unasked(writing: TestClient) -> None:
    fields = {"source": "Ada Ash", "into": "Dora Dill", "sure": "ask"}
    asked = writing.post("/actions/merge", data=fields, headers=JSON)
    assert asked.status_code == 409
    assert "both speak in" in asked.json()["question"]
    page = writing.post("/actions/merge", data=fields)
    assert page.status_code == 409
    assert 'name="sure" value="yes"' in page.text
    assert writing.get("/speakers/1").status_code == 200
    assert writing.post("/actions/merge", data=fields | {"sure": "yes"}, headers=JSON).status_code == 200


def test_two_people_who_never_met_are_merged_unasked(writing: TestClient) -> None:
    fields = {"source": "Dora Dill", "into": "Emil Elder", "sure": "ask"}
    assert writing.post("/actions/merge", data=fields, headers=JSON).status_code == 200


def test_a_host_is_not_unnamed_by_an_empty_field(client: TestClient, writing: TestClient) -> None:
    page = client.get(f"/episodes/{KEY}").text
    forms = re.findall(r'action="/actions/correct".*?</form>', page, re.DOTALL)
    assert forms
    for form in forms:  # a name has to be given, or the form is the one that takes it away, and asks
        assert re.search(r'<input type="text" name="name"[^>]* required', form) or 'name="sure" value="ask"' in form
    fields = {"episode": KEY, "speaker": "SPEAKER_00", "name": "", "sure": "ask"}
    asked = writing.post("/actions/correct", data=fields, headers=JSON)
    assert "Ada Ash" in asked.json()["question"]
    assert writing.get(f"/episodes/{KEY}.json").json()["speakers"][0]["name"] == "Ada Ash"


def test_the_list_of_names_is_there_for_a_merge(client: TestClient) -> None:
    page = client.get("/speakers/4").text
    assert re.search(r'name="into"[^>]* list="names"', page)
    assert '<option value="Emil Elder">' in page
    assert '<option value="Dora Dill">' not in page


@pytest.mark.parametrize("path", ["/unknowns", "/review", f"/episodes/{KEY}"])
def test_no_consent_is_chosen_beforehand(client: TestClient, path: str) -> None:
    choices = re.findall(r'<select name="consent".*?</select>', client.get(path).text, re.DOTALL)
    assert choices
    for choice in choices:
        assert re.findall(r'<option value="([^"]*)"', choice)[0] == ""
        assert "selected" not in choice


def test_somebody_new_needs_a_consent_and_the_refusal_has_no_command(writing: TestClient) -> None:
    fields = {"unknown": "U-0003", "name": "Robin Rowan", "consent": ""}
    refused = writing.post("/actions/name-unknown", data=fields, headers=JSON)
    assert refused.status_code == 400
    assert refused.json()["error"] == "say why the voice of Robin Rowan may be kept"


# -- people who are none


def test_a_name_given_twice_leaves_nobody_behind(library: Library) -> None:
    sha256 = library.listings.episode(KEY).summary.audio_sha256
    naming.name(sha256, "SPEAKER_02", "Wrong Name", library=library, consent="public")
    naming.name(sha256, "SPEAKER_02", "Right Name", library=library, consent="public")
    assert library.profiles.find("Wrong Name") is None


def test_names_without_a_voice_are_not_counted_and_can_be_deleted(library: Library, writing: TestClient) -> None:
    before = writing.get("/speakers.json").json()["paging"]["total"]
    library.profiles.create("Mistaken Name")
    page = writing.get("/speakers.json").json()
    assert page["paging"]["total"] == before
    assert [one["name"] for one in page["empty"]] == ["Mistaken Name"]
    assert writing.post("/actions/delete", data={"name": "Mistaken Name", "sure": "ask"}, headers=JSON).is_success
    assert writing.get("/speakers.json").json()["empty"] == []


def test_a_person_is_deleted_after_a_question_and_comes_back(library: Library, writing: TestClient) -> None:
    fields = {"name": "Ada Ash", "sure": "ask"}
    assert "10 episodes" in writing.post("/actions/delete", data=fields, headers=JSON).json()["question"]
    done = writing.post("/actions/delete", data=fields | {"sure": "yes"}, headers={"referer": f"{HERE}/speakers/1"})
    assert done.headers["location"] == "/speakers?done=1"
    assert library.profiles.find("Ada Ash") is None
    writing.post("/actions/undo", data={"action": "1"})
    assert writing.get("/speakers/1.json").json()["person"]["num_episodes"] == 10


def test_forgetting_is_final(library: Library, writing: TestClient) -> None:
    writing.post("/actions/rename", data={"old": "Ada Ash", "new": "Ada Aspen"})
    assert (
        "cannot be undone"
        in writing.post("/actions/forget", data={"name": "Ada Aspen", "sure": "ask"}, headers=JSON).json()["question"]
    )
    done = writing.post("/actions/forget", data={"name": "Ada Aspen"}, headers=JSON).json()
    assert done["action"] is None
    assert "3 voiceprints" in done["text"]
    assert "Ada Aspen" not in done["text"]
    assert library.profiles.find("Ada Aspen") is None
    assert writing.post("/actions/undo", data={"action": "1"}, headers=JSON).status_code == 404


def test_a_former_name_is_forgotten_where_it_is_given(library: Library, writing: TestClient) -> None:
    episode = library.episodes.get(KEY)
    lines = tuple(
        replace(line, speaker=name) for line, name in zip(episode.lines, ("Ada Elm", "Ada Fir"), strict=False)
    )
    library.episodes.store(replace(episode, lines=lines), library.speakers.embeddings(episode.audio_sha256))
    assert 'name="also"' in writing.get("/speakers/1").text
    fields = {"name": "Ada Ash", "also": "ada elm\r\n\r\n Ada Fir"}
    asked = writing.post("/actions/forget", data=fields | {"sure": "ask"}, headers={"referer": f"{HERE}/speakers/1"})
    assert "the names Ada Ash, ada elm, Ada Fir wherever" in asked.text
    assert 'name="also" value="ada elm' in asked.text  # sent again with the answer
    wrong = writing.post("/actions/forget", data={"name": "Ada Ash", "also": "Basil Birch"}, headers=JSON)
    assert "'Basil Birch' is somebody of their own here" in wrong.json()["error"]
    assert library.profiles.find("Ada Ash") is not None
    assert writing.post("/actions/forget", data=fields, headers=JSON).is_success
    assert [line.speaker for line in library.episodes.get(KEY).lines] == [None, None]


def say_the_name(library: Library, name: str) -> None:
    """Has a line and a title say a name; and has the library know of no copies, such as those of other tests."""
    for copy in library.copies.all():
        library.copies.remove(copy.path)
    episode = library.episodes.get(KEY)
    lines = (replace(episode.lines[0], text=f"Welcome, {name}!"), *episode.lines[1:])
    said = replace(episode, lines=lines, title=f"A talk with {name}")
    library.episodes.store(said, library.speakers.embeddings(episode.audio_sha256))


def test_forgetting_offers_what_the_command_does(writing: TestClient) -> None:
    """In the same words, and not ticked."""
    form = writing.get("/speakers/1").text.partition('action="/actions/forget"')[2].partition("</form>")[0]
    boxes = {name: re.sub(r"<[^>]*>", "", said).strip() for name, said in re.findall(r'for="(\w+)">(.*)</label>', form)}
    flags = {one.name: one.help for one in command.params if isinstance(one, click.Option)}
    assert {name: f"{boxes[name]}." for name in ("words", "backups")} == {
        name: flags[name] for name in ("words", "backups")
    }
    assert "checked" not in form


def test_words_and_backups_are_reached_where_their_boxes_are_ticked(
    library: Library, writing: TestClient, tmp_path: Path
) -> None:
    say_the_name(library, "Ada Ash")
    library.upkeep.backup(tmp_path / "backup.db")
    fields = {"name": "Ada Ash", "words": "yes", "backups": "yes"}
    asked = writing.post("/actions/forget", data=fields | {"sure": "ask"}, headers={"referer": f"{HERE}/speakers/1"})
    assert "In what was said, in titles and notes, it is redacted." in asked.text
    assert "Backups of the library and exported voices are changed too." in asked.text
    for name in ("words", "backups"):  # sent again with the answer
        assert f'name="{name}" value="yes"' in asked.text
    done = writing.post("/actions/forget", data=fields, headers=JSON).json()
    assert done["text"].endswith("; the name redacted in 2 lines, titles and notes; erased too in backup.db")
    assert done["warnings"] == []
    with open_library(tmp_path / "backup.db") as backup:
        for erased in (library, backup):
            assert erased.episodes.get(KEY).title == "A talk with […]"
            assert erased.episodes.get(KEY).lines[0].text == "Welcome, […]!"
            assert erased.profiles.find("Ada Ash") is None
    for file in (tmp_path / "backup.db", Path(library.location)):
        assert b"Ada Ash" not in file.read_bytes()


def test_without_the_boxes_what_stays_is_told(library: Library, writing: TestClient, tmp_path: Path) -> None:
    say_the_name(library, "Ada Ash")
    for number in (1, 2):
        library.upkeep.backup(tmp_path / f"backup-{number}.db")
    fields = {"name": "Ada Ash"}
    asked = writing.post("/actions/forget", data=fields | {"sure": "ask"}, headers=JSON).json()["question"]
    assert "What was said stays. Backups of the library and exported voices stay as they are." in asked
    done = writing.post("/actions/forget", data=fields, headers={"referer": f"{HERE}/speakers/1"})
    told = notice(writing.get(done.headers["location"]).text)
    for number in (1, 2):
        assert (
            f"backup-{number}.db may hold the name still: a backup: delete it; "
            "the box for backups would have erased there too"
        ) in told
    assert (
        "2 lines, titles and notes still say the name; the box for it would have redacted them" in told
    )  # behind the others
    assert library.episodes.get(KEY).title == "A talk with Ada Ash"


@pytest.mark.parametrize("name", ["words", "backups"])
@pytest.mark.parametrize("sure", ["ask", "yes"])
def test_a_box_sends_one_thing_alone(library: Library, writing: TestClient, name: str, sure: str) -> None:
    """What cannot be undone is not guessed at."""
    for wrong in ("true", "no", "yes,yes"):
        fields = {"name": "Ada Ash", name: wrong, "sure": sure}
        refused = writing.post("/actions/forget", data=fields, headers=JSON)
        assert (refused.status_code, refused.json()["error"]) == (400, f'{name}: "yes", or nothing')
    assert library.profiles.find("Ada Ash") is not None


def test_an_episode_is_removed(writing: TestClient) -> None:
    fields = {"episode": KEY, "sure": "ask"}
    assert writing.post("/actions/remove-episode", data=fields, headers=JSON).status_code == 409
    done = writing.post("/actions/remove-episode", data=fields | {"sure": "yes"}, headers=JSON).json()
    assert done["go"] == "/episodes"
    assert writing.get(f"/episodes/{KEY}").status_code == 404


# -- a voice in every episode that nobody needs to name


def test_an_ignored_voice_is_called_what_it_is(library: Library, writing: TestClient) -> None:
    fields = {"episode": KEY, "speaker": "SPEAKER_02", "as": "ad"}
    assert 'action="/actions/ignore-voice"' in writing.get(f"/episodes/{KEY}").text
    done = writing.post("/actions/ignore-voice", data=fields, headers=JSON).json()
    assert done["text"] == "Voice 3 is ignored (ad), wherever it is heard"
    for number in (0, 6, 12, 18, 24):  # where this stranger speaks
        page = writing.get(f"/episodes/{number:08x}5eed5eed.json").json()
        assert page["speakers"][2]["name"] == "Advertisement"
        assert "Advertisement" in {line["speaker"] for line in page["lines"]}
    assert writing.get("/unknowns.json?ignored=1").json()["paging"]["total"] == 1


# -- words


def raised() -> Iterator[str]:
    """Every message that is raised where pages get to, with what is filled in left out."""
    package = Path(voicematch.__file__).parent
    for room in ("library", "usecases", "voices", "audio", "models", "batch", "outputs"):
        for path in (package / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    for said in ast.walk(node.exc):
                        if isinstance(said, ast.JoinedStr):
                            parts = [part.value if isinstance(part, ast.Constant) else "x" for part in said.values]
                            yield "".join(map(str, parts))
                        elif isinstance(said, ast.Constant) and isinstance(said.value, str):
                            yield said.value


def test_no_error_of_a_page_holds_a_command() -> None:
    messages = set(raised())
    assert len([message for message in messages if "voicematch " in message]) > 10
    for message in messages:
        told = plain(message)
        assert told, message
        assert not re.search(r"voicematch [a-z]+ |(?:^|\s)--[a-z]", told), (message, told)


def test_shares_are_written_one_way(client: TestClient) -> None:
    for path in ("/review", f"/episodes/{KEY}", "/speakers/1"):
        shown = re.sub(r"<(?:svg|head)[^>]*>.*?</(?:svg|head)>|<[^>]*>", " ", client.get(path).text, flags=re.DOTALL)
        assert re.search(r"[0-9]%", shown), path
        assert not re.search(r"[0-9] %", shown), path


@pytest.mark.parametrize(("name", "path", "query"), ADDRESSES, ids=lambda value: str(value)[-40:])
def test_headings_leave_no_level_out(client: TestClient, name: str, path: str, query: str) -> None:
    page = re.sub(r"<dialog.*?</dialog>", "", client.get(path + query).text, flags=re.DOTALL)
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    for above, below in itertools.pairwise(levels):
        assert below <= above + 1, levels


def test_what_is_one_speaker_cannot_be_split(library: Library, writing: TestClient) -> None:
    unknown = library.voices.unknown("U-0003")
    assert "/actions/split" in writing.get("/unknowns/U-0003").text
    parts = [[(one.audio_sha256, one.speaker) for one in unknown.speakers[1:]]]
    library.unknowns.split("U-0003", parts)
    assert "/actions/split" not in writing.get("/unknowns/U-0003").text


def test_an_empty_library_does_not_say_that_every_voice_has_a_name(tmp_path: Path) -> None:
    with open_library(tmp_path / "new.db") as library:
        page = TestClient(create_app(library), base_url=HERE).get("/unknowns").text
    assert "Every voice has a name" not in page
    assert "No voice has been heard yet" in page


def test_a_person_hears_and_reads_before_scores(client: TestClient) -> None:
    """What the machine thinks stands behind "More"."""
    page = client.get("/review").text
    card = re.findall(r"<article.*?</article>", page, re.DOTALL)[0]
    in_front, behind = card.split("<details")
    assert "data-play" in in_front
    assert "%" not in re.sub(r"<svg.*?</svg>|<[^>]*>", "", in_front, flags=re.DOTALL)
    assert "likely, by how the voices sound" in behind
    episode = client.get(f"/episodes/{KEY}").text
    assert "SPEAKER_0" not in re.sub(r"<[^>]*>", "", episode)


# -- search


def test_the_lines_of_an_episode_stand_together_in_order(client: TestClient) -> None:
    hits = client.get("/search.json?q=the").json()["hits"]
    keys = [hit["key"] for hit in hits]
    assert len(hits) == 20
    assert len([1 for one, other in itertools.pairwise(keys) if one != other]) == len(set(keys)) - 1
    for key in set(keys):
        starts = [hit["start"] for hit in hits if hit["key"] == key]
        assert starts == sorted(starts)


def test_what_others_say_beside_a_found_line_bears_their_name(client: TestClient) -> None:
    hits = client.get("/search.json?q=joined").json()["hits"]
    page = client.get("/search.json?q=twice&speaker=Ada+Ash").json()
    by_others = [hit for hit in page["hits"] if (hit["after_by"] + hit["before_by"]) and "U-" not in str(hit)]
    assert hits
    assert by_others
    for hit in by_others:
        assert "Ada Ash" not in (hit["after_by"], hit["before_by"])
        episode = client.get(f"/episodes/{hit['key']}.json").json()
        said = {(line["text"], line["speaker"]) for line in episode["lines"]}
        assert not hit["after_by"] or (hit["after"], hit["after_by"]) in said
        assert not hit["before_by"] or (hit["before"], hit["before_by"]) in said


def test_a_name_that_comes_close_is_a_link(client: TestClient) -> None:
    page = client.get("/search?q=rain&speaker=Ada+Asch").text
    link = re.search(r'Did you mean <a href="([^"]*)">Ada Ash</a>', page)
    assert link
    assert client.get(link[1].replace("&amp;", "&")).status_code == 200


def test_a_part_of_a_word_finds_it(client: TestClient) -> None:
    page = client.get("/search.json?q=contin").json()
    assert page["loosely"]
    assert page["hits"][0]["parts"][1] == ["continual", True]
    assert not client.get("/search.json?q=continual").json()["loosely"]
    assert client.get("/search.json?q=xyzzy").json()["hits"] == []


def test_an_episode_is_found_by_its_show(client: TestClient) -> None:
    assert client.get(f"/episodes.json?q={SHOWS[1]}").json()["paging"]["total"] == 10
    assert client.get("/episodes.json?q=moss+practical").json()["paging"]["total"] >= 1
