"""A small web server on this machine's loopback, with what goes wrong on the web at will."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Page:
    """What is at one address.

    breaks : after how many bytes each connection is cut, for the first ones; later ones are whole
    status, location : an error, or where to go instead
    claimed : the Content-Length to claim; None for the true one
    trickle : seconds to wait after every byte
    ranges : whether a part may be asked for
    heeds_version : whether a part is only given of the version that is asked for
    most : bytes of such a part, however much was asked for; None for all
    """

    content: bytes | Path = b""
    media_type: str = "application/octet-stream"
    breaks: list[int] = field(default_factory=list)
    status: int = 200
    location: str = ""
    claimed: int | None = None
    trickle: float = 0.0
    ranges: bool = True
    heeds_version: bool = True
    most: int | None = None

    def read(self) -> bytes:
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content


@dataclass
class Site:
    """A running server. ``asked`` are the requests so far: path, Range and Authorization."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)


@contextmanager
def serve() -> Iterator[Site]:
    """A site without pages, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, site)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(request: BaseHTTPRequestHandler, site: Site) -> None:
    wanted = request.headers.get("Range", "")
    site.asked.append((request.path, wanted, request.headers.get("Authorization", "")))
    page = site.pages.get(request.path)
    if page is None or page.status != 200:
        request.send_response(404 if page is None else page.status)
        if page is not None and page.location:
            request.send_header("Location", page.location)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    content = page.read()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    start = 0
    if page.ranges and wanted and (request.headers.get("If-Range") == tag or not page.heeds_version):
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        if start >= len(content):
            request.send_response(416)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
    end = min(len(content), start + page.most) if start and page.most else len(content)
    request.send_response(206 if start else 200)
    if start:
        request.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
    request.send_header("ETag", tag)
    request.send_header("Content-Type", page.media_type)
    request.send_header("Content-Length", str(end - start if page.claimed is None else page.claimed))
    request.end_headers()
    body = content[start:end]
    if page.breaks:
        body = body[: page.breaks.pop(0)]
    try:
        if page.trickle:
            for byte in body:
                request.wfile.write(bytes([byte]))
                request.wfile.flush()
                time.sleep(page.trickle)
        else:
            request.wfile.write(body)
    except OSError:
        return  # the client has heard enough
