"""Train on a pack for some minutes of a GPU: save every minute, leave the checkpoint in small parts.

The machine needs torch, numpy, scipy, Pillow, onnx, pydantic, platformdirs, jaxtyping and lightning_fabric; readers of
images, engines of inference and a network are not needed. Run it in the folder of the repository:

    python scripts/gpu_run.py configs/radsam_lite_gpu.toml OUT --minutes 9 [--parts PARTS] [KEY=VALUE ...]

OUT gets the parts of the checkpoint and the logs. PARTS are those of an earlier run, which is then resumed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from radsam.settings import read_settings
from radsam.training import distributed
from radsam.training.checkpoint_parts import join_parts, write_parts
from radsam.training.training_config import TrainConfig
from radsam.training.training_run import LAST, Run, prepare_scenes

#: What is copied besides the checkpoint.
_LOGS = ("train.csv", "config.json")


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=9.0, help="Time for all of it, with reading and writing.")
    parser.add_argument("--save-seconds", type=float, default=60.0)
    parser.add_argument("--parts", type=Path, help="Parts of the checkpoint of an earlier run.")
    parser.add_argument("--folder", type=Path, default=Path("gpu_run"), help="Folder of the run itself.")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_intermixed_args(arguments)
    deadline = time.monotonic() + 60 * given.minutes
    config = read_settings(TrainConfig, given.config, given.overrides)
    if given.parts and not (given.folder / LAST).exists():
        join_parts(given.parts, given.folder / LAST)
    start, scenes = prepare_scenes(config)
    run = Run(config, given.folder, start, scenes, say, distributed.open_fabric(config.run))
    say(f"ready at step {run.step}, {deadline - time.monotonic():.0f} s left")
    saving = 0.0
    while True:
        # So that the last checkpoint is written in time.
        result = run.until(min(time.monotonic() + given.save_seconds, deadline - 2 * saving))
        began = time.monotonic()
        parts = write_parts(given.folder / LAST, given.out)
        for name in _LOGS:
            if (given.folder / name).exists():
                shutil.copy(given.folder / name, given.out / name)
        saving = time.monotonic() - began
        say(f"step {result.step}: {len(parts)} parts in {saving:.1f} s")
        if result.finished or time.monotonic() + 2 * saving >= deadline:
            return 0


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
