"""Runs the test programs: once with no mutant, to see which test reaches which, and then for each mutant."""
import os, resource, signal, subprocess, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from listing import OWN
from places import TREE, WORK, chosen, keep, outcomes, read_state

# Programs that take long, in seconds: only for mutants that every other program misses, and only with `--slow`.
SLOW = {"explore": 300.0, "any_cut": 20.0}
# With `--quick`, tests of a program that take longer than this aren't run: for a first look at what survives.
QUICK = 3.0
# They prove nothing about a mutant that others don't, or read sources and not behaviour.
NOT_RUN = {"requirements"}
ENVIRONMENT = {"PROPTEST_DISABLE_FAILURE_PERSISTENCE": "1", "PROPTEST_MAX_SHRINK_ITERS": "0", "RUST_BACKTRACE": "0"}
WORKERS = int(os.environ.get("MUTANTS_JOBS", os.cpu_count()))


def play(program, tests, seconds, **variables):
    """Runs these tests of a program up to the first that fails: how the program ended, which test failed, how long it
    took. Its time is that of the processor, so that a busy machine is no reason to give up."""
    started = subprocess.Popen([program, "--test-threads=1", *(["--exact", *tests] if tests else [])], cwd=TREE / "core",
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
                               env={**os.environ, **ENVIRONMENT, **variables})
    limit = int(seconds * 5 + 4)
    for what, most in ((resource.RLIMIT_CPU, (limit, limit + 2)), (resource.RLIMIT_AS, (6 << 30, 6 << 30)),
                       (resource.RLIMIT_CORE, (0, 0))):
        try:
            resource.prlimit(started.pid, what, most)
        except ProcessLookupError:
            pass
    def kill():
        # Not by `started.kill`, which may take the status that is waited for below.
        os.kill(started.pid, signal.SIGKILL)
    # It may wait for what never comes, which takes no time of the processor.
    hangs = threading.Event()
    timer = threading.Timer(seconds * 60 + 240, lambda: (hangs.set(), kill()))
    timer.start()
    failed = None
    for line in started.stdout:
        if line.endswith(" ... FAILED\n"):
            failed = line.split()[1]
            kill()
            break
    started.stdout.close()
    _, status, used = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    timer.cancel()
    code = 101 if failed else -24 if hangs.is_set() else started.returncode
    return code, failed, used.ru_utime + used.ru_stime


def trace(state):
    """Which test reaches which mutants, and how long it takes; anew for each program that was built anew."""
    for name, program in sorted(state["programs"].items()):
        if name in NOT_RUN:
            continue
        built = os.stat(program).st_mtime
        if state["tests"].get(name, {}).get("built") == built:
            continue
        if name in SLOW:
            state["tests"][name] = {"built": built, "reach": {}}
            continue
        names = subprocess.run([program, "--list", "--format", "terse"], check=True, capture_output=True, text=True,
                               cwd=TREE / "core").stdout
        tests = [line.removesuffix(": test") for line in names.splitlines() if line.endswith(": test")]

        def one(numbered):
            number, test = numbered
            path = Path(WORK / f"trace-{number}")
            path.unlink(missing_ok=True)
            code, _, used = play(program, [test], 60, MUTANT_TRACE=str(path))
            if code:
                return test, None
            reached = sorted({int(n) for n in path.read_text().split()}) if path.exists() else []
            path.unlink(missing_ok=True)
            return test, [used, reached]
        with ThreadPoolExecutor(WORKERS) as pool:
            reach = dict(pool.map(one, enumerate(tests)))
        failed = [test for test, seen in reach.items() if seen is None]
        if failed:
            sys.exit(f"{name} fails without any mutant: {', '.join(failed)}")
        state["tests"][name] = {"built": built, "reach": reach}
        reached = {number for _, numbers in reach.values() for number in numbers}
        print(f"{sum(used for used, _ in reach.values()):7.2f} s  {name} reaches {len(reached)} places", flush=True)


def firsts(state):
    """The number by which a place is traced: that of its first mutant."""
    gone, first, out = {*map(int, state["dropped"]), *state["left"]}, {}, {}
    for m in state["mutants"]:
        if m["number"] in gone:
            continue
        place = (m["file"], str(m["span"]), m["genre"])
        out[m["number"]] = first.setdefault(place, m["number"])
    return out


def reaching(state, slow):
    """For each place: the programs, each with its tests that come there, those that take least first."""
    places = {}
    for program, seen in state["tests"].items():
        for test, (used, numbers) in seen["reach"].items():
            for number in numbers:
                places.setdefault(number, {}).setdefault(program, []).append((used, test))

    def of(place):
        programs = [(sum(used for used, _ in tests), program, [test for _, test in tests])
                    for program, tests in places.get(place, {}).items()]
        return sorted(programs) + [(SLOW[name], name, []) for name in SLOW if slow and name in state["programs"]]
    return of


def run(arguments):
    state, results = read_state(), outcomes()
    slow, quick = "--slow" in arguments, "--quick" in arguments
    arguments = [a for a in arguments if a not in ("--slow", "--quick")]
    again = arguments[:1] == ["--only"]
    first, programs_for = firsts(state), reaching(state, slow)
    todo = []
    for mutant in chosen(state["mutants"], arguments):
        known = results.get(mutant["key"], {})
        if mutant["number"] in first:
            if known.get("outcome") not in ("caught", "timeout") or again:
                todo.append(mutant)
        elif mutant["genre"] in OWN or state["dropped"].get(str(mutant["number"])) == "unviable":
            keep(mutant, {"outcome": "unviable"})
        elif known.get("by") != "cargo mutants":
            keep(mutant, {"outcome": "left"})

    def one(mutant):
        outcome = tried(mutant)
        keep(mutant, outcome)
        note = "" if outcome.get("reached_by", True) else " (not reached)"
        print(f"{time.strftime('%H:%M:%S')} {outcome['outcome']:8} {mutant['number']:5} {mutant['name']}{note} "
              f"{outcome.get('by', '')} {outcome.get('test') or ''}".rstrip(), flush=True)

    def tried(mutant):
        programs = [it for it in programs_for(first[mutant["number"]]) if not quick or it[0] <= QUICK]
        for seconds, program, tests in programs:
            code, failed, _ = play(state["programs"][program], tests, seconds, MUTANT=str(mutant["number"]))
            if code:
                return {"outcome": "timeout" if code in (-24, -9) else "caught", "by": program, "test": failed}
        return {"outcome": "missed", "reached_by": [program for _, program, _ in programs]}
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, todo))
