"""`docs/evidence/drivers.md`: which tests with real peers have passed on which binary, as a run of all of them counts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

from basics import ROOT

DOCUMENT = ROOT / "docs" / "evidence" / "drivers.md"
FOLDER = "testkit/peers/"


def check(passed: Iterable[str]) -> str | None:
    """Says what the table should hold where it holds something else; with UPDATE_SNAPSHOTS in the environment it is
    made to. `passed` names the file of each test that passed."""
    driver = os.environ.get("UNDERPASS_SHELL", "tokio")
    counts = Counter(passed)
    rows = [f"| {driver} | `{FOLDER}{file}` | {count} | {count} |  |" for file, count in sorted(counts.items())]
    lines = DOCUMENT.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|---")) + 1
    before, table = lines[:first], lines[first:]
    others = [row for row in table if not row.startswith(f"| {driver} | `{FOLDER}")]
    if sorted(others + rows) == table:
        return None
    if "UPDATE_SNAPSHOTS" in os.environ:
        DOCUMENT.write_text("\n".join(before + sorted(others + rows)) + "\n")
        return None
    return "docs/evidence/drivers.md is not what this run has counted (UPDATE_SNAPSHOTS=1 writes it):\n" + "\n".join(rows)
