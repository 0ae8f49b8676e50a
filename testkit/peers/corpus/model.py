"""Cases of the corpus, and what was seen when one was played.

A case is a folder of `testdata/configs` with a `case.toml`; its other files are those of
`/etc/nginx` on the machine of somebody who runs the product. Where it has no `nginx.conf`
of its own, that of `shared/` includes its sites. `testdata/configs/README.md` says what
stands in `case.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import ROOT

CONFIGS = ROOT / "testdata" / "configs"
SHARED = CONFIGS / "shared"
# What `-t` says something about in `shared/nginx.conf`: names of directives.
NOTES = SHARED / "notes.txt"

ORIGIN, CLIENT = "origin", "client"


@dataclass(frozen=True)
class Saying:
    """A message of `-t`: where (`FILE:LINE`), and a piece of it."""

    at: str
    says: str


@dataclass(frozen=True)
class Answer:
    """What an origin server answers; `fields` and `content` may hold `{{NAME}}`."""

    status: int = 200
    fields: Sequence[str] = ()
    content: str = "from {{origin}}"


@dataclass(frozen=True)
class Request:
    """A request, and what has to come of it with nginx."""

    name: str
    target: str
    reaches: str | Sequence[str] | None = None
    method: str = "GET"
    host: str = "example.com"
    listen: str | None = None
    fields: Sequence[str] = ()
    content: str = ""
    chunked: bool = False
    websocket: bool = False
    preamble: str = ""
    answers: Mapping[str, Answer] = field(default_factory=dict)
    status: int | None = None
    forwarded: str | None = None
    sent: Sequence[str] = ()
    got: Sequence[str] = ()
    says: str | None = None

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Request:
        """A `[[request]]`; `answer` is what every origin server says, `answers` names them."""
        rest = dict(table)
        answers = {name: Answer(**answer) for name, answer in rest.pop("answers", {}).items()}
        if "answer" in rest:
            answers["*"] = Answer(**rest.pop("answer"))
        return cls(answers=answers, **rest)

    def origins(self) -> tuple[str, ...]:
        """The origin servers that it reaches, in order."""
        if self.reaches is None:
            return ()
        return (self.reaches,) if isinstance(self.reaches, str) else tuple(self.reaches)

    def final_status(self) -> int:
        """The status that the client gets."""
        if self.status is not None:
            return self.status
        return 101 if self.websocket else 200


@dataclass(frozen=True)
class Case:
    """One configuration."""

    name: str
    about: str
    replace: Mapping[str, str]
    without: Sequence[str]
    nginx_http: str
    nginx_lacks: str | None
    notes: Sequence[str]
    warns: Sequence[Saying]
    refused: Saying | None
    unreachable: Sequence[str]
    requests: Sequence[Request]

    @classmethod
    def load(cls, folder: Path) -> Case:
        """The case of a folder."""
        table = tomllib.loads((folder / "case.toml").read_text())
        nginx = table.pop("nginx", {})
        underpass = table.pop("underpass", {})
        refused = underpass.pop("refused", None)
        case = cls(
            name=folder.name,
            about=table.pop("about"),
            replace=table.pop("replace", {}),
            without=[entry["text"] for entry in nginx.pop("without", ())],
            nginx_http=nginx.pop("http", "proxy_http_version 1.1;"),
            nginx_lacks=nginx.pop("lacks", None),
            notes=[*underpass.pop("notes", ()), *shared_notes(folder)],
            warns=[Saying(**saying) for saying in underpass.pop("warns", ())],
            refused=Saying(**refused) if refused else None,
            unreachable=table.pop("unreachable", ()),
            requests=[Request.from_table(entry) for entry in table.pop("request", ())],
        )
        case._check({**table, **nginx, **underpass})
        return case

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return CONFIGS / self.name

    def files(self) -> dict[str, Path]:
        """Its configuration files by their names below `/etc/nginx`, the shared ones among them."""
        found = {}
        for folder in (SHARED, self.folder):
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path not in (self.folder / "case.toml", NOTES):
                    found[str(path.relative_to(folder))] = path
        return found

    def _check(self, unknown: Mapping[str, Any]) -> None:
        if unknown:
            raise ValueError(f"{self.name}: no such keys: {', '.join(unknown)}")
        if bool(self.requests) == (self.refused is not None):
            raise ValueError(f"{self.name}: either it is refused, or there are requests")
        names = [request.name for request in self.requests]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: requests with the same name")


def shared_notes(folder: Path) -> list[str]:
    """What is said of the shared `nginx.conf` if the case in the folder uses it."""
    return [] if (folder / "nginx.conf").exists() else NOTES.read_text().split()


def load_cases() -> list[Case]:
    """All cases, in the order of their names."""
    return [Case.load(path.parent) for path in sorted(CONFIGS.glob("*/case.toml"))]


@dataclass(frozen=True)
class Arrival:
    """A request as an origin server received it."""

    origin: str
    method: str
    target: str
    version: str
    fields: Mapping[str, Sequence[str]]
    content: str


@dataclass(frozen=True)
class Exchange:
    """What came of one request: what the origin servers received, and what the client got."""

    arrivals: Sequence[Arrival]
    status: str
    fields: Mapping[str, Sequence[str]]
    content: str
    tunnel: str

    def facts(self) -> dict[tuple[str, str], str]:
        """All of it, one fact for each thing that can differ: (end, what) and its value."""
        facts = {(ORIGIN, "reached"): ", ".join(arrival.origin for arrival in self.arrivals) or "none"}
        for number, arrival in enumerate(self.arrivals, 1):
            mark = f" #{number}" if number > 1 else ""
            for what in ("method", "target", "version", "content"):
                facts[ORIGIN, what + mark] = getattr(arrival, what)
            for name, values in arrival.fields.items():
                facts[ORIGIN, f"field {name}{mark}"] = "\n".join(values)
        facts[CLIENT, "status"] = self.status
        facts[CLIENT, "content"] = self.content
        facts[CLIENT, "tunnel"] = self.tunnel
        for name, values in self.fields.items():
            facts[CLIENT, f"field {name}"] = "\n".join(values)
        return facts
