#!/usr/bin/env bash
# Rebuild the default weights, radsam-lite, from labelled CT: prepare, encode, train, export.
# Stopped or killed, the same command goes on. About 2 and a half hours on two CPU cores.
#   bash scripts/radsam_lite.sh DATA OUT      DATA: cases with a manifest.json; OUT: the bundle to make
set -euo pipefail
if [ $# -ne 2 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
data=$(realpath "$1") out=$(realpath -m "$2")
cd "$(dirname "$0")/.."
export RADSAM_WEIGHTS="$PWD/.cache/weights"
bash scripts/setup.sh dev
radsam() { .venv/bin/radsam "$@"; }
radsam data prepare --dataset folder --root "$data" --out work/radsam_lite/store --min-pixels 5
radsam train configs/radsam_lite.toml --out work/radsam_lite/run
radsam train configs/radsam_lite_edits.toml --out work/radsam_lite/edits
radsam export work/radsam_lite/edits/best.pt "$out" --notes configs/radsam_lite.md
