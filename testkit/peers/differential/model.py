"""Cases, what was seen when one was played, and how it is shown."""

from __future__ import annotations

import email.utils
import re
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

ORIGIN, CLIENT = "origin", "client"


@dataclass(frozen=True)
class Part:
    """A piece of what one side received.

    `head` is a message head with its empty line; `content` its message body as
    it was framed on the wire; `tunnel` what came after a 101; `rest` bytes that
    are no message. Two kinds carry no received bytes: `connection` opens each
    connection of the origin server, `end` says how the client's ended (`open`,
    `closed`, `reset`, or `left` when the client went first).
    """

    kind: str
    data: bytes = b""


@dataclass(frozen=True)
class Observation:
    """What the two ends received in one run of a case."""

    origin: tuple[Part, ...]
    client: tuple[Part, ...]

    def at(self, where: str) -> tuple[Part, ...]:
        """The parts of one end."""
        return {ORIGIN: self.origin, CLIENT: self.client}[where]


@dataclass(frozen=True)
class Case:
    """One conversation, as `cases/*.toml` has it; `play` says what the steps mean."""

    name: str
    about: str
    config: str
    steps: Sequence[Mapping[str, Any]]
    answers: Sequence[Sequence[Mapping[str, Any]]] = ()
    methods: Sequence[str] = ()
    probe: bool = True

    def origin_lines(self) -> list[bytes]:
        """The field lines of all heads that the origin server sends, in order, each with CRLF."""
        lines: list[bytes] = []
        for answer in self.answers:
            data = b"".join(bytes_of(step["send"]) for step in answer if "send" in step)
            while data.startswith(b"HTTP/"):
                head, data = (*re.split(rb"\r?\n\r?\n", data, maxsplit=1), b"")[:2]
                lines += [line + b"\r\n" for line in re.split(rb"\r?\n", head)[1:]]
        return lines


def bytes_of(text: str) -> bytes:
    """A string of a data file as bytes: one character up to U+00FF is one byte."""
    return text.encode("latin-1")


def load_cases(folder: Path = HERE / "cases") -> list[Case]:
    """All cases of the data files."""
    cases = [
        Case(**{"config": "plain", **entry})
        for path in sorted(folder.glob("*.toml"))
        for entry in tomllib.loads(path.read_text())["case"]
    ]
    names = [case.name for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"cases with the same name: {', '.join(sorted(twice))}")
    return cases


@dataclass(frozen=True)
class Normaliser:
    """Takes out what can't be the same in two runs, and nothing else.

    `Date` and `Server` are replaced only where the proxy made them up: a date
    of this very moment, a product name of its own. What an origin server of a
    case sent under these names (some fixed date, some other product) stays.
    """

    ports: Mapping[int, str] = field(default_factory=dict)

    PRODUCT = re.compile(rb"(?:nginx|underpass)(?:/[0-9][0-9A-Za-z.\-+]*)?")
    SERVER = re.compile(rb"(?mi)^(Server: )([^\r\n]*)")
    DATE = re.compile(rb"(?mi)^(Date: )([^\r\n]*)")

    def __call__(self, parts: Iterable[Part]) -> tuple[Part, ...]:
        """The parts with placeholders."""
        return tuple(Part(part.kind, self._bytes(part)) for part in parts)

    def _bytes(self, part: Part) -> bytes:
        data = part.data
        for port, name in self.ports.items():
            data = re.sub(rb"(?<=:)%d(?![0-9])" % port, b"<%s>" % name.encode(), data)
        if part.kind == "head":
            data = self.SERVER.sub(self._server, data)
            data = self.DATE.sub(self._date, data)
        return data

    def _server(self, match: re.Match[bytes]) -> bytes:
        return match[1] + b"<server>" if self.PRODUCT.fullmatch(match[2]) else match[0]

    def _date(self, match: re.Match[bytes]) -> bytes:
        try:
            moment = email.utils.parsedate_to_datetime(match[2].decode("ascii"))
        except (TypeError, ValueError):
            return match[0]
        canonical = email.utils.format_datetime(moment, usegmt=True).encode() if moment.tzinfo else b""
        now = canonical == match[2] and abs(moment.timestamp() - time.time()) < 86_400
        return match[1] + b"<date>" if now else match[0]


def render(parts: Iterable[Part]) -> list[str]:
    """One line for each line received, every byte visible, for reading and for diffs."""
    lines: list[str] = []
    for part in parts:
        if part.kind == "connection":
            lines.append("== a new connection")
        elif part.kind == "end":
            lines.append(f"== end: {part.data.decode('latin-1')}")
        else:
            lines.append(f"-- {part.kind}")
            lines.extend(f"   {visible(line)}" for line in part.data.splitlines(keepends=True))
    return lines


def visible(data: bytes) -> str:
    """Bytes as printable text, with Python's escapes."""
    return repr(data)[2:-1]
