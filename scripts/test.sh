#!/usr/bin/env bash
# Command 2 of the README: set up on a fresh machine, check style, types and layers, run every test.
# Arguments go to pytest, for example: bash scripts/test.sh -m "not slow"
set -euo pipefail
cd "$(dirname "$0")/.."
# Weights and caches of the tests stay in the repository's own folder.
export RADSAM_WEIGHTS="$PWD/.cache/weights" RADSAM_CACHE="$PWD/.cache/embeddings"
bash scripts/setup.sh dev
run() { echo "+ $*"; ".venv/bin/$1" "${@:2}"; }
run ruff format --check .
run ruff check .
run codespell src tests benchmarks docs changes scripts README.md ARCHITECTURE.md CONTRIBUTING.md
run mypy
run lint-imports
run python -m pytest "$@"
