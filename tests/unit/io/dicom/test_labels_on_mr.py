"""SEG and RTSTRUCT on MR and PET, oblique ones, single images and enhanced ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import (
    EnhancedMRImageStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)

from dicom_files import check_with_dciodvfy, grouped, mr_values, stating, write_enhanced, write_mr, write_pet
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.volume import LabelVolume

SHAPE = (4, 14, 11)
SERIES_UID = "1.2.826.0.1.3680043.8.498.9"
WHERE = {
    "cosines": (0.8, 0.6, 0.0, -0.48, 0.64, 0.6),
    "origin_lps": (-71.5, 33.25, 118.75),
    "spacing_mm_ijk": (0.4688, 0.9375, 5.5),
}


def _mr(place: Path) -> tuple[Path, str | None]:
    write_mr(place, mr_values(SHAPE), series_uid=SERIES_UID, **WHERE)
    return place, None


def _sagittal(place: Path) -> tuple[Path, str | None]:
    write_mr(place, mr_values(SHAPE), series_uid=SERIES_UID, **(WHERE | {"cosines": (0, 1, 0, 0, 0, -1)}))
    return place, None


def _pet(place: Path) -> tuple[Path, str | None]:
    write_pet(place, mr_values(SHAPE), series_uid=SERIES_UID, **WHERE)
    return place, None


def _second_echo(place: Path) -> tuple[Path, str | None]:
    for echo in (1, 2):
        edit = stating(EchoNumbers=echo)
        write_mr(place / str(echo), mr_values(SHAPE, seed=echo), series_uid=SERIES_UID, edit=edit, **WHERE)
    return place, "1#echo=2"


def _enhanced(place: Path) -> tuple[Path, str | None]:
    """Two echoes of each place in one file, the last place first."""

    def magnetic(dataset: FileDataset) -> None:
        dataset.Modality, dataset.SeriesInstanceUID = "MR", SERIES_UID
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage

    def echo(k: int, item: Dataset) -> None:
        item.update(dict(grouped(MREchoSequence={"EffectiveEchoTime": 10.0 * (1 + k % 2)}).items()))

    frames = mr_values((2 * SHAPE[0], *SHAPE[1:]))
    places = [SHAPE[0] - 1 - k // 2 for k in range(len(frames))]
    write_enhanced(
        place.with_suffix(".dcm"), frames, places=places, group=echo, edit=magnetic, rescale=[(1.0, 0.0)], **WHERE
    )
    return place.with_suffix(".dcm"), "1#te=20"


SOURCES: dict[str, tuple[Callable[[Path], tuple[Path, str | None]], str]] = {
    "MR": (_mr, MRImageStorage),
    "sagittal MR": (_sagittal, MRImageStorage),
    "PET": (_pet, PositronEmissionTomographyImageStorage),
    "second echo": (_second_echo, MRImageStorage),
    "enhanced MR": (_enhanced, EnhancedMRImageStorage),
}


@pytest.mark.parametrize("kind", ["seg", "rtstruct"])
@pytest.mark.parametrize("name", SOURCES)
def test_labels_refer_to_their_images_and_come_back_equal(tmp_path: Path, name: str, kind: str) -> None:
    make, sop_class = SOURCES[name]
    path, series = make(tmp_path / "images")
    volume = read_volume(path, series=series)
    ids = np.zeros(SHAPE, np.uint8)
    ids[1:3, 2:11, 1:8] = 1
    ids[2, 4:6, 3:5] = 0
    ids[3, 9:13, 8:10] = 2
    labels = LabelVolume(ids, volume.geometry, {1: "white matter", 2: "hippocampus_left"})
    written = tmp_path / f"{kind}.dcm"
    write_labels(labels, written, file_format=kind, source=read_source(path, series=series))
    check_with_dciodvfy(written)
    back = read_labels(written, on=volume)
    np.testing.assert_array_equal(back.ids, ids)
    assert back.geometry.same_grid(volume.geometry)
    # Each frame or contour names the image at its place: the position that is written is that of the image.
    images = {each.sop_uid: each for each in read_source(path, series=series).slices if each.frame is None}
    dataset = pydicom.dcmread(written)
    if kind == "seg":
        found = [
            (each.DerivationImageSequence[0].SourceImageSequence[0], each.PlanePositionSequence[0].ImagePositionPatient)
            for each in dataset.PerFrameFunctionalGroupsSequence
        ]
    else:
        contours = [each for roi in dataset.ROIContourSequence for each in roi.ContourSequence]
        found = [(each.ContourImageSequence[0], each.ContourData[:3]) for each in contours]
    assert len(found) >= 3
    normal = volume.geometry.direction[:, 2]
    for image, position in found:
        assert image.ReferencedSOPClassUID == sop_class
        if name == "enhanced MR":  # frames from the last place on, the second echo of each
            place = SHAPE[0] - 1 - (image.ReferencedFrameNumber - 1) // 2
            assert image.ReferencedFrameNumber % 2 == 0
            expected = volume.geometry.index_to_mm(np.array([0.0, 0.0, float(place)]))
        else:
            expected = np.array(images[image.ReferencedSOPInstanceUID].position_lps)
        assert float(np.dot(np.array(position, float) - expected, normal)) == pytest.approx(0.0, abs=1e-3)
