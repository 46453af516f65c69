"""Label maps that others made: their names, their values, their grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from phantoms import GRIDS, ball
from radsam.errors import GridMismatchError, OutputError, VolumeError
from radsam.io.label_grid import LabelResampledWarning, require_same_grid
from radsam.io.label_legend import check_legend, own_legend_path, read_legend, write_legend
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import write_labels
from radsam.volume import Geometry, LabelVolume, Volume

LEGEND = """################################################
# ITK-SnAP Label Description File
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "liver"
   17     0  255    0      0.5  1  1    "tumour "in" segment IV"
   20     0    0  255        1  1  1    "not in the map"
"""


def saved(path: Path, ids: np.ndarray) -> Path:
    image = sitk.GetImageFromArray(ids)
    image.SetSpacing((0.7, 0.8, 2.5))
    sitk.WriteImage(image, str(path))
    return path


def some_ids(dtype: type = np.uint8) -> np.ndarray:
    ids = np.zeros((6, 7, 8), dtype)
    ids[1:3, 2:5, 3:7], ids[4, 5, 6], ids[5, 0, 0:2] = 1, 17, 3
    return ids


@pytest.mark.parametrize("name", ["organs.nii.gz", "organs.nrrd", "organs.mha", "organs.seg.nrrd"])
@pytest.mark.parametrize("legend", ["organs.labels.txt", "organs.txt", "organs.label", "organs_labels.txt"])
def test_names_come_from_the_label_description_beside_it(tmp_path: Path, name: str, legend: str) -> None:
    path = saved(tmp_path / name, some_ids())
    assert not read_labels(path).names
    (tmp_path / legend).write_text(LEGEND)
    assert read_labels(path).names == {1: "liver", 17: 'tumour "in" segment IV'}


def test_another_text_file_beside_it_is_no_legend(tmp_path: Path) -> None:
    path = saved(tmp_path / "organs.nii.gz", some_ids())
    (tmp_path / "organs.txt").write_bytes(b"1 liver\n2: spleen\n\xff\xfe 3\n")
    (tmp_path / "organs.label").mkdir()
    assert not read_labels(path).names
    (tmp_path / "organs.nii.gz.txt").write_text(LEGEND)
    assert read_labels(path).names[1] == "liver"


def test_names_come_from_the_header_of_3d_slicer(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.seg.nrrd", some_ids())
    header, _, rest = path.read_bytes().partition(b"\n\n")
    keys = "Segment0_LabelValue:=17\nSegment0_Name:=Läsion\nSegment1_Name:=liver\nSegment1_LabelValue:=1"
    path.write_bytes(header + b"\n" + keys.encode() + b"\n\n" + rest)
    labels = read_labels(path)
    assert labels.names == {1: "liver", 17: "Läsion"}
    np.testing.assert_array_equal(labels.ids, some_ids())


def test_labels_are_chosen_by_name_or_value(tmp_path: Path) -> None:
    path = saved(tmp_path / "organs.nii.gz", some_ids())
    assert read_labels(path, names=["17", "3"]).present_ids == [3, 17]
    (tmp_path / "organs.txt").write_text(LEGEND)
    chosen = read_labels(path, names=["liver", "3"])
    assert (chosen.present_ids, chosen.names) == ([1, 3], {1: "liver"})
    with pytest.raises(VolumeError, match=r"no labels named 'spleen'.*1: 'liver', 3, 17: 'tumour"):
        read_labels(path, names=["spleen"])


def test_floats_that_are_whole_numbers_are_labels(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_labels(saved(tmp_path / "a.mha", some_ids(np.float64))).ids, some_ids())


def test_other_floats_are_refused_with_some_of_them(tmp_path: Path) -> None:
    values = some_ids(np.float32)
    values[2, 2, 2:4] = 2.25, 0.125
    with pytest.raises(VolumeError, match=r"from 0 to 17 and are not whole numbers \(2\.25, 0\.125, …\)") as caught:
        read_labels(saved(tmp_path / "a.nii.gz", values))
    assert "probabilities" not in str(caught.value)


def test_probabilities_are_refused_as_such(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)
    with pytest.raises(VolumeError, match=r"look like probabilities: save 1 where they are above 0\.5"):
        read_labels(saved(tmp_path / "a.nrrd", values))


# --- another grid


@pytest.fixture
def volume() -> Volume:
    return ball("flipped").volume


def _about(grid: Geometry, centre_lps: np.ndarray) -> Geometry:
    """Return the grid, moved to have its middle 2 mm beside a place."""
    affine = grid.affine_lps.copy()
    affine[:3, 3] += np.array([2.0, 0.0, 0.0]) + centre_lps - grid.index_to_mm((np.array(grid.shape_ijk) - 1) / 2)
    return Geometry(grid.shape_kji, affine)


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd"])
@pytest.mark.parametrize("grid", ["isotropic", "anisotropic", "oblique", "sagittal"])
def test_labels_of_another_grid_are_resampled_on_request(
    tmp_path: Path, volume: Volume, grid: str, suffix: str
) -> None:
    middle = (np.array(volume.geometry.shape_ijk) - 1) / 2
    scene = ball(_about(GRIDS[grid], volume.geometry.index_to_mm(middle)), radius_mm=9.0)
    path = tmp_path / f"mask.{suffix}"
    write_labels(LabelVolume(scene.truth * np.uint8(4), scene.volume.geometry), path)
    kept = read_labels(path, on=volume)
    with pytest.raises(GridMismatchError, match=r"--resample-masks.*resample=True"):
        require_same_grid(kept, volume.geometry, f"The mask {path}")
    with pytest.warns(LabelResampledWarning, match=rf"mask\.{suffix} was resampled from .*label 4 \d+ voxels before"):
        labels = read_labels(path, on=volume, resample=True)
    require_same_grid(labels, volume.geometry, "The mask")
    # The same ball in space, but for the size of its voxels.
    before, after = np.argwhere(scene.truth)[:, ::-1], np.argwhere(labels.ids == 4)[:, ::-1]
    centre = scene.volume.geometry.index_to_mm(before.astype(float)).mean(axis=0)
    moved = volume.geometry.index_to_mm(after.astype(float)).mean(axis=0)
    assert np.linalg.norm(centre - moved) < 1.0
    sizes = len(before) * scene.volume.geometry.voxel_volume_mm3, len(after) * volume.geometry.voxel_volume_mm3
    assert sizes[1] == pytest.approx(sizes[0], rel=0.15)


def test_labels_on_the_grid_stay_as_they_are(tmp_path: Path, volume: Volume) -> None:
    ids = np.random.default_rng(0).integers(0, 3, volume.geometry.shape_kji).astype(np.uint8)
    write_labels(LabelVolume(ids, volume.geometry), tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.nii.gz", on=volume, resample=True).ids, ids)


def test_labels_that_lie_elsewhere_are_refused(tmp_path: Path, volume: Volume) -> None:
    path = saved(tmp_path / "a.nii.gz", some_ids())  # about the origin, 240 mm away
    with pytest.raises(GridMismatchError, match=r"a\.nii\.gz: No voxel of the labels lies in the volume.*register"):
        read_labels(path, on=volume, resample=True)
    with pytest.raises(VolumeError, match="give that, too"):
        read_labels(path, resample=True)


def test_a_legend_is_read_as_it_was_written(tmp_path: Path) -> None:
    names = {1: "liver", 300: 'Läsion "in"  segment\tIV\n', 65535: "a"}
    path = saved(tmp_path / "organs.nii.gz", some_ids())
    legend = own_legend_path(path)
    check_legend(legend)
    write_legend(legend, LabelVolume(some_ids(np.uint16), Geometry((6, 7, 8), np.eye(4)), names))
    assert legend.name == "organs.labels.txt"
    assert read_legend(legend) == {0: "Clear Label", 1: "liver", 300: "Läsion 'in' segment IV", 65535: "a"}
    check_legend(legend)  # its own may be replaced
    legend.write_text(LEGEND)
    with pytest.raises(OutputError, match="holds something else, so nothing was written"):
        check_legend(legend)
