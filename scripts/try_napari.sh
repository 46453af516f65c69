#!/usr/bin/env bash
# Try napari's nnInteractive plug-in with `radsam serve` on the phantom: one command, no screen needed.
# napari gets an environment of its own in .cache/napari (1.3 GB). Needs Xvfb and Mesa's software OpenGL; on Debian:
#   apt-get install xvfb xauth libgl1-mesa-dri libegl1 libopengl0 libxkbcommon-x11-0 libxcb-cursor0 \
#     libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0
# Arguments go to try_napari.py, for example: bash scripts/try_napari.sh --screenshot window.png
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD/.cache/napari
command -v xvfb-run >/dev/null || { echo "xvfb-run is missing: install the packages at the top of this script."; exit 3; }
[ -x "$here/bin/napari" ] || {
    python3 -m venv "$here"
    "$here/bin/pip" install -q "napari==0.9.2" "napari-nninteractive==2.5.4" pyqt6
}
.venv/bin/python - "$here/ct.nii.gz" <<'PHANTOM'
import sys
from pathlib import Path

from radsam.data.adapters.phantom import make_phantom
from radsam.io.volume_write import write_volume

write_volume(make_phantom(shape_ijk=(160, 128, 40), spacing_mm_ijk=(2, 2, 5)).volume, Path(sys.argv[1]))
PHANTOM
# The prompts are on its liver and its right kidney, in voxels of the array that napari's reader makes of the file.
LIBGL_ALWAYS_SOFTWARE=1 xvfb-run -a -s "-screen 0 1400x900x24" "$here/bin/python" scripts/try_napari.py \
    "$here/ct.nii.gz" --radsam .venv/bin/radsam --box 26 59 22 145 102 --coronal 44 1 95 18 124 --point 26 95 100 "$@"
