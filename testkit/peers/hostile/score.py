"""Plays the corpus through underpass, nginx and HAProxy, and says side by side who passes.

    testkit/peers/run score [--write]        (UNDERPASS_BIN as for the tests)

It fails unless underpass passes every case. Debian has both others: nginx-light and haproxy.

Writes the table of `docs/evidence/hostile.md` where `--write` is given.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from basics import ROOT

from .corpus import Case, load
from .oracle import deviations, problems
from .proxies import program, running

KINDS = ("underpass", "nginx", "haproxy")
DOCUMENT = ROOT / "docs" / "evidence" / "hostile.md"
BEGIN, END = "<!-- score: begin -->\n", "<!-- score: end -->\n"


@dataclass
class Score:
    """What one proxy made of the corpus: each case that was played, and what was wrong with it."""

    kind: str
    version: str
    played: dict[str, list[str]]

    def of(self, cases: Iterable[Case]) -> tuple[int, int]:
        """How many of these cases it passed, and played."""
        names = [case.full_name for case in cases if case.full_name in self.played]
        return sum(not self.played[name] for name in names), len(names)


def measure(kind: str, cases: list[Case]) -> Score:
    """Plays the cases through one proxy."""
    played: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder, running(kind, cases, Path(folder)) as ground:
        for case in filter(ground.can_play, cases):
            seen = ground.play(case)
            played[case.full_name] = problems(case, seen)
            if kind == "underpass":
                played[case.full_name] += deviations(case, seen)
    return Score(kind, version(kind), played)


def version(kind: str) -> str:
    """What the program says of itself."""
    said = subprocess.run([program(kind), "-v"], capture_output=True, text=True, check=True)
    matched = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
    return matched[0] if matched else "unknown"


def families(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """The cases by their families, in order."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.family, []).append(case)
    return found


def head_of_row(family: str, cases: list[Case]) -> str:
    """The part of a family's row that follows from the corpus: its name, its rules, and underpass at 100 %."""
    rules = " ".join(sorted({rule for case in cases for rule in case.attacks}, key=lambda rule: (rule[0], int(rule[1:]))))
    count = sum(case.on_sockets for case in cases)
    return f"| {family} | {rules} | {count} / {count} |"


def table(cases: list[Case], scores: list[Score]) -> str:
    """The generated section of the document."""
    _, *others = scores
    lines = ["| family | rules | " + " | ".join(f"{score.kind} {score.version}" for score in scores) + " |"]
    lines.append("|---|---|" + "---:|" * len(scores))
    for family, members in families(cases).items():
        lines.append(head_of_row(family, members) + "".join(f" {share(score, members)} |" for score in others))
    lines.append("| **all** | |" + "".join(f" **{share(score, cases)}** |" for score in scores))
    lines += ["", "Where cases were not passed, of how many that were played:", ""]
    lines.append("| family: group | " + " | ".join(score.kind for score in others) + " |")
    lines.append("|---|" + "---:|" * len(others))
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(f"{case.family}: {case.group}", []).append(case)
    for group, members in groups.items():
        counts = [score.of(members) for score in others]
        if any(passed < played for passed, played in counts):
            cells = [f"{played - passed} of {played}" if passed < played else "" for passed, played in counts]
            lines.append(f"| {group} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def share(score: Score, cases: Iterable[Case]) -> str:
    """Passed and played."""
    passed, played = score.of(cases)
    return f"{passed} / {played}"


def main() -> int:
    """Prints the table; says whether underpass passes everything."""
    cases = load()
    scores = [measure(kind, cases) for kind in KINDS]
    for name, wrong in scores[0].played.items():
        for what in wrong:
            print(f"underpass: {name}: {what}", file=sys.stderr)
    text = table(cases, scores)
    print(text)
    if "--write" in sys.argv:
        before, _, behind = DOCUMENT.read_text().partition(BEGIN)
        _, _, behind = behind.partition(END)
        DOCUMENT.write_text(before + BEGIN + text + END + behind)
    return int(any(scores[0].played.values()))


if __name__ == "__main__":
    sys.exit(main())
