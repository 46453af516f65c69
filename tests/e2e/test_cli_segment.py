"""Does `radsam segment` do what its options request, and write a mask on the grid of the CT?"""

from __future__ import annotations

import os
import pty
import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

import radsam
from command_line import CommandLine, PhantomFile, Target
from radsam.data.adapters.phantom import make_phantom
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import write_labels, write_volume
from radsam.metrics import dice
from radsam.session import Engine, Session
from radsam.volume import Box, LabelVolume, Mask, Point, SliceGrid

# A prompt for the phantom's spleen; tests with the tiny model need any box.
K, BOX, BOUNDS = 14, (57, 15, 70, 38), (12, 16)
TYPED_BOX = ("--slice", K, "--box", *BOX)
TYPED_BOUNDS = ("--bounds", *BOUNDS)


@pytest.fixture(scope="module")
def tiny_engine(tiny_bundle: Path) -> Engine:
    return radsam.load(tiny_bundle)


def header(path: Path) -> list[float]:
    image = sitk.ReadImage(str(path))
    return [*image.GetSize(), *image.GetSpacing(), *image.GetOrigin(), *image.GetDirection()]


# --- where the mask lies

#: Stored axes, tilt in degrees.
STORED = {
    "LPS": ("LPS", (0.0, 0.0, 0.0)),
    "oblique LAS": ("LAS", (12.0, -9.0, 15.0)),
    "sagittal, oblique": ("PSR", (4.0, -3.0, 5.0)),
    "coronal, flipped": ("RIA", (0.0, 0.0, 0.0)),
}
#: Number and spacing in mm. Coarser than this, LiteMedSAM no longer finds the spleen.
VOXELS = {"LR": (96, 3.6), "PA": (80, 3.3), "SI": (20, 9.0)}


@pytest.mark.parametrize(
    ("stored", "suffix"), [*((stored, ".nii.gz") for stored in STORED), ("sagittal, oblique", ".nrrd")]
)
def test_the_mask_has_the_grid_of_the_ct(
    run_radsam: CommandLine, tiny_bundle: Path, tmp_path: Path, stored: str, suffix: str
) -> None:
    axes, tilt = STORED[stored]
    counts, spacing = zip(*(next(VOXELS[key] for key in VOXELS if a in key) for a in axes), strict=True)
    phantom = make_phantom(shape_ijk=counts, spacing_mm_ijk=spacing, axes=axes, tilt_deg=tilt)
    ct = tmp_path / f"ct{suffix}"
    write_volume(phantom.volume, ct)
    grid = SliceGrid.of(phantom.volume.geometry, "axial")
    k, (low, high) = grid.count // 2, (grid.count // 2 - 1, grid.count // 2 + 2)
    line = ("segment", ct, "--slice", k, "--box", 10, 12, 30, 40, "--bounds", low, high, "--model", tiny_bundle)
    result = run_radsam.here(*line, "-o", f"mask{suffix}", "--json", cwd=tmp_path).done()

    mask = tmp_path / f"mask{suffix}"
    # NIfTI keeps its rotation as float32.
    np.testing.assert_allclose(header(mask), header(ct), rtol=0, atol=1e-7)
    ids = sitk.GetArrayFromImage(sitk.ReadImage(str(mask)))
    filled = np.flatnonzero(ids.any(axis=tuple(a for a in range(3) if a != 2 - grid.axis)))
    assert filled.tolist() == list(range(low, high + 1))
    assert result.json["objects"][0]["slices"] == [low, high]
    assert result.json["objects"][0]["voxels"] == np.count_nonzero(ids)
    if suffix == ".nii.gz":
        theirs, ours = nibabel.load(ct), nibabel.load(mask)
        np.testing.assert_allclose(ours.affine, theirs.affine, rtol=0, atol=1e-6)
        ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ phantom.volume.geometry.affine_lps
        np.testing.assert_allclose(ours.affine, ras, atol=1e-3)
        assert nibabel.aff2axcodes(ours.affine) == nibabel.aff2axcodes(theirs.affine)
        np.testing.assert_array_equal(np.asanyarray(ours.dataobj).transpose(2, 1, 0), ids)


@pytest.mark.slow
@pytest.mark.parametrize("stored", ["LPS", "oblique LAS", "sagittal, oblique"])
def test_the_mask_lies_on_the_organ(run_radsam: CommandLine, lite_bundle: Path, tmp_path: Path, stored: str) -> None:
    """A mask that is mirrored or transposed would miss the organ."""
    axes, tilt = STORED[stored]
    counts, spacing = zip(*(next(VOXELS[key] for key in VOXELS if a in key) for a in axes), strict=True)
    phantom = make_phantom(shape_ijk=counts, spacing_mm_ijk=spacing, axes=axes, tilt_deg=tilt)
    write_volume(phantom.volume, tmp_path / "ct.nii.gz")
    truth = phantom.mask("spleen")
    grid = SliceGrid.of(phantom.volume.geometry, "axial")
    # As if it were stored axially, to find the box on an axial slice.
    target = Target.of(np.moveaxis(truth, 2 - grid.axis, 0))
    low, high = target.near(1)
    line = ("segment", "ct.nii.gz", "--slice", target.k, "--box", *target.box, "--bounds", low, high)
    run_radsam.here(*line, "--model", lite_bundle, "-o", "mask.nii.gz", cwd=tmp_path).done()
    found = read_labels(tmp_path / "mask.nii.gz").ids > 0
    here = np.zeros_like(truth)
    for index in range(low, high + 1):
        grid.put(here, index, np.ones(grid.shape_vu, bool))
    assert dice(found, truth & here) > 0.85


def test_a_compressed_dicom_series_gives_the_mask_of_its_nifti(
    run_radsam: CommandLine, tiny_bundle: Path, shared_data: Path, tmp_path: Path
) -> None:
    nifti = shared_data / "ct" / "abdomen_2mm_organs" / "ct.nii.gz"
    k = sitk.ReadImage(str(nifti)).GetDepth() // 2
    line = ("--slice", k, "--box", 60, 160, 240, 330, "--bounds", k - 1, k + 1, "--model", tiny_bundle)
    run_radsam.here("segment", nifti, *line, "-o", "nifti.nii.gz", cwd=tmp_path).done()
    run_radsam.here(
        "segment", shared_data / "dicom" / "abdomen_jpeg2000", *line, "-o", "dicom.nii.gz", cwd=tmp_path
    ).done()
    a, b = (sitk.ReadImage(str(tmp_path / name)) for name in ("nifti.nii.gz", "dicom.nii.gz"))
    # Both turned to one orientation: the two files may be stored differently.
    a, b = sitk.DICOMOrient(a, "LPS"), sitk.DICOMOrient(b, "LPS")
    ids = sitk.GetArrayFromImage(a)
    assert ids.any()
    np.testing.assert_array_equal(ids, sitk.GetArrayFromImage(b))
    np.testing.assert_allclose(a.GetOrigin(), b.GetOrigin(), atol=1e-3)


# --- the options reach the session: the same mask as from Python

Steps = Callable[[Session], object]
CORRECTION = Point(i=60, j=30, k=15), Point(i=20, j=50, k=15, positive=False)


def typed_cases() -> dict[str, tuple[tuple[object, ...], Steps]]:
    box = Box(k=K, i0=BOX[0], j0=BOX[1], i1=BOX[2], j1=BOX[3])
    point = Point(i=63, j=26, k=K)

    def corrected(session: Session) -> None:
        session.segment(box, bounds=BOUNDS)
        with warnings.catch_warnings():
            # Random weights follow a click or do not.
            warnings.simplefilter("ignore", radsam.CapabilityWarning)
            session.correct(*CORRECTION)
            session.correct(Point(i=40, j=12, k=13))

    return {
        "box": ((*TYPED_BOX, *TYPED_BOUNDS), lambda s: s.segment(box, bounds=BOUNDS)),
        "point": (("--slice", K, "--point", 63, 26, *TYPED_BOUNDS), lambda s: s.segment(point, bounds=BOUNDS)),
        "window": (
            (*TYPED_BOX, *TYPED_BOUNDS, "--window", -1000, 200),
            lambda s: s.segment(box, bounds=BOUNDS, window=(-1000.0, 200.0)),
        ),
        "policy": (
            (*TYPED_BOX, *TYPED_BOUNDS, "--policy", "box"),
            lambda s: s.segment(box, bounds=BOUNDS, policy="box"),
        ),
        "coronal": (
            ("--plane", "coronal", "--slice", 25, "--box", 40, 3, 70, 15, "--bounds", 23, 26),
            lambda s: s.segment(Box(j=25, i0=40, k0=3, i1=70, k1=15), bounds=(23, 26), plane="coronal"),
        ),
        "sagittal": (
            ("--plane", "sagittal", "--slice", 60, "--point", 26, 14, "--bounds", 59, 61),
            lambda s: s.segment(Point(i=60, j=26, k=14), bounds=(59, 61), plane="sagittal"),
        ),
        "no bounds": ((*TYPED_BOX, "--policy", "copy"), lambda s: s.segment(box, policy="copy")),
        "corrections, spaces": (
            (*TYPED_BOX, *TYPED_BOUNDS, "--fix", 60, 30, 15, "--fix", 40, 12, 13, "--fix-not", 20, 50, 15),
            corrected,
        ),
        "corrections, commas": (
            (*TYPED_BOX, *TYPED_BOUNDS, "--fix", "60,30,15", "--fix=40,12,13", "--fix-not", "20,50,15"),
            corrected,
        ),
    }


@pytest.mark.parametrize("case", typed_cases())
def test_the_command_gives_the_mask_of_python(
    run_radsam: CommandLine,
    phantom_ct: PhantomFile,
    tiny_bundle: Path,
    tiny_engine: Engine,
    tmp_path: Path,
    case: str,
) -> None:
    line, steps = typed_cases()[case]
    run_radsam.here("segment", phantom_ct.path, *line, "--model", tiny_bundle, "-o", "mask.nii.gz", cwd=tmp_path).done()
    session = tiny_engine.open(radsam.read_volume(phantom_ct.path))
    steps(session)
    assert session.labels.ids.any()
    np.testing.assert_array_equal(read_labels(tmp_path / "mask.nii.gz").ids, session.labels.ids)


def test_a_mask_prompt_is_taken_from_its_slice(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tiny_engine: Engine, tmp_path: Path
) -> None:
    rough = phantom_ct.phantom.mask("spleen")
    write_labels(LabelVolume((rough * 7).astype(np.uint8), phantom_ct.phantom.volume.geometry), tmp_path / "m.nrrd")
    line = ("--slice", K, "--mask", "m.nrrd", *TYPED_BOUNDS, "--model", tiny_bundle, "-o", "mask.nii.gz")
    run_radsam.here("segment", phantom_ct.path, *line, cwd=tmp_path).done()
    session = tiny_engine.open(radsam.read_volume(phantom_ct.path))
    session.segment(Mask(pixels=rough[K], k=K), bounds=BOUNDS)
    np.testing.assert_array_equal(read_labels(tmp_path / "mask.nii.gz").ids, session.labels.ids)


@pytest.mark.parametrize("plane", ["axial", "coronal"])
def test_millimetres_mean_the_same_voxels(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path, plane: str
) -> None:
    """The phantom is oblique and its rows run against y."""
    geometry = phantom_ct.phantom.volume.geometry
    grid = SliceGrid.of(geometry, plane)
    axis, inside = {"axial": (2, [0, 1]), "coronal": (1, [0, 2])}[plane]
    index, (u0, v0, u1, v1), (low, high) = {
        "axial": (K, BOX, BOUNDS),
        "coronal": (25, (50, 8, 66, 18), (24, 26)),
    }[plane]

    def mm(at: int, u: float, v: float) -> np.ndarray:
        ijk = np.zeros(3)
        ijk[[grid.axis, *grid.uv_axes]] = at, u, v
        return geometry.index_to_mm(ijk)

    middle = (u0 + u1) // 2, (v0 + v1) // 2
    across = [mm(each, *middle)[axis] for each in (index, low, high)]
    corners = [mm(index, u, v)[inside] for u, v in ((u0, v0), (u1, v1))]
    fix = mm(high, *middle)
    voxels = ("--slice", index, "--box", u0, v0, u1, v1, "--bounds", low, high)
    typed_mm = (
        "--mm",
        "--slice",
        across[0],
        "--box",
        *np.ravel(corners),
        "--bounds",
        *sorted(across[1:], reverse=True),
    )
    same = ("--plane", plane, "--model", tiny_bundle, "--json", "-o")
    run_radsam.here(
        "segment", phantom_ct.path, *voxels, "--fix", *grid.join(high, *middle), *same, "v.nii.gz",
        cwd=tmp_path,
    ).done()  # fmt: skip
    result = run_radsam.here(
        "segment", phantom_ct.path, *typed_mm, "--fix", *fix, *same, "mm.nii.gz", cwd=tmp_path
    ).done()
    assert result.json["objects"][0]["slices"] == [low, high]
    ids = read_labels(tmp_path / "v.nii.gz").ids
    assert ids.any()
    np.testing.assert_array_equal(read_labels(tmp_path / "mm.nii.gz").ids, ids)


@pytest.mark.slow
def test_without_bounds_the_stop_rule_ends_the_object_and_gives_the_reason(
    run_radsam: CommandLine, phantom_ct: PhantomFile, lite_bundle: Path, tmp_path: Path
) -> None:
    target = phantom_ct.target("kidney_left")
    line = ("--slice", target.k, "--box", *target.box, "--model", lite_bundle, "--json", "-o", "mask.nii.gz")
    result = run_radsam.here("segment", phantom_ct.path, *line, cwd=tmp_path).done()
    found = result.json["objects"][0]
    low, high = found["slices"]
    assert low <= target.k <= high
    for end, slice_k, outermost in zip(found["ended"], (low, high), (0, 23), strict=True):
        # The kidney is cut by the lower end of this CT, where only the volume's end can stop it.
        assert end != "bound"
        assert (end == "volume end") == (slice_k == outermost)


# --- output and messages


def test_json_is_all_of_standard_output_and_nothing_disturbs_it(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path
) -> None:
    line = (*TYPED_BOX, *TYPED_BOUNDS, "--model", tiny_bundle, "-o", "mask.nii.gz", "--name", "spleen")
    result = run_radsam("segment", phantom_ct.path, *line, "--json", cwd=tmp_path).done()
    assert result.stderr == ""
    found = result.json
    assert found["outputs"] == {"labels": "mask.nii.gz", "preview": None, "session": None}
    assert found["model"] == "tiny"
    (spleen,) = found["objects"]
    assert (spleen["name"], spleen["id"], spleen["plane"]) == ("spleen", 1, "axial")
    assert spleen["slices"] == list(BOUNDS)
    assert spleen["ended"] == ["bound", "bound"]
    assert spleen["prompts"] == [{"number": 0, "slice": K, "kind": "box"}]
    voxel_ml = phantom_ct.phantom.volume.geometry.voxel_volume_mm3 / 1000
    assert spleen["volume_ml"] == pytest.approx(spleen["voxels"] * voxel_ml, abs=1e-3)


def test_a_pipe_gets_no_progress_and_no_colours(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path
) -> None:
    line = (*TYPED_BOX, *TYPED_BOUNDS, "--model", tiny_bundle, "-o", "mask.nii.gz", "--preview", "p.png")
    result = run_radsam("segment", phantom_ct.path, *line, cwd=tmp_path).done()
    assert result.stderr == ""
    assert "\x1b" not in result.stdout
    assert "\r" not in result.stdout
    assert "labels: mask.nii.gz" in result.stdout
    assert "preview: p.png" in result.stdout


def test_a_terminal_gets_a_progress_bar(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path
) -> None:
    """The terminal is on standard error; the result on standard output stays plain."""
    ours, theirs = pty.openpty()
    process = run_radsam.start(
        "segment", phantom_ct.path, *TYPED_BOX, *TYPED_BOUNDS, "--model", tiny_bundle, "-o", "mask.nii.gz",
        cwd=tmp_path, env={"TERM": "xterm-256color"}, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    stdout, _ = process.communicate()
    assert process.returncode == 0, shown
    assert "Segmenting object" in shown.decode()
    assert "5/5" in shown.decode()
    assert "\x1b" not in stdout


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux, when the other side is closed
        return b""


def test_a_preview_is_a_picture_with_something_in_it(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path
) -> None:
    line = (*TYPED_BOX, *TYPED_BOUNDS, "--model", tiny_bundle, "-o", "mask.nii.gz", "--preview")
    for name, kind in (("a.png", "PNG"), ("a.jpg", "JPEG")):
        run_radsam.here("segment", phantom_ct.path, *line, name, cwd=tmp_path).done()
        with Image.open(tmp_path / name) as picture:
            assert picture.format == kind
            assert min(picture.size) >= 400
            assert len(np.unique(np.asarray(picture.convert("L")))) > 50


def test_the_users_own_bundle_can_be_the_default(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "radsam-lite").symlink_to(tiny_bundle)
    line = (*TYPED_BOX, *TYPED_BOUNDS, "-o", "mask.nii.gz", "--json")
    for more in ((), ("--model", "radsam-lite")):
        result = run_radsam(
            "segment", phantom_ct.path, *line, *more, cwd=tmp_path, env={"RADSAM_WEIGHTS": str(tmp_path / "weights")}
        ).done()
        assert result.json["model"] == "tiny"


def test_an_old_result_is_replaced(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "mask.nii.gz").write_text("an old one")
    line = (*TYPED_BOX, *TYPED_BOUNDS, "--model", tiny_bundle, "-o", "mask.nii.gz")
    run_radsam.here("segment", phantom_ct.path, *line, cwd=tmp_path).done()
    assert read_labels(tmp_path / "mask.nii.gz").ids.any()
    assert [each.name for each in tmp_path.iterdir()] == ["mask.nii.gz"]


# --- precision


def test_the_precision_is_shown_and_one_that_cannot_be_computed_is_refused(
    run_radsam: CommandLine, tiny_bundle: Path, phantom_ct: PhantomFile, tmp_path: Path, bf16_machine: None
) -> None:
    line = ("segment", phantom_ct.path, *TYPED_BOX, "--bounds", K, K, "--model", tiny_bundle, "-o", "m.nii.gz")
    for options, precision in (((), "bf16"), (("--precision", "f32"), "f32"), (("--precision", "bf16"), "bf16")):
        found = run_radsam.here(*line, *options, "--json", cwd=tmp_path).done().json
        assert (found["backend"], found["precision"]) == (f"openvino cpu {precision}", precision)
        assert found["precisions"] == [precision]
    run_radsam.here(*line, "--session", "s.radsam", cwd=tmp_path).done()
    again = run_radsam.here("edit", "s.radsam", "--precision", "f32", "-o", "e.nii.gz", cwd=tmp_path).done()
    assert "computed in bf16; new edits are computed in f32" in again.stderr_line
    (tmp_path / "m.nii.gz").unlink()
    refused = run_radsam.here(*line, "--precision", "bf16", "--backend", "onnx", cwd=tmp_path)
    assert refused.returncode == 4
    assert "ONNX Runtime computes in f32 only. Take --precision f32 or auto" in refused.stderr_line
    wrong = run_radsam.here(*line, "--precision", "fp16", cwd=tmp_path)
    assert wrong.returncode == 3
    assert "'fp16' is not a precision; choose one of auto, f32, bf16" in wrong.stderr_line
    assert not (tmp_path / "m.nii.gz").exists()
