"""`radsam batch` as a user runs it: engines agree, and an interrupted run resumes."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archives import phantom_archive
from command_line import CommandLine
from radsam.io.volume_read import read_labels
from waiting import wait_for

#: Columns that may differ between two runs of the same rows.
_OF_THE_RUN = {
    "worker",
    "finished",
    "encoded",
    *(f"seconds{each}" for each in ("", "_read", "_model", "_encode", "_write")),
}
#: A process that was started in the background may ignore Ctrl-C; a user's does not.
LISTEN = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"


def table(out: Path) -> dict[str, dict[str, str]]:
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def parts(out: Path) -> dict[str, dict[str, Any]]:
    """Finished rows so far, by id; parts are replaced atomically, so each can be read at any time."""
    found = {}
    for path in (out / "progress" / "parts").glob("[!.]*.json"):
        found |= {each["id"]: each for each in json.loads(path.read_text("utf-8"))["results"]}
    return found


def assert_equal_results(one: Path, other: Path) -> None:
    first, second = table(one), table(other)
    assert list(first) == list(second)
    for name, row in first.items():
        assert {k: v for k, v in row.items() if k not in _OF_THE_RUN} == {
            k: v for k, v in second[name].items() if k not in _OF_THE_RUN
        }
        assert np.array_equal(read_labels(one / row["mask"]).ids, read_labels(other / row["mask"]).ids)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return phantom_archive(tmp_path_factory.mktemp("archive"), 3)


@pytest.fixture(scope="module")
def done(archive: Path, tiny_bundle: Path, run_radsam: CommandLine) -> Path:
    """The archive, done by the plain engine."""
    out = archive.parent / "done"
    result = run_radsam.here("batch", archive, "-o", out, "--model", tiny_bundle, "--threads", 1, cwd=archive.parent)
    assert "15 done of 15 rows, mean Dice" in result.done().stdout
    return out


def test_a_run_leaves_masks_a_table_and_a_page(done: Path) -> None:
    rows = table(done)
    assert len(rows) == 15
    assert all((done / row["mask"]).is_file() for row in rows.values())
    assert all(row["dice"] and row["quality"] and row["seconds"] for row in rows.values())
    assert {"results.csv", "contact_sheet.html", "masks", "quarantine", "progress"} == {p.name for p in done.iterdir()}


def test_a_second_run_does_nothing_and_prints_so(
    done: Path, archive: Path, tiny_bundle: Path, run_radsam: CommandLine
) -> None:
    before = parts(done)
    result = run_radsam.here("batch", archive, "-o", done, "--model", tiny_bundle, "--json", cwd=archive.parent)
    assert result.done().json["done_in_this_run"] == 0
    assert result.json["counts"] == {"done": 15}
    assert "15 rows are done already" in result.stderr_line
    assert parts(done) == before


def test_shards_make_the_same_together(done: Path, archive: Path, tiny_bundle: Path, run_radsam: CommandLine) -> None:
    out = archive.parent / "sharded"
    common = ("batch", archive, "-o", out, "--model", tiny_bundle, "--threads", 1, "--json")
    rows = 0
    for number in range(2):
        result = run_radsam.here(*common, "--shard", f"{number}/2", cwd=archive.parent).done()
        rows += result.json["rows"]
    assert rows == 15
    assert_equal_results(done, out)


def test_jobs_of_submitit_make_the_same(done: Path, archive: Path, tiny_bundle: Path, run_radsam: CommandLine) -> None:
    pytest.importorskip("submitit")
    out = archive.parent / "jobs"
    result = run_radsam(
        *("batch", archive, "-o", out, "--model", tiny_bundle, "--threads", 1, "--json"),
        *("--engine", "slurm", "--cluster", "local", "--jobs", 2),
        cwd=archive.parent,
    ).done()
    assert result.json["done_in_this_run"] == 15
    assert len({row["worker"] for row in table(out).values()}) == 2
    assert_equal_results(done, out)


def test_a_dry_run_finds_failing_rows_and_writes_nothing(
    archive: Path, tiny_bundle: Path, run_radsam: CommandLine, tmp_path: Path
) -> None:
    lines = archive.read_text("utf-8").splitlines()
    wrong = [
        lines[1].replace("case_00_liver", "outside").replace("ijk", "lps"),
        lines[2].replace("case_00_spleen", "gone").replace("case_00/ct", "case_99/ct"),
        lines[3],
    ]
    manifest = archive.with_name("wrong.csv")
    manifest.write_text("\n".join([*lines, *wrong]) + "\n", "utf-8")
    result = run_radsam.here(
        "batch", manifest, "-o", tmp_path / "out", "--model", tiny_bundle, "--dry-run", "--json", cwd=tmp_path
    )
    assert result.returncode == 4
    problems = {(each["id"], each["status"]) for each in result.json["problems"]}
    assert problems == {
        ("outside", "bad_input"),
        ("gone", "missing_file"),
        ("case_00_kidney_right", "bad_row"),
    }
    assert result.json["to_do"] == 16
    assert not (tmp_path / "out").exists()


def test_exit_codes_distinguish_failed_rows_from_an_unusable_manifest(
    archive: Path, tiny_bundle: Path, run_radsam: CommandLine, tmp_path: Path
) -> None:
    lines = archive.read_text("utf-8").splitlines()
    manifest = archive.with_name("some.csv")
    manifest.write_text("\n".join([lines[0], lines[1], lines[2].replace("case_00/ct", "x/ct")]) + "\n", "utf-8")
    common = ("-o", tmp_path / "out", "--model", tiny_bundle)
    result = run_radsam.here("batch", manifest, *common, "--json", cwd=tmp_path)
    assert result.returncode == 4
    assert result.json["counts"] == {"done": 1, "missing_file": 1}
    assert run_radsam.here("batch", tmp_path / "none.csv", *common, cwd=tmp_path).returncode == 3
    assert (
        run_radsam.here("batch", manifest, *common, "--engine", "slurm", "--workers", 2, cwd=tmp_path).returncode == 2
    )
    assert run_radsam.here("batch", manifest, *common, "--address", "auto", cwd=tmp_path).returncode == 2
    pytest.importorskip("ray")
    result = run_radsam.here(
        "batch", manifest, *common, "--retry-failed", "--engine", "ray", "--address", "127.0.0.1:9", cwd=tmp_path
    )
    assert result.returncode == 4
    assert "There is no Ray cluster at 127.0.0.1:9" in result.stderr_line


def test_dicom_comes_out_where_dicom_went_in(tiny_bundle: Path, run_radsam: CommandLine, tmp_path: Path) -> None:
    from dicom_files import write_series
    from phantoms import ball

    write_series(tmp_path / "series", ball("anisotropic").volume.values)
    (tmp_path / "m.jsonl").write_text(
        json.dumps({"id": "a", "volume": "series", "coordinates": "ijk", "slice": 4, "box": [8, 8, 28, 28]})
    )
    for kind in ("seg", "rtstruct"):
        out = tmp_path / kind
        run_radsam.here("batch", "m.jsonl", "-o", out, "--model", tiny_bundle, "--format", kind, cwd=tmp_path).done()
        assert (out / "masks" / "a.dcm").is_file()


def test_a_killed_worker_process_costs_no_result(tiny_bundle: Path, run_radsam: CommandLine, tmp_path: Path) -> None:
    """40 objects in 8 volumes, two worker processes of which one is killed: the same as one after the other."""
    manifest = phantom_archive(tmp_path / "archive", 8)
    common = ("batch", manifest, "--model", tiny_bundle, "--threads", 1, "--json")
    plain, out = tmp_path / "plain", tmp_path / "out"
    run_radsam.here(*common, "-o", plain, cwd=tmp_path).done()
    process = run_radsam.start(*common, "-o", out, "--workers", 2, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        before = wait_for(lambda: parts(out), lambda done: len(done) >= 8, process)
        killed = int(next(iter(before.values()))["worker"].rpartition(":")[2])
        os.kill(killed, signal.SIGKILL)
        stdout, _ = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert json.loads(stdout)["counts"] == {"done": 40}
    assert json.loads(stdout)["done_in_this_run"] == 40
    after = parts(out)
    assert {name: after[name] for name in before} == before, "what was done is not done again"
    assert len({each["worker"] for each in after.values()}) >= 2
    assert_equal_results(plain, out)
    assert not list((out / "quarantine").iterdir())


def test_ctrl_c_ends_the_workers_and_the_next_run_resumes(
    tiny_bundle: Path, run_radsam: CommandLine, tmp_path: Path
) -> None:
    manifest = phantom_archive(tmp_path / "archive", 6)
    common = ("batch", manifest, "-o", tmp_path / "out", "--model", tiny_bundle, "--threads", 1, "--workers", 2)
    process = run_radsam.start(*common, cwd=tmp_path, before=f"import os\nos.setpgrp()\n{LISTEN}")
    try:
        before = wait_for(lambda: parts(tmp_path / "out"), lambda done: len(done) >= 4, process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes
        _, stderr = process.communicate()
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in stderr
    for worker in {int(each["worker"].rpartition(":")[2]) for each in before.values()}:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
    stopped = parts(tmp_path / "out")
    assert len(stopped) < 30
    assert len(table(tmp_path / "out")) == 30, "the table is written"
    attempts = tmp_path / "out" / "progress" / "attempts"
    assert all(each.suffix == ".lock" for each in attempts.iterdir()), "no process died"
    result = run_radsam.here(*common, "--json", cwd=tmp_path).done()
    assert result.json["done_in_this_run"] == 30 - len(stopped)
    assert parts(tmp_path / "out").items() >= stopped.items()


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_driver_cost_no_result(
    tiny_bundle: Path, run_radsam: CommandLine, tmp_path: Path
) -> None:
    """80 objects in 16 volumes, two Ray workers: kill one, then the driver; run again."""
    pytest.importorskip("ray")
    manifest = phantom_archive(tmp_path / "archive", 16)
    common = ("--model", tiny_bundle, "--threads", 1, "--no-zoom", "--json")
    plain, out = tmp_path / "plain", tmp_path / "out"
    run_radsam("batch", manifest, "-o", plain, *common, cwd=tmp_path).done()

    ray = ("batch", manifest, "-o", out, *common, "--engine", "ray", "--workers", 2)
    driver = run_radsam.start(*ray, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        before = wait_for(lambda: parts(out), lambda done: len(done) >= 10, driver)
        worker = int(next(iter(before.values()))["worker"].rpartition(":")[2])
        os.kill(worker, signal.SIGKILL)
        more = len(before) + 16
        before = wait_for(lambda: parts(out), lambda done: len(done) >= more, driver)
        driver.kill()
    finally:
        driver.kill()
        driver.communicate()
    # Its workers end with it; one may still finish its current row.
    killed = parts(out)
    assert len(before) <= len(killed) < 80
    result = run_radsam(*ray, cwd=tmp_path).done()
    assert result.json["counts"] == {"done": 80}
    after = parts(out)
    assert len(after) == 80
    assert {name: after[name] for name in killed} == killed, "what was done is not done again"
    assert len({each["worker"] for each in after.values()}) >= 4, "two workers, one in the place of the killed, and two"
    assert_equal_results(plain, out)
    assert not list((out / "quarantine").iterdir())
    shutil.rmtree(out)
