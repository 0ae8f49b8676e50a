"""Reading the configuration again while clients are served: nothing is lost."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from conftest import StartProxy
from harness import LOOPBACK, Connection, Proxy, RawOrigin, conf, free_port, wait_until
from nameserver import NameServer
from rawclient import SWITCHING, RawClient, upgrade_request
from wspeers import Client, Origin

own_words = pytest.mark.underpass_only("the words of underpass's own log")

RELOADS = 40
RECIPE = conf("reload.conf")


def generation(proxy: Proxy) -> str:
    """Which configuration answers a client that connects now."""
    with RawClient(proxy) as client:
        client.send(b"GET /generation HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        body = client.response().body.decode()
        assert client.recv() == b""
    return body


def reload(proxy: Proxy, text: str = RECIPE, **values: object) -> None:
    """Changes the file, sends HUP, waits until every worker serves by it."""
    proxy.rewrite(text, **values)
    proxy.process.send_signal(signal.SIGHUP)
    expected = f"generation {proxy.values['generation']}"
    wait_until(lambda: all(generation(proxy) == expected for _ in range(12)), expected)


def echo(connection: Connection) -> None:
    """An origin server: tunnels echo, other requests get a short answer."""
    while head := connection.recv_head():
        if b"\r\nupgrade:" in head.lower():
            connection.send(SWITCHING)
            while data := connection.recv():
                connection.send(data)
            return
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")


@pytest.fixture
def origin() -> Iterator[RawOrigin]:
    with RawOrigin(echo, record=False) as origin:
        yield origin


@pytest.fixture
def proxy(start_proxy: StartProxy, origin: RawOrigin) -> Proxy:
    return start_proxy(RECIPE, origin=origin.port, workers=2, generation=0)


class Load:
    """Threads that do the same again and again; what goes wrong in one is raised at the end."""

    def __init__(self, count: int, work: Callable[[], None]) -> None:
        self.rounds = 0
        self._work = work
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if kind is None:
            assert not self._failures, self._failures

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._work()
            except BaseException as error:
                self._failures.append(error)
                return
            self.rounds += 1


def test_under_load_nothing_is_lost(proxy: Proxy) -> None:
    """One connection for each request, while workers and configurations come and go."""

    def ask() -> None:
        assert generation(proxy).startswith("generation ")

    with Load(4, ask) as load:
        for number in range(1, RELOADS + 1):
            reload(proxy, generation=number, workers=(1, 3, 2)[number % 3])
    assert load.rounds > RELOADS


def test_connections_that_persist_lose_no_response(proxy: Proxy) -> None:
    """A connection that is idle may be closed; what was begun is answered whole, on it or a fresh one."""

    def converse() -> None:
        client = http.client.HTTPConnection(LOOPBACK, proxy.port, timeout=60)
        try:
            for turn in range(50):
                try:
                    client.request("GET", "/chat/plain")
                    response = client.getresponse()
                except (http.client.RemoteDisconnected, ConnectionError):
                    # Closed while it was idle (RFC 9110 §9.2.2 lets a client ask again).
                    assert turn > 0, "a fresh connection is not closed before its first request"
                    return
                assert (response.status, response.read()) == (200, b"plain")
                if response.will_close:
                    return
        finally:
            client.close()

    with Load(4, converse) as load:
        for number in range(1, RELOADS + 1):
            reload(proxy, generation=number)
    assert load.rounds > 0


@pytest.mark.parametrize("kind", ["ws", "websockets"])
def test_websockets_live_on(start_proxy: StartProxy, kind: str) -> None:
    with ExitStack() as stack:
        origin = stack.enter_context(Origin(kind))
        proxy = start_proxy(RECIPE, origin=origin.port, workers=2, generation=0)
        url = f"ws://{proxy.authority}/chat/echo"
        clients = [stack.enter_context(Client(kind, url)) for kind in ("ws", "websockets") for _ in range(2)]
        for client in clients:
            client.expect("open")
            origin.expect("open")
        for number in range(1, RELOADS + 1):
            reload(proxy, generation=number, workers=(3, 1, 2)[number % 3])
            for index, client in enumerate(clients):
                text = f"{index} in generation {number}"
                client.tell("send", text=text)
                client.expect("sent")
                assert client.expect("message")["text"] == text
        for client in clients:
            client.tell("close", code=1000, reason="enough")
            assert origin.expect("close")["code"] == 1000


def test_tunnels_flow_on(proxy: Proxy) -> None:
    """A tunnel whose bytes never rest loses none of them."""
    block = os.urandom(64 * 1024)
    with RawClient(proxy) as tunnel:
        tunnel.send(upgrade_request())
        assert tunnel.response().status == 101

        def exchange() -> None:
            tunnel.send(block)
            assert tunnel.recv_exactly(len(block)) == block

        with Load(1, exchange) as load:
            for number in range(1, RELOADS + 1):
                reload(proxy, generation=number)
        assert load.rounds > 0


@pytest.mark.underpass_only("nginx keeps a process for the tunnels of each configuration")
def test_reloads_leave_nothing_behind(proxy: Proxy) -> None:
    def tunnel() -> RawClient:
        client = stack.enter_context(RawClient(proxy))
        client.send(upgrade_request())
        assert client.response().status == 101
        return client

    def of_status(name: str) -> int:
        status = Path(f"/proc/{proxy.pid}/status").read_text()
        return int(status.split(f"\n{name}:")[1].split()[0])

    def descriptors() -> int:
        return len(os.listdir(f"/proc/{proxy.pid}/fd"))

    with ExitStack() as stack:
        tunnels = [tunnel() for _ in range(10)]
        reload(proxy, generation=1)
        threads, open_files = of_status("Threads"), descriptors()
        for number in range(2, RELOADS + 1):
            reload(proxy, generation=number)
        assert of_status("Threads") == threads
        # The tunnels' configuration is still in use, with its logs; those between are not.
        wait_until(lambda: descriptors() <= open_files + 4, "descriptors to be closed")
        for client in tunnels:
            client.send(b"still here")
            assert client.recv_exactly(10) == b"still here"
    wait_until(lambda: descriptors() < open_files, "the tunnels' descriptors to be closed")


def test_what_is_open_keeps_its_configuration(proxy: Proxy, origin: RawOrigin) -> None:
    with RawOrigin(echo) as other, RawClient(proxy) as tunnel, RawClient(proxy) as idle, RawClient(proxy) as fresh:
        tunnel.send(upgrade_request())
        assert tunnel.response().status == 101
        idle.send(b"GET /chat/plain HTTP/1.1\r\nHost: h\r\n\r\n")
        assert idle.response().body == b"plain"
        reload(proxy, generation=1, origin=other.port)
        assert idle.recv() == b"", "an idle connection ends"
        tunnel.send(b"hello")
        assert tunnel.recv_exactly(5) == b"hello"
        # It had not asked yet: it is answered, and then closed.
        fresh.send(b"GET /chat/plain HTTP/1.1\r\nHost: h\r\n\r\n")
        response = fresh.response()
        assert (response.body, response.header("Connection")) == (b"plain", "close")
        assert fresh.recv() == b""
        with RawClient(proxy) as new:
            new.send(upgrade_request())
            assert new.response().status == 101
        assert len(other.connections) == 1, "a client that comes now goes where the file says now"


def test_a_response_under_way_is_sent_whole(start_proxy: StartProxy) -> None:
    go_on = threading.Event()

    def slow(connection: Connection) -> None:
        assert connection.recv_head() is not None
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        assert go_on.wait(60)
        connection.send(b"-last")

    with RawOrigin(slow) as origin:
        proxy = start_proxy(
            RECIPE, origin=origin.port, workers=1, generation=0, nginx_http="proxy_buffering off;"
        )
        with RawClient(proxy) as client:
            client.send(b"GET /chat/slow HTTP/1.1\r\nHost: h\r\n\r\n")
            assert client.response(to_head=True).status == 200
            for number in range(1, 4):
                reload(proxy, generation=number)
            go_on.set()
            assert client.recv_exactly(10) == b"first-last"
            assert client.recv() == b""


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("listen", "lisen", 1), id="a typing error"),
        pytest.param(lambda text: text.replace("{{origin}}", "99999", 1), id="a bad port"),
        pytest.param(lambda text: text.replace("access.log", "missing/access.log", 1), id="a log that can't be"),
        pytest.param(lambda text: text.replace("listen ", "listen 127.0.0.1:{{taken}}; listen ", 1), id="a port in use"),
        pytest.param(lambda text: text + "}", id="a brace too much"),
    ],
)
def test_a_bad_file_changes_nothing(proxy: Proxy, change: Callable[[str], str]) -> None:
    with socket.socket() as taken, RawClient(proxy) as tunnel:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        tunnel.send(upgrade_request())
        assert tunnel.response().status == 101
        before = proxy.error_log().count("[emerg]")
        proxy.rewrite(change(RECIPE), generation="never", taken=taken.getsockname()[1])
        proxy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: proxy.error_log().count("[emerg]") > before, "the error to be logged")
        for _ in range(10):
            assert generation(proxy) == "generation 0"
        tunnel.send(b"hello")
        assert tunnel.recv_exactly(5) == b"hello"
        reload(proxy, generation="after all")
        tunnel.send(b"hello")
        assert tunnel.recv_exactly(5) == b"hello"


def test_listeners_come_and_go(proxy: Proxy) -> None:
    other = free_port()

    def accepts(port: int) -> bool:
        try:
            socket.create_connection((LOOPBACK, port), 5).close()
        except ConnectionError:
            return False
        return True

    with RawClient(proxy) as tunnel:
        tunnel.send(upgrade_request())
        assert tunnel.response().status == 101
        assert not accepts(other)
        both = RECIPE.replace("listen ", "listen 127.0.0.1:{{other}}; listen ", 1)
        reload(proxy, both, generation=1, other=other)
        assert accepts(other)
        # Its tunnel stays, its listener doesn't.
        elsewhere = RECIPE.replace("{{port}}", "{{other}}")
        proxy.rewrite(elsewhere, generation=2)
        proxy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not accepts(proxy.port), "the listener to close")
        assert accepts(other)
        tunnel.send(b"hello")
        assert tunnel.recv_exactly(5) == b"hello"


def test_logs_are_reopened(proxy: Proxy) -> None:
    """As logrotate does it; lines that waited in the buffer are in the old file."""
    log, old = proxy.prefix / "access.log", proxy.prefix / "access.log.1"
    generation(proxy)
    log.rename(old)
    proxy.process.send_signal(signal.SIGUSR1)
    proxy.wait_until_closed(old)
    wait_until(lambda: "GET /generation" in old.read_text(), "the lines of the buffer")
    size = old.stat().st_size
    generation(proxy)
    wait_until(lambda: "GET /generation" in log.read_text(), "a line in the new file")
    assert old.stat().st_size == size


@pytest.mark.underpass_only("nginx's workers of an earlier configuration keep the files that they have")
def test_tunnels_of_an_earlier_configuration_reopen_logs_too(proxy: Proxy) -> None:
    log, old = proxy.prefix / "access.log", proxy.prefix / "access.log.1"
    with RawClient(proxy) as tunnel:
        tunnel.send(upgrade_request("/chat/tunnel"))
        assert tunnel.response().status == 101
        reload(proxy, generation=1)
        log.rename(old)
        proxy.process.send_signal(signal.SIGUSR1)
        proxy.wait_until_closed(old)
    wait_until(lambda: "GET /chat/tunnel" in log.read_text(), "the tunnel's line")


@pytest.mark.underpass_only("when a name server is asked again")
def test_names_are_resolved_as_the_file_says(start_proxy: StartProxy, origin: RawOrigin) -> None:
    text = RECIPE.replace(
        "proxy_pass http://127.0.0.1:{{origin}};",
        "resolver 127.0.0.1:{{dns}} ipv6=off; resolver_timeout 20s; set $name $arg_to;\n"
        "proxy_pass http://$name:{{origin}};",
    )
    with NameServer({"here.test": [LOOPBACK], "brief.test": [LOOPBACK]}, ttl=60) as names:
        proxy = start_proxy(text, origin=origin.port, workers=1, generation=0, dns=names.port)

        def status(name: str) -> int:
            with RawClient(proxy) as client:
                client.send(f"GET /chat/?to={name} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
                return client.response().status

        assert [status("here.test") for _ in range(3)] == [200, 200, 200]
        assert names.asked.count("here.test") == 1, "the answer holds for a minute"
        assert status("missing.test") == 502
        names.addresses["missing.test"] = [LOOPBACK]
        assert status("missing.test") == 200, "that there was none is not remembered"
        # A reload begins anew.
        reload(proxy, text, generation=1)
        assert status("here.test") == 200
        assert names.asked.count("here.test") == 2


@own_words
def test_words_of_the_log(proxy: Proxy) -> None:
    reload(proxy, generation=1)
    log = proxy.error_log()
    for words in ("signal 1 (SIGHUP) received, reconfiguring", ": reconfiguring", ": reconfigured"):
        assert words in log
