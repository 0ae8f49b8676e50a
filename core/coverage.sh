#!/usr/bin/env bash
# Lines of the core that its own tests run, by folder: the table of docs/evidence/mutants.md. Doc tests and the
# workspace's other tests are not counted.
#
#     core/coverage.sh            runs them, and prints the table
#     core/coverage.sh --lines    and every line that none of them runs
#
# Needs `cargo install --locked cargo-llvm-cov` and `rustup component add llvm-tools-preview`; some ten minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

report="$(mktemp)"
trap 'rm -f "$report"' EXIT
cargo llvm-cov --locked -p underpass-core --lcov --output-path "$report" >&2
python3 - "$report" "${1-}" <<'PYTHON'
import re
import sys
from collections import defaultdict
from pathlib import Path

lines = defaultdict(dict)
for line in Path(sys.argv[1]).read_text().splitlines():
    if line.startswith("SF:"):
        found = re.search(r"/core/src/(.+)$", line)
        file = found[1] if found else None
    elif line.startswith("DA:") and file:
        number, count = map(int, line[3:].split(",")[:2])
        lines[file][number] = max(count, lines[file].get(number, 0))

folders = defaultdict(lambda: [0, 0])
for file, counts in lines.items():
    parts = file.split("/")
    for folder in ("all", parts[0] + "/" if len(parts) > 1 else "(the root)"):
        folders[folder][0] += len(counts)
        folders[folder][1] += sum(count > 0 for count in counts.values())
print("| folder of core/src | lines | run | |")
print("|---|---:|---:|---:|")
for folder, (all_lines, run) in sorted(folders.items(), key=lambda item: (item[0] == "all", item[0])):
    print(f"| {folder} | {all_lines:,} | {run:,} | {run / all_lines:.1%} |")
if sys.argv[2] == "--lines":
    for file, counts in sorted(lines.items()):
        missed = [str(number) for number, count in sorted(counts.items()) if count == 0]
        if missed:
            print(f"{file}: {' '.join(missed)}")
PYTHON
