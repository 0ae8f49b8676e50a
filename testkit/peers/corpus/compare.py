"""Explains what differs between nginx and underpass, fact by fact.

Each fact that differs must be explained by a row of `deviations.toml`, and each row must
explain something, in each request that it names.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .model import CLIENT, CONFIGS, ORIGIN, Case, Exchange, Request

EVERYWHERE = "*"


@dataclass(frozen=True)
class Difference:
    """A fact that differs; None: there is no such fact."""

    where: str
    what: str
    nginx: str | None
    underpass: str | None

    def __str__(self) -> str:
        return f"{self.where}, {self.what}: nginx {self.nginx!r}, underpass {self.underpass!r}"


@dataclass(frozen=True)
class Row:
    """A named difference: regular expressions that the whole of either value matches, or false: no such fact."""

    name: str
    rule: str
    where: str
    what: str
    sentence: str
    requests: str | Sequence[str]
    nginx: str | bool
    underpass: str | bool

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Row:
        """A `[[row]]`."""
        row = cls(**table)
        if row.where not in (ORIGIN, CLIENT):
            raise ValueError(f"row {row.name}: no such end: {row.where}")
        if row.requests != EVERYWHERE and isinstance(row.requests, str):
            raise ValueError(f'row {row.name}: requests is a list or "*"')
        return row

    def explains(self, key: str, difference: Difference) -> bool:
        """Whether this is the difference, in this request (`CASE/REQUEST`)."""
        return (
            (self.requests == EVERYWHERE or key in self.requests)
            and self.where == difference.where
            and self.what == re.sub(r" #\d+$", "", difference.what)
            and _matches(self.nginx, difference.nginx)
            and _matches(self.underpass, difference.underpass)
        )


def load_rows(path: Path = CONFIGS / "deviations.toml") -> list[Row]:
    """The rows of the file."""
    rows = [Row.from_table(table) for table in tomllib.loads(path.read_text())["row"]]
    names = [row.name for row in rows]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"rows with the same name: {', '.join(sorted(twice))}")
    return rows


@dataclass(frozen=True)
class Comparison:
    """What came of one case: (row, request) where a row explained something, and what is wrong."""

    used: frozenset[tuple[str, str]]
    problems: Sequence[str]


def compare(case: Case, nginx: Sequence[Exchange], underpass: Sequence[Exchange], rows: Sequence[Row]) -> Comparison:
    """All requests of a case."""
    used: set[tuple[str, str]] = set()
    problems: list[str] = []
    for request, one, other in zip(case.requests, nginx, underpass, strict=True):
        key = f"{case.name}/{request.name}"
        for difference in differences(one, other):
            row = next((row for row in rows if row.explains(key, difference)), None)
            if row:
                used.add((row.name, key))
            else:
                problems.append(f"{key}: {difference}")
    return Comparison(frozenset(used), problems)


def differences(nginx: Exchange, underpass: Exchange) -> list[Difference]:
    """The facts that differ; where other servers were reached or the status is another, all else follows from that."""
    one, other = nginx.facts(), underpass.facts()
    keys = list(dict.fromkeys([*one, *other]))
    found = [Difference(*key, one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)]
    decisive = {(ORIGIN, "reached"), (CLIENT, "status")}
    decided = {difference.where for difference in found if (difference.where, difference.what) in decisive}
    return [one for one in found if one.where not in decided or (one.where, one.what) in decisive]


def unused(rows: Iterable[Row], used: Iterable[tuple[str, str]], known: Iterable[str]) -> list[str]:
    """Rows that explained nothing, or nothing in a request that they name."""
    used, known = set(used), set(known)
    problems = []
    for row in rows:
        if row.requests == EVERYWHERE:
            if row.name not in {name for name, _ in used}:
                problems.append(f"row {row.name} ({row.rule}) no longer differs: nothing needed it")
            continue
        for key in row.requests:
            if key not in known:
                problems.append(f"row {row.name} ({row.rule}) names a request that doesn't exist: {key}")
            elif (row.name, key) not in used:
                problems.append(f"row {row.name} ({row.rule}) no longer differs in {key}")
    return problems


def unmet(case: Case, exchanges: Iterable[Exchange]) -> list[str]:
    """What did not come of the requests as the case expects it of nginx."""
    return [
        f"{case.name}/{request.name}: {problem}"
        for request, exchange in zip(case.requests, exchanges, strict=True)
        for problem in _unmet(request, exchange)
    ]


def _unmet(request: Request, exchange: Exchange) -> Iterable[str]:
    reached = tuple(arrival.origin for arrival in exchange.arrivals)
    wanted = request.origins()
    if len(reached) != len(wanted) or any(want not in ("*", got) for want, got in zip(wanted, reached, strict=True)):
        yield f"reached {reached}, not {wanted}"
    if exchange.status != ("none" if request.final_status() == 444 else str(request.final_status())):
        yield f"status {exchange.status}, not {request.final_status()}"
    if exchange.status == "101" and not exchange.tunnel:
        yield "the tunnel carried nothing"
    if exchange.arrivals:
        arrival = exchange.arrivals[-1]
        forwarded = request.forwarded or request.target
        if arrival.target != forwarded:
            yield f"forwarded as {arrival.target}, not {forwarded}"
        yield from _missing(request.sent, arrival.fields, "the origin server got")
    yield from _missing(request.got, exchange.fields, "the client got")
    if request.says is not None and request.says not in exchange.content:
        yield f"content {exchange.content!r}, without {request.says!r}"


def _missing(lines: Iterable[str], fields: Mapping[str, Sequence[str]], who: str) -> Iterable[str]:
    """Lines that are not there; `-Name` must not be there."""
    for line in lines:
        name, _, value = line.partition(":")
        if line.startswith("-"):
            if line[1:].lower() in fields:
                yield f"{who} {line[1:]}: {fields[line[1:].lower()]}"
        elif value.strip() not in fields.get(name.lower(), ()):
            yield f"{who} no {line}, but {fields.get(name.lower(), [])}"


def _matches(pattern: str | bool, value: str | None) -> bool:
    if isinstance(pattern, bool):
        return pattern is (value is not None)
    return value is not None and re.fullmatch(pattern, value, re.DOTALL) is not None
