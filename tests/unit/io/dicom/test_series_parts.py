"""Series that hold several images of each place: echoes, time points, b-values, kinds of image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from dicom_files import ct_values, mr_values, stating, write_mr, write_series
from radsam.errors import SeriesError
from radsam.io.volume_read import read_info, read_volume

UID = "1.2.3.4"
SHAPE = (3, 6, 5)


def write(folder: Path, parts: Mapping[str, Mapping[str, object]]) -> dict[str, np.ndarray]:
    """Write one series with the images of several parts; return the values of each, by its selector."""
    values = {selector: mr_values(SHAPE, seed=seed) for seed, selector in enumerate(parts)}
    for n, (selector, elements) in enumerate(parts.items()):
        write_mr(folder / f"{n}", values[selector], series_uid=UID, first_instance=1 + 3 * n, edit=stating(**elements))
    return values


def check(folder: Path, values: Mapping[str, np.ndarray], *words: str) -> None:
    """Check that a series is refused with the list of its parts, and that each of them can be read."""
    with pytest.raises(SeriesError) as caught:
        read_volume(folder)
    for word in (*words, "must not be stacked", *(f"1#{selector}: 3 slices" for selector in values)):
        assert word in str(caught.value)
    (series,) = read_info(folder).series
    assert [each.selector for each in series.parts] == [f"1#{selector}" for selector in values]
    for selector, expected in values.items():
        volume = read_volume(folder, series=f"1#{selector}")
        np.testing.assert_array_equal(volume.values, expected)
        assert volume.series is not None
        assert volume.series.selector == f"{UID}#{selector}"
    reopened = read_volume(folder, series=volume.series.selector)
    np.testing.assert_array_equal(reopened.values, volume.values)
    info = read_info(folder, series=volume.series.selector)
    assert info.geometry is not None
    assert info.geometry.same_grid(volume.geometry)


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        (
            {"echo=1": {"EchoNumbers": 1, "EchoTime": 9.8}, "echo=2": {"EchoNumbers": 2, "EchoTime": 92}},
            "differ in echo number",
        ),
        ({"te=4.6": {"EchoTime": "4.60"}, "te=9.2": {"EchoTime": 9.2}}, "echo time"),
        ({f"time={n}": {"TemporalPositionIdentifier": n} for n in (1, 2, 10)}, "time point"),
        ({"b=0": {"DiffusionBValue": 0.0}, "b=800": {"DiffusionBValue": 800.0}}, "b-value"),
        (
            {
                "type=MAGNITUDE": {"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]},
                "type=PHASE": {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]},
            },
            "kind of image",
        ),
        (
            {
                "type=IMAGINARY": {"ImageType": ["ORIGINAL", "PRIMARY", "I_FFE", "I", "FFE"]},
                "type=PHASE": {"ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"]},
                "type=REAL": {"ImageType": ["ORIGINAL", "PRIMARY", "R_FFE", "R", "FFE"]},
            },
            "kind of image",
        ),
        (
            {
                "type=FAT": {"ImageType": ["DERIVED", "PRIMARY", "DIXON", "FAT"]},
                "type=WATER": {"ImageType": ["DERIVED", "PRIMARY", "DIXON", "WATER"]},
            },
            "kind of image",
        ),
        ({"ti=100": {"InversionTime": 100}, "ti=2500": {"InversionTime": 2500}}, "inversion time"),
        ({"flip=4": {"FlipAngle": 4}, "flip=18": {"FlipAngle": 18}}, "flip angle"),
        ({"trigger=0": {"TriggerTime": 0}, "trigger=430.5": {"TriggerTime": 430.5}}, "trigger time"),
        ({"1": {"AcquisitionNumber": 1}, "2": {"AcquisitionNumber": 2}}, "2 acquisitions of the same place"),
    ],
)
def test_what_tells_the_images_of_a_place_apart_chooses_them(
    tmp_path: Path, parts: Mapping[str, Mapping[str, object]], word: str
) -> None:
    check(tmp_path, write(tmp_path, parts), word)


def test_what_else_differs_is_listed(tmp_path: Path) -> None:
    write(tmp_path, {f"echo={n}": {"EchoNumbers": n, "EchoTime": 12.5 * n, "AcquisitionNumber": n} for n in (1, 2)})
    (series,) = read_info(tmp_path).series
    assert [each.about for each in series.parts] == ["te 12.5, acquisition 1", "te 25, acquisition 2"]
    with pytest.raises(SeriesError, match=r"1#echo=2: 3 slices from -30.00 to -25.00 mm \(te 25, acquisition 2\)"):
        read_volume(tmp_path)
    scan = read_info(tmp_path, series="1#echo=2").scan
    assert scan is not None
    assert (scan.acquisition, scan.part) == ("", "echo=2")


def test_an_acquisition_number_still_chooses_where_something_else_tells_more(tmp_path: Path) -> None:
    values = write(tmp_path, {f"echo={n}": {"EchoNumbers": n, "AcquisitionNumber": 4 + n} for n in (1, 2)})
    np.testing.assert_array_equal(read_volume(tmp_path, series="1#6").values, values["echo=2"])
    with pytest.raises(SeriesError, match="has no acquisition '7'; it has 5, 6"):
        read_volume(tmp_path, series="1#7")
    with pytest.raises(SeriesError, match="has no part 'echo=3'; it has echo=1, echo=2"):
        read_volume(tmp_path, series="1#echo=3")


def test_only_where_one_condition_is_not_enough_there_are_several(tmp_path: Path) -> None:
    """One image without diffusion, three directions of one b-value and two of another one."""
    turns = {1: [1.0, 0.0, 0.0], 2: [0.0, 0.8, 0.6], 3: [0.0, -0.6, 0.8]}
    parts: dict[str, dict[str, object]] = {"b=0": {"DiffusionBValue": 0.0}}
    for b, count in ((500.0, 2), (1000.0, 3)):
        for turn in range(1, count + 1):
            parts[f"b={b:g}#dir={turn}"] = {"DiffusionBValue": b, "DiffusionGradientOrientation": turns[turn]}
    check(tmp_path, write(tmp_path, parts), "b-value and gradient direction")
    with pytest.raises(SeriesError, match="they differ in gradient direction, and must") as caught:
        read_volume(tmp_path, series="1#b=500")
    assert "1#b=500#dir=2: 3 slices" in str(caught.value)
    assert "b=1000" not in str(caught.value)


def test_magnitude_and_phase_of_two_echoes_are_four_parts(tmp_path: Path) -> None:
    parts = {
        f"type={name}#echo={echo}": {"EchoNumbers": echo, "ImageType": ["ORIGINAL", "PRIMARY", letter]}
        for name, letter in (("MAGNITUDE", "M"), ("PHASE", "P"))
        for echo in (1, 2)
    }
    check(tmp_path, write(tmp_path, parts), "kind of image and echo number")


def _private(creator: str, tag: int, vr: str, value: object) -> object:
    def edit(k: int, dataset: FileDataset) -> None:
        dataset.private_block(tag >> 16, creator, create=True).add_new(tag & 0xFF, vr, value)

    return edit


@pytest.mark.parametrize(
    ("creator", "tag", "vr", "low", "high"),
    [
        ("SIEMENS MR HEADER", 0x0019100C, "IS", 50, 800),
        ("GEMS_PARM_01", 0x00431039, "IS", [50, 6, 0, 0], [1000000800, 6, 0, 0]),
        ("Philips Imaging DD 001", 0x20011003, "FL", 50.0, 800.0),
    ],
)
def test_b_values_are_found_where_vendors_write_them(
    tmp_path: Path, creator: str, tag: int, vr: str, low: object, high: object
) -> None:
    values = {}
    for selector, value in (("b=50", low), ("b=800", high)):
        values[selector] = mr_values(SHAPE, seed=len(values))
        edit = _private(creator, tag, vr, value)
        write_mr(tmp_path / selector, values[selector], series_uid=UID, edit=edit)
    check(tmp_path, values)


def test_phase_images_of_ge_are_found_by_its_own_element(tmp_path: Path) -> None:
    values = {}
    for code, selector in ((0, "type=MAGNITUDE"), (1, "type=PHASE")):
        values[selector] = mr_values(SHAPE, seed=code)

        def edit(k: int, dataset: FileDataset, code: int = code) -> None:
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
            dataset.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", code)

        write_mr(tmp_path / selector, values[selector], series_uid=UID, edit=edit)
    check(tmp_path, values)


def test_time_points_without_a_number_are_counted_in_their_order(tmp_path: Path) -> None:
    """Each image has a time of its own, as in a series that is repeated without a pause."""
    values = write(
        tmp_path, {f"time={n}": {"AcquisitionTime": lambda k, n=n: f"1200{10 * n + k:02d}.5"} for n in (1, 2, 3)}
    )
    check(tmp_path, values, "time point")


@pytest.mark.parametrize("lost", [0, 2])
def test_a_time_point_that_is_not_whole_is_named(tmp_path: Path, lost: int) -> None:
    values = write(tmp_path, {f"time={n}": {"TemporalPositionIdentifier": n} for n in (1, 2)})
    (tmp_path / "1" / f"IM{lost:03d}.dcm").unlink()
    np.testing.assert_array_equal(read_volume(tmp_path, series="1#time=1").values, values["time=1"])
    (series,) = read_info(tmp_path).series
    assert [(each.selector, each.slices) for each in series.parts] == [("1#time=1", 3), ("1#time=2", 2)]


def test_images_that_nothing_tells_apart_are_refused_as_before(tmp_path: Path) -> None:
    write(tmp_path, {"a": {}, "b": {}})
    with pytest.raises(SeriesError, match="3 slices lie at the position of another one"):
        read_volume(tmp_path)


def test_a_time_that_differs_from_slice_to_slice_is_no_part(tmp_path: Path) -> None:
    """Of one image for each place nothing is chosen, whatever differs between them."""
    values = mr_values(SHAPE)
    numbers = {name: lambda k: k + 1 for name in ("AcquisitionNumber", "TriggerTime", "EchoTime", "InversionTime")}
    write_mr(tmp_path, values, edit=stating(**numbers))
    np.testing.assert_array_equal(read_volume(tmp_path).values, values)


def test_concatenations_of_mr_that_share_the_places_are_one_volume(tmp_path: Path) -> None:
    values = mr_values((6, 12, 10))
    write_mr(tmp_path, values, edit=stating(AcquisitionNumber=lambda k: 1 + k % 2))
    np.testing.assert_array_equal(read_volume(tmp_path).values, values)


def test_of_ct_the_same_are_acquisitions_as_before(tmp_path: Path) -> None:
    write_series(tmp_path, ct_values((6, 12, 10)), edit=stating(AcquisitionNumber=lambda k: 1 + k % 2))
    with pytest.raises(SeriesError, match="2 acquisitions of the same place"):
        read_volume(tmp_path)


def test_planes_of_one_series_are_chosen_by_name(tmp_path: Path) -> None:
    axial, sagittal = mr_values(SHAPE), mr_values(SHAPE, seed=1)
    write_mr(tmp_path / "a", axial, series_uid=UID)
    write_mr(tmp_path / "s", sagittal, series_uid=UID, cosines=(0, 1, 0, 0, 0, -1))
    with pytest.raises(SeriesError, match=r"different orientations: .* choose one part \(--series 1#plane=axial\)"):
        read_volume(tmp_path)
    np.testing.assert_array_equal(read_volume(tmp_path, series="1#plane=sagittal").values, sagittal)
    (series,) = read_info(tmp_path).series
    assert [each.selector for each in series.parts] == ["1#plane=axial", "1#plane=sagittal"]


@pytest.mark.parametrize("by_type", [True, False])
def test_mosaics_are_refused_with_what_to_do(tmp_path: Path, by_type: bool) -> None:
    def edit(k: int, dataset: FileDataset) -> None:
        if by_type:
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
        else:
            dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 30)

    (path, *_) = write_mr(tmp_path, mr_values(SHAPE), edit=edit)
    for given in (tmp_path, path):
        with pytest.raises(SeriesError, match=r"Siemens mosaics.* dcm2niix, and give its NIfTI"):
            read_volume(given)
    assert "dcm2niix" in read_info(tmp_path).problem


def test_private_elements_that_cannot_be_read_count_as_absent(tmp_path: Path) -> None:
    values = mr_values(SHAPE)
    paths = write_mr(tmp_path, values, edit=_private("SIEMENS MR HEADER", 0x0019100C, "IS", 1234))
    for path in paths:
        path.write_bytes(path.read_bytes().replace(b"1234", b"1,x4"))
    np.testing.assert_array_equal(read_volume(tmp_path).values, values)
