"""A copy of the tree with all mutants in it, built once."""
import json, os, re, subprocess, sys

from listing import listed
from places import ROOT, TARGET, TREE, read_state, write_state
from playing import trace
from switches import Source, switch

PACKAGE = ["--locked", "--profile", "mutants", "-p", "underpass-core"]
CHECK = ["cargo", "check", *PACKAGE]
TESTS = ["cargo", "test", *PACKAGE, "--lib", "--tests", "--no-run"]

LEFT = "left"
# Errors of types: what a mutant puts there itself doesn't compile, with a switch or without.
OF_TYPES = {"E0277", "E0308", "E0369", "E0600", "E0604", "E0605", "E0606", "E0599"}


def build():
    copy_tree()
    mutants = listed()
    old = read_state()
    keep_const = set(old.get("keep_const", ()))
    # Why a mutant is dropped: whether it is that one itself that doesn't compile.
    known = {m["key"]: old["dropped"][str(m["number"])] for m in old.get("mutants", ())
             if str(m["number"]) in old["dropped"]}
    dropped = {m["number"]: known[m["key"]] for m in mutants if m["key"] in known}
    command = CHECK
    for attempt in range(60):
        left = put(mutants, dropped, keep_const)
        errors, programs = compile_with(command)
        print(f"attempt {attempt}: {command[1]}: {len(errors)} errors, {len(dropped)} dropped", flush=True)
        if not errors and command is TESTS:
            break
        before = (len(dropped), len(keep_const))
        for error in errors:
            blame(error, mutants, dropped, keep_const)
        if errors and before == (len(dropped), len(keep_const)):
            sys.exit("can't tell what is at fault:\n" + "\n".join(e.get("rendered", "") for e in errors[:5]))
        command = CHECK if errors else TESTS
    else:
        sys.exit("no attempt compiles")
    state = {"mutants": mutants, "dropped": dropped, "left": left, "keep_const": sorted(keep_const),
             "programs": programs, "tests": old.get("tests", {})}
    trace(state)
    write_state(state)


def copy_tree():
    TREE.mkdir(parents=True, exist_ok=True)
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True,
                           text=True).stdout.split("\n")
    files = {name for name in files if name and (ROOT / name).is_file()}
    for copy in [path for path in TREE.rglob("*") if path.is_file()]:
        # What was moved or deleted since would be compiled, or tested, as it was.
        if str(copy.relative_to(TREE)) not in files:
            copy.unlink()
    for name in files:
        if not (name.startswith("core/src/") and name.endswith(".rs")):
            write(TREE / name, (ROOT / name).read_bytes())


def write(path, content):
    """Leaves a file alone that is as it should be, so that cargo needn't build it."""
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def put(mutants, dropped, keep_const):
    """Writes the sources with their switches; returns the mutants that no switch can be put in front of."""
    by_file, left = {}, []
    for mutant in mutants:
        by_file.setdefault(mutant["file"], []).append(mutant)
    for path in sorted((ROOT / "core/src").rglob("*.rs")):
        name = str(path.relative_to(ROOT))
        source = Source(name, [m for m in by_file.get(name, []) if m["number"] not in dropped], keep_const)
        left += source.left
        text = source.whole()
        if name == "core/src/lib.rs":
            text += switch(mutants)
        write(TREE / name, text.encode())
    return left


def compile_with(command):
    """The errors that name a place, and the test programs. Ends everything when it fails and no error names one."""
    run = subprocess.run(command + ["--message-format=json"], cwd=TREE, capture_output=True, text=True,
                         env={**os.environ, "CARGO_TARGET_DIR": str(TARGET),
                              "CARGO_PROFILE_MUTANTS_OPT_LEVEL": "1", "CARGO_PROFILE_MUTANTS_INCREMENTAL": "false"})
    errors, programs, said = [], {}, []
    for line in run.stdout.splitlines():
        if not line.startswith("{"):
            continue
        message = json.loads(line)
        if message["reason"] == "compiler-message" and message["message"]["level"].startswith("error"):
            said.append(message["message"]["rendered"] or message["message"]["message"])
            if message["message"]["spans"]:
                errors.append(message["message"])
        elif message["reason"] == "compiler-artifact" and message.get("executable") and message["profile"]["test"]:
            name = message["target"]["name"]
            programs["lib" if "lib" in message["target"]["kind"] else name] = message["executable"]
    if run.returncode and not errors:
        sys.exit("\n".join([*said, run.stderr[-4000:]]))
    return errors, programs


def own_span(span):
    """Where our own sources say it: what a macro of somebody else's wrote is said where that is called."""
    while span["file_name"].startswith("/") and span["expansion"]:
        span = span["expansion"]["span"]
    return span


def blame(error, mutants, dropped, keep_const):
    """Drops the mutants that a failure comes from, or keeps a function a const one."""
    spans = sorted(map(own_span, error["spans"]), key=lambda span: not span["is_primary"])
    spans = [span for span in spans if not span["file_name"].startswith("/")]
    if not spans:
        return
    switch = (TREE / spans[0]["file_name"]).read_bytes()[spans[0]["byte_start"]:spans[0]["byte_end"]].decode()
    switch = re.fullmatch(r"crate::mutant::(?:at|on)\((\d+)\)", switch)
    if error["code"] and error["code"]["code"] == "E0015" and switch:
        here = next(m for m in mutants if m["number"] == int(switch[1]))
        for mutant in mutants:
            if (mutant["file"], mutant["span"]) == (here["file"], here["span"]):
                dropped.setdefault(mutant["number"], LEFT)
        return
    called = re.search(r"cannot call non-const (?:associated )?(?:function|method) `([^`]*)`", error["message"])
    if called and "mutant::" not in called[1]:
        keep_const.add(re.sub(r"::<.*?>", "", called[1]).split("::")[-1])
        return
    if (error.get("code") or {}).get("code") == "E0004":
        # An arm that may be switched off no longer counts; which of them is needed isn't said.
        span = spans[0]
        text = (TREE / span["file_name"]).read_text().encode()[span["byte_end"]:].decode()
        depth = 0
        for token in re.finditer(r"[{}]|/\*M(\d+)\*/ (?:if )?!crate", text):
            depth += {"{": 1, "}": -1}.get(token[0], 0)
            if token[1] and depth == 1:
                dropped.setdefault(int(token[1]), LEFT)
            if depth == 0:
                return
    for span in spans:
        if not span["file_name"].startswith("core/src"):
            continue
        lines = (TREE / span["file_name"]).read_text().split("\n")
        for reach in (0, 1, 2, 4, 8, 16, 40):
            text = "\n".join(lines[max(0, span["line_start"] - 1 - reach):span["line_end"]])
            found = [int(n) for n in re.findall(r"/\*M(\d+)\*/", text)]
            if found and reach:
                found = found[-1:]
            if found:
                is_its_own = reach == 0 and len(found) == 1 and (error.get("code") or {}).get("code") in OF_TYPES
                for number in found:
                    dropped.setdefault(number, "unviable" if is_its_own else LEFT)
                return
