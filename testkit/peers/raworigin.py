"""An origin server whose every byte is scripted."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from basics import LOOPBACK, PATIENCE


class Connection:
    """One accepted connection of a `RawOrigin`, and the tools of its script."""

    def __init__(self, sock: socket.socket, peer: tuple[str, int], record: bool) -> None:
        self.sock = sock
        self.peer = peer
        self.record = record
        self.received = bytearray()
        self.heads: list[bytes] = []
        self.ended = False
        self._unread = bytearray()

    def recv(self, limit: int = 65536) -> bytes:
        """Some bytes; empty at the end of the stream."""
        if self._unread:
            data = bytes(self._unread[:limit])
            del self._unread[:limit]
            return data
        data = self.sock.recv(limit)
        if self.record:
            self.received += data
        self.ended = self.ended or not data
        return data

    def recv_head(self) -> bytes | None:
        """A message head with its empty line; None when the stream ends first."""
        head = bytearray()
        while b"\r\n\r\n" not in head:
            data = self.recv()
            if not data:
                return None
            head += data
        end = head.index(b"\r\n\r\n") + 4
        self._unread[:0] = head[end:]
        self.heads.append(bytes(head[:end]))
        return self.heads[-1]

    def recv_exactly(self, count: int) -> bytes:
        """`count` bytes, or a ConnectionError when the stream ends first."""
        data = bytearray()
        while len(data) < count:
            some = self.recv(min(65536, count - len(data)))
            if not some:
                raise ConnectionError(f"the stream ended after {len(data)} of {count} bytes")
            data += some
        return bytes(data)

    def recv_until_end(self) -> bytes:
        """Everything up to the end of the stream."""
        data = bytearray()
        while some := self.recv():
            data += some
        return bytes(data)

    def send(self, data: bytes | memoryview) -> None:
        """All of `data`."""
        self.sock.sendall(data)


Script = Callable[[Connection], object]


class RawOrigin:
    """A TCP origin server: `script` runs in a thread for each connection.

    The connection is closed when its script returns. What a script raises is
    raised again when the context ends, unless it is an OSError of a peer that
    went away (`tolerate`). `sndbuf` and `rcvbuf` set small socket buffers. With
    `path` it listens on that socket file, and has no port.
    """

    def __init__(
        self,
        script: Script,
        *,
        port: int | None = None,
        path: Path | None = None,
        record: bool = True,
        sndbuf: int | None = None,
        rcvbuf: int | None = None,
        tolerate: tuple[type[BaseException], ...] = (ConnectionError,),
    ) -> None:
        self.script = script
        self.record = record
        self.tolerate = tolerate
        self.connections: list[Connection] = []
        self.errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit these; set later, the window would already be open.
        if sndbuf is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        if rcvbuf is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self._listener.bind(str(path) if path else (LOOPBACK, port or 0))
        self._listener.listen(1024)
        self.port: int = 0 if path else self._listener.getsockname()[1]

    def __enter__(self) -> RawOrigin:
        self._acceptor = threading.Thread(target=self._accept, name="raw-origin", daemon=True)
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(PATIENCE)
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        if error is None and self.errors:
            raise self.errors[0]
        if error is not None:
            for own in self.errors:
                error.add_note(f"in the origin's script: {own!r}")

    @property
    def authority(self) -> str:
        """Host and port as a URL has them."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def heads(self) -> list[bytes]:
        """The request heads of all connections, in the order of the connections."""
        return [head for connection in self.connections for head in connection.heads]

    @property
    def received(self) -> bytes:
        """What all connections received, joined in the order of the connections."""
        return b"".join(bytes(connection.received) for connection in self.connections)

    def _accept(self) -> None:
        while True:
            try:
                sock, peer = self._listener.accept()
            except OSError:
                if self._closing:
                    return
                raise
            connection = Connection(sock, peer, self.record)
            self.connections.append(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: Connection) -> None:
        try:
            self.script(connection)
        except self.tolerate:
            # The proxy may go away under a script; what matters is asserted by the test.
            pass
        except BaseException as error:  # raised again by __exit__
            if not self._closing:
                self.errors.append(error)
        finally:
            connection.sock.close()
