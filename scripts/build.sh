#!/usr/bin/env bash
# Build the package into dist/ and check it, as a release does: the sdist, and the wheel from the sdist.
# bash scripts/build.sh packaging/radsam-lite-weights builds the wheel of the weights instead.
# $PYTHON has the extra `dev`; .venv's if left out. $DIST is another, empty folder. Further arguments go to `build`.
set -euo pipefail
cd "$(dirname "$0")/.."
source=${1:-.}
python=${PYTHON:-$(ls .venv/bin/python .venv/Scripts/python.exe 2>/dev/null || echo python3)}
dist=${DIST:-dist}
rm -rf dist
[ "$source" = . ] || set -- "$@" --wheel
"$python" -m build --outdir "$dist" "$source" "${@:2}"
"$python" -m twine check --strict "$dist"/*
"$python" -m check_wheel_contents "$dist"/*.whl
ls -l "$dist"
