"""The content of an http(s) address, into a local file."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from voicematch.errors import AudioError
from voicematch.types import Progress

if TYPE_CHECKING:
    import urllib.request

TIMEOUT = 30.0  # s without a byte from the server
ATTEMPTS = 4  # connections for one file
MOST_BYTES = 8 << 30  # a live stream never ends; a day of CD sound in FLAC is about this


def download(url: str, file: BinaryIO, progress: Progress | None = None) -> None:
    """Write what the address holds into the file; a connection that breaks is taken up again where it broke.

    Raises AudioError with the server's status or the network's reason.
    """
    import http.client
    import urllib.error
    import urllib.request

    opener = _opener()
    done, total, validator = 0, 0, ""
    reason: object = ""
    for _ in range(ATTEMPTS):
        headers = {"User-Agent": "voicematch"}
        if done and validator:
            headers |= {"Range": f"bytes={done}-", "If-Range": validator}
        try:
            with opener.open(urllib.request.Request(_quoted(url), headers=headers), timeout=TIMEOUT) as response:
                if response.status != 206:  # the whole again: what is there may be of another version
                    done = 0
                    file.seek(0)
                    file.truncate()
                validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
                total = done + int(response.headers.get("Content-Length") or 0)
                while piece := response.read(1 << 18):
                    file.write(piece)
                    done += len(piece)
                    if done > MOST_BYTES:
                        raise AudioError(url, "does not end; record a live stream to a file first")
                    if progress is not None:
                        progress("download", done, total)
            if done >= total:
                return
        except urllib.error.HTTPError as error:
            error.close()
            raise AudioError(url, f"the server answers {error.code} {error.reason}; check the address") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
    reason = getattr(reason, "strerror", None) or reason
    where = f"the connection broke after {done} of {total} bytes" if done else f"cannot be reached ({reason})"
    raise AudioError(url, f"{where}; check the address and the network, then try again")


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https, through the proxies of the environment, and follows redirects to nothing else.

    The ready-made ``build_opener`` also knows ftp:, file: and data:, and a redirect could lead there.
    """
    import urllib.request

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _quoted(url: str) -> str:
    """The address with what HTTP does not allow in it (spaces, letters beyond ASCII) escaped.

    >>> _quoted("https://example.org/a b.mp3?x=é#t=3")
    'https://example.org/a%20b.mp3?x=%C3%A9'
    """
    from urllib.parse import quote, urlsplit, urlunsplit

    parts = urlsplit(url)
    path, query = (quote(part, safe="/%:@!$&'()*+,;=~?") for part in (parts.path, parts.query))
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))
