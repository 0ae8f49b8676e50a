"""Cases as they stand in `testdata/hostile/`; `testkit/src/hostile/mod.rs` says what the keys mean."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from basics import ROOT

FOLDER = ROOT / "testdata" / "hostile"
SIDES = ("requests", "responses")

ORDINARY = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass(frozen=True)
class Case:
    """One case."""

    family: str
    group: str
    name: str
    attacks: tuple[str, ...]
    client: tuple[str, ...]
    origin: tuple[str, ...] | None
    asks: tuple[str, ...]
    refuse: bool
    no_upgrade: bool
    http10: bool
    content: tuple[bytes, ...]
    host: bytes | None
    keeps: tuple[tuple[bytes, bytes], ...]
    lacks: tuple[bytes, ...]
    answers: tuple[bytes, ...]
    cuts: tuple[bytes, ...]
    hides: tuple[bytes, ...]
    up: bytes | None
    down: bytes | None
    location: str
    server: str
    status: tuple[int, ...]
    reaches: tuple[str, ...]
    drops: tuple[bytes, ...]
    strips: tuple[bytes, ...]
    not_for: tuple[str, ...]
    simulated: bool

    @property
    def full_name(self) -> str:
        """Family, group and name."""
        return f"{self.family}: {self.group}: {self.name}"

    @property
    def on_sockets(self) -> bool:
        """Whether it can be played outside of a simulated world."""
        return not self.simulated and not any(step.startswith("@elapse") for step in self.client)

    @property
    def for_any_proxy(self) -> bool:
        """Whether it needs no directive of its own."""
        return not (self.location or self.server)


def bytes_of(text: str) -> bytes:
    """A character up to U+00FF is a byte."""
    return text.encode("latin-1")


def load() -> list[Case]:
    """All cases, family by family."""
    cases = []
    for side in SIDES:
        for path in sorted((FOLDER / side).glob("*.toml")):
            family = f"{side}/{path.stem}"
            for group in tomllib.loads(path.read_text())["group"]:
                shared = {key: value for key, value in group.items() if key != "cases"}
                cases += [_case(family, shared, own) for own in group["cases"]]
    return cases


def _case(family: str, group: Mapping[str, Any], own: Mapping[str, Any]) -> Case:
    raw = {**group, **own}
    stand_ins = {key: raw.pop(key) for key in ("x", "y", "z") if key in raw}

    def fill(value: object) -> object:
        if isinstance(value, list):
            return [fill(item) for item in value]
        return _filled(value, stand_ins) if isinstance(value, str) else value

    raw = {key: fill(value) for key, value in raw.items()}

    def texts(key: str) -> tuple[str, ...]:
        value = raw.get(key, [])
        return (value,) if isinstance(value, str) else tuple(value)

    def contents(key: str) -> tuple[bytes, ...]:
        return tuple(map(bytes_of, texts(key)))

    def maybe(key: str) -> bytes | None:
        return bytes_of(raw[key]) if key in raw else None

    def line(text: str) -> tuple[bytes, bytes]:
        name, value = bytes_of(text).split(b": ", 1)
        return name.lower(), value

    return Case(
        family=family,
        group=group["name"],
        name=own["name"],
        attacks=texts("attacks"),
        client=texts("client") or (ORDINARY,),
        origin=texts("origin") if "origin" in raw else None,
        asks=texts("asks") or ("GET /",),
        refuse=raw.get("refuse", False),
        no_upgrade=raw.get("no_upgrade", False),
        http10=raw.get("http10", False),
        content=contents("content"),
        host=maybe("host"),
        keeps=tuple(map(line, texts("keeps"))),
        lacks=contents("lacks"),
        answers=contents("answers"),
        cuts=contents("cuts"),
        hides=contents("hides"),
        up=maybe("up"),
        down=maybe("down"),
        location=raw.get("location", ""),
        server=raw.get("server", ""),
        status=tuple(raw.get("status", [])),
        reaches=texts("reaches"),
        drops=contents("drops"),
        strips=contents("strips"),
        not_for=texts("not_for"),
        simulated=raw.get("simulated", False),
    )


def _filled(text: str, stand_ins: Mapping[str, str]) -> str:
    for key, own in stand_ins.items():
        text = text.replace("{%s}" % key, own)
    return re.sub(r"\{([^{}]*)\*([0-9]+)\}", lambda match: match[1] * int(match[2]), text)
