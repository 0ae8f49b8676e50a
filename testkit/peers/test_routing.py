"""Which server and which location answers, where the request goes, and the
timers and limits of the client's connection."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest

from conftest import StartProxy
from harness import LOOPBACK, Proxy, conf
from origins.http_origin import HttpOrigin
from rawclient import RawClient, Response


@pytest.fixture
def origin() -> Iterator[HttpOrigin]:
    with HttpOrigin() as origin:
        yield origin


@pytest.fixture
def proxy(start_proxy: StartProxy, origin: HttpOrigin) -> Proxy:
    return start_proxy(conf("routing.conf"), origin=origin.port)


def ask(proxy: Proxy, target: str, host: str = "two.test", fields: str = "") -> Response:
    with RawClient(proxy) as client:
        client.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode())
        return client.response()


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("one.test", b"one first"),
        ("ONE.Test:80", b"one first"),
        ("one.example", b"one other"),
        ("two.test", b"exactly root"),
        ("three.test", b"exactly root"),
        ("one.test.", b"one first"),
    ],
)
def test_server(proxy: Proxy, host: str, answer: bytes) -> None:
    assert ask(proxy, "/", host).body == answer


def test_server_without_a_name(proxy: Proxy) -> None:
    with RawClient(proxy) as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert client.response().body == b"no name"


def test_server_of_another_port(proxy: Proxy) -> None:
    with socket.create_connection((LOOPBACK, int(proxy.values["other_port"]))) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: two.test\r\nConnection: close\r\n\r\n")
        assert sock.makefile("rb").read().startswith(b"HTTP/1.1 204 ")


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("/", b"exactly root"),
        ("/?query", b"exactly root"),
        ("/doc", b"root"),
        ("/docs", b"root"),
        ("/docs/", b"docs"),
        ("/docs/other", b"docs"),
        ("/docs/deep", b"deep"),
        ("/docs/deeper", b"deep"),
        ("/docs/deep/exact", b"exact"),
        ("/docs/deep/exactly", b"deep"),
        ("/docs/./deep//exact?q=/..", b"exact"),
        ("/docs/%64eep", b"deep"),
        ("/docs/../doc", b"root"),
        ("/map", b"second GET"),
    ],
)
def test_location(proxy: Proxy, target: str, answer: bytes) -> None:
    assert ask(proxy, target).body == answer


def test_redirect(proxy: Proxy) -> None:
    response = ask(proxy, "/moved")
    assert response.status == 301
    location = response.header("Location")
    assert location is not None and location.endswith("/elsewhere?x=1")


@pytest.mark.parametrize(
    ("target", "forwarded"),
    [
        ("/as-is/a?b=c", "/as-is/a?b=c"),
        ("/as-is/%61/../x//y?%61", "/as-is/%61/../x//y?%61"),
        ("/with-uri/a/b?c=d", "/changed/a/b?c=d"),
        ("/with-uri/", "/changed/"),
    ],
)
def test_target_that_is_forwarded(proxy: Proxy, target: str, forwarded: str) -> None:
    assert json.loads(ask(proxy, target).body)["path"] == forwarded


def test_fields_that_are_set(proxy: Proxy, origin: HttpOrigin) -> None:
    report = json.loads(ask(proxy, "/address/x?y", fields="Accept-Encoding: gzip\r\nX-Given: theirs\r\n").body)
    assert report["headers"]["x-given"] == "http /address/x?y 127.0.0.1"
    assert report["headers"]["host"] == f"127.0.0.1:{origin.port}"
    assert "accept-encoding" not in report["headers"]
    assert json.loads(ask(proxy, "/as-is/").body)["headers"]["host"] == "group"


def test_keepalive_requests(proxy: Proxy) -> None:
    with RawClient(proxy) as client:
        for number in range(3):
            client.send(b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")
            response = client.response()
            assert response.body == b"one first"
            assert (response.header("Connection") == "close") == (number == 2)
        assert client.recv() == b""


def test_keepalive_timeout(proxy: Proxy) -> None:
    with RawClient(proxy) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: two.test\r\n\r\n")
        assert client.response().status == 200
        idle_since = time.monotonic()
        assert client.recv() == b""
        assert time.monotonic() - idle_since > 0.9


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: two.te"])
def test_client_header_timeout(proxy: Proxy, sent: bytes) -> None:
    with RawClient(proxy) as client:
        begun = time.monotonic()
        client.send(sent)
        answer = client.recv_until_end()
        assert time.monotonic() - begun > 0.9
        # nginx closes without an answer; underpass says 408 when a head was begun.
        assert answer == b"" or (sent and answer.startswith(b"HTTP/1.1 408 "))
