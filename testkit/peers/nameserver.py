"""A name server for tests: A records that a test can change (RFC 1035)."""

from __future__ import annotations

import socket
import struct
import threading

from basics import LOOPBACK, PATIENCE

NAME_ERROR = 3


class NameServer:
    """Answers questions for the names in `addresses`; others don't exist."""

    def __init__(self, addresses: dict[str, list[str]], ttl: int) -> None:
        self.addresses = addresses
        self.ttl = ttl
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> NameServer:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (LOOPBACK, self.port))
        self._thread.join(PATIENCE)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, client = self._socket.recvfrom(512)
            if not question:
                return
            self._socket.sendto(self._answer(question), client)

    def _answer(self, question: bytes) -> bytes:
        labels = []
        at = 12
        while length := question[at]:
            labels.append(question[at + 1 : at + 1 + length].decode())
            at += 1 + length
        (kind,) = struct.unpack("!H", question[at + 1 : at + 3])
        name = ".".join(labels).lower()
        self.asked.append(name)
        known = self.addresses.get(name)
        addresses = known if known is not None and kind == 1 else []
        flags = 0x8180 | (0 if known is not None else NAME_ERROR)
        head = struct.pack("!2s5H", question[:2], flags, 1, len(addresses), 0, 0)
        # Each answer's name points to the question's.
        records = b"".join(
            struct.pack("!3HIH", 0xC00C, 1, 1, self.ttl, 4) + socket.inet_aton(address) for address in addresses
        )
        return head + question[12 : at + 5] + records
