#!/usr/bin/env bash
# Rebuild the fast weights, radsam-nano: distil the encoder, fit radsam-lite's decoder to it, export.
# Stopped or killed, the same command goes on. Two hours on two CPU cores after radsam_lite.sh, whose
# store and embeddings it takes; 25 minutes more without them.
#   bash scripts/radsam_nano.sh DATA OUT      DATA: cases with a manifest.json; OUT: the bundle to make
set -euo pipefail
if [ $# -ne 2 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
data=$(realpath "$1") out=$(realpath -m "$2")
cd "$(dirname "$0")/.."
export RADSAM_WEIGHTS="$PWD/.cache/weights"
bash scripts/setup.sh dev
radsam() { .venv/bin/radsam "$@"; }
radsam data prepare --dataset folder --root "$data" --out work/radsam_lite/store --min-pixels 5
radsam distill radsam_nano_encoder --out work/radsam_nano/distilled
[ -e work/radsam_nano/encoder ] || radsam export work/radsam_nano/distilled/last.pt work/radsam_nano/encoder
radsam train radsam_nano --out work/radsam_nano/run
radsam export work/radsam_nano/run/best.pt "$out" --notes configs/radsam_nano.md
