"""A strict reader of HTTP/1.1 messages, written from RFC 9112.

It accepts what a sender may generate, and nothing that a recipient may forgive.
It shares nothing with any proxy, nor with the reader in `testkit/src/strict`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110 §7.2, RFC 3986 §3.2.2.
IP_LITERAL = rb"\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+)\]"
NAME = rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+"
AUTHORITY = re.compile(rb"(?:" + IP_LITERAL + rb"|" + NAME + rb")(?::[0-9]*)?")
# RFC 9110 §6.5.1: what frames, routes or is about one hop has no business in a trailer section.
NO_TRAILERS = frozenset(b"content-length transfer-encoding host connection te trailer upgrade".split())

Lines = list[tuple[bytes, bytes]]


class Fault(Exception):
    """The bytes can't be, or can't become, a message."""

    def __init__(self, what: str, data: bytes) -> None:
        super().__init__(f"{what}: {data[:200]!r}")


@dataclass
class Request:
    """A request, or as much of it as has come behind its head."""

    method: str
    target: str
    host: bytes
    http11: bool
    lines: Lines
    content: bytes = b""
    trailers: Lines = field(default_factory=list)
    whole: int | None = None

    @property
    def line(self) -> str:
        """Method and target; a byte is a character."""
        return f"{self.method} {self.target}"

    @property
    def offers_upgrade(self) -> bool:
        """HTTP/1.1, an `Upgrade` that names a protocol, and the option that makes it count (RFC 9110 §7.8)."""
        protocols, options = (elements(values(self.lines, name)) for name in (b"upgrade", b"connection"))
        named = any(all(map(TOKEN.fullmatch, protocol.split(b"/"))) for protocol in protocols)
        return self.http11 and named and b"upgrade" in options


@dataclass
class Response:
    """A response, or as much of it as has come behind its head."""

    status: int
    lines: Lines
    content: bytes = b""
    trailers: Lines = field(default_factory=list)
    whole: int | None = None
    until_close: bool = False

    @property
    def interim(self) -> bool:
        """Whether another response to the same request follows (RFC 9110 §15.2)."""
        return 100 <= self.status < 200 and self.status != 101

    def value(self, name: bytes) -> bytes | None:
        """The value of the first field of that name."""
        return next((value for other, value in self.lines if other == name), None)


def read_request(data: bytes) -> Request | None:
    """Reads a request from the front of `data`; None while its head isn't whole."""
    head = read_head(data)
    if head is None:
        return None
    start, lines, length = head
    match start.split(b" "):
        case [method, target, b"HTTP/1.0" | b"HTTP/1.1" as version] if TOKEN.fullmatch(method):
            pass
        case _:
            raise Fault("a request line", start)
    hosts = values(lines, b"host")
    if len(hosts) > 1 or (not hosts and version == b"HTTP/1.1"):
        raise Fault(f"{len(hosts)} Hosts", data[:length])
    host = hosts[0] if hosts else b""
    if hosts and not AUTHORITY.fullmatch(host):
        raise Fault("a malformed Host", host)
    target = origin_form(method, target, host)
    request = Request(method.decode(), target.decode("latin-1"), host, version == b"HTTP/1.1", lines)
    kind, size = framing(lines, version)
    request.content, request.trailers, consumed = read_content(data[length:], kind, size)
    request.whole = None if consumed is None else length + consumed
    return request


def read_response(data: bytes, method: str) -> Response | None:
    """Reads a response to `method` from the front of `data`; None while its head isn't whole."""
    head = read_head(data)
    if head is None:
        return None
    start, lines, length = head
    matched = re.fullmatch(rb"(HTTP/1\.[01]) ([1-5][0-9]{2}) [^\r\n]*", start)
    if not matched:
        raise Fault("a status line", start)
    status = int(matched[2])
    kind, size = framing(lines, matched[1])
    if (status < 200 or status == 204) and kind != "unsaid":
        raise Fault("framing fields where none may be", data[:length])
    response = Response(status, lines)
    if status < 200 or status in (204, 304) or method == "HEAD":
        kind = "unsaid"
    elif kind == "unsaid":
        response.until_close = True
        response.content = data[length:]
        return response
    response.content, response.trailers, consumed = read_content(data[length:], kind, size)
    response.whole = None if consumed is None else length + consumed
    return response


def read_head(data: bytes) -> tuple[bytes, Lines, int] | None:
    """Start-line, field lines, and the length of both; None when the empty line has not come."""
    lines: list[bytes] = []
    at = 0
    while (line := read_line(data, at)) is not None:
        at += len(line) + 2
        if line:
            lines.append(line)
        elif not lines:
            raise Fault("an empty line before a start-line", data)
        else:
            return lines[0], [read_field(line) for line in lines[1:]], at
    return None


def read_line(data: bytes, at: int) -> bytes | None:
    """The line at `at`, which ends in CRLF; nothing else that could end one is in it (§2.2)."""
    end = data.find(b"\r\n", at)
    line = data[at:] if end < 0 else data[at:end]
    if end < 0 and line.endswith(b"\r"):
        line = line[:-1]
    if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line):
        raise Fault("a control byte in a line", line)
    return None if end < 0 else line


def read_field(line: bytes) -> tuple[bytes, bytes]:
    """`field-name ":" OWS field-value OWS` (§5); the name in lower case."""
    name, colon, value = line.partition(b":")
    if not colon or not TOKEN.fullmatch(name):
        raise Fault("a field line", line)
    return name.lower(), value.strip(b" \t")


def origin_form(method: bytes, target: bytes, host: bytes) -> bytes:
    """The target without what absolute-form has in front (§3.2).

    Bytes that a URI can't hold but browsers send are none of framing's business.
    """
    if re.search(rb"[\x00-\x20#\x7f]", target):
        raise Fault("a request-target", target)
    if target.startswith(b"/") or (target, method) == (b"*", b"OPTIONS"):
        return target
    if method == b"CONNECT" and b":" in target and AUTHORITY.fullmatch(target):
        return target
    matched = re.fullmatch(rb"(?i:https?)://([^/]*)(/.*)?", target)
    if not matched:
        raise Fault("a request-target", target)
    # §3.2.2: whoever forwards absolute-form makes Host say the same.
    if matched[1].lower() != host.lower():
        raise Fault("Host and request-target disagree", target)
    # §3.2.4: to OPTIONS, a URI without a path is an asterisk.
    return matched[2] or (b"*" if method == b"OPTIONS" else b"/")


def values(lines: Lines, name: bytes) -> list[bytes]:
    """The values of a field, in order."""
    return [value for other, value in lines if other == name]


def elements(lines: list[bytes]) -> list[bytes]:
    """The elements of a list in several lines, in lower case."""
    return [element.strip(b" \t").lower() for line in lines for element in line.split(b",")]


def framing(lines: Lines, version: bytes) -> tuple[str, int]:
    """`chunked`, `length` with its number, or `unsaid` (§6.3)."""
    codings, lengths = values(lines, b"transfer-encoding"), values(lines, b"content-length")
    match codings, lengths:
        case [], []:
            return "unsaid", 0
        case [], [digits] if re.fullmatch(rb"[0-9]+", digits) and int(digits) < 1 << 64:
            return "length", int(digits)
        case [coding], [] if coding.lower() == b"chunked" and version == b"HTTP/1.1":
            return "chunked", 0
    raise Fault("framing", b"%b, Transfer-Encoding %b, Content-Length %b" % (
        version, b" and ".join(codings) or b"-", b" and ".join(lengths) or b"-",
    ))


def read_content(data: bytes, kind: str, size: int) -> tuple[bytes, Lines, int | None]:
    """Content, trailer section, and the length of both on the wire; None when more is to come."""
    if kind == "unsaid":
        return b"", [], 0
    if kind == "length":
        return data[:size], [], size if len(data) >= size else None
    content = bytearray()
    at = 0
    while (line := read_line(data, at)) is not None:
        at += len(line) + 2
        matched = re.fullmatch(rb"([0-9A-Fa-f]+)(?:[ \t]*;.*)?", line)
        if not matched or int(matched[1], 16) >= 1 << 64:
            raise Fault("a chunk size", line)
        length = int(matched[1], 16)
        if length == 0:
            return bytes(content), *read_trailers(data, at)
        content += data[at : at + length]
        at += length
        behind = data[at : at + 2]
        if not b"\r\n".startswith(behind):
            raise Fault("chunk data without CRLF behind it", data[at : at + 20])
        if len(behind) < 2:
            break
        at += 2
    return bytes(content), [], None


def read_trailers(data: bytes, at: int) -> tuple[Lines, int | None]:
    """The trailer section at `at`, and where it ends."""
    trailers: Lines = []
    while (line := read_line(data, at)) is not None:
        at += len(line) + 2
        if not line:
            return trailers, at
        name, value = read_field(line)
        if name in NO_TRAILERS:
            raise Fault("a trailer field that must not be one", line)
        trailers.append((name, value))
    return trailers, None
