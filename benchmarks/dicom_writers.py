"""Our DICOM SEG and RTSTRUCT next to a compressed NIfTI file, to highdicom and to pydicomrt.

Makes a CT of 300 slices of 512×512 and a mask of 219 of them in a temporary folder and times writers and
readers. With ``--rtstruct``, it reads the ROIs of a structure set as masks and compares their volumes with
those that the contours enclose; with ``--labels``, it writes the objects of a label map as contours, reads them
back and compares their volumes::

    python benchmarks/dicom_writers.py
    pip install pydicomrt opencv-python-headless    # the other RTSTRUCT library; left out if missing
    python benchmarks/dicom_writers.py --rtstruct RTSTRUCT.dcm --ct ct_folder
    python benchmarks/dicom_writers.py --labels seg.nii.gz
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import highdicom
import numpy as np
import pydicom
from highdicom.sr import CodedConcept

from radsam.io.dicom.organ_codes import Code, organ_code
from radsam.io.dicom.polygons import area
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_read import read_info, read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.volume import Geometry, LabelVolume

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rtstruct", type=Path, help="A structure set to read with both libraries.")
    parser.add_argument("--ct", type=Path, help="The folder of the series that the structure set refers to.")
    parser.add_argument("--labels", type=Path, help="A label map to write and read with both libraries.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.rtstruct:
            compare_readers(arguments.rtstruct, arguments.ct)
        elif arguments.labels:
            compare_round_trips(Path(scratch), read_labels(arguments.labels))
        else:
            compare_times(Path(scratch), arguments.slices, arguments.repeats)


def compare_times(scratch: Path, slices: int, repeats: int) -> None:
    """Time writing one object to every format."""
    k, j, i = np.ogrid[:slices, :512, :512]
    inside = ((k - slices / 2) / (0.365 * slices)) ** 2 + ((j - 256) / 120) ** 2 + ((i - 256) / 120) ** 2 < 1
    folder, geometry = make_series(scratch, inside.shape)
    labels = LabelVolume(inside.astype(np.uint8), geometry, {1: "liver"})
    nifti, seg, contours = (scratch / name for name in ("mask.nii.gz", "seg.dcm", "rt.dcm"))

    def median(work: Callable[[], object]) -> float:
        seconds = []
        for _ in range(repeats):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
        return statistics.median(seconds)

    nifti_s = median(lambda: write_labels(labels, nifti))
    headers_s = median(lambda: read_info(folder))
    seg_s = median(lambda: write_labels(labels, seg, source=read_source(folder)))
    contours_s = median(lambda: write_labels(labels, contours, file_format="rtstruct", source=read_source(folder)))
    read_s = median(lambda: read_labels(seg))
    source = read_source(folder)
    ours_s = median(lambda: write_labels(labels, seg, source=source))
    images = read_images(folder)
    theirs_s = median(lambda: write_with_highdicom(labels, images, scratch / "highdicom.dcm"))
    print(f"{slices} slices of 512×512, median of {repeats}")
    print(f"NIfTI, compressed and read back   {nifti_s:6.2f} s")
    print(f"headers of the series             {headers_s:6.2f} s")
    print(f"SEG, with reading the headers     {seg_s:6.2f} s = {seg_s / (nifti_s + headers_s):.2f} × the two above")
    print(f"SEG, headers read before          {ours_s:6.2f} s")
    print(f"the same with highdicom {highdicom.__version__:<10}{theirs_s:6.2f} s = {theirs_s / ours_s:.1f} × ours")
    print(f"RTSTRUCT, with reading the headers{contours_s:6.2f} s")
    print(f"SEG read                          {read_s:6.2f} s")


def compare_round_trips(scratch: Path, labels: LabelVolume) -> None:
    """Write each object as contours, read it back with the same library, and print the change of its volume."""
    folder, geometry = make_series(scratch, labels.ids.shape, labels.geometry)
    names = {each: f"object {each}" for each in labels.present_ids}
    labels = LabelVolume(labels.ids, geometry, names)
    true = {name: int((labels.ids == number).sum()) for number, name in names.items()}
    ours, theirs = scratch / "ours.dcm", scratch / "pydicomrt.dcm"
    write_labels(labels, ours, file_format="rtstruct", source=read_source(folder))
    print_changes("RadSAM", true, read_with_radsam(ours, folder, [*names.values()]))
    if find_spec("pydicomrt"):
        write_with_pydicomrt(labels, read_images(folder), theirs)
        print_changes("pydicomrt", true, read_with_pydicomrt(theirs, folder))


def compare_readers(rtstruct: Path, folder: Path) -> None:
    """Read the ROIs of a structure set as masks; print their volumes next to those that the contours enclose."""
    dataset, grid = pydicom.dcmread(rtstruct), read_volume(folder).geometry
    names = {each.ROINumber: each.ROIName for each in dataset.StructureSetROISequence}
    enclosed = {
        names[roi.ReferencedROINumber]: sum(
            abs(area(grid.mm_to_index(np.array(each.ContourData, float).reshape(-1, 3))[:, :2]))
            for each in roi.ContourSequence
        )
        for roi in dataset.ROIContourSequence
    }
    print_changes("RadSAM", enclosed, read_with_radsam(rtstruct, folder, [*enclosed]))
    if find_spec("pydicomrt"):
        print_changes("pydicomrt", enclosed, read_with_pydicomrt(rtstruct, folder))


def print_changes(library: str, true: dict[str, float], found: dict[str, int]) -> None:
    """Print how much larger each object became, in per cent of its volume."""
    changes = {name: 100 * (found[name] / voxels - 1) for name, voxels in true.items()}
    for name, change in changes.items():
        print(f"{library:10} {name:16} {change:+7.2f} %")
    low, middle, high = np.percentile([*changes.values()], [0, 50, 100])
    print(f"{library:10} {len(changes)} objects: {low:+.2f} to {high:+.2f} %, median {middle:+.2f} %")


def read_with_radsam(rtstruct: Path, folder: Path, names: list[str]) -> dict[str, int]:
    """Return the number of voxels of each ROI."""
    volume = read_volume(folder)
    return {each: int((read_labels(rtstruct, on=volume, names=[each]).ids > 0).sum()) for each in names}


def read_with_pydicomrt(rtstruct: Path, folder: Path) -> dict[str, int]:
    """Return the number of voxels of each ROI."""
    from pydicomrt.rs import calc_image_series_affine_mapping, rtstruct_to_masks

    affine, shape = calc_image_series_affine_mapping(read_images(folder))
    masks = rtstruct_to_masks(pydicom.dcmread(rtstruct), affine, shape)
    return {name: int(each["mask_volume"].sum()) for name, each in masks.items()}


def make_series(scratch: Path, shape_kji: tuple[int, ...], geometry: Geometry | None = None) -> tuple[Path, Geometry]:
    """Write a CT of noise; return its folder and its grid."""
    from dicom_files import write_series

    folder = scratch / "ct"
    hu = np.random.default_rng(0).integers(-100, 100, shape_kji).astype(np.int16)
    write_series(folder, hu, **({"spacing_mm_ijk": geometry.spacing_mm_ijk} if geometry else {}))
    made = read_info(folder).geometry
    if made is None:
        raise SystemExit("The CT that was made is not one volume.")
    return folder, made


def read_images(folder: Path) -> list[pydicom.Dataset]:
    """Read the headers of a series in the order of its slices."""
    return [pydicom.dcmread(each.path, stop_before_pixels=True) for each in read_source(folder).slices]


def write_with_highdicom(labels: LabelVolume, images: list[pydicom.Dataset], path: Path) -> None:
    """Write a SEG of the first object with highdicom."""
    organ = organ_code(labels.names[1])

    def concept(code: Code) -> CodedConcept:
        return CodedConcept(code.value, code.scheme, code.meaning)

    description = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label=labels.names[1],
        segmented_property_category=concept(organ.category),
        segmented_property_type=concept(organ.type),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            "RadSAM", CodedConcept("123109", "DCM", "Artificial Intelligence"), "1"
        ),
    )
    highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=labels.ids,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[description],
        series_instance_uid=highdicom.UID(),
        series_number=1,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="RadSAM",
        manufacturer_model_name="RadSAM",
        software_versions="1",
        device_serial_number="1",
    ).save_as(path)


def write_with_pydicomrt(labels: LabelVolume, images: list[pydicom.Dataset], path: Path) -> None:
    """Write an RTSTRUCT of all objects with pydicomrt, with its own settings."""
    from pydicomrt.rs import RTStructBuilder

    builder = RTStructBuilder(images)
    for number, name in labels.names.items():
        builder.add_roi(mask=(labels.ids == number).astype(np.uint8), name=name)
    builder.build().save_as(path, enforce_file_format=True)


if __name__ == "__main__":
    main()
