"""A peer that vanishes: no packet of it comes any more, and none reaches it. Pings notice it (G3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import default_kind, wait_until
from namespaces import FAR, NEAR, Namespaces, NearProxy
from wspeers import Client, Origin

pytestmark = pytest.mark.underpass_only("rules G are underpass's own")

# Nothing but a Ping would notice anything for an hour.
CONF = """
events { }
http {
    access_log off;
    error_log error.log info;
    upgrade_log tunnels.log;
    upgrade_ping_interval 1s;
    upgrade_ping_timeout 2s;
    server {
        listen 192.0.2.1:{{port}};
        location / {
            proxy_pass http://{{host}}:{{origin}};
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
            send_timeout 1h;
        }
    }
}
"""


class Tunnel:
    """A proxy at the near end, and a WebSocket through it to an origin server: one of the two is at the far end."""

    def __init__(self, stack: ExitStack, kind: str, far: str, tmp_path: Path) -> None:
        self.namespaces = stack.enter_context(Namespaces())
        inside = {"near": self.namespaces.near, "far": self.namespaces.far}
        host = FAR if far == "origin" else NEAR
        place = inside["far" if far == "origin" else "near"]
        self.origin = stack.enter_context(Origin(kind, host, inside=place))
        self.proxy = stack.enter_context(
            NearProxy(self.namespaces, default_kind(), CONF, tmp_path, host=host, origin=self.origin.port)
        )
        url = f"ws://{NEAR}:{self.proxy.port}/"
        place = inside["far" if far == "client" else "near"]
        self.client = stack.enter_context(Client(kind, url, inside=place))
        self.client.expect("open")
        self.origin.expect("open")
        self.client.tell("send", text="a word before")
        self.client.expect("sent")
        assert self.client.expect("message")["text"] == "a word before"

    def line(self) -> dict[str, object]:
        """The last line in the log of tunnels."""
        log = self.proxy.prefix / "tunnels.log"
        wait_until(lambda: '"event":"close"' in log.read_text(), "the tunnel's line")
        return json.loads(log.read_text().splitlines()[-1])


@pytest.fixture(params=["websockets", "ws"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_client_that_vanishes(stack: ExitStack, kind: str, tmp_path: Path) -> None:
    tunnel = Tunnel(stack, kind, "client", tmp_path)
    tunnel.namespaces.cut()
    assert tunnel.origin.expect("close") == {"event": "close", "code": 1001, "reason": ""}
    line = tunnel.line()
    assert (line["ended_by"], line["ended_how"]) == ("ping", "close"), line
    assert (line["close_client"], line["close_upstream"]) == (None, 1001), line
    # Nine tenths of the interval at least, and the time for the answer. How much more is the machine's business.
    assert 2.9 <= float(line["client_silence"]) < 30, line
    assert "the client gave no sign of life" in tunnel.proxy.error_log()


def test_an_origin_server_that_vanishes(stack: ExitStack, kind: str, tmp_path: Path) -> None:
    tunnel = Tunnel(stack, kind, "origin", tmp_path)
    tunnel.namespaces.cut()
    assert tunnel.client.expect("close") == {"event": "close", "code": 1011, "reason": ""}
    line = tunnel.line()
    assert (line["ended_by"], line["ended_how"]) == ("ping", "close"), line
    assert (line["close_client"], line["close_upstream"]) == (1011, None), line
    assert 2.9 <= float(line["upstream_silence"]) < 30, line
    assert "the origin server gave no sign of life" in tunnel.proxy.error_log()
