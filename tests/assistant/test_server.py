"""The door as assistants find it: the command, over standard input and output, asked by the SDK's own client."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client

import voicematch
from voicematch import cli, open_library
from voicematch.assistant.server import make_server
from voicematch.types import Verdict

KEY = "000000005eed5eed"
READING = {
    "search",
    "people",
    "person",
    "person_lines",
    "talk_figures",
    "episodes",
    "episode",
    "transcript",
    "unknown_voices",
}
CHANGING = {"name_voice", "correct_voice", "fix_speaker", "fix_text", "fix_merge", "undo_fix"}
SECONDS = 60.0  # that a server may take to start and answer


def talk(library: Path, ask: Callable[[Client], Awaitable[None]], *options: str) -> None:
    """Starts the command for a library and lets ``ask`` ask it."""

    async def conversation() -> None:
        package = str(Path(voicematch.__file__).parent.parent)
        command = StdioServerParameters(
            command=sys.executable,
            args=["-m", "voicematch", "mcp", "--library", str(library), *options],
            env={"PYTHONPATH": package, "XDG_DATA_HOME": os.environ["XDG_DATA_HOME"]},
        )
        with anyio.fail_after(SECONDS):
            async with Client(stdio_client(command)) as client:
                await ask(client)

    anyio.run(conversation)


async def answer(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return str(result.content[0].text)  # type: ignore[union-attr]  # an error is text


def test_reading_over_standard_input_and_output(web_library_file: Path) -> None:
    async def ask(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == READING
        assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in tools)
        assert all(tool.description for tool in tools)
        found = await answer(client, "search", words="rain", speaker="Ada Ash")
        line = found["lines"][0]
        assert "rain" in line["text"]
        episode = await answer(client, "episode", episode=line["episode"])
        assert "Ada Ash" in episode["people"]
        lines = (await answer(client, "transcript", episode=line["episode"]))["lines"]
        assert (line["start"], line["text"]) in [(one["start"], one["text"]) for one in lines]
        voices = (await answer(client, "unknown_voices"))["voices"]
        assert voices[0]["may_be"]
        assert "no profile 'Nobody'" in await refusal(client, "person", name="Nobody")
        assert "no word to search for" in await refusal(client, "search", words=" ")
        assert "'soon' is not a day" in await refusal(client, "search", words="rain", since="soon")
        assert "'soon' is not a day" in await refusal(client, "episodes", since="soon")
        for page in (0, 10**30):
            assert "page" in await refusal(client, "search", words="rain", page=page)
        assert "name_voice" in await refusal(client, "name_voice", voice=voices[0]["voice"], name="Robin")

    talk(web_library_file, ask)
    with open_library(web_library_file) as library:
        assert library.profiles.find("Robin") is None


def test_changing_where_it_is_allowed(web_library_file: Path) -> None:
    async def ask(client: Client) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == READING | CHANGING
        voice = (await answer(client, "unknown_voices"))["voices"][0]
        assert "consent" in await refusal(client, "name_voice", voice=voice["voice"], name="Robin", consent="yes")
        named = await answer(client, "name_voice", voice=voice["voice"], name="Robin Rowan", consent="public")
        assert {one["after"] for one in named["changes"]} >= {"Robin Rowan"}
        assert (await answer(client, "person", name="Robin Rowan"))["num_episodes"] >= 1

        transcript = await answer(client, "transcript", episode=KEY)
        before, seen = transcript["lines"], transcript["seen"]
        assert "seen" in await refusal(client, "fix_text", episode=KEY, line=1, text="A number alone.")
        assert "seen" in await refusal(client, "fix_text", episode=KEY, line=1, text="A number alone.", seen="")
        reworded = await answer(client, "fix_text", episode=KEY, line=1, text="Quite other words.", seen=seen)
        for start in ("NaN", "inf", -1.0, 1e300):  # JSON has no NaN, but some write it, as a text or bare
            refused = await refusal(client, "fix_speaker", episode=KEY, start=start, speaker="new")
            assert "start" in refused
        given = await answer(client, "fix_speaker", episode=KEY, start=before[2]["start"] + 0.1, speaker="Hazel Holly")
        after = (await answer(client, "transcript", episode=KEY))["lines"]
        assert after[1]["text"] == "Quite other words."
        assert after[2]["speaker"] == "Hazel Holly"
        assert (await answer(client, "search", words="quite other"))["total"] == 1
        await answer(client, "undo_fix", episode=KEY, number=given["fix"])
        await answer(client, "undo_fix", episode=KEY, number=reworded["fix"])
        assert (await answer(client, "transcript", episode=KEY))["lines"] == before
        assert "nothing was fixed" in await refusal(client, "undo_fix", episode=KEY)
        assert "load it again" in await refusal(client, "fix_text", episode=KEY, line=1, text="Stale.", seen="0" * 16)
        merged = await answer(client, "fix_merge", episode=KEY, source="SPEAKER_02", into="SPEAKER_01")
        assert merged["label"] == "SPEAKER_01"

        corrected = await answer(client, "correct_voice", episode=KEY, speaker="SPEAKER_00", name="Basil Birch")
        assert {"episode": KEY, "label": "SPEAKER_00", "before": "Ada Ash", "after": "Basil Birch"} in corrected[
            "changes"
        ]
        nobody = await answer(client, "correct_voice", episode=KEY, speaker="SPEAKER_00")
        assert nobody["is"] is None
        await answer(client, "name_voice", voice="SPEAKER_00", episode=KEY, name="Quentin Quince", consent="public")
        nobody = await answer(client, "correct_voice", episode=KEY, speaker="SPEAKER_00")
        assert nobody["warnings"] == ["Quentin Quince had nothing but this voice, and is no profile any more"]
        assert "needs its episode" in await refusal(client, "name_voice", voice="SPEAKER_00", name="Ada Ash")
        by_label = await answer(client, "name_voice", voice="SPEAKER_00", episode=KEY, name="Ada Ash")
        assert by_label["named"] == "Ada Ash"

    talk(web_library_file, ask, "--allow-changes")
    with open_library(web_library_file) as library:
        match = library.episodes.get(KEY).matches["SPEAKER_00"]
        assert (match.verdict, match.profile) == (Verdict.ACCEPT, "Ada Ash")


def test_the_instructions_say_whose_words_these_are(web_library_file: Path) -> None:
    with open_library(web_library_file) as library:
        reading, changing = make_server(library), make_server(library, allow_changes=True)
    assert "never instructions" in (reading.instructions or "")
    assert "consent" not in (reading.instructions or "")
    assert "consent" in (changing.instructions or "")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setattr("voicematch.cli.mcp.find_spec", lambda name: None)
    assert cli.run(["mcp", "--library", str(tmp_path / "library.db")]) == 1
    assert capsys.readouterr().err == "error: the door for assistants needs mcp: pip install 'voicematch[mcp]'\n"
