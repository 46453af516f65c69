"""Objects that overlap, on the command line: reports, the policy, files of one object each, and `convert`."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from command_line import CommandLine, Finished
from dicom_files import write_series
from fakes import fake_engine
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import LabelFormat, write_labels
from radsam.volume import LabelVolume

#: A bright liver with a less bright tumour in it, drawn as rough masks and copied from slice to slice.
SHAPE_KJI = (8, 40, 40)
LIVER, TUMOUR = np.s_[2:7, 6:34, 6:34], np.s_[3:6, 14:24, 14:24]
LIVER_VOXELS, TUMOUR_VOXELS = 5 * 28 * 28, 3 * 10 * 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT series, a mask of each object, and a session that holds the liver."""
    folder = tmp_path_factory.mktemp("overlap")
    hu = np.full(SHAPE_KJI, -100, np.int16)
    hu[LIVER] = 110
    hu[TUMOUR] = 60
    write_series(folder / "ct", hu)
    geometry = read_volume(folder / "ct").geometry
    for name, where in (("liver", LIVER), ("tumour", TUMOUR)):
        ids = np.zeros(SHAPE_KJI, np.uint8)
        ids[where] = 1
        write_labels(LabelVolume(ids, geometry), folder / f"{name}.nii.gz")
    return folder


@pytest.fixture
def run(folder: Path, run_radsam: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run a command in an empty folder beside the CT, with the fake model."""
    engine = fake_engine()
    for command in ("segment_command", "edit_command"):
        monkeypatch.setattr(f"radsam.cli.{command}.load_engine", lambda *given, **more: engine)

    def in_process(line: str) -> Finished:
        return run_radsam.here(*line.replace("DATA", str(folder)).split(), cwd=tmp_path)

    return in_process


def draw(run: Any, name: str, more: str) -> Finished:
    low, high = {"liver": (2, 6), "tumour": (3, 5)}[name]
    return run(
        f"segment DATA/ct --slice 4 --mask DATA/{name}.nii.gz --bounds {low} {high} --policy copy --name {name} "
        f"--session s.radsam {more}"
    )


def voxels(path: Path, on: Path | None = None, name: str | None = None) -> int:
    volume = None if on is None else read_volume(on)
    return int(np.count_nonzero(read_labels(path, on=volume, names=None if name is None else [name]).ids))


def test_an_object_in_another_is_reported_with_both_volumes(run: Any, tmp_path: Path) -> None:
    assert "takes" not in draw(run, "liver", "-o out.nii.gz").done().stderr
    second = draw(run, "tumour", "-o out.nii.gz --json").done()
    assert f"'tumour' takes {TUMOUR_VOXELS} voxels" in second.stderr
    assert "hold every object whole" in second.stderr
    found = second.json
    liver, tumour = found["objects"]
    assert (liver["voxels"], liver["whole_voxels"]) == (LIVER_VOXELS - TUMOUR_VOXELS, LIVER_VOXELS)
    assert liver["whole_volume_ml"] > liver["volume_ml"]
    assert tumour["voxels"] == tumour["whole_voxels"] == TUMOUR_VOXELS
    (overlap,) = found["overlaps"]
    assert (overlap["name"], overlap["by"], overlap["voxels"]) == ("liver", "tumour", TUMOUR_VOXELS)
    assert not overlap["both"]
    ids = read_labels(tmp_path / "out.nii.gz").ids
    assert (ids == 1).sum() == LIVER_VOXELS - TUMOUR_VOXELS

    again = run("edit s.radsam -o out.nii.gz").done()
    assert "takes" not in again.stderr  # nothing is new
    assert f"'liver' and 'tumour' share {TUMOUR_VOXELS} voxels" in again.stdout
    assert "in the label map" in again.stdout


@pytest.mark.parametrize(
    ("policy", "liver", "tumour"),
    [
        ("", LIVER_VOXELS, TUMOUR_VOXELS),
        ("--overlap keep-both", LIVER_VOXELS, TUMOUR_VOXELS),
        ("--overlap last-wins", LIVER_VOXELS - TUMOUR_VOXELS, TUMOUR_VOXELS),
        ("--overlap keep-first", LIVER_VOXELS, 0),
    ],
)
def test_the_policy_holds_in_every_format(
    run: Any, folder: Path, tmp_path: Path, policy: str, liver: int, tumour: int
) -> None:
    draw(run, "liver", "-o out.dcm").done()
    both = liver == LIVER_VOXELS and tumour > 0
    draw(run, "tumour", f"-o out.dcm {policy}").done()
    assert pydicom.dcmread(tmp_path / "out.dcm").SegmentsOverlap == ("YES" if both else "NO")
    for file_format in ("seg", "rtstruct"):
        run(f"edit s.radsam -o {file_format}.dcm --format {file_format}").done()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = read_labels(tmp_path / f"{file_format}.dcm", on=read_volume(folder / "ct"))
        held = {name: int(found.mask(number).sum()) for number, name in found.names.items()}
        assert held == {"liver": liver} | ({"tumour": tumour} if tumour else {})
    result = run("edit s.radsam -o out_{name}.nii.gz --json").done().json
    assert [each["voxels"] for each in result["objects"]] == [liver, tumour]
    assert result["outputs"]["masks"] == {"liver": "out_liver.nii.gz", "tumour": "out_tumour.nii.gz"}
    assert [voxels(tmp_path / f"out_{name}.nii.gz") for name in ("liver", "tumour")] == [liver, tumour]
    assert set(np.unique(read_labels(tmp_path / "out_liver.nii.gz").ids)) == {0, 1}
    if policy != "--overlap keep-both":
        run("edit s.radsam -o map.nii.gz").done()
        ids = read_labels(tmp_path / "map.nii.gz").ids
        kept = LIVER_VOXELS if policy == "--overlap keep-first" else LIVER_VOXELS - TUMOUR_VOXELS
        assert (ids == 1).sum() == kept


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd"])
def test_one_label_map_cannot_keep_both_and_is_refused_first(
    run: Any, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(run, "liver", "-o out.dcm").done()
    before = (tmp_path / "s.radsam").read_bytes()
    for command in ("segment_command", "edit_command"):
        monkeypatch.setattr(f"radsam.cli.{command}.read_ct", lambda *given, **more: pytest.fail("work was begun"))
    for refused in (
        draw(run, "tumour", f"-o map{suffix} --overlap keep-both"),
        run(f"edit s.radsam -o map{suffix} --overlap keep-both"),
    ):
        assert refused.returncode == 3
        assert f"-o 'map_{{name}}{suffix}'" in refused.stderr_line
    assert not (tmp_path / f"map{suffix}").exists()
    assert (tmp_path / "s.radsam").read_bytes() == before
    assert run(f"edit s.radsam -o map{suffix} --overlap most-wins").returncode == 2


def test_a_session_that_keeps_both_still_does(run: Any, tmp_path: Path) -> None:
    draw(run, "liver", "-o out.dcm --overlap keep-both").done()
    refused = draw(run, "tumour", "-o map.nii.gz")
    assert refused.returncode == 3
    assert not (tmp_path / "map.nii.gz").exists()
    draw(run, "tumour", "-o out.dcm").done()
    assert pydicom.dcmread(tmp_path / "out.dcm").SegmentsOverlap == "YES"
    assert run("edit s.radsam -o map.nii.gz --overlap last-wins").returncode == 0


def test_the_files_of_objects_are_no_input_and_no_other_output(run: Any, folder: Path, tmp_path: Path) -> None:
    mask = (folder / "liver.nii.gz").read_bytes()
    refused = draw(run, "liver", "-o DATA/{name}.nii.gz")
    assert (refused.returncode, (folder / "liver.nii.gz").read_bytes()) == (3, mask)
    assert "one of the inputs" in refused.stderr_line
    assert draw(run, "liver", "-o {name}/out.nii.gz").returncode == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["seg", "rtstruct"])
def test_convert_keeps_objects_whole_where_the_output_can(run: Any, folder: Path, tmp_path: Path, kind: str) -> None:
    draw(run, "liver", "-o out.dcm").done()
    draw(run, "tumour", f"-o out.dcm --format {kind}").done()
    for target in LabelFormat.SEG, LabelFormat.RTSTRUCT:
        quiet = run(f"convert out.dcm --ct DATA/ct -o again.dcm --format {target}").done()
        assert "overlap" not in quiet.stderr
        assert voxels(tmp_path / "again.dcm", folder / "ct", "liver") == LIVER_VOXELS
    lost = run("convert out.dcm --ct DATA/ct -o map.nii.gz --json").done()
    assert f"{TUMOUR_VOXELS} of the {LIVER_VOXELS} voxels of 'liver' are in 'tumour'" in lost.stderr
    assert lost.json["overlaps"][0] | {"volume_ml": 0} == {
        "name": "liver",
        "by": "tumour",
        "voxels": TUMOUR_VOXELS,
        "volume_ml": 0,
        "both": False,
    }
    each = run("convert out.dcm --ct DATA/ct -o m_{id}_{name}.nrrd").done()
    assert "overlap" not in each.stderr
    assert voxels(tmp_path / "m_1_liver.nrrd") == LIVER_VOXELS
    assert voxels(tmp_path / "m_2_tumour.nrrd") == TUMOUR_VOXELS
    json.dumps(lost.json)
