"""Who may ask, and what browsers are told: around the whole app, before any page sees a request.

A page of another site must not read this library, nor write to it through the browser of its owner. So the Host has to
be one of ours (else a name that is made to point at 127.0.0.1 would be of the same origin), and what writes has to come
from our own pages: browsers say so in Sec-Fetch-Site, older ones in Origin, and no page can forge either.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .guesses import Guesses, TooMany

LOOPBACK = ("localhost", "127.0.0.1", "::1")
COOKIE = "voicematch"  # holds what stands for the password once it was given
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; media-src {media}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # an action goes back to the page it came from
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def policy(schemes: Collection[str] = ()) -> str:
    """Return the content security policy of a page that plays sound from here and, by these schemes, from feeds."""
    return POLICY.format(media=" ".join(["'self'", *sorted(schemes)]))


class Safety:
    """The app, for those who may use it.

    names : hosts that the pages are reached under
    password : what every request has to give (HTTP basic); None on loopback alone
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str] = LOOPBACK, password: str | None = None) -> None:
        self.app = app
        self._names = frozenset(name.lower() for name in names)
        self._guesses = None if password is None else Guesses(password)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        is_new = False
        if refusal is None and self._guesses is not None:
            refusal, is_new = await _admitted(self._guesses, headers)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer.setdefault(name, value)
                answer.setdefault("content-security-policy", policy())
                answer.setdefault("cache-control", "private, no-cache")
                if is_new and self._guesses is not None:
                    answer.append("set-cookie", f"{COOKIE}={self._guesses.token}; Path=/; HttpOnly; SameSite=Strict")
            await send(message)

        await (refusal or self.app)(scope, receive, send_safely)

    def _refusal(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        if not self._is_ours(headers.get("host", "")):
            return PlainTextResponse("Not the address of these pages; use the one that serve printed.\n", 421)
        if not _is_from_here(scope["method"], headers):
            return PlainTextResponse("Refused: another site asked for this.\n", 403)
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # No name leads to a literal address, so nobody can rebind one; without a password only this machine counts.
        return address.is_loopback or self._guesses is not None


async def _admitted(guesses: Guesses, headers: Headers) -> tuple[PlainTextResponse | None, bool]:
    """Why a request is refused, if it is; and whether it has just shown that it knows the password."""
    cookies = cookie_parser(headers.get("cookie", ""))  # as browsers send them: also those of others on this host
    if guesses.has_token(cookies.get(COOKIE, "")):
        return None, False
    if "authorization" in headers:
        try:
            if await guesses.is_right(_password_in(headers["authorization"])):
                return None, True
        except TooMany:
            later = {"retry-after": "60"}
            return PlainTextResponse("Too many passwords are being tried; later.\n", 429, later), False
    asks = {"www-authenticate": 'Basic realm="voicematch", charset="UTF-8"'}
    return PlainTextResponse("A password is needed; the user's name does not matter.\n", 401, asks), False


def _password_in(authorization: str) -> str | None:
    """The password of an Authorization header; None when there is none in it."""
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _is_from_here(method: str, headers: Headers) -> bool:
    """Whether our own pages, the address bar, or something that is no browser asks."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if method in ("GET", "HEAD", "OPTIONS"):  # a link from elsewhere may lead here; embedding and reading may not
        return site in (None, "same-origin", "none") or headers.get("sec-fetch-mode") == "navigate"
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or origin.lower().partition("://")[2] == headers.get("host", "").lower()
