from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from radsam.errors import OutputError
from radsam.io import volume_write
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import LABEL_SUFFIXES, check_grid, write_labels
from radsam.volume import Geometry, LabelVolume


def some_labels(dtype: type = np.uint8) -> LabelVolume:
    ids = np.random.default_rng(0).integers(0, 4, (6, 7, 8)).astype(dtype)
    affine = np.array([[0.0, -0.7, 0, 5], [0.9, 0, 0, -30], [0, 0, -2.5, 100], [0, 0, 0, 1]])
    return LabelVolume(ids, Geometry((6, 7, 8), affine))


@pytest.mark.parametrize("suffix", [*LABEL_SUFFIXES, ".NII.GZ"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_labels_come_back_in_place(tmp_path: Path, suffix: str, dtype: type) -> None:
    labels = some_labels(dtype)
    labels.ids[0, 0, 0] = np.iinfo(dtype).max
    write_labels(labels, tmp_path / f"mask{suffix}")
    back = read_labels(tmp_path / f"mask{suffix}")
    assert back.ids.dtype == dtype
    np.testing.assert_array_equal(back.ids, labels.ids)
    np.testing.assert_allclose(back.geometry.affine_lps, labels.geometry.affine_lps, atol=1e-5)


def test_nibabel_sees_the_same_grid(tmp_path: Path) -> None:
    labels = some_labels()
    write_labels(labels, tmp_path / "mask.nii.gz")
    image = nib.load(tmp_path / "mask.nii.gz")
    ras_from_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    np.testing.assert_allclose(image.affine, ras_from_lps @ labels.geometry.affine_lps, atol=1e-5)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), labels.ids.T)
    assert image.get_data_dtype() == np.uint8
    assert image.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("name", ["mask.mha", "mask.png", "mask", "mask.nii.bz2", "nii.gz"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"\.nii\.gz, \.nii, \.nrrd"):
        write_labels(some_labels(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        write_labels(some_labels(), tmp_path / "no" / "mask.nii.gz")


def test_a_sheared_grid_is_refused(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 1] = 0.3
    with pytest.raises(OutputError, match="not perpendicular"):
        write_labels(LabelVolume(some_labels().ids, Geometry((6, 7, 8), affine)), tmp_path / "mask.nii.gz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("grid", "holds"),
    [
        (Geometry((6, 7, 8), np.diag([0.7, 0.8, 2.5, 1])), True),
        (Geometry.from_parts((6, 7, 8), (1e7 + 0.3, 0.0, 0.0), (0.01, 0.01, 0.01), np.eye(3)), False),
        (Geometry((2, 2, 40_000), np.eye(4)), False),
    ],
)
def test_a_grid_that_float32_and_16_bits_do_not_hold_needs_nrrd(tmp_path: Path, grid: Geometry, holds: bool) -> None:
    labels = LabelVolume(np.ones(grid.shape_kji, np.uint8), grid)
    for write in (lambda path: check_grid(grid, path), lambda path: write_labels(labels, path)):
        write(tmp_path / "mask.nrrd")
        if holds:
            write(tmp_path / "mask.nii.gz")
        else:
            with pytest.raises(OutputError, match=r"cannot hold this grid.*\.nrrd"):
                write(tmp_path / "mask.nii.gz")
            assert not (tmp_path / "mask.nii.gz").exists()


def test_a_file_that_reads_back_differently_never_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "mask.nii.gz"
    target.write_bytes(b"the previous mask")
    honest = volume_write.sitk.WriteImage
    monkeypatch.setattr(volume_write.sitk, "WriteImage", lambda image, *rest, **more: honest(image + 1, *rest, **more))
    with pytest.raises(OutputError, match="other values"):
        write_labels(some_labels(), target)
    assert target.read_bytes() == b"the previous mask"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
@pytest.mark.parametrize("suffix", LABEL_SUFFIXES)
@pytest.mark.parametrize("limit_bytes", [1, 4096, 100_000])
def test_a_disk_that_takes_no_more_leaves_the_previous_file(tmp_path: Path, suffix: str, limit_bytes: int) -> None:
    """A real limit, in a process of its own: SimpleITK writes what fits and reports success."""
    target = tmp_path / f"mask{suffix}"
    target.write_bytes(b"the previous mask")
    code = f"""
        import resource
        import numpy as np
        from radsam.errors import OutputError
        from radsam.io.volume_write import write_labels
        from radsam.volume import Geometry, LabelVolume

        # Random ids do not compress, so every format passes the limit.
        ids = np.random.default_rng(0).integers(0, 255, (16, 128, 128)).astype(np.uint8)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))
        try:
            write_labels(LabelVolume(ids, Geometry(ids.shape, np.eye(4))), {str(target)!r})
        except OutputError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert "does not allow a file of this size" in done.stdout
    assert target.read_bytes() == b"the previous mask"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("suffix", LABEL_SUFFIXES)
@pytest.mark.parametrize("name", [b"f\xe9/mask", b"L\xe9a"])
def test_a_path_need_not_be_utf8(tmp_path: Path, suffix: str, name: bytes) -> None:
    path = tmp_path / f"{os.fsdecode(name)}{suffix}"
    path.parent.mkdir(exist_ok=True)
    write_labels(some_labels(), path)
    np.testing.assert_array_equal(read_labels(path).ids, some_labels().ids)
    assert list(path.parent.iterdir()) == [path]
