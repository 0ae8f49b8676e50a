"""WebSockets of real clients to real origin servers, through the two
configurations of nginx's page on WebSocket proxying."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from conftest import StartProxy
from harness import Proxy, default_kind
from wspeers import Client, Origin

KINDS = ["websockets", "ws"]
MIB = 1024 * 1024


class Route:
    """An origin server behind the proxy, and clients of it."""

    def __init__(self, stack: ExitStack, client_kind: str, origin: Origin, start: Callable[..., Proxy]) -> None:
        self._stack = stack
        self._client_kind = client_kind
        self._start = start
        self.origin = origin

    def client(self, path: str = "/chat/echo", directive: str = "", **options: object) -> Client:
        """A client of `path`; its handshake runs."""
        self.proxy = self._start(directive)
        url = f"ws://{self.proxy.authority}{path}"
        return self._stack.enter_context(Client(self._client_kind, url, **options))

    def connected(self, directive: str = "", **options: object) -> Client:
        """A client whose WebSocket is open at both ends."""
        client = self.client(directive=directive, **options)
        client.opened = client.expect("open")
        self.opened = self.origin.expect("open")
        return client


@pytest.fixture(params=KINDS, ids=lambda kind: f"client={kind}")
def client_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=KINDS, ids=lambda kind: f"origin={kind}")
def origin_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def route(recipe: str, client_kind: str, origin_kind: str, start_proxy: StartProxy) -> Iterator[Route]:
    with ExitStack() as stack:
        origin = stack.enter_context(Origin(origin_kind))

        def start(directive: str) -> Proxy:
            return start_proxy(recipe.replace("proxy_pass ", f"{directive} proxy_pass "), origin=origin.port)

        yield Route(stack, client_kind, origin, start)


def test_text(route: Route) -> None:
    client = route.connected()
    for text in ["", "hello", "grüße 💬 \x00 \r\n\r\n", "x" * 70_000]:
        client.tell("send", text=text)
        sent = client.expect("sent")
        assert client.expect("message") == sent | {"event": "message"}


def test_binary(route: Route) -> None:
    client = route.connected()
    for size in [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_003]:
        client.tell("send", random=size)
        sent = client.expect("sent")
        assert client.expect("message") == sent | {"event": "message"}
        assert sent["size"] == size


@pytest.mark.parametrize("deflate", [True, False], ids=["deflate", "plain"])
def test_message_of_16_mib(route: Route, deflate: bool) -> None:
    client = route.connected(deflate=deflate)
    client.tell("send", random=16 * MIB)
    sent = client.expect("sent")
    assert sent["size"] == 16 * MIB
    assert client.expect("message") == sent | {"event": "message"}


def test_fragments_from_the_client(route: Route) -> None:
    client = route.connected()
    client.tell("fragments", parts=["one ", "two ", "", "four"])
    # The pong overtakes the message, but a client may tell of it later.
    events = {event["event"]: event for event in (client.next_event(), client.next_event())}
    assert events["message"]["text"] == "one two four"
    assert events["pong"]["data"] == "between"


def test_fragments_from_the_origin(route: Route) -> None:
    client = route.connected()
    client.tell("send", text="!fragments one two three")
    client.expect("sent")
    assert client.expect("message")["text"] == "onetwothree"


def test_ping_and_pong(route: Route) -> None:
    client = route.connected()
    client.tell("ping", data="from the client")
    assert client.expect("pong")["data"] == "from the client"
    client.tell("send", text="!ping from-the-origin")
    client.expect("sent")
    assert client.expect("message")["text"] == "pong from-the-origin"


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "leaving"), (3000, "grüße"), (4999, "x" * 123)])
def test_close_by_the_client(route: Route, code: int, reason: str) -> None:
    client = route.connected()
    client.tell("close", code=code, reason=reason)
    assert route.origin.expect("close") == {"event": "close", "code": code, "reason": reason}
    assert client.expect("close")["code"] == code


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1011, "broken"), (4000, "x" * 123)])
def test_close_by_the_origin(route: Route, code: int, reason: str) -> None:
    client = route.connected()
    client.tell("send", text=f"!close {code} {reason}".rstrip())
    client.expect("sent")
    assert client.expect("close") == {"event": "close", "code": code, "reason": reason}
    assert route.origin.expect("close")["code"] == code


def test_client_vanishes(route: Route) -> None:
    client = route.connected()
    client.tell("terminate")
    assert route.origin.expect("close")["code"] == 1006


def test_origin_vanishes(route: Route) -> None:
    client = route.connected()
    client.tell("send", text="!terminate")
    client.expect("sent")
    assert client.expect("close")["code"] == 1006


@pytest.mark.parametrize("deflate", [True, False])
def test_permessage_deflate(route: Route, deflate: bool) -> None:
    client = route.connected(deflate=deflate)
    for end in (client.opened, route.opened):
        assert ("permessage-deflate" in end["extensions"]) == deflate
    client.tell("send", text="compressible " * 100_000)
    sent = client.expect("sent")
    assert client.expect("message") == sent | {"event": "message"}


def test_subprotocol(route: Route) -> None:
    client = route.connected(subprotocols=["chat.v2", "chat.v1"])
    assert client.opened["subprotocol"] == "chat.v1"
    assert route.opened["subprotocol"] == "chat.v1"


def test_rejected_handshake_leaves_the_connection_usable(route: Route) -> None:
    client = route.client(path="/chat/reject", reject=True)
    refusal = client.expect("rejected")
    assert refusal["status"] == 401
    assert refusal["body"] == "no entry without a ticket\n"
    assert refusal["headers"]["www-authenticate"] == 'Basic realm="chat"'
    served = client.expect("served")
    assert (served["status"], served["body"]) == (200, "plain GET /chat/plain\n")
    assert served["same_connection"]
    client.expect_exit()


def test_500_tunnels_at_once(route: Route) -> None:
    client = route.client(count=500)
    assert client.expect("all-open")["count"] == 500
    assert client.expect("all-echoed")["count"] == 500
    assert client.expect("all-closed")["count"] == 500
    client.expect_exit()
    assert len([line for line in route.proxy.wait_for_access_log(500) if " 101 " in line]) == 500


def test_idle_tunnel_ends_at_proxy_read_timeout(route: Route) -> None:
    client = route.connected(directive="proxy_read_timeout 1s;")
    client.tell("send", text="the last words")
    client.expect("sent")
    client.expect("message")
    quiet_since = time.monotonic()
    # nginx just closes; a tunnel that knows WebSocket says so first (rule G5).
    code = 1006 if default_kind() == "nginx" else 1001
    assert client.expect("close")["code"] == code
    assert time.monotonic() - quiet_since > 0.9
    assert route.origin.expect("close")["code"] == code


def test_pings_keep_a_tunnel_open(route: Route) -> None:
    client = route.connected(directive="proxy_read_timeout 2s;")
    until = time.monotonic() + 3.5
    pings = 0
    while time.monotonic() < until:
        client.tell("ping", data=f"ping {pings}")
        assert client.expect("pong")["data"] == f"ping {pings}"
        pings += 1
        time.sleep(0.1)
    client.tell("close", code=1000, reason="enough")
    assert route.origin.expect("close")["code"] == 1000
