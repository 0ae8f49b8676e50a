"""Heads that are larger than a usual buffer: what one proxy takes the other takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartProxy
from harness import Connection, PeakMemory, Proxy, RawOrigin, conf
from rawclient import SWITCHING, RawClient, upgrade_request

HEADS = conf("heads.conf")
KIB = 1024


def answer(connection: Connection) -> None:
    """Answers each request with a head as long as its path says, and with the length of its own."""
    while head := connection.recv_head():
        if b"/chat/raw" in head:
            connection.send(SWITCHING + b"first")
            connection.send(connection.recv_exactly(4).upper())
            return
        length = int(head.split(b" ")[1].partition(b"?")[0].strip(b"/") or b"0")
        body = b"%d" % len(head)
        start = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Large: " % len(body)
        connection.send(start + b"y" * max(0, length - len(start) - 4) + b"\r\n\r\n" + body)


@pytest.fixture
def origin() -> Iterator[RawOrigin]:
    with RawOrigin(answer) as origin:
        yield origin


def request(line: int, count: int, *, path: int = 0, response: int = 0) -> bytes:
    """A request with `count` field lines of `line` bytes each, its path (or rather its query) as long as it says."""
    head = b"GET /%d?%s HTTP/1.1\r\nHost: h\r\n" % (response, b"q" * path)
    return head + b"".join(b"X-%04d: %s\r\n" % (number, b"x" * (line - 10)) for number in range(count)) + b"\r\n"


def status(proxy: Proxy, sent: bytes) -> int:
    """The status of the answer; a client whose request isn't read whole may see no more than that."""
    with RawClient(proxy) as client:
        with contextlib.suppress(ConnectionError):
            client.send(sent)
        return int(client.recv_line().split(b" ")[1])


@pytest.mark.parametrize(
    ("start", "buffers", "sent", "expected"),
    [
        pytest.param("1k", "4 8k", request(7 * KIB, 4), 200, id="the default"),
        pytest.param("1k", "4 8k", request(7 * KIB, 6), 431, id="too much"),
        pytest.param("1k", "4 8k", request(9 * KIB, 1), 431, id="too long a line"),
        pytest.param("1k", "4 8k", request(0, 0, path=9 * KIB), 414, id="too long a request line"),
        pytest.param("1k", "4 32k", request(20 * KIB, 1), 200, id="a long line"),
        pytest.param("1k", "4 32k", request(30 * KIB, 4), 200, id="long lines"),
        pytest.param("1k", "4 32k", request(33 * KIB, 1), 431, id="too long a line for large buffers"),
        pytest.param("1k", "4 32k", request(30 * KIB, 6), 431, id="too much for large buffers"),
        pytest.param("1k", "4 32k", request(0, 0, path=30 * KIB), 200, id="a long request line"),
        pytest.param("1k", "2 256k", request(200 * KIB, 2), 200, id="very long lines"),
        pytest.param("64k", "4 8k", request(50 * KIB, 1), 200, id="a long line at the start"),
        pytest.param("64k", "4 8k", request(50 * KIB, 2), 431, id="a long line behind the start"),
        pytest.param("64k", "4 8k", request(0, 0, path=60 * KIB), 200, id="a long request line at the start"),
    ],
)
def test_a_request_head(
    start: str, buffers: str, sent: bytes, expected: int, tmp_path: Path, start_proxy: StartProxy, origin: RawOrigin
) -> None:
    values = {"start": start, "buffers": buffers, "response": "8k", "origin": origin.port}
    proxy = start_proxy(HEADS, **values)
    with Proxy("nginx", HEADS, tmp_path / "beside", **values) as nginx:
        # nginx says 400 where underpass says 431.
        theirs = 431 if (said := status(nginx, sent)) == 400 else said
    ours = 431 if (said := status(proxy, sent)) == 400 else said
    assert (theirs, ours) == (expected, expected)
    heads = origin.heads
    assert len(heads) == (2 if expected == 200 else 0)
    for line in sent.split(b"\r\n")[2:-2]:
        assert all(line in head for head in heads)


@pytest.mark.parametrize(
    ("size", "length", "expected"),
    [
        pytest.param("32k", 24 * KIB, 200, id="large"),
        pytest.param("32k", 33 * KIB, 502, id="too large"),
        pytest.param("256k", 250 * KIB, 200, id="very large"),
    ],
)
def test_a_response_head(
    size: str, length: int, expected: int, tmp_path: Path, start_proxy: StartProxy, origin: RawOrigin
) -> None:
    values = {"start": "1k", "buffers": "4 8k", "response": size, "origin": origin.port}
    proxy = start_proxy(HEADS, **values)
    sent = request(100, 1, response=length)
    with Proxy("nginx", HEADS, tmp_path / "beside", **values) as nginx:
        assert (status(nginx, sent), status(proxy, sent)) == (expected, expected)


def test_what_comes_behind_large_heads(start_proxy: StartProxy, origin: RawOrigin) -> None:
    proxy = start_proxy(HEADS, start="1k", buffers="4 64k", response="64k", origin=origin.port)
    large = request(50 * KIB, 3, response=60 * KIB)
    with RawClient(proxy) as client:
        client.send(large + request(100, 1) + large)
        assert client.response().body.isdigit()
        assert client.response().body.isdigit()
        assert client.response().header("X-Large") is not None
        upgrade = upgrade_request().removesuffix(b"\r\n") + large.partition(b"\r\n")[2].partition(b"\r\n")[2]
        client.send(upgrade + b"ping")
        assert client.response().status == 101
        assert client.recv_exactly(9) == b"firstPING"


@pytest.mark.underpass_only("how much memory a head takes is each proxy's own")
def test_memory_of_large_heads_goes_back(start_proxy: StartProxy, origin: RawOrigin) -> None:
    proxy = start_proxy(HEADS, start="1k", buffers="4 256k", response="1m", origin=origin.port)
    large = request(200 * KIB, 4)
    with RawClient(proxy) as client:
        client.send(request(100, 1))
        client.response()
    with PeakMemory(proxy) as memory, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(RawClient(proxy)) for _ in range(100)]
        for client in clients:
            client.send(large)
            assert client.response().status == 200
        # A hundred connections are open, each of which had 800 KiB of head: one at a time.
    assert memory.growth_kib < 20 * KIB, memory.growth_kib
