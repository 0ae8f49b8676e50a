"""The WebSocket clients and origin servers, as processes that tell events.

`origins/` and `clients/` hold each of them twice, on Node's `ws` and on
Python's `websockets`, with the same commands and the same events.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

from harness import HERE, LOOPBACK, PATIENCE

Event = dict[str, Any]


class Peer:
    """A script that takes JSON commands and tells JSON events, one per line."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.command = command
        self._environment = os.environ | (environment or {})
        self._events: queue.Queue[Event | None] = queue.Queue()

    def __enter__(self) -> Peer:
        self.process = subprocess.Popen(
            self.command,
            cwd=HERE,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # A thread reads, so that a peer never waits for a test that doesn't listen.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self._reader.join(PATIENCE)
            self.process.stdin.close()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def tell(self, do: str, **fields: object) -> None:
        """Gives a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self.process.stdin.flush()

    def next_event(self) -> Event:
        """The next event, whatever it is."""
        event = self._events.get(timeout=PATIENCE)
        if event is None:
            self._events.put(None)
            raise AssertionError(f"{self.command[1]} ended with status {self.process.wait(PATIENCE)}")
        return event

    def expect(self, name: str) -> Event:
        """The next event, which has to be `name`."""
        event = self.next_event()
        assert event["event"] == name, f"expected {name}, got {event}"
        return event

    def expect_exit(self) -> None:
        """The process ends by itself, with success and without a further event."""
        event = self._events.get(timeout=PATIENCE)
        assert event is None, f"expected the end, got {event}"
        assert self.process.wait(PATIENCE) == 0

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._events.put(json.loads(line))
        self._events.put(None)


class Origin(Peer):
    """A WebSocket origin server; `kind` is "ws" (Node) or "websockets" (Python)."""

    def __init__(self, kind: str, host: str = LOOPBACK, inside: Sequence[str] = ()) -> None:
        """`host`: the address that it listens on; `inside`: what its command line begins with."""
        super().__init__([*inside, *_interpreter(kind, "origins", "origin"), host])
        self.kind = kind

    def __enter__(self) -> Origin:
        super().__enter__()
        self.port: int = self.expect("listening")["port"]
        return self


class Client(Peer):
    """A WebSocket client; `kind` is "ws" (Node) or "websockets" (Python)."""

    def __init__(
        self,
        kind: str,
        url: str,
        environment: dict[str, str] | None = None,
        inside: Sequence[str] = (),
        **options: object,
    ) -> None:
        """`inside`: what its command line begins with; `options` are the client's own."""
        command = [*inside, *_interpreter(kind, "clients", "client"), url, json.dumps(options)]
        super().__init__(command, environment)
        self.kind = kind
        self.opened: Event = {}

    def __enter__(self) -> Client:
        super().__enter__()
        return self


def _interpreter(kind: str, folder: str, role: str) -> list[str]:
    commands = {
        "ws": ["node", str(HERE / folder / f"node_{role}.mjs")],
        "websockets": [sys.executable, str(HERE / folder / f"python_{role}.py")],
    }
    return commands[kind]
