"""SEG and RTSTRUCT: what is written, what is read, and what is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_files import (
    FRAME_OF_REFERENCE,
    STUDY_UID,
    check_with_dciodvfy,
    ct_values,
    write_enhanced,
    write_series,
)
from radsam.errors import GridMismatchError, OutputError, VolumeError
from radsam.io.dicom.derived_object import Algorithm, NameWarning
from radsam.io.dicom.dicom_labels import LabelWarning
from radsam.io.dicom.seg_write import cielab
from radsam.io.dicom.source_series import SourceWarning, read_source
from radsam.io.volume_read import read_info, read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.volume import Geometry, LabelVolume, Volume
from radsam.volume.regrid import move_mask

SHAPE_KJI = (6, 20, 16)
SERIES_UID = "1.2.826.0.1.3680043.8.498.9"
MODEL = Algorithm("a-bundle", "SHA-256 0123456789ab")


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    write_series(tmp_path / "ct", ct_values(SHAPE_KJI), series_uid=SERIES_UID)
    return tmp_path / "ct"


@pytest.fixture
def volume(ct: Path) -> Volume:
    return read_volume(ct)


@pytest.fixture
def labels(volume: Volume) -> LabelVolume:
    """A liver with a hole and an island in it, and a right kidney."""
    ids = np.zeros(SHAPE_KJI, np.uint8)
    ids[1:4, 3:15, 2:12] = 1
    ids[2, 6:12, 4:10] = 0
    ids[2, 8:10, 6:8] = 1
    ids[3:5, 16:19, 3:9] = 2
    return LabelVolume(ids, volume.geometry, {1: "liver", 2: "kidney_right"})


@pytest.fixture(params=["seg", "rtstruct"])
def written(request: pytest.FixtureRequest, tmp_path: Path, ct: Path, labels: LabelVolume) -> Path:
    path = tmp_path / f"{request.param}.dcm"
    write_labels(labels, path, file_format=request.param, source=read_source(ct), algorithm=MODEL)
    return path


def changed(path: Path, change: Callable[[Dataset], None]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


# --- what is written


def test_chosen_colours_come_before_those_of_the_table(tmp_path: Path, ct: Path, labels: LabelVolume) -> None:
    chosen = replace(labels, colours={1: (255, 0, 0)})
    write_labels(chosen, tmp_path / "seg.dcm", source=read_source(ct))
    segments = pydicom.dcmread(tmp_path / "seg.dcm").SegmentSequence
    # Red, and the table's colour of a kidney.
    assert [list(each.RecommendedDisplayCIELabValue) for each in segments] == [
        cielab((255, 0, 0)),
        cielab((185, 102, 83)),
    ]
    write_labels(chosen, tmp_path / "rt.dcm", file_format="rtstruct", source=read_source(ct))
    rois = pydicom.dcmread(tmp_path / "rt.dcm").ROIContourSequence
    assert [list(each.ROIDisplayColor) for each in rois] == [[255, 0, 0], [185, 102, 83]]


def test_the_validator_finds_no_error(written: Path) -> None:
    check_with_dciodvfy(written)


def test_it_is_of_the_same_patient_and_study_in_a_new_series(written: Path) -> None:
    dataset = pydicom.dcmread(written)
    assert (dataset.PatientName, dataset.PatientID) == ("Nobody^Anonymous", "secret-7")
    assert (dataset.StudyInstanceUID, dataset.FrameOfReferenceUID) == (STUDY_UID, FRAME_OF_REFERENCE)
    assert dataset.SeriesInstanceUID != SERIES_UID


def test_every_source_image_is_referred_to(written: Path, ct: Path) -> None:
    dataset = pydicom.dcmread(written)
    uids = {pydicom.dcmread(path).SOPInstanceUID for path in ct.iterdir()}
    if dataset.Modality == "SEG":
        (series,) = dataset.ReferencedSeriesSequence
        instances = series.ReferencedInstanceSequence
    else:
        (study,) = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
        (series,) = study.RTReferencedSeriesSequence
        instances = series.ContourImageSequence
    assert series.SeriesInstanceUID == SERIES_UID
    assert {each.ReferencedSOPInstanceUID for each in instances} == uids


def test_each_frame_and_contour_names_the_image_at_its_place(written: Path, ct: Path) -> None:
    heights = {each.SOPInstanceUID: each.ImagePositionPatient[2] for each in map(pydicom.dcmread, ct.iterdir())}
    dataset = pydicom.dcmread(written)
    if dataset.Modality == "SEG":
        found = [
            (
                frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID,
                frame.PlanePositionSequence[0].ImagePositionPatient[2],
            )
            for frame in dataset.PerFrameFunctionalGroupsSequence
        ]
    else:
        found = [
            (contour.ContourImageSequence[0].ReferencedSOPInstanceUID, contour.ContourData[2])
            for roi in dataset.ROIContourSequence
            for contour in roi.ContourSequence
        ]
    assert len(found) >= 5
    for uid, height in found:
        assert heights[uid] == pytest.approx(height)


def test_segments_say_what_they_are_and_what_made_them(tmp_path: Path, ct: Path, labels: LabelVolume) -> None:
    write_labels(labels, tmp_path / "seg.dcm", source=read_source(ct), algorithm=MODEL)
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    liver, kidney = (seg.get_segment_description(number) for number in (1, 2))
    assert seg.segmentation_type == highdicom.seg.SegmentationTypeValues.BINARY
    assert (liver.segment_label, kidney.segment_label) == ("liver", "kidney_right")
    assert (liver.segmented_property_type, kidney.segmented_property_type) == (codes.SCT.Liver, codes.SCT.Kidney)
    assert liver.segmented_property_category == codes.SCT.AnatomicalStructure
    assert (
        kidney.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Right"
    )
    assert liver.algorithm_type == highdicom.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC
    assert liver.algorithm_identification is not None
    assert liver.algorithm_identification.name == "a-bundle"
    assert liver.algorithm_identification.version == "SHA-256 0123456789ab"


def test_names_in_any_script_are_preserved(tmp_path: Path, ct: Path, volume: Volume, written: Path) -> None:
    """Images in Latin-1 with an umlaut, an object in Japanese."""

    def umlaut(dataset: Dataset) -> None:
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.PatientName = "Müller^Jürgen"

    for path in ct.iterdir():
        changed(path, umlaut)
    ids = np.ones(SHAPE_KJI, np.uint16) * 300
    labels = LabelVolume(ids, volume.geometry, {300: "肝臓 a\\b"})
    with pytest.warns(NameWarning, match="'肝臓 a/b'"):
        write_labels(labels, written, file_format=written.stem, source=read_source(ct))
    check_with_dciodvfy(written)
    assert pydicom.dcmread(written).PatientName == "Müller^Jürgen"
    assert list(read_labels(written, on=volume).names.values()) == ["肝臓 a/b"]


def test_names_become_such_as_dicom_can_hold_and_the_change_is_reported(
    tmp_path: Path, ct: Path, volume: Volume, written: Path
) -> None:
    names = {
        "liver\nleft\tlobe": "liver left lobe",
        " spleen ": "spleen",
        "a\x00b\x1b[31mred": "a b [31mred",
        "\r\n": "object 4",
        "x" * 100: "x" * 64,
        "y" * 70 + "1": "y" * 64,
        "y" * 70 + "2": "y" * 60 + " (2)",
        "a\\b": "a/b (2)",
        "a/b": "a/b",
        "печень " * 12: ("печень " * 12)[:34],
        "肝臓" * 50: "肝臓" * 10 + "肝",
        "k\udce9": "k\ufffd",
        "plain": "plain",
    }
    ids = np.zeros(SHAPE_KJI, np.uint8)
    ids[2, 3:5, : len(names)] = np.arange(1, len(names) + 1)
    labels = LabelVolume(ids, volume.geometry, dict(enumerate(names, start=1)))
    model = Algorithm("bundle\nof\\mine " * 9, "1\t2")
    with pytest.warns(NameWarning, match="at most 64 characters") as caught:
        write_labels(labels, written, file_format=written.stem, source=read_source(ct), algorithm=model)
    (warned,) = caught
    assert "'plain'" not in str(warned.message)
    check_with_dciodvfy(written)
    found = read_labels(written, on=volume)
    assert list(found.names.values()) == list(names.values())
    np.testing.assert_array_equal(found.ids, ids)


def test_slices_without_an_object_have_no_frame(tmp_path: Path, ct: Path, labels: LabelVolume) -> None:
    write_labels(labels, tmp_path / "seg.dcm", source=read_source(ct))
    assert pydicom.dcmread(tmp_path / "seg.dcm").NumberOfFrames == 3 + 2


def test_contours_are_closed_planar_with_holes_as_keyholes(tmp_path: Path, ct: Path, labels: LabelVolume) -> None:
    write_labels(labels, tmp_path / "rt.dcm", file_format="rtstruct", source=read_source(ct), algorithm=MODEL)
    dataset = pydicom.dcmread(tmp_path / "rt.dcm")
    liver = dataset.ROIContourSequence[0].ContourSequence
    assert {each.ContourGeometricType for each in liver} == {"CLOSED_PLANAR"}
    assert len(liver) == 4  # three slices, and the island in the hole
    assert all(len({round(float(z), 3) for z in each.ContourData[2::3]}) == 1 for each in liver)
    assert all(len(str(number)) <= 16 for each in liver for number in each.ContourData)
    assert dataset.StructureSetROISequence[0].ROIGenerationAlgorithm == "SEMIAUTOMATIC"


def test_contours_longer_than_explicit_vr_holds_are_written_in_implicit_vr(tmp_path: Path) -> None:
    """300 holes in a slice: 100 kB of coordinates in one contour, which Explicit VR would have to call UN."""
    ids = np.ones((2, 128, 128), np.uint8)
    ids[0, 3:-3:6, 3:-3:6] = 0
    ids[0, 6:-3:6, 6:-3:6] = 0
    write_series(tmp_path / "ct", ct_values(ids.shape))
    volume = read_volume(tmp_path / "ct")
    done: list[tuple[int, int]] = []
    labels = LabelVolume(ids, volume.geometry, {1: "liver"})
    path = tmp_path / "rt.dcm"
    write_labels(
        labels,
        path,
        file_format="rtstruct",
        source=read_source(tmp_path / "ct"),
        progress=lambda *each: done.append(each),
    )
    dataset = pydicom.dcmread(path)
    assert dataset.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert max(dataset.ROIContourSequence[0].ContourSequence[k].NumberOfContourPoints for k in (0, 1)) > 3000
    check_with_dciodvfy(path)
    np.testing.assert_array_equal(read_labels(path, on=volume).ids, ids)
    assert done == [(1, 2), (2, 2)]
    write_labels(LabelVolume(np.minimum(ids, ids[1:]), volume.geometry), path, source=read_source(tmp_path / "ct"))
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_frames_of_an_enhanced_image_are_referred_to_by_number(tmp_path: Path, written: Path) -> None:
    kind = written.stem
    path = write_enhanced(tmp_path / "enhanced.dcm", ct_values(SHAPE_KJI), order=[5, 4, 3, 2, 1, 0])
    volume = read_volume(path)
    ids = np.zeros(SHAPE_KJI, np.uint8)
    ids[4, 3:9, 4:9] = 1
    write_labels(LabelVolume(ids, volume.geometry), written, file_format=kind, source=read_source(path))
    check_with_dciodvfy(written)
    dataset = pydicom.dcmread(written)
    if kind == "seg":
        image = dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    else:
        image = dataset.ROIContourSequence[0].ContourSequence[0].ContourImageSequence[0]
    assert image.ReferencedFrameNumber == 2  # slice 4 of six, stored from the top
    np.testing.assert_array_equal(read_labels(written, on=volume).ids, ids)


def test_of_a_resampled_series_the_labels_lie_on_the_original_images(tmp_path: Path, written: Path) -> None:
    def tilt(k: int, dataset) -> None:
        dataset.ImagePositionPatient[1] += 2.0 * k

    write_series(tmp_path / "tilted", ct_values(SHAPE_KJI), spacing_mm_ijk=(1, 1, 3), edit=tilt)
    volume = read_volume(tmp_path / "tilted", resample=True)
    ids = np.zeros(volume.geometry.shape_kji, np.uint8)
    ids[:, 12:18, 4:9] = 1
    source = read_source(tmp_path / "tilted", resample=True)
    write_labels(LabelVolume(ids, volume.geometry), written, file_format=written.stem, source=source)
    check_with_dciodvfy(written)
    dataset = pydicom.dcmread(written)
    if dataset.Modality == "SEG":
        for k, (frame, pixels) in enumerate(
            zip(dataset.PerFrameFunctionalGroupsSequence, dataset.pixel_array, strict=True)
        ):
            assert frame.PlanePositionSequence[0].ImagePositionPatient[1] == pytest.approx(-20 + 2.0 * k)
            assert np.flatnonzero(pixels.any(axis=1)).tolist() == [j for j in range(20) if 12 <= j + 2 * k < 18]
    else:
        tops = [min(each.ContourData[1::3]) for each in dataset.ROIContourSequence[0].ContourSequence]
        assert tops == pytest.approx([-20 + 11.5] * len(tops))


def test_labels_of_a_resampled_series_come_back_onto_it(tmp_path: Path) -> None:
    """Whole pixels and slices that lie on the grid: nothing is lost. Of uneven slices none stays empty."""

    def tilt(k: int, dataset) -> None:
        dataset.ImagePositionPatient[1] += 2.0 * k

    def uneven(k: int, dataset) -> None:
        dataset.ImagePositionPatient[2] = [0, 2, 4, 6.8, 9.6, 12.4][k]

    for name, edit, filled in (("tilted", tilt, [0, 1, 2, 3, 4, 5]), ("uneven", uneven, [0, 1, 2, 3, 4, 5, 6])):
        write_series(tmp_path / name, ct_values(SHAPE_KJI), spacing_mm_ijk=(1, 1, 3), edit=edit)
        volume = read_volume(tmp_path / name, resample=True)
        ids = np.zeros(volume.geometry.shape_kji, np.uint8)
        ids[:, 11:18, 4:9] = 1
        source = read_source(tmp_path / name, resample=True)
        for file_format in ("seg", "rtstruct"):
            path = tmp_path / f"{name}.dcm"
            write_labels(LabelVolume(ids, volume.geometry), path, file_format=file_format, source=source)
            found = read_labels(path, on=volume).ids
            assert np.flatnonzero(found.any(axis=(1, 2))).tolist() == filled
            # What lies beside the original images cannot be kept.
            assert all((found[k] <= ids[k]).all() for k in filled)
            assert found.sum() >= 0.7 * ids[filled].sum()
    info = read_info(tmp_path / "uneven.dcm")
    assert info.names == ("object 1",)
    write_labels(LabelVolume(ids, volume.geometry), path, source=source)
    assert "unevenly spaced" in read_info(path).problem
    with pytest.raises(VolumeError, match="no grid of its own"):
        read_labels(path)


def test_images_without_uids_are_referred_to_by_the_same_made_up_ones(
    tmp_path: Path, ct: Path, labels: LabelVolume
) -> None:
    def nameless(dataset: Dataset) -> None:
        dataset.StudyInstanceUID = dataset.SeriesInstanceUID = ""

    for path in ct.iterdir():
        changed(path, nameless)
    for name in ("a.dcm", "b.dcm"):
        with pytest.warns(SourceWarning, match="made from their other UIDs"):
            write_labels(labels, tmp_path / name, source=read_source(ct))
    check_with_dciodvfy(tmp_path / "a.dcm")
    first, second = (pydicom.dcmread(tmp_path / name) for name in ("a.dcm", "b.dcm"))
    assert first.ReferencedSeriesSequence[0].SeriesInstanceUID == second.ReferencedSeriesSequence[0].SeriesInstanceUID
    assert first.StudyInstanceUID == second.StudyInstanceUID
    np.testing.assert_array_equal(read_labels(tmp_path / "a.dcm", on=read_volume(ct)).ids, labels.ids)


def test_without_a_frame_of_reference_there_is_no_dicom(tmp_path: Path, ct: Path) -> None:
    for path in ct.iterdir():
        changed(path, lambda dataset: dataset.__delattr__("FrameOfReferenceUID"))
    with pytest.raises(OutputError, match="no FrameOfReferenceUID"):
        read_source(ct)


def test_nothing_is_written_for_no_object_another_grid_or_no_series(
    tmp_path: Path, ct: Path, written: Path, labels: LabelVolume
) -> None:
    before, kind = written.read_bytes(), written.stem
    empty = LabelVolume(np.zeros(SHAPE_KJI, np.uint8), labels.geometry)
    with pytest.raises(OutputError, match="no object"):
        write_labels(empty, written, file_format=kind, source=read_source(ct))
    with pytest.raises(OutputError, match="Give their series"):
        write_labels(labels, written, file_format=kind)
    write_series(tmp_path / "other", ct_values((6, 20, 15)))
    with pytest.raises(GridMismatchError, match="do not lie on the images"):
        write_labels(labels, written, file_format=kind, source=read_source(tmp_path / "other"))
    assert written.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "file_format", "word"),
    [("a.dcm", "dicom", "not a format"), ("a.nii.gz", "seg", "not a file name for seg"), ("a.dcm", "nrrd", r"\.nrrd")],
)
def test_a_format_that_does_not_fit_the_name_is_refused(
    tmp_path: Path, labels: LabelVolume, name: str, file_format: str, word: str
) -> None:
    with pytest.raises(OutputError, match=word):
        write_labels(labels, tmp_path / name, file_format=file_format)


# --- what is read


def test_one_object_is_read_by_its_name_or_number(written: Path, volume: Volume, labels: LabelVolume) -> None:
    for name in ("kidney_right", "2"):
        found = read_labels(written, on=volume, names=[name])
        np.testing.assert_array_equal(found.ids > 0, labels.ids == 2)
        assert list(found.names.values()) == ["kidney_right"]
    with pytest.raises(VolumeError, match=r"no objects named 'spleen'.*1: 'liver', 2: 'kidney_right'"):
        read_labels(written, on=volume, names=["spleen"])


def test_info_lists_the_objects(written: Path) -> None:
    info = read_info(written)
    assert info.names == ("liver", "kidney_right")
    assert info.modality == written.stem.upper()
    assert "Nobody" not in str(info.to_dict())


def test_what_was_made_on_another_series_is_refused(tmp_path: Path, written: Path) -> None:
    write_series(tmp_path / "venous", ct_values(SHAPE_KJI), series_uid="1.2.3")
    with pytest.raises(GridMismatchError, match=r"another series.*498\.9, the volume is 1\.2\.3"):
        read_labels(written, on=read_volume(tmp_path / "venous"))

    def moved(k: int, dataset: Dataset) -> None:
        dataset.FrameOfReferenceUID = "1.2.4"

    write_series(tmp_path / "moved", ct_values(SHAPE_KJI), series_uid=SERIES_UID, edit=moved)
    with pytest.raises(GridMismatchError, match="another frame of reference"):
        read_labels(written, on=read_volume(tmp_path / "moved"))


def test_a_file_that_is_cut_short_is_refused(written: Path, volume: Volume) -> None:
    content = written.read_bytes()
    # The end of a structure set is about its ROIs, not their contours.
    for kept in (0.5, 0.995) if written.stem == "seg" else (0.5,):
        written.write_bytes(content[: int(len(content) * kept)])
        with pytest.raises(VolumeError):
            read_labels(written, on=volume)


def test_contours_need_a_ct(tmp_path: Path, ct: Path, labels: LabelVolume) -> None:
    write_labels(labels, tmp_path / "rt.dcm", file_format="rtstruct", source=read_source(ct))
    with pytest.raises(VolumeError, match="Give the CT"):
        read_labels(tmp_path / "rt.dcm")


def contours_of(path: Path, ct: Path, labels: LabelVolume) -> Path:
    write_labels(labels, path, file_format="rtstruct", source=read_source(ct))
    return path


def test_open_and_empty_contours_are_named(tmp_path: Path, ct: Path, volume: Volume, labels: LabelVolume) -> None:
    path = contours_of(tmp_path / "rt.dcm", ct, labels)

    def opened(dataset: Dataset) -> None:
        dataset.ROIContourSequence[0].ContourSequence[0].ContourGeometricType = "OPEN_PLANAR"

    changed(path, opened)
    with pytest.warns(LabelWarning, match=r"left out 'liver' has contours that are not closed \(1 OPEN_PLANAR\)"):
        assert list(read_labels(path, on=volume).names.values()) == ["kidney_right"]
    with pytest.raises(VolumeError, match="'liver' has contours that are not closed"):
        read_labels(path, on=volume, names=["liver"])

    def emptied(dataset: Dataset) -> None:
        del dataset.ROIContourSequence[0].ContourSequence
        dataset.ROIContourSequence[1].ContourSequence = dataset.ROIContourSequence[1].ContourSequence[:1]
        dataset.ROIContourSequence[1].ContourSequence[0].ContourData = [0, 0, -20, 1, 0, -20]

    changed(path, emptied)
    with pytest.raises(VolumeError, match=r"'liver' has no contours; 'kidney_right' has contours of less than three"):
        read_labels(path, on=volume)


@pytest.mark.parametrize("data", [[1.0, 2.0], [0, 0, "nan", 1, 0, 0, 1, 1, 0]])
def test_damaged_contours_are_refused(
    tmp_path: Path, ct: Path, volume: Volume, labels: LabelVolume, data: list[object]
) -> None:
    path = contours_of(tmp_path / "rt.dcm", ct, labels)

    def damaged(dataset: Dataset) -> None:
        dataset.ROIContourSequence[0].ContourSequence[0].ContourData = data

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed(path, damaged)
    with pytest.raises(VolumeError, match=r"contour of 'liver' .* damaged"):
        read_labels(path, on=volume)


def test_contours_across_the_slices_are_refused(tmp_path: Path, ct: Path, volume: Volume, labels: LabelVolume) -> None:
    path = contours_of(tmp_path / "rt.dcm", ct, labels)

    def upright(dataset: Dataset) -> None:
        dataset.ROIContourSequence[0].ContourSequence[0].ContourData = [0, 0, -30, 5, 0, -20, 0, 0, -20]

    changed(path, upright)
    with pytest.raises(GridMismatchError, match="do not lie in the planes"):
        read_labels(path, on=volume)


@pytest.mark.parametrize("kind", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"])
def test_a_hole_drawn_as_a_ring_of_its_own_is_a_hole(tmp_path: Path, ct: Path, volume: Volume, kind: str) -> None:
    ids = np.zeros(SHAPE_KJI, np.uint8)
    ids[2, 3:15, 2:12] = 1
    path = contours_of(tmp_path / "rt.dcm", ct, LabelVolume(ids, volume.geometry))
    ids[2, 6:9, 5:9] = 0

    def pierced(dataset: Dataset) -> None:
        sequence = dataset.ROIContourSequence[0].ContourSequence
        corners = [(4.5, 5.5), (8.5, 5.5), (8.5, 8.5), (4.5, 8.5)]
        hole = Dataset()
        hole.update(sequence[0])
        hole.NumberOfContourPoints = 4
        hole.ContourData = volume.geometry.index_to_mm(np.array([(i, j, 2.0) for i, j in corners])).ravel().tolist()
        sequence.append(hole)
        for each in sequence:
            each.ContourGeometricType = kind

    np.testing.assert_array_equal(read_labels(changed(path, pierced), on=volume).ids, ids)


def test_of_overlapping_objects_the_smaller_is_on_top(
    tmp_path: Path, ct: Path, volume: Volume, labels: LabelVolume
) -> None:
    path = contours_of(tmp_path / "rt.dcm", ct, labels)

    def nested(dataset: Dataset) -> None:
        """The kidney's contour moves into the liver."""
        for each in dataset.ROIContourSequence[1].ContourSequence:
            numbers = np.array(each.ContourData, dtype=float)
            numbers[1::3] -= 9 * 0.8
            each.ContourData = [f"{number:.3f}" for number in numbers]

    changed(path, nested)
    with pytest.warns(LabelWarning, match="overlap in 18 voxels"):
        found = read_labels(path, on=volume)
    assert np.count_nonzero(found.ids == 2) == np.count_nonzero(labels.ids == 2)
    whole = read_labels(path, on=volume, names=["liver"])
    assert np.count_nonzero(whole.ids) == np.count_nonzero(labels.ids == 1)


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_other_kinds_of_seg_are_read(tmp_path: Path, ct: Path, volume: Volume, labels: LabelVolume, kind: str) -> None:
    """Written by highdicom, in another order of frames than ours."""
    images = [pydicom.dcmread(path) for path in sorted(ct.iterdir(), reverse=True)]
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Liver,
            algorithm_type="MANUAL",
        )
        for number, name in labels.names.items()
    ]
    pixels = labels.ids[::-1]
    if kind == "FRACTIONAL":
        pixels = np.stack([(pixels == 1) * 0.9, (pixels == 2) * 0.7], axis=-1).astype(np.float32)
        pixels[pixels == 0] = 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seg = highdicom.seg.Segmentation(
            source_images=images,
            pixel_array=pixels,
            segmentation_type=kind,
            segment_descriptions=described,
            series_instance_uid=highdicom.UID(),
            series_number=1,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="test",
            manufacturer_model_name="test",
            software_versions="1",
            device_serial_number="1",
        )
        seg.save_as(tmp_path / "theirs.dcm")
    np.testing.assert_array_equal(read_labels(tmp_path / "theirs.dcm", on=volume).ids, labels.ids)


def test_a_mask_stored_along_other_axes_keeps_its_place(volume: Volume, labels: LabelVolume) -> None:
    """The same voxels as sagittal slices; and what lies outside a smaller grid, or between its voxels, is refused."""
    geometry = volume.geometry
    turned = geometry.affine_lps @ np.array([[0, 0, -1, 15], [1, 0, 0, 0], [0, -1, 0, 5], [0, 0, 0, 1.0]])
    target = Geometry((16, 6, 20), turned)
    moved = move_mask(labels.ids == 1, geometry, target)
    assert moved is not None
    back = move_mask(moved, target, geometry)
    np.testing.assert_array_equal(back, labels.ids == 1)
    with pytest.raises(GridMismatchError, match="outside the volume"):
        move_mask(labels.ids == 1, geometry, Geometry((3, 20, 16), geometry.affine_lps))
    assert (
        move_mask(labels.ids == 1, geometry, Geometry(SHAPE_KJI, geometry.affine_lps @ np.diag([2, 1, 1, 1.0]))) is None
    )


def test_a_ct_and_a_report_hold_no_labels(tmp_path: Path, ct: Path) -> None:
    with pytest.raises(VolumeError, match="is not a segmentation"):
        read_labels(next(ct.iterdir()))
    with pytest.raises(VolumeError, match="is not a segmentation"):
        read_labels(ct)
