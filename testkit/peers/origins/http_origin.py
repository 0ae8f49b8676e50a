"""An origin server on Python's `http.server`, in threads of the test's process."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BLOCK = 1024 * 1024
_RANDOM_BLOCK = os.urandom(BLOCK - 8)


def blocks(size: int) -> Iterator[bytes]:
    """`size` bytes in blocks that differ: a lost, doubled or moved block changes the hash."""
    for index in range(-(-size // BLOCK)):
        yield (index.to_bytes(8, "big") + _RANDOM_BLOCK)[: size - index * BLOCK]


def blocks_sha256(size: int) -> str:
    """The hash of `blocks(size)`."""
    digest = hashlib.sha256()
    for block in blocks(size):
        digest.update(block)
    return digest.hexdigest()


class Handler(BaseHTTPRequestHandler):
    """`/blocks/SIZE`, `/chunked/SIZE`, `/cached`, and for everything else what was received, as JSON."""

    protocol_version = "HTTP/1.1"
    # Head and content are separate writes; without this the second waits for the first's acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        time.sleep(float(parse_qs(url.query).get("delay", ["0"])[0]))
        match url.path.strip("/").split("/"):
            case ["blocks", size]:
                self._head(200, {"Content-Length": size})
                self._content(blocks(int(size)))
            case ["chunked", size]:
                self._head(200, {"Transfer-Encoding": "chunked"})
                self._content(_chunked(blocks(int(size))))
            case ["cached"]:
                self._cached()
            case _:
                self._report()

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing: the tests read the answers."""

    def _head(self, status: int, fields: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()

    def _content(self, pieces: Iterator[bytes]) -> None:
        if self.command != "HEAD":
            for piece in pieces:
                self.wfile.write(piece)

    def _cached(self) -> None:
        fields = {"ETag": '"v1"', "Content-Length": "7"}
        if self.headers["If-None-Match"] == '"v1"':
            self._head(304, fields)
        else:
            self._head(200, fields)
            self._content(iter([b"content"]))

    def _report(self) -> None:
        digest = hashlib.sha256()
        size = 0
        for piece in self._received():
            digest.update(piece)
            size += len(piece)
        report = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "size": size,
            "sha256": digest.hexdigest(),
        }
        body = json.dumps(report).encode()
        self._head(200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
        self._content(iter([body]))

    def _received(self) -> Iterator[bytes]:
        if self.headers["Transfer-Encoding"] == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield from self._exactly(size)
                assert self.rfile.read(2) == b"\r\n"
            while self.rfile.readline() != b"\r\n":
                pass  # the trailer section
        else:
            yield from self._exactly(int(self.headers["Content-Length"] or 0))

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self.rfile.read1(min(size, BLOCK))
            if not piece:
                raise ConnectionError("the stream ended inside a request")
            size -= len(piece)
            yield piece


def _chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"


class HttpOrigin(ThreadingHTTPServer):
    """The server in a thread of its own, as a context."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.port: int = self.server_address[1]
        self.connections = 0
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> HttpOrigin:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def process_request(self, request: object, client_address: object) -> None:
        self.connections += 1
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def handle_error(self, *_: object) -> None:
        """A peer that went away is not this server's fault; what a test wants it asserts."""
