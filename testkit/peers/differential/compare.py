"""Explains what differs between two observations, row by row.

A row of `deviations.toml` is a small typed operation on what nginx produced. For
each case the rows that apply to it are carried out in the order of the file, and
the result must equal what underpass produced, byte by byte. So a difference
without a row is a failure; and as a row must change something wherever it
applies, and must be needed for the equality, a row that no longer differs is one
too.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .model import CLIENT, HERE, ORIGIN, Case, Observation, Part, render
from .operations import ARGUMENTS, ON_ENDS, ON_HEADS, Unit, messages

EVERY_CASE = "*"


@dataclass(frozen=True)
class Row:
    """One named difference; `arguments` are those of its operation."""

    name: str
    rule: str
    where: str
    sentence: str
    op: str
    cases: str | Sequence[str]
    unlike: Sequence[str]
    when: str | None
    unless: str | None
    only: Sequence[int] | None
    arguments: Mapping[str, Any]

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Row:
        """A `[[row]]` of the file."""
        rest = dict(table)
        if "reasons" in rest:
            if "cases" in rest:
                raise ValueError(f"row {rest['name']}: its reasons say which cases it is about")
            rest["cases"] = [name for cases in rest["reasons"].values() for name in cases]
        row = cls(
            name=rest.pop("name"),
            rule=rest.pop("rule"),
            where=rest.pop("where"),
            sentence=rest.pop("sentence"),
            op=rest.pop("op"),
            cases=rest.pop("cases"),
            unlike=rest.pop("unlike", ()),
            when=rest.pop("when", None),
            unless=rest.pop("unless", None),
            only=rest.pop("only", None),
            arguments=rest,
        )
        row.check()
        return row

    def check(self) -> None:
        """Raises when the row can't be meant."""
        if self.where not in (ORIGIN, CLIENT):
            raise ValueError(f"row {self.name}: no such end: {self.where}")
        known = {**ON_HEADS, **ON_ENDS}
        if self.op not in known:
            raise ValueError(f"row {self.name}: no such operation: {self.op}")
        wanted, got = ARGUMENTS[self.op], set(self.arguments)
        if got not in wanted:
            options = " or ".join(", ".join(sorted(names)) or "nothing" for names in wanted)
            raise ValueError(f"row {self.name}: {self.op} takes {options}, not {', '.join(sorted(got)) or 'nothing'}")
        if self.cases != EVERY_CASE and isinstance(self.cases, str):
            raise ValueError(f'row {self.name}: cases is a list or "*"')
        if self.op in ON_ENDS and (self.when or self.unless or self.only):
            raise ValueError(f"row {self.name}: {self.op} knows no single heads")

    def names(self, case: Case) -> bool:
        """Whether the row says that it holds for the case."""
        if self.cases == EVERY_CASE:
            return case.name not in self.unlike
        return case.name in self.cases

    def apply(self, case: Case, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """What nginx produced, changed as the row says."""
        if self.op in ON_ENDS:
            return ON_ENDS[self.op](parts, self.arguments)
        operation = ON_HEADS[self.op]
        result: list[Part] = []
        number = 0
        for unit in messages(parts):
            if unit[0].kind != "head":
                result += unit
                continue
            number += 1
            result += operation(case, unit, self.arguments) if self._finds(number, unit) else unit
        return tuple(result)

    def _finds(self, number: int, unit: Unit) -> bool:
        text = b"".join(part.data for part in unit).decode("latin-1")
        return (
            (self.only is None or number in self.only)
            and (self.when is None or re.search(self.when, text) is not None)
            and (self.unless is None or re.search(self.unless, text) is None)
        )


def load_rows(path: Path = HERE / "deviations.toml") -> list[Row]:
    """The rows of the file, in its order."""
    rows = [Row.from_table(table) for table in tomllib.loads(path.read_text())["row"]]
    names = [row.name for row in rows]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"rows with the same name: {', '.join(sorted(twice))}")
    return rows


@dataclass(frozen=True)
class Comparison:
    """What came of one case: the rows that took part, and what is wrong."""

    used: Sequence[str]
    problems: Sequence[str]


def compare(case: Case, nginx: Observation, underpass: Observation, rows: Iterable[Row]) -> Comparison:
    """Both ends of a case."""
    rows = [row for row in rows if row.names(case)]
    used: list[str] = []
    problems: list[str] = []
    for where in (ORIGIN, CLIENT):
        here = [row for row in rows if row.where == where]
        result = _compare_end(case, where, nginx.at(where), underpass.at(where), here)
        used += result.used
        problems += result.problems
    return Comparison(used, problems)


def _compare_end(
    case: Case, where: str, nginx: tuple[Part, ...], underpass: tuple[Part, ...], rows: Sequence[Row]
) -> Comparison:
    problems: list[str] = []
    used: list[Row] = []
    parts = nginx
    for row in rows:
        changed = row.apply(case, parts)
        if changed != parts:
            used.append(row)
        elif row.cases != EVERY_CASE:
            problems.append(
                f"{case.name}, {where}: row {row.name} ({row.rule}) no longer differs: it changes nothing here"
            )
        parts = changed
    if canonical(parts) != canonical(underpass):
        problems.append(_explain(case, where, nginx, parts, underpass, used))
        return Comparison([row.name for row in used], problems)
    for row in used:
        rest = nginx
        for other in used:
            rest = rest if other is row else other.apply(case, rest)
        if canonical(rest) == canonical(underpass):
            problems.append(
                f"{case.name}, {where}: row {row.name} ({row.rule}) no longer differs: without it all is equal too"
            )
    return Comparison([row.name for row in used], problems)


def unused(rows: Iterable[Row], cases: Iterable[Case], used: Iterable[str]) -> list[str]:
    """Rows that took part in no case, and rows that name cases which don't exist."""
    known = {case.name for case in cases}
    took_part = set(used)
    problems = []
    for row in rows:
        named = set() if row.cases == EVERY_CASE else set(row.cases)
        for name in sorted((named | set(row.unlike)) - known):
            problems.append(f"row {row.name} ({row.rule}) names a case that doesn't exist: {name}")
        if row.name not in took_part:
            problems.append(f"row {row.name} ({row.rule}) no longer differs: no case needed it")
    return problems


def _explain(
    case: Case,
    where: str,
    nginx: tuple[Part, ...],
    expected: tuple[Part, ...],
    underpass: tuple[Part, ...],
    used: Sequence[Row],
) -> str:
    """The failure as one reads it: case, end, rows, difference."""
    reader = {ORIGIN: "the origin server", CLIENT: "the client"}[where]
    lines = [f"{case.name} ({case.about}): what {reader} received differs and no row says why", ""]
    if used:
        lines += ["rows carried out on what nginx produced:"]
        lines += [f"  {row.name} ({row.rule}) {row.op} {dict(row.arguments) or ''}".rstrip() for row in used]
    else:
        lines += ["no row applied here"]
    lines += [""]
    lines += difflib.unified_diff(
        render(expected), render(underpass), "nginx" + (" + rows" if used else ""), "underpass", n=100, lineterm=""
    )
    if used:
        lines += ["", "nginx itself:", *(f"  {line}" for line in render(nginx))]
    return "\n".join(lines)


def canonical(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Without parts that hold nothing, which operations may leave behind."""
    return tuple(part for part in parts if part.data or part.kind in ("connection", "end"))
