"""`radsam info` and `radsam cache`: what is there, without reading or changing it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from command_line import CommandLine, PhantomFile
from dicom_files import ct_values, write_series


def test_a_file_is_described_from_its_header(run_radsam: CommandLine, phantom_ct: PhantomFile, tmp_path: Path) -> None:
    found = run_radsam.here("info", phantom_ct.path, "--json", cwd=tmp_path).done().json
    geometry = phantom_ct.phantom.volume.geometry
    assert found["shape_ijk"] == [80, 64, 24]
    np.testing.assert_allclose(found["affine_lps"], geometry.affine_lps, atol=1e-3)
    assert found["slices"] == {
        "axial": {"axis": "k", "count": 24},
        "coronal": {"axis": "j", "count": 64},
        "sagittal": {"axis": "i", "count": 80},
    }
    shown = run_radsam.here("info", phantom_ct.path, cwd=tmp_path).done().stdout
    assert "80×64×24 voxels of 4.2×4.2×8 mm" in shown
    assert "i to L (tilted" in shown
    assert "axial along k (0 to 23), coronal along j (0 to 63), sagittal along i (0 to 79)" in shown


def test_a_header_is_enough(run_radsam: CommandLine, phantom_ct: PhantomFile, tmp_path: Path) -> None:
    """Only the first kilobytes of the compressed file are there."""
    (tmp_path / "ct.nii.gz").write_bytes(phantom_ct.path.read_bytes()[:20_000])
    assert run_radsam.here("info", "ct.nii.gz", "--json", cwd=tmp_path).done().json["shape_ijk"] == [80, 64, 24]


def test_a_folder_with_several_series_is_listed(run_radsam: CommandLine, tmp_path: Path) -> None:
    for number in (1, 2):
        write_series(tmp_path / "dicom" / str(number), ct_values(seed=number), series_uid=f"1.2.{number}")
    found = run_radsam.here("info", "dicom", "--json", cwd=tmp_path).done().json
    assert [(each["number"], each["uid"], each["slices"]) for each in found["series"]] == [
        (1, "1.2.1", 5),
        (2, "1.2.2", 5),
    ]
    assert "choose one" in found["problem"]
    assert found["shape_ijk"] is None
    assert "--series" in run_radsam.here("info", "dicom", cwd=tmp_path).done().stdout
    assert run_radsam.here("info", "dicom", "--series", 2, "--json", cwd=tmp_path).done().json["shape_ijk"] == [
        10,
        12,
        5,
    ]


def test_the_listing_shows_whole_uids_and_each_problem_once(run_radsam: CommandLine, tmp_path: Path) -> None:
    uids = [f"1.2.826.0.1.3680043.8.498.{'1234567890' * 3}.{number}" for number in (1, 2)]
    for uid in uids:
        paths = write_series(tmp_path / "dicom" / uid[-1], ct_values((5, 12, 10)), series_uid=uid)
    paths[2].unlink()
    shown = run_radsam.here("info", "dicom", cwd=tmp_path).done().stdout
    assert all(any(uid in line and "CT" in line for line in shown.splitlines()) for uid in uids)
    assert shown.count("Slices are missing") == 1
    alone = run_radsam.here("info", "dicom", "--series", 2, cwd=tmp_path).done().stdout
    assert alone.count("Slices are missing") == 1


def test_a_missing_file_ends_with_3(run_radsam: CommandLine, tmp_path: Path) -> None:
    result = run_radsam.here("info", "gone.nii.gz", "--json", cwd=tmp_path)
    assert result.returncode == 3
    assert result.json["error"]["type"] == "VolumeError"


def test_the_cache_is_shown_and_removed(run_radsam: CommandLine, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / f"{0:064x}.npy").write_bytes(bytes(3_000_000))
    env = {"RADSAM_CACHE": str(cache)}
    found = run_radsam.here("cache", "show", "--json", cwd=tmp_path, env=env).done().json
    assert found == {
        "folder": str(cache),
        "bytes": 3_000_000,
        "series_folder": str(cache / "series"),
        "series_bytes": 0,
        "compiled_folder": str(cache / "compiled"),
        "compiled_bytes": 0,
    }
    assert f"Removed 3.0 MB from {cache}." in run_radsam.here("cache", "clear", cwd=tmp_path, env=env).done().stdout
    assert not cache.exists()
    assert f"{cache}: 0.0 MB" in run_radsam.here("cache", "show", cwd=tmp_path, env=env).done().stdout
