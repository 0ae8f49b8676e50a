"""The proxies that the corpus is played through, each with a minimal sane configuration:
HTTP/1.1 to the origin server, connections to it kept, WebSockets allowed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from basics import LOOPBACK, PATIENCE, free_port, wait_until_accepting
from harness import Proxy, underpass_binary

from .corpus import Case
from .play import Seen, play

# What a case's directives call the origin server.
ORIGIN_OF_CASES = "127.0.0.1:9000"

UNDERPASS_SERVER = """
    server {{
        listen 127.0.0.1:{port};
        {server}
        {recipe}
    }}
"""

UNDERPASS_LOCATION = """
        location {path} {{
            proxy_pass http://127.0.0.1:{origin};
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            {location}
        }}
"""

# Its first recipe would tell the origin server of an upgrade on every request; this is its second one.
NGINX_SERVER = """
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        server_name a;
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_ignore_client_abort on;
            proxy_read_timeout 500ms;
            lingering_timeout 500ms;
        }}
    }}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 2s
    timeout client 500ms
    timeout server 500ms
    timeout tunnel 500ms
    timeout http-request 500ms

frontend clients
    bind 127.0.0.1:{port}
    default_backend origin

backend origin
    server origin 127.0.0.1:{origin}
"""


class Playground:
    """A running proxy, and the origin server behind it."""

    def __init__(self, kind: str, ports: dict[tuple[str, str], int], listener: socket.socket) -> None:
        self.kind = kind
        self._ports = ports
        self._listener = listener

    def can_play(self, case: Case) -> bool:
        """Whether the case can be played through this proxy."""
        return self.kind not in case.not_for and case.on_sockets and (case.server, case.location) in self._ports

    def play(self, case: Case) -> Seen:
        """Plays it; underpass is waited for until it has answered what it should."""
        port = self._ports[(case.server, case.location)]
        return play(case, (LOOPBACK, port), self._listener, len(case.status) if self.kind == "underpass" else None)


@contextmanager
def running(kind: str, cases: Iterable[Case], folder: Path) -> Iterator[Playground]:
    """Starts a proxy for these cases."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((LOOPBACK, 0), backlog=256))
        origin = listener.getsockname()[1]
        if kind == "haproxy":
            ports = {("", ""): stack.enter_context(haproxy(origin, folder))}
        else:
            ports = {("", ""): free_port()}
            text = NGINX_SERVER.format(port=ports["", ""], origin=origin)
            if kind == "underpass":
                ports |= {(case.server, case.location): free_port() for case in cases if not case.for_any_proxy}
                text = "".join(_underpass_server(port, origin, *own) for own, port in ports.items())
            text = f"events {{ worker_connections 1024; }}\nworker_processes 1;\nhttp {{\n{text}}}\n"
            stack.enter_context(Proxy(kind, text, folder, port=ports["", ""]))
        yield Playground(kind, ports, listener)


def _underpass_server(port: int, origin: int, server: str, location: str) -> str:
    server = server.replace(ORIGIN_OF_CASES, f"127.0.0.1:{origin}")
    # The probe's way stays open where the case has a location for everything.
    path = "= /probe" if "location / " in server else "/"
    recipe = UNDERPASS_LOCATION.format(path=path, origin=origin, location=location)
    return UNDERPASS_SERVER.format(port=port, server=server, recipe=recipe)


@contextmanager
def haproxy(origin: int, folder: Path) -> Iterator[int]:
    """HAProxy on a port of its own."""
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, origin=origin))
    command = [program("haproxy"), "-db", "-f", str(config)]
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until_accepting(port, lambda: None if process.poll() is None else _ended(folder))
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def program(kind: str) -> str:
    """Where a proxy's program is; Debian keeps some out of everybody's path."""
    if kind == "underpass":
        return str(underpass_binary())
    return shutil.which(kind, path=f"{os.environ['PATH']}:/usr/sbin") or kind


def _ended(folder: Path) -> None:
    raise AssertionError(f"haproxy ended: {(folder / 'haproxy.log').read_text()}")
