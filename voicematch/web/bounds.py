"""How much one client may ask of the server: time for a request, connections, lines in the log."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0  # from the connection, or the last answer, to the end of a request's headers
BODY_SECONDS = 20.0  # from there to the end of its body, of a form; a file may take longer, if it comes at LEAST_RATE
LEAST_RATE = 50_000  # bytes a second, of a body that takes longer than that
MOST_CONNECTIONS = 128  # at once; a browser takes six
LOG_SECONDS = 60.0  # between two equal lines of the log


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 that hangs up on who takes too long to ask, and on who comes when there are too many already.

    uvicorn itself waits for a half request for ever.
    """

    head_seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS
    least_rate = LEAST_RATE
    most_connections = MOST_CONNECTIONS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = time.monotonic()
        self._num_bytes = 0
        self._watch: asyncio.TimerHandle | None = None
        if len(self.connections) > self.most_connections:
            transport.abort()
            return
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._num_bytes += len(data)
        super().data_received(data)

    def on_response_complete(self) -> None:
        self._since, self._num_bytes = time.monotonic(), 0
        super().on_response_complete()

    def _look(self) -> None:
        """Hangs up if the request that is awaited is late, else looks again later."""
        waited = time.monotonic() - self._since
        state = self.conn.their_state
        is_late = (state is h11.IDLE and self._is_idle() and waited > self.head_seconds) or (
            state is h11.SEND_BODY
            and waited > self.head_seconds + self.body_seconds + self._num_bytes / self.least_rate
        )
        if is_late and not self.transport.is_closing():
            self.transport.abort()
        else:
            self._watch = self.loop.call_later(min(self.head_seconds, 1.0), self._look)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete


class Rarely(logging.Filter):
    """Lets equal messages through once in a while only, so that no client can fill the disk with them."""

    def __init__(self, seconds: float = LOG_SECONDS) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[Any, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, before = time.monotonic(), self._last.get(record.msg)
        if before is not None and now - before < self._seconds:
            return False
        if len(self._last) > 1_000:
            self._last.clear()
        self._last[record.msg] = now
        return True
