"""Configurations in the manner of products' published recipes.

nginx accepts each file, and its requests get where the case says. `underpass -t` says of it
what the case expects; where it loads, the same requests through underpass reach the same origin
servers with the same rewritten request, and the client gets the same answer, but for the
differences that `testdata/configs/deviations.toml` names; and each of those must still be there.

With PEERS_PROXY=nginx, nginx stands at both sides: all is equal, without any row.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

import pytest

from harness import default_kind

from .check import nginx_says, problems, underpass_says
from .compare import Comparison, compare, load_rows, unmet, unused
from .model import Case, Exchange, load_cases
from .play import Stage

CASES = load_cases()

UNDERPASS = default_kind() == "underpass"
ROWS = load_rows() if UNDERPASS else []


class Plays:
    """Each case, played once however often it is asked for."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        assert shutil.which("nginx"), "nginx is not installed, and without it there is nothing to compare with"
        self._folders = folders
        self._done: dict[str, tuple[Outcome, Outcome]] = {}

    def comparison(self, case: Case) -> Comparison:
        """What differs with the other proxy."""
        return compare(case, self.nginx(case), self._play(case)[1].exchanges(), ROWS)

    def nginx(self, case: Case) -> list[Exchange]:
        """What comes of the requests with nginx."""
        return self._play(case)[0].exchanges()

    def _play(self, case: Case) -> tuple[Outcome, Outcome]:
        if case.name not in self._done:
            # On the same ports, as a hash may be taken of them.
            with Stage(case, self._folders.mktemp(case.name)) as stage:
                self._done[case.name] = Outcome(stage, "nginx", "one"), Outcome(stage, default_kind(), "other")
        return self._done[case.name]


class Outcome:
    """What came of a case with one proxy, if it could be played."""

    def __init__(self, stage: Stage, kind: str, run: str) -> None:
        self._exchanges: list[Exchange] = []
        self._error: Exception | None = None
        try:
            self._exchanges = stage.play(kind, run)
        except (AssertionError, OSError) as error:
            self._error = error

    def exchanges(self) -> list[Exchange]:
        """The exchanges, or what happened instead."""
        if self._error:
            raise self._error
        return self._exchanges


@pytest.fixture(scope="module")
def plays(tmp_path_factory: pytest.TempPathFactory) -> Plays:
    return Plays(tmp_path_factory)


@pytest.fixture
def stage(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(case, tmp_path_factory.mktemp(case.name)) as stage:
        yield stage


every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_loading_case = pytest.mark.parametrize(
    "case", [case for case in CASES if not case.refused], ids=lambda case: case.name
)


@every_case
def test_nginx_accepts(case: Case, stage: Stage) -> None:
    proxy = stage.proxy("nginx", "check")
    proxy.write()
    says = nginx_says(proxy)
    if case.nginx_lacks is None:
        assert says.returncode == 0, says.stderr
    else:
        assert says.returncode == 1
        assert case.nginx_lacks in says.stderr


@every_loading_case
def test_nginx_serves(case: Case, plays: Plays) -> None:
    fail_with(unmet(case, plays.nginx(case)))


@pytest.mark.skipif(not UNDERPASS, reason="PEERS_PROXY=nginx: the words of underpass's own command")
@every_case
def test_underpass_checks(case: Case, stage: Stage) -> None:
    proxy = stage.proxy("underpass", "check")
    proxy.write()
    fail_with(problems(case, *underpass_says(proxy)))


@every_loading_case
def test_same(case: Case, plays: Plays) -> None:
    fail_with(plays.comparison(case).problems)


def test_each_row_is_needed(plays: Plays) -> None:
    cases = [case for case in CASES if not case.refused]
    used = [pair for case in cases for pair in plays.comparison(case).used]
    known = [f"{case.name}/{request.name}" for case in cases for request in case.requests]
    fail_with(unused(ROWS, used, known))


def fail_with(found: Sequence[str]) -> None:
    if found:
        pytest.fail("\n".join(found), pytrace=False)
