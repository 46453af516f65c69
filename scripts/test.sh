#!/usr/bin/env bash
# Command 2 of the README: set up on a fresh machine, check style, types and layers, run every test.
# Arguments go to pytest, for example: bash scripts/test.sh -m "not slow"
set -euo pipefail
cd "$(dirname "$0")/.."
# Weights and caches of the tests stay in the repository's own folder.
export RADSAM_WEIGHTS="$PWD/.cache/weights" RADSAM_CACHE="$PWD/.cache/embeddings"
# Hundreds of processes start: each would compile all that it imports.
unset PYTHONDONTWRITEBYTECODE
bin=.venv/bin
run() { echo "+ $*"; "$bin/$1" "${@:2}"; }
# The page's own checks, and axe-core for those in the browser. Without Node only the built page is tested.
check_page() {
    if command -v npm >/dev/null && npm --prefix web ci --silent --no-audit --no-fund; then
        (cd web && echo "+ npm run lint" && npm run --silent lint && echo "+ npm test" && npm test --silent)
    else
        echo "No npm, or its packages are out of reach: the sources of the page are not checked."
    fi
}
check_types_and_docs() { run mypy && run lint-imports && echo "+ bash scripts/docs.sh" && bash scripts/docs.sh; }
# In the background: its output comes at the end, that of a failure at once.
beside() { "$1" >".cache/$1.log" 2>&1 || { cat ".cache/$1.log"; return 1; }; }
mkdir -p .cache
beside check_page & # on the second core, while pip has the first
page=$!
bash scripts/setup.sh dev
[ -d "$bin" ] || bin=.venv/Scripts # Windows
run ruff format --check .
run ruff check .
run codespell src tests web/src web/tests benchmarks docs changes scripts README.md ARCHITECTURE.md CONTRIBUTING.md
wait "$page"
cat .cache/check_page.log
# A number of a pipe that ends when all programs are there that tests look for.
[ -z "${RADSAM_TESTS_WAIT_FOR:-}" ] || cat <&"$RADSAM_TESTS_WAIT_FOR"
beside check_types_and_docs &
checks=$!
# Two processes, a file each. The files with the longest tests are the first to be collected, those of `unit` the last.
failed=0
run python -m pytest -n 2 --dist loadfile --durations 20 --durations-file .cache/test-durations.tsv "$@" || failed=$?
wait "$checks"
cat .cache/check_types_and_docs.log
exit "$failed"
