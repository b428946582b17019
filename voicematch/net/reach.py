"""Which hosts may be asked: a feed from the web must not make this machine ask itself, or its own network.

The check sits where a connection is made, on the very address that is then spoken to, so that neither a redirect nor
a name that comes to mean another address gets around it (server-side request forgery, CWE-918).
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import urllib.request
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

ANYWHERE = "*"
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address is in the last 32 bits


class Refused(Exception):
    """An address that may not be asked."""


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the public internet, also when it is an IPv4 address written as IPv6.

    >>> [is_public(address) for address in ("1.1.1.1", "127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fe80::1%lo")]
    [True, False, False, False, False]
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else ip)
    return ip.is_global and not ip.is_multicast


class Guard:
    """Watches over the connections of one request and its redirects.

    nearby : the host that may be asked although it is this machine or in its network, `ANYWHERE`, or "" for none.
        None is for an address that a person gave: it may be anywhere, but leads to no other host nearby
    came_from : after the request, the host that answered when it is nearby, else ""
    """

    def __init__(self, nearby: str | None) -> None:
        self._nearby = None if nearby is None else nearby.casefold()
        self.came_from = ""

    def handlers(self) -> tuple[urllib.request.BaseHandler, ...]:
        """Return what an opener needs to speak http and https under this guard."""
        return _Http(self), _Https(self)

    def check(self, host: str, *, is_near: bool) -> None:
        """Raise Refused when the host may not be asked."""
        host = host.casefold()
        if self._nearby is None:
            self._nearby = host if is_near else ""
        if is_near and self._nearby not in (ANYWHERE, host):
            raise Refused(
                f"leads to {host}, which is this machine or in its own network; a feed from elsewhere may not send "
                "voicematch there (batch add --allow-local, if you trust it)"
            )
        self.came_from = host if is_near else ""

    def connect(self, address: tuple[str, int], timeout: float, *_unused: object) -> socket.socket:
        """Connect to a host that may be asked; stands in for ``socket.create_connection``."""
        places = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
        self.check(address[0], is_near=not all(is_public(str(place[4][0])) for place in places))
        problem: OSError | None = None
        for *_, place in places:
            try:
                return socket.create_connection((str(place[0]), int(place[1])), timeout)
            except OSError as error:
                problem = problem or error
        raise problem or OSError("the name has no address")

    def check_by_proxy(self, request: urllib.request.Request) -> None:
        """Check a request that a proxy makes. The proxy may know names that this machine does not."""
        host = unquote(urlsplit(request.full_url).hostname or "")
        try:
            places = socket.getaddrinfo(host, None)
        except OSError:
            places = []
        self.check(host, is_near=not all(is_public(str(place[4][0])) for place in places))


def _connection(guard: Guard, kind: type[http.client.HTTPConnection], *args: Any, **options: Any) -> Any:
    made = kind(*args, **options)
    made._create_connection = guard.connect  # type: ignore[attr-defined]
    return made


class _Http(urllib.request.HTTPHandler):
    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self.guard = guard

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        if request.has_proxy():
            self.guard.check_by_proxy(request)
            return super().http_open(request)
        return self.do_open(partial(_connection, self.guard, http.client.HTTPConnection), request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self.guard = guard

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        if getattr(request, "_tunnel_host", None):
            self.guard.check_by_proxy(request)
            return super().https_open(request)
        return self.do_open(partial(_connection, self.guard, http.client.HTTPSConnection), request)
