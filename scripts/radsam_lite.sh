#!/usr/bin/env bash
# Train the default weights, radsam-lite for CT and radsam-lite-mr for MR, from labelled images and LiteMedSAM's encoder.
# After a stop, the same command continues. Its parts took some sixteen hours of two CPU cores, and 14 GB for embeddings.
#   bash scripts/radsam_lite.sh CT MR OUT      CT, MR: cases with a manifest.json each; OUT: a folder for both bundles
set -euo pipefail
if [ $# -ne 3 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
ct=$(realpath "$1") mr=$(realpath "$2") out=$(realpath -m "$3")
cd "$(dirname "$0")/.."
export RADSAM_WEIGHTS="$PWD/.cache/weights"
bash scripts/setup.sh dev
radsam() { .venv/bin/radsam "$@"; }
made() { [ -e "$1" ] || radsam export "${@:2}" "$1"; }
work=work/radsam_lite

# The first radsam-lite: a decoder for LiteMedSAM's encoder, a faster encoder with the same embeddings, its decoder.
radsam data prepare --dataset folder --root "$ct" --out $work/store --min-pixels 5
radsam train configs/radsam_lite.toml --out $work/run
radsam train configs/radsam_lite_edits.toml --out $work/edits
made $work/teacher $work/edits/best.pt --name radsam-lite-teacher
radsam distill radsam_lite_encoder --out $work/fast/distilled
made $work/fast/encoder $work/fast/distilled/last.pt
radsam train configs/radsam_lite_decoder.toml --out $work/fast/decoder
radsam train configs/radsam_lite_propagation.toml --out $work/fast/propagation
made $work/first $work/fast/propagation/best.pt --mean-with $work/fast/decoder/best.pt --name radsam-lite-first

# Encoder and decoder together; then the source of a mask; then both with MR.
radsam data prepare --dataset folder --root "$ct" --out work/store --min-pixels 5
radsam train radsam_lite_joint --out work/joint
made work/joint_mean work/joint/last.pt --name joint-mean --mean-with $work/first
radsam train radsam_lite_source --out work/source
made work/source_end work/source/last.pt --name source-end
radsam data prepare --dataset folder --root "$mr" --out work/store --min-pixels 5
radsam train radsam_lite_mr --out work/mr
made "$out/radsam-lite-mr" work/mr/last.pt --notes configs/radsam_lite_mr.md

# CT again, from the mean of the first radsam-lite and that.
made work/ct_start work/mr/last.pt --name ct-start --mean-with $work/first
[ -e work/store.pack ] || radsam data pack work/store -o work/store.pack --megabytes 60
radsam train radsam_lite_ct --out work/ct
made work/ct_mean work/ct/last.pt --name ct-mean --mean-with $work/first
radsam train radsam_lite_ct_longer --out work/ct_longer
made work/ct_longer_end work/ct_longer/last.pt --name ct-longer-end

# And, twice, with the masks that its own propagations leave on the training cases.
[ -e work/rollouts.zip ] || radsam data rollouts work/store.pack -o work/rollouts.zip --model work/ct_longer_end
radsam train radsam_lite_ct_rollouts --out work/ct_rollouts
made work/ct_rollouts_end work/ct_rollouts/last.pt --name ct-rollouts-end
[ -e work/rollouts_2.zip ] ||
    radsam data rollouts work/store.pack -o work/rollouts_2.zip --model work/ct_rollouts_end --seed 5 --add work/rollouts.zip
radsam train radsam_lite_ct_rollouts_2 --out work/ct_rollouts_2
made work/ct_rollouts_mean work/ct_rollouts_2/last.pt --name ct-rollouts-mean --mean-with work/ct_rollouts/last.pt

# A third time, with prototypes of the prompted slice.
[ -e work/rollouts_3.zip ] ||
    radsam data rollouts work/store.pack -o work/rollouts_3.zip --model work/ct_rollouts_mean --seed 6 --add work/rollouts_2.zip
radsam train radsam_lite_ct_prototypes --out work/ct_prototypes
made work/ct_prototypes_end work/ct_prototypes/last.pt --name ct-prototypes-end

# A fourth time, with a head that says where the object ends.
[ -e work/rollouts_4.zip ] || radsam data rollouts work/store.pack -o work/rollouts_4.zip \
    --model work/ct_prototypes_end --seed 8 --bounded 0.4 --add work/rollouts_3.zip
radsam train radsam_lite_ct_presence --out work/ct_presence
made "$out/radsam-lite" work/ct_presence/last.pt --notes configs/radsam_lite.md
