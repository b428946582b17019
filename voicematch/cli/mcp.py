"""``voicematch mcp``: a door for assistants."""

from __future__ import annotations

from importlib.util import find_spec

import click

from ..errors import VoicematchError
from .options import library_option


@click.command()
@click.option("--allow-changes", is_flag=True, help="Let the assistant also name, correct and fix.")
@library_option
def mcp(allow_changes: bool, location: str | None) -> None:
    """Serve the library to an assistant, over standard input and output (Model Context Protocol).

    It can search what was said and by whom, read transcripts, and see who may be whom; it sees no voiceprint, no path
    of this machine and no note. What it reads goes to wherever the assistant runs. Set it up there as the command

    \b
    voicematch mcp --library PATH
    """
    if find_spec("mcp") is None:
        raise VoicematchError("the door for assistants needs mcp: pip install 'voicematch[mcp]'")
    from ..assistant.server import make_server
    from ..library import open_library

    with open_library(location, create=location is None) as library:
        make_server(library, allow_changes=allow_changes).run("stdio")
