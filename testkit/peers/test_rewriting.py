"""Random rewrite scripts and error pages (`rewriting.py`): nginx and underpass,
reading the same file, answer alike.

Where underpass is stricter on purpose, what nginx said is mended first: a
`Location` has no bytes outside 0x21-0x7E (B6).

Some things are not asked for: an escaped question mark in a path, of which nginx
makes a query when it redirects; a value in which a map changes the groups that
stand beside it, which Debian's nginx answers with a 500; pages in the place of a
redirection, which keep its `Location` there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Proxy, default_kind
from rawclient import RawClient, Response
from rewriting import ECHO, LOCATIONS, Scripts

SEEDS = range(24)
TAILS = ["ab?a=1&b", "a%26b+c?x", "", "bc/z%3B?a=a", "%61b%3Bq"]


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy("nginx", ECHO, tmp_path_factory.mktemp("echo")) as proxy:
        yield proxy


@pytest.mark.parametrize("seed", SEEDS)
def test_scripts(seed: int, echo: Proxy, tmp_path: Path) -> None:
    text = Scripts(seed).text()
    with (
        Proxy("nginx", text, tmp_path / "one", echo=echo.port) as nginx,
        Proxy(default_kind(), text, tmp_path / "other", echo=echo.port) as other,
    ):
        different = []
        for number in range(LOCATIONS):
            for tail in TAILS:
                target = f"/l{number}/{tail}"
                said, got = answer(nginx, target), answer(other, target)
                if said != got:
                    different.append(f"{target}\n  nginx {said}\n  other {got}")
    assert not different, "\n".join(different)


def answer(proxy: Proxy, target: str) -> tuple[int, str, str]:
    """Status, `Location` and content of the answer; standard pages are all one."""
    with RawClient(proxy) as client:
        client.send(f"GET {target} HTTP/1.1\r\nHost: h.example\r\nX: b\r\nConnection: close\r\n\r\n".encode())
        response = client.response()
    content = response.body.decode("latin-1").strip()
    is_page = "<html>" in content or content.startswith(f"{response.status} ")
    location = mended(response) if is_page and 300 <= response.status < 400 else ""
    return response.status, location.replace(str(proxy.port), "PORT"), "page" if is_page else content


def mended(response: Response) -> str:
    location = response.header("Location") or ""
    return "".join(char if "\x21" <= char <= "\x7e" else f"%{ord(char):02X}" for char in location)
