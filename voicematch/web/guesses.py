"""Passwords as they are tried: in one queue for all, in which each wrong one makes the next wait longer."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

import anyio

FIRST_WAIT = 1.0  # s after a wrong password before the next one is looked at
LONGEST_WAIT = 30.0  # s; by then a password of eight letters takes thousands of years
FORGIVEN_AFTER = 600.0  # s without a wrong one
MOST_WAITING = 20  # guesses in the queue; more are turned away unseen


class TooMany(Exception):
    """So many passwords wait to be tried that this one is not."""


class Guesses:
    """The password of the pages, for who knows it, and a token for who has shown that.

    All guesses stand in one queue: looking at several at once would let a guesser see which is answered first. Who has
    the token does not stand in it, so nobody can keep out those who are in already.
    """

    def __init__(
        self, password: str, *, first_wait: float = FIRST_WAIT, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._password = _digest(password)
        self._token = secrets.token_urlsafe(32)
        self._first_wait = first_wait
        self._now = now
        self._queue = anyio.Lock()
        self._num_waiting = 0
        self._num_wrong = 0
        self._last_wrong = 0.0

    @property
    def token(self) -> str:
        """What stands for the password from now on, until the server ends."""
        return self._token

    def has_token(self, given: str) -> bool:
        """Return whether a request comes with the token."""
        return hmac.compare_digest(_digest(given), _digest(self._token))

    async def is_right(self, given: str | None) -> bool:
        """Whether a password is the one, said when its turn has come. None is no password, and never right.

        Raises TooMany when the queue is full.
        """
        if self._num_waiting >= MOST_WAITING:
            raise TooMany
        self._num_waiting += 1
        try:
            async with self._queue:
                await anyio.sleep(self.wait())
                if given is not None and hmac.compare_digest(_digest(given), self._password):
                    return True
                self._num_wrong += 1
                self._last_wrong = self._now()
                await anyio.sleep(min(self._first_wait, self.wait()))
                return False
        finally:
            self._num_waiting -= 1

    def wait(self) -> float:
        """Return the seconds before the next password is looked at."""
        if self._num_wrong and self._now() - self._last_wrong > FORGIVEN_AFTER:
            self._num_wrong = 0
        if not self._num_wrong:
            return 0.0
        return float(min(self._first_wait * 2.0 ** min(self._num_wrong - 1, 10), LONGEST_WAIT))


def _digest(text: str) -> bytes:
    """Of one length whatever the text, so that comparing takes the same time."""
    return hashlib.sha256(text.encode()).digest()
