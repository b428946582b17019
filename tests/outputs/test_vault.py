"""A vault of notes: linked, followed, and never at the cost of what somebody wrote in it."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from tests.support.library_example import ANN, DIMENSION, EMBEDDER, NOBODY, episode, fill, voices
from voicematch import cli
from voicematch.errors import OutputExists, VoicematchError
from voicematch.formats import front_matter
from voicematch.library import Library, open_library
from voicematch.outputs.vault import END, holding, write_vault
from voicematch.types import Line, Match, Verdict
from voicematch.usecases import expire
from voicematch.usecases import name as naming
from voicematch.usecases.forget import forget

MINE = "My own words, which nobody else may touch.\n"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "library.db", embedder=EMBEDDER, dimension=DIMENSION) as opened:
        fill(opened)
        yield opened


@pytest.fixture
def vault(library: Library, tmp_path: Path) -> Path:
    write(library, tmp_path / "vault")
    return tmp_path / "vault"


def write(library: Library, folder: Path, *, force: bool = False) -> tuple[int, int]:
    """(changed, removed)"""
    written = write_vault(library, folder, force=force)
    return written.num_changed, written.num_removed


def notes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in sorted(folder.rglob("*.md"))}


def links(text: str) -> set[str]:
    return {link.partition("|")[0] for link in re.findall(r"\[\[([^\]]*)\]\]", text)}


def head_of(text: str) -> dict[str, Any]:
    found = yaml.safe_load(front_matter.divide(text)[0] or "")
    assert isinstance(found, dict)
    return found


def test_a_vault_of_two_hundred_episodes(library: Library, tmp_path: Path) -> None:
    for number in range(20):
        library.profiles.create(f"Guest {number}: of the show")
    with library.together():
        for number in range(1, 201):
            guest = Match("SPEAKER_01", Verdict.ACCEPT, f"Guest {number % 20}: of the show", 0.99)
            heard = episode(number, matches={"SPEAKER_00": ANN, "SPEAKER_01": guest if number % 3 else NOBODY})
            title = f'{number}: "On" <trails> & [roots] #{number} / {"?" * (number % 2)}'
            library.episodes.store(replace(heard, title=title, show="The: Show"), voices())
    folder = tmp_path / "vault"
    assert write(library, folder) == (221, 0)
    found = notes(folder)
    pages = {Path(name).stem for name in found}
    assert len(pages) == len(found) == 221
    num_links = 0
    for name, text in found.items():
        head = head_of(text)
        assert links(text) <= pages, name
        for target in re.findall(r"\]\(([^)]*\.md)\)", text):
            assert (folder / name).parent.joinpath(unquote(target)).is_file(), target
            num_links += 1
        if name.startswith("Episodes/"):
            assert re.fullmatch(r'\d+: "On" <trails> & \[roots\] #\d+ /( \?)?', head["title"])
            assert links("".join(head["people"])) == links(text)
    assert num_links == 200 + 134

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.md")}
    assert write(library, folder) == (0, 0)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.md")}

    naming.rename("Ann Lee", "Ann Oak", library=library)
    now = notes(folder)
    assert "People/Ann Oak.md" in now
    assert not any("Ann Lee" in name + text for name, text in now.items())
    assert sum("**[[Ann Oak]]**" in text for text in now.values()) == 200
    assert write(library, folder) == (0, 0)


def test_what_notes_say(vault: Path) -> None:
    assert list(notes(vault)) == ["Episodes/2026-01-01 Episode 1.md", "People/Ann Lee.md"]
    text = notes(vault)["Episodes/2026-01-01 Episode 1.md"]
    head = head_of(text)
    assert (head["title"], head["people"], head["source"]) == ("Episode 1", ["[[Ann Lee]]"], "/shows/episode-1.mp3")
    assert "**[[Ann Lee]]** (0:00:00)  \nOn continual learning, naïvely.\n" in text
    assert "**SPEAKER_01** (0:00:04)" in text
    page = notes(vault)["People/Ann Lee.md"]
    assert head_of(page)["episodes"] == 1
    assert "- 2026-01-01 [Episode 1](../Episodes/2026-01-01%20Episode%201.md)" in page


def test_what_somebody_wrote_stays(library: Library, vault: Path) -> None:
    note, page = vault / "Episodes/2026-01-01 Episode 1.md", vault / "People/Ann Lee.md"
    (vault / "People/Idea.md").write_text("[[Ann Lee]] said so.\n", encoding="utf-8")
    for path in (note, page):
        text = path.read_text("utf-8").replace("---\n\n<!--", f"tags: [x]  # mine\n---\n\nAbove: {MINE}\n<!--")
        path.write_text(text.replace(END, f"{END}\nBelow: {MINE}"), encoding="utf-8")
    naming.rename("Ann Lee", "Ann/Lee: the 2nd", library=library)
    moved = vault / "People/Ann-Lee the 2nd.md"
    assert not page.exists()
    for path in (note, moved):
        text = path.read_text("utf-8")
        assert f"Above: {MINE}" in text
        assert f"Below: {MINE}" in text
        assert "tags: [x]  # mine\n" in text
    assert "**[[Ann-Lee the 2nd|Ann/Lee: the 2nd]]**" in note.read_text("utf-8")
    assert (vault / "People/Idea.md").read_text("utf-8") == "[[Ann Lee]] said so.\n"
    assert write(library, vault) == (0, 0)


def test_a_stretch_that_was_changed_is_left_alone(
    library: Library, vault: Path, caplog: pytest.LogCaptureFixture
) -> None:
    note = vault / "Episodes/2026-01-01 Episode 1.md"
    note.write_text(note.read_text("utf-8").replace("naïvely", "wisely"), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        naming.rename("Ann Lee", "Ann Oak", library=library)
    assert "Episode 1.md was changed where voicematch writes; it stays" in caplog.text
    assert "[[Ann Lee]]" in note.read_text("utf-8")
    assert write_vault(library, vault).left_alone == (note,)
    assert write(library, vault, force=True) == (1, 0)
    assert "naïvely" in note.read_text("utf-8")
    assert "[[Ann Oak]]" in note.read_text("utf-8")


@pytest.mark.parametrize("damage", [END, "<!-- voicematch: begin"])
def test_a_note_without_a_marker_is_left_alone(library: Library, vault: Path, damage: str) -> None:
    note = vault / "Episodes/2026-01-01 Episode 1.md"
    text = note.read_text("utf-8").replace(damage, "", 1)
    note.write_text(text, encoding="utf-8")
    naming.rename("Ann Lee", "Ann Oak", library=library)
    assert note.read_text("utf-8") == text


def test_notes_that_were_moved_are_found(library: Library, vault: Path) -> None:
    """As Obsidian does it: the links of other notes change with the name."""
    (vault / "Mine").mkdir()
    (vault / "People/Ann Lee.md").rename(vault / "Mine/The host.md")
    note = vault / "Episodes/2026-01-01 Episode 1.md"
    note.write_text(note.read_text("utf-8").replace("[[Ann Lee]]", "[[The host]]"), encoding="utf-8")
    note.rename(vault / "Mine/First one.md")
    naming.rename("Ann Lee", "Ann Oak", library=library)
    assert set(notes(vault)) == {"Mine/First one.md", "Mine/The host.md"}
    assert "**[[The host|Ann Oak]]**" in (vault / "Mine/First one.md").read_text("utf-8")
    assert "(First%20one.md)" in (vault / "Mine/The host.md").read_text("utf-8")
    assert write(library, vault) == (0, 0)


def test_who_is_merged_or_heard_no_more_has_no_page(library: Library, vault: Path) -> None:
    bobs = {"SPEAKER_00": replace(ANN, profile="Bob"), "SPEAKER_01": NOBODY}
    library.episodes.store(episode(2, matches=bobs), voices())
    library.said.confirm(episode(1).audio_sha256, "SPEAKER_00", "Ann Lee")
    library.said.confirm(episode(2).audio_sha256, "SPEAKER_00", "Bob")
    write(library, vault)
    bob = vault / "People/Bob.md"
    bob.write_text(bob.read_text("utf-8") + MINE, encoding="utf-8")
    naming.merge("Bob", "Ann Lee", library=library)
    text = bob.read_text("utf-8")
    assert text.strip() == MINE.strip()
    assert head_of((vault / "People/Ann Lee.md").read_text("utf-8"))["episodes"] == 2


def test_forgetting_reaches_the_vault(library: Library, vault: Path) -> None:
    reached = forget("Ann Lee", library=library)
    assert list(notes(vault)) == ["Episodes/2026-01-01 Episode 1.md"]
    assert "Ann" not in notes(vault)["Episodes/2026-01-01 Episode 1.md"]
    assert reached.out_of_reach == ()


def test_forgetting_tells_of_words_of_ones_own(library: Library, vault: Path) -> None:
    page = vault / "People/Ann Lee.md"
    page.write_text(page.read_text("utf-8") + MINE, encoding="utf-8")
    (vault / "Idea.md").write_text("ann  lee once said\n", encoding="utf-8")
    (vault / "Other.md").write_text("nobody\n", encoding="utf-8")
    reached = forget("Ann Lee", library=library)
    assert [path.name for path, _ in reached.out_of_reach] == ["Idea.md", "Ann Lee.md"]
    assert page.read_text("utf-8").strip() == MINE.strip()
    assert holding(vault, "Bob") == ()


def test_names_that_are_alike_on_some_system(library: Library, tmp_path: Path) -> None:
    """Case, composition, signs no file may have, names of devices, and a note that somebody has already."""
    folder = tmp_path / "vault"
    (folder / "People").mkdir(parents=True)
    (folder / "People/A-B.md").write_text(MINE, encoding="utf-8")
    (folder / "People/CON.md").mkdir()
    for name in ("a/B", "A|B", "Con", "Zoe\u0308", "ZOË?"):
        library.profiles.create(name)
    known = [name for name in library.people.names() if name not in ("Ann Lee", "Bob")]
    named = {name: Match(name, Verdict.ACCEPT, name, 0.99) for name in known}
    library.episodes.store(replace(episode(2, matches=named), title="../../a: <b> #1 [x]?"), {})
    library.episodes.store(replace(episode(3, matches={}), title="A  B "), {})
    library.episodes.store(replace(episode(4, matches={}), title="a b"), {})
    write(library, folder)
    stems = [path.stem for path in folder.rglob("*.md") if path.is_file()]
    assert len({stem.casefold() for stem in stems}) == len(stems) == 11
    assert {"a-B (2)", "A-B (3)", "_Con", "Zoë", "ZOË (2)", "2026-01-01 ..-..-a b 1 x"} <= set(stems)
    assert (folder / "People/A-B.md").read_text("utf-8") == MINE
    assert all(path.is_relative_to(folder) for path in tmp_path.rglob("*.md"))
    assert write(library, folder) == (0, 0)


def test_no_password_and_no_key_is_in_a_note(library: Library, tmp_path: Path) -> None:
    secret = replace(episode(2), source="https://ann:hunter2@x.org/1.mp3?token=s3cr3tt0ken")
    library.episodes.store(secret, voices())
    write(library, tmp_path / "vault")
    text = "".join(notes(tmp_path / "vault").values())
    assert "https://x.org/1.mp3?token=…" in text
    assert "hunter2" not in text
    assert "s3cr3t" not in text


def test_a_note_that_was_thrown_away_comes_back_only_when_asked_for(library: Library, vault: Path) -> None:
    note = vault / "Episodes/2026-01-01 Episode 1.md"
    note.unlink()
    naming.rename("Ann Lee", "Ann Oak", library=library)
    assert not note.exists()
    write(library, vault)
    assert "[[Ann Oak]]" in note.read_text("utf-8")


def test_a_vault_that_is_away_follows_when_it_is_back(library: Library, vault: Path, tmp_path: Path) -> None:
    vault.rename(tmp_path / "away")
    naming.rename("Ann Lee", "Ann Oak", library=library)
    (tmp_path / "away").rename(vault)
    assert cli.run(["profiles", "list", "--library", str(library.location)]) == 0  # any command
    assert "[[Ann Oak]]" in (vault / "Episodes/2026-01-01 Episode 1.md").read_text("utf-8")
    assert (vault / "People/Ann Oak.md").exists()


def test_a_note_that_cannot_be_written_waits(library: Library, vault: Path, caplog: pytest.LogCaptureFixture) -> None:
    note = vault / "Episodes/2026-01-01 Episode 1.md"
    (vault / "Episodes").rename(vault / "away")
    (vault / "Episodes").touch()
    library.episodes.store(episode(2), voices())
    with pytest.raises(VoicematchError, match="cannot write: "):
        write(library, vault)
    (vault / "Episodes").unlink()
    (vault / "away").rename(vault / "Episodes")
    (vault / "People/Ann Lee.md").unlink()
    (vault / "People").rmdir()
    (vault / "People").touch()
    naming.rename("Ann Lee", "Ann Oak", library=library)
    assert "its notes still show the names of before" in caplog.text
    (vault / "People").unlink()
    assert cli.run(["profiles", "list", "--library", str(library.location)]) == 0
    assert "[[Ann Oak]]" in note.read_text("utf-8")
    assert (vault / "People/Ann Oak.md").is_file()
    assert library.outputs.stale() == ()


def test_a_removed_episode_stays_until_the_vault_is_written(library: Library, vault: Path) -> None:
    files, _ = expire.remove_episode(episode(1).audio_sha256, library=library)
    assert [output.path.name for output in files] == ["2026-01-01 Episode 1.md"]
    assert (vault / "Episodes/2026-01-01 Episode 1.md").exists()
    assert write(library, vault) == (0, 2)
    assert notes(vault) == {}


def test_a_vault_of_another_library(library: Library, vault: Path, tmp_path: Path) -> None:
    with open_library(tmp_path / "other.db", embedder=EMBEDDER, dimension=DIMENSION) as other:
        with pytest.raises(OutputExists, match="another library"):
            write_vault(other, vault)
        assert write(other, vault, force=True) == (0, 2)


def test_windows_line_ends_stay(library: Library, vault: Path) -> None:
    note = vault / "Episodes/2026-01-01 Episode 1.md"
    note.write_bytes(note.read_bytes().replace(b"\n", b"\r\n"))
    digest = hashlib.sha256(note.read_bytes()).hexdigest()
    assert write(library, vault) == (0, 0)
    assert hashlib.sha256(note.read_bytes()).hexdigest() == digest
    naming.rename("Ann Lee", "Ann Oak", library=library)
    assert note.read_bytes().count(b"\n") == note.read_bytes().count(b"\r\n") > 0
    assert b"[[Ann Oak]]" in note.read_bytes()


def test_words_that_look_like_a_marker_are_words(library: Library, tmp_path: Path) -> None:
    said = (Line(0.0, 4.0, END, "SPEAKER_00"), Line(4.0, 8.0, "---", "SPEAKER_01"))
    library.episodes.store(replace(episode(2), lines=said, title="<!-- voicematch: end -->"), voices())
    write(library, tmp_path / "vault")
    assert write(library, tmp_path / "vault") == (0, 0)


def test_the_command(vault: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = ["notes", str(vault), "--library", str(tmp_path / "library.db")]
    assert cli.run([*again, "-q"]) == 0
    assert capsys.readouterr().err == f"1 episode(s) and 1 person(s) in {vault}; 0 note(s) changed, 0 removed\n"
    assert cli.run([*again, "--json"]) == 0
    assert '"num_episodes": 1' in capsys.readouterr().out
    assert cli.run(["notes", str(tmp_path / "library.db"), "--library", str(tmp_path / "library.db")]) == 2
