"""Is what NRRD and MetaImage headers say applied, and what they leave out reported?"""

from __future__ import annotations

import gzip
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from radsam.errors import VolumeError
from radsam.io.stated_grid import GridWarning
from radsam.io.volume_read import read_info, read_labels, read_volume

VALUES = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
#: Stored with 0.5 × 0.6 × 2 of the unit, turned about z.
NRRD_GRID = ("space directions: (0,0.5,0) (-0.6,0,0) (0,0,2)", "space origin: (1,2,3)")
META_GRID = ("ElementSpacing = 0.5 0.6 2", "TransformMatrix = 0 1 0 -1 0 0 0 0 1", "Offset = 1 2 3")
LPS = np.array([[0, -0.6, 0, 1], [0.5, 0, 0, 2], [0, 0, 2, 3], [0, 0, 0, 1]])


def nrrd(path: Path, *lines: str, values: np.ndarray = VALUES, sizes: str = "4 3 2") -> Path:
    kind = {"i": "int", "u": "uint", "f": ""}[values.dtype.kind] + str(8 * values.dtype.itemsize)
    header = ["NRRD0005", f"type: {kind}", f"dimension: {len(sizes.split())}", f"sizes: {sizes}", "encoding: raw"]
    path.write_bytes("\n".join([*header, "endian: little", *lines, "", ""]).encode() + values.tobytes())
    return path


def meta(path: Path, *lines: str, values: np.ndarray = VALUES) -> Path:
    header = ["ObjectType = Image", "NDims = 3", "DimSize = 4 3 2", "ElementType = MET_SHORT", *lines]
    path.write_bytes("\n".join([*header, "ElementDataFile = LOCAL", ""]).encode() + values.tobytes())
    return path


def read_with_warnings(path: Path) -> tuple[np.ndarray, np.ndarray, str]:
    """Read a file as volume, labels and description, which warn alike; return HU, affine and the warnings."""
    found = []
    for read in (read_volume, read_labels, read_info):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = read(path)
        found.append((result.geometry, sorted(str(each.message) for each in caught)))
        if read is read_volume:
            hu = result.values
    assert found[0][1] == found[1][1] == found[2][1]
    assert found[0][0].same_grid(found[1][0])
    assert found[0][0].same_grid(found[2][0])
    assert all(str(path) in each for each in found[0][1])
    return hu, found[0][0].affine_lps, "\n".join(found[0][1])


@pytest.mark.parametrize(
    ("unit", "mm"),
    [("mm", 1), ("m", 1000), ("cm", 10), ("um", 1e-3), ("µm", 1e-3), ("micron", 1e-3), ("Millimeters", 1)],
)
@pytest.mark.parametrize("kind", ["nrrd", "meta"])
def test_units_of_length_are_converted(tmp_path: Path, kind: str, unit: str, mm: float) -> None:
    if kind == "meta":
        path = meta(tmp_path / "a.mha", *META_GRID, f"DistanceUnits = {unit}")
    else:
        path = nrrd(tmp_path / "a.nrrd", "space: LPS", *NRRD_GRID, "space units: " + " ".join([f'"{unit}"'] * 3))
    hu, affine, warned = read_with_warnings(path)
    np.testing.assert_array_equal(hu, VALUES)
    np.testing.assert_allclose(affine, np.diag([mm, mm, mm, 1]) @ LPS, rtol=1e-6)
    assert warned == ""


def test_units_may_differ_between_directions(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", "space: LPS", *NRRD_GRID, 'space units: "mm" "mm" "cm"')
    np.testing.assert_allclose(read_with_warnings(path)[1], np.diag([1, 1, 10, 1]) @ LPS)


@pytest.mark.parametrize(
    ("space", "flips", "known"),
    [
        ("space: left-posterior-superior", (1, 1, 1), True),
        ("space: LPS", (1, 1, 1), True),
        ("space: right-anterior-superior", (-1, -1, 1), True),
        ("space: RAS", (-1, -1, 1), True),
        ("space: left-anterior-superior", (1, -1, 1), True),
        ("space: LAS", (1, -1, 1), True),
        ("space: scanner-xyz", (1, 1, 1), False),
        ("space: 3D-right-handed", (1, 1, 1), False),
        ("space dimension: 3", (1, 1, 1), False),
    ],
)
def test_the_space_of_nrrd_turns_the_grid(tmp_path: Path, space: str, flips: tuple[int, ...], known: bool) -> None:
    _, affine, warned = read_with_warnings(nrrd(tmp_path / "a.nrrd", space, *NRRD_GRID))
    np.testing.assert_allclose(affine, np.diag([*flips, 1]) @ LPS)
    assert ("compare left and right" in warned) != known


@pytest.mark.parametrize(
    ("make", "lines", "spacing", "expected"),
    [
        (nrrd, ["content: ct"], (1, 1, 1), ("1 mm", "compare left and right")),
        (nrrd, ["spacings: nan nan nan"], (1, 1, 1), ("1 mm", "compare left and right")),
        (nrrd, ["spacings: 0.5 0.6 nan"], (0.5, 0.6, 1), ("1 mm", "compare left and right")),
        (nrrd, ["space: LPS", "space directions: none none none"], (1, 1, 1), ("1 mm", "compare left and right")),
        (nrrd, ["spacings: 0.5 0.6 2"], (0.5, 0.6, 2), ("compare left and right",)),
        (nrrd, ["spacings: 0.5 0.6 2", "centerings: cell cell cell"], (0.5, 0.6, 2), ("compare left and right",)),
        (nrrd, ["spacings: 0.5 0.6 2", 'units: "cm" "cm" "cm"'], (5, 6, 20), ("compare left and right",)),
        (nrrd, ["space: LPS", *NRRD_GRID, 'space units: "ells" "ells" "ells"'], (0.5, 0.6, 2), ("'ells'",)),
        (nrrd, ["space: LPS", *NRRD_GRID, 'space units: "" "" ""'], (0.5, 0.6, 2), ()),
        (
            nrrd,
            ["space: LPS", "space directions: (5e-4,0,0) (0,6e-4,0) (0,0,2e-3)"],
            (5e-4, 6e-4, 2e-3),
            ("does not state its unit of length",),
        ),
        (meta, [], (1, 1, 1), ("1 mm", "compare left and right")),
        (meta, ["TransformMatrix = 1 0 0 0 1 0 0 0 1"], (1, 1, 1), ("1 mm",)),
        (meta, ["ElementSpacing = 0.5 0.6 2"], (0.5, 0.6, 2), ("compare left and right",)),
        (meta, ["ElementSize = 0.5 0.6 2", *META_GRID[1:]], (0.5, 0.6, 2), ()),
        (meta, ["ElementSize = 5 6 7", *META_GRID], (0.5, 0.6, 2), ()),
        (meta, [*META_GRID, "CenterOfRotation = 9 9 9", "DistanceUnits = ?"], (0.5, 0.6, 2), ()),
        (meta, [*META_GRID, "AnatomicalOrientation = ???"], (0.5, 0.6, 2), ()),
        (meta, [*META_GRID, "AnatomicalOrientation = RAI"], (0.5, 0.6, 2), ("two grids that differ",)),
        (meta, ["ElementSpacing = 5e-4 6e-4 2e-3", *META_GRID[1:]], (5e-4, 6e-4, 2e-3), ("unit of length",)),
    ],
)
def test_what_is_left_out_is_reported(
    tmp_path: Path, make: Callable[..., Path], lines: list[str], spacing: tuple[float, ...], expected: tuple[str, ...]
) -> None:
    _, affine, warned = read_with_warnings(make(tmp_path / ("a.nrrd" if make is nrrd else "a.mha"), *lines))
    np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), spacing)
    assert len(warned.splitlines()) == len(expected)
    assert all(each in warned for each in expected)


@pytest.mark.parametrize(
    ("letters", "directions"), [("RAI", np.eye(3)), ("LPI", np.diag([-1, -1, 1])), ("AIR", np.eye(3)[:, [1, 2, 0]])]
)
def test_letters_stand_in_for_a_missing_matrix(tmp_path: Path, letters: str, directions: np.ndarray) -> None:
    """ITK writes RAI with the identity: an axis is named by the side where it begins."""
    path = meta(tmp_path / "a.mha", META_GRID[0], f"AnatomicalOrientation = {letters}")
    _, affine, warned = read_with_warnings(path)
    np.testing.assert_allclose(affine[:3, :3], directions * (0.5, 0.6, 2))
    assert warned == ""


@pytest.mark.parametrize("none", ["none", "(nan,nan,nan)"])
def test_an_axis_without_a_direction_is_refused(tmp_path: Path, none: str) -> None:
    path = nrrd(tmp_path / "a.nrrd", "space: LPS", f"space directions: (0.5,0,0) (0,0.6,0) {none}")
    for read in (read_volume, read_labels, read_info):
        with pytest.raises(VolumeError, match="states the direction of 2 axes only"):
            read(path)


def test_a_list_of_one_volume_is_that_volume(tmp_path: Path) -> None:
    lines = ("space: LPS", "kinds: list domain domain domain", NRRD_GRID[0].replace(": ", ": none "), NRRD_GRID[1])
    hu, affine, warned = read_with_warnings(nrrd(tmp_path / "a.nrrd", *lines, sizes="1 4 3 2"))
    np.testing.assert_array_equal(hu, VALUES)
    np.testing.assert_allclose(affine, LPS)
    assert warned == ""


def test_the_intensities_of_metaimage_are_scaled(tmp_path: Path) -> None:
    lines = ("ElementToIntensityFunctionSlope = 2.5", "ElementToIntensityFunctionOffset = -1024")
    path = meta(tmp_path / "a.mha", *META_GRID, *lines)
    np.testing.assert_array_equal(read_volume(path).values, np.float32(VALUES * 2.5 - 1024))
    path = meta(tmp_path / "b.mha", *META_GRID, lines[0].replace("2.5", "0"), lines[1])
    np.testing.assert_array_equal(read_volume(path).values, VALUES)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_quantised_nrrd_comes_back_into_its_range(tmp_path: Path, kind: type) -> None:
    bits = 8 * np.dtype(kind).itemsize
    hu = np.linspace(-1000, 3000, 24).reshape(2, 3, 4)
    stored = ((hu + 1024) / 4096 * 2**bits).astype(kind)  # as `unu quantize -min -1024 -max 3072`
    path = nrrd(tmp_path / "a.nrrd", "space: LPS", *NRRD_GRID, "old min: -1024", "old max: 3072", values=stored)
    with pytest.warns(GridWarning, match=f"quantised to {bits} bits"):
        np.testing.assert_allclose(read_volume(path).values, hu, atol=4096 / 2**bits / 2 + 1e-3)


def test_signed_values_are_never_taken_as_quantised(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", "space: LPS", *NRRD_GRID, "old min: -1024", "old max: 3072")
    np.testing.assert_array_equal(read_volume(path).values, VALUES)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress], ids=["zlib", "gzip"])
def test_compressed_voxels_need_no_compressed_data_size(
    tmp_path: Path, pack: Callable[[bytes], bytes], order: str
) -> None:
    """SimpleITK gives memory for them."""
    path = meta(tmp_path / "ct.mha", *META_GRID, "CompressedData = True", f"BinaryDataByteOrderMSB = {order == '>'}")
    head = path.read_bytes().partition(b"LOCAL\n")[0] + b"LOCAL\n"
    path.write_bytes(head + pack(VALUES.astype(f"{order}i2").tobytes()))
    np.testing.assert_array_equal(read_volume(path).values, VALUES)


@pytest.mark.parametrize("skipped", [7, -1])
def test_voxels_of_a_second_file_may_begin_later(tmp_path: Path, skipped: int) -> None:
    path = meta(tmp_path / "ct.mhd", *META_GRID, f"HeaderSize = {skipped}")
    path.write_bytes(path.read_bytes().partition(b"LOCAL")[0] + b"ct.raw\n")
    (tmp_path / "ct.raw").write_bytes(b"another" + VALUES.astype("<i2").tobytes())
    np.testing.assert_array_equal(read_volume(path).values, VALUES)


#: SimpleITK ends the process, makes room for the voxels first, or takes what is missing as 0.
META_FAULTS = {
    "NDims = 3": ["NDims = 99", "NDims = -32768", "NDims = 3.5", "NDims = 3\nNDims = 3"],
    "DimSize = 4 3 2": ["DimSize = -4 3 2", "DimSize = 4 3", "DimSize = 99999 99999 99999"],
    "Offset = 1 2 3": ["Offset = 1", "Offset = nan 2 3", "Offset = 1 2 3\nHeaderSize = -5"],
    "ElementType = MET_SHORT": ["ElementType = MET_OTHER", "ElementType = MET_DOUBLE"],
}
NRRD_FAULTS = {
    "space: LPS": [f"space: {'x' * 5000}", f"content: {'x' * 2000}"],
    "sizes: 4 3 2": ["sizes: 4 3 99999999999", "sizes: 4 -3 2", "sizes: 4 3 2000"],
    "encoding: raw": ["encoding: gzip", "encoding: ascii\nsizes: 9 9 9"],
}


@pytest.mark.parametrize(("line", "fault"), [(line, fault) for line, faults in META_FAULTS.items() for fault in faults])
def test_a_damaged_metaimage_header_ends_with_a_sentence(tmp_path: Path, line: str, fault: str) -> None:
    path = meta(tmp_path / "ct.mha", *META_GRID)
    path.write_bytes(path.read_bytes().replace(line.encode(), fault.encode()))
    for read in (read_info, read_volume):
        with pytest.raises(VolumeError, match=r"Copy, download or export it again\.$"):
            read(path)


@pytest.mark.parametrize(("line", "fault"), [(line, fault) for line, faults in NRRD_FAULTS.items() for fault in faults])
def test_a_damaged_nrrd_header_ends_with_a_sentence(tmp_path: Path, line: str, fault: str) -> None:
    path = nrrd(tmp_path / "ct.nrrd", "space: LPS", *NRRD_GRID)
    path.write_bytes(path.read_bytes().replace(line.encode(), fault.encode()))
    with pytest.raises(VolumeError, match=r"Copy, download or export it again\.$"):
        read_volume(path)


def test_bzip2_is_named(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "ct.nrrd", "space: LPS", *NRRD_GRID)
    path.write_bytes(path.read_bytes().replace(b"encoding: raw", b"encoding: bzip2"))
    with pytest.raises(VolumeError, match=r"bzip2, which cannot be read\. Save it again, with gzip"):
        read_volume(path)
