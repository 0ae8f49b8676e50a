"""A source file of the core with each of its mutants behind a switch."""
from listing import joins, parse
from places import ROOT

SWITCH = """
/// Switches between mutants.
#[doc(hidden)]
pub mod mutant {
    use std::{fs::File, io::{Read, Write}, sync::{OnceLock, atomic::{AtomicBool, Ordering}}};
    static ACTIVE: OnceLock<(u32, Option<File>)> = OnceLock::new();
    static REACHED: [AtomicBool; PLACES] = [const { AtomicBool::new(false) }; PLACES];
    /// What the environment says, without an allocation: some tests count those.
    fn read() -> (u32, Option<File>) {
        let (mut all, mut end) = ([0; 1 << 16], 0);
        if let Ok(mut file) = File::open("/proc/self/environ") {
            while let Ok(count @ 1..) = file.read(&mut all[end..]) { end += count; }
        }
        let value = |name| all[..end].split(|byte| *byte == 0).find_map(|pair: &[u8]| pair.strip_prefix(name));
        let text = |name| value(name).and_then(|value| std::str::from_utf8(value).ok());
        let number = text(b"MUTANT=".as_slice()).and_then(|number| number.parse().ok());
        let trace = text(b"MUTANT_TRACE=".as_slice());
        (number.unwrap_or(0), trace.and_then(|path| File::options().create(true).append(true).open(path).ok()))
    }
    /// The mutant that is switched on. `first` is the first of those here.
    pub fn at(first: u32) -> u32 {
        let (active, trace) = ACTIVE.get_or_init(read);
        if let Some(mut file) = trace.as_ref() && !REACHED[first as usize].swap(true, Ordering::Relaxed) {
            let mut line = *b"          \\n";
            let _ = (&mut line[..10]).write_fmt(format_args!("{first}"));
            let _ = file.write_all(&line);
        }
        *active
    }
    /// Whether `number` is switched on.
    pub fn on(number: u32) -> bool { at(number) == number }
}
"""


def switch(mutants):
    """The module that says which mutant is on; numbers begin at 1."""
    return SWITCH.replace("PLACES", str(len(mutants) + 1))


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
                if parent.type == "compound_assignment_expr":
                    put = "{{ {} {} {} }}"
                else:
                    # `a as usize < b` would be read as the beginning of a list of types.
                    put = "({}) {} ({})"
                return choose([(m, put.format(l, m["replacement"], r)) for m in here], put.format(l, operator, r))
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
