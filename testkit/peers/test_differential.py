"""The same bytes through nginx and through underpass, under the same file.

What the origin server receives and what the client receives must be equal byte
by byte, but for the differences that `differential/deviations.toml` names; and
each of those must still be there. `differential/compare.py` says how.

With PEERS_PROXY=nginx, nginx stands at both sides: then all is equal, without
any row, which shows that the cases themselves are deterministic.
"""

from __future__ import annotations

import pytest

from differential.compare import Comparison, compare, load_rows, unused
from differential.model import Case, load_cases
from differential.play import play
from harness import default_kind

CASES = load_cases()

# The rows are about underpass; nginx needs none.
ROWS = load_rows() if default_kind() == "underpass" else []


class Comparisons:
    """Each case through both proxies, played once however often it is asked for."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._done: dict[str, Comparison | Exception] = {}

    def __getitem__(self, case: Case) -> Comparison:
        if case.name not in self._done:
            try:
                self._done[case.name] = self._compare(case)
            except (AssertionError, OSError, ValueError) as error:
                self._done[case.name] = error
        done = self._done[case.name]
        if isinstance(done, Exception):
            raise done
        return done

    def _compare(self, case: Case) -> Comparison:
        nginx = play(case, "nginx", self._folders.mktemp(case.name))
        other = play(case, default_kind(), self._folders.mktemp(case.name))
        return compare(case, nginx, other, ROWS)


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory: pytest.TempPathFactory) -> Comparisons:
    return Comparisons(tmp_path_factory)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, comparisons: Comparisons) -> None:
    problems = comparisons[case].problems
    if problems:
        pytest.fail("\n\n".join(problems), pytrace=False)


def test_each_row_is_needed_somewhere(comparisons: Comparisons) -> None:
    used = [name for case in CASES for name in comparisons[case].used]
    problems = unused(ROWS, CASES, used)
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
