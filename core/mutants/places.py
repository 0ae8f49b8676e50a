"""Where things are, and what is kept from one command to the next."""
import json, os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = Path(os.environ.get("MUTANTS_DIR", ROOT / "target" / "mutants-in-one"))
TREE, TARGET, STATE, RESULTS = WORK / "tree", WORK / "target", WORK / "state.json", WORK / "results.jsonl"


def read_state():
    return json.loads(STATE.read_text()) if STATE.exists() else {}


def write_state(state):
    STATE.write_text(json.dumps(state))


def keep(mutant, outcome):
    with RESULTS.open("a") as file:
        file.write(json.dumps([mutant["key"], outcome]) + "\n")


def outcomes():
    """What became of each mutant, by its key: what was found of a function that has changed since is out of date."""
    return dict(map(json.loads, RESULTS.read_text().splitlines())) if RESULTS.exists() else {}


def chosen(mutants, arguments):
    if arguments[:1] == ["--only"]:
        numbers = {int(n) for n in arguments[1].split(",")}
        return [m for m in mutants if m["number"] in numbers]
    names = [a.rstrip("/") for a in arguments]
    return [m for m in mutants if any(m["file"] == n or m["file"].startswith(n + "/") for n in names)]
