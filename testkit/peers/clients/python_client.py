"""A WebSocket client on Python's `websockets`, driven by JSON commands on
standard input, one JSON event per line on standard output. Its twin is
node_client.mjs.

    python python_client.py URL '{"subprotocols": [], "deflate": true, "count": 1, "stay": false, "reject": false}'
"""

import asyncio
import hashlib
import http.client
import json
import os
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

URL = sys.argv[1]
OPTIONS = {"subprotocols": [], "deflate": True, "count": 1, "stay": False, "reject": False} | json.loads(sys.argv[2])


class Counting(ClientConnection):
    """A connection that counts Pings; the library answers them by itself, and tells nobody."""

    pings = 0

    def process_event(self, event: Any) -> None:
        self.pings += isinstance(event, Frame) and event.opcode is Opcode.PING
        super().process_event(event)


def tell(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def describe(message: str | bytes) -> dict[str, object]:
    data = message.encode() if isinstance(message, str) else message
    fields: dict[str, object] = {
        "binary": isinstance(message, bytes),
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    if isinstance(message, str) and len(data) < 1000:
        fields["text"] = message
    return fields


def open_connection() -> connect:
    return connect(
        URL,
        subprotocols=OPTIONS["subprotocols"] or None,
        compression="deflate" if OPTIONS["deflate"] else None,
        max_size=64 * 1024 * 1024,
        ping_interval=None,
        create_connection=Counting,
        proxy=None,
    )


async def ping(connection: ClientConnection, data: str, tasks: set[asyncio.Task[None]]) -> None:
    pong = await connection.ping(data)

    async def tell_pong() -> None:
        await pong
        tell("pong", data=data)

    tasks.add(asyncio.create_task(tell_pong()))


async def with_ping_between(
    connection: ClientConnection, parts: list[str], tasks: set[asyncio.Task[None]]
) -> AsyncIterator[str]:
    """Control frames may stand between fragments."""
    for index, part in enumerate(parts):
        if index == 1:
            await ping(connection, "between", tasks)
        yield part


async def do(connection: ClientConnection, command: dict[str, object], tasks: set[asyncio.Task[None]]) -> None:
    match command:
        case {"do": "send", "text": str(text)}:
            tell("sent", **describe(text))
            await connection.send(text)
        case {"do": "send", "random": int(size)}:
            data = os.urandom(size)
            tell("sent", **describe(data))
            await connection.send(data)
        case {"do": "fragments", "parts": list(parts)}:
            await connection.send(with_ping_between(connection, parts, tasks))
        case {"do": "fragments", "random": int(size), "pieces": int(pieces)}:
            data = os.urandom(size)
            tell("sent", **describe(data))
            length = -(-size // pieces)
            await connection.send([data[at : at + length] for at in range(0, size, length)])
        case {"do": "pings"}:
            assert isinstance(connection, Counting)
            tell("pings", count=connection.pings)
        case {"do": "ping", "data": str(text)}:
            await ping(connection, text, tasks)
        case {"do": "close", "code": int(code), "reason": str(reason)}:
            await connection.close(code, reason)
        case {"do": "terminate"}:
            connection.transport.abort()
        # What no API of a WebSocket offers: bytes past the library, the end of the stream alone, no reading.
        case {"do": "raw", "hex": str(digits)}:
            connection.transport.write(bytes.fromhex(digits))
        case {"do": "end"}:
            connection.transport.write_eof()
        case {"do": "pause"}:
            connection.transport.pause_reading()
            tell("paused")
        case {"do": "resume"}:
            connection.transport.resume_reading()
        case _:
            raise ValueError(f"no such command: {command}")


async def tell_messages(connection: ClientConnection) -> None:
    try:
        async for message in connection:
            tell("message", **describe(message))
    except ConnectionClosed:
        pass  # how it ended is told below
    await connection.wait_closed()
    tell("close", code=connection.close_code, reason=connection.close_reason)


async def converse() -> None:
    async with open_connection() as connection:
        extensions = ", ".join(extension.name for extension in connection.protocol.extensions)
        port = connection.local_address[1]
        tell("open", subprotocol=connection.subprotocol or "", extensions=extensions, port=port)
        tasks = {asyncio.create_task(tell_messages(connection))}
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            await do(connection, json.loads(line), tasks)


async def crowd(count: int) -> None:
    """`count` connections, all open before the first message, an echo on each, then all are closed."""
    connections = await asyncio.gather(*(open_connection() for _ in range(count)))
    tell("all-open", count=len(connections))

    async def echoes(index: int, connection: ClientConnection) -> bool:
        await connection.send(f"message {index}")
        return await connection.recv() == f"message {index}"

    tell("all-echoed", count=sum(await asyncio.gather(*(echoes(*pair) for pair in enumerate(connections)))))
    await asyncio.gather(*(connection.close() for connection in connections))
    tell("all-closed", count=sum(connection.close_code == 1000 for connection in connections))


async def stay(count: int) -> None:
    """`count` connections that stay open until they are closed by others; how many for which code and reason."""
    connections = await asyncio.gather(*(open_connection() for _ in range(count)))
    tell("all-open", count=len(connections))
    await asyncio.gather(*(connection.wait_closed() for connection in connections))
    counts = Counter(f"{connection.close_code} {connection.close_reason}".strip() for connection in connections)
    tell("all-closed", counts=counts)


def rejected() -> None:
    """A handshake that is refused, then an ordinary request on the same connection.

    `connect()` gives the connection up when it is refused; the library's
    protocol without its IO leaves the socket to us.
    """
    target = urlsplit(URL)
    with socket.create_connection((target.hostname, target.port)) as sock:
        protocol = ClientProtocol(parse_uri(URL))
        protocol.send_request(protocol.connect())
        for data in protocol.data_to_send():
            sock.sendall(data)
        while not protocol.handshake_exc:
            data = sock.recv(65536)
            if not data:
                raise ConnectionError("the connection ended before the response did")
            protocol.receive_data(data)
        refusal = protocol.handshake_exc
        if not isinstance(refusal, InvalidStatus):
            raise refusal
        response = refusal.response
        headers = {name.lower(): value for name, value in response.headers.raw_items()}
        tell("rejected", status=response.status_code, body=response.body.decode(), headers=headers)
        plain = http.client.HTTPConnection(target.hostname or "", target.port)
        plain.sock = sock
        plain.request("GET", "/chat/plain")
        answer = plain.getresponse()
        same = plain.sock is sock
        tell("served", status=answer.status, body=answer.read().decode(), same_connection=same)


if __name__ == "__main__":
    if OPTIONS["reject"]:
        rejected()
    elif OPTIONS["stay"]:
        asyncio.run(stay(OPTIONS["count"]))
    elif OPTIONS["count"] > 1:
        asyncio.run(crowd(OPTIONS["count"]))
    else:
        asyncio.run(converse())
