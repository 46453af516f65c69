"""Wrong usage, without a process for each: exit code 2, a message, nothing computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import CommandLine

# Options of `segment` that are right; each case adds what is wrong.
RIGHT = "segment ct.nii.gz --slice 3 -o out.nii.gz"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{RIGHT} --box 1 1 5 5 --nonsense", "--nonsense"),
        (f"{RIGHT} --box 1 1 5 5 --point 3 3", "Give exactly one prompt"),
        (f"{RIGHT} --point 3 3 --mask m.nii.gz", "Give exactly one prompt"),
        (f"{RIGHT} --box 1 1 5", "requires 4 arguments"),
        (f"{RIGHT} --bounds 1 --point 3 3", "'--bounds'"),
        (f"{RIGHT} --point 3 x", "valid number"),
        (f"{RIGHT} --point 3 3 --fix 1,2", "--fix takes three numbers, I J K; given: '1,2'"),
        (f"{RIGHT} --point 3 3 --fix-not 1,2,x", "--fix-not takes three numbers, I J K; given: '1,2,x'"),
        (f"{RIGHT} --point 3 3 --fix nan nan nan", "extra argument"),
        (f"{RIGHT} --point 3 3 --fix", "requires an argument"),
        ("segment ct.nii.gz --point 3 3 -o out.nii.gz", "Give the slice of the prompt with --slice"),
        ("segment ct.nii.gz --slice 3 --point 3 3", "Missing option '-o'"),
        ("segment --slice 3 --point 3 3 -o out.nii.gz", "Missing argument"),
        ("edit a.radsam -o out.nii.gz --undo --to 3", "--to does not belong to --undo"),
        ("edit a.radsam --undo", "Missing option '--out' / '-o'"),
        ("edit a.radsam -o out.nii.gz --delete x", "valid integer"),
        ("weights nonsense", "No such command"),
    ],
)
def test_wrong_usage_ends_with_2(run_radsam: CommandLine, tmp_path: Path, line: str, words: str) -> None:
    result = run_radsam.here(*line.split(), cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr_line
    assert result.stdout == ""
    assert not list(tmp_path.iterdir())
