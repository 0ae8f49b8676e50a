"""Each cause that ends a tunnel (G9), provoked with real peers: what each of them gets, and what the log says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness import HERE, LOOPBACK, default_kind, wait_until
from namespaces import Namespaces, NearProxy
from wspeers import Client, Origin, Peer

CONF = """
worker_shutdown_timeout 1s;
events { }
http {
    access_log off;
    error_log error.log info;
    upgrade_log tunnels.log;
    upgrade_close_timeout 20s;
    server {
        listen 127.0.0.1:{{port}};
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_read_timeout 1h;
        location / { proxy_pass http://127.0.0.1:{{origin}}; }
        location /ping { proxy_pass http://127.0.0.1:{{origin}}; upgrade_ping_interval 200ms; upgrade_ping_timeout 3s; }
        location /silence { proxy_pass http://127.0.0.1:{{origin}}; upgrade_client_silence 500ms; }
        location /idle { proxy_pass http://127.0.0.1:{{origin}}; proxy_read_timeout 500ms; }
        location /send { proxy_pass http://127.0.0.1:{{origin}}; send_timeout 500ms; }
        location /half-close { proxy_pass http://127.0.0.1:{{origin}}; upgrade_half_close_timeout 500ms; }
        location /lifetime { proxy_pass http://127.0.0.1:{{origin}}; upgrade_max_lifetime 500ms; }
        location /limit { proxy_pass http://127.0.0.1:{{origin}}; upgrade_message_limit 1000; }
        location /violation { proxy_pass http://127.0.0.1:{{origin}}; upgrade_websocket_strict on; }
        location /drain {
            proxy_pass http://127.0.0.1:{{origin}};
            upgrade_drain_on_reload on;
            upgrade_drain_window 500ms;
        }
    }
}
"""


@dataclass
class Tunnel:
    """A WebSocket that is open at both ends."""

    proxy: NearProxy
    client: Client
    origin: Origin
    # Who was stopped, and goes on when the tunnel has ended.
    stopped: list[int] = field(default_factory=list)

    def stop(self, peer: Peer) -> None:
        """The peer's process stands still: its system still acknowledges what comes."""
        os.kill(peer.process.pid, signal.SIGSTOP)
        self.stopped.append(peer.process.pid)

    def go_on(self) -> None:
        """Peers that stood still or didn't read see what has become of the tunnel."""
        for pid in self.stopped:
            os.kill(pid, signal.SIGCONT)


def client_closes(tunnel: Tunnel) -> None:
    tunnel.client.tell("close", code=1000, reason="enough")


def client_goes(tunnel: Tunnel) -> None:
    tunnel.client.tell("terminate")


def origin_closes(tunnel: Tunnel) -> None:
    tunnel.client.tell("send", text="!close 1000 enough")
    tunnel.client.expect("sent")


def origin_goes(tunnel: Tunnel) -> None:
    tunnel.client.tell("send", text="!terminate")
    tunnel.client.expect("sent")


def client_stands_still(tunnel: Tunnel) -> None:
    tunnel.stop(tunnel.client)


def origin_stands_still(tunnel: Tunnel) -> None:
    tunnel.stop(tunnel.origin)


def client_reads_nothing(tunnel: Tunnel) -> None:
    tunnel.client.tell("pause")
    tunnel.client.expect("paused")
    tunnel.client.tell("send", text="!flood 64")
    tunnel.client.expect("sent")


def client_half_closes(tunnel: Tunnel) -> None:
    # An origin server that runs would end its own stream.
    tunnel.stop(tunnel.origin)
    tunnel.client.tell("end")


def client_says_too_much(tunnel: Tunnel) -> None:
    tunnel.client.tell("send", text="x" * 1001)
    tunnel.client.expect("sent")


def client_breaks_a_rule(tunnel: Tunnel) -> None:
    # Opcode 3 is reserved.
    tunnel.client.tell("raw", hex="838001020304")


def nothing(_: Tunnel) -> None:
    pass


def signalled(number: signal.Signals) -> Callable[[Tunnel], None]:
    return lambda tunnel: tunnel.proxy.process.send_signal(number)


@dataclass(frozen=True)
class Scenario:
    """How a tunnel of this location comes to its end."""

    cause: str
    words: str
    provoke: Callable[[Tunnel], None]
    path: str = "/"
    # Sides that are told and whose answer isn't awaited: where it has come before their connection is closed, the system
    # makes a RST of the FIN, for it is never read.
    unawaited: tuple[str, ...] = ()


BOTH = ("client", "origin")

SCENARIOS = [
    Scenario("client", 'the client says Close 1000 "enough"', client_closes),
    Scenario("client", "the client ends its connection without a word", client_goes),
    Scenario("upstream", 'the origin server says Close 1000 "enough"', origin_closes),
    Scenario("upstream", "the origin server ends its connection without a word", origin_goes),
    Scenario("ping", "the client's process stands still", client_stands_still, "/ping"),
    Scenario("ping", "the origin server's process stands still", origin_stands_still, "/ping"),
    Scenario("silence", "the client says nothing for `upgrade_client_silence`", nothing, "/silence"),
    Scenario("idle", "nothing moves for `proxy_read_timeout`", nothing, "/idle", BOTH),
    Scenario(
        "send",
        "the client reads nothing for `send_timeout`, in the midst of a message",
        client_reads_nothing,
        "/send",
    ),
    Scenario(
        "half-close",
        "the client ends its stream, the origin server doesn't for `upgrade_half_close_timeout`",
        client_half_closes,
        "/half-close",
    ),
    Scenario("lifetime", "the tunnel is as old as `upgrade_max_lifetime`", nothing, "/lifetime"),
    Scenario("limit", "the client's message is longer than `upgrade_message_limit`", client_says_too_much, "/limit"),
    Scenario(
        "violation",
        "the client's frame has a reserved opcode (`upgrade_websocket_strict on`)",
        client_breaks_a_rule,
        "/violation",
        ("client",),
    ),
    Scenario("drain", "HUP, with `upgrade_drain_on_reload on` and a window", signalled(signal.SIGHUP), "/drain"),
    Scenario("shutdown", "QUIT without a window, until `worker_shutdown_timeout`", signalled(signal.SIGQUIT)),
    Scenario("shutdown", "TERM", signalled(signal.SIGTERM), "/", BOTH),
]

# The causes of G9.
CAUSES = [
    "client",
    "upstream",
    "ping",
    "silence",
    "idle",
    "send",
    "half-close",
    "lifetime",
    "limit",
    "violation",
    "drain",
    "shutdown",
]

HEADER = """\
| `ended_by` | What happens | The client gets | The origin server gets | `ended_how` | `close_client` | `close_upstream` |
|---|---|---|---|---|---|---|
"""


def rows(kind: str, tmp_path: Path) -> Iterator[str]:
    """The rows of the table, with clients and origin servers of this kind."""
    with Namespaces() as namespaces:
        wire = Peer([*namespaces.near, sys.executable, str(HERE / "wire.py")])
        with wire, Origin(kind, LOOPBACK, inside=namespaces.near) as origin:
            wire.expect("listening")
            for number, scenario in enumerate(SCENARIOS):
                folder = tmp_path / f"{kind}-{number}"
                yield row(scenario, kind, namespaces, wire, origin, folder)


def row(
    scenario: Scenario, kind: str, namespaces: Namespaces, wire: Peer, origin: Origin, folder: Path
) -> str:
    """One row. A proxy of its own, for some of them end it."""
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(
            NearProxy(namespaces, default_kind(), CONF, folder, address=LOOPBACK, origin=origin.port)
        )
        url = f"ws://{proxy.authority}{scenario.path}"
        # What is compressed takes a while to fill a connection.
        client = stack.enter_context(Client(kind, url, inside=namespaces.near, deflate=False))
        ports = {"client": client.expect("open")["port"], "origin": origin.expect("open")["port"]}
        tunnel = Tunnel(proxy, client, origin)
        scenario.provoke(tunnel)
        log = proxy.prefix / "tunnels.log"
        wait_until(lambda: '"event":"close"' in log.read_text(), f"{scenario.words}: the tunnel's line")
        tunnel.go_on()
        if scenario.provoke is client_reads_nothing:
            client.tell("resume")
        got = {"client": client.expect("close"), "origin": origin.expect("close")}
        ends = ends_of(wire, proxy.port, ports)
        line = json.loads(log.read_text().splitlines()[-1])
    assert line["ended_by"] == scenario.cause, line
    ends |= dict.fromkeys(scenario.unawaited, "FIN or RST")
    cells = [
        f"`{line['ended_by']}`",
        scenario.words,
        *(f"{told(got[side])}, {ends[side]}" for side in ("client", "origin")),
        f"`{line['ended_how']}`",
        code(line["close_client"]),
        code(line["close_upstream"]),
    ]
    return f"| {' | '.join(cells)} |\n"


def ends_of(wire: Peer, port: int, ports: dict[str, int]) -> dict[str, str]:
    """How the proxy has ended its connection to each side: what it has sent first of FIN and RST."""
    ends: dict[str, str] = {}
    while len(ends) < 2:
        end = wire.expect("end")
        if (end["from"], end["to"]) == (port, ports["client"]):
            ends.setdefault("client", end["end"])
        if end["from"] == ports["origin"]:
            ends.setdefault("origin", end["end"])
    return ends


def told(close: dict[str, object]) -> str:
    """Code and reason as a library tells them: 1006 is its word for no Close at all (RFC 6455 §7.4.1)."""
    reason = f' "{close["reason"]}"' if close["reason"] else ""
    return f"{close['code']}{reason}"


def code(of_side: object) -> str:
    return "none" if of_side is None else str(of_side)
