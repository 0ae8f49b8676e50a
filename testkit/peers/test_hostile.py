"""Hostile clients and origin servers through underpass: nothing is smuggled, no end is confused.

The cases stand in `testdata/hostile/`. `python -m hostile.score` plays them
through nginx and HAProxy as well, and writes `docs/evidence/hostile.md`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hostile.corpus import load
from hostile.oracle import deviations, problems
from hostile.proxies import Playground, running
from hostile.score import DOCUMENT, families, head_of_row

FAMILIES = families(load())


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    cases = [case for members in FAMILIES.values() for case in members]
    with running("underpass", cases, tmp_path_factory.mktemp("hostile")) as ground:
        yield ground


@pytest.mark.underpass_only("the others' scores stand in docs/evidence/hostile.md")
@pytest.mark.parametrize("family", FAMILIES)
def test_family(family: str, playground: Playground) -> None:
    wrong = []
    for case in filter(playground.can_play, FAMILIES[family]):
        seen = playground.play(case)
        wrong += [f"{case.full_name}: {what}" for what in (*problems(case, seen), *deviations(case, seen))]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_document_has_the_family(family: str) -> None:
    assert head_of_row(family, FAMILIES[family]) in DOCUMENT.read_text()
