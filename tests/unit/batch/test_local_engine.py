"""Do worker processes give what one process gives, also where rows kill them?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from archives import ball_row, fake_model, planned, write_balls, write_manifest
from crashing_worker import CrashingSettings
from radsam.batch.engines.local_engine import run_in_process, run_in_processes
from radsam.batch.row_results import RowResult, Status
from radsam.io.volume_read import read_labels

IDS = ("first", "once", "deadly", "last")


def test_a_row_that_kills_its_process_twice_is_lost_and_nothing_else(tmp_path: Path) -> None:
    scene = write_balls(tmp_path)
    (tmp_path / "other.nii.gz").write_bytes((tmp_path / "ct.nii.gz").read_bytes())
    rows = [ball_row(scene, id=each) for each in IDS]
    rows += [ball_row(scene, "left", id=f"beside {number}", volume="other.nii.gz") for number in range(3)]
    manifest = write_manifest(tmp_path / "m.csv", rows)
    settings = CrashingSettings(threads=1)
    plan, plain = planned(manifest, tmp_path / "plain", settings)
    expected = run_in_process(plan.volumes, settings, plain, model=fake_model())
    plan, out = planned(manifest, tmp_path / "out", settings)
    reported: list[RowResult] = []
    found = run_in_processes(plan.volumes, settings, out, workers=2, report=reported.append)

    assert reported == found
    assert sorted(each.id for each in found) == sorted(str(row["id"]) for row in rows), "each row once"
    lost = next(each for each in found if each.id == "deadly")
    assert lost.status is Status.LOST
    assert "died 2 times while working on this row" in lost.message
    assert [each.name for each in out.quarantine.iterdir()] == [f"{plan.keys['deadly']}.json"]
    assert not [each for each in out.attempts.iterdir() if each.suffix != ".lock"]
    done = {each.id: each for each in found if each.status is Status.DONE}
    for each in expected:
        if each.id != "deadly":
            assert _alike(done[each.id]) == _alike(each)
            assert np.array_equal(read_labels(out.path / each.mask).ids, read_labels(plain.path / each.mask).ids)


def _alike(result: RowResult) -> RowResult:
    """What does not depend on the process that did it."""
    times = dict.fromkeys((f"seconds{each}" for each in ("", "_read", "_model", "_encode", "_write")), 0.0)
    return replace(result, worker="", finished="", encoded=0, **times)  # type: ignore[arg-type]
