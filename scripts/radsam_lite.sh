#!/usr/bin/env bash
# Rebuild the default weights, radsam-lite, from labelled CT: a decoder for LiteMedSAM's encoder, then a faster
# encoder that gives the same embeddings, then a decoder for that one.
# After a stop, the same command continues. About 5 hours on two CPU cores.
#   bash scripts/radsam_lite.sh DATA OUT      DATA: cases with a manifest.json; OUT: the bundle to make
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
work=work/radsam_lite
radsam data prepare --dataset folder --root "$data" --out $work/store --min-pixels 5
radsam train configs/radsam_lite.toml --out $work/run
radsam train configs/radsam_lite_edits.toml --out $work/edits
[ -e $work/teacher ] || radsam export $work/edits/best.pt $work/teacher --name radsam-lite-teacher
radsam distill radsam_lite_encoder --out $work/fast/distilled
[ -e $work/fast/encoder ] || radsam export $work/fast/distilled/last.pt $work/fast/encoder
radsam train configs/radsam_lite_decoder.toml --out $work/fast/decoder
radsam train configs/radsam_lite_propagation.toml --out $work/fast/propagation
radsam export $work/fast/propagation/best.pt "$out" --mean-with $work/fast/decoder/best.pt --notes configs/radsam_lite.md
