"""Bad input: exit code 3, a message that names the error, and no files left behind."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from command_line import CommandLine, PhantomFile
from dicom_files import ct_values, write_report, write_series
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import write_labels
from radsam.volume import LabelVolume

#: A prompt that fits every volume made here.
PROMPT = ("--slice", 2, "--box", 1, 1, 8, 8)


class Refused:
    """Run `radsam segment` in a folder and check how it fails; as a process if `process` is set."""

    def __init__(self, run: CommandLine, model: Path, folder: Path) -> None:
        self.run = run
        self.model = model
        self.folder = folder

    def __call__(
        self, ct: object, *args: object, words: Sequence[str], out: object = "mask.nii.gz", process: bool = False
    ) -> None:
        before = self._files()
        line = ("segment", ct, *args, "--model", self.model, "-o", out, "--json")
        result = self.run(*line, cwd=self.folder) if process else self.run.here(*line, cwd=self.folder)
        assert result.returncode == 3, result.stderr
        error = result.json["error"]
        assert error["exit_code"] == 3
        # Text and JSON have the same message, whatever the line width.
        assert error["message"] in result.stderr
        assert "Traceback" not in result.stderr
        for word in words:
            assert re.search(word, error["message"]), (word, error["message"])
        assert self._files() == before

    def _files(self) -> dict[str, bytes]:
        return {str(each): each.read_bytes() for each in self.folder.rglob("*") if each.is_file()}


@pytest.fixture
def refused(run_radsam: CommandLine, tiny_bundle: Path, tmp_path: Path) -> Refused:
    return Refused(run_radsam, tiny_bundle, tmp_path)


# --- prompts that do not fit: the phantom has 80×64×24 voxels

IN_SLICE = ("--slice", 14, "--box", 57, 15, 70, 38)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--slice", 24, "--box", 57, 15, 70, 38), ["outside the volume", "k=24", "0 to 23"]),
        (("--slice", -1, "--point", 57, 15), ["outside the volume", "k=-1"]),
        (("--slice", 14, "--box", 57, 15, 80, 38), ["outside the volume", "i=57 to 80", "0 to 79"]),
        (("--slice", 14, "--box", 57, -2, 70, 38), ["outside the volume", "j=-2 to 38"]),
        (("--slice", 14, "--point", 57, 64), ["outside the volume", "j=64"]),
        (("--slice", -9000, "--point", 5, 6, "--mm"), ["outside the volume"]),
        ((*IN_SLICE, "--fix", 57, 15, 99), ["outside the volume", "k=99"]),
        (("--slice", 14, "--box", 57, 15, 57, 38), ["no area", "i goes from 57 to 57"]),
        (("--slice", 14, "--box", 70, 15, 57, 38), ["no area", "smaller end first"]),
        (("--slice", 14, "--box", 57.5, 15, 70, 38), ["whole numbers, not 57.5", "--mm"]),
        (("--slice", "inf", "--point", 5, 6), ["whole numbers, not inf"]),
        (("--slice", "nan", "--point", 5, 6, "--mm"), ["finite"]),
        ((*IN_SLICE, "--bounds", 15, 20), ["15 to 20 exclude the prompted slice 14", "widen"]),
        ((*IN_SLICE, "--bounds", 10, 24), ["10 to 24 leave the volume", "0 to 23"]),
        ((*IN_SLICE, "--bounds", 20, 10), ["reversed", "smaller slice first"]),
        ((*IN_SLICE, "--bounds", 12, 16, "--fix", 60, 30, 17), ["slice 17, outside the bounds 12 to 16"]),
        ((*IN_SLICE, "--plane", "oblique"), ["'oblique' is not a plane", "axial, coronal, sagittal"]),
        ((*IN_SLICE, "--window", 240, -160), ["window 240 to -160 is empty", "lower end first"]),
        ((*IN_SLICE, "--policy", "magic"), ["policy must be one of mask, box, point, copy, not 'magic'"]),
        ((*IN_SLICE, "--series", 1), ["series can only be chosen in a DICOM folder"]),
    ],
)
def test_a_prompt_that_does_not_fit(
    refused: Refused, phantom_ct: PhantomFile, args: tuple[object, ...], words: list[str]
) -> None:
    refused(phantom_ct.path, *args, words=words)


def test_a_mask_of_another_grid(refused: Refused, phantom_ct: PhantomFile, tmp_path: Path) -> None:
    truth = phantom_ct.phantom.truth
    write_labels(LabelVolume(truth.ids, truth.geometry), tmp_path / "m.nii.gz")
    moved = nibabel.load(tmp_path / "m.nii.gz")
    affine = moved.affine.copy()
    affine[0, 3] += 10
    nibabel.save(nibabel.Nifti1Image(np.asanyarray(moved.dataobj), affine), tmp_path / "moved.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.asanyarray(moved.dataobj)[:, :, 1:], moved.affine), tmp_path / "cut.nii.gz")
    for name in ("moved.nii.gz", "cut.nii.gz"):
        refused(
            phantom_ct.path, "--slice", 14, "--mask", name, words=[f"The mask {name} lies on another grid", "mm at"]
        )


def test_a_mask_that_is_empty_on_the_slice_or_no_mask_at_all(
    refused: Refused, phantom_ct: PhantomFile, tmp_path: Path
) -> None:
    ids = np.zeros(phantom_ct.phantom.truth.ids.shape, np.uint8)
    ids[3, 20:30, 20:30] = 1
    write_labels(LabelVolume(ids, phantom_ct.phantom.volume.geometry), tmp_path / "m.nii.gz")
    refused(phantom_ct.path, "--slice", 14, "--mask", "m.nii.gz", words=["empty on slice k=14"])
    refused(phantom_ct.path, "--slice", 14, "--mask", phantom_ct.path, words=["not a label map", "0 to 65535"])
    refused(phantom_ct.path, "--slice", 14, "--mask", "gone.nii.gz", words=["gone.nii.gz does not exist"])


# --- files that are not one CT volume


def write_array(path: Path, array: np.ndarray, *, vector: bool = False) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))


def made_volume(shape: tuple[int, ...] = (5, 12, 10)) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 100, shape).astype(np.float32)


def with_nan(path: Path) -> None:
    hu = made_volume()
    hu[2, 3, 4] = np.nan
    write_array(path, hu)


def truncated_gzip(path: Path) -> None:
    write_array(path, made_volume((20, 30, 30)))
    path.write_bytes(path.read_bytes()[:-20_000])


def corrupt_gzip(path: Path) -> None:
    """Long enough for the header to be read before the corrupt part."""
    write_array(path, made_volume((40, 64, 64)))
    content = bytearray(path.read_bytes())
    at = len(content) * 9 // 10
    content[at : at + 64] = bytes(64)
    path.write_bytes(bytes(content))


def shorter_than_its_header(path: Path) -> None:
    write_array(path.with_name("whole.nii"), made_volume((20, 30, 30)))
    path.write_bytes(gzip.compress(path.with_name("whole.nii").read_bytes()[:-3_000]))


BAD_FILES: dict[str, tuple[str, Callable[[Path], object], list[str]]] = {
    "NaN": ("ct.nii.gz", with_nan, ["NaN or infinite", "value of air"]),
    "NaN in NRRD": ("ct.nrrd", with_nan, ["NaN or infinite"]),
    "constant": ("ct.nii.gz", lambda path: write_array(path, np.full((5, 12, 10), 40, np.int16)), ["constant"]),
    "2D": ("ct.nii.gz", lambda path: write_array(path, made_volume((12, 10))), ["2 dimensions"]),
    "2D NRRD": ("ct.nrrd", lambda path: write_array(path, made_volume((12, 10))), ["2 dimensions", "whole stack"]),
    "a picture": (
        "ct.png",
        lambda path: Image.new("L", (20, 20)).save(path),
        ["not a volume that can be read", ".nrrd"],
    ),
    "4D": (
        "ct.nii.gz",
        lambda path: nibabel.save(nibabel.Nifti1Image(made_volume((6, 5, 4, 3)), np.eye(4)), path),
        ["3 volumes", "0 to 2: --index"],
    ),
    "RGB": (
        "ct.mha",
        lambda path: write_array(path, np.zeros((5, 12, 10, 3), np.uint8), vector=True),
        ["vector of 8-bit unsigned", "one number per voxel"],
    ),
    "truncated gzip": ("ct.nii.gz", truncated_gzip, ["damaged", "cut short"]),
    "corrupt gzip": ("ct.nii.gz", corrupt_gzip, ["damaged", "cut short or altered"]),
    "shorter than its header": ("ct.nii.gz", shorter_than_its_header, ["damaged", "states 0.1 MB"]),
    "text": ("ct.nii.gz", lambda path: path.write_text("not an image"), ["not of the format of its suffix"]),
    "empty file": ("ct.nrrd", lambda path: path.touch(), ["empty file"]),
    "missing file": ("ct.nii.gz", lambda path: None, ["ct.nii.gz does not exist", "spelling"]),
    "damaged zip": ("ct.zip", lambda path: path.write_bytes(b"PK\x03\x04 broken"), ["damaged zip"]),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_not_one_volume(refused: Refused, tmp_path: Path, case: str) -> None:
    name, make, words = BAD_FILES[case]
    make(tmp_path / name)
    refused(name, *PROMPT, words=words)


# --- DICOM folders that are not one regular series


SHAPE = 5, 48, 60


def several_series(folder: Path) -> None:
    for number in (1, 2):
        uid = f"1.2.3.{number}"
        write_series(folder / str(number), ct_values(SHAPE), series_uid=uid, origin_lps=(0.0, 0.0, 100.0 * number))


def several_acquisitions(folder: Path) -> None:
    """Two at overlapping positions in one series; stacking them would interleave two scans."""
    for number in (1, 2):
        write_series(
            folder / str(number), ct_values(SHAPE, number), series_uid="1.2.3", acquisition=number,
            origin_lps=(0.0, 0.0, 1.25 * number),
        )  # fmt: skip


def missing_slices(folder: Path) -> None:
    for path in write_series(folder, ct_values((9, 12, 10)))[4:6]:
        path.unlink()


def duplicate_slices(folder: Path) -> None:
    write_series(folder, ct_values(), series_uid="1.2.3")
    write_series(folder, ct_values(seed=1)[:1], series_uid="1.2.3", names=["again.dcm"])


def tilted_gantry(folder: Path) -> None:
    def tilt(k: int, dataset) -> None:
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, float(y) + 0.9 * k, z]

    write_series(folder, ct_values(), edit=tilt)


def magnetic_resonance(folder: Path) -> None:
    def rename(k: int, dataset) -> None:
        dataset.Modality = "MR"

    write_series(folder, ct_values(SHAPE), edit=rename)


def only_contours(folder: Path) -> None:
    folder.mkdir()
    write_report(folder / "rtstruct.dcm")


BAD_FOLDERS: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "empty": (lambda folder: folder.mkdir(), ["holds no DICOM image", "the folder is empty", "Give the folder"]),
    "no image": (only_contours, ["holds no DICOM image", "only 1 RTSTRUCT"]),
    "several series": (several_series, ["2 series", "--series", "1: CT, 5 images of 60×48", "2: CT"]),
    "several acquisitions": (several_acquisitions, ["2 acquisitions of the same place", "1#1: 5 slices", "1#2"]),
    "missing slices": (missing_slices, ["missing", "2.50 mm apart", "7.50 mm between", "image 4, IM003.dcm", "IM006"]),
    "duplicate slices": (duplicate_slices, ["position of another one", "again.dcm"]),
    "tilted gantry": (tilted_gantry, ["tilted gantry", "19.8°"]),
}


@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_a_folder_that_is_not_one_series(refused: Refused, tmp_path: Path, case: str) -> None:
    make, words = BAD_FOLDERS[case]
    make(tmp_path / "dicom")
    refused("dicom", *PROMPT, words=words)


def test_mixed_acquisitions_of_a_real_scanner_are_never_stacked(refused: Refused, shared_data: Path) -> None:
    refused(
        shared_data / "dicom" / "mixed_acquisitions",
        *("--slice", 5, "--box", 100, 100, 200, 200),
        words=["3 acquisitions of the same place", "1#1", "1#2", "1#3: 10 slices"],
    )


@pytest.mark.parametrize(
    ("make", "series", "words"),
    [
        (several_series, "3", ["no series '3'", "2: CT"]),
        (several_acquisitions, "1#7", ["no acquisition '7'", "1, 2"]),
    ],
)
def test_a_series_that_is_not_there(
    refused: Refused, tmp_path: Path, make: Callable[[Path], None], series: str, words: list[str]
) -> None:
    make(tmp_path / "dicom")
    refused("dicom", *PROMPT, "--series", series, words=words)


@pytest.mark.parametrize(
    ("make", "args", "noted", "origin_z"),
    [
        (several_series, ("--series", "2"), "", 200.0),
        (several_acquisitions, ("--series", "1#2"), "", 2.5),
        (magnetic_resonance, (), "", -30.0),
    ],
)
def test_the_remedy_of_the_message_works_and_an_mr_needs_none(
    run_radsam: CommandLine,
    tiny_bundle: Path,
    tmp_path: Path,
    make: Callable[[Path], None],
    args: tuple[object, ...],
    noted: str,
    origin_z: float,
) -> None:
    make(tmp_path / "dicom")
    line = ("segment", "dicom", *PROMPT, "--bounds", 1, 3, *args, "--model", tiny_bundle, "-o", "mask.nii.gz")
    result = run_radsam(*line, cwd=tmp_path).done()
    assert result.stderr.startswith(noted)
    assert result.stderr.count("\n") == bool(noted)
    labels = read_labels(tmp_path / "mask.nii.gz")
    assert labels.ids.any()
    assert labels.geometry.shape_kji == SHAPE
    assert labels.geometry.origin_lps[2] == pytest.approx(origin_z)


# --- results that cannot be written

SPLEEN = (*IN_SLICE, "--bounds", 13, 15)


@pytest.mark.parametrize(
    ("out", "args", "words"),
    [
        ("gone/mask.nii.gz", (), ["the folder .*gone does not exist", "Create it"]),
        ("mask.png", (), ["no suffix of an image file", ".nii.gz, .nii, .nrrd"]),
        ("folder.nii.gz", (), ["is a folder"]),
        ("ct.nii.gz", (), ["is one of the inputs"]),
        ("link.nii.gz", (), ["is one of the inputs"]),
        ("mask.nii.gz", ("--preview", "p.tiff"), ["p.tiff is not a picture", ".png"]),
        ("mask.nii.gz", ("--preview", "gone/p.png"), ["the folder .*gone does not exist"]),
        ("mask.nii.gz", ("--session", "gone/s.radsam"), ["the folder .*gone does not exist"]),
        ("mask.nii.gz", ("--session", "mask.nii.gz"), ["same path"]),
        ("mask.nii.gz", ("--session", "ct.nii.gz"), ["is one of the inputs"]),
    ],
)
def test_a_place_where_nothing_can_be_written(
    refused: Refused, phantom_ct: PhantomFile, tmp_path: Path, out: str, args: tuple[object, ...], words: list[str]
) -> None:
    (tmp_path / "ct.nii.gz").write_bytes(phantom_ct.path.read_bytes())
    (tmp_path / "link.nii.gz").symlink_to("ct.nii.gz")
    (tmp_path / "folder.nii.gz").mkdir()
    refused("ct.nii.gz", *SPLEEN, *args, out=out, words=words)


def test_a_process_ends_the_same_way(refused: Refused, phantom_ct: PhantomFile, tmp_path: Path) -> None:
    """One case of each kind; the others run in this process, which is faster."""
    refused(phantom_ct.path, "--slice", 24, "--point", 57, 15, words=["outside the volume"], process=True)
    corrupt_gzip(tmp_path / "corrupt.nii.gz")
    refused("corrupt.nii.gz", *PROMPT, words=["damaged"], process=True)
    several_series(tmp_path / "dicom")
    refused("dicom", *PROMPT, words=["2 series"], process=True)
    refused(phantom_ct.path, *SPLEEN, out="gone/mask.nii.gz", words=["does not exist"], process=True)


#: Simulates a full disk: no file can grow beyond this size.
FULL_DISK = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))\n"


@pytest.mark.parametrize(
    ("out", "more", "limit", "failed"),
    [
        ("mask.nii", (), 60_000, "mask.nii"),
        ("mask.nii.gz", (), 100, "mask.nii.gz"),
        ("mask.nrrd", (), 100, "mask.nrrd"),
        ("mask.nii.gz", ("--preview", "p.png"), 50_000, "p.png"),
        ("mask.nii.gz", ("--session", "s.radsam"), 1_500, "s.radsam"),
    ],
)
def test_a_full_disk_leaves_what_was_there_before(
    run_radsam: CommandLine,
    phantom_ct: PhantomFile,
    tiny_bundle: Path,
    tmp_path: Path,
    out: str,
    more: tuple[str, ...],
    limit: int,
    failed: str,
) -> None:
    old = tmp_path / failed
    if failed != "s.radsam":  # an existing session would be read
        old.write_bytes(b"an older result")
    line = ("segment", phantom_ct.path, *SPLEEN, "--model", tiny_bundle, *more, "-o", out, "--json")
    result = run_radsam(*line, cwd=tmp_path, before=FULL_DISK.format(limit))
    assert result.returncode == 3, result.stderr
    assert f"{failed} could not be written" in result.json["error"]["message"]
    assert "Choose another folder" in result.json["error"]["message"]
    assert failed == "s.radsam" or old.read_bytes() == b"an older result"
    # A result that was complete before the disk was full may stay; no other file.
    assert {each.name for each in tmp_path.iterdir()} <= {failed, out}
    assert failed != "s.radsam" or not old.exists()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    folder.chmod(0o500)
    try:
        yield
    finally:
        folder.chmod(0o700)


def test_a_folder_that_may_not_be_written_to(refused: Refused, phantom_ct: PhantomFile, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    with read_only(locked):
        try:
            (locked / "probe").touch()
        except PermissionError:
            refused(phantom_ct.path, *SPLEEN, out="locked/mask.nii.gz", words=["does not allow it"])
        else:
            pytest.skip("this user may write everywhere (root)")
