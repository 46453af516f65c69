from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from dicom_files import AXIAL, COMPRESSED, ct_values, decoded_with_pydicom, write_series
from radsam.errors import SeriesError
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_read import read_info, read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.volume import Geometry, LabelVolume

SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = (0.8, 0.6, 0.0, -0.48, 0.64, 0.6)


def refused(folder: Path, *words: str) -> None:
    """Check that reading names each of the words, and that the listing says the same."""
    with pytest.raises(SeriesError) as caught:
        read_volume(folder)
    for word in words:
        assert word in str(caught.value)
    assert read_info(folder).problem == str(caught.value)


# --- what a good series becomes


@pytest.mark.parametrize("compress", COMPRESSED)
def test_each_compression_gives_the_hu_that_were_stored(tmp_path: Path, compress: str) -> None:
    hu = ct_values()
    paths = write_series(tmp_path, hu, compress=compress)
    volume = read_volume(tmp_path)
    assert volume.values.dtype == np.int16
    np.testing.assert_array_equal(volume.values, hu)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GDCM writes what pydicom finds untidy
        np.testing.assert_array_equal(volume.values, [decoded_with_pydicom(path) for path in paths])


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(("signed", "intercept"), [(False, -1024.0), (True, 0.0)])
def test_uncompressed_pixels_become_hu(tmp_path: Path, implicit: bool, signed: bool, intercept: float) -> None:
    hu = ct_values()
    write_series(tmp_path, hu, implicit=implicit, signed=signed, rescale=[(1.0, intercept)])
    np.testing.assert_array_equal(read_volume(tmp_path).values, hu)


def test_each_slice_keeps_its_own_rescale(tmp_path: Path) -> None:
    """The first slices have whole HU; a later slope of 0.5 must not lose its fractions."""
    hu = ct_values().astype(np.float32)
    hu[3] += 0.5
    write_series(tmp_path, hu, rescale=[(1.0, -1024.0), (2.0 / 2, -2000.0), (1.0, -1024.0), (0.5, -1024.0)])
    volume = read_volume(tmp_path)
    assert volume.values.dtype == np.float32
    np.testing.assert_array_equal(volume.values, hu)


def test_hu_beyond_int16_are_kept(tmp_path: Path) -> None:
    hu = ct_values().astype(np.float32)
    hu[2, 4, 4] = 60_000
    write_series(tmp_path, hu)
    volume = read_volume(tmp_path)
    assert volume.values.dtype == np.float32
    np.testing.assert_array_equal(volume.values, hu)


@pytest.mark.parametrize("cosines", [AXIAL, SAGITTAL, OBLIQUE, (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)])
def test_the_grid_is_the_one_of_simpleitk(tmp_path: Path, cosines: tuple[float, ...]) -> None:
    write_series(tmp_path, ct_values(), cosines=cosines)
    volume = read_volume(tmp_path)
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path)))
    np.testing.assert_allclose(volume.geometry.origin_lps, image.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(volume.geometry.spacing_mm_ijk, image.GetSpacing(), atol=1e-6)
    np.testing.assert_allclose(volume.geometry.direction.ravel(), image.GetDirection(), atol=1e-6)
    np.testing.assert_array_equal(volume.values, sitk.GetArrayFromImage(image))
    assert np.linalg.det(volume.geometry.direction) == pytest.approx(1.0)


def test_names_and_instance_numbers_do_not_order_the_slices(tmp_path: Path) -> None:
    hu = ct_values()

    def scramble(k: int, dataset) -> None:
        dataset.InstanceNumber = (k * 7) % 5

    names = ["z", "folder.1", "b.ima", "a.dcm", "0001"]
    write_series(tmp_path, hu, names=names, edit=scramble)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "z").rename(tmp_path / "deep" / "er" / "z")
    (tmp_path / "notes.txt").write_text("not DICOM")
    np.testing.assert_array_equal(read_volume(tmp_path).values, hu)


def test_the_spacing_comes_from_positions_not_from_the_thickness(tmp_path: Path) -> None:
    write_series(tmp_path, ct_values(), spacing_mm_ijk=(0.5, 0.6, 3.25))
    assert read_volume(tmp_path).geometry.spacing_mm_ijk == pytest.approx((0.5, 0.6, 3.25))


def test_positions_rounded_to_a_tenth_do_not_drift(tmp_path: Path) -> None:
    def rounded(k: int, dataset) -> None:
        dataset.ImagePositionPatient[2] = round(1.25 * k + 1e-6, 1)

    write_series(tmp_path, ct_values((41, 6, 6)), spacing_mm_ijk=(1, 1, 1.25), edit=rounded)
    assert read_volume(tmp_path).geometry.spacing_mm_ijk[2] == pytest.approx(1.25, abs=2e-3)


def test_another_modality_is_read_and_named(tmp_path: Path) -> None:
    def magnetic(k: int, dataset) -> None:
        dataset.Modality = "MR"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        del dataset.RescaleSlope, dataset.RescaleIntercept

    hu = ct_values()
    write_series(tmp_path, hu, edit=magnetic)
    volume = read_volume(tmp_path)
    assert volume.modality == "MR"
    np.testing.assert_array_equal(volume.values, hu + 1024)


def test_a_file_without_preamble_is_read(tmp_path: Path) -> None:
    hu = ct_values()
    for path in write_series(tmp_path, hu, implicit=True):
        content = path.read_bytes()
        start = content.index(b"\x08\x00\x08\x00\x16\x00\x00\x00")  # ImageType, the first element
        path.write_bytes(content[start:])
    np.testing.assert_array_equal(read_volume(tmp_path).values, hu)


# --- what is refused


def test_a_missing_slice_is_named(tmp_path: Path) -> None:
    paths = write_series(tmp_path, ct_values())
    paths[2].unlink()
    write_series(tmp_path / "second", ct_values((4, 12, 10)))  # another series, to be ignored by --series
    listing = read_info(tmp_path).series
    number = str(next(each.number for each in listing if each.slices == 4 and each.problem))
    with pytest.raises(SeriesError, match=r"5\.00 mm between -27\.50 \(image 2.*and -22\.50 \(image 4"):
        read_volume(tmp_path, series=number)


def test_a_drifting_distance_is_refused(tmp_path: Path) -> None:
    def drift(k: int, dataset) -> None:
        dataset.ImagePositionPatient[2] = 1.0 * k + 0.0028 * k * k

    write_series(tmp_path, ct_values((30, 6, 6)), edit=drift)
    refused(tmp_path, "drifts from 1.003 to 1.160 mm")


def test_duplicate_slices_are_named(tmp_path: Path) -> None:
    uid = "1.2.3.4"
    write_series(tmp_path, ct_values(), series_uid=uid)
    copy = write_series(tmp_path / "again", ct_values((1, 12, 10)), series_uid=uid)[0]
    copy.rename(tmp_path / "copy.dcm")
    refused(tmp_path, "IM000.dcm", "copy.dcm", "-30.00 mm")


@pytest.mark.parametrize("shift_mm", [0.0, 1.0])
def test_acquisitions_of_one_place_are_listed_and_can_be_chosen(tmp_path: Path, shift_mm: float) -> None:
    uid = "1.2.3.4"
    first, second = ct_values(seed=1), ct_values(seed=2)
    write_series(tmp_path / "a", first, series_uid=uid, acquisition=1)
    write_series(
        tmp_path / "b", second, series_uid=uid, acquisition=2, origin_lps=(-10, -20, -30 + shift_mm), first_instance=90
    )
    refused(tmp_path, "1#1: 5 slices from -30.00 to -20.00", f"1#2: 5 slices from {-30 + shift_mm:.2f}")
    np.testing.assert_array_equal(read_volume(tmp_path, series="1#2").values, second)
    np.testing.assert_array_equal(read_volume(tmp_path, series=f"{uid}#1").values, first)
    with pytest.raises(SeriesError, match="no acquisition '3'; it has 1, 2"):
        read_volume(tmp_path, series="1#3")


def test_acquisitions_that_follow_each_other_make_one_volume(tmp_path: Path) -> None:
    hu = ct_values((6, 12, 10))
    write_series(tmp_path / "a", hu[:3], series_uid="1.2.3", acquisition=1)
    write_series(tmp_path / "b", hu[3:], series_uid="1.2.3", acquisition=2, origin_lps=(-10, -20, -22.5))
    np.testing.assert_array_equal(read_volume(tmp_path).values, hu)


def test_a_tilted_gantry_is_refused_with_its_angle(tmp_path: Path) -> None:
    def tilt(k: int, dataset) -> None:
        dataset.ImagePositionPatient[1] += 2.5 * k * np.tan(np.radians(12))

    write_series(tmp_path, ct_values(), edit=tilt)
    refused(tmp_path, "12.0°", "tilted gantry")


def _turned(k: int, dataset) -> None:
    if k == 1:
        dataset.ImageOrientationPatient = list(SAGITTAL)


def _wider(k: int, dataset) -> None:
    if k == 1:
        dataset.Rows, dataset.Columns = 10, 12


def _finer(k: int, dataset) -> None:
    if k == 1:
        dataset.PixelSpacing = [0.8, 0.9]


def _scout(k: int, dataset) -> None:
    if k == 1:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def _frames(k: int, dataset) -> None:
    dataset.NumberOfFrames = 2
    dataset.PixelData *= 2


def _colour(k: int, dataset) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.PixelData *= 3


def _no_rescale(k: int, dataset) -> None:
    if k == 1:
        del dataset.RescaleSlope


def _no_orientation(k: int, dataset) -> None:
    if k == 1:
        del dataset.ImageOrientationPatient


def _elsewhere(k: int, dataset) -> None:
    if k == 1:
        dataset.FrameOfReferenceUID = "1.2.9"


def _sheared(k: int, dataset) -> None:
    dataset.ImageOrientationPatient = [1, 0, 0, 0.3, 0.9539, 0]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_turned, ["different orientations", "4 with the first image's", "1 with [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]"]),
        (_wider, ["different sizes", "4 with 10×12", "1 with 12×10"]),
        (_finer, ["different pixel spacings", "1 with (0.8, 0.9)"]),
        (_scout, ["missing", "Left out: IM001.dcm (a localizer"]),
        (_frames, ["multi-frame", "a position for each frame", "5 of 5"]),
        (_colour, ["colour", "5 of 5"]),
        (_no_rescale, ["RescaleSlope", "IM001.dcm"]),
        (_no_orientation, ["orientation", "IM001.dcm"]),
        (_elsewhere, ["different frames of reference", "1 with 1.2.9"]),
        (_sheared, ["not perpendicular", "IM000.dcm"]),
    ],
)
def test_images_that_do_not_belong_together_are_refused(tmp_path: Path, edit, words: list[str]) -> None:
    write_series(tmp_path, ct_values(), edit=edit)
    refused(tmp_path, *words)


def test_one_image_is_not_a_volume(tmp_path: Path) -> None:
    write_series(tmp_path, ct_values((1, 12, 10)))
    refused(tmp_path, "one image")


@pytest.mark.parametrize("compress", [None, *COMPRESSED])
@pytest.mark.parametrize("kept", [0.5, 0.97])
def test_a_file_that_is_cut_short_is_named(tmp_path: Path, compress: str | None, kept: float) -> None:
    path = write_series(tmp_path, ct_values((5, 40, 40)), compress=compress)[3]
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    refused(tmp_path, "IM003.dcm", "cut short")


def test_a_file_that_ends_within_its_header_is_named(tmp_path: Path) -> None:
    path = write_series(tmp_path, ct_values())[4]
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(SeriesError, match=r"IM004\.dcm .*ends within its header"):
        read_volume(tmp_path)


def test_pixels_that_cannot_be_decoded_are_named(tmp_path: Path) -> None:
    path = write_series(tmp_path, ct_values((5, 40, 40)), compress="JPEG 2000 lossless")[3]
    content = bytearray(path.read_bytes())
    start = content.rindex(b"\xff\x4f\xff\x51")
    content[start : start + 60] = b"\0" * 60
    path.write_bytes(content)
    with pytest.raises(SeriesError, match=re.escape("IM003.dcm cannot be decoded")):
        read_volume(tmp_path)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.110", "1.3.6.1.4.1.99999.1"])
def test_an_unknown_transfer_syntax_is_named(tmp_path: Path, syntax: str) -> None:
    """JPEG XL, and one that nobody knows."""
    for path in write_series(tmp_path, ct_values(), compress="JPEG 2000 lossless"):
        path.write_bytes(path.read_bytes().replace(_syntax_element("1.2.840.10008.1.2.4.90"), _syntax_element(syntax)))
    with pytest.raises(SeriesError, match=rf"cannot be decoded.*transfer syntax {re.escape(syntax)}"):
        read_volume(tmp_path)


def _syntax_element(uid: str) -> bytes:
    value = uid.encode() + b"\0" * (len(uid) % 2)
    # The length of the file's own header is not corrected: readers go by its elements.
    return b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value


@pytest.mark.parametrize(
    ("position", "cosines", "axes"),
    [
        ("HFS", (1, 0, 0, 0, 1, 0), "LPS"),
        ("FFS", (1, 0, 0, 0, 1, 0), "LPS"),
        ("HFP", (-1, 0, 0, 0, -1, 0), "RAS"),
        ("HFDL", (0, -1, 0, 1, 0, 0), "ALS"),
        ("FFDR", (0, 1, 0, -1, 0, 0), "PRS"),
    ],
)
def test_the_patients_position_changes_nothing_but_the_axes(
    tmp_path: Path, position: str, cosines: tuple[float, ...], axes: str
) -> None:
    """Images on the side or the belly, feet first: the axes say it, and the display undoes it."""

    def lying(k: int, dataset) -> None:
        dataset.PatientPosition = position

    write_series(tmp_path, ct_values(), cosines=cosines, edit=lying)
    info = read_info(tmp_path)
    assert info.series[0].patient_position == position
    assert info.geometry is not None
    x, y, z = ("LR", "PA", "SI")
    letters = [
        pair[0 if value > 0 else 1]
        for column in info.geometry.direction.T
        for pair, value in zip((x, y, z), column, strict=True)
        if abs(value) > 0.9
    ]
    assert "".join(letters) == axes


@pytest.mark.parametrize("digits", [3, 4])
@pytest.mark.parametrize("slices", [5, 120])
def test_cosines_of_few_digits_are_no_obstacle(tmp_path: Path, digits: int, slices: int) -> None:
    """Of three digits, the normal of a long series misses its last slice: the positions say where it is."""
    turned = Rotation.from_euler("xyz", (11, -8, 14), degrees=True).as_matrix()

    def edit(k: int, dataset) -> None:
        dataset.ImageOrientationPatient = [float(each) for each in turned[:, :2].T.ravel().round(digits)]

    hu = ct_values((slices, 12, 10))
    write_series(tmp_path / "ct", hu, cosines=tuple(turned[:, :2].T.ravel()), edit=edit)
    volume = read_volume(tmp_path / "ct")
    np.testing.assert_array_equal(volume.values, hu)
    assert volume.geometry.shear < 5e-6
    true = Geometry.from_parts(hu.shape, (-10.0, -20.0, -30.0), (0.7, 0.8, 2.5), turned)
    assert volume.geometry.moved_voxels(true) < 0.3  # what the digits leave open, at the far corner
    labels = LabelVolume((hu > 1500).astype(np.uint8), volume.geometry, {1: "bone"})
    source = read_source(tmp_path / "ct")
    for name, file_format in (("m.nii.gz", None), ("m.nrrd", None), ("m.dcm", "seg"), ("r.dcm", "rtstruct")):
        write_labels(labels, tmp_path / name, file_format=file_format, source=source)
        np.testing.assert_array_equal(read_labels(tmp_path / name, on=volume).ids, labels.ids)
