"""``voicematch serve`` and ``voicematch site``: the library as pages, here or for everybody."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import click

from .. import given
from ..errors import VoicematchError
from .options import library_option, quiet_option
from .terminal import progress_bar

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SHORTEST_PASSWORD = 8  # characters
NEEDED = ("starlette", "jinja2", "uvicorn", "PIL", "python_multipart")
NEEDED_FOR_SITE = ("starlette", "jinja2", "uvicorn", "PIL")


@click.command()
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--host", default=LOOPBACK[0], show_default=True, help="Another than this machine's own asks a password.")
@click.option("--name", "names", multiple=True, metavar="HOST", help="A name that others reach this machine under.")
@click.option("--open", "open_browser", is_flag=True, help="Open the pages in a browser.")
@library_option
def serve(port: int, host: str, names: tuple[str, ...], open_browser: bool, location: str | None) -> None:
    """Show the library as pages: speakers, episodes, unknown voices to name by ear, matches to review, the queue.

    Only this machine can see them, unless --host names an address of it that others reach; then a password is needed,
    from VOICEMATCH_PASSWORD, from the file that VOICEMATCH_PASSWORD_FILE names, or asked for here. The connection is
    not encrypted: put it behind a proxy that does.
    """
    _check_extra(*NEEDED)
    from ..library import open_library, passphrase
    from ..web import server

    is_private = host in LOOPBACK
    password = None if is_private else _password()
    with open_library(location, create=location is None) as library, server.listen(host, port) as listening:
        passphrase.ask_with(None)  # a page tells of a backup under another one; whoever started this is not asked
        address = server.address_of(*listening.getsockname()[:2])

        def ready() -> None:
            click.echo(f"{address} shows {library.location}; ^C ends it", err=True)
            if open_browser:
                click.launch(address)

        known = {*LOOPBACK, host, *names} | (set() if is_private else {socket.gethostname()})
        with suppress(KeyboardInterrupt):  # not raised where whoever started this has ^C ignored; it stops all the same
            server.serve(library, listening, names=known, password=password, ready=ready, location=location)
        click.echo("stopped", err=True)


@click.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--title", default="Voicematch", show_default=True, help="What the site is called.")
@click.option("--description", default="", help="One sentence about it.")
@click.option("--base-url", default="", metavar="URL", help="Where it will be; adds cards, feeds and a sitemap.")
@click.option("--force", is_flag=True, help="Write into a folder that holds other files.")
@quiet_option
@library_option
def site(
    out: Path, title: str, description: str, base_url: str, force: bool, quiet: bool, location: str | None
) -> None:
    """Write the public part of the library to the folder OUT, for any web server: speakers, shows, episodes, search.

    Voices, paths of this machine, notes, names in doubt and people who are heard nowhere stay here. Written again, only
    what changed is written; who is renamed is found at the earlier address, too.

    It works under any path, and from a folder but for the search. With --base-url https://HOST/PATH/ each page also has
    its canonical address, a picture for those who show a link to it, and Atom feeds of people and shows.
    """
    _check_extra(*NEEDED_FOR_SITE)
    from ..library import open_library
    from ..library.copies import SITE
    from ..library.upkeep import recorded
    from ..web.site import About, write_site

    about = About(title, description, base_url)
    with (
        open_library(location, create=False) as library,
        progress_bar("site", quiet=quiet) as progress,
        recorded(library.copies, out, SITE),
    ):
        written = write_site(library, out, about=about, force=force, progress=progress)
    click.echo(
        f"wrote {written.num_pages} pages to {out}; {written.num_changed} files changed, {written.num_removed} removed",
        err=True,
    )


def _password() -> str:
    """From the environment or a secret's file, else asked for; never an argument, which others on the machine see."""
    password = (
        os.environ.get("VOICEMATCH_PASSWORD")
        or _secret()
        or click.prompt("Password for the pages", hide_input=True, confirmation_prompt=True, err=True)
    )
    if len(password) < SHORTEST_PASSWORD:
        raise VoicematchError(f"the password has fewer than {SHORTEST_PASSWORD} characters; choose a longer one")
    return str(password)


def _secret() -> str:
    """The first line of the file that VOICEMATCH_PASSWORD_FILE names, as containers and systemd hand secrets over."""
    path = os.environ.get("VOICEMATCH_PASSWORD_FILE")
    if not path:
        return ""
    try:
        return given.text(path).partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise VoicematchError(f"{path}: the password cannot be read from it: {error}") from error


def _check_extra(*needed: str) -> None:
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise VoicematchError(f"the pages need {', '.join(missing)}: pip install 'voicematch[web]'")
