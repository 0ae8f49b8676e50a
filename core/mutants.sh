#!/usr/bin/env bash
# Mutants of the core (docs/evidence/mutants.md). Needs `cargo install --locked cargo-mutants` and python3.
#
#     core/mutants.sh build            all mutants in one build, each behind a switch; then
#     core/mutants.sh run FILE...      runs those of these files or folders, seconds each
#     core/mutants.sh run --slow FILE  the same, with the explorer for those that everything else misses
#     core/mutants.sh run --quick FILE the same without the tests that take long, for a first look
#     core/mutants.sh table FILE...    the figures
#     core/mutants.sh missed FILE...   the survivors by name
#     core/mutants.sh left FILE...     by `cargo mutants` alone, minutes each: those that can't be behind a switch
#     core/mutants.sh left --lib FILE  the same by unit tests alone, seconds each: what they miss is still left
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export MUTANTS_DIR="${MUTANTS_DIR:-$PWD/target/mutants-in-one}"
if [ ! -x "$MUTANTS_DIR/python/bin/python" ]; then
    python3 -m venv "$MUTANTS_DIR/python"
    "$MUTANTS_DIR/python/bin/pip" install -q tree_sitter==0.26.1 tree_sitter_rust==0.24.2
fi
exec "$MUTANTS_DIR/python/bin/python" -B core/mutants "$@"
