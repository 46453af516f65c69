#!/usr/bin/env bash
# Train the default weights of MR, radsam-lite-mr, from radsam-lite and labelled CT and MR.
# After a stop, the same command continues. About 4 hours on one CPU core, and 14 GB for embeddings.
#   bash scripts/radsam_lite_mr.sh CT MR OUT      CT, MR: cases with a manifest.json each; OUT: the bundle to make
set -euo pipefail
if [ $# -ne 3 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
ct=$(realpath "$1") mr=$(realpath "$2") out=$(realpath -m "$3")
cd "$(dirname "$0")/.."
bash scripts/setup.sh dev
radsam() { .venv/bin/radsam "$@"; }
radsam data prepare --dataset folder --root "$ct" --out work/store --min-pixels 5
radsam train radsam_lite_joint --out work/joint
[ -e work/joint_mean ] || radsam export work/joint/last.pt work/joint_mean --name joint-mean --mean-with src/radsam/weights/radsam-lite
radsam train radsam_lite_source --out work/source
[ -e work/source_end ] || radsam export work/source/last.pt work/source_end --name source-end
radsam data prepare --dataset folder --root "$mr" --out work/store --min-pixels 5
radsam train radsam_lite_mr --out work/mr
radsam export work/mr/last.pt "$out" --notes configs/radsam_lite_mr.md
