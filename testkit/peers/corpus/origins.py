"""The origin servers of a case: they write down what they receive, and answer as the request's table says."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from harness import PATIENCE, Connection, RawOrigin, free_port, wait_until

from .layout import NAMED, filled
from .model import Answer, Arrival, Case

# Long ago, so that it is not taken for a date that a proxy made up.
DATE = "Date: Mon, 01 Jan 2001 00:00:00 GMT"

REASONS = {101: "Switching Protocols", 200: "OK"}

# RFC 6455 section 1.3.
HANDSHAKE = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Fields = dict[str, list[str]]


class Origins:
    """The servers that the case's `[replace]` names; each on a port or a socket file of its own."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.folder = folder
        self.arrivals: list[Arrival] = []
        self.answers: Mapping[str, Answer] = {}
        self.addresses: dict[str, str] = {}
        self.ports: dict[int, str] = {}
        self._tunnels = 0
        self._lock = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Origins:
        for address in self.case.replace.values():
            for name, _ in NAMED.findall(address):
                if name not in self.addresses:
                    self._start(name, at_file=f"unix:{{{{{name}}}}}" in address)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def take(self) -> list[Arrival]:
        """What has arrived since it was last asked."""
        with self._lock:
            taken, self.arrivals = self.arrivals, []
        return taken

    def wait_for_tunnels(self) -> None:
        """Until all tunnels have ended: what a balancer counts is then as before."""
        wait_until(lambda: self._tunnels == 0, f"{self.case.name}: the end of tunnels")

    def _start(self, name: str, *, at_file: bool) -> None:
        if name in self.case.unreachable:
            port = free_port()
        elif at_file:
            path = self.folder / f"{name}.sock"
            self._stack.enter_context(RawOrigin(lambda connection: self._serve(name, connection), path=path))
            self.addresses[name] = str(path)
            return
        else:
            origin = self._stack.enter_context(RawOrigin(lambda connection: self._serve(name, connection)))
            port = origin.port
        self.addresses[name] = f"127.0.0.1:{port}"
        self.ports[port] = name

    def _serve(self, name: str, connection: Connection) -> None:
        connection.sock.settimeout(PATIENCE)
        while head := connection.recv_head():
            start, fields = parse_head(head)
            # nginx forwards spaces that it decoded.
            method, rest = start.split(" ", 1)
            target, version = rest.rsplit(" ", 1)
            content = read_content(connection, fields)
            arrival = Arrival(name, method, target, version, fields, content.decode("latin-1"))
            with self._lock:
                self.arrivals.append(arrival)
            answer = self.answers.get(name, self.answers.get("*", Answer()))
            if "upgrade" in fields and answer.status in (101, 200):
                self._tunnel(connection, fields)
                return
            content = self._filled(name, answer.content).encode()
            reason = REASONS.get(answer.status, "Some Reason")
            lines = [f"HTTP/1.1 {answer.status} {reason}", "Server: origin", DATE]
            lines += [self._filled(name, line) for line in answer.fields]
            if answer.status not in (204, 304):
                lines.append(f"Content-Length: {len(content)}")
            connection.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
            if method != "HEAD" and answer.status not in (204, 304):
                connection.send(content)
            if version == "HTTP/1.0" or "close" in ",".join(fields.get("connection", [])).lower():
                return

    def _tunnel(self, connection: Connection, fields: Fields) -> None:
        key = fields.get("sec-websocket-key", [""])[0]
        accept = base64.b64encode(hashlib.sha1((key + HANDSHAKE).encode()).digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines.append(f"Sec-WebSocket-Accept: {accept}")
        if "sec-websocket-protocol" in fields:
            lines.append(f"Sec-WebSocket-Protocol: {fields['sec-websocket-protocol'][0].split(',')[0]}")
        with self._lock:
            self._tunnels += 1
        connection.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        try:
            while data := connection.recv():
                connection.send(data)
        finally:
            connection.sock.close()
            with self._lock:
                self._tunnels -= 1

    def _filled(self, origin: str, text: str) -> str:
        return filled(text, {"origin": origin, **self.addresses})


def parse_head(head: bytes) -> tuple[str, Fields]:
    """The start line, and the fields by their names in lower case."""
    start, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    fields: Fields = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.lower(), []).append(value.strip(" \t"))
    return start, fields


def read_content(connection: Connection, fields: Fields) -> bytes:
    """The content behind a head; the framing fields have done their work and are taken out."""
    if fields.pop("transfer-encoding", None):
        fields.pop("content-length", None)
        return read_chunks(connection)
    (length,) = fields.pop("content-length", ["0"])
    return connection.recv_exactly(int(length))


def read_chunks(connection: Connection) -> bytes:
    """Chunked content, decoded; trailers are dropped."""
    content = bytearray()
    while True:
        size = int(re.split(rb"[;\r]", read_line(connection))[0], 16)
        if size == 0:
            while read_line(connection) != b"\r\n":
                pass
            return bytes(content)
        content += connection.recv_exactly(size)
        read_line(connection)


def read_line(connection: Connection) -> bytes:
    """Up to and with a line feed."""
    line = bytearray()
    while not line.endswith(b"\n"):
        line += connection.recv_exactly(1)
    return bytes(line)
