"""The strict reader reads what is well-formed, and nothing else."""

from __future__ import annotations

import pytest

from .strict import Fault, read_request, read_response

HOST = b"Host: h\r\n"
CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


def test_a_request_with_content() -> None:
    data = b"POST /a?b HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabcGET"
    request = read_request(data)
    assert request is not None
    assert (request.line, request.content, request.whole) == ("POST /a?b", b"abc", len(data) - 3)
    cut = read_request(data[:-4])
    assert cut is not None and cut.whole is None and cut.content == b"ab"
    assert read_request(b"GET / HTTP/1.1\r\nHo") is None


def test_chunks() -> None:
    data = CHUNKED + b"3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\nGET"
    request = read_request(data)
    assert request is not None
    assert (request.content, request.trailers, request.whole) == (b"abc0123456789", [(b"t", b"u")], len(data) - 3)
    for end in range(len(CHUNKED), len(data) - 3):
        cut = read_request(data[:end])
        assert cut is not None and cut.whole is None, data[:end]


@pytest.mark.parametrize(
    "broken", [b"0x3\r\n", b"3\nabc", b"g\r\n", b"-1\r\n", b" 3\r\n", b"1\r\nab", b"0\r\nHost: h\r\n\r\n", b"0\r\nX\r\n"]
)
def test_what_are_no_chunks(broken: bytes) -> None:
    with pytest.raises(Fault):
        read_request(CHUNKED + broken)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.2\r\nHost: h\r\n\r\n",
        b"GET h HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /#f HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET http://i/ HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: u@h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n a: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\na : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\na: b\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
def test_what_is_no_request(data: bytes) -> None:
    with pytest.raises(Fault):
        read_request(data)


def test_upgrades_that_count() -> None:
    for lines, offers in [
        (b"Upgrade: foo\r\nConnection: keep-alive, Upgrade\r\n", True),
        (b"Upgrade: foo\r\n", False),
        (b"Connection: upgrade\r\n", False),
        (b"Upgrade:\r\nConnection: upgrade\r\n", False),
    ]:
        request = read_request(b"GET / HTTP/1.1\r\n" + HOST + lines + b"\r\n")
        assert request is not None and request.offers_upgrade == offers, lines


def test_responses() -> None:
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
    for data, method, whole in [
        (text, "GET", len(text)),
        (text, "HEAD", len(text) - 2),
        (text[:-1], "GET", None),
        (b"HTTP/1.1 304 N\r\n\r\n", "GET", 18),
    ]:
        response = read_response(data, method)
        assert response is not None and response.whole == whole
    response = read_response(b"HTTP/1.1 200 OK\r\n\r\nabc", "GET")
    assert response is not None and response.until_close and response.content == b"abc"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 99 x\r\n\r\n",
        b"HTTP/1.1 600 x\r\n\r\n",
        b"HTTP/2.0 200 x\r\n\r\n",
        b"HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.0 200 x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
    ],
)
def test_what_is_no_response(data: bytes) -> None:
    with pytest.raises(Fault):
        read_response(data, "GET")
