"""CONNECT: curl, WebSocket libraries and a browser that reach an origin server through a forward proxy."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from chromium import Browser
from conftest import StartProxy
from harness import LOOPBACK, PATIENCE, Proxy, conf, free_port, underpass_binary, wait_until
from origins.http_origin import HttpOrigin
from wspeers import Origin

pytestmark = pytest.mark.underpass_only("nginx of Debian has no tunnel_pass")


@pytest.fixture
def http() -> Iterator[HttpOrigin]:
    with HttpOrigin() as origin:
        yield origin


def start(start_proxy: StartProxy, open_folder: Path, origin: int) -> Proxy:
    users = open_folder / "users"
    users.write_text("ann:{PLAIN}secret\n")
    return start_proxy(conf("connect.conf"), origin=origin, users=users)


def curl(proxy: str, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["curl", "-sS", "--max-time", str(PATIENCE), "--proxytunnel", "-x", proxy, *options, url]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ask(port: int, target: str, behind: bytes = b"") -> bytes:
    """A CONNECT by hand; everything that comes back."""
    with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as sock:
        sock.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode() + behind)
        return sock.makefile("rb").read()


def test_curl(start_proxy: StartProxy, open_folder: Path, http: HttpOrigin) -> None:
    proxy = start(start_proxy, open_folder, http.port)
    got = curl(f"http://{proxy.authority}", f"http://{LOOPBACK}:{http.port}/echo", "-w", "%{http_connect} %{http_code}")
    assert got.returncode == 0, got.stderr
    assert got.stdout.endswith("200 200")
    by_name = curl(f"http://{proxy.authority}", f"http://localhost:{http.port}/echo", "-w", "%{http_code}")
    assert by_name.stdout.endswith("200"), "the address that the name stands for is allowed"


def test_a_name_opens_no_private_address(start_proxy: StartProxy, open_folder: Path, http: HttpOrigin) -> None:
    proxy = start(start_proxy, open_folder, http.port)
    assert ask(proxy.port, f"localhost:{free_port()}").startswith(b"HTTP/1.1 403 ")


def test_websocket_library(start_proxy: StartProxy, open_folder: Path) -> None:
    with Origin("websockets") as origin:
        proxy = start(start_proxy, open_folder, origin.port)
        with connect(f"ws://{LOOPBACK}:{origin.port}/", proxy=f"http://{proxy.authority}") as socket:
            socket.send("through a forward proxy")
            assert socket.recv(PATIENCE) == "through a forward proxy"
            payload = os.urandom(300_000)  # which compression doesn't make smaller
            socket.send(payload)
            assert socket.recv(PATIENCE) == payload
    [line] = proxy.wait_for_access_log()
    method, status, upstream, sent, _ = line.split(" ")
    assert (method, status, upstream) == ("CONNECT", "200", f"{LOOPBACK}:{origin.port}")
    assert int(sent) > len(payload)


def test_browser(start_proxy: StartProxy, open_folder: Path, tmp_path: Path) -> None:
    with Origin("ws") as origin:
        proxy = start(start_proxy, open_folder, origin.port)
        with Browser(tmp_path, proxy=proxy.authority) as browser:
            echoed = browser.evaluate(
                "new Promise((done, failed) => {"
                f"  const socket = new WebSocket('ws://{LOOPBACK}:{origin.port}/');"
                "  socket.onopen = () => socket.send('grüße 💬');"
                "  socket.onmessage = event => done(event.data);"
                "  socket.onerror = () => failed(new Error('no connection'));"
                "})"
            )
            assert echoed == "grüße 💬"


def test_a_configured_address_is_reached_whatever_is_asked_for(
    start_proxy: StartProxy, open_folder: Path, http: HttpOrigin
) -> None:
    proxy = start(start_proxy, open_folder, http.port)
    got = curl(f"http://{LOOPBACK}:{proxy.values['fixed']}", "http://nowhere.test/echo", "-w", "%{http_code}")
    assert got.stdout.endswith("200"), got


@pytest.mark.parametrize("target", ["127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}", "9.9.9.9:25"])
def test_private_destinations_are_closed(
    start_proxy: StartProxy, open_folder: Path, http: HttpOrigin, target: str
) -> None:
    proxy = start(start_proxy, open_folder, http.port)
    behind = b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = ask(int(proxy.values["closed"]), target.format(port=http.port), behind)
    assert answer.startswith(b"HTTP/1.1 403 ") and answer.count(b"HTTP/1.1") == 1, answer
    assert b"Connection: close\r\n" in answer


def test_our_own_listener_is_no_destination(start_proxy: StartProxy, open_folder: Path, http: HttpOrigin) -> None:
    proxy = start(start_proxy, open_folder, http.port)
    assert ask(proxy.port, f"127.0.0.1:{proxy.port}").startswith(b"HTTP/1.1 403 ")


def test_nor_is_it_at_another_address_of_the_machine(tmp_path: Path) -> None:
    """In a network of its own, where an address comes while the proxy runs."""
    file = tmp_path / "own.conf"
    server = "server { listen 13128; tunnel_pass; tunnel_allow all; }"
    # Of this network's users there is only one.
    file.write_text(f"user root; error_log error.log; events {{}} http {{ access_log off; {server} }}")
    script = r"""
        set -euo pipefail
        ip link set lo up
        "$1" -c "$2" -p "$3" &
        trap 'kill $!' EXIT
        ask() {
            for _ in {1..200}; do
                exec 3<>/dev/tcp/127.0.0.1/13128 && break
                sleep 0.05
            done 2>/dev/null
            printf 'CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n' "$1" >&3
            head -n 1 <&3
        }
        ask 10.77.0.1:13128
        ip address add 10.77.0.1/24 dev lo
        ip address add 10.77.0.2/24 dev lo
        ip address add fd77::1/64 dev lo
        ip route add local 10.78.0.0/16 dev lo
        # The system makes an address of IPv6 its own a moment after it has been told to.
        for _ in {1..200}; do
            [[ "$(ip -6 route get fd77::1)" == *local* ]] && break
            sleep 0.05
        done
        for target in 10.77.0.1 10.77.0.2 '[fd77::1]' '[::ffff:10.77.0.2]' '[2002:a4d:1::]' 10.78.1.2; do
            ask "$target:13128"
        done
    """
    command = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net"]
    command += ["bash", "-c", script, "bash", str(underpass_binary()), str(file), f"{tmp_path}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    statuses = [line.split(" ")[1] for line in done.stdout.splitlines()]
    assert statuses == ["502"] + 6 * ["403"], "nobody has the address at first"


def test_a_silent_tunnel_is_closed(start_proxy: StartProxy, open_folder: Path, http: HttpOrigin) -> None:
    proxy = start(start_proxy, open_folder, http.port)
    assert ask(proxy.port, f"127.0.0.1:{http.port}").startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: "tunnel closed by idle" in proxy.error_log(), "the error log")


def test_credentials(start_proxy: StartProxy, open_folder: Path, http: HttpOrigin) -> None:
    proxy = start(start_proxy, open_folder, http.port)
    address = f"http://{LOOPBACK}:{proxy.values['private']}"
    url = f"http://{LOOPBACK}:{http.port}/echo"
    refused = ask(int(proxy.values["private"]), f"{LOOPBACK}:{http.port}")
    assert refused.startswith(b"HTTP/1.1 407 ") and b'Proxy-Authenticate: Basic realm="proxy"\r\n' in refused
    let_in = curl(address, url, "--proxy-user", "ann:secret", "-w", "%{http_code}")
    assert let_in.stdout.endswith("200"), let_in
    wrong = curl(address, url, "--proxy-user", "ann:wrong", "-w", "%{http_connect}")
    assert wrong.stdout.endswith("407"), wrong
    lines = proxy.wait_for_access_log(3)
    assert [line.split(" ")[1] for line in lines] == ["407", "200", "407"]
    assert lines[1].endswith(" ann")
    assert base64.b64encode(b"ann:secret") not in proxy.error_log().encode()
