"""A small server on this machine's loopback that speaks the Hugging Face hub's API, as far as pulling a model needs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repository:
    """What a repository holds.

    gated : files are for those whose token is ``TOKEN`` alone
    large : files that are in LFS, and so have a sha256 in the listing
    cut : files of which only half is sent
    altered : files that arrive as something else of the same size
    """

    files: dict[str, bytes]
    commit: str = COMMIT
    licence: str = "cc-by-4.0"
    gated: bool = False
    large: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    altered: set[str] = field(default_factory=set)


TOKEN = "hf_this-is-no-real-token"


@dataclass
class Hub:
    """A running server. ``asked`` are the requests so far."""

    url: str
    repositories: dict[str, Repository] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def downloads(self) -> list[str]:
        return [path for path in self.asked if path.startswith("GET") and "/resolve/" in path]


@contextmanager
def serve(repositories: dict[str, Repository]) -> Iterator[Hub]:
    """A hub with these repositories, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, hub)

        def do_HEAD(self) -> None:
            _answer(self, hub)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_port}", repositories)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(request: BaseHTTPRequestHandler, hub: Hub) -> None:
    path = unquote(urlsplit(request.path).path)
    hub.asked.append(f"{request.command} {path}")
    api, _, rest = path.removeprefix("/").partition("models/")
    if api == "api/":
        name, _, revision = rest.partition("/revision/")
        _describe(request, name, hub.repositories.get(name), revision)
        return
    name, _, rest = path.removeprefix("/").partition("/resolve/")
    revision, _, file = rest.partition("/")
    repository = hub.repositories.get(name)
    if repository is None:
        _refuse(request, 401, "RepoNotFound")
    elif repository.gated and request.headers.get("Authorization") != f"Bearer {TOKEN}":
        _refuse(request, 403, "GatedRepo")
    elif revision not in (repository.commit, "main"):
        _refuse(request, 404, "RevisionNotFound")
    elif file not in repository.files:
        _refuse(request, 404, "EntryNotFound")
    else:
        _send_file(request, repository, file)


def _describe(request: BaseHTTPRequestHandler, name: str, repository: Repository | None, revision: str) -> None:
    if repository is None:
        _refuse(request, 401, "RepoNotFound")
        return
    if revision not in ("", "main", repository.commit):
        _refuse(request, 404, "RevisionNotFound")
        return
    siblings = []
    for file, content in repository.files.items():
        sibling: dict[str, object] = {"rfilename": file, "size": len(content), "blobId": "0" * 40}
        if file in repository.large:
            sibling["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        siblings.append(sibling)
    about = {
        "id": name,
        "modelId": name,
        "sha": repository.commit,
        "private": False,
        "gated": "auto" if repository.gated else False,
        "tags": [],
        "downloads": 0,
        "likes": 0,
        "cardData": {"license": repository.licence},
        "siblings": siblings,
    }
    _send(request, json.dumps(about).encode(), {"Content-Type": "application/json"})


def _send_file(request: BaseHTTPRequestHandler, repository: Repository, file: str) -> None:
    content = repository.files[file]
    headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": repository.commit}
    body = content
    if file in repository.altered:
        body = bytes(len(content))
    if file in repository.cut:
        body = body[: len(body) // 2]
    _send(request, body, headers | {"Content-Length": str(len(content))})


def _send(request: BaseHTTPRequestHandler, body: bytes, headers: dict[str, str]) -> None:
    request.send_response(200)
    for header, value in ({"Content-Length": str(len(body))} | headers).items():
        request.send_header(header, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


def _refuse(request: BaseHTTPRequestHandler, status: int, code: str) -> None:
    request.send_response(status)
    request.send_header("X-Error-Code", code)
    request.send_header("X-Error-Message", "no")
    request.send_header("Content-Length", "0")
    request.end_headers()
