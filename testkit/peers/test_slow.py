"""Slow clients, many clients, and none that can be accepted: service goes on, and nothing spins."""

from __future__ import annotations

import contextlib
import getpass
import os
import resource
import select
import socket
import time
from collections.abc import Iterator

import pytest

from basics import cpu_seconds
from conftest import StartProxy
from harness import PATIENCE, Connection, PeakMemory, Proxy, RawOrigin, conf, wait_until
from rawclient import RawClient

pytestmark = pytest.mark.underpass_only("nginx closes without a word where underpass says 408, and logs in its own words")

SLOW = conf("slow.conf")
OWN = b"GET /own HTTP/1.1\r\nHost: h\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

# Connections that do nothing, where the system permits as many.
CROWD = 10_000


@pytest.fixture
def origin() -> Iterator[RawOrigin]:
    """Answers each request, its content read."""
    with RawOrigin(answer) as origin:
        yield origin


def answer(connection: Connection) -> None:
    while head := connection.recv_head():
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if lengths:
            connection.recv_exactly(int(lengths[0].split(b":")[1]))
        connection.send(ANSWER)


def assert_serves(proxy: Proxy) -> None:
    """A client gets our own answer and the origin server's."""
    with RawClient(proxy) as client:
        client.send(OWN)
        assert client.response().status == 204
        client.send(b"GET /origin HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.response().body == b"ok"


def drip(client: RawClient, pieces: Iterator[bytes]) -> None:
    """Sends a piece now and then, until they end or an answer comes."""
    deadline = time.monotonic() + PATIENCE
    for piece in pieces:
        # The proxy may have closed already: what it said is read by the caller.
        with contextlib.suppress(ConnectionError):
            client.send(piece)
        if select.select([client.sock], [], [], 0.1)[0]:
            return
        assert time.monotonic() < deadline, "no answer to a client that drips"


def forever(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


def test_a_head_byte_by_byte(start_proxy: StartProxy, origin: RawOrigin) -> None:
    proxy = start_proxy(SLOW, origin=origin.port, connections=64, timeout="1s")
    with RawClient(proxy) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
        drip(client, forever(b"y"))
        assert client.response().status == 408
        assert client.recv() == b""
        assert_serves(proxy)
    assert origin.heads == [head for head in origin.heads if head.startswith(b"GET /origin ")]
    wait_until(lambda: "client_header_timeout" in proxy.error_log(), "the timer's name in the error log")


def test_content_byte_by_byte(start_proxy: StartProxy, origin: RawOrigin) -> None:
    proxy = start_proxy(SLOW, origin=origin.port, connections=64, timeout="1s")
    with RawClient(proxy) as client:
        # The timer is for the time between two pieces: slow is allowed, ...
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 15\r\n\r\n")
        drip(client, iter([b"y"] * 15))
        assert client.response().body == b"ok"
        # ... but standing still is not.
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\nyyy")
        assert client.response().status == 408
        assert client.recv() == b""
        assert_serves(proxy)


def test_a_response_that_nobody_reads(start_proxy: StartProxy) -> None:
    over = []

    def endless(connection: Connection) -> None:
        assert connection.recv_head()
        try:
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        finally:
            over.append(connection)

    with RawOrigin(endless, record=False) as origin:
        proxy = start_proxy(SLOW, origin=origin.port, connections=64, timeout="1s")
        with RawClient(proxy, rcvbuf=16 * 1024) as client, PeakMemory(proxy) as memory:
            client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_until(lambda: bool(over), "the end of the origin server's connection")
            wait_until(lambda: "send_timeout" in proxy.error_log(), "the error log")
            with RawClient(proxy) as other:
                other.send(OWN)
                assert other.response().status == 204
    assert memory.growth_kib < 2048, memory.growth_kib


HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: h\r\nX: "


@pytest.mark.parametrize(
    ("crowd_size", "sent", "most_bytes"),
    [
        pytest.param(CROWD, b"", 2048, id="idle"),
        pytest.param(CROWD, HALF_A_HEAD, 24 * 1024, id="half-a-head"),
        pytest.param(CROWD // 5, HALF_A_HEAD + b"y" * 15_000, 24 * 1024, id="almost-a-head"),
    ],
)
def test_a_crowd(start_proxy: StartProxy, origin: RawOrigin, crowd_size: int, sent: bytes, most_bytes: int) -> None:
    """Memory per connection before a head is complete is what docs/evidence/hostile.md says, at most."""
    count = room_for(crowd_size)
    proxy = start_proxy(SLOW, origin=origin.port, connections=2 * CROWD, timeout="60s")
    assert_serves(proxy)
    before = proxy.rss_kib()
    with contextlib.ExitStack() as stack:
        crowd = [connect(stack, proxy) for _ in range(count)]
        for sock in crowd:
            sock.sendall(sent)
        # Answered behind them, so everything of theirs was read.
        for _ in range(20):
            assert_serves(proxy)
        each = (proxy.rss_kib() - before) * 1024 / count
        print(f"{count} connections, {len(sent)} bytes sent on each: {each:.0f} bytes of memory each")
        assert each < most_bytes
        began, used = time.monotonic(), cpu_seconds(proxy.pid)
        time.sleep(1)
        assert cpu_seconds(proxy.pid) - used < 0.2 * (time.monotonic() - began), "it spins"
    assert_serves(proxy)


def room_for(wanted: int) -> int:
    """How many sockets this process and the proxy may have, of those that are wanted."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(wanted, hard - 500) if hard != resource.RLIM_INFINITY else wanted
    if count < wanted:
        print(f"the limit of {hard} descriptors permits {count} connections instead of {wanted}")
    return count


def connect(stack: contextlib.ExitStack, proxy: Proxy) -> socket.socket:
    return stack.enter_context(socket.create_connection(proxy.address, PATIENCE))


def test_no_more_worker_connections(start_proxy: StartProxy, origin: RawOrigin) -> None:
    proxy = start_proxy(SLOW, origin=origin.port, connections=16, timeout="60s")
    with contextlib.ExitStack() as stack:
        crowd = [connect(stack, proxy) for _ in range(24)]
        wait_until(lambda: "16 worker_connections are not enough" in proxy.error_log(), "the error log")
        last = stack.enter_context(RawClient(proxy))
        last.send(OWN)
        began, used = time.monotonic(), cpu_seconds(proxy.pid)
        # Full for the whole second: nobody is accepted, and nothing is done about it.
        assert not select.select([last.sock], [], [], 1)[0]
        assert cpu_seconds(proxy.pid) - used < 0.2 * (time.monotonic() - began), "it spins"
        assert proxy.error_log().count("worker_connections are not enough") == 1
        # Whoever ends makes room for who waits.
        for sock in crowd:
            sock.close()
        assert last.response().status == 204
    assert_serves(proxy)


def test_no_more_descriptors(start_proxy: StartProxy, origin: RawOrigin) -> None:
    # The system lets nobody lower the limits of another user's process.
    slow = f"user {getpass.getuser()};\n{SLOW}" if os.geteuid() == 0 else SLOW
    proxy = start_proxy(slow, origin=origin.port, connections=1024, timeout="60s")
    assert_serves(proxy)
    # As `ulimit -n 64` before it was started.
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (64, 64))
    with contextlib.ExitStack() as stack:
        crowd = [connect(stack, proxy) for _ in range(80)]
        wait_until(lambda: "accept4() failed (24: Too many open files)" in proxy.error_log(), "the error log")
        began, used = time.monotonic(), cpu_seconds(proxy.pid)
        time.sleep(2)
        assert cpu_seconds(proxy.pid) - used < 0.1 * (time.monotonic() - began), "it spins"
        assert proxy.error_log().count("accept4() failed") == 1, proxy.error_log()
        # A client that was accepted before is served still.
        crowd[0].sendall(OWN)
        assert crowd[0].recv(1024).startswith(b"HTTP/1.1 204 ")
        for sock in crowd[1:]:
            sock.close()
        assert_serves(proxy)
    assert proxy.process.poll() is None
