"""The app at work: a socket, a server, and an orderly end."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Collection

import uvicorn

from ..errors import VoicematchError
from ..library import Library
from .app import create_app
from .bounds import BoundedProtocol, Rarely
from .safety import LOOPBACK
from .working import QueueRun

SECONDS_TO_FINISH = 3  # for answers under way when the server is stopped


def listen(host: str, port: int) -> socket.socket:
    """Open a socket that listens there; port 0 is any free one. Raises VoicematchError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        number = error.errno or 0  # below 0 it is the resolver's, which has numbers of its own
        reason = os.strerror(number) if number > 0 else error.strerror
        raise VoicematchError(f"{host}:{port}: {reason}; --port 0 takes a free port") from error


def address_of(host: str, port: int) -> str:
    """Return what to type into a browser.

    >>> address_of("127.0.0.1", 80), address_of("::1", 80)
    ('http://127.0.0.1:80/', 'http://[::1]:80/')
    """
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def serve(
    library: Library,
    listening: socket.socket,
    *,
    names: Collection[str] = LOOPBACK,
    password: str | None = None,
    ready: Callable[[], None] = lambda: None,
    location: str | None = None,
) -> None:
    """Answer until it is interrupted (^C), and let answers under way end. ``ready`` is called when it answers.

    location : the library's, for who works the queue off; None is the default one
    """

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    queue = QueueRun(str(library.path) if library.path is not None else location)
    config = uvicorn.Config(
        create_app(library, names=names, password=password, queue=queue),
        http=BoundedProtocol,
        ws="none",
        log_level="error",  # whatever a client sends is no reason to write a line
        access_log=False,  # addresses hold what was searched for
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )
    rarely = Rarely()
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # a broken form is told to who sent it
    logging.getLogger("asyncio").addFilter(rarely)  # says again and again when there are too many open files
    try:
        Server(config).run(sockets=[listening])
    finally:
        queue.close()
        logging.getLogger("asyncio").removeFilter(rarely)
