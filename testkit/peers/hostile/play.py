"""Plays a hostile case through a running proxy: client and origin server in one loop, without threads.

The client ends its direction when its script is over and as many final
responses have come as were awaited, and reads to the end of the stream: so
nothing here waits for time to pass. Then a probe, a request of another client,
shows whether the proxy's connections to the origin server are in order.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass, field

from .corpus import Case, bytes_of
from .strict import Fault, Request, read_request, read_response

# Bounds hangs; nothing is asserted to be faster.
PATIENCE = 10.0

# For how long the client of a proxy whose ways are its own waits at a step: it may hold what is waited for
# until it has the whole request.
A_MOMENT = 0.3

PROBE = b"GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@dataclass
class Seen:
    """What both ends got."""

    client: bytes = b""
    # How the client's stream ended: `end`, `reset`, or nothing when it didn't.
    ending: str = ""
    requests: list[Request] = field(default_factory=list)
    begun: list[Request] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    up: bytes = b""
    probe: bytes = b""


def play(case: Case, proxy: tuple[str, int], listener: socket.socket, awaited: int | None) -> Seen:
    """Plays a case; the proxy at `proxy` forwards to `listener`.

    `awaited` final responses come, or none is counted on.
    """
    with Stage(case, listener) as stage:
        stage.step_patience = A_MOMENT if awaited is None else PATIENCE
        stage.converse(proxy, deque(case.client), awaited or 0)
        seen = stage.seen
        client = stage.client
        seen.client, seen.ending = bytes(client.received), client.ending
        stage.settle()
        for server in stage.servers:
            if server.tunnels:
                seen.up += server.received[server.taken :]
            elif request := server.rest():
                seen.begun.append(request)
            elif server.fault:
                seen.faults.append(server.fault)
        stage.probing = True
        stage.converse(proxy, deque([PROBE.decode()]), 1)
        seen.probe = bytes(stage.client.received)
    return seen


class End:
    """A socket of a scripted peer."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.received = bytearray()
        self.unsent = bytearray()
        self.ending = ""
        self.shut = False
        self.closed = False

    def read(self) -> None:
        """Takes what is there."""
        try:
            data = self.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            self.ending = "reset"
            return
        self.received += data
        if not data:
            self.ending = "end"

    def write(self) -> None:
        """Sends what the other side takes; what it refuses is dropped."""
        try:
            del self.unsent[: self.sock.send(self.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self.unsent.clear()

    def shut_down(self) -> None:
        """Ends its direction."""
        if not self.shut:
            self.shut = True
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Resets the connection."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.ending = "reset"
        self.close()

    def close(self) -> None:
        """Gives the socket back."""
        self.closed = True
        self.sock.close()


class Server(End):
    """One connection of the origin server."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.taken = 0
        self.script: deque[str] | None = None
        self.switches = False
        self.tunnels = False
        self.fault = ""

    def rest(self) -> Request | None:
        """The request that was begun, when its head is whole."""
        try:
            return read_request(bytes(self.received[self.taken :]))
        except Fault as fault:
            self.fault = str(fault)
            return None


class Stage:
    """One case between its client and its origin server."""

    def __init__(self, case: Case, listener: socket.socket) -> None:
        self.case = case
        self.listener = listener
        self.seen = Seen()
        self.servers: list[Server] = []
        self.heads = 0
        self.probing = False
        self.step_patience = PATIENCE
        self._selector = selectors.DefaultSelector()
        self._registered: dict[End, int] = {}

    def __enter__(self) -> Stage:
        self._selector.register(self.listener, selectors.EVENT_READ)
        return self

    def __exit__(self, *_: object) -> None:
        # The proxy's pooled connections end with this case: it has closed them when it ends them too.
        for server in self.servers:
            if not server.ending:
                server.unsent.clear()
                server.shut_down()
        deadline = time.monotonic() + 3
        while any(not server.ending for server in self.servers) and time.monotonic() < deadline:
            self._turn(0.1)
        for server in self.servers:
            server.close()
        self._selector.close()

    def converse(self, proxy: tuple[str, int], script: deque[str], awaited: int) -> None:
        """A client plays its script, and reads to the end."""
        self.client = client = End(socket.create_connection(proxy, PATIENCE))
        deadline = time.monotonic() + PATIENCE
        self._turn(0)
        waits_since = time.monotonic()
        while not client.ending and time.monotonic() < deadline:
            while not client.unsent and script:
                if not self._step(script[0]) and time.monotonic() < waits_since + self.step_patience:
                    break
                script.popleft()
                waits_since = time.monotonic()
            if not script and not client.unsent and not client.ending and self._finals() >= awaited:
                client.shut_down()
            if not client.ending:
                self._turn(0.1)
        self._forget(client)
        client.close()

    def settle(self) -> None:
        """What the proxy sent before it ended the client's connection is read."""
        while self._turn(0):
            pass

    def _step(self, step: str) -> bool:
        """Does one step of the client; False while it has to wait."""
        word, _, value = step.partition(" ")
        match word:
            case "@answered":
                return self._finals() >= int(value)
            case "@received":
                return self.heads >= int(value)
            case "@end":
                self.client.shut_down()
            case "@reset":
                self._forget(self.client)
                self.client.reset()
            case _:
                self.client.unsent += bytes_of(step)
                self.client.write()
        return True

    def _turn(self, timeout: float) -> bool:
        """Waits for sockets, and moves what can be moved; whether something was."""
        ends = [end for end in [self.client, *self.servers] if not (end.ending or end.closed)]
        for end in ends:
            self._watch(end)
        moved = False
        for key, events in self._selector.select(timeout):
            moved = True
            if key.fileobj is self.listener:
                sock, _ = self.listener.accept()
                self.servers.append(Server(sock))
                continue
            end = key.data
            if events & selectors.EVENT_READ:
                end.read()
            if events & selectors.EVENT_WRITE:
                end.write()
        for server in self.servers:
            moved |= self._serve(server)
        for end in list(self._registered):
            if end.ending:
                self._forget(end)
        return moved

    def _watch(self, end: End) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if end.unsent else 0)
        if self._registered.get(end) == events:
            return
        if end in self._registered:
            self._selector.modify(end.sock, events, end)
        else:
            self._selector.register(end.sock, events, end)
        self._registered[end] = events

    def _forget(self, end: End) -> None:
        if self._registered.pop(end, None) is not None:
            self._selector.unregister(end.sock)

    def _serve(self, server: Server) -> bool:
        """Reads one request and answers it, as far as that goes."""
        if server.ending == "end" and not server.unsent:
            # Whoever ends towards an origin server wants nothing more of it.
            server.shut_down()
        if server.tunnels or server.fault or server.unsent:
            return False
        request = server.rest()
        if request is None:
            return False
        if server.script is None:
            self.heads += 1
            server.script = deque(self._answer(request))
        moved = self._act(server, request)
        if request.whole is None or (server.script and not server.ending):
            return moved
        self._note(request)
        server.taken += request.whole
        server.script = None
        server.tunnels = server.switches
        return True

    def _note(self, request: Request) -> None:
        if not self.probing:
            self.seen.requests.append(request)

    def _act(self, server: Server, request: Request) -> bool:
        script = server.script
        if not script or (script[0] != "@head" and request.whole is None):
            return False
        moved = False
        while script and not server.unsent and not server.ending:
            step = script[0]
            if step == "@whole" and request.whole is None:
                break
            script.popleft()
            moved = True
            match step:
                case "@head" | "@whole":
                    pass
                case "@close":
                    server.shut_down()
                case "@reset":
                    self._forget(server)
                    server.reset()
                case _:
                    server.switches |= switches(step)
                    server.unsent += bytes_of(step)
                    server.write()
        return moved

    def _answer(self, request: Request) -> tuple[str, ...]:
        path = request.target.partition("?")[0]
        hostile = self.case.origin
        if hostile is not None and not self.probing and path not in ("/next", "/probe"):
            return hostile if hostile[:1] == ("@head",) else ("@whole", *hostile)
        content = f"answer to {request.line}"
        # The probe's connection ends with it, so that nothing of this case waits in a pool for the next one.
        field = "Connection: close" if self.probing else f"X-Answer: {len(self.seen.requests)}"
        head = f"HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: {len(content)}\r\n\r\n"
        if request.method == "CONNECT":
            return ("@whole", f"HTTP/1.1 405 No\r\n{field}\r\nContent-Length: 0\r\n\r\n")
        return ("@whole", head + ("" if request.method == "HEAD" else content))

    def _finals(self) -> int:
        """How many final responses the client has; plenty when what it got can't be read."""
        data, count = bytes(self.client.received), 0
        asks = ("GET /probe",) if self.probing else self.case.asks
        while data:
            method = asks[count].partition(" ")[0] if count < len(asks) else ""
            try:
                response = read_response(data, method)
            except Fault:
                return 1000
            if response is None or (response.whole is None and not self.client.ending):
                break
            if response.status == 101:
                down = self.case.down or b""
                return 1000 if len(data) - (response.whole or 0) >= len(down) else count
            if not response.interim:
                count += 1
            data = data[response.whole or len(data) :]
        return count


def switches(text: str) -> bool:
    """Whether the first final response in `text` is a 101."""
    while text.startswith("HTTP/1.") and text[8:10] == " 1":
        if text[8:13] == " 101 ":
            return True
        text = text.partition("\r\n\r\n")[2]
    return False
