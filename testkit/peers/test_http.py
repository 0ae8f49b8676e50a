"""Ordinary HTTP of curl, of Python's `http.client` and of raw sockets."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartProxy
from harness import PeakMemory, Proxy, RawOrigin, conf, free_port
from origins.http_origin import BLOCK, HttpOrigin, blocks, blocks_sha256
from rawclient import SWITCHING, RawClient, upgrade_request

GIB = 1024 * 1024 * 1024
# A body is never held whole. The bound leaves room for an allocator's habits, none for a body.
FLAT_KIB = 8 * 1024

# nginx keeps bodies in files by default, so that memory would say nothing.
STREAMING = "proxy_buffering off; proxy_request_buffering off;"


@pytest.fixture
def origin() -> Iterator[HttpOrigin]:
    with HttpOrigin() as origin:
        yield origin


@pytest.fixture
def proxy(start_proxy: StartProxy, origin: HttpOrigin) -> Proxy:
    return start_proxy(conf("http.conf"), origin=origin.port, nginx_http=STREAMING)


@pytest.fixture
def connection(proxy: Proxy) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(*proxy.address, timeout=60)
    connection.connect()
    yield connection
    connection.close()


def curl(*arguments: str, stdin: bytes = b"") -> bytes:
    """curl's standard output; curl must succeed."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "120", *arguments],
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def ask(connection: http.client.HTTPConnection, method: str, path: str, **request: object) -> tuple[int, bytes]:
    """A request on a connection that must be the same afterwards."""
    sock = connection.sock
    assert sock is not None
    connection.request(method, path, **request)  # type: ignore[arg-type]
    response = connection.getresponse()
    answer = (response.status, response.read())
    assert connection.sock is sock, "the connection was closed"
    return answer


def test_curl_keeps_the_connection(proxy: Proxy, tmp_path: Path) -> None:
    url = f"http://{proxy.authority}/number/[1-5]"
    output = curl("-o", str(tmp_path / "body-#1"), "-w", "%{http_code} %{num_connects}\n", url)
    assert output.decode().splitlines() == ["200 1", "200 0", "200 0", "200 0", "200 0"]
    for number in range(1, 6):
        assert json.loads((tmp_path / f"body-{number}").read_text())["path"] == f"/number/{number}"


def test_http_client_keeps_the_connection(connection: http.client.HTTPConnection, origin: HttpOrigin) -> None:
    for number in range(20):
        status, body = ask(connection, "POST", f"/number/{number}", body=b"x" * number)
        report = json.loads(body)
        assert (status, report["path"], report["size"]) == (200, f"/number/{number}", number)
    # The connection to the origin server is kept too (keepalive in the group).
    assert origin.connections == 1


@pytest.mark.parametrize("recipe_path", ["/chat/one", "/chat/two"])
def test_plain_requests_through_the_page(
    recipe: str, recipe_path: str, start_proxy: StartProxy, origin: HttpOrigin
) -> None:
    proxy = start_proxy(recipe, origin=origin.port)
    connection = http.client.HTTPConnection(*proxy.address, timeout=60)
    connection.connect()
    for _ in range(3):
        status, body = ask(connection, "GET", recipe_path)
        assert (status, json.loads(body)["path"]) == (200, recipe_path)
    connection.close()


def test_http_1_0(proxy: Proxy) -> None:
    output = curl("--http1.0", "-i", f"http://{proxy.authority}/chunked/100000")
    head, _, body = output.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert hashlib.sha256(body).hexdigest() == blocks_sha256(100_000)


def test_curl_head(proxy: Proxy) -> None:
    url = f"http://{proxy.authority}/blocks/12345"
    output = curl("--head", "-w", "%{num_connects}\n", url, url).decode()
    assert output.lower().count("content-length: 12345\r\n") == 2
    assert [line for line in output.splitlines() if line in ("0", "1")] == ["1", "0"]


def test_head_between_gets(connection: http.client.HTTPConnection) -> None:
    for path in ("/blocks/1000", "/chunked/1000", "/cached"):
        assert ask(connection, "HEAD", path) == (200, b"")
        assert ask(connection, "GET", "/cached") == (200, b"content")


def test_curl_not_modified(proxy: Proxy) -> None:
    url = f"http://{proxy.authority}/cached"
    output = curl("-i", "-H", 'If-None-Match: "v1"', "-w", "%{http_code} %{num_connects}\n", url, url).decode()
    assert output.count('ETag: "v1"\r\n') == 2
    assert [line for line in output.splitlines() if line.startswith("304 ")] == ["304 1", "304 0"]


def test_not_modified_between_gets(connection: http.client.HTTPConnection) -> None:
    for _ in range(3):
        assert ask(connection, "GET", "/cached", headers={"If-None-Match": '"v1"'}) == (304, b"")
        assert ask(connection, "GET", "/cached", headers={"If-None-Match": '"v2"'}) == (200, b"content")


@pytest.mark.parametrize("size", [0, 1, 100, 5 * BLOCK + 17])
def test_curl_chunked_both_ways(proxy: Proxy, size: int) -> None:
    content = b"".join(blocks(size))
    report = json.loads(
        curl("-X", "POST", "-T", "-", "-H", "Transfer-Encoding: chunked", f"http://{proxy.authority}/up", stdin=content)
    )
    assert (report["size"], report["sha256"]) == (size, blocks_sha256(size))
    url = f"http://{proxy.authority}/chunked/{size}"
    assert curl(url) == content
    raw = curl("--raw", url)
    assert raw.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("size", [0, 1, 100, 5 * BLOCK + 17])
def test_http_client_chunked_both_ways(connection: http.client.HTTPConnection, size: int) -> None:
    for _ in range(2):
        status, body = ask(connection, "POST", "/up", body=blocks(size), encode_chunked=True)
        report = json.loads(body)
        assert (status, report["size"], report["sha256"]) == (200, size, blocks_sha256(size))
        status, body = ask(connection, "GET", f"/chunked/{size}")
        assert (status, hashlib.sha256(body).hexdigest()) == (200, blocks_sha256(size))


def test_curl_expects_100_continue(proxy: Proxy) -> None:
    url = f"http://{proxy.authority}/up"
    output = curl("-i", "-H", "Expect: 100-continue", "--expect100-timeout", "60", "-d", "content", url).decode()
    assert output.count("HTTP/1.1 100 ") == 1
    assert output.count("HTTP/1.1 200 ") == 1
    assert json.loads(output.rpartition("\r\n\r\n")[2])["size"] == len("content")


PIPELINE = [
    (b"GET /one?delay=0.3 HTTP/1.1\r\nHost: h\r\n\r\n", "/one?delay=0.3", 0),
    (b"POST /two HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "/two", 5),
    (b"GET /three HTTP/1.1\r\nHost: h\r\n\r\n", "/three", 0),
    (
        b"POST /four HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
        "/four",
        7,
    ),
    (b"GET /five HTTP/1.1\r\nHost: h\r\n\r\n", "/five", 0),
]


@pytest.mark.parametrize("cut", [1, 7, 64, 100_000])
def test_pipelining_in_order(proxy: Proxy, cut: int) -> None:
    sent = b"".join(request for request, _, _ in PIPELINE)
    with RawClient(proxy) as client:
        for start in range(0, len(sent), cut):
            client.send(sent[start : start + cut])
        for _, path, size in PIPELINE:
            response = client.response()
            report = json.loads(response.body)
            assert (response.status, report["path"], report["size"]) == (200, path, size)


def test_many_pipelined_requests(proxy: Proxy) -> None:
    count = 300
    with RawClient(proxy) as client:
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(count)))
        for number in range(count):
            assert json.loads(client.response().body)["path"] == f"/{number}"


def test_upgrade_behind_a_pipelined_request(recipe: str, start_proxy: StartProxy) -> None:
    def script(connection) -> None:
        while head := connection.recv_head():
            if b"/chat/raw " in head:
                connection.send(SWITCHING)
                connection.send(connection.recv_exactly(5).upper())
                return
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")

    with RawOrigin(script) as origin:
        proxy = start_proxy(recipe, origin=origin.port)
        with RawClient(proxy) as client:
            client.send(b"GET /chat/plain HTTP/1.1\r\nHost: h\r\n\r\n" + upgrade_request())
            assert client.response().body == b"plain"
            assert client.response().status == 101
            client.send(b"hello")
            assert client.recv_exactly(5) == b"HELLO"


@pytest.mark.parametrize("framing", ["blocks", "chunked"])
def test_download_of_1_gib_with_flat_memory(proxy: Proxy, framing: str) -> None:
    digest = hashlib.sha256()
    curl(f"http://{proxy.authority}/{framing}/{BLOCK}")
    with PeakMemory(proxy) as memory:
        process = subprocess.Popen(
            ["curl", "-sS", "--noproxy", "*", f"http://{proxy.authority}/{framing}/{GIB}"], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        size = 0
        while piece := os.read(process.stdout.fileno(), BLOCK):
            digest.update(piece)
            size += len(piece)
        assert process.wait(60) == 0
        process.stdout.close()
        assert (size, digest.hexdigest()) == (GIB, blocks_sha256(GIB))
    assert memory.growth_kib <= FLAT_KIB


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_upload_of_1_gib_with_flat_memory(connection: http.client.HTTPConnection, proxy: Proxy, framing: str) -> None:
    headers = {"Content-Length": str(GIB)} if framing == "length" else {}
    ask(connection, "POST", "/warm", body=blocks(BLOCK), encode_chunked=True)
    with PeakMemory(proxy) as memory:
        status, body = ask(
            connection, "POST", "/up", body=blocks(GIB), headers=headers, encode_chunked=framing == "chunked"
        )
        report = json.loads(body)
        assert (status, report["size"], report["sha256"]) == (200, GIB, blocks_sha256(GIB))
    assert memory.growth_kib <= FLAT_KIB


def test_a_body_above_the_limit(recipe: str, start_proxy: StartProxy, origin: HttpOrigin) -> None:
    # The page says nothing about it: 1 MiB is the default of client_max_body_size.
    proxy = start_proxy(recipe, origin=origin.port)
    url = f"http://{proxy.authority}/chat/up"
    status = ("-o", "/dev/null", "-w", "%{http_code}")
    assert curl(*status, "--data-binary", "@-", url, stdin=b"x" * BLOCK) == b"200"
    assert curl(*status, "--data-binary", "@-", url, stdin=b"x" * (BLOCK + 1)) == b"413"


def test_nobody_at_the_origin(recipe: str, start_proxy: StartProxy) -> None:
    proxy = start_proxy(recipe, origin=free_port())
    assert curl("-o", "/dev/null", "-w", "%{http_code}", f"http://{proxy.authority}/chat/") == b"502"
    with RawClient(proxy) as client:
        client.send(upgrade_request())
        assert client.response().status == 502


def test_a_silent_origin(recipe: str, start_proxy: StartProxy) -> None:
    with RawOrigin(lambda connection: connection.recv_until_end()) as origin:
        text = recipe.replace("proxy_pass ", "proxy_read_timeout 1s; proxy_pass ")
        proxy = start_proxy(text, origin=origin.port)
        with RawClient(proxy) as client:
            for request in (b"GET /chat/ HTTP/1.1\r\nHost: h\r\n\r\n", upgrade_request()):
                asked = time.monotonic()
                client.send(request)
                assert client.response().status == 504
                assert time.monotonic() - asked > 0.9
