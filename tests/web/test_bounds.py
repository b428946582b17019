"""What one client can take of the server: slow requests, many connections, guesses, lines of log."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from voicematch.web import server
from voicematch.web.bounds import BoundedProtocol, Rarely
from voicematch.web.guesses import FIRST_WAIT, LONGEST_WAIT, MOST_WAITING, Guesses, TooMany


class Quick(BoundedProtocol):
    head_seconds = 0.3
    body_seconds = 0.3
    most_connections = 5


async def patient(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body, then says how long it was."""
    length = 0
    while True:
        message = await receive()
        length += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port() -> Iterator[int]:
    listening = server.listen("127.0.0.1", 0)
    app = uvicorn.Server(uvicorn.Config(patient, http=Quick, ws="none", log_level="error", lifespan="off"))
    thread = threading.Thread(target=app.run, kwargs={"sockets": [listening]})
    thread.start()
    while not app.started:
        time.sleep(0.01)
    yield listening.getsockname()[1]
    app.should_exit = True
    thread.join()


def until_closed(client: socket.socket) -> tuple[bytes, float]:
    """What came, and after how many seconds the server hung up."""
    began, got = time.monotonic(), b""
    client.settimeout(5.0)
    try:
        while piece := client.recv(4096):
            got += piece
    except ConnectionResetError:
        pass
    return got, time.monotonic() - began


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
    ],
)
def test_half_a_request_is_hung_up_on(port: int, half: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(half)
        got, seconds = until_closed(client)
        assert (got, seconds < 3.0) == (b"", True)


def test_a_client_that_drips_is_hung_up_on(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        began = time.monotonic()
        is_closed = False
        while not is_closed and time.monotonic() - began < 5.0:
            try:
                client.sendall(b"G")
            except OSError:
                is_closed = True
            time.sleep(0.05)
        assert is_closed


def test_a_whole_request_is_answered_again_and_again(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        for _ in range(3):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            got = client.recv(4096)
            while not got.endswith(b"ok"):
                got += client.recv(4096)
            assert got.startswith(b"HTTP/1.1 200")
            time.sleep(0.2)  # together longer than a request may take


def test_too_many_connections_are_closed_at_once(port: int) -> None:
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
    time.sleep(0.1)
    open_ones = 0
    for client in clients:
        client.settimeout(0.01)
        try:
            assert client.recv(1) == b""
        except TimeoutError:
            open_ones += 1
        except ConnectionResetError:
            pass
        client.close()
    assert open_ones <= Quick.most_connections
    time.sleep(0.5)
    with socket.create_connection(("127.0.0.1", port)) as client:  # and then others are served
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")


# -- guesses


def test_parallel_guesses_stand_in_one_queue() -> None:
    async def guess() -> list[object]:
        guesses = Guesses("the right one", first_wait=0.01)
        tried = (guesses.is_right(f"guess {number}") for number in range(200))
        return await asyncio.gather(*tried, return_exceptions=True)

    async def timed() -> tuple[list[object], float]:
        began = time.monotonic()
        task = asyncio.create_task(guess())
        await asyncio.wait([task], timeout=0.5)
        seconds = time.monotonic() - began
        is_over = task.done()
        task.cancel()
        return [is_over], seconds

    (is_over,), _ = asyncio.run(timed())
    assert not is_over  # the twenty in the queue wait longer and longer

    async def turned_away() -> int:
        guesses = Guesses("the right one", first_wait=0.0)
        answers = await asyncio.gather(*(guesses.is_right("x") for _ in range(200)), return_exceptions=True)
        return sum(isinstance(answer, TooMany) for answer in answers)

    assert asyncio.run(turned_away()) == 200 - MOST_WAITING


def test_the_wait_grows_and_is_forgiven() -> None:
    clock = [0.0]

    async def guess(num_times: int) -> list[float]:
        guesses = Guesses("the right one", now=lambda: clock[0])
        waits = []
        for _ in range(num_times):
            guesses._num_wrong += 1
            guesses._last_wrong = clock[0]
            waits.append(guesses.wait())
        clock[0] += 601.0
        return [*waits, guesses.wait()]

    assert asyncio.run(guess(7)) == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_WAIT, LONGEST_WAIT, 0.0]


def test_who_knows_it_is_not_kept_waiting_at_first() -> None:
    async def guess() -> tuple[bool, float]:
        began = time.monotonic()
        return await Guesses("the right one").is_right("the right one"), time.monotonic() - began

    is_right, seconds = asyncio.run(guess())
    assert is_right
    assert seconds < FIRST_WAIT


# -- the log


def test_equal_lines_come_once_in_a_while() -> None:
    rarely = Rarely(seconds=60.0)
    lines = [logging.LogRecord("asyncio", logging.ERROR, "", 0, text, (), None) for text in ("a", "a", "b", "a")]
    assert [rarely.filter(line) for line in lines] == [True, False, True, False]
