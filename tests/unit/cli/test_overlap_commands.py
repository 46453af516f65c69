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
        monkeypatch.setattr(f"radsam.cli.{command}.read_given", lambda *given, **more: pytest.fail("work was begun"))
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


def ids_of(path: Path) -> dict[str, int]:
    """The voxels of each object of a label map, by the names of its legend."""
    read = read_labels(path)
    return {name: int((read.ids == number).sum()) for number, name in read.names.items()}


def test_the_object_named_first_has_the_voxels(run: Any, tmp_path: Path) -> None:
    draw(run, "liver", "-o map.nii.gz --order liver").done()
    second = draw(run, "tumour", "-o map.nii.gz").done()
    assert ids_of(tmp_path / "map.nii.gz") == {"liver": LIVER_VOXELS}
    assert "'liver' takes" in second.stderr
    run("edit s.radsam -o map.nii.gz --order tumour,liver").done()
    held = {"liver": LIVER_VOXELS - TUMOUR_VOXELS, "tumour": TUMOUR_VOXELS}
    assert ids_of(tmp_path / "map.nii.gz") == held
    for wrong, words in (("tumour,lung", "no object 'lung'"), ("liver,liver", "'liver' twice")):
        refused = run(f"edit s.radsam -o map.nii.gz --order {wrong}")
        assert (refused.returncode, words in refused.stderr_line) == (3, True)
    run("edit s.radsam -o map.nii.gz --undo").done()
    assert ids_of(tmp_path / "map.nii.gz")["liver"] == LIVER_VOXELS


def test_objects_are_locked_and_unlocked(run: Any, tmp_path: Path) -> None:
    locked = draw(run, "liver", "-o map.nii.gz --lock liver --json").done().json
    assert locked["objects"][0]["locked"]
    draw(run, "tumour", "-o map.nii.gz").done()
    assert ids_of(tmp_path / "map.nii.gz") == {"liver": LIVER_VOXELS}
    run("edit s.radsam -o map.nii.gz --unlock liver --lock tumour").done()
    assert ids_of(tmp_path / "map.nii.gz")["tumour"] == TUMOUR_VOXELS
    refused = run("edit s.radsam -o map.nii.gz --fix 20 20 4 --name tumour")
    assert (refused.returncode, "locked" in refused.stderr_line) == (3, True)
    assert run("edit s.radsam -o map.nii.gz --lock liver --unlock liver").returncode == 2
    assert run("edit s.radsam -o map.nii.gz --lock lung").returncode == 3
    draw(run, "tumour", "-o map.nii.gz --unlock tumour").done()


def test_values_are_the_users_and_a_legend_names_them(run: Any, tmp_path: Path) -> None:
    first = draw(run, "liver", "-o map.nii.gz --json").done().json
    assert not list(tmp_path.glob("*.txt"))  # the only object has the value 1
    assert "legend" not in first["outputs"]
    found = draw(run, "tumour", "-o map.nii.gz --id 300 --json").done().json
    assert {each["name"]: each["id"] for each in found["objects"]} == {"liver": 1, "tumour": 300}
    assert found["outputs"]["legend"] == "map.labels.txt"
    labels = read_labels(tmp_path / "map.nii.gz")
    assert (labels.ids.dtype, dict(labels.names)) == (np.uint16, {1: "liver", 300: "tumour"})
    assert (tmp_path / "map.labels.txt").read_text().splitlines()[2:] == [
        '0  0 0 0  0 0 0  "Clear Label"',
        '1  86 180 233  1 1 1  "liver"',
        '300  222 135 190  1 1 1  "tumour"',
    ]
    refused = run("edit s.radsam -o map.nii.gz --name liver --id 300")
    assert (refused.returncode, "The value 300 belongs to 'tumour'" in refused.stderr_line) == (3, True)
    assert run("edit s.radsam -o map.nii.gz --id 7").returncode == 2  # of which object?
    assert run("edit s.radsam -o map.nii.gz --name liver --id 0").returncode == 2
    shown = run("edit s.radsam -o map.nrrd --name liver --id 7").done()
    assert "legend: map.labels.txt" in shown.stdout
    assert read_labels(tmp_path / "map.nrrd").present_ids == [7, 300]
    run("edit s.radsam -o out_{id}.nii.gz").done()
    assert {each.name for each in tmp_path.glob("out*")} == {"out_7.nii.gz", "out_300.nii.gz"}
    run("edit s.radsam -o out.dcm").done()
    assert [each.SegmentLabel for each in pydicom.dcmread(tmp_path / "out.dcm").SegmentSequence] == ["liver", "tumour"]


def test_no_legend_replaces_a_file_of_somebody_else(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(run, "liver", "-o map.nii.gz").done()
    (tmp_path / "map.labels.txt").write_text("my notes")
    before = (tmp_path / "s.radsam").read_bytes(), (tmp_path / "map.nii.gz").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("radsam.cli.segment_command.read_given", lambda *given, **more: pytest.fail("work was begun"))
        refused = draw(run, "tumour", "-o map.nii.gz")
    assert (refused.returncode, "--no-legend" in refused.stderr_line) == (3, True)
    assert ((tmp_path / "s.radsam").read_bytes(), (tmp_path / "map.nii.gz").read_bytes()) == before
    draw(run, "tumour", "-o map.nii.gz --no-legend").done()
    assert (tmp_path / "map.labels.txt").read_text() == "my notes"
    (tmp_path / "map.labels.txt").unlink()
    run("edit s.radsam -o map.nii.gz --undo --legend").done()
    assert read_labels(tmp_path / "map.nii.gz").names == {1: "liver"}
