from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from radsam.errors import GridMismatchError, VolumeError
from radsam.io.label_grid import require_same_grid
from radsam.io.middle_slice import read_middle_slice
from radsam.io.volume_read import read_info, read_labels, read_volume
from radsam.volume import Geometry, LabelVolume

PLAIN = ["nii", "nii.gz", "nrrd", "nhdr", "mha", "mhd"]


def some_values(dtype: type = np.int16) -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 2000, (6, 30, 40)).astype(dtype)


def saved(path: Path, values: np.ndarray, *, compress: bool = True) -> Path:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-10, 20, -300))
    sitk.WriteImage(image, str(path), compress)
    return path


def nifti(path: Path, values_ijk: np.ndarray, affine_ras: np.ndarray | None = None) -> Path:
    nib.save(nib.Nifti1Image(values_ijk, np.eye(4) if affine_ras is None else affine_ras), path)
    return path


def check_refused(path: Path, *words: str, info_too: bool = True) -> None:
    for read in (read_volume, read_labels, *([read_info] if info_too else [])):
        with pytest.raises(VolumeError) as caught:
            read(path)
        message = str(caught.value)
        assert str(path) in message
        assert all(word in message for word in words)
        # SimpleITK's own messages carry its source files and addresses in memory.
        assert not any(trace in message for trace in (".cxx", "0x", "ITK ERROR"))


# --- what good files become


@pytest.mark.parametrize("suffix", PLAIN)
@pytest.mark.parametrize("compress", [False, True])
def test_every_format_gives_the_same_volume(tmp_path: Path, suffix: str, compress: bool) -> None:
    values = some_values()
    path = saved(tmp_path / f"ct.{suffix}", values, compress=compress)
    volume = read_volume(path)
    assert volume.values.dtype == np.int16
    np.testing.assert_array_equal(volume.values, values)
    assert volume.geometry.spacing_mm_ijk == pytest.approx((0.7, 0.8, 2.5))
    assert volume.geometry.origin_lps == pytest.approx((-10, 20, -300))
    assert (volume.modality, volume.source) == ("CT", str(path))


@pytest.mark.parametrize(
    ("dtype", "offset", "scale", "becomes"),
    [
        (np.uint8, 0, 0.05, np.int16),
        (np.uint16, 2000, 1, np.int16),
        (np.uint16, 50_000, 1, np.float32),
        (np.int32, 0, 1, np.int16),
        (np.int32, 100_000, 1, np.float32),
        (np.float32, 0, 1, np.int16),
        (np.float32, 0.5, 1, np.float32),
        (np.float64, 0, 1, np.int16),
        (np.float64, 0.25, 1, np.float32),
    ],
)
def test_values_have_the_smallest_type(tmp_path: Path, dtype: type, offset: float, scale: float, becomes: type) -> None:
    values = (np.rint(np.abs(some_values()) * scale) + offset).astype(dtype)
    volume = read_volume(saved(tmp_path / "ct.nrrd", values))
    assert volume.values.dtype == becomes
    np.testing.assert_array_equal(volume.values, values)


def test_the_scaling_of_a_nifti_header_is_applied(tmp_path: Path) -> None:
    image = nib.Nifti1Image(some_values().T, np.eye(4))
    image.header.set_slope_inter(2, -1024)
    nib.save(image, tmp_path / "ct.nii.gz")
    stored = nib.load(tmp_path / "ct.nii.gz")
    volume = read_volume(tmp_path / "ct.nii.gz")
    assert volume.values.dtype == np.int16
    np.testing.assert_array_equal(volume.values, stored.get_fdata().T)


@pytest.mark.parametrize("intercept", [0.0, -1024.0, 0.5, np.nan, np.inf])
@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf, -np.inf, 1.0, 2.0, 0.1, -1.0])
@pytest.mark.parametrize("dtype", ["i2", ">i2", "u1", "f4"])
def test_a_slope_that_does_not_count_takes_the_intercept_with_it(
    tmp_path: Path, dtype: str, slope: float, intercept: float
) -> None:
    """The standard: no scaling where the slope is 0. nibabel, which agrees, refuses the intercepts refused here."""
    values = np.abs(some_values())[:2, :3, :4] % 100
    header = nib.Nifti1Header(endianness=">" if dtype[0] == ">" else "<")
    path = tmp_path / "ct.nii"
    nib.save(nib.Nifti1Image(values.T.astype(dtype), np.eye(4), header), path)
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([slope, intercept], ">f4" if dtype[0] == ">" else "<f4").tobytes()
    path.write_bytes(content)
    if np.isfinite(slope) and slope and not np.isfinite(intercept):
        check_refused(path, "scl_inter")
    else:
        expected = np.asanyarray(nib.load(path).dataobj).T
        np.testing.assert_array_equal(read_volume(path).values, expected.astype(np.float32))


def test_labels_are_scaled_too(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 9, (6, 7, 8))
    image = nib.Nifti1Image((ids * 10).astype(np.uint8).T, np.eye(4))
    nib.save(image, tmp_path / "mask.nii")
    content = bytearray((tmp_path / "mask.nii").read_bytes())
    content[112:120] = np.array([0.1, 0], "<f4").tobytes()
    (tmp_path / "mask.nii").write_bytes(content)
    np.testing.assert_array_equal(read_labels(tmp_path / "mask.nii").ids, ids)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_type_of_nifti_is_read(tmp_path: Path, dtype: str, order: str) -> None:
    values = np.abs(some_values())[:2, :3, :4] % 100
    path = tmp_path / "ct.nii.gz"
    nib.save(nib.Nifti1Image(values.T.astype(order + dtype), np.eye(4), nib.Nifti1Header(endianness=order)), path)
    np.testing.assert_array_equal(read_volume(path).values, values)
    np.testing.assert_array_equal(read_labels(path).ids, values)


def test_a_header_whose_voxels_lie_in_another_file_is_refused(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(some_values().T, np.eye(4)), tmp_path / "ct.img")
    (tmp_path / "ct.hdr").rename(tmp_path / "ct.nii")
    check_refused(tmp_path / "ct.nii", "second file")


def test_nifti_in_metres_is_read_in_millimetres(tmp_path: Path) -> None:
    image = nib.Nifti1Image(some_values().T, np.diag([7e-4, 8e-4, 2.5e-3, 1]))
    image.header.set_xyzt_units("meter")
    nib.save(image, tmp_path / "ct.nii")
    assert read_volume(tmp_path / "ct.nii").geometry.spacing_mm_ijk == pytest.approx((0.7, 0.8, 2.5))


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_big_endian_is_read(tmp_path: Path, dtype: str) -> None:
    values = some_values()
    image = nib.Nifti1Image(values.T.astype(dtype), np.eye(4), header=nib.Nifti1Header(endianness=">"))
    nib.save(image, tmp_path / "big.nii.gz")
    assert gzip.decompress((tmp_path / "big.nii.gz").read_bytes())[:4] == b"\0\0\x01\x5c"
    np.testing.assert_array_equal(read_volume(tmp_path / "big.nii.gz").values, values)


def test_a_fourth_axis_of_one_is_no_obstacle(tmp_path: Path) -> None:
    values = some_values()
    np.testing.assert_array_equal(read_volume(nifti(tmp_path / "a.nii", values.T[..., None])).values, values)


@pytest.mark.parametrize("suffix", PLAIN)
def test_info_comes_from_the_header_alone(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"ct.{suffix}", some_values())
    info = read_info(path)
    assert info.geometry is not None
    assert info.geometry.same_grid(read_volume(path).geometry)
    loaded = json.loads(json.dumps(info.to_dict()))
    assert loaded["dtype"] == "int16"
    assert loaded["shape_ijk"] == [40, 30, 6]
    assert loaded["file_bytes"] == path.stat().st_size
    assert (loaded["series"], loaded["problem"]) == ([], "")


def test_info_does_not_wait_for_the_voxels(tmp_path: Path) -> None:
    """The compressed voxels are cut away, and it does not even notice."""
    path = saved(tmp_path / "ct.nii.gz", some_values())
    path.write_bytes(path.read_bytes()[:4000])
    assert read_info(path).geometry is not None


# --- what is refused


@pytest.mark.parametrize("suffix", PLAIN)
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, suffix: str, compress: bool, kept: float) -> None:
    saved(tmp_path / f"ct.{suffix}", some_values(), compress=compress)
    for path in tmp_path.iterdir():
        if path.suffix not in (".nhdr", ".mhd"):  # these hold the header only
            path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    for read in (read_volume, read_labels):
        with pytest.raises(VolumeError, match="damaged"):
            read(tmp_path / f"ct.{suffix}")


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "nhdr", "mha", "mhd"])
def test_compressed_voxels_with_one_wrong_bit_are_refused(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"ct.{suffix}", some_values() % 3)
    data_path = next((each for each in tmp_path.iterdir() if each != path), path)
    content = data_path.read_bytes()
    values = read_volume(path).values
    refused = 0
    for place in range(len(content) // 2, len(content) - 20, 97):
        altered = bytearray(content)
        altered[place] ^= 4
        data_path.write_bytes(altered)
        try:
            # Some bits of a compressed stream do not matter: other codes of the same data.
            np.testing.assert_array_equal(read_volume(path).values, values)
        except VolumeError as error:
            assert "damaged" in str(error)  # noqa: PT017 - either outcome is right
            refused += 1
    assert refused > 5


def test_damage_behind_the_header_is_not_called_a_wrong_header(tmp_path: Path) -> None:
    path = saved(tmp_path / "ct.nii.gz", some_values())
    content = bytearray(path.read_bytes())
    content[1000:1040] = b"\xff" * 40
    path.write_bytes(content)
    check_refused(path, "compressed data are cut short or altered", info_too=False)


@pytest.mark.parametrize("suffix", PLAIN)
def test_other_content_under_a_known_suffix_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ct.{suffix}"
    for content in (b"hello", b"\0" * 1000, gzip.compress(b"hello"), gzip.compress(b"\0" * 1000)):
        path.write_bytes(content)
        check_refused(path, "damaged, or not of the format of its suffix")
    path.write_bytes(b"")
    check_refused(path, "empty file")


@pytest.mark.parametrize("name", ["picture.png", "notes.txt", "ct.nii.bz2", "noname", "ct.gz", "ct.img"])
def test_an_unknown_suffix_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x89PNG" + b"\0" * 200)
    check_refused(tmp_path / name, ".nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd", "DICOM series")


@pytest.mark.parametrize("name", ["ct.nii.gz", "folder", "series.zip", "x.dcm"])
def test_a_path_that_does_not_exist_is_refused(tmp_path: Path, name: str) -> None:
    check_refused(tmp_path / name, "does not exist")


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_one_volume_of_several_is_chosen_by_its_index(tmp_path: Path, suffix: str) -> None:
    values = np.random.default_rng(3).integers(0, 900, (8, 9, 10, 4)).astype(np.uint16)
    affine = np.diag([0.7, 0.8, 2.5, 1.0])
    affine[:3, 3] = 10, -20, 30
    path = nifti(tmp_path / f"fmri.{suffix}", values, affine)
    for index in range(4):
        volume = read_volume(path, index=index, modality="mr")
        assert volume.index == index
        np.testing.assert_array_equal(volume.values, values[..., index].T)
        assert volume.geometry.same_grid(read_volume(nifti(tmp_path / "one.nii", values[..., 0], affine)).geometry)
        middle = read_middle_slice(path, index=index)
        np.testing.assert_array_equal(middle.values[0], values[:, :, 5, index].T)
    found = read_info(path, index=3, guess=True)
    assert (found.volumes, found.problem) == (4, "")
    assert found.geometry is not None
    assert found.geometry.same_grid(volume.geometry)


def test_several_volumes_without_an_index_are_refused_with_their_number(tmp_path: Path) -> None:
    values = np.arange(8 * 9 * 10 * 4, dtype=np.int16).reshape(8, 9, 10, 4)
    path = nifti(tmp_path / "fmri.nii.gz", values)
    words = "holds 4 volumes", "by its number, 0 to 3: --index"
    check_refused(path, *words, info_too=False)
    info = read_info(path, guess=True)
    assert (info.geometry, info.volumes) == (None, 4)
    assert all(word in info.problem for word in words)
    for read in (read_volume, read_info):
        for index in (4, -1):
            with pytest.raises(VolumeError, match=f"no volume {index}; it holds 4 volumes: give 0 to 3"):
                read(path, index=index)


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "mha"])
def test_an_index_into_a_file_of_one_volume_is_refused(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"mr.{suffix}", some_values())
    assert read_volume(path, index=0).index == 0
    with pytest.raises(VolumeError, match="no volume 1; it holds one volume"):
        read_volume(path, index=1)


def test_a_file_that_lacks_its_last_volume_is_refused(tmp_path: Path) -> None:
    path = nifti(tmp_path / "fmri.nii", np.random.default_rng(3).integers(0, 900, (8, 9, 10, 4)).astype(np.uint16))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(VolumeError, match="is damaged, or not of the format"):
        read_volume(path, index=0)


def test_other_dimensions_are_refused(tmp_path: Path) -> None:
    check_refused(nifti(tmp_path / "2d.nii", np.zeros((8, 9), np.int16)), "2 dimensions (8×9)")
    check_refused(nifti(tmp_path / "5d.nii", np.zeros((8, 9, 10, 1, 3), np.int16)), "5 dimensions (8×9×10×1×3)")
    check_refused(saved_4d(tmp_path / "4d.nrrd"), "4 dimensions")


def test_nifti_2_is_refused_by_name(tmp_path: Path) -> None:
    nib.save(nib.Nifti2Image(some_values().T, np.eye(4)), tmp_path / "two.nii.gz")
    check_refused(tmp_path / "two.nii.gz", "NIfTI-2", "NRRD")


def saved_4d(path: Path) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3, 4, 5), np.int16), isVector=False), str(path))
    return path


def test_voxels_of_several_numbers_are_refused(tmp_path: Path) -> None:
    rgb = np.zeros((8, 9, 10), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    check_refused(nifti(tmp_path / "rgb.nii", rgb), "one number per voxel")
    check_refused(nifti(tmp_path / "complex.nii", np.ones((8, 9, 10), np.complex64)), "one number per voxel")
    vector = tmp_path / "vector.mha"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), np.float32), isVector=True), str(vector))
    check_refused(vector, "one number per voxel")


@pytest.mark.parametrize("suffix", ["nii", "nhdr", "mhd"])
def test_a_sheared_grid_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ct.{suffix}"
    if suffix == "nii":
        affine = np.eye(4)
        affine[0, 1] = 0.3
        nifti(path, some_values().T, affine)
    else:
        saved(path, some_values())
        text = path.read_text()
        text = text.replace("(0.69999999999999996,0,0)", "(0.7,0.2,0)").replace("= 1 0 0 0", "= 1 0.3 0 0")
        path.write_text(text)
    check_refused(path, "not perpendicular")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("suffix", PLAIN)
def test_values_that_are_not_finite_are_refused(tmp_path: Path, suffix: str, dtype: type, bad: float) -> None:
    values = some_values(dtype)
    values[-1, -1, -1] = bad
    path = saved(tmp_path / f"ct.{suffix}", values)
    with pytest.raises(VolumeError, match="NaN or infinite"):
        read_volume(path)
    with pytest.raises(VolumeError, match=r"NaN or infinite|not a label map"):
        read_labels(path)


def test_a_constant_volume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="Every voxel"):
        read_volume(saved(tmp_path / "ct.nii.gz", np.full((4, 5, 6), -1024, np.int16)))


@pytest.mark.parametrize(
    ("suffix", "line", "name"),
    [
        ("nhdr", "data file: ct.raw", "../secret.raw"),
        ("mhd", "ElementDataFile = ct.raw", "../secret.raw"),
        ("nhdr", "data file: ct.raw", "/etc/hostname"),
        ("mhd", "ElementDataFile = ct.raw", "/etc/hostname"),
        ("mhd", "ElementDataFile = ct.raw", "LIST"),
        ("nhdr", "data file: ct.raw", "ct%02d.raw 0 5 1"),
        ("nhdr", "data file: ct.raw", "gone.raw"),
        ("mhd", "ElementDataFile = ct.raw", "gone.raw"),
    ],
)
def test_a_header_cannot_show_a_file_elsewhere(tmp_path: Path, suffix: str, line: str, name: str) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    path = saved(folder / f"ct.{suffix}", some_values(), compress=False)
    (tmp_path / "secret.raw").write_bytes((folder / "ct.raw").read_bytes())
    header = path.read_text()
    assert line in header
    path.write_text(header.replace(line, line.replace("ct.raw", name)))
    check_refused(path, "keeps its voxels in")


# --- label maps


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_labels_of_any_type_become_small_ids(tmp_path: Path, dtype: type) -> None:
    ids = np.random.default_rng(0).integers(0, 9, (6, 7, 8)).astype(dtype)
    labels = read_labels(saved(tmp_path / "mask.nii.gz", ids))
    assert labels.ids.dtype == np.uint8
    np.testing.assert_array_equal(labels.ids, ids)


def test_an_empty_label_map_is_read(tmp_path: Path) -> None:
    assert not read_labels(saved(tmp_path / "mask.nrrd", np.zeros((6, 7, 8), np.uint8))).ids.any()


@pytest.mark.parametrize("bad", [-1.0, 0.5, 70_000.0])
def test_values_that_are_no_ids_are_refused(tmp_path: Path, bad: float) -> None:
    ids = np.zeros((6, 7, 8), np.float32)
    ids[1, 2, 3] = bad
    with pytest.raises(VolumeError, match="not a label map"):
        read_labels(saved(tmp_path / "mask.nii.gz", ids))


def test_labels_of_65535_need_two_bytes(tmp_path: Path) -> None:
    ids = np.zeros((6, 7, 8), np.int32)
    ids[1, 2, 3] = 65535
    labels = read_labels(saved(tmp_path / "mask.nii.gz", ids))
    assert labels.ids.dtype == np.uint16
    assert labels.ids[1, 2, 3] == 65535


def test_labels_on_another_grid_are_refused_with_both_grids() -> None:
    here = Geometry((6, 7, 8), np.diag([1.0, 1.0, 2.0, 1.0]))
    there = Geometry((6, 7, 9), np.diag([1.0, 1.0, 2.0, 1.0]))
    mirrored = Geometry((6, 7, 8), np.diag([-1.0, 1.0, 2.0, 1.0]))
    labels = LabelVolume(np.zeros((6, 7, 8), np.uint8), here)
    require_same_grid(labels, here, "The mask a.nii.gz")
    with pytest.raises(GridMismatchError, match=r"The mask a\.nii\.gz lies.*8×7×6.*9×7×6"):
        require_same_grid(labels, there, "The mask a.nii.gz")
    with pytest.raises(GridMismatchError, match="its axes point another way"):
        require_same_grid(labels, mirrored, "The mask")
    moved = Geometry.from_parts((6, 7, 8), (3.0, 0.0, 0.0), (1.0, 1.0, 2.0), np.eye(3))
    with pytest.raises(GridMismatchError, match=r"\(3\.00, 0\.00, 0\.00\)") as caught:
        require_same_grid(labels, moved, "The mask")
    assert "another way" not in str(caught.value)


@pytest.mark.parametrize("suffix", PLAIN)
@pytest.mark.parametrize("name", [b"f\xe9/ct", b"L\xe9a", b"f\xe9/L\xe9a \xc3\xbc"])
def test_a_path_need_not_be_utf8(tmp_path: Path, suffix: str, name: bytes) -> None:
    values = some_values()
    path = tmp_path / f"{os.fsdecode(name)}.{suffix}"
    path.parent.mkdir(exist_ok=True)
    plain = saved(tmp_path / f"ct.{suffix}", values, compress=False)
    content = plain.read_bytes()
    if suffix in ("nhdr", "mhd"):
        (tmp_path / "ct.raw").rename(path.with_suffix(".raw"))
        content = content.replace(b"ct.raw", os.fsencode(path.with_suffix(".raw").name))
    path.write_bytes(content)
    np.testing.assert_array_equal(read_volume(path).values, values)
    assert read_info(path).geometry is not None


@pytest.mark.parametrize("suffix", ["nhdr", "mhd"])
def test_a_header_may_name_its_voxels_in_any_encoding(tmp_path: Path, suffix: str) -> None:
    for name in (b"\xc3\xbc.raw", b"\xfc.raw", b"sub/\xfc.raw"):
        path = saved(tmp_path / f"ct.{suffix}", some_values(), compress=False)
        target = tmp_path / os.fsdecode(name)
        target.parent.mkdir(exist_ok=True)
        (tmp_path / "ct.raw").rename(target)
        path.write_bytes(path.read_bytes().replace(b"ct.raw", name))
        np.testing.assert_array_equal(read_volume(path).values, some_values())


@pytest.mark.parametrize(
    ("suffix", "name", "read"),
    [
        ("nhdr", "50%.raw", True),
        ("nhdr", "50%d.raw", False),
        ("nhdr", "listing.raw", True),
        ("mhd", "listing.raw", True),
        ("mhd", "50%.raw", False),
    ],
)
def test_a_name_of_one_file_is_not_taken_for_several(tmp_path: Path, suffix: str, name: str, read: bool) -> None:
    path = saved(tmp_path / f"ct.{suffix}", some_values(), compress=False)
    (tmp_path / "ct.raw").rename(tmp_path / name)
    path.write_text(path.read_text().replace("ct.raw", name))
    if read:
        np.testing.assert_array_equal(read_volume(path).values, some_values())
    else:
        check_refused(path, "%", "Rename that file")


@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("stated", ["", "CompressedDataSize = 40\n", "CompressedDataSize = 99999999\n"])
def test_compressed_data_of_another_length_are_not_read_as_chance_has_it(
    tmp_path: Path, stated: str, detached: bool
) -> None:
    """SimpleITK returns what its memory held before, with a line on standard error."""
    path = saved(tmp_path / ("ct.mhd" if detached else "ct.mha"), some_values())
    head, line, rest = path.read_bytes().partition(b"CompressedDataSize")
    path.write_bytes(head + stated.encode() + rest.partition(b"\n")[2])
    assert line
    if not stated:
        np.testing.assert_array_equal(read_volume(path).values, some_values())
    else:
        check_refused(path, info_too=False)


def test_metaimage_may_spell_its_header_otherwise(tmp_path: Path) -> None:
    path = saved(tmp_path / "ct.mha", some_values(), compress=False)
    path.write_bytes(path.read_bytes().replace(b"= LOCAL", b"= Local"))
    np.testing.assert_array_equal(read_volume(path).values, some_values())


@pytest.mark.parametrize("kept", [1.0, 0.9])
def test_metaimage_may_write_its_voxels_as_text(tmp_path: Path, kept: float) -> None:
    """A digit and a blank for each voxel, which is less than the four bytes of its type."""
    values = (some_values() > 0).astype(np.float32)
    path = saved(tmp_path / "ct.mha", values, compress=False)
    head = path.read_bytes().partition(b"LOCAL\n")[0].replace(b"BinaryData = True", b"BinaryData = False")
    digits = [f"{each:.0f}" for each in values.ravel()]
    path.write_bytes(head + b"LOCAL\n" + " ".join(digits[: int(kept * len(digits))]).encode() + b"\n")
    if kept == 1.0:
        np.testing.assert_array_equal(read_volume(path).values, values)
    else:
        check_refused(path, info_too=False)
