"""Read thousands of faulty inputs of every format, and show those that end, hang or mislead the program.

An input is right if it is refused with a sentence, or if its values equal those of an independent reading::

    python tests/fuzz_inputs.py --cases 5000 --seed 7               # of each format
    python tests/fuzz_inputs.py --formats nifti seg --cases 2000
    python tests/fuzz_inputs.py --only nifti:123 --seed 7           # one case again; its input stays

The suite runs a few cases of each (`test_inputs_fuzzed.py`).
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from fuzzing.fuzz_run import run_cases
from fuzzing.targets import TARGETS


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="Cases of each format.")
    parser.add_argument("--first", type=int, default=0, help="Number of the first case.")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--formats", nargs="+", choices=[*TARGETS], default=[*TARGETS])
    parser.add_argument("--only", help="One case, FORMAT:NUMBER.")
    parser.add_argument("--folder", type=Path, help="Where the inputs of faults stay; a new temporary one by default.")
    parser.add_argument("--verbose", action="store_true", help="Print every case.")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="radsam-fuzz-"))
    names, numbers = given.formats, range(given.first, given.first + given.cases)
    if given.only:
        name, _, number = given.only.partition(":")
        names, numbers = [name], range(int(number), int(number) + 1)
    outcomes: Counter[tuple[str, str]] = Counter()
    for finding in run_cases(names, numbers, given.seed, folder):
        outcomes[finding.target, finding.outcome] += 1
        if finding.outcome == "fault" or given.verbose or given.only:
            print(finding, flush=True)
    for name in names:
        print(f"{name:12}", *(f"{count:6d} {what}" for (each, what), count in sorted(outcomes.items()) if each == name))
    print(f"Inputs of faults: {folder}")
    if any(what == "fault" for _, what in outcomes):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
