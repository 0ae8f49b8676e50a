"""What `underpass -t` has to say of a case's files, and what it says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from harness import Proxy, underpass_binary
from underpasscli import run_underpass

from .model import Case, Saying

MESSAGE = re.compile(
    r"(?P<program>\S+): \[(?P<severity>\w+)\] (?P<text>.*?)"
    r"(?: in (?P<file>\S+?):(?P<line>\d+):(?P<column>\d+)(?P<hint>; .*)?)?"
)
WORD = re.compile(r"\s*([\w@]+)")


@dataclass(frozen=True)
class Message:
    """A line of `-t`: its severity, its text, where (`FILE:LINE`), and the directive that stands there."""

    severity: str
    text: str
    at: str
    directive: str


def underpass_says(proxy: Proxy) -> tuple[int, list[Message]]:
    """The status of `underpass -t`, and its messages."""
    if not underpass_binary().exists():
        raise FileNotFoundError(f"no underpass at {underpass_binary()}: set UNDERPASS_BIN, or build it")
    ran = run_underpass("-t", "-p", f"{proxy.prefix}/", "-c", proxy.config_file)
    ended = ("syntax is ok", "test is successful", "test failed")
    # `user` names whoever runs the test (`layout`), who may be root.
    keeps_root = 'keeps the rights of root, as the "user" directive says'
    lines = [line for line in ran.stderr.splitlines() if not line.endswith((*ended, keeps_root))]
    return ran.returncode, [_message(proxy, line) for line in lines]


def nginx_says(proxy: Proxy) -> subprocess.CompletedProcess[str]:
    """`nginx -t`."""
    return subprocess.run(
        [*proxy.command(), "-t"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


def problems(case: Case, status: int, messages: Iterable[Message]) -> list[str]:
    """What `underpass -t` should have said otherwise."""
    messages = list(messages)
    if case.refused:
        return [] if status == 1 and any(_says(one, case.refused) for one in messages) else [
            f"{case.name}: expected: refused at {case.refused.at}: {case.refused.says}", *_shown(status, messages)
        ]
    found = []
    if status != 0:
        found.append(f"{case.name}: it does not load")
    noted = {one.directive for one in messages}
    found += [f"{case.name}: nothing is said of {name}" for name in case.notes if name not in noted]
    for warning in case.warns:
        if not any(_says(one, warning) for one in messages):
            found.append(f"{case.name}: not said at {warning.at}: {warning.says}")
    for one in messages:
        if one.directive not in case.notes and not any(_says(one, warning) for warning in case.warns):
            found.append(f"{case.name}: not expected at {one.at} ({one.directive}): {one.text}")
    return [*found, *_shown(status, messages)] if found else []


def _says(message: Message, saying: Saying) -> bool:
    return message.at == saying.at and saying.says in message.text


def _shown(status: int, messages: Iterable[Message]) -> list[str]:
    return [f"  exit status {status}", *(f"  [{one.severity}] {one.at}: {one.text}" for one in messages)]


def _message(proxy: Proxy, line: str) -> Message:
    match = MESSAGE.fullmatch(line)
    if not match:
        return Message("?", line, "", "")
    if not match["file"]:
        return Message(match["severity"], match["text"], "", "")
    path = proxy.prefix / match["file"]
    name = str(path).removeprefix(f"{proxy.prefix}/")
    text = match["text"].replace(f"{proxy.prefix}/", "") + (match["hint"] or "")
    directive = _directive(path.read_text(), int(match["line"]), int(match["column"]))
    return Message(match["severity"], text, f"{name}:{match['line']}", directive)


def _directive(text: str, line: int, column: int) -> str:
    """The name of the directive around a place: the first word behind the last `;`, `{` or `}` or line begin."""
    before = text.splitlines()[line - 1][: column - 1]
    begin = max(before.rfind(mark) for mark in ";{}") + 1
    word = WORD.match(text.splitlines()[line - 1], begin)
    return word[1] if word else ""
