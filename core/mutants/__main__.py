"""Mutants of the core, all in one build.

`cargo mutants` builds the core and its tests anew for each mutant. This takes the same mutants, from
`cargo mutants --list --json`, puts each behind a switch (an environment variable) in a copy of the tree, builds the
copy once, and runs the core's suite once per mutant, so that a mutant costs what its tests cost: those that come to
it, up to the first that fails.

What doesn't build behind a switch (a const fn that a constant needs, an `impl Trait` of a second type, a condition
with `let`) is listed as `left`, and is for `cargo mutants` itself: `core/mutants.sh left FILE...`.

A mutated operator keeps its operands: `a && b && c` becomes `(a || b) && c`, and not `a || b && c`.

Two kinds come besides, which `cargo mutants` lacks: one condition of several is dropped (`a && b` becomes `a`, or `b`),
and a count or sum grows no further than 255, as if it had only eight bits.
"""
import re, subprocess, sys

from building import LEFT, build
from listing import OWN, listed
from places import ROOT, WORK, chosen, keep, outcomes, read_state
from playing import NOT_RUN, SLOW, run

EVIDENCE = ROOT / "docs/evidence/mutants.md"


def justified():
    """The survivors that have a reason, as the evidence names them."""
    return set(re.findall(r"^\| `(\S+\.rs: .*?)` \|", EVIDENCE.read_text().replace("\\|", "|"), re.M))


def table(arguments):
    """The figures of the sources as they are now; what was found of a function that has changed since doesn't count."""
    results, reasons, rows = outcomes(), justified(), {}
    for mutant in chosen(listed(), arguments):
        outcome = results.get(mutant["key"], {"outcome": "not run"})["outcome"]
        if outcome == "missed":
            outcome = "justified" if mutant["short"] in reasons else "open"
        rows.setdefault(mutant["file"], []).append(outcome)
    columns = ("caught", "timeout", "unviable", "left", "justified", "open", "not run")
    rows = {file.removeprefix("core/src/"): [len(seen), *map(seen.count, columns)] for file, seen in rows.items()}
    for file, counts in rows.items():
        print(f"| `{file}` | " + " | ".join(map(str, counts)) + " |")
    sums = [sum(column) for column in zip(*rows.values())]
    print(f"{len(rows)} files:", ", ".join(f"{n} {what}" for n, what in zip(sums, ("mutants", *columns))))


def missed(arguments):
    """The survivors, each with its line in the sources as they are now."""
    results, reasons = outcomes(), justified()
    for mutant in chosen(listed(), arguments):
        outcome = results.get(mutant["key"], {})
        if outcome.get("outcome") == "missed":
            print(f"{mutant['span']['start']['line']:4} {mutant['short']}"
                  + ("" if outcome.get("reached_by", True) else " (not reached)")
                  + (" (has a reason)" if mutant["short"] in reasons else ""))


def left(arguments):
    """What has no switch, by `cargo mutants`, which builds anew for each. With `--lib`, by the unit tests alone: what
    they miss is still left."""
    alone, arguments = "--lib" in arguments, [a for a in arguments if a != "--lib"]
    state, results = read_state(), outcomes()
    gone = {int(number) for number, why in state["dropped"].items() if why == LEFT} | set(state["left"])
    here = [m for m in chosen(state["mutants"], arguments) if m["number"] in gone and m["genre"] not in OWN
            and results.get(m["key"], {}).get("by") != "cargo mutants"]
    if not here:
        return
    files = [part for file in sorted({m["file"] for m in here}) for part in ("-f", file)]
    patterns = [part for m in here for part in ("--re", re.escape(m["name"]))]
    programs = [part for name in sorted(state["programs"])
                if not alone and name != "lib" and name not in {*SLOW, *NOT_RUN} for part in ("--test", name)]
    subprocess.run(["cargo", "mutants", "-p", "underpass-core", "--baseline", "skip", "--timeout", "300",
                    "--output", str(WORK), *files, *patterns, "--", "--lib", *programs], cwd=ROOT)
    by_name = {m["name"]: m for m in here}
    for outcome in ("caught", "timeout", "missed", "unviable"):
        for name in (WORK / "mutants.out" / f"{outcome}.txt").read_text().splitlines():
            if name in by_name and not (alone and outcome == "missed"):
                keep(by_name[name], {"outcome": outcome, "by": "cargo mutants"})


command, rest = sys.argv[1], sys.argv[2:]
{"build": lambda _: build(), "run": run, "table": table, "left": left, "missed": missed}[command](rest)
