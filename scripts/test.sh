#!/usr/bin/env bash
# Command 2 of the README: set up on a fresh machine, check style, types and layers, run every test.
# Arguments go to pytest, for example: bash scripts/test.sh -m "not slow"
set -euo pipefail
cd "$(dirname "$0")/.."
# Weights and caches of the tests stay in the repository's own folder.
export RADSAM_WEIGHTS="$PWD/.cache/weights" RADSAM_CACHE="$PWD/.cache/embeddings"
bash scripts/setup.sh dev
bin=.venv/bin
[ -d "$bin" ] || bin=.venv/Scripts # Windows
run() { echo "+ $*"; "$bin/$1" "${@:2}"; }
# The page's own checks, and axe-core for those in the browser. Without Node only the built page is tested.
check_page() {
    if command -v npm >/dev/null && npm --prefix web ci --silent --no-audit --no-fund; then
        (cd web && echo "+ npm run lint" && npm run --silent lint && echo "+ npm test" && npm test --silent)
    else
        echo "No npm, or its packages are out of reach: the sources of the page are not checked."
    fi
}
mkdir -p .cache
# On the second core, while the first one checks Python: the page, and the documentation site.
{ check_page && echo "+ bash scripts/docs.sh" && bash scripts/docs.sh; } >.cache/page-checks.log 2>&1 &
page=$!
run ruff format --check .
run ruff check .
run codespell src tests web/src web/tests benchmarks docs changes scripts README.md ARCHITECTURE.md CONTRIBUTING.md
run mypy
run lint-imports
wait "$page" || { cat .cache/page-checks.log; exit 1; }
cat .cache/page-checks.log
# Two processes, a file each: most tests wait for processes of their own, so one leaves a core idle.
run python -m pytest -n 2 --dist loadfile --durations 20 --durations-file .cache/test-durations.tsv "$@"
