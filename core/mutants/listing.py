"""The mutants: those of `cargo mutants`, and two kinds of our own."""
import hashlib, json, re, subprocess

from places import ROOT


def listed():
    out = subprocess.run(["cargo", "mutants", "--list", "--json", "-p", "underpass-core"], cwd=ROOT,
                         check=True, capture_output=True, text=True).stdout
    mutants = json.loads(out)
    for file in sorted({mutant["file"] for mutant in mutants}):
        mutants += own(file, (ROOT / file).read_bytes())
    for number, mutant in enumerate(mutants, 1):
        mutant["number"] = number
        mutant.pop("diff", None)
    identify(mutants)
    return mutants


def identify(mutants):
    """Gives each a name without its line (`short`), and one that holds as long as its function stays (`key`)."""
    texts, seen = {}, {}
    for mutant in sorted(mutants, key=lambda m: (m["file"], m["span"]["start"]["line"], m["span"]["start"]["column"])):
        file, function = mutant["file"], mutant["function"]
        lines = texts.setdefault(file, (ROOT / file).read_text().split("\n"))
        short = re.sub(r"^core/src/(.*?):\d+:\d+: ", r"\1: ", mutant["name"])
        seen[short] = seen.get(short, 0) + 1
        mutant["short"] = short + (f" ({seen[short]})" if seen[short] > 1 else "")
        span = (function or mutant).get("span") or mutant["span"]
        text = "\n".join(lines[span["start"]["line"] - 1 : span["end"]["line"]])
        mutant["key"] = f"{mutant['short']} @{hashlib.sha1(text.encode()).hexdigest()[:8]}"


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
        span = {end: {"line": point[0] + 1, "column": point[1] + 1}
                for end, point in (("start", function.start_point), ("end", function.end_point))}
        found.append({"file": file, "genre": genre, "function": {"function_name": called, "return_type": "", "span": span},
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
