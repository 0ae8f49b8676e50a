"""Sends the requests of a case through a proxy.

What can't be the same in two runs, or is another test's business, is taken out here:

- names of fields are in lower case and their order is not kept; lines of one name stay in order
  (`differential/` compares bytes, order and spelling)
- `Content-Length` and `Transfer-Encoding`: the content they frame is compared
- ports: the name of the origin server or of the `listen`, in angle brackets; the client's own port
- 32 hex digits (`$request_id`), and moments near the present (`Date`, `Expires`, `$time_iso8601`, `$msec`)
"""

from __future__ import annotations

import email.utils
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from harness import LOOPBACK, PATIENCE, Connection, Proxy

from .layout import Layout, Ports
from .model import Arrival, Case, Exchange, Request
from .origins import Fields, Origins, parse_head, read_content

# A browser's handshake; the key is that of RFC 6455 section 1.3.
HANDSHAKE = (
    "Upgrade: websocket",
    "Connection: keep-alive, Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
)
# A masked text frame: "Hello" (RFC 6455 section 5.7).
FRAME = bytes.fromhex("818537fa213d7f9f4d5158")

DATE = re.compile(r"\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
ISO8601 = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")
MSEC = re.compile(r"(?<![\d.])(\d{10})\.\d{3}(?!\d)")
HEX32 = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


class Stage:
    """The origin servers of a case and the ports of its listeners: the same for both proxies."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.folder = folder
        self.ports = Ports()
        self.origins = Origins(case, folder)

    def __enter__(self) -> Stage:
        self.origins.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.origins.__exit__(*error)  # type: ignore[arg-type]

    def proxy(self, kind: str, run: str) -> Proxy:
        """A proxy with the case's files, not started; `run` tells its folder from others."""
        folder = self.folder / run
        layout = Layout(self.case, kind, folder / kind, self.ports, self.origins.addresses)
        port = next(iter(self.ports.names()), 0)
        return Proxy(kind, layout.main, folder, nginx_http=self.case.nginx_http, port=port)

    def play(self, kind: str, run: str) -> list[Exchange]:
        """What comes of each request."""
        with self.proxy(kind, run) as proxy:
            return [self._exchange(proxy, request) for request in self.case.requests]

    def _exchange(self, proxy: Proxy, request: Request) -> Exchange:
        self.origins.wait_for_tunnels()
        self.origins.answers = request.answers
        self.origins.take()
        with self._client(proxy, request) as (sock, normal):
            connection = Connection(sock, ("", 0), record=False)
            try:
                connection.send(message(request))
                return self._answer(connection, request, normal)
            except (TimeoutError, ConnectionError) as error:
                raise AssertionError(f"{self.case.name}/{request.name}: no whole answer: {error!r}") from None

    def _answer(self, connection: Connection, request: Request, normal: Normal) -> Exchange:
        head = connection.recv_head()
        if head is None:
            # As after `return 444`.
            return Exchange([normal.arrival(one) for one in self.origins.take()], "none", {}, "", "")
        start, fields = parse_head(head)
        status = start.split(" ")[1]
        tunnel, content = "", b""
        if status == "101":
            connection.send(FRAME)
            tunnel = connection.recv_exactly(len(FRAME)).hex(" ")
        elif request.method == "HEAD" or status in ("204", "304"):
            pass
        elif "transfer-encoding" in fields or "content-length" in fields:
            content = read_content(connection, fields)
        else:
            content = connection.recv_until_end()
        arrivals = [normal.arrival(one) for one in self.origins.take()]
        return Exchange(arrivals, status, normal.fields(fields), normal(content.decode("latin-1")), tunnel)

    @contextmanager
    def _client(self, proxy: Proxy, request: Request) -> Iterator[tuple[socket.socket, Normal]]:
        names = {**self.origins.ports, **self.ports.names()}
        written = request.listen
        if written and written.startswith("unix:"):
            path = proxy.prefix / "run" / Path(written).name
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(PATIENCE)
                sock.connect(str(path))
                yield sock, Normal(names, proxy.prefix)
            return
        host, _, port = self.ports.address(written).rpartition(":") if written else (LOOPBACK, "", str(proxy.port))
        with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as sock:
            names[sock.getsockname()[1]] = "client port"
            if int(port) not in self.ports.secured:
                yield sock, Normal(names, proxy.prefix)
                return
            # An address is no name to send (RFC 6066 §3).
            name = None if request.host.startswith("[") else request.host.partition(":")[0]
            with tls_context().wrap_socket(sock, server_hostname=name) as secured:
                yield secured, Normal(names, proxy.prefix)


def tls_context() -> ssl.SSLContext:
    """How a client speaks TLS: the certificates were made for the test, and nobody vouches for them."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def message(request: Request) -> bytes:
    """The request as a client sends it."""
    lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {request.host}"]
    lines += HANDSHAKE if request.websocket else ()
    lines += request.fields
    content = request.content
    if request.chunked:
        lines.append("Transfer-Encoding: chunked")
        content = f"{len(content):x}\r\n{content}\r\n0\r\n\r\n"
    elif content:
        lines.append(f"Content-Length: {len(content)}")
    return (request.preamble + "\r\n".join([*lines, "", content])).encode("latin-1")


class Normal:
    """Takes out what can't be the same in two runs."""

    def __init__(self, ports: Mapping[int, str], prefix: Path) -> None:
        self.ports = ports
        self.prefix = str(prefix)

    def __call__(self, text: str) -> str:
        text = text.replace(self.prefix, "<prefix>")
        for port, name in self.ports.items():
            text = re.sub(rf"(?<!\d){port}(?!\d)", f"<{name}>", text)
        text = HEX32.sub("<32 hex digits>", text)
        text = MSEC.sub(lambda match: moment(float(match[1]), match[0]), text)
        text = ISO8601.sub(lambda match: moment(datetime.fromisoformat(match[0]).timestamp(), match[0]), text)
        return DATE.sub(lambda match: moment(email.utils.parsedate_to_datetime(match[0]).timestamp(), match[0]), text)

    def fields(self, fields: Fields) -> dict[str, Sequence[str]]:
        """The fields of a message."""
        return {name: [self(value) for value in values] for name, values in fields.items()}

    def arrival(self, arrival: Arrival) -> Arrival:
        """A request."""
        return replace(
            arrival,
            target=self(arrival.target),
            fields=self.fields(dict(arrival.fields)),  # type: ignore[arg-type]
            content=self(arrival.content),
        )


def moment(seconds: float, text: str) -> str:
    """How far from now a moment is, in whole units; `text` if it is none of these years."""
    away = seconds - time.time()
    for unit, length, limit in (("min", 60, 120), ("h", 3_600, 72), ("d", 86_400, 3_650)):
        if abs(away) < limit * length:
            return f"<now + {round(away / length)} {unit}>"
    return text
