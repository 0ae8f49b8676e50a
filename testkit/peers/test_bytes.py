"""Bytes through a tunnel: none lost, none doubled, none held back in memory."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import random
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable

import pytest

from conftest import StartProxy
from harness import PATIENCE, Connection, Proxy, RawOrigin, conf, wait_until
from rawclient import SWITCHING, RawClient, upgrade_request

MIB = 1024 * 1024
SMALL_BUFFER = 16 * 1024


def accept_upgrade(connection: Connection) -> None:
    """Answers the upgrade request; from then on the connection is a tunnel's end."""
    head = connection.recv_head()
    assert head is not None and b"\r\nupgrade: raw-bytes\r\n" in head.lower(), head
    connection.send(SWITCHING)


def open_tunnel(proxy: Proxy, **options: int) -> RawClient:
    """A client whose tunnel is open."""
    client = RawClient(proxy, **options)
    client.send(upgrade_request())
    response = client.response()
    assert response.status == 101, response.head
    assert response.header("Upgrade") == "raw-bytes"
    return client


class Task(threading.Thread):
    """A function in a thread; `result()` joins it and hands out what it returned or raised."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._error: BaseException | None = None
        self._value: object = None
        self.start()

    def run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:  # raised again by result()
            self._error = error

    def result(self) -> object:
        self.join(2 * PATIENCE)
        assert not self.is_alive(), "still running"
        if self._error is not None:
            raise self._error
        return self._value


def odd_cuts(data: bytes, seed: int) -> list[memoryview]:
    """The data in pieces of one byte, of a few, and of many."""
    choose = random.Random(seed)
    view, pieces, start = memoryview(data), [], 0
    while start < len(data):
        size = choose.choice([1, 2, 3, 7, 125, 1447, 4095, 4096, 4097, 16_383, 16_385, 65_537, 300_001, 1_000_003])
        pieces.append(view[start : start + size])
        start += size
    return pieces


def send_in_odd_cuts(send: Callable[[memoryview], None], data: bytes, seed: int) -> None:
    for piece in odd_cuts(data, seed):
        send(piece)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def hash_of(recv: Callable[[int], bytes], count: int, seed: int = 0) -> str:
    """The hash of the next `count` bytes, read in odd sizes."""
    choose = random.Random(seed)
    digest = hashlib.sha256()
    while count:
        data = recv(min(count, choose.choice([1, 13, 4096, 65_536, 200_000])))
        assert data, f"the stream ended {count} bytes early"
        digest.update(data)
        count -= len(data)
    return digest.hexdigest()


def test_64_mib_each_way_at_once(recipe: str, start_proxy: StartProxy) -> None:
    size = 64 * MIB
    downwards, upwards = os.urandom(size), os.urandom(size)
    arrived: list[str] = []

    def script(connection: Connection) -> None:
        accept_upgrade(connection)
        sender = Task(lambda: send_in_odd_cuts(connection.send, downwards, 1))
        arrived.append(hash_of(connection.recv, size, 2))
        sender.result()
        assert connection.recv() == b""

    with RawOrigin(script, record=False) as origin:
        proxy = start_proxy(recipe, origin=origin.port)
        with open_tunnel(proxy) as client:
            sender = Task(lambda: send_in_odd_cuts(client.send, upwards, 3))
            assert hash_of(client.recv, size, 4) == sha256(downwards)
            sender.result()
            wait_until(lambda: bool(arrived), "what the client sent")
        assert arrived == [sha256(upwards)]


@pytest.mark.parametrize("cut", [1, 10, 1000])
def test_handshake_and_first_bytes_in_one_go(recipe: str, start_proxy: StartProxy, cut: int) -> None:
    """Bytes right behind either head, and either head in pieces."""
    early, greeting = b"early bytes of the client", b"early bytes of the origin"

    def script(connection: Connection) -> None:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert connection.recv_head() is not None
        answer = SWITCHING + greeting
        for start in range(0, len(answer), cut):
            connection.send(answer[start : start + cut])
        connection.send(connection.recv_exactly(len(early)))
        assert connection.recv() == b""

    with RawOrigin(script) as origin:
        proxy = start_proxy(recipe, origin=origin.port)
        with RawClient(proxy) as client:
            request = upgrade_request() + early
            for start in range(0, len(request), cut):
                client.send(request[start : start + cut])
            assert client.response().status == 101
            assert client.recv_exactly(len(greeting)) == greeting
            assert client.recv_exactly(len(early)) == early


def test_bytes_in_one_direction_keep_the_tunnel_open(recipe: str, start_proxy: StartProxy) -> None:
    def script(connection: Connection) -> None:
        accept_upgrade(connection)
        connection.recv_exactly(35)
        connection.send(b"all there")
        assert connection.recv() == b""

    with RawOrigin(script) as origin:
        text = recipe.replace("proxy_pass ", "proxy_read_timeout 2s; proxy_pass ")
        proxy = start_proxy(text, origin=origin.port)
        with open_tunnel(proxy) as client:
            for _ in range(35):
                client.send(b".")
                time.sleep(0.1)
            assert client.recv_exactly(9) == b"all there"


class Stalled:
    """Tunnels in which one end sends without limit and the other does not read, until told to."""

    count = 16
    # What lies in the kernel: at most what it lets a socket of the proxy have on either
    # side, and what the two ends have.
    size = 32 * MIB

    def __init__(self) -> None:
        self.sent = [0] * self.count
        self.data = os.urandom(self.size)
        self.may_send = threading.Event()
        self.may_read = threading.Event()

    def send_all(self, index: int, sock: socket.socket) -> None:
        self.may_send.wait(PATIENCE)
        sock.settimeout(2 * PATIENCE)
        view = memoryview(self.data)
        while self.sent[index] < self.size:
            start = self.sent[index]
            self.sent[index] += sock.send(view[start : start + SMALL_BUFFER])

    def wait_until_stalled(self) -> None:
        """Every sender has come to a stop, and none has got rid of all."""
        before = [-1] * self.count

        def stopped() -> bool:
            nonlocal before
            time.sleep(1)
            now, before_ = list(self.sent), before
            before = now
            return now == before_ and all(now)

        wait_until(stopped, "the senders to stop")
        assert max(self.sent) < self.size, "a sender was not stopped by a reader that does not read"


# What one tunnel may take more when both its buffers fill: 16 KiB each.
TWO_BUFFERS_KIB = 2 * 16
# Beside the buffers: an allocator takes memory from the system in steps (glibc's
# are 132 KiB, for each thread), and keeps what it rounds up.
ALLOCATOR_KIB = 512


@pytest.mark.parametrize("sender", ["origin", "client"])
def test_a_reader_that_stops_stops_the_sender(sender: str, start_proxy: StartProxy) -> None:
    stalled = Stalled()
    digests: list[str] = []

    def script(connection: Connection) -> None:
        accept_upgrade(connection)
        index = int(connection.recv_exactly(2))
        connection.send(b"ready")
        if sender == "origin":
            stalled.send_all(index, connection.sock)
        else:
            stalled.may_read.wait(2 * PATIENCE)
            digests.append(hash_of(connection.recv, stalled.size))
        assert connection.recv() == b""

    small = {"sndbuf": SMALL_BUFFER, "rcvbuf": SMALL_BUFFER}
    with RawOrigin(script, record=False, **small) as origin:
        proxy = start_proxy(conf("page-map.conf"), origin=origin.port)
        clients = [open_tunnel(proxy, **small) for _ in range(stalled.count)]
        for index, client in enumerate(clients):
            client.send(b"%02d" % index)
            assert client.recv_exactly(5) == b"ready"
        before_kib = proxy.written_kib()
        tasks = []
        if sender == "client":
            tasks = [
                Task(lambda index=index, client=client: stalled.send_all(index, client.sock))
                for index, client in enumerate(clients)
            ]
        stalled.may_send.set()
        stalled.wait_until_stalled()
        growth_kib = proxy.written_kib() - before_kib
        assert growth_kib <= stalled.count * TWO_BUFFERS_KIB + ALLOCATOR_KIB

        # The reader goes on, and nothing was lost.
        stalled.may_read.set()
        if sender == "origin":
            digests += [hash_of(client.recv, stalled.size) for client in clients]
        for task in tasks:
            task.result()
        wait_until(lambda: len(digests) == stalled.count, "all bytes")
        assert set(digests) == {sha256(stalled.data)}
        for client in clients:
            client.sock.close()


@pytest.mark.underpass_only("nginx closes with unread input, which destroys what it had still to deliver")
@pytest.mark.parametrize("ending", ["shutdown", "close"])
@pytest.mark.parametrize("reading", ["at once", "late"])
def test_the_last_mib_of_the_origin(start_proxy: StartProxy, ending: str, reading: str) -> None:
    """The origin ends while the client still sends: what the origin had sent arrives."""
    last = os.urandom(MIB)
    gone = threading.Event()

    def script(connection: Connection) -> None:
        accept_upgrade(connection)
        connection.recv_exactly(1000)
        connection.send(last)
        if ending == "shutdown":
            connection.sock.shutdown(socket.SHUT_WR)
            gone.set()
            connection.recv_until_end()
        else:
            # Closing with unread bytes resets the connection, which would destroy what this
            # side's kernel has not sent yet; so only once the proxy's kernel has all of it.
            wait_until(lambda: unsent(connection.sock) == 0, "the proxy to take the last bytes")
            connection.sock.close()
            gone.set()

    with RawOrigin(script, record=False) as origin:
        proxy = start_proxy(conf("page-map.conf"), origin=origin.port)
        with open_tunnel(proxy) as client:
            sender = Task(lambda: send_until_it_fails(client.sock))
            if reading == "late":
                # The proxy must not take the end of the origin for the end of what it owes the client.
                gone.wait(5)
                time.sleep(0.5)
            assert hash_of(client.recv, MIB) == sha256(last)
            assert client.recv() == b""
            # The proxy closes as soon as the client has all (rule K4), which the client's own bytes may have met.
            with contextlib.suppress(OSError):
                client.sock.shutdown(socket.SHUT_RDWR)
            sender.result()


def send_until_it_fails(sock: socket.socket) -> None:
    try:
        while True:
            sock.sendall(b"." * 1000)
    except OSError:
        return  # the proxy closed, or the test did


def unsent(sock: socket.socket) -> int:
    """Bytes that the peer has not acknowledged."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]


@pytest.mark.underpass_only("nginx ends both directions when one has ended")
def test_half_close(recipe: str, start_proxy: StartProxy) -> None:
    """The end of one direction is handed on; the other one goes on."""
    upwards, downwards = os.urandom(MIB), os.urandom(MIB)

    def script(connection: Connection) -> None:
        accept_upgrade(connection)
        assert connection.recv_until_end() == upwards
        connection.send(downwards)

    with RawOrigin(script) as origin:
        proxy = start_proxy(recipe, origin=origin.port)
        with open_tunnel(proxy) as client:
            client.send(upwards)
            client.sock.shutdown(socket.SHUT_WR)
            assert client.recv_until_end() == downwards
