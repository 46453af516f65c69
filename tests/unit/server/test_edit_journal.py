"""What of an interrupted edit is read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radsam.predictor import SliceMask
from radsam.server.edit_journal import Journal, read_journal
from radsam.session.edit import Correct
from radsam.volume import Point, RunMask

EDIT = Correct("object", (Point(i=1, j=2, k=3),))
SLICE = SliceMask(3, RunMask.encode(np.eye(4, dtype=bool)), 0.125)


@pytest.mark.parametrize("rest", [b"", b"\0" * 40 + b"\n", b"{}\n", b'{"index": 4, "sco'])
def test_whole_lines_are_read_and_the_rest_is_left_out(tmp_path: Path, rest: bytes) -> None:
    journal = Journal(tmp_path / "journal.jsonl", EDIT)
    journal.append(SLICE)
    journal.close()
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(rest)
    found = read_journal(tmp_path / "journal.jsonl")
    assert found is not None
    assert (found.edit, found.slice_masks) == (EDIT, (SLICE,))
