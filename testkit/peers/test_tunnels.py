"""Tunnels that know WebSocket (rules G): pings, closes, drains, limits and the log of their life, seen by real peers."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from conftest import StartProxy
from harness import PATIENCE, Proxy, wait_until
from rawclient import RawClient
from wspeers import Client, Origin

pytestmark = pytest.mark.underpass_only("rules G are underpass's own")

MIB = 1024 * 1024

CONF = """
{{main}}
events { }
http {
    access_log off;
    error_log error.log info;
    upgrade_log tunnels.log;
    server {
        listen 127.0.0.1:{{port}};
        location / {
            proxy_pass http://127.0.0.1:{{origin}};
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            {{directives}}
        }
    }
}
"""

KINDS = ["websockets", "ws"]


class Route:
    """An origin server behind the proxy, and clients of it."""

    def __init__(self, stack: ExitStack, kind: str, origin: Origin, start_proxy: StartProxy) -> None:
        self._stack = stack
        self._kind = kind
        self._start_proxy = start_proxy
        self.origin = origin

    def start(self, directives: str = "", main: str = "", text: str = CONF) -> Proxy:
        self.proxy = self._start_proxy(text, origin=self.origin.port, directives=directives, main=main)
        return self.proxy

    def client(self, path: str = "/", **options: object) -> Client:
        """A client whose WebSocket is open at both ends."""
        url = f"ws://{self.proxy.authority}{path}"
        client = self._stack.enter_context(Client(self._kind, url, **options))
        client.opened = client.expect("open")
        self.origin.expect("open")
        return client

    def lines(self, event: str, count: int = 1) -> list[dict[str, object]]:
        """The lines of this event in the log of tunnels, as soon as there are so many."""

        def found() -> list[dict[str, object]]:
            path = self.proxy.prefix / "tunnels.log"
            lines = path.read_text().splitlines() if path.exists() else []
            return [line for line in map(json.loads, lines) if line["event"] == event]

        wait_until(lambda: len(found()) >= count, f"{count} lines about {event}")
        return found()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def route(kind: str, start_proxy: StartProxy) -> Iterator[Route]:
    with ExitStack() as stack:
        origin = stack.enter_context(Origin(kind))
        yield Route(stack, kind, origin, start_proxy)


def echoes(client: Client, **what: object) -> None:
    client.tell("send", **what)
    sent = client.expect("sent")
    assert client.expect("message") == sent | {"event": "message"}


def handshake(route: Route) -> RawClient:
    """A client that does nothing by itself."""
    client = RawClient(route.proxy)
    client.send(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    assert head.startswith(b"HTTP/1.1 101 "), head
    route.origin.expect("open")
    return client


def frame(client: RawClient) -> tuple[int, bytes]:
    """The next frame that a client gets: its first byte and its payload, of 125 bytes at most."""
    first, length = exactly(client, 2)
    return first, exactly(client, length)


def exactly(client: RawClient, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = client.recv(count - len(data))
        assert more, f"the end of the stream behind {data!r}"
        data += more
    return data


def masked(first: int, payload: bytes) -> bytes:
    key = b"\x01\x02\x03\x04"
    return bytes([first, 0x80 | len(payload)]) + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


@pytest.mark.parametrize("deflate", [True, False], ids=["deflate", "plain"])
def test_pings_disturb_nothing(route: Route, deflate: bool) -> None:
    route.start("upgrade_ping_interval 50ms; upgrade_ping_timeout 10s;")
    client = route.client(deflate=deflate)
    echoes(client, random=16 * MIB)
    echoes(client, text="compressible " * 100_000)
    client.tell("fragments", parts=["one ", "two ", "", "four"])
    events = {event["event"]: event for event in (client.next_event(), client.next_event())}
    assert events["message"]["text"] == "one two four"
    for _ in range(20):
        time.sleep(0.06)
        echoes(client, text="still here")
    client.tell("close", code=1000, reason="enough")
    assert route.origin.expect("close")["code"] == 1000
    [line] = route.lines("close")
    assert (line["ended_by"], line["ended_how"]) == ("client", "close")
    # Both libraries answer, and no answer has reached the other end as something unexpected.
    assert line["client_ping"] is not None and line["upstream_ping"] is not None, line


def test_pings_disturb_no_fragments(route: Route) -> None:
    # At this rate a message takes a second, so that Pings are due between its fragments.
    route.start("upgrade_ping_interval 50ms; upgrade_ping_timeout 30s; upgrade_limit_rate 16m;")
    client = route.client("/fragments", deflate=True)
    assert "permessage-deflate" in client.opened["extensions"]
    for _ in range(2):
        client.tell("fragments", random=16 * MIB, pieces=256)
        sent = client.expect("sent")
        assert client.expect("message") == sent | {"event": "message"}
    client.tell("send", text="!pings")
    client.expect("sent")
    of_origin = client.expect("message")["text"]
    client.tell("pings")
    of_client = client.expect("pings")["count"]
    assert of_client >= 3 and int(of_origin.removeprefix("pings ")) >= 3, (of_client, of_origin)
    client.tell("close", code=1000, reason="enough")
    assert route.origin.expect("close")["code"] == 1000
    [line] = route.lines("close")
    assert (line["ended_by"], line["ended_how"]) == ("client", "close")
    assert (line["client_messages"], line["upstream_messages"]) == (3, 3), line
    assert line["client_frames"] >= 2 * 256 and line["upstream_frames"] >= 2 * 256, line


def test_pings_keep_an_idle_tunnel_open(route: Route) -> None:
    route.start("proxy_read_timeout 1s; upgrade_ping_interval 300ms; upgrade_ping_timeout 5s;")
    client = route.client()
    time.sleep(2.5)
    echoes(client, text="still here")


def test_a_client_that_answers_no_ping_is_dead(route: Route) -> None:
    route.start("upgrade_ping_interval 200ms; upgrade_ping_timeout 500ms;")
    with handshake(route) as client:
        first, payload = frame(client)
        assert (first, len(payload)) == (0x89, 12)
        assert route.origin.expect("close")["code"] == 1001
        with pytest.raises(ConnectionResetError):
            while client.recv():
                pass
    [line] = route.lines("close")
    assert (line["ended_by"], line["ended_how"]) == ("ping", "close")
    assert "the client gave no sign of life" in route.proxy.error_log()


def test_a_client_that_says_nothing_itself(route: Route) -> None:
    route.start("upgrade_client_silence 500ms; upgrade_ping_interval 100ms;")
    client = route.client()
    assert client.expect("close") == {"event": "close", "code": 1001, "reason": "silent"}
    assert route.origin.expect("close")["code"] == 1001
    assert route.lines("close")[0]["ended_by"] == "silence"


@pytest.mark.parametrize("window", ["", "upgrade_drain_window 2s;"], ids=["at the end", "spread"])
def test_quit_says_close(route: Route, window: str) -> None:
    proxy = route.start(window, main="worker_shutdown_timeout 3s;")
    clients = [route.client() for _ in range(8)]
    proxy.process.send_signal(signal.SIGQUIT)
    for client in clients:
        assert client.expect("close") == {"event": "close", "code": 1012, "reason": "service restart"}
        assert route.origin.expect("close")["code"] == 1012
    assert proxy.wait_for_exit() == 0
    lines = route.lines("close", 8)
    assert {line["ended_by"] for line in lines} == {"drain" if window else "shutdown"}
    assert {line["ended_how"] for line in lines} == {"close"}


def test_term_says_close_where_a_socket_takes_it(route: Route) -> None:
    proxy = route.start('upgrade_drain_close 4001 "good night";')
    client = route.client()
    proxy.process.send_signal(signal.SIGTERM)
    assert client.expect("close") == {"event": "close", "code": 4001, "reason": "good night"}
    assert proxy.wait_for_exit() == 0


@pytest.mark.parametrize("switch", ["on", "off"])
def test_a_reload_drains_where_that_is_wanted(route: Route, switch: str) -> None:
    proxy = route.start(f"upgrade_drain_window 500ms; upgrade_drain_on_reload {switch};")
    client = route.client()
    proxy.process.send_signal(signal.SIGHUP)
    if switch == "on":
        assert client.expect("close")["code"] == 1012
    else:
        time.sleep(1)
        echoes(client, text="still here")


def test_a_tunnel_grows_as_old_as_it_may(route: Route) -> None:
    route.start("upgrade_max_lifetime 1s jitter=20%;")
    client = route.client()
    assert client.expect("close")["code"] == 1012
    [line] = route.lines("close")
    assert line["ended_by"] == "lifetime" and 0.7 < float(line["duration"]) < 5, line


def test_a_message_that_is_too_long(route: Route) -> None:
    route.start("upgrade_message_limit 1000;")
    client = route.client(deflate=False)
    echoes(client, text="x" * 1000)
    client.tell("send", text="x" * 1001)
    client.expect("sent")
    assert client.expect("close")["code"] == 1009
    assert route.origin.expect("close")["code"] == 1009
    assert route.lines("close")[0]["ended_by"] == "limit"


def test_messages_at_a_rate_are_not_lost(route: Route) -> None:
    route.start("upgrade_message_rate 10r/s burst=2;")
    client = route.client()
    begin = time.monotonic()
    for number in range(8):
        client.tell("send", text=f"message {number}")
    # What is sent is told beside what comes.
    events = [client.next_event() for _ in range(16)]
    texts = [event["text"] for event in events if event["event"] == "message"]
    assert texts == [f"message {number}" for number in range(8)]
    assert time.monotonic() - begin > 0.4


def test_violations(route: Route) -> None:
    route.start("upgrade_websocket_strict on;")
    with handshake(route) as client:
        client.send(masked(0x81, b"fine"))
        assert frame(client) == (0x81, b"fine")
        client.send(b"\x83\x80\x01\x02\x03\x04")
        assert frame(client) == (0x88, b"\x03\xea")
        assert client.recv() == b""
    assert route.origin.expect("close")["code"] == 1002
    assert route.lines("close")[0]["ended_by"] == "violation"


def test_so_many_tunnels_and_no_more(route: Route) -> None:
    route.start("upgrade_max_tunnels 2;")
    clients = [route.client() for _ in range(2)]
    with RawClient(route.proxy) as third:
        third.send(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        head = third.recv().decode()
        assert head.startswith("HTTP/1.1 503 ") and "\r\nRetry-After: " in head, head
    clients[0].tell("close", code=1000, reason="")
    clients[0].expect("close")
    route.origin.expect("close")
    route.lines("close")
    route.client()


def test_the_log_of_a_life(route: Route) -> None:
    text = CONF.replace("upgrade_log tunnels.log;", "upgrade_log tunnels.log every=200ms;")
    route.start(text=text)
    client = route.client(subprotocols=["chat.v1"])
    echoes(client, text="hello")
    route.lines("progress", 2)
    client.tell("close", code=1000, reason="enough")
    client.expect("close")
    [opened], [closed] = route.lines("open"), route.lines("close")
    assert opened["id"] == closed["id"] and opened["protocol"] == "websocket"
    assert opened["subprotocol"] == "chat.v1"
    assert (closed["close_client"], closed["close_upstream"]) == (1000, 1000)
    assert (closed["client_messages"], closed["upstream_messages"]) == (1, 1)
    assert closed["client_frames"] == 2 and closed["client_bytes"] > 0


def test_bytes_that_are_no_frames_pass(route: Route) -> None:
    """A tunnel that calls itself a WebSocket and isn't one goes on blind."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = route._start_proxy(
            CONF, origin=server.getsockname()[1], directives="upgrade_ping_interval 100ms;", main=""
        )
        with RawClient(proxy) as client:
            client.send(
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            origin, _ = server.accept()
            with origin:
                origin.settimeout(PATIENCE)
                origin.recv(65536)
                origin.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nplain words"
                )
                received = b""
                while not received.endswith(b"plain words"):
                    received += client.recv()
                client.send(b"plain answer")
                assert exactly_of(origin.recv, len(b"plain answer")) == b"plain answer"
                origin.settimeout(0.5)
                with pytest.raises(TimeoutError):
                    origin.recv(1)


def exactly_of(recv: Callable[[int], bytes], count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = recv(count - len(data))
        assert more
        data += more
    return data
