#!/usr/bin/env python3
"""Mutants of the core, all in one build.

`cargo mutants` builds the core and its tests anew for each mutant. This takes the same mutants, from
`cargo mutants --list --json`, puts each behind a switch (an environment variable) in a copy of the tree, builds the
copy once, and runs the core's suite once per mutant, so that a mutant costs what its tests cost.

    core/mutants.sh build                   copies, builds, and notes which test program reaches which mutant
    core/mutants.sh run FILE...             runs the mutants of these files or folders under core/src
    core/mutants.sh run --only N,N          runs these
    core/mutants.sh table FILE...           the figures of what was run, file by file
    core/mutants.sh missed FILE...          the survivors by name

What doesn't build behind a switch (a const fn that a constant needs, an `impl Trait` of a second type, a condition
with `let`) is listed as `left`, and is for `cargo mutants` itself: `core/mutants.sh left FILE...`.

A mutated operator keeps its operands: `a && b && c` becomes `(a || b) && c`, and not `a || b && c`.

Two kinds come besides, which `cargo mutants` lacks: one condition of several is dropped (`a && b` becomes `a`, or `b`),
and a count or sum grows no further than 255, as if it had only eight bits.
"""
import json, os, re, resource, shutil, subprocess, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = Path(os.environ.get("MUTANTS_DIR", ROOT / "target" / "mutants-in-one"))
TREE, TARGET, STATE, RESULTS = WORK / "tree", WORK / "target", WORK / "state.json", WORK / "results.jsonl"
CARGO = ["cargo", "test", "--locked", "--profile", "mutants", "-p", "underpass-core", "--lib", "--tests", "--no-run"]
# Programs that take long, in seconds: only for mutants that every other program misses, and only with `--slow`.
SLOW = {"explore": 300.0, "any_cut": 20.0}
# They prove nothing about a mutant that others don't, or read sources and not behaviour.
NOT_RUN = {"requirements"}

SWITCH = """
/// Switches between mutants.
#[doc(hidden)]
pub mod mutant {
    use std::{fs::File, io::Write, sync::{OnceLock, atomic::{AtomicBool, Ordering}}};
    static ACTIVE: OnceLock<(u32, Option<File>)> = OnceLock::new();
    static REACHED: [AtomicBool; 8192] = [const { AtomicBool::new(false) }; 8192];
    /// The mutant that is switched on. `first` is the first of those here.
    pub fn at(first: u32) -> u32 {
        let (active, trace) = ACTIVE.get_or_init(|| {
            let number = std::env::var("MUTANT").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
            let trace = std::env::var("MUTANT_TRACE").ok();
            (number, trace.and_then(|path| File::options().create(true).append(true).open(path).ok()))
        });
        if let Some(mut file) = trace.as_ref() && !REACHED[first as usize].swap(true, Ordering::Relaxed) {
            let _ = file.write_all(format!("{first}\\n").as_bytes());
        }
        *active
    }
    /// Whether `number` is switched on.
    pub fn on(number: u32) -> bool { at(number) == number }
}
"""


# The copy.

def listed():
    out = subprocess.run(["cargo", "mutants", "--list", "--json", "-p", "underpass-core"], cwd=ROOT,
                         check=True, capture_output=True, text=True).stdout
    mutants = json.loads(out)
    for file in sorted({mutant["file"] for mutant in mutants}):
        mutants += own(file, (ROOT / file).read_bytes())
    for number, mutant in enumerate(mutants, 1):
        mutant["number"] = number
        mutant.pop("diff", None)
    return mutants


def parse(text):
    import tree_sitter, tree_sitter_rust
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language())).parse(text)


def joins(node):
    """The sign by which an expression joins two conditions, if it does."""
    operator = node.child_by_field_name("operator") if node.type == "binary_expression" else None
    return operator.text if operator and operator.text in (b"&&", b"||") else None


# Methods whose result is a count or a sum.
COUNTS = {"count", "sum", "saturating_add", "wrapping_add"}
OWN = {"Condition", "Bound"}


def own(file, text):
    """The mutants of the kinds that `cargo mutants` lacks, in its form."""
    found = []

    def add(node, genre, name):
        (row, column), (end_row, end_column) = node.start_point, node.end_point
        function = node
        while function is not None and function.type != "function_item":
            function = function.parent
        if function is None:
            return
        # cargo mutants counts characters, from 1.
        lines = text.split(b"\n")
        place = [{"line": line + 1, "column": len(lines[line][:byte].decode()) + 1}
                 for line, byte in ((row, column), (end_row, end_column))]
        called = function.child_by_field_name("name").text.decode()
        found.append({"file": file, "genre": genre, "function": {"function_name": called, "return_type": ""},
                      "name": f"{file}:{place[0]['line']}:{place[0]['column']}: {name} in {called}",
                      "span": {"start": place[0], "end": place[1]}, "replacement": ""})

    def look(node):
        if node.type in ("mod_item", "function_item"):
            before = node.prev_named_sibling
            while before is not None and before.type in ("attribute_item", "line_comment"):
                if before.type == "attribute_item" and re.search(rb"\b(test|debug_assertions|loom)\b", before.text):
                    return
                before = before.prev_named_sibling
        operands = []
        if joins(node):
            sides = [node.child_by_field_name("left"), node.child_by_field_name("right")]
            operands = [side for side in sides if joins(side) != joins(node)]
        elif node.type == "let_chain":
            operands = [child for child in node.named_children if child.type != "let_condition"]
        for operand in operands:
            shown = re.sub(r"\s+", " ", operand.text.decode())
            add(operand, "Condition", f"drop the condition {shown}")
        if node.type == "compound_assignment_expr" and node.child_by_field_name("operator").text == b"+=":
            add(node, "Bound", f"bound {node.child_by_field_name('left').text.decode()}")
        if node.type == "call_expression":
            called = node.child_by_field_name("function")
            if called.type == "generic_function":
                called = called.child_by_field_name("function")
            if called.type == "field_expression" and called.child_by_field_name("field").text.decode() in COUNTS:
                add(node, "Bound", f"bound the result of {called.child_by_field_name('field').text.decode()}")
        for child in node.named_children:
            look(child)

    look(parse(text).root_node)
    return found


class Source:
    """One file, and the places in it that mutants change."""

    def __init__(self, path, mutants, keep_const):
        self.path, self.text = path, (ROOT / path).read_bytes()
        self.tree = parse(self.text)
        self.keep_const = keep_const
        self.lines = self.text.split(b"\n")
        self.offsets = [0]
        for line in self.lines:
            self.offsets.append(self.offsets[-1] + len(line) + 1)
        self.sites, self.left = [], []
        places = {}
        for mutant in mutants:
            span = mutant["span"]
            key = (self.offset(span["start"]), self.offset(span["end"]), mutant["genre"])
            places.setdefault(key, []).append(mutant)
        for (start, end, genre), here in places.items():
            site = self.site(start, end, genre, here)
            if site is None:
                self.left += [m["number"] for m in here]
            else:
                self.sites.append(site)
        self.const_functions()
        # What wraps a whole expression stands before what changes that expression.
        self.sites.sort(key=lambda site: (site[0], -site[1], not site[2].__name__.startswith("wrapped")))

    def offset(self, place):
        line = self.lines[place["line"] - 1].decode()
        return self.offsets[place["line"] - 1] + len(line[: place["column"] - 1].encode())

    def node(self, start, end):
        return self.tree.root_node.descendant_for_byte_range(start, end)

    def spanning(self, start, end):
        """The outermost expression from `start` to `end` that another one stands beside."""
        node = self.node(start, end)
        while node.parent is not None and (node.parent.start_byte, node.parent.end_byte) == (start, end):
            node = node.parent
        return node

    def const_functions(self):
        """A switch can't be in a const fn: it is made a plain one, unless a constant needs it."""
        nodes = [self.tree.root_node]
        while nodes:
            node = nodes.pop()
            nodes += node.children
            if node.type == "function_modifiers" and node.parent.type == "function_item":
                name = node.parent.child_by_field_name("name").text.decode()
                for child in node.children:
                    if child.type == "const" and name not in self.keep_const:
                        self.sites.append((child.start_byte, child.end_byte, lambda: ""))

    def site(self, start, end, genre, here):
        first, number = here[0]["number"], here[0]["number"]
        at = f"crate::mutant::at({first})"
        on = f"crate::mutant::on({number})"

        def choose(arms, otherwise):
            lines = "".join(f"\n/*M{m['number']}*/ {m['number']} => {text}," for m, text in arms)
            return f"(match {at} {{{lines}\n_ => {otherwise} }})"

        if genre == "Condition":
            operand = self.spanning(start, end)
            joined = operand.parent
            drops = "||" if joined.type == "let_chain" or joins(joined) == b"&&" else "&& !"

            def wrapped_condition():
                return f"(({self.render(operand)})\n{drops} /*M{number}*/ {on})"
            return (start, end, wrapped_condition)
        if genre == "Bound":
            node = self.spanning(start, end)
            if node.type == "call_expression":
                def wrapped_count():
                    return f"{{ /*M{number}*/ let it = {self.render(node)};\n/*M{number}*/ if {on} {{ it.min(255) }} else {{ it }} }}"
                return (start, end, wrapped_count)

            def wrapped_sum():
                left = self.text[node.child_by_field_name("left").start_byte:node.child_by_field_name("left").end_byte].decode()
                return f"{{ {self.render(node)};\n/*M{number}*/ if {on} {{ {left} = ({left}).min(255); }} }}"
            return (start, end, wrapped_sum)
        if genre == "FnValue":
            block = self.node(start, start)
            while block and block.type != "block":
                block = block.parent
            if block is None or "impl " in here[0]["function"]["return_type"]:
                return None
            body = block.start_byte + 1

            def value():
                arms = "".join(f"\n/*M{m['number']}*/ {m['number']} => return {m['replacement']}," for m in here)
                return f" #[allow(unreachable_code)] match {at} {{{arms}\n_ => {{}} }} "
            return (body, body, value)
        if genre in ("BinaryOperator",):
            parent = self.node(start, end).parent
            if parent is None or parent.type not in ("binary_expression", "compound_assignment_expr"):
                return None
            left, right = parent.child_by_field_name("left"), parent.child_by_field_name("right")
            operator = self.text[start:end].decode()
            if operator in ("&&", "||") and len(here) == 1:
                def logic():
                    m = f"/*M{number}*/ {on}"
                    return (f"(((({self.render(left)})\n^ {m}) {operator} (({self.render(right)})\n^ {m}))\n^ {m})")
                return (parent.start_byte, parent.end_byte, logic)
            if operator in ("==", "!=") and len(here) == 1:
                def equal():
                    return f"(({self.render(left)} {operator} {self.render(right)})\n^ /*M{number}*/ {on})"
                return (parent.start_byte, parent.end_byte, equal)

            def other():
                l, r = self.render(left), self.render(right)
                put = "{{ {} }}" if parent.type == "compound_assignment_expr" else "{}"
                return choose([(m, put.format(f"{l} {m['replacement']} {r}")) for m in here],
                              put.format(f"{l} {operator} {r}"))
            return (parent.start_byte, parent.end_byte, other)
        if genre == "UnaryOperator":
            parent = self.node(start, end)
            while parent is not None and parent.type != "unary_expression":
                parent = parent.parent
            if parent is None or parent.start_byte != start:
                return None
            operand = parent.children[1]
            operator = self.text[start:parent.children[0].end_byte].decode()

            def unary():
                text = self.render(operand)
                return choose([(here[0], text)], operator + text)
            return (parent.start_byte, parent.end_byte, unary)
        if genre == "MatchArmGuard":
            pattern = self.node(start, end)
            while pattern is not None and pattern.type != "match_pattern":
                pattern = pattern.parent
            guard = pattern and pattern.child_by_field_name("condition")
            if not guard or guard.type in ("let_condition", "let_chain"):
                return None

            def guarded():
                return choose([(m, m["replacement"]) for m in here], self.inner(guard))
            return (guard.start_byte, guard.end_byte + 0, guarded)
        if genre == "MatchArm":
            arm = self.node(start, end)
            while arm is not None and arm.type != "match_arm":
                arm = arm.parent
            if arm is None:
                return None
            pattern = arm.child_by_field_name("pattern")
            guard = pattern.child_by_field_name("condition")
            if guard is None:
                return (pattern.end_byte, pattern.end_byte, lambda: f"\n/*M{number}*/ if !{on} ")
            if guard.type in ("let_condition", "let_chain"):
                return None
            return (guard.start_byte, guard.start_byte, lambda: f"\n/*M{number}*/ !{on} && ")
        if genre == "StructField":
            field = self.node(start, end)
            while field is not None and field.type not in ("field_initializer", "shorthand_field_initializer"):
                field = field.parent
            if field is None or field.type != "field_initializer":
                return None
            base = next((n for n in field.parent.children if n.type == "base_field_initializer"), None)
            name, value = field.child_by_field_name("field"), field.child_by_field_name("value")
            kind = field.parent.parent.child_by_field_name("name")
            if base is None or value is None:
                return None

            def initial():
                fallback = self.text[base.children[1].start_byte:base.end_byte].decode()
                return f"\n/*M{number}*/ if {on} {{ ({fallback}).{name.text.decode()} }} else {{ {self.render(value)} }}"
            return (value.start_byte, value.end_byte, initial)
        return None

    def render(self, node):
        return self.between(node.start_byte, node.end_byte, None)

    def inner(self, node):
        """The text of `node` without the change of `node` itself."""
        return self.between(node.start_byte, node.end_byte, "guard")

    def between(self, start, end, skip):
        out, at = [], start
        for site in self.sites:
            if site[0] < at or site[1] > end or site[0] >= end and site[0] != site[1]:
                continue
            if site[0] >= end:
                continue
            if skip and site[:2] == (start, end) and site[2].__name__ == "guarded":
                continue
            if self.active is not None and site is self.active:
                continue
            out.append(self.text[at:site[0]].decode())
            outer, self.active = self.active, site
            out.append(site[2]())
            self.active = outer
            at = site[1]
        out.append(self.text[at:end].decode())
        return "".join(out)

    active = None

    def whole(self):
        return self.between(0, len(self.text), None)


def copy_tree():
    TREE.mkdir(parents=True, exist_ok=True)
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True,
                           text=True).stdout.split("\n")
    for name in filter(None, files):
        source, copy = ROOT / name, TREE / name
        if source.is_file() and not name.startswith("core/src/"):
            write(copy, source.read_bytes())
        elif source.is_file() and not copy.exists():
            write(copy, source.read_bytes())


def write(path, content):
    """Leaves a file alone that is as it should be, so that cargo needn't build it."""
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def build():
    copy_tree()
    mutants = listed()
    dropped, keep_const = {}, set()
    if STATE.exists():
        old = json.loads(STATE.read_text())
        keep_const = set(old["keep_const"])
        known = {key(m) for m in old["mutants"] if m["number"] in set(old["dropped"])}
        dropped = {m["number"]: "as before" for m in mutants if key(m) in known}
    for attempt in range(60):
        left = put(mutants, dropped, keep_const)
        command = CARGO if attempt and not errors else ["cargo", "check", "--locked", "--profile", "mutants", "-p", "underpass-core"]
        errors, programs, output = compile_with(command)
        print(f"attempt {attempt}: {len(errors)} errors, {len(dropped)} dropped", flush=True)
        if not errors and command is CARGO:
            break
        before = (len(dropped), len(keep_const))
        for error in errors:
            blame(error, mutants, dropped, keep_const)
        if errors and before == (len(dropped), len(keep_const)):
            sys.exit("can't tell what is at fault:\n" + "\n".join(e.get("rendered", "") for e in errors[:5]))
    state = {"mutants": mutants, "dropped": sorted(dropped), "left": left, "keep_const": sorted(keep_const),
             "programs": programs}
    state["reach"], state["seconds"] = {}, {}
    STATE.write_text(json.dumps(state))
    trace(state)


def key(mutant):
    return (mutant["file"], mutant["function"] and mutant["function"]["function_name"], re.sub(r":\d+:\d+", "", mutant["name"]), mutant["span"]["start"]["column"])


def put(mutants, dropped, keep_const):
    by_file, left = {}, []
    for mutant in mutants:
        by_file.setdefault(mutant["file"], []).append(mutant)
    for path in sorted((ROOT / "core/src").rglob("*.rs")):
        name = str(path.relative_to(ROOT))
        source = Source(name, [m for m in by_file.get(name, []) if m["number"] not in dropped], keep_const)
        left += source.left
        text = source.whole()
        if name == "core/src/lib.rs":
            text += SWITCH
        write(TREE / name, text.encode())
    return left


def compile_with(command):
    run = subprocess.run(command + ["--message-format=json"], cwd=TREE, capture_output=True, text=True,
                         env={**os.environ, "CARGO_TARGET_DIR": str(TARGET),
                              "CARGO_PROFILE_MUTANTS_OPT_LEVEL": "1", "CARGO_PROFILE_MUTANTS_INCREMENTAL": "false"})
    errors, programs = [], {}
    for line in run.stdout.splitlines():
        if not line.startswith("{"):
            continue
        message = json.loads(line)
        if message["reason"] == "compiler-message" and message["message"]["level"] == "error":
            if message["message"]["spans"]:
                errors.append(message["message"])
        elif message["reason"] == "compiler-artifact" and message.get("executable") and message["profile"]["test"]:
            name = message["target"]["name"]
            programs["lib" if "lib" in message["target"]["kind"] else name] = message["executable"]
    if run.returncode and not errors:
        sys.exit(run.stderr[-4000:])
    return errors, programs, run.stderr


def blame(error, mutants, dropped, keep_const):
    spans = sorted(error["spans"], key=lambda span: not span["is_primary"])
    switch = (TREE / spans[0]["file_name"]).read_bytes()[spans[0]["byte_start"]:spans[0]["byte_end"]].decode()
    switch = re.fullmatch(r"crate::mutant::(?:at|on)\((\d+)\)", switch)
    if error["code"] and error["code"]["code"] == "E0015" and switch:
        here = next(m for m in mutants if m["number"] == int(switch[1]))
        for mutant in mutants:
            if (mutant["file"], mutant["span"]) == (here["file"], here["span"]):
                dropped.setdefault(mutant["number"], error["message"])
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
                dropped.setdefault(int(token[1]), error["message"])
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
                for number in found:
                    dropped.setdefault(number, error["message"])
                return


# Running.

ENVIRONMENT = {"PROPTEST_DISABLE_FAILURE_PERSISTENCE": "1", "PROPTEST_MAX_SHRINK_ITERS": "0", "RUST_BACKTRACE": "0"}


def play(program, seconds, **variables):
    """Runs a test program; by its processor time, so that a busy machine is no reason to give up."""
    def limits():
        limit = int(seconds * 5 + 4)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 2))
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        run = subprocess.run([program, "--test-threads=2"], cwd=TREE / "core", preexec_fn=limits,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
                             timeout=seconds * 60 + 240, env={**os.environ, **ENVIRONMENT, **variables})
        code, out = run.returncode, run.stdout
    except subprocess.TimeoutExpired:
        code, out = -24, ""
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    failed = re.findall(r"^test (\S+).* \.\.\. FAILED", out, re.M)
    return code, failed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def trace(state):
    for name, program in sorted(state["programs"].items()):
        if name in NOT_RUN:
            continue
        if name in SLOW:
            state["reach"][name], state["seconds"][name] = [m["number"] for m in state["mutants"]], SLOW[name]
            continue
        code, failed, used = play(program, 60)
        if code:
            sys.exit(f"{name} fails without any mutant: {failed}")
        path = WORK / "trace"
        path.unlink(missing_ok=True)
        play(program, 60, MUTANT_TRACE=str(path))
        state["reach"][name] = sorted({int(n) for n in path.read_text().split()}) if path.exists() else []
        state["seconds"][name] = used
        print(f"{used:7.2f} s  {name} reaches {len(state['reach'][name])} places", flush=True)
    STATE.write_text(json.dumps(state))


def chosen(state, arguments):
    if arguments[:1] == ["--only"]:
        numbers = {int(n) for n in arguments[1].split(",")}
        return [m for m in state["mutants"] if m["number"] in numbers]
    names = [a.rstrip("/") for a in arguments]
    return [m for m in state["mutants"]
            if any(m["file"] == n or m["file"].startswith(n + "/") for n in names)]


def firsts(state):
    """The number by which a place is traced: that of its first mutant."""
    gone, first, out = set(state["dropped"]) | set(state["left"]), {}, {}
    for m in state["mutants"]:
        if m["number"] in gone:
            continue
        span = m["span"]
        place = (m["file"], str(span), m["genre"])
        out[m["number"]] = first.setdefault(place, m["number"])
    return out


def keep(name, outcome):
    with RESULTS.open("a") as file:
        file.write(json.dumps([name, outcome]) + "\n")


def outcomes():
    return dict(map(json.loads, RESULTS.read_text().splitlines())) if RESULTS.exists() else {}


def run(arguments):
    state = json.loads(STATE.read_text())
    results = outcomes()
    slow = "--slow" in arguments
    arguments = [a for a in arguments if a != "--slow"]
    again = arguments[:1] == ["--only"]
    first = firsts(state)
    reach = {name: set(numbers) for name, numbers in state["reach"].items()}
    for mutant in chosen(state, arguments):
        number, name = mutant["number"], mutant["name"]
        if number not in first:
            if mutant["genre"] in OWN:
                keep(name, {"outcome": "unviable"})
            elif results.get(name, {}).get("by") != "cargo mutants":
                keep(name, {"outcome": "left"})
            continue
        if name in results and results[name]["outcome"] in ("caught", "timeout") and not again:
            continue
        programs = sorted((n for n in reach if first[number] in reach[n] and (slow or n not in SLOW)), key=lambda n: state["seconds"][n])
        outcome = {"outcome": "missed", "reached_by": programs}
        for program in programs:
            code, failed, used = play(state["programs"][program], state["seconds"][program], MUTANT=str(number))
            if code:
                out = "timeout" if code in (-24, -9) else "caught"
                outcome = {"outcome": out, "by": program, "tests": failed[:3]}
                break
        keep(name, outcome)
        note = "" if outcome["outcome"] != "missed" else (" (not reached)" if not programs else "")
        print(f"{time.strftime('%H:%M:%S')} {outcome['outcome']:8} {number:5} {name}{note} {outcome.get('by', '')}", flush=True)


def table(arguments):
    state = json.loads(STATE.read_text())
    results = outcomes()
    rows = {}
    for mutant in chosen(state, arguments):
        rows.setdefault(mutant["file"], []).append(results.get(mutant["name"], {"outcome": "not run"})["outcome"])
    for file, seen in rows.items():
        counts = {k: seen.count(k) for k in ("caught", "timeout", "unviable", "missed", "left", "not run")}
        print(f"| `{file.removeprefix('core/src/')}` | {len(seen)} | " + " | ".join(str(counts[k]) for k in counts) + " |")


def missed(arguments):
    results = outcomes()
    for mutant in chosen(json.loads(STATE.read_text()), arguments):
        outcome = results.get(mutant["name"], {})
        if outcome.get("outcome") == "missed":
            print(mutant["name"] + ("" if outcome.get("reached_by", True) else " (not reached)"))


def left(arguments):
    """What has no switch, by `cargo mutants`, which builds anew for each."""
    state = json.loads(STATE.read_text())
    gone = set(state["dropped"]) | set(state["left"])
    here = [m for m in chosen(state, arguments) if m["number"] in gone and m["genre"] not in OWN]
    if not here:
        return
    names = [m["name"] for m in here]
    files = [part for file in sorted({m["file"] for m in here}) for part in ("-f", file)]
    patterns = [part for name in names for part in ("--re", re.escape(name))]
    programs = [part for name in sorted(state["programs"]) if name != "lib" and name not in {*SLOW, *NOT_RUN}
                for part in ("--test", name)]
    subprocess.run(["cargo", "mutants", "-p", "underpass-core", "--baseline", "skip", "--timeout", "300",
                             "--output", str(WORK), *files, *patterns, "--", "--lib", *programs], cwd=ROOT)
    for outcome in ("caught", "timeout", "missed", "unviable"):
        for name in (WORK / "mutants.out" / f"{outcome}.txt").read_text().splitlines():
            keep(name, {"outcome": outcome, "by": "cargo mutants"})


if __name__ == "__main__":
    command, rest = sys.argv[1], sys.argv[2:]
    {"build": lambda _: build(), "run": run, "table": table, "left": left, "missed": missed}[command](rest)
