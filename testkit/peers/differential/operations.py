"""The operations of the rows: what may be done to what nginx produced.

On each message head at the row's end of the case (`where`), or only on the
messages that `when` finds and `unless` doesn't (regular expressions,
searched in head and content), or only on the messages counted in `only` (from 1):

- `add-line`: `line` behind the last field line, or behind those named `after`
- `drop-lines`: all lines called one of `names`
- `replace-line`: `line` becomes `with`
- `keep-lines`: the lines called one of `names` are those that the origin server sent,
  if it is asked at all in the case
- `origin-order`: field lines stand in the order, and with the spelling of the
  name, in which the origin server sent them; behind them those that it didn't
  send and those called one of `last`, in the order in which they stood
- `replace-start`: start line `start` becomes `with`
- `replace-content`: `content` becomes `with`
- `replace-message`: head and content become `head` and `content`
- `refuse`: the message becomes nginx's page for `status`, so that the rows that
  are about such pages apply to it; it has `Connection: close` if `close` is true
- `page`: nginx's page becomes `content` of the media type `type`, where `STATUS`
  stands for status code and reason, and `REASON` for the text (in UTF-8) under
  which `reasons` lists the case; `Content-Length` follows. The cases are those of
  `reasons`, where the row has it, and `cases` is left out
- `drop-message`: the message isn't there
- `new-connection`: the message comes on a connection of its own

And on all of an end:

- `no-forward`: nothing reaches the origin server, not even a connection
- `forward`: `head` and `content` come too, last and on a new connection
- `replace-tunnel`: the bytes of the tunnel, `tunnel`, become `with`
- `replace-rest`: bytes that are no message become the message `head`, `content`
- `replace-end`: the way in which the connection ended, `from`, becomes `to`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .model import Case, Part, bytes_of

Unit = list[Part]
Parts = tuple[Part, ...]
Arguments = Mapping[str, Any]


def messages(parts: Iterable[Part]) -> list[list[Part]]:
    """The parts in units: a head with its content, or a single other part."""
    units: list[list[Part]] = []
    for part in parts:
        if part.kind == "content" and units and units[-1][0].kind == "head":
            units[-1].append(part)
        else:
            units.append([part])
    return units


# --- operations on one message: a head, and its content if it has any


def _lines(unit: Unit) -> tuple[bytes, list[bytes]]:
    """Start line and field lines, each with its CRLF."""
    start, *fields = unit[0].data.removesuffix(b"\r\n").splitlines(keepends=True)
    return start, fields


def _with_lines(unit: Unit, start: bytes, fields: Iterable[bytes]) -> Unit:
    return [Part("head", start + b"".join(fields) + b"\r\n"), *unit[1:]]


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()


def _names(names: Iterable[str]) -> list[bytes]:
    return [bytes_of(name).lower() for name in names]


def _line(text: str) -> bytes:
    return bytes_of(text) + b"\r\n"


def _add_line(_: Case, unit: Unit, arguments: Arguments) -> Unit:
    start, fields = _lines(unit)
    at = len(fields)
    if "after" in arguments:
        name = bytes_of(arguments["after"]).lower()
        found = [index for index, line in enumerate(fields) if _name(line) == name]
        if not found:
            return unit
        at = found[-1] + 1
    return _with_lines(unit, start, [*fields[:at], _line(arguments["line"]), *fields[at:]])


def _drop_lines(_: Case, unit: Unit, arguments: Arguments) -> Unit:
    start, fields = _lines(unit)
    names = _names(arguments["names"])
    return _with_lines(unit, start, [line for line in fields if _name(line) not in names])


def _replace_line(_: Case, unit: Unit, arguments: Arguments) -> Unit:
    start, fields = _lines(unit)
    old, new = _line(arguments["line"]), _line(arguments["with"])
    return _with_lines(unit, start, [new if line == old else line for line in fields])


def _keep_lines(case: Case, unit: Unit, arguments: Arguments) -> Unit:
    if not case.answers:
        return unit
    start, fields = _lines(unit)
    names = _names(arguments["names"])
    sent = [line for line in case.origin_lines() if _name(line) in names]
    return _with_lines(unit, start, sent + [line for line in fields if _name(line) not in names])


def _origin_order(case: Case, unit: Unit, arguments: Arguments) -> Unit:
    start, fields = _lines(unit)
    last = _names(arguments["last"])
    left = list(fields)
    ordered: list[bytes] = []
    for sent in case.origin_lines():
        same = [line for line in left if _name(line) not in last and _meaning(line) == _meaning(sent)]
        if not same and _name(sent) in (b"location", b"set-cookie"):
            # `proxy_redirect` or `proxy_cookie_flags` has given it another value in its place.
            same = [line for line in left if _name(line) == _name(sent)]
        if same:
            left.remove(same[0])
            # The spelling of the name is the origin server's, the white space ours.
            ordered.append(sent[: len(_name(sent))] + same[0][len(_name(same[0])) :])
    return _with_lines(unit, start, ordered + left)


def _meaning(line: bytes) -> tuple[bytes, bytes]:
    return _name(line), line.partition(b":")[2].strip()


def _replace_start(_: Case, unit: Unit, arguments: Arguments) -> Unit:
    start, fields = _lines(unit)
    return _with_lines(unit, _line(arguments["with"]) if start == _line(arguments["start"]) else start, fields)


def _replace_content(_: Case, unit: Unit, arguments: Arguments) -> Unit:
    content = b"".join(part.data for part in unit[1:])
    if content != bytes_of(arguments["content"]):
        return unit
    return [unit[0], Part("content", bytes_of(arguments["with"]))]


def _replace_message(_: Case, __: Unit, arguments: Arguments) -> Unit:
    return _message(arguments)


def _message(arguments: Arguments) -> Unit:
    return [Part("head", bytes_of(arguments["head"])), Part("content", bytes_of(arguments.get("content", "")))]


def _refuse(_: Case, __: Unit, arguments: Arguments) -> Unit:
    page = _NGINX_PAGE % {b"status": bytes_of(arguments["status"])}
    head = b"HTTP/1.1 %s\r\nServer: <server>\r\nDate: <date>\r\nContent-Type: text/html\r\n" % bytes_of(
        arguments["status"]
    )
    head += b"Content-Length: %d\r\n" % len(page)
    head += b"Connection: close\r\n" if arguments["close"] else b""
    return [Part("head", head + b"\r\n"), Part("content", page)]


_NGINX_PAGE = (
    b"<html>\r\n<head><title>%(status)s</title></head>\r\n<body>\r\n"
    b"<center><h1>%(status)s</h1></center>\r\n<hr><center>nginx/</center>\r\n</body>\r\n</html>\r\n"
)


def _page(case: Case, unit: Unit, arguments: Arguments) -> Unit:
    start, fields = _lines(unit)
    status = start.rstrip(b"\r\n").partition(b" ")[2]
    content = bytes_of(arguments["content"]).replace(b"STATUS", status)
    for reason, cases in arguments.get("reasons", {}).items():
        if case.name in cases:
            content = content.replace(b"REASON", reason.encode())
    replaced = {b"content-type": bytes_of(arguments["type"]), b"content-length": b"%d" % len(content)}
    fields = [
        line.partition(b":")[0] + b": " + replaced[_name(line)] + b"\r\n" if _name(line) in replaced else line
        for line in fields
    ]
    return [*_with_lines(unit, start, fields)[:1], Part("content", content)]


def _drop_message(_: Case, __: Unit, ___: Arguments) -> Unit:
    return []


def _new_connection(_: Case, unit: Unit, __: Arguments) -> Unit:
    return [Part("connection"), *unit]


# --- operations on all of an end


def _no_forward(_: Parts, __: Arguments) -> Parts:
    return ()


def _forward(parts: Parts, arguments: Arguments) -> Parts:
    return (*parts, Part("connection"), *_message(arguments))


def _replace_tunnel(parts: Parts, arguments: Arguments) -> Parts:
    old, new = Part("tunnel", bytes_of(arguments["tunnel"])), Part("tunnel", bytes_of(arguments["with"]))
    return tuple(new if part == old else part for part in parts)


def _replace_rest(parts: Parts, arguments: Arguments) -> Parts:
    return tuple(new for part in parts for new in (_message(arguments) if part.kind == "rest" else [part]))


def _replace_end(parts: Parts, arguments: Arguments) -> Parts:
    old, new = Part("end", bytes_of(arguments["from"])), Part("end", bytes_of(arguments["to"]))
    return tuple(new if part == old else part for part in parts)


ON_HEADS: Mapping[str, Callable[[Case, Unit, Arguments], Unit]] = {
    "add-line": _add_line,
    "drop-lines": _drop_lines,
    "replace-line": _replace_line,
    "keep-lines": _keep_lines,
    "origin-order": _origin_order,
    "replace-start": _replace_start,
    "replace-content": _replace_content,
    "replace-message": _replace_message,
    "refuse": _refuse,
    "page": _page,
    "drop-message": _drop_message,
    "new-connection": _new_connection,
}

ON_ENDS: Mapping[str, Callable[[Parts, Arguments], Parts]] = {
    "no-forward": _no_forward,
    "forward": _forward,
    "replace-tunnel": _replace_tunnel,
    "replace-rest": _replace_rest,
    "replace-end": _replace_end,
}

# What an operation takes: each of the sets that it may be given.
ARGUMENTS: Mapping[str, Sequence[set[str]]] = {
    "add-line": [{"line"}, {"line", "after"}],
    "drop-lines": [{"names"}],
    "replace-line": [{"line", "with"}],
    "keep-lines": [{"names"}],
    "origin-order": [{"last"}],
    "replace-start": [{"start", "with"}],
    "replace-content": [{"content", "with"}],
    "replace-message": [{"head"}, {"head", "content"}],
    "refuse": [{"status", "close"}],
    "page": [{"type", "content"}, {"type", "content", "reasons"}],
    "drop-message": [set()],
    "new-connection": [set()],
    "no-forward": [set()],
    "forward": [{"head"}, {"head", "content"}],
    "replace-tunnel": [{"tunnel", "with"}],
    "replace-rest": [{"head"}, {"head", "content"}],
    "replace-end": [{"from", "to"}],
}
