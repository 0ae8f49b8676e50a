"""Who may use a location, and who the client is, over real sockets."""

from __future__ import annotations

import base64
import socket
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from conftest import StartProxy
from harness import LOOPBACK, PATIENCE, Connection, Proxy, RawOrigin, conf, wait_until
from rawclient import RawClient, Response
from wspeers import Origin

pytestmark = pytest.mark.underpass_only("the statuses and what is inherited are compared in the differential tests")

# Of the password "secret": bcrypt, SHA-512, Apache's MD5.
USERS = """\
bea:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW
sam:$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1
amy:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/
"""


def start(start_proxy: StartProxy, open_folder: Path, origin: int) -> Proxy:
    users = open_folder / "users"
    users.write_text(USERS)
    return start_proxy(conf("access.conf"), origin=origin, users=users)


def answer(connection: Connection) -> None:
    """The field lines that begin with X- as the content."""
    while (head := connection.recv_head()) is not None:
        told = b"\n".join(line for line in head.split(b"\r\n") if line.startswith(b"X-"))
        connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told))


def get(proxy: Proxy, target: str, fields: str = "") -> Response:
    with RawClient(proxy) as client:
        client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
        return client.response()


def basic(user: str, password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() + "\r\n"


def test_addresses_and_users(start_proxy: StartProxy, open_folder: Path) -> None:
    with RawOrigin(answer) as origin:
        proxy = start(start_proxy, open_folder, origin.port)
        assert get(proxy, "/").status == 200
        assert get(proxy, "/denied/").status == 403
        asked = get(proxy, "/private/")
        assert (asked.status, asked.header("WWW-Authenticate")) == (401, 'Basic realm="staff only"')
        for user in ("bea", "sam", "amy"):
            assert get(proxy, "/private/", basic(user, "secret")).status == 200, user
            assert get(proxy, "/private/", basic(user, "wrong")).status == 401, user
        assert get(proxy, "/private/", basic("eve", "secret")).status == 401
        wait_until(lambda: 'user "eve" was not found' in proxy.error_log(), "the line about eve")
        wait_until(lambda: "access forbidden by rule" in proxy.error_log(), "the error log")


def test_a_tunnel_counts_while_it_lives(start_proxy: StartProxy, open_folder: Path) -> None:
    with Origin("websockets") as origin:
        proxy = start(start_proxy, open_folder, origin.port)
        url = f"ws://{proxy.authority}/few/"
        keyed = {"Key": "one"}
        with connect(url, additional_headers=keyed, proxy=None) as first:
            with pytest.raises(InvalidStatus) as refused:
                connect(url, additional_headers=keyed, proxy=None)
            assert refused.value.response.status_code == 429
            with connect(url, additional_headers={"Key": "two"}, proxy=None) as other:
                other.send("another key")
                assert other.recv(PATIENCE) == "another key"
            first.send("still here")
            assert first.recv(PATIENCE) == "still here"
        # The line is written when the tunnel is over: from then on there is room.
        proxy.wait_for_access_log(3)
        with connect(url, additional_headers=keyed, proxy=None) as again:
            again.send("there is room")
            assert again.recv(PATIENCE) == "there is room"


def test_a_rate(start_proxy: StartProxy, open_folder: Path) -> None:
    with RawOrigin(answer) as origin:
        proxy = start(start_proxy, open_folder, origin.port)
        assert get(proxy, "/slow/", "Key: a\r\n").status == 200
        assert get(proxy, "/slow/", "Key: a\r\n").status == 429
        assert get(proxy, "/slow/", "Key: b\r\n").status == 200
        assert get(proxy, "/slow/").status == 200
        wait_until(lambda: 'limiting requests, excess: ' in proxy.error_log(), "the error log")


def test_the_origin_of_a_page(start_proxy: StartProxy, open_folder: Path) -> None:
    with RawOrigin(answer) as origin:
        proxy = start(start_proxy, open_folder, origin.port)
        assert get(proxy, "/origin/", "Origin: https://good.example\r\n").status == 200
        assert get(proxy, "/origin/", "Origin: https://evil.example\r\n").status == 403


def test_who_the_client_is(start_proxy: StartProxy, open_folder: Path) -> None:
    with RawOrigin(answer) as origin:
        proxy = start(start_proxy, open_folder, origin.port)
        forwarded = "X-Forwarded-For: 198.51.100.7, 127.0.0.1\r\n"
        assert b"X-Who: 198.51.100.7" in get(proxy, "/real/", forwarded).body
        assert b"X-Who: 127.0.0.1" in get(proxy, "/", forwarded).body
        assert proxy.wait_for_access_log(2)[0] == "200 198.51.100.7 127.0.0.1"
        told = get(proxy, "/told/").body
        assert b"X-Who: 127.0.0.1" in told and b"X-Header: 127.0.0.1" in told


def test_the_proxy_protocol(start_proxy: StartProxy, open_folder: Path) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([198, 51, 100, 8, 192, 0, 2, 1, 0x9C, 0x40, 0, 80])
    with RawOrigin(answer) as origin:
        proxy = start(start_proxy, open_folder, origin.port)

        def ask(header: bytes) -> bytes:
            with socket.create_connection((LOOPBACK, int(proxy.values["behind"])), timeout=PATIENCE) as sock:
                sock.sendall(header + request)
                return sock.makefile("rb").read()

        assert b"X-Header: 198.51.100.7" in ask(b"PROXY TCP4 198.51.100.7 192.0.2.1 40000 80\r\n")
        assert b"X-Header: 198.51.100.8" in ask(v2)
        assert ask(b"") == b""
