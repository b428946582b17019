"""A network without a way out, in which whoever calls home is heard: run by path, by ``tests.measure.network``.

``python no_way_out.py LOG COMMAND...`` in namespaces of its own (``unshare --net --mount``) makes every address of the
internet lead back here, answers every name that is asked for, takes every connection to the ports of the web, and
writes what it heard down as JSON lines, one a call. Standard library alone, since any environment's Python runs it.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

ANSWER = "198.18.0.80"  # what every name means here: of the block for tests of networks (RFC 2544), nobody's address
WEB = (80, 443)
DNS = 53
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
TYPE_A = 1
FIRST_BYTES = 300  # of a connection: a request's first line and host, or the name in a TLS greeting
SENDING = "connect,sendto,sendmsg,sendmmsg"
PEER = re.compile(r'inet_addr\("([\d.]+)"\)|inet_pton\(AF_INET6, "([^"]+)"|->\[?([\da-f.:]+?)\]?:\d+\]')
PORT = re.compile(r"htons\((\d+)\)|->[^\s>]+:(\d+)\]")

Heard = Callable[[str], None]


def close(folder: Path) -> None:
    """Make the loopback the only way, for every address, and this process the one who is asked for names."""
    import fcntl  # not on Windows, where the rest of this module is imported by the tests

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    if shutil.which("ip"):  # else calls to a bare address are only seen by strace
        for route in (["ip", "route", "add", "local", "default", "dev", "lo", "src", "127.0.0.1"],
                      ["ip", "-6", "route", "add", "local", "default", "dev", "lo"]):  # fmt: skip
            subprocess.run(route, capture_output=True, check=False)
    asked = Path("/etc/resolv.conf")
    if asked.exists():  # without one, glibc asks 127.0.0.1 by itself
        ours = folder / "resolv.conf"
        ours.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        subprocess.run(["mount", "--bind", str(ours), str(asked.resolve())], check=True)


def listen(heard: Heard) -> None:
    """Answer for every name, and take every connection to the web's ports, in threads that end with the process."""
    names = _bound(DNS, socket.SOCK_DGRAM)
    threading.Thread(target=_answer_names, args=(names, heard), daemon=True).start()
    for port in (*WEB, DNS):
        taking = _bound(port, socket.SOCK_STREAM)
        taking.listen()
        threading.Thread(target=_take, args=(taking, port, heard), daemon=True).start()


def _bound(port: int, kind: socket.SocketKind) -> socket.socket:
    try:
        opened = socket.socket(socket.AF_INET6, kind)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        opened.bind(("::", port))
    except OSError:  # a system without IPv6
        opened = socket.socket(socket.AF_INET, kind)
        opened.bind(("0.0.0.0", port))
    return opened


def _answer_names(names: socket.socket, heard: Heard) -> None:
    while True:
        question, whose = names.recvfrom(4096)
        name, end = name_in(question)
        heard(f"asked for the name {name}")
        names.sendto(answer_to(question, end), whose)


def name_in(question: bytes) -> tuple[str, int]:
    """Return the name that a DNS question is about, and where the question ends (RFC 1035, 4.1)."""
    labels, at = [], 12
    while at < len(question) and question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode("ascii", "replace"))
        at += 1 + question[at]
    return ".".join(labels), at + 5


def answer_to(question: bytes, end: int) -> bytes:
    """Return the DNS answer that the name is at `ANSWER`, or, asked for anything but IPv4, that it has none."""
    is_a = question[end - 4 : end - 2] == TYPE_A.to_bytes(2, "big")
    head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, int(is_a), 0, 0)
    record = struct.pack(">HHHIH", 0xC00C, TYPE_A, 1, 60, 4) + socket.inet_aton(ANSWER)
    return head + question[12:end] + (record if is_a else b"")


def _take(taking: socket.socket, port: int, heard: Heard) -> None:
    while True:
        connection, _ = taking.accept()
        with connection:
            connection.settimeout(1.0)
            host = connection.getsockname()[0].removeprefix("::ffff:")
            try:
                said = connection.recv(FIRST_BYTES)
            except OSError:
                said = b""
            names = re.findall(rb"[a-z0-9-]+(?:\.[a-z0-9-]+)+", said)
            whom = max(names, key=len).decode() if names else "no name given"
            heard(f"connected to {host}:{port} ({whom})")


def sent_elsewhere(trace: str) -> list[str]:
    """Return the system calls of strace that reach for another machine past the ports that are listened to here.

    A datagram socket that is connected has sent nothing; it is how programs ask which address they have themselves.

    >>> sent_elsewhere('7 connect(3<TCP:[5]>, {sin_port=htons(8443), sin_addr=inet_addr("1.2.3.4")}, 16) = -1')
    ['connect(3<TCP:[5]>, {sin_port=htons(8443), sin_addr=inet_addr("1.2.3.4")}, 16) = -1']
    >>> sent_elsewhere('7 connect(3<UDP:[5]>, {sin_port=htons(80), sin_addr=inet_addr("8.8.8.8")}, 16) = 0')
    []
    >>> len(sent_elsewhere('7 sendto(3<UDP:[127.0.0.1:5->8.8.8.8:80]>, "x", 1, 0, NULL, 0) = 1'))
    1
    >>> sent_elsewhere('7 sendto(3<TCP:[127.0.0.1:2->127.0.0.1:8443]>, "GET", 3, 0, NULL, 0) = 3')
    []
    """
    found = []
    for line in trace.splitlines():
        _, _, call = line.partition(" ")
        call = call.strip()
        if not call.startswith(tuple(SENDING.split(","))) or (call.startswith("connect") and "<UDP" in call):
            continue
        peers = {one.removeprefix("::ffff:") for groups in PEER.findall(call) for one in groups if one}
        ports = {int(port) for groups in PORT.findall(call) for port in groups if port}
        heard = {DNS} if "<UDP" in call else {*WEB, DNS}
        if any(not peer.startswith("127.") and peer != "::1" for peer in peers) and not ports & heard:
            found.append(call)
    return found


def main() -> int:
    log, *command = sys.argv[1:]
    lock = threading.Lock()
    with tempfile.TemporaryDirectory() as made, Path(log).open("w") as lines:

        def heard(call: str) -> None:
            with lock:
                lines.write(json.dumps(call) + "\n")
                lines.flush()

        close(Path(made))
        listen(heard)
        trace = Path(made) / "strace"
        if shutil.which("strace"):
            options = [
                "-f",
                "--seccomp-bpf",
                "-qq",
                "-yy",
                "-e",
                f"trace={SENDING}",
                "-e",
                "signal=none",
                "-o",
                str(trace),
            ]
            command = ["strace", *options, *command]
        code = subprocess.run(command, check=False).returncode
        if trace.exists():
            for call in sent_elsewhere(trace.read_text(errors="replace")):
                heard(call)
    return code


if __name__ == "__main__":
    sys.exit(main())
