"""An HTTP client that sends the bytes it is told to and reads responses one by
one, for pipelining and for protocols that no library speaks."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from harness import PATIENCE, Proxy


@dataclass
class Response:
    """A response, its chunks joined."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of the first field line of that name."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.decode("latin-1").lower() == name.lower():
                return value.decode("latin-1").strip()
        return None


class RawClient:
    """A connection to the proxy."""

    def __init__(self, proxy: Proxy, *, rcvbuf: int | None = None, sndbuf: int | None = None) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        # Before connecting, as the window is told with the first segment.
        if rcvbuf is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if sndbuf is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect(proxy.address)
        self._unread = bytearray()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes | memoryview) -> None:
        """All of `data`."""
        self.sock.sendall(data)

    def recv(self, limit: int = 65536) -> bytes:
        """Some bytes; empty at the end of the stream."""
        if self._unread:
            data = bytes(self._unread[:limit])
            del self._unread[:limit]
            return data
        return self.sock.recv(limit)

    def recv_exactly(self, count: int) -> bytes:
        """`count` bytes."""
        data = bytearray()
        while len(data) < count:
            some = self.recv(min(65536, count - len(data)))
            assert some, f"the stream ended after {len(data)} of {count} bytes"
            data += some
        return bytes(data)

    def recv_until_end(self) -> bytes:
        """Everything up to the end of the stream."""
        data = bytearray()
        while some := self.recv():
            data += some
        return bytes(data)

    def recv_line(self, end: bytes = b"\r\n") -> bytes:
        """Up to and with `end`."""
        data = bytearray()
        while end not in data:
            some = self.recv()
            assert some, f"the stream ended after {bytes(data)!r}"
            data += some
        cut = data.index(end) + len(end)
        self._unread[:0] = data[cut:]
        return bytes(data[:cut])

    def response(self, *, to_head: bool = False) -> Response:
        """The next response; a 101's body is the caller's."""
        head = self.recv_line(b"\r\n\r\n")
        response = Response(int(head.split(b" ", 2)[1]), head, b"")
        if to_head or response.status in (101, 204, 304) or response.status < 200:
            return response
        if response.header("Transfer-Encoding") is not None:
            response.body = self._chunks()
        elif (length := response.header("Content-Length")) is not None:
            response.body = self.recv_exactly(int(length))
        else:
            response.body = self.recv_until_end()
        return response

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := int(self.recv_line().split(b";")[0], 16):
            body += self.recv_exactly(size)
            assert self.recv_exactly(2) == b"\r\n"
        while self.recv_line() != b"\r\n":
            pass  # the trailer section
        return bytes(body)


def upgrade_request(path: str = "/chat/raw", protocol: str = "raw-bytes") -> bytes:
    """A request to switch to a protocol of our own."""
    head = f"GET {path} HTTP/1.1\r\nHost: peers.test\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
    return head.encode()


SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw-bytes\r\n\r\n"
