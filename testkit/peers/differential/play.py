"""Plays a case on real sockets: a scripted client, a proxy, a scripted origin server.

Steps of the client, each a table with one key:

- `send = "..."`: these bytes
- `responses = N`: reads until N final responses came in all (a 101 counts)
- `interims = N`: reads until N interim responses came in all, or a final one
- `tunnel = N`: once a 101 came, reads until N bytes of the tunnel came in all
- `shutdown = true`: ends the stream towards the proxy
- `end = true`: reads to the end of the stream
- `origin_heads = N`: waits until the origin server got N heads in all
- `origin_ends = N`: waits until N connections of the origin server were over

The origin server answers the heads that it receives one after the other, on
whatever connection, with the lists of steps in `answers`; a head beyond the
last answer ends its connection. Before an answer it reads the request's content.

- `send = "..."`: these bytes
- `recv = N`: reads N bytes behind the message (of a tunnel)
- `recv_end = true`: reads to the end of the stream
- `close = true`: ends the connection

At the end the client asks for `/probe`, which the proxy answers by itself with
202, so that whether its connection was still open is seen without waiting for
time to pass. `probe = false` leaves that out.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import PATIENCE, Connection, Proxy, RawOrigin, wait_until

from .model import HERE, Case, Normaliser, Observation, Part, bytes_of

PROBE = b"GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"
PROBE_STATUS = 202


def play(case: Case, kind: str, tmp_path: Path) -> Observation:
    """Plays a case through a proxy of its own; what both ends received."""
    config = (HERE / "conf" / f"{case.config}.conf").read_text()
    script = OriginScript(case)
    with RawOrigin(script) as origin:
        with Proxy(kind, config, tmp_path, origin=origin.port) as proxy:
            client = Client(case, proxy.address, script)
            client.run()
        # The proxy is gone, so each of its connections ends.
        wait_until(lambda: script.over == len(origin.connections), f"{case.name}: the origin server's connections")
    normalise = Normaliser({proxy.port: "port", origin.port: "origin port"})
    return Observation(normalise(script.parts(origin)), normalise(client.parts))


class OriginScript:
    """The origin server of a case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.over = 0
        self._lock = threading.Lock()
        self.heads = 0
        self._parts: dict[Connection, list[Part]] = {}

    def __call__(self, connection: Connection) -> None:
        connection.sock.settimeout(PATIENCE)
        parts = self._parts[connection] = [Part("connection")]
        try:
            while head := connection.recv_head():
                parts.append(Part("head", head))
                if content := read_content(connection, head):
                    parts.append(Part("content", content))
                if not self._answer(connection, parts):
                    return
        finally:
            # Closed before it counts as over: who waits for that may rely on it.
            connection.sock.close()
            with self._lock:
                self.over += 1

    def parts(self, origin: RawOrigin) -> list[Part]:
        """What was received, connection by connection."""
        found: list[Part] = []
        for connection in origin.connections:
            parts = self._parts[connection]
            known = sum(len(part.data) for part in parts)
            rest = bytes(connection.received[known:])
            found += parts
            if rest:
                found.append(Part("rest", rest))
        return found

    def _answer(self, connection: Connection, parts: list[Part]) -> bool:
        with self._lock:
            number, self.heads = self.heads, self.heads + 1
        if number >= len(self.case.answers):
            return False
        for step in self.case.answers[number]:
            match only(step):
                case ("send", text):
                    connection.send(bytes_of(text))
                case ("recv", count):
                    if data := read_up_to(connection, count):
                        parts.append(Part("tunnel", data))
                case ("recv_end", True):
                    if data := connection.recv_until_end():
                        parts.append(Part("tunnel", data))
                case ("close", True):
                    return False
                case other:
                    raise ValueError(f"{self.case.name}: no such step of an origin server: {other}")
        return True


class Client:
    """The client of a case."""

    def __init__(self, case: Case, address: tuple[str, int], origin: OriginScript) -> None:
        self.case = case
        self.origin = origin
        self.parts: list[Part] = []
        self.finals = 0
        self.interims = 0
        self.tunnelling = False
        self.ended: str | None = None
        self._unread = bytearray()
        self._sock = socket.create_connection(address, PATIENCE)

    def run(self) -> None:
        """All steps, then the probe."""
        with self._sock:
            for number, step in enumerate(self.case.steps):
                try:
                    self._step(step)
                except TimeoutError:
                    raise AssertionError(
                        f"{self.case.name}: step {number + 1} {dict(step)} saw nothing more for {PATIENCE:.0f} s\n"
                        f"so far: {self.parts}\nand: {bytes(self._unread)!r}"
                    ) from None
            end = self._end()
            self._take("tunnel", len(self._unread))
            self.parts.append(Part("end", end.encode()))
        if self.tunnelling:
            # What a tunnel is told when its proxy is stopped is no part of the case.
            wait_until(lambda: self.origin.over >= 1, f"{self.case.name}: the end of the tunnel")

    def _step(self, step: Mapping[str, Any]) -> None:
        match only(step):
            case ("send", text):
                self._send(bytes_of(text))
            case ("responses", count):
                while self.finals < count and self._message():
                    pass
            case ("interims", count):
                finals = self.finals
                while self.interims < count and self.finals == finals and self._message():
                    pass
            case ("tunnel", count):
                while self.tunnelling and len(self._unread) < count and self._receive():
                    pass
            case ("shutdown", True):
                with contextlib.suppress(OSError):  # the proxy may have reset the connection
                    self._sock.shutdown(socket.SHUT_WR)
            case ("end", True):
                while self._receive() if self.tunnelling else self._message():
                    pass
            case ("origin_heads", count):
                wait_until(lambda: self.origin.heads >= count, f"{self.case.name}: the origin's heads")
            case ("origin_ends", count):
                wait_until(lambda: self.origin.over >= count, f"{self.case.name}: the end of the origin's connections")
            case other:
                raise ValueError(f"{self.case.name}: no such step of a client: {other}")

    def _end(self) -> str:
        if self.ended:
            return self.ended
        if self.tunnelling or not self.case.probe:
            return "left"
        self._send(PROBE)
        while self._message():
            if self.parts[-1].data.startswith(b"HTTP/1.1 %d " % PROBE_STATUS):
                self.parts.pop()
                return "open"
        # Whether the probe met a FIN or a reset depends on what it ran into.
        return "closed"

    def _message(self) -> bool:
        """Reads one response; False at the end of the stream."""
        while b"\r\n\r\n" not in self._unread:
            if not self._receive():
                self._take("rest", len(self._unread))
                return False
        length = self._unread.index(b"\r\n\r\n") + 4
        head = bytes(self._unread[:length])
        status = re.match(rb"HTTP/1\.[01] ([0-9]{3})", head)
        if not status:
            # Nobody can say where it ends; one must not wait for that.
            self._take("rest", len(self._unread))
            return False
        self._take("head", length)
        code = int(status[1])
        if 100 <= code < 200 and code != 101:
            self.interims += 1
            return True
        self.finals += 1
        if code == 101:
            # From here on everything unread is the tunnel's.
            self.tunnelling = True
            return True
        method = self.case.methods[self.finals - 1] if self.finals <= len(self.case.methods) else "GET"
        if method == "HEAD" or code in (204, 304):
            return True
        if chunked(head):
            return self._chunked()
        return self._content(content_length(head))

    def _content(self, length: int | None) -> bool:
        while length is None or len(self._unread) < length:
            if not self._receive():
                self._take("content", len(self._unread))
                return False
        self._take("content", length)
        return True

    def _chunked(self) -> bool:
        while (length := chunked_length(bytes(self._unread))) is None:
            if not self._receive():
                self._take("content", len(self._unread))
                return False
        self._take("content", length)
        return True

    def _receive(self) -> bool:
        if self.ended:
            return False
        try:
            data = self._sock.recv(65536)
        except ConnectionError:
            self.ended = "reset"
            return False
        self._unread += data
        if not data:
            self.ended = "closed"
        return bool(data)

    def _send(self, data: bytes) -> None:
        # A proxy that closed early may reset; what it sent before is still read.
        with contextlib.suppress(ConnectionError):
            self._sock.sendall(data)

    def _take(self, kind: str, length: int) -> None:
        if length:
            self.parts.append(Part(kind, bytes(self._unread[:length])))
            del self._unread[:length]


def only(step: Mapping[str, Any]) -> tuple[str, Any]:
    """The one key of a step, and its value."""
    ((key, value),) = step.items()
    return key, value


def read_content(connection: Connection, head: bytes) -> bytes:
    """A request's content as it is framed on the wire; shorter when the stream ends."""
    if not chunked(head):
        return read_up_to(connection, content_length(head) or 0)
    data = bytearray()
    while chunked_length(bytes(data)) is None:
        # One byte at a time, so that nothing of the next message is taken.
        byte = connection.recv(1)
        if not byte:
            break
        data += byte
    return bytes(data)


def read_up_to(connection: Connection, count: int) -> bytes:
    """`count` bytes, or fewer when the stream ends."""
    data = bytearray()
    while len(data) < count:
        some = connection.recv(count - len(data))
        if not some:
            break
        data += some
    return bytes(data)


def chunked(head: bytes) -> bool:
    """Whether the message says chunked."""
    return re.search(rb"(?mi)^Transfer-Encoding:[ \t]*chunked[ \t]*\r$", head) is not None


def content_length(head: bytes) -> int | None:
    """The announced length of the content."""
    found = re.search(rb"(?mi)^Content-Length:[ \t]*([0-9]+)[ \t]*\r$", head)
    return int(found[1]) if found else None


def chunked_length(data: bytes) -> int | None:
    """The length of a whole chunked body with its trailer section; None while it isn't whole."""
    position = 0
    while line := re.compile(rb"([0-9A-Fa-f]+)[^\n]*\n").match(data, position):
        size = int(line[1], 16)
        position = line.end()
        if size == 0:
            end = re.compile(rb"(?:[^\r\n][^\n]*\n)*\r?\n").match(data, position)
            return end.end() if end else None
        position += size + 2
    return None
