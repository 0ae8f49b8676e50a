#!/usr/bin/env bash
# Runs the models of core/src/shared/models.rs under every schedule with at most four preemptions (or as many as
# LOOM_MAX_PREEMPTIONS says). A failing schedule is printed as a test failure.
#
# `--cfg loom` reaches every dependency, so the build has a folder of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS-4}"
exec cargo test --locked -p underpass-core --target-dir "${CARGO_TARGET_DIR:-target}/loom" --lib -- models:: "$@"
