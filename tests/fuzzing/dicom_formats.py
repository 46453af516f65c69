"""Faulty DICOM series, zips, enhanced images, SEG and RTSTRUCT, and readings of them with pydicom alone."""

from __future__ import annotations

import io
import math
import shutil
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from dicom_files import ct_values, write_enhanced, write_report, write_series
from fuzzing.fuzz_target import Target, WrongValueError, number_of_faults, require, require_grid, require_values
from fuzzing.mutations import change_bytes, odd_number, odd_text
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_read import read_info, read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.volume import LabelVolume

SHAPE_KJI = (4, 9, 8)
#: Elements that decide what is read, and some that must not.
ELEMENTS = (
    "SOPClassUID", "SOPInstanceUID", "Modality", "ImageType", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber",
    "SeriesDescription", "FrameOfReferenceUID", "PatientPosition", "AcquisitionNumber", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "Rows", "Columns",
    "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PhotometricInterpretation", "RescaleSlope", "RescaleIntercept", "PixelData", "PatientName", "StudyDate",
    "SpecificCharacterSet",
)  # fmt: skip


def change_element(rng: Random, dataset: Dataset, names: Sequence[str]) -> str:
    """Change one element, also inside of sequences: its value, its VR, or whether it is there."""
    places = [(node, each) for node in _nodes(dataset) for each in node]
    named = [(node, each) for node, each in places if each.keyword in names]
    node, element = rng.choice(named or places)
    kind = rng.choice(["set", "set", "set", "set", "remove", "empty", "count", "nudge", "VR"])
    keyword = element.keyword
    if element.VR == "SQ":
        items = list(element.value)
        kind = rng.choice(["remove", "no items", "repeat an item", "drop an item", "swap items"])
        if kind == "remove" or not items:
            del node[element.tag]
        elif kind == "no items":
            element.value = []
        elif kind == "repeat an item":
            element.value = [*items, rng.choice(items)]
        elif kind == "drop an item":
            items.pop(rng.randrange(len(items)))
            element.value = items
        else:
            rng.shuffle(items)
            element.value = items
        return f"{kind} of {keyword}"
    values = list(element.value) if element.VM > 1 else [element.value]
    if kind == "remove":
        del node[element.tag]
        return f"remove {keyword}"
    if kind == "empty":
        _set(node, element, b"")
    elif kind == "VR":
        _set(node, element, element.value if isinstance(element.value, bytes) else str(element.value), "UN")
    elif kind == "count":
        _set(node, element, "\\".join(map(str, rng.choice([values[:-1], values + values[-1:], values * 2]))))
    elif kind == "nudge" and isinstance(values[0], int | float):
        values[0] = type(values[0])(values[0] + rng.choice([-1, 1, 2]))
        _set(node, element, "\\".join(map(str, values)))
    else:
        values[rng.randrange(len(values))] = (
            rng.choice([0, 1, 2, 3, 7, 8, 12, 16, 32, 64, 255, 511, 65535])
            if element.VR == "US" and rng.random() < 0.8
            else f"{odd_number(rng):.6g}"
            if element.VR in ("DS", "IS") and rng.random() < 0.6
            else odd_text(rng)
        )
        _set(node, element, "\\".join(map(str, values)))
    return f"{kind} {keyword}: {values!r:.50}"


def _nodes(dataset: Dataset) -> Iterator[Dataset]:
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _nodes(item)


def _set(node: Dataset, element: DataElement, value: object, vr: str = "") -> None:
    """Replace a value by bytes, as broken writers do: pydicom itself would refuse most."""
    if isinstance(value, bytes):
        content = value
    elif element.VR == "US":
        content = b"".join(
            (int(part) & 0xFFFF).to_bytes(2, "little") if part.lstrip("-").isdecimal() else part.encode()[:3]
            for part in str(value).split("\\")
        )
    else:
        content = str(value).encode("latin-1", "replace")
    content += b" " * (len(content) % 2)
    vr = vr or element.VR
    if vr not in ("UN", "OW", "OB"):
        content = content[:65000]  # longer ones do not fit into explicit VR
    node[element.tag] = RawDataElement(element.tag, vr, len(content), content, 0, False, True)


def save_changed(rng: Random, path: Path, names: Sequence[str]) -> str:
    """Change a DICOM file in place; one that is too damaged already stays."""
    scratch = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        try:
            dataset = pydicom.dcmread(path, force=True)
            faults = change_element(rng, dataset, names)
            dataset.save_as(scratch, enforce_file_format=False)
        except Exception as error:
            return f"nothing ({error!r:.60})"
    path.write_bytes(scratch.getvalue())
    return faults


class _Cache(Target):
    """Valid inputs are made once for each process."""

    def seed(self, name: str) -> Path:
        return self.folder / name


class Series(_Cache):
    """A folder, or a zip, with a series."""

    name = "series"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        hu = ct_values(SHAPE_KJI)
        write_series(self.seed("plain"), hu)
        write_series(self.seed("implicit"), hu, implicit=True)
        write_series(self.seed("signed"), hu, signed=True, rescale=((1.0, 0.0),))
        write_series(self.seed("slopes"), hu.astype(float), rescale=((1.0, -1024.0), (2.0, -1024.0)))
        write_series(self.seed("oblique"), hu, cosines=(0.96, 0.28, 0.0, -0.28, 0.96, 0.0))
        write_series(self.seed("jpeg2000"), hu, compress="JPEG 2000 lossless")
        write_series(self.seed("jpegls"), hu, compress="JPEG-LS lossless")
        write_series(self.seed("rle"), hu, compress="RLE lossless")
        write_series(self.seed("jpeg"), hu, compress="JPEG lossless")

    def make(self, rng: Random, case: Path) -> str:
        name = rng.choice(["plain", "plain", *(each.name for each in sorted(self.folder.iterdir()))])
        folder = Path(shutil.copytree(self.seed(name), case / "series"))
        faults = [name]
        for _ in range(number_of_faults(rng)):
            paths = sorted(folder.iterdir())
            path = rng.choice(paths)
            kind = rng.choice(["element"] * 8 + ["every element", "bytes", "bytes", "remove", "copy", "foreign"])
            if kind == "element":
                faults.append(f"{path.name}: {save_changed(rng, path, ELEMENTS)}")
            elif kind == "every element":
                state = rng.getstate()
                for each in paths:
                    rng.setstate(state)
                    what = save_changed(rng, each, ELEMENTS)
                faults.append(f"all: {what}")
            elif kind == "bytes":
                content, what = change_bytes(rng, path.read_bytes(), start=rng.choice([0, 132, 132]))
                path.write_bytes(content)
                faults.append(f"{path.name}: {what}")
            elif kind == "remove" and len(paths) > 1:
                path.unlink()
                faults.append(f"remove {path.name}")
            elif kind == "copy":
                shutil.copy(path, folder / rng.choice(["copy.dcm", "IM999.dcm", "a.txt"]))
                faults.append(f"copy {path.name}")
            else:
                other = folder / rng.choice(["notes.txt", "DICOMDIR", "zz.dcm", ".hidden"])
                if other.suffix == ".dcm":
                    write_report(other, rng.choice(["SR", "RTSTRUCT", "PR"]))
                else:
                    other.write_bytes(rng.randbytes(rng.choice([0, 10, 500])))
                faults.append(f"foreign {other.name}")
        if rng.random() < 0.25:
            faults.append(f"zip{self._pack(rng, folder, case / 'series.zip')}")
        return "; ".join(faults)

    @staticmethod
    def _pack(rng: Random, folder: Path, target: Path) -> str:
        faults = ""
        with zipfile.ZipFile(target, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
            for path in sorted(folder.iterdir()):
                odd = rng.choice(["../../x.dcm", "/etc/x", "a\\b", "x" * 300, "é.dcm"])
                archive.writestr(path.name if rng.random() < 0.9 else odd, path.read_bytes())
        if rng.random() < 0.4:
            content, faults = change_bytes(rng, target.read_bytes())
            target.write_bytes(content)
        shutil.rmtree(folder)
        return f", {faults}" if faults else ""

    def read(self, case: Path, warned: Sequence[str]) -> str:
        (place,) = case.iterdir()
        info = read_info(place)
        volume = read_volume(place)
        if info.geometry is not None:
            require(info.geometry.same_grid(volume.geometry), "info gives another grid")
        if place.suffix == ".zip":
            with zipfile.ZipFile(place) as archive:
                contents = [archive.read(each) for each in archive.infolist()]
        else:
            contents = [each.read_bytes() for each in sorted(place.rglob("*")) if each.is_file()]
        slices = []
        for dataset in map(_opened, dict.fromkeys(contents)):  # a copy counts once
            if dataset is None or str(dataset.get("SeriesInstanceUID", "none")) != (volume.series.series_uid or "none"):
                continue
            try:
                slices.append(_slice(dataset))
            except Exception:  # what pydicom cannot read has no second opinion
                return "not compared"
        return _compare_slices(volume, slices, warned)


class Enhanced(_Cache):
    """One enhanced multi-frame image."""

    name = "enhanced"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        write_enhanced(self.seed("plain.dcm"), ct_values(SHAPE_KJI))
        slopes = ((1.0, -1024.0), (2.0, -1024.0))
        write_enhanced(self.seed("order.dcm"), ct_values(SHAPE_KJI), order=(2, 0, 3, 1), rescale=slopes)
        write_enhanced(self.seed("rle.dcm"), ct_values(SHAPE_KJI), compress="RLE lossless")

    def make(self, rng: Random, case: Path) -> str:
        path = Path(shutil.copy(rng.choice(sorted(self.folder.iterdir())), case))
        faults = [path.name]
        for _ in range(number_of_faults(rng)):
            if rng.random() < 0.2:
                content, what = change_bytes(rng, path.read_bytes(), start=132)
                path.write_bytes(content)
            else:
                what = save_changed(rng, path, (*ELEMENTS, *_GROUPS))
            faults.append(what)
        return "; ".join(faults)

    def read(self, case: Path, warned: Sequence[str]) -> str:
        (path,) = case.iterdir()
        read_info(path)
        volume = read_volume(path)
        dataset = _opened(path.read_bytes())
        try:
            assert dataset is not None
            assert dataset.BitsStored == dataset.BitsAllocated
            groups = dataset.PerFrameFunctionalGroupsSequence
            shared = next(iter(dataset.get("SharedFunctionalGroupsSequence", [])), Dataset())
            with warnings.catch_warnings(action="ignore"):
                stored = dataset.pixel_array
            slices = []
            for pixels, group in zip(stored, groups, strict=True):

                def macro(name: str, group: Dataset = group) -> Dataset:
                    return next(iter(group.get(name) or shared.get(name) or []), Dataset())

                rescale = macro("PixelValueTransformationSequence")
                (slope,) = _finite([rescale.get("RescaleSlope", 1)], 1)
                slices.append(
                    (
                        _finite(macro("PlanePositionSequence").ImagePositionPatient, 3),
                        _finite(macro("PlaneOrientationSequence").ImageOrientationPatient, 6),
                        _finite(macro("PixelMeasuresSequence").PixelSpacing, 2),
                        pixels * slope + float(rescale.get("RescaleIntercept", 0)),
                    )
                )
        except Exception:  # what pydicom cannot read has no second opinion
            return "not compared"
        return _compare_slices(volume, slices, warned)


_GROUPS = (
    "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence", "PlanePositionSequence",
    "PlaneOrientationSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence", "FrameContentSequence",
    "FrameAcquisitionNumber",
)  # fmt: skip


def _opened(content: bytes) -> Dataset | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            dataset = pydicom.dcmread(io.BytesIO(content), force=True)
            return dataset if "Rows" in dataset else None
    except Exception:
        return None


def _finite(values: object, count: int) -> np.ndarray:
    found = np.array([float(each) for each in values], np.float64)  # type: ignore[attr-defined]
    if found.size != count or not np.isfinite(found).all():
        raise ValueError("not stated")
    return found


Slice = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _slice(dataset: Dataset) -> Slice:
    with warnings.catch_warnings(action="ignore"):
        if int(dataset.get("NumberOfFrames") or 1) > 1 or dataset.BitsStored != dataset.BitsAllocated:
            raise ValueError("several frames, or bits beside the pixels")
        slope, intercept = (dataset.get(each) for each in ("RescaleSlope", "RescaleIntercept"))
        hu = dataset.pixel_array * float(1 if slope is None else slope) + float(0 if intercept is None else intercept)
        return (
            _finite(dataset.ImagePositionPatient, 3),
            _finite(dataset.ImageOrientationPatient, 6),
            _finite(dataset.PixelSpacing, 2),
            hu,
        )


def _compare_slices(volume: object, slices: list[Slice], warned: Sequence[str]) -> str:
    if not slices:
        return "not compared"
    _, cosines, spacing, _ = slices[0]
    row, col = cosines.reshape(2, 3)
    normal = np.cross(row, col)
    if not math.isclose(float(np.linalg.norm(normal)), 1, abs_tol=0.02):
        return "not compared"
    if len({each[3].shape for each in slices}) > 1:
        return "not compared"
    slices = sorted(slices, key=lambda each: float(each[0] @ normal))
    if volume.values.shape[0] != len(slices) and warned:  # files that were left out are named
        return "not compared"
    require(volume.values.shape[0] == len(slices), f"{volume.values.shape[0]} of {len(slices)} slices were read")  # type: ignore[attr-defined]
    require_values(volume.values, np.stack([each[3] for each in slices]), "HU")  # type: ignore[attr-defined]
    affine = np.eye(4)
    step = (slices[-1][0] - slices[0][0]) / max(1, len(slices) - 1)
    affine[:3, :3] = np.stack([row * spacing[1], col * spacing[0], step], axis=1)
    affine[:3, 3] = slices[0][0]
    if len(slices) > 1:
        require_grid(volume.geometry, [affine], warned, "grid")  # type: ignore[attr-defined]
    return "compared"


class _Labels(_Cache):
    """A SEG or structure set of two objects, read on its series."""

    names: tuple[str, ...]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        write_series(self.seed("series"), ct_values((5, 20, 24)), series_uid="1.2.826.0.1.3680043.8.498.77")
        self.volume = read_volume(self.seed("series"))
        ids = np.zeros((5, 20, 24), np.uint8)
        ids[1:4, 4:12, 5:14] = 1
        ids[2:5, 10:17, 15:22] = 2
        labels = LabelVolume(ids, self.volume.geometry, {1: "liver", 2: "spleen"})
        write_labels(labels, self.seed("labels.dcm"), file_format=self.name, source=read_source(self.seed("series")))

    def make(self, rng: Random, case: Path) -> str:
        path = Path(shutil.copy(self.seed("labels.dcm"), case))
        faults = []
        for _ in range(number_of_faults(rng)):
            if rng.random() < 0.15:
                content, what = change_bytes(rng, path.read_bytes(), start=rng.choice([0, 132]))
                path.write_bytes(content)
            else:
                what = save_changed(rng, path, self.names if rng.random() < 0.85 else ())
            faults.append(what)
        return "; ".join(faults)

    def read(self, case: Path, warned: Sequence[str]) -> str:
        (path,) = case.iterdir()
        read_info(path)
        labels = read_labels(path, on=self.volume)
        require(labels.geometry.same_grid(self.volume.geometry), "the labels lie on another grid")
        dataset = _opened_object(path.read_bytes())
        try:
            assert dataset is not None
            with warnings.catch_warnings(action="ignore"):
                masks = self.masks(dataset)
        except Exception:  # what pydicom cannot read has no second opinion
            return "not compared"
        whole = np.any(list(masks), axis=0)
        differs = int((whole != (labels.ids > 0)).sum())
        if differs and not warned:
            raise WrongValueError(f"{differs} voxels of {int(whole.sum())} differ, without a warning")
        return "compared"

    def masks(self, dataset: Dataset) -> list[np.ndarray]:
        raise NotImplementedError

    def k_of(self, position: np.ndarray) -> float:
        return float(self.volume.geometry.mm_to_index(position[None])[0, 2])


def _opened_object(content: bytes) -> Dataset | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            return pydicom.dcmread(io.BytesIO(content), force=True)
    except Exception:
        return None


class Seg(_Labels):
    """A DICOM SEG."""

    name = "seg"
    names = (
        *ELEMENTS, *_GROUPS, "SegmentSequence", "SegmentNumber", "SegmentLabel", "SegmentationType",
        "ReferencedSegmentNumber", "SegmentIdentificationSequence", "ReferencedSeriesSequence",
        "MaximumFractionalValue", "SpacingBetweenSlices", "SegmentsOverlap",
    )  # fmt: skip

    def masks(self, dataset: Dataset) -> list[np.ndarray]:
        shared = dataset.SharedFunctionalGroupsSequence[0]
        known = {int(each.SegmentNumber) for each in dataset.SegmentSequence}
        mask = np.zeros(self.volume.geometry.shape_kji, bool)
        for pixels, group in zip(
            np.atleast_3d(dataset.pixel_array), dataset.PerFrameFunctionalGroupsSequence, strict=True
        ):
            number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
            if number in known:
                plane = (group if "PlanePositionSequence" in group else shared).PlanePositionSequence[0]
                position = _finite(plane.ImagePositionPatient, 3)
                if np.abs(self.volume.geometry.mm_to_index(position[None])[0, :2]).max() > 0.1:
                    raise ValueError("beside the others")
                k = self.k_of(position)
                mask[round(k)] |= pixels > 0
        return [mask]


class RtStruct(_Labels):
    """A DICOM structure set."""

    name = "rtstruct"
    names = (
        *ELEMENTS, "StructureSetROISequence", "ROINumber", "ROIName", "ROIContourSequence", "ContourSequence",
        "ReferencedROINumber", "ContourData", "ContourGeometricType", "NumberOfContourPoints",
        "ReferencedFrameOfReferenceUID", "ReferencedFrameOfReferenceSequence", "RTReferencedStudySequence",
    )  # fmt: skip

    def masks(self, dataset: Dataset) -> list[np.ndarray]:
        from radsam.volume.polygon_fill import fill

        grid = self.volume.geometry
        numbers = [int(each.ROINumber) for each in dataset.StructureSetROISequence]
        mask = np.zeros(grid.shape_kji, bool)
        for roi in dataset.ROIContourSequence:
            if int(roi.ReferencedROINumber) not in numbers:
                continue
            rings: dict[int, list[np.ndarray]] = {}
            for contour in roi.ContourSequence:
                points = grid.mm_to_index(_finite(contour.ContourData, len(contour.ContourData)).reshape(-1, 3))
                k = float(points[:, 2].mean())
                if abs(k - round(k)) > 0.3 or len(points) < 3:
                    raise ValueError("between slices")
                rings.setdefault(round(k), []).append(points[:, :2])
            for k, found in rings.items():
                mask[k] |= fill(found, grid.shape_kji[1:])
        return [mask]
