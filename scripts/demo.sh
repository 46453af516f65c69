#!/usr/bin/env bash
# Command 1 of the README: set up on a fresh machine and run the main job on the embedded demo.
set -euo pipefail
cd "$(dirname "$0")/.."
# torch is only for converting the weights, once; `radsam` itself runs without it.
bash scripts/setup.sh torch
.venv/bin/radsam demo "$@"
