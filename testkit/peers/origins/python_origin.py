"""An origin server on Python's `websockets`: echoes, and does what a message
that starts with `!` says. One JSON event per line on standard output.
Its twin on Node is node_origin.mjs; the tests don't know which one they talk to.

    python python_origin.py ADDRESS
"""

import asyncio
import http
import json
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

REFUSAL = "no entry without a ticket\n"
# The length of a fragment in which `…/fragments` echoes what is binary.
FRAGMENT = 65_536


class Counting(ServerConnection):
    """A connection that counts Pings; the library answers them by itself, and tells nobody."""

    pings = 0

    def process_event(self, event: Any) -> None:
        self.pings += isinstance(event, Frame) and event.opcode is Opcode.PING
        super().process_event(event)


def tell(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def answer_plainly(connection: ServerConnection, request: Request) -> Response | None:
    """The answer to what shall not become a WebSocket."""
    if urlsplit(request.path).path == "/chat/reject":
        refusal = connection.respond(http.HTTPStatus.UNAUTHORIZED, REFUSAL)
        refusal.headers["WWW-Authenticate"] = 'Basic realm="chat"'
        return refusal
    if "Upgrade" not in request.headers:
        return connection.respond(http.HTTPStatus.OK, f"plain GET {request.path}\n")
    return None


def choose_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol("chat.v1") if "chat.v1" in offered else None


async def do(connection: ServerConnection, name: str, rest: list[str]) -> None:
    match name:
        case "pings":
            assert isinstance(connection, Counting)
            await connection.send(f"pings {connection.pings}")
        case "close":
            await connection.close(int(rest[0]), " ".join(rest[1:]))
        case "terminate":
            connection.transport.abort()
        case "flood":
            await connection.send(bytes(int(rest[0]) << 20))
        case "ping":
            # The answer is read by this same connection's reader, not by this task.
            await (await connection.ping(rest[0]))
            await connection.send(f"pong {rest[0]}")
        case "fragments":
            await connection.send(rest)
        case _:
            raise ValueError(f"no such command: {name}")


async def serve_one(connection: ServerConnection) -> None:
    request = connection.request
    assert request is not None
    tell(
        "open",
        path=request.path,
        host=request.headers["Host"],
        subprotocol=connection.subprotocol or "",
        extensions=", ".join(extension.name for extension in connection.protocol.extensions),
        port=connection.remote_address[1],
    )
    try:
        async for message in connection:
            if isinstance(message, str) and message.startswith("!"):
                name, *rest = message[1:].split(" ")
                await do(connection, name, rest)
            elif isinstance(message, bytes) and request.path.endswith("/fragments"):
                await connection.send([message[at : at + FRAGMENT] for at in range(0, len(message), FRAGMENT)])
            else:
                await connection.send(message)
    except ConnectionClosed:
        pass  # how it ended is told below
    await connection.wait_closed()
    tell("close", code=connection.close_code, reason=connection.close_reason)


async def main() -> None:
    async with serve(
        serve_one,
        sys.argv[1],
        0,
        process_request=answer_plainly,
        select_subprotocol=choose_subprotocol,
        subprotocols=[Subprotocol("chat.v1")],
        max_size=64 * 1024 * 1024,
        ping_interval=None,
        create_connection=Counting,
        backlog=1024,
    ) as server:
        tell("listening", port=server.sockets[0].getsockname()[1])
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
